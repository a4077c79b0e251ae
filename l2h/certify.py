"""Every statement of the theory that a machine decides: proved, or refuted with numbers that anyone can put in.

The algebraic statements are proved for all reals by an SMT solver; where there are exponentials, interval arithmetic
refutes at a point or proves on a box. `l2h.prover` holds both machines.
"""

from l2h import (
    certify_alpha,
    certify_bayes,
    certify_boxes,
    certify_losses,
    certify_points,
    certify_theorem,
    certify_transfer,
)
from l2h.prover import Certificate

__all__ = ["ALGEBRAIC", "ANALYTIC", "Certificate", "certificates"]

ALGEBRAIC = (
    certify_bayes.bayes_rules,
    certify_bayes.optimal_ranges,
    certify_bayes.deterministic_client,
    certify_bayes.conventions,
    certify_bayes.monotone_rules,
    certify_losses.upper_bound,
    certify_losses.convexity,
    certify_losses.margin_loss,
    certify_alpha.calibrated_alphas,
    certify_alpha.single_alpha,
    certify_alpha.released_alpha,
    certify_alpha.released_failures,
    certify_transfer.transfer_sums,
    certify_transfer.transfer_large_costs,
    certify_transfer.transfer_small_costs,
    certify_theorem.loss_range,
    certify_theorem.complexity_constants,
    certify_theorem.stated_deviation,
    certify_losses.stage_weights,
    certify_losses.released_weight,
)
ANALYTIC = (
    certify_points.wrong_alphas,
    certify_points.surrogate_shape,
    certify_points.stated_bound,
    certify_points.joint_stage_objective,
    certify_points.quartic_transfer,
    certify_boxes.envelope,
    certify_boxes.logistic_testbed,
)


def certificates() -> dict[str, Certificate]:
    """All certificates by name, in the order of the theory; some seconds.

    Returns:
        Certificates; none is undecided.

    >>> sorted({certificate.verdict for certificate in certificates().values()})
    ['proved', 'refuted']
    """
    named = [item for group in ALGEBRAIC + ANALYTIC for item in group().items()]
    found = dict(named)
    assert len(found) == len(named), "two certificates have one name"
    return found
