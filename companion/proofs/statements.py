"""Every statement of the theory that a program decides: proved, or refuted with a counterexample.

The algebraic statements are proved for all reals by an SMT solver. For statements with exponentials, interval
arithmetic refutes at a point or proves on a box. `companion.proofs.prover` holds both methods.
"""

from collections.abc import Mapping

import pandas as pd

from companion.proofs import (
    bayes,
    boxes,
    calibration,
    counterexamples,
    excess_risk,
    generalization,
    losses,
    several_servers,
)
from companion.proofs.prover import Certificate

__all__ = ["ALGEBRAIC", "ANALYTIC", "Certificate", "certificate_table", "certificates"]
ALGEBRAIC = (
    bayes.bayes_rules,
    bayes.optimal_ranges,
    bayes.deterministic_client,
    bayes.conventions,
    bayes.monotone_rules,
    several_servers.several_servers_rules,
    several_servers.dominated_servers,
    several_servers.several_servers_reactions,
    several_servers.average_server,
    losses.upper_bound,
    losses.convexity,
    losses.margin_loss_range,
    calibration.calibrated_alphas,
    calibration.single_alpha,
    calibration.released_alpha,
    calibration.released_failures,
    excess_risk.excess_risk_sums,
    excess_risk.excess_risk_large_costs,
    excess_risk.excess_risk_small_costs,
    generalization.loss_range,
    generalization.complexity_constants,
    generalization.stated_deviation,
    losses.stage_weight_signs,
    losses.released_stage_weight,
)
ANALYTIC = (
    counterexamples.wrong_alphas,
    counterexamples.surrogate_shape,
    counterexamples.stated_bound,
    counterexamples.joint_stage_objective,
    counterexamples.quartic_excess_risk,
    boxes.excess_envelope,
    boxes.logistic_distribution,
)


def certificates() -> dict[str, Certificate]:
    """All certificates by name, in the order of the theory; some seconds.

    Returns:
        Certificates; none is undecided.

    >>> sorted({certificate.verdict for certificate in certificates().values()})
    ['proved', 'refuted']
    """
    named = [item for group in ALGEBRAIC + ANALYTIC for item in group().items()]
    by_name = dict(named)
    assert len(by_name) == len(named), "two certificates have one name"
    return by_name


def certificate_table(named: Mapping[str, Certificate], *columns: str) -> pd.DataFrame:
    """A table of certificates for a chapter, one row each.

    Args:
        named: certificates by name.
        columns: among "statement", "verdict", "prover" and "numbers", which are those of a counterexample.

    Returns:
        The table with these columns.

    >>> certificate_table(generalization.loss_range(), "verdict").loc["theorem-1-range", "verdict"]
    'proved'
    """
    rows = {
        name: {
            "statement": certificate.statement,
            "verdict": certificate.verdict,
            "prover": certificate.method.split(":")[0],
            "numbers": ", ".join(f"{key} = {value}" for key, value in (certificate.counterexample or {}).items()),
        }
        for name, certificate in named.items()
    }
    return pd.DataFrame(rows).T[list(columns)]
