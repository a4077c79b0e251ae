"""Evidence for the claims of chapter 06, by setting."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from companion.chapters.ch06_comparison.analysis import (
    LEARNING_TO_HELP,
    Systems,
    absolute_loss_difference,
    loss_reduction,
    paired_difference,
    ranking_gains,
)
from companion.chapters.ch06_comparison.specialist import ServerAndBestRejector
from companion.chapters.systems import CLASS_PAIRS, ON_DEVICE_CLASSIFIER
from companion.claims.evidence import Evidence
from l2h.evaluation.comparisons import mean_interval, subset_interval
from l2h.evaluation.curves import error_auroc_contributions
from l2h.evaluation.intervals import Interval
from l2h.problem import Costs, Predictions

COMPARED_CLIENTS = ("as_released", "well_trained", "lenet")


def evidence_by_setting(
    intervals: Mapping[str, Interval | None] | Callable[[Systems], Interval | None],
    predictions_by_setting: Mapping[str, Systems],
    *,
    data: Mapping[str, str],
) -> dict[str, Evidence]:
    """Evidence on a claim about every client and pair; absent where a setting or a system was not run.

    Args:
        intervals: setting -> interval, None or missing where there is none; or a function that gives the interval of
            the systems of one setting.
        predictions_by_setting: setting -> predictions on the test split.
        data: setting -> SHA-256 of its data set.

    Returns:
        Evidence for the six settings of the claims.
    """
    if callable(intervals):
        intervals = {setting: intervals(systems) for setting, systems in predictions_by_setting.items()}
    evidence = {}
    for setting in experimental_settings():
        interval = intervals.get(setting)
        if interval is None:
            evidence[setting] = Evidence.absent("not run at this profile")
        else:
            some_predictions = next(iter(predictions_by_setting[setting].values()))
            evidence[setting] = Evidence.measured(
                lambda _, limits=interval: limits, some_predictions, data=data[setting]
            )
    return evidence


def setting_evidence(
    test: Mapping[str, Systems], data: Mapping[str, str]
) -> Callable[[Mapping[str, Interval | None] | Callable[[Systems], Interval | None]], dict[str, Evidence]]:
    """`evidence_by_setting` for given predictions and data.

    Args:
        test: setting -> predictions on the test split.
        data: setting -> SHA-256 of its data set.
    """
    return partial(evidence_by_setting, predictions_by_setting=test, data=data)


def experimental_settings() -> list[str]:
    """The six settings that claims of chapter 06 are about.

    >>> experimental_settings()[-1]
    'lenet, hard pair'
    """
    return [f"{client}, {pair}" for pair in CLASS_PAIRS["cifar10"] for client in COMPARED_CLIENTS]


def loss_reductions_from_on_device(
    validation: Mapping[str, Systems], test: Mapping[str, Systems], *, costs: Costs
) -> dict[str, Interval]:
    """The reduction in loss from the on-device classifier to learning to help, by setting.

    Args:
        validation: setting -> predictions on the validation split.
        test: setting -> predictions on the test split.
        costs: c1 and ce.
    """
    reduction = partial(
        loss_reduction, system=LEARNING_TO_HELP, baseline=ON_DEVICE_CLASSIFIER, costs=costs, families=len(test)
    )
    return {setting: reduction(validation[setting], systems) for setting, systems in test.items()}


def difference_on_kept(systems: Systems) -> Interval:
    """Accuracy of the client minus accuracy of the server on the inputs that learning to help keeps."""
    return subset_interval(systems[LEARNING_TO_HELP], subset="kept", quantity="difference")


def difference_on_asked(systems: Systems) -> Interval:
    """Accuracy of the client minus accuracy of the server on the inputs that learning to help asks."""
    return subset_interval(systems[LEARNING_TO_HELP], subset="asked", quantity="difference")


def rejector_auroc(systems: Systems) -> Interval:
    """The AUROC of the rejector of learning to help for the client's errors."""
    return mean_interval(systems[LEARNING_TO_HELP], error_auroc_contributions)


def rejector_auroc_gain(systems: Systems) -> Interval:
    """The AUROC of the rejector of learning to help minus that of the client's confidence."""
    return paired_difference(systems, LEARNING_TO_HELP, "confidence", error_auroc_contributions)


def gain_from_joint_training(joint: ServerAndBestRejector, separate: ServerAndBestRejector) -> Evidence:
    """Evidence, exact, on the risk with the separate server minus the risk with the joint server."""
    return Evidence.exact(separate.risk - joint.risk)


def dependence_on_error_estimate(systems: Systems, *, costs: Costs, data: str) -> Evidence:
    """Evidence on the absolute difference in loss between an estimated p(x) and one alpha from the costs.

    Args:
        systems: of one setting.
        costs: c1 and ce.
        data: SHA-256 of the data set.
    """
    difference = partial(absolute_loss_difference, costs=costs)
    return Evidence.measured(difference, systems["L2H, estimated p"], systems[LEARNING_TO_HELP], data=data)


def ranking_evidence(predictions: Sequence[Predictions], *, data: str) -> dict[str, Evidence]:
    """Evidence on the gain in area of the learnt and of the shuffled ranking.

    Args:
        predictions: of learning to help, one per seed.
        data: SHA-256 of the data set.
    """
    return {
        case: Evidence.measured(lambda _, limits=interval: limits, predictions, data=data)
        for case, interval in ranking_gains(predictions).items()
    }
