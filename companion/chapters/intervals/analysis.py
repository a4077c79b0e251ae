"""Analysis of the page on how the intervals were checked: coverage by method, and half-widths before an experiment."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from companion.chapters.intervals import simulation
from companion.chapters.intervals.settings import RECORD_FOLDER, Settings
from companion.chapters.intervals.simulation import RECORD_SEEDS, Coverage
from companion.claims.evidence import Evidence
from l2h import checks
from l2h.evaluation.intervals import format_interval

BAND = (0.93, 0.975)  # the coverage that is asked of an interval of level 0.95
SEED_COUNTS = (2, 3, 5, 10, 20)
STUDENT_SEEDS = (3, 5, 10)
ASKED_SHARES = (0.05, 0.2, 0.35)
TRIALS = ((500, 0.05), (2000, 0.05), (2000, 0.3), (4000, 0.04))  # number and true proportion
TENTH, THIRD = 0.1, 1 / 3
CLASS_SHARES = (0.0, 0.02, 0.05, TENTH, THIRD)  # from none to more than in any primary question
N_CLASSES, JUDGED_CLASSES = 10, 9  # the pairs of nine classes judge the variant
PRIMARY_LEVEL = 1 - 0.05 / 12  # of the first of twelve comparisons
FAMILIES_PER_OLD_ONE = 24  # the old bootstrap takes long, and need not be known as exactly
DECIDING_STREAM = 2  # of the families that decide, after those of a first look
NEW, HEAVY, OLD = "crossed interval", "crossed interval, heavy tails", "old bootstrap"
EXPONENT = "exponent, 10 seeds"
SHARED_SEEDS, NEW_PAIR = "five seeds that all pairs share", "a new pair"
TOGETHER, OLD_TOGETHER = "simultaneous", "old bootstrap, simultaneous"
POWER_QUESTIONS = {  # primary question -> quantity and baseline in the table of components
    "area, minus confidence": ("area", "confidence"),
    "area, minus separate": ("area", "separate"),
    "area, minus two-stage": ("area", "two-stage"),
    "server accuracy on asked, joint minus plain": ("server accuracy on asked", "server trained alone"),
}
METHODS_OF_BASELINES = {
    "confidence": (),
    "separate": ("separate",),
    "two-stage": ("two_stage",),
    "server trained alone": (),
}
PAIR_DEVIATIONS = (0.004, 0.008, 0.015)  # assumed standard deviations of a difference between pairs of classes
PAIRED_CLASS_COUNTS = (4, 5, 6, 8, 10)
Series = dict[str, dict[int, Coverage]]


class RecordTables(NamedTuple):
    """What the record of chapter 06 says about variation and cost.

    Args:
        components: one row per setting, quantity and baseline.
        families: of two settings the matrices of mean squares and products, by source of variation.
        seconds: processor seconds by client and method.
    """

    components: pd.DataFrame
    families: list[dict[str, np.ndarray]]
    seconds: pd.DataFrame

    def areas(self) -> np.ndarray:
        """The variance components of all differences in area: (k, 3)."""
        areas = self.components[self.components.quantity == "area"]
        return areas[["seed", "example", "interaction"]].to_numpy()


def read_tables() -> RecordTables:
    """Read the three tables beside this module, which `companion.build.components` writes."""
    components, covariances, seconds = (
        pd.read_csv(RECORD_FOLDER / f"{name}.csv") for name in ("components", "covariances", "seconds")
    )
    families = []
    for _, rows in covariances.groupby("setting"):
        names = list(rows.baseline.unique())
        families.append({part: group[names].to_numpy() for part, group in rows.groupby("part")})
    return RecordTables(components, families, seconds)


def check_means(settings: Settings, tables: RecordTables) -> Series:
    """Coverage of the interval of one mean, and of the old bootstrap, by number of seeds."""
    areas, n = tables.areas(), settings.n_images
    old = {"n_samples": settings.n_samples // 4, "old_resamples": settings.n_resamples}
    series: dict[str, tuple[Sequence[int], dict[str, Any]]] = {
        NEW: (SEED_COUNTS, {"n_samples": settings.n_samples}),
        HEAVY: ((3, 5), {"n_samples": settings.n_samples, "effects": simulation.heavy_tailed}),
        OLD: ((3, 5, 20), old),
    }
    return {
        name: {seeds: simulation.mean_coverage(areas, seeds=seeds, n=n, **options) for seeds in counts}
        for name, (counts, options) in series.items()
    }


def check_families(settings: Settings, tables: RecordTables) -> Series:
    """Coverage of simultaneous intervals of all differences of a setting, and of the old bootstrap's."""
    common: dict[str, Any] = {"n": settings.n_images}
    new = {
        seeds: simulation.family_coverage(
            tables.families, seeds=seeds, n_samples=settings.n_families, stream=DECIDING_STREAM, **common
        )
        for seeds in (3, 5)
    }
    old = simulation.family_coverage(
        tables.families,
        seeds=5,
        n_samples=max(1, settings.n_families // FAMILIES_PER_OLD_ONE),
        old_resamples=settings.n_resamples,
        **common,
    )
    return {TOGETHER: new, OLD_TOGETHER: {5: old}}


def check_others(settings: Settings) -> dict[str, Coverage]:
    """Coverage of the other methods: subsets, Student's interval, and exponents."""
    n: dict[str, Any] = {"n_samples": settings.n_samples}
    found = {
        subset_name(share): simulation.subset_coverage(share, seeds=5, n=settings.n_images, **n)
        for share in ASKED_SHARES
    }
    found |= {student_name(seeds): simulation.student_coverage(seeds=seeds, **n) for seeds in STUDENT_SEEDS}
    found["Student's t, 5 seeds, heavy tails"] = simulation.student_coverage(
        seeds=5, effects=simulation.heavy_tailed, **n
    )
    found[EXPONENT] = simulation.exponent_coverage(seeds=10, **n)
    return found


def check_class_pairs(settings: Settings) -> dict[str, Coverage]:
    """Coverage of means over pairs of classes, at 95 % and at the level of the first of twelve comparisons."""
    coverage = partial(simulation.class_pair_coverage, classes=N_CLASSES, n_samples=settings.n_samples)
    new_pair = partial(
        simulation.new_pair_coverage, THIRD, classes=N_CLASSES, n_samples=settings.n_samples, seeds=RECORD_SEEDS
    )
    return {
        **{pairs_name(share): coverage(share) for share in CLASS_SHARES},
        f"{pairs_name(THIRD)}, heavy tails": coverage(THIRD, effects=simulation.heavy_tailed),
        f"{pairs_name(THIRD)}, {SHARED_SEEDS}": coverage(THIRD, seeds=RECORD_SEEDS),
        f"{pairs_name(THIRD)}, nine classes": coverage(THIRD, classes=JUDGED_CLASSES),
        **{primary_name(share): coverage(share, level=PRIMARY_LEVEL) for share in (TENTH, THIRD)},
        f"{primary_name(THIRD)}, {SHARED_SEEDS}": coverage(THIRD, seeds=RECORD_SEEDS, level=PRIMARY_LEVEL),
        NEW_PAIR: new_pair(),
        f"{NEW_PAIR}, heavy tails": new_pair(effects=simulation.heavy_tailed),
    }


def describe_class_pairs(found: Mapping[str, Coverage]) -> str:
    """Sentences on the rows of `check_class_pairs`.

    Args:
        found: of `check_class_pairs`.
    """
    share = {name: coverage.covered / coverage.n for name, coverage in found.items()}
    by_share = ", ".join(f"{share[pairs_name(part)]:.3f} at {part:.0%}" for part in CLASS_SHARES)
    failures = max(1 - share[name] for name in _primary_cases())
    return (
        f"By the share of the variance that is due to classes, the interval of level 0.95 covers {by_share}. At level "
        f"{PRIMARY_LEVEL:.4f} it fails in at most {failures:.2%} of the experiments, where {1 - PRIMARY_LEVEL:.2%} are "
        f"allowed. The interval of a new pair covers {share[NEW_PAIR]:.3f}, and "
        f"{share[f'{NEW_PAIR}, heavy tails']:.3f} with heavy tails."
    )


def check_proportions() -> dict[str, float]:
    """The exact coverage of the interval of a proportion."""
    return {f"{n} trials at {p:.0%}": simulation.proportion_coverage(n, p) for n, p in TRIALS}


def subset_name(share: float) -> str:
    """How a subset is named in tables and in the rule of its claim."""
    return f"{share:.0%} asked"


def student_name(seeds: int) -> str:
    """How Student's interval is named in tables."""
    return f"Student's t, {seeds} seeds"


def pairs_name(share: float) -> str:
    """How a mean over pairs of classes is named in tables and in the rule of its claim."""
    return f"{share:.0%} of the variance from classes"


def primary_name(share: float) -> str:
    """How such a mean at the level of the first of twelve comparisons is named."""
    return f"{share:.0%} from classes, level {PRIMARY_LEVEL:.4f}"


def coverage_table(found: Mapping[str, Coverage]) -> pd.DataFrame:
    """Coverage with its exact 95 % interval, half-width in true standard errors, and number of experiments."""
    rows = {
        name: {
            "coverage": format_interval(coverage.interval()),
            "half-width / true standard error": "" if np.isnan(coverage.half_width) else f"{coverage.half_width:.2f}",
            "simulated": coverage.n,
        }
        for name, coverage in found.items()
    }
    return pd.DataFrame(rows).T


def flatten(series: Series) -> dict[str, Coverage]:
    """Series by number of seeds as rows of a table."""
    return {f"{name}, {seeds} seeds": coverage for name, row in series.items() for seeds, coverage in row.items()}


def coverage_evidence(found: Mapping[str, Coverage]) -> dict[str, Evidence]:
    """Evidence on the coverage of each case, with the exact 95 % interval of the simulation."""
    return {case: Evidence(*coverage.interval(), n=coverage.n) for case, coverage in found.items()}


def seed_evidence(row: Mapping[int, Coverage], counts: Sequence[int]) -> dict[str, Evidence]:
    """Evidence by number of seeds.

    Args:
        row: number of seeds -> coverage.
        counts: those of the claim's rule.
    """
    return coverage_evidence({f"{seeds} seeds": row[seeds] for seeds in counts})


def exact_evidence(probabilities: Mapping[str, float]) -> dict[str, Evidence]:
    """Evidence on the coverage of each case, which is exact."""
    return {case: Evidence.exact(probability) for case, probability in probabilities.items()}


def subset_evidence(found: Mapping[str, Coverage]) -> dict[str, Evidence]:
    """Evidence on pooled differences by share of the images that are asked."""
    return coverage_evidence({subset_name(share): found[subset_name(share)] for share in ASKED_SHARES})


def student_evidence(found: Mapping[str, Coverage]) -> dict[str, Evidence]:
    """Evidence on Student's interval by number of seeds."""
    return coverage_evidence({f"{seeds} seeds": found[student_name(seeds)] for seeds in STUDENT_SEEDS})


def pairs_evidence(found: Mapping[str, Coverage]) -> dict[str, Evidence]:
    """Evidence on means over pairs of classes, for the cases of the claim's rule."""
    tenth, third = (pairs_name(share) for share in (TENTH, THIRD))
    names = (tenth, third, *(f"{third}, {kind}" for kind in ("heavy tails", SHARED_SEEDS, "nine classes")))
    return coverage_evidence({name: found[name] for name in names})


def primary_level_evidence(found: Mapping[str, Coverage]) -> dict[str, Evidence]:
    """Evidence on the same means at the level of the first of twelve comparisons."""
    return coverage_evidence({name: found[name] for name in _primary_cases()})


def _primary_cases() -> tuple[str, ...]:
    tenth, third = (primary_name(share) for share in (TENTH, THIRD))
    return tenth, third, f"{third}, {SHARED_SEEDS}"


def new_pair_evidence(found: Mapping[str, Coverage]) -> dict[str, Evidence]:
    """Evidence on the prediction interval of one new pair."""
    return coverage_evidence({name: found[name] for name in (NEW_PAIR, f"{NEW_PAIR}, heavy tails")})


def expected_half_width(components: Sequence[float], *, seeds: int, images: int, level: float = 0.95) -> float:
    r"""The half-width of a crossed interval where the mean squares are as expected.

    .. math:: V_a = \frac{\sigma_a^2}{S} + \frac{\sigma_c^2}{S n}, \qquad V_b = \frac{\sigma_b^2}{n}

    Args:
        components: variances of the effects of seed, of image, and of both together.
        seeds: S >= 2.
        images: n >= 2.
        level: of confidence, in (0, 1).
    """
    checks.at_least(2, seeds=seeds, images=images)
    of_seed, of_image, of_both = components
    with_seeds, images_alone = of_seed / seeds + of_both / seeds / images, of_image / images
    df = seeds - 1 if of_seed > 0 else (seeds - 1) * (images - 1)
    quantiles = stdtrit([df, images - 1], (1 + level) / 2)
    total = with_seeds + images_alone
    return float((with_seeds * quantiles[0] + images_alone * quantiles[1]) / np.sqrt(total)) if total > 0 else 0.0


def seeds_needed(components: Sequence[float], *, images: int, half_width: float, most: int = 1000) -> int | None:
    """The least number of seeds, from 2 on, whose expected half-width is at most a given one; None above `most`."""
    return next(
        (s for s in range(2, most + 1) if expected_half_width(components, seeds=s, images=images) <= half_width), None
    )


def power_table(tables: RecordTables, *, margin: float) -> pd.DataFrame:
    """Half-widths of each primary question in every setting, and what they cost.

    Args:
        tables: of the record.
        margin: the half-width that is asked for.

    Returns:
        One row per question and setting.
    """
    rows = {}
    for question, (quantity, baseline) in POWER_QUESTIONS.items():
        of_question = (tables.components.quantity == quantity) & (tables.components.baseline == baseline)
        for _, row in tables.components[of_question].iterrows():
            components = row[["seed", "example", "interaction"]].astype(float).to_list()
            needed = seeds_needed(components, images=int(row.images), half_width=margin)
            cost = seconds_per_seed(tables.seconds, str(row.setting).split(",")[0], baseline)
            widths: dict[str, Any] = {
                f"{seeds} seeds": round(expected_half_width(components, seeds=seeds, images=int(row.images)), 4)
                for seeds in (5, 20)
            }
            rows[question, row.setting] = widths | {
                "4 times the images, 5 seeds": round(
                    expected_half_width(components, seeds=5, images=4 * int(row.images)), 4
                ),
                f"seeds for {margin:g}": needed or "over 1000",
                "seconds a seed": round(cost, 1),
                "seconds": round(cost * needed) if needed else "",
            }
    return pd.DataFrame(rows).T


def seconds_per_seed(seconds: pd.DataFrame, client: str, baseline: str) -> float:
    """Processor seconds of one seed: the client, the plain server, learning to help, and the baseline.

    Args:
        seconds: by client and method; servers trained alone stand under one client.
        client: form of the client.
        baseline: name in the table of components.
    """

    def of(name: str, *, any_client: bool = False) -> float:
        rows = seconds[(seconds.method == name) & (any_client | (seconds.client == client))]
        return float(rows.cpu_seconds.mean())

    own = sum(of(name) for name in ("client", "learning_to_help", *METHODS_OF_BASELINES[baseline]))
    return own + of("plain_server", any_client=True)


def mean_half_widths(tables: RecordTables, seed_counts: Sequence[int]) -> dict[str, list[float]]:
    """The half-width of each question on all test images, averaged over settings, by number of seeds.

    Settings in which fewer than one image in ten is asked are left out of the question about asked images.
    """
    widths = {}
    for question, (quantity, baseline) in POWER_QUESTIONS.items():
        rows = tables.components[
            (tables.components.quantity == quantity)
            & (tables.components.baseline == baseline)
            & (tables.components.share >= 0.1)
        ]
        parts = rows[["seed", "example", "interaction"]].to_numpy()
        images = int(rows.images.iloc[0])
        widths[question] = [
            float(np.mean([expected_half_width(part, seeds=seeds, images=images) for part in parts]))
            for seeds in seed_counts
        ]
    return widths


def pairs_half_width(deviation: float, *, classes: int, class_share: float = 1 / 3, level: float = 0.95) -> float:
    r"""The half-width of a mean over all pairs of K classes where the mean squares are as expected.

    .. math:: \mathrm{Var}(\bar y) = \frac{4 \sigma_u^2}{K} + \frac{2 \sigma_v^2}{K (K - 1)}

    with Satterthwaite's degrees of freedom, as in `class_pairs.class_pairs_mean`.

    Args:
        deviation: standard deviation of a difference between pairs, its noise of seeds and images included.
        classes: K >= 4.
        class_share: share of its variance that is due to classes.
        level: of confidence, in (0, 1).
    """
    checks.at_least(4, classes=classes)
    k, of_class, of_pair = classes, class_share / 2, 1 - class_share
    from_classes = 4 * (of_pair + (k - 2) * of_class) / (k * (k - 2))
    from_pairs = 2 * of_pair / ((k - 1) * (k - 2))
    variance = from_classes - from_pairs
    df = variance**2 / (from_classes**2 / (k - 1) + from_pairs**2 / (k * (k - 3) / 2))
    return float(deviation * np.sqrt(variance) * stdtrit(max(df, (k - 1) / 2), (1 + level) / 2))


def pairs_half_widths() -> dict[str, list[float]]:
    """Half-widths of means over all pairs of the numbers of classes, by assumed deviation between pairs."""
    return {
        f"standard deviation {deviation:g}": [pairs_half_width(deviation, classes=k) for k in PAIRED_CLASS_COUNTS]
        for deviation in PAIR_DEVIATIONS
    }
