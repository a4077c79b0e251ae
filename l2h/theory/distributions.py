"""Distributions with known eta(x) and p(x): samples, risks and the Bayes risk of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from l2h import checks
from l2h.problem import Costs, asks, server_label
from l2h.theory._quadrature import line_integral, plane_integral
from l2h.theory.bayes import bayes_rejector, server_error

Function = Callable[[np.ndarray], np.ndarray]  # of x, (n,) or (n, 2), with n values


def normal_density(z: np.ndarray) -> np.ndarray:
    """The standard normal density."""
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def log_cosh(z: np.ndarray) -> np.ndarray:
    """Log of cosh z, up to the constant log 2, without overflow."""
    return np.logaddexp(z, -z)


class Sample(NamedTuple):
    """A sample of a distribution."""

    x: np.ndarray  # (n,) or (n, 2)
    y: np.ndarray  # (n,) in {-1, +1}
    m: np.ndarray  # (n,) the client's labels in {-1, +1}


class Atom(NamedTuple):
    """A part of X on which eta and p are constant, in exact numbers."""

    mass: Fraction
    eta: Fraction
    p: Fraction


@dataclass(frozen=True)
class Distribution:
    """A distribution of (X, Y, M) with known conditional probabilities.

    Args:
        name: its key in `DISTRIBUTIONS`.
        client: "deterministic" or "free".
        eta: x -> P(Y=1|x).
        p: x -> P(M≠Y|x).
        sample_client: (x, y, generator) -> the client's labels.
        sample_x: (n, generator) -> a sample of n points x.
        expectation: (value, switches) -> E value(X), for a value with kinks or jumps only where a switch changes sign.
        atoms: for a finite distribution; then risks are exact fractions.
        density: x -> the density of X, for a distribution with a varying density.

    >>> DISTRIBUTIONS["gaussians"].bayes_risk(Costs(c1=1.0, ce=0.15))
    0.1917165...
    """

    __test__ = False  # tells pytest that this is no test

    name: str
    client: str
    eta: Function
    p: Function
    sample_client: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
    sample_x: Callable[[int, np.random.Generator], np.ndarray]
    expectation: Callable[[Function, tuple[Function, ...]], float]
    atoms: tuple[Atom, ...] = ()
    density: Function | None = None

    def sample(self, n: int, generator: np.random.Generator) -> Sample:
        """Draw n independent examples.

        Args:
            n: how many, >= 1.
            generator: of NumPy.

        Returns:
            Sample(x, y, m).

        Raises:
            ValueError: if n < 1.

        >>> DISTRIBUTIONS["atoms"].sample(4, np.random.default_rng(0)).y.shape
        (4,)
        """
        checks.at_least(1, n=n)
        x = self.sample_x(n, generator)
        y = np.where(generator.random(n) < self.eta(x), 1, -1)
        return Sample(x, y, self.sample_client(x, y, generator))

    def risk(self, r: Function, e: Function | None = None, *, costs: Costs) -> float:
        r"""The risk of a rejector together with a server, the best one unless another is given.

        .. math:: R(r, e) = E\big[p\,1[r > 0] + (c_1 P(\text{label}(e) \neq Y|x) + c_e)\,1[r \leq 0]\big]

        Args:
            r: x -> scores.
            e: x -> scores of the server; None for the best server, which errs with probability mu.
            costs: c1 and ce.

        Returns:
            The risk, to about 10 digits (on finite distributions exact up to rounding).

        >>> DISTRIBUTIONS["atoms"].risk(lambda x: np.ones(len(x)), costs=Costs()) == 133 / 400
        True
        """

        def value(x: np.ndarray) -> np.ndarray:
            eta = self.eta(x)
            error = server_error(eta) if e is None else np.where(server_label(e(x)) > 0, 1 - eta, eta)
            return np.where(asks(r(x)), costs.c1 * error + costs.ce, self.p(x))

        return self.expectation(value, ((lambda x: self.eta(x) - 0.5) if e is None else e, r))

    def bayes_rejector(self, costs: Costs) -> Function:
        r"""The Bayes rejector of this distribution.

        .. math:: r^*(x) = c_1\mu(x) + c_e - p(x)

        Args:
            costs: c1 and ce.

        Returns:
            x -> scores.

        >>> DISTRIBUTIONS["atoms"].bayes_rejector(Costs(c1=1.0, ce=0.0))(np.array([1, 3])).round(2).tolist()
        [0.0, -0.7]
        """
        return lambda x: bayes_rejector(server_error(self.eta(x)), self.p(x), costs=costs)

    def ask_rate(self, r: Function) -> float:
        r"""The share of inputs on which a rejector asks.

        .. math:: P(r(X) \leq 0)

        Args:
            r: x -> scores.

        Returns:
            The share, to about 7 digits (on finite distributions exact up to rounding).

        >>> DISTRIBUTIONS["atoms"].ask_rate(lambda x: x - 1.0)
        0.55
        """
        return self.expectation(lambda x: 1.0 * asks(r(x)), (r,))

    def client_risk(self) -> float | Fraction:
        """The risk of the client alone, P(M≠Y): a fraction for finite distributions, else to about 12 digits.

        >>> DISTRIBUTIONS["atoms"].client_risk()
        Fraction(133, 400)
        """
        if self.atoms:
            return sum((atom.mass * atom.p for atom in self.atoms), Fraction(0))
        return self.expectation(self.p, ())

    def bayes_risk(self, costs: Costs) -> float | Fraction:
        r"""The least risk of any rejector and server.

        .. math:: R^* = E \min(p, c_1\mu + c_e)

        Args:
            costs: c1 and ce.

        Returns:
            A fraction for finite distributions (0.15 is read as 3/20), else a number to 10 digits.

        >>> DISTRIBUTIONS["atoms"].bayes_risk(Costs(c1=1.0, ce=0.15))
        Fraction(9, 40)
        """
        if not self.atoms:
            return self.risk(self.bayes_rejector(costs), costs=costs)
        c1, ce = Fraction(str(costs.c1)), Fraction(str(costs.ce))
        return sum((atom.mass * min(atom.p, c1 * min(atom.eta, 1 - atom.eta) + ce) for atom in self.atoms), Fraction(0))


def _deterministic(name: str, *, eta: Function, m: Function, **kwargs: Any) -> Distribution:
    """A distribution whose client returns m(x); it errs with probability 1 - eta where m = +1 and eta where m = -1."""

    def p(x: np.ndarray) -> np.ndarray:
        return np.where(m(x) > 0, 1 - eta(x), eta(x))

    return Distribution(name, "deterministic", eta, p, lambda x, y, generator: m(x), **kwargs)


def gaussians(t: float = 1.0) -> Distribution:
    r"""T1: two normal classes on the line and a client with its threshold at t.

    .. math:: X|Y \sim N(Y, 1), \quad m(x) = \mathrm{sign}(x - t), \quad \eta(x) = \frac{1}{1 + e^{-2x}}

    Args:
        t: the client's threshold; the best one is 0.

    Returns:
        The distribution, with a deterministic client.

    Raises:
        ValueError: if t leaves [-9, 9].

    >>> round(gaussians(t=0.42642).client_risk(), 5)
    0.18
    """
    checks.probabilities(upper=9, distance=abs(t))

    def density(x: np.ndarray) -> np.ndarray:
        return (normal_density(x - 1) + normal_density(x + 1)) / 2

    return _deterministic(
        "gaussians",
        eta=lambda x: expit(2 * x),
        m=lambda x: np.where(x > t, 1, -1),
        sample_x=lambda n, generator: generator.standard_normal(n) + generator.choice([-1, 1], n),
        expectation=partial(line_integral, density=density, edges=np.union1d(np.linspace(-10, 10, 41), [t])),
        density=density,
    )


def xor() -> Distribution:
    r"""T2: two classes in the plane that no line separates, and a linear client.

    .. math:: X|Y{=}1 \sim \tfrac12 N((\pm 2, 0), I), \quad X|Y{=}{-1} \sim \tfrac12 N((0, \pm 2), I), \quad
              \eta = \frac{\cosh 2x_1}{\cosh 2x_1 + \cosh 2x_2}, \quad m = \mathrm{sign}(x_1 - 1/2)

    Returns:
        The distribution, with a deterministic client.

    >>> round(xor().client_risk(), 6)
    0.419418
    """

    def density(x: np.ndarray) -> np.ndarray:
        u, v = normal_density(x), (normal_density(x - 2) + normal_density(x + 2)) / 2
        return (v[:, 0] * u[:, 1] + u[:, 0] * v[:, 1]) / 2

    def draw(n: int, generator: np.random.Generator) -> np.ndarray:
        centres = 2 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        return centres[generator.integers(4, size=n)] + generator.standard_normal((n, 2))

    return _deterministic(
        "xor",
        eta=lambda x: expit(log_cosh(2 * x[:, 0]) - log_cosh(2 * x[:, 1])),
        m=lambda x: np.where(x[:, 0] > 0.5, 1, -1),
        sample_x=draw,
        expectation=partial(plane_integral, density=density, edges=np.union1d(np.linspace(-10, 10, 21), [0.5])),
        density=density,
    )


def logistic() -> Distribution:
    r"""T3: a client that sees more than x, so p(x) does not depend on eta(x).

    .. math:: X \sim U(-1, 1), \quad \eta = \sigma(4x), \quad M = YB, \quad
              p = P(B{=}{-1}|x) = 0.05 + 0.55\,\sigma(12(x - 0.2))

    Returns:
        The distribution, with a free client.

    >>> round(logistic().client_risk(), 6)
    0.270002
    """

    def p(x: np.ndarray) -> np.ndarray:
        return 0.05 + 0.55 * expit(12 * (x - 0.2))

    def density(x: np.ndarray) -> np.ndarray:
        return np.full(x.shape, 0.5)

    return Distribution(
        "logistic",
        "free",
        eta=lambda x: expit(4 * x),
        p=p,
        sample_client=lambda x, y, generator: np.where(generator.random(len(x)) < p(x), -y, y),
        sample_x=lambda n, generator: generator.uniform(-1, 1, n),
        expectation=partial(line_integral, density=density, edges=np.linspace(-1, 1, 65)),
        density=density,
    )


def _exact_atoms(masses: Sequence[str], etas: Sequence[str], m: Sequence[int]) -> tuple[Atom, ...]:
    """Exact atoms from decimals, for a client that returns label m on each."""
    exact = [(Fraction(mass), Fraction(eta)) for mass, eta in zip(masses, etas, strict=True)]
    return tuple(Atom(mass, eta, 1 - eta if label > 0 else eta) for (mass, eta), label in zip(exact, m, strict=True))


def atoms() -> Distribution:
    """T4: five points, X in {0, ..., 4}; masses .30, .25, .20, .15, .10 and eta .95, .60, .10, .85, .30.

    The client returns +1, +1, -1, -1, +1; its first three labels are the likelier ones.

    Returns:
        The distribution, with a deterministic client and exact risks.

    >>> atoms().bayes_risk(Costs(c1=1.0, ce=0.0))
    Fraction(3, 16)
    """
    client_labels = (1, 1, -1, -1, 1)
    exact_atoms = _exact_atoms((".30", ".25", ".20", ".15", ".10"), (".95", ".60", ".10", ".85", ".30"), client_labels)
    mass = np.array([float(atom.mass) for atom in exact_atoms])
    eta = np.array([float(atom.eta) for atom in exact_atoms])
    return _deterministic(
        "atoms",
        eta=lambda x: eta[x],
        m=lambda x: np.array(client_labels)[x],
        sample_x=lambda n, generator: generator.choice(5, n, p=mass),
        expectation=lambda value, switches: float(mass @ value(np.arange(5))),
        atoms=exact_atoms,
    )


def specialist() -> Distribution:
    r"""T5: a client that errs often on (3/4, 1] only, where a linear server is right only if it errs elsewhere.

    .. math:: X \sim U[0, 1], \quad B = +1 \text{ on } [0, 0.45] \cup (0.75, 1], \; -1 \text{ between}, \quad
              P(Y{=}B|x) = 0.95, \quad m = +1 \text{ on } [0, 0.45], \; -1 \text{ above}

    `bayes_risk` allows any server; this distribution is for comparing the servers sign(t - x) and sign(x - t).

    Returns:
        The distribution, with a deterministic client and exact risks.

    >>> specialist().bayes_risk(Costs(c1=1.0, ce=0.15)), specialist().client_risk()
    (Fraction(7, 80), Fraction(11, 40))
    """
    return _deterministic(
        "specialist",
        eta=lambda x: np.where((x <= 0.45) | (x > 0.75), 0.95, 0.05),
        m=lambda x: np.where(x <= 0.45, 1, -1),
        sample_x=lambda n, generator: generator.random(n),
        expectation=partial(line_integral, density=np.ones_like, edges=np.array([0, 0.45, 0.75, 1])),
        atoms=_exact_atoms((".45", ".30", ".25"), (".95", ".05", ".95"), (1, -1, -1)),
    )


DISTRIBUTIONS = {testbed.name: testbed for testbed in (gaussians(), xor(), logistic(), atoms(), specialist())}
