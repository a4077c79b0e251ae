"""Brute-force check of the Bayes rule: the exact risk of every decision rule on a finite input space.

For each of k atoms a rule keeps, or asks a server with label -1 or +1. There are 3^k rules, and the risk of each is a
sum of fractions, so "no rule is better" is decided without a tolerance.
"""

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from l2h import checks
from l2h.theory.bayes import CLIENT_KINDS
from l2h.theory.distributions import Atom

DECISIONS = ("keep", "-1", "+1")
MAX_ATOMS = 10  # 3^10 = 59,049 rules


def action_costs(atom: Atom, *, c1: Fraction, ce: Fraction) -> dict[str, Fraction]:
    r"""Conditional risk of each action on one atom.

    .. math:: C(\text{keep}) = p, \quad C(-1) = c_1 \eta + c_e, \quad C(+1) = c_1 (1 - \eta) + c_e

    Args:
        atom: mass, eta and p.
        c1: cost of a wrong label of the server, exact.
        ce: cost of asking, exact.

    Returns:
        Action -> conditional risk.

    >>> action_costs(Atom(Fraction(1), Fraction(4, 5), Fraction(1, 2)), c1=Fraction(1), ce=Fraction(1, 10))
    {'keep': Fraction(1, 2), '-1': Fraction(9, 10), '+1': Fraction(3, 10)}
    """
    return {"keep": atom.p, "-1": c1 * atom.eta + ce, "+1": c1 * (1 - atom.eta) + ce}


def all_decision_rule_risks(atoms: Sequence[Atom], *, c1: Fraction, ce: Fraction) -> dict[tuple[str, ...], Fraction]:
    """The risk of each of the 3^k rules.

    Args:
        atoms: k <= 10 atoms.
        c1: cost of a wrong label of the server, exact.
        ce: cost of asking, exact.

    Returns:
        Rule, an action for each atom -> risk.

    Raises:
        ValueError: if there are more than 10 atoms.

    >>> from l2h.theory.distributions import atoms
    >>> risks = all_decision_rule_risks(atoms().atoms, c1=Fraction(1), ce=Fraction(3, 20))
    >>> len(risks), min(risks.values()), min(risks, key=risks.get)
    (243, Fraction(9, 40), ('keep', 'keep', 'keep', '+1', '-1'))
    """
    if len(atoms) > MAX_ATOMS:
        raise ValueError(f"expected at most {MAX_ATOMS} atoms, got {len(atoms)}: there are 3^k rules")
    weighted_costs = [
        [(action, atom.mass * cost) for action, cost in action_costs(atom, c1=c1, ce=ce).items()] for atom in atoms
    ]
    return {
        tuple(action for action, _ in rule): sum((cost for _, cost in rule), Fraction(0))
        for rule in itertools.product(*weighted_costs)
    }


def bayes_decision_rule(atoms: Sequence[Atom], *, c1: Fraction, ce: Fraction) -> tuple[str, ...]:
    r"""The rule of r* and e*: keep where c1 mu + ce > p, else ask for the likelier label (+1 at a tie).

    Args:
        atoms: of X.
        c1: cost of a wrong label of the server, exact.
        ce: cost of asking, exact.

    Returns:
        An action for each atom.

    >>> bayes_decision_rule([Atom(Fraction(1), Fraction(4, 5), Fraction(1, 2))], c1=Fraction(1), ce=Fraction(1, 10))
    ('+1',)

    Source: arXiv 2409.16253, the Bayes rules.
    """

    def decide(atom: Atom) -> str:
        if c1 * min(atom.eta, 1 - atom.eta) + ce > atom.p:
            return "keep"
        return "+1" if 2 * atom.eta >= 1 else "-1"

    return tuple(map(decide, atoms))


def random_atoms(n_atoms: int, *, client: str, generator: np.random.Generator) -> tuple[Atom, ...]:
    """A random finite distribution whose eta is a multiple of 1/20, with 0, 1/2 and 1 among its values.

    Args:
        n_atoms: number of atoms, >= 1.
        client: "deterministic" (p is eta or 1 - eta), "independent" (between them) or "free".
        generator: of NumPy.

    Returns:
        Atoms whose masses sum to 1.

    Raises:
        ValueError: if n_atoms < 1 or the client is unknown.

    >>> sum(atom.mass for atom in random_atoms(4, client="free", generator=np.random.default_rng(0)))
    Fraction(1, 1)
    """
    checks.at_least(1, n_atoms=n_atoms)
    checks.one_of(CLIENT_KINDS, client=client)
    weights = generator.integers(1, 10, n_atoms)
    atoms = []
    for weight in weights:
        eta = Fraction(int(generator.integers(21)), 20)
        share = Fraction(int(generator.integers(21)), 20)  # P(M = -1 | x) of a client that is independent of Y
        p = {
            "deterministic": eta if share < Fraction(1, 2) else 1 - eta,
            "independent": share * eta + (1 - share) * (1 - eta),
            "free": share,
        }[client]
        atoms.append(Atom(Fraction(int(weight), int(weights.sum())), eta, p))
    return tuple(atoms)
