"""The choice of the variant, on held-out images of the pairs with a truck: `python -m` this module writes its table.

Every candidate computes a rejector on the device from signals that are at hand there. It is fitted on the calibration
images and compared on the validation images; a cross-fitted one also learns from the other folds of the validation
images. No test image and no other pair is read, so that these can judge the chosen candidate.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from companion.chapters.ch06_comparison import class_pairs
from companion.chapters.ch06_comparison.class_pairs import BOOK, COVERAGE_PERCENT
from companion.chapters.ch06_comparison.primary import CHOICE_CLASS, DEVICE_BASELINES
from companion.chapters.systems import client_result
from l2h.data.dataset import SPLITS
from l2h.evaluation.curves import accuracy_at_coverage
from l2h.evaluation.metrics import client_server_correctness
from l2h.experiments import run
from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.run import RunResult
from l2h.experiments.store import write_atomically
from l2h.experiments.sweep import sweep, with_dependencies
from l2h.methods import fitting
from l2h.methods.base import Splits, require_server_scores
from l2h.problem import Predictions
from l2h.training import loop

CHOICE_SEEDS = (0,)  # of the runs that were there when the choice was made
CHOSEN = "client's error alone: score, separate"  # the best when the choice was made; `systems.stacked_predictions`
TRIED_LATER = ("client's error alone: score, shared trunk", "logistic: score, shared trunk")  # the best first
FOLDS = 5
HELD_OUT = ("calibration", "validation")  # splits that no network was trained on
SCORE, LOGARITHM = "score", "logarithm of the score"
SEPARATE, TWO_STAGE_SIGNAL, ON_SCORES, JOINT_SIGNAL = (
    "separate",
    "two-stage",
    "two-stage, on scores",
    "learning to help",
)
SHARED_TRUNK = "shared trunk"
IMAGE_REJECTORS = (SEPARATE, TWO_STAGE_SIGNAL, JOINT_SIGNAL, SHARED_TRUNK)  # each is a network of its own on the device


class Part(NamedTuple):
    """What is known of n held-out images."""

    client_wrong: np.ndarray  # (n,) booleans
    server_wrong: np.ndarray  # (n,) booleans, of the server that was trained alone
    signals: Mapping[str, np.ndarray]  # name -> (n, columns)

    def rows(self, index: np.ndarray) -> "Part":
        """The part with some of its images."""
        signals = {name: columns[index] for name, columns in self.signals.items()}
        return Part(self.client_wrong[index], self.server_wrong[index], signals)

    def joined(self, other: "Part") -> "Part":
        """The images of both parts."""
        signals = {name: np.concatenate([columns, other.signals[name]]) for name, columns in self.signals.items()}
        client_wrong = np.concatenate([self.client_wrong, other.client_wrong])
        return Part(client_wrong, np.concatenate([self.server_wrong, other.server_wrong]), signals)


class Group(NamedTuple):
    """The held-out images of one pair, client and seed, and what the baselines reach on them."""

    pair: str
    client: str
    seed: int
    calibration: Part
    validation: Part
    predictions: Mapping[str, Predictions]  # baseline -> predictions on the validation images


Combination = Callable[[np.ndarray, Part, np.ndarray], np.ndarray]


class Candidate(NamedTuple):
    """A rejector for the device: the signals that it reads, and how it combines them.

    `combination(fitted_features, fitted, features)` fits on the images of `fitted` and returns r for the others.
    """

    signals: tuple[str, ...]
    combination: Combination
    cross_fitted: bool = False

    def scores(self, calibration: Part, validation: Part) -> np.ndarray:
        """The scores r of the validation images.

        Args:
            calibration: images on which it is fitted.
            validation: images to score; a cross-fitted candidate is fitted on those of the other folds, too.
        """
        if not self.cross_fitted:
            return self._fitted_scores(calibration, validation)
        r = np.empty(len(validation.client_wrong))
        for others, fold in KFold(FOLDS, shuffle=True, random_state=0).split(r):
            r[fold] = self._fitted_scores(calibration.joined(validation.rows(others)), validation.rows(fold))
        return r

    def _fitted_scores(self, fitted: Part, new: Part) -> np.ndarray:
        fitted_features, features = (np.hstack([part.signals[name] for name in self.signals]) for part in (fitted, new))
        return self.combination(fitted_features, fitted, features)

    @property
    def networks(self) -> int:
        """How many rejectors that read the image the device runs."""
        return sum(name in IMAGE_REJECTORS for name in self.signals)


def candidates() -> dict[str, Candidate]:
    """Every candidate by its name; the first is the stacked rejector as it was before.

    >>> next(iter(candidates().values())).signals
    ('score', 'two-stage')
    """
    before, one, both = (SCORE, TWO_STAGE_SIGNAL), (SCORE, SEPARATE), (SCORE, SEPARATE, TWO_STAGE_SIGNAL)
    logistic, client_only = error_difference(_logistic), client_error_order(_logistic)
    return {
        "logistic: score, two-stage": Candidate(before, logistic),
        "logistic: score, separate": Candidate(one, logistic),
        "logistic: score, separate, two-stage": Candidate(both, logistic),
        "logistic: logarithm of the score, separate": Candidate((LOGARITHM, SEPARATE), logistic),
        "logistic: all signals": Candidate((SCORE, LOGARITHM, ON_SCORES, SEPARATE, TWO_STAGE_SIGNAL), logistic),
        "logistic: score, separate, two-stage, learning to help": Candidate((*both, JOINT_SIGNAL), logistic),
        "squares and products": Candidate(both, error_difference(_quadratic)),
        "splines": Candidate(both, error_difference(_splines)),
        "boosted trees": Candidate(both, error_difference(_boosted_trees)),
        "isotonic after logistic": Candidate(both, error_difference(_Isotonic)),
        "regression of the gain": Candidate(both, _gain),
        "four outcomes": Candidate(both, _outcomes),
        "mean of z-scores: separate and two-stage, on scores": Candidate((SEPARATE, ON_SCORES), _mean_of_z_scores),
        "logistic: score, shared trunk": Candidate((SCORE, SHARED_TRUNK), logistic),
        "client's error alone: score, shared trunk": Candidate((SCORE, SHARED_TRUNK), client_only),
        "client's error alone: score, separate": Candidate(one, client_only),
        "client's error alone: score, separate, two-stage": Candidate(both, client_only),
        "cross-fitted logistic: score, two-stage": Candidate(before, logistic, cross_fitted=True),
        "cross-fitted logistic: score, separate": Candidate(one, logistic, cross_fitted=True),
        "cross-fitted logistic: score, separate, two-stage": Candidate(both, logistic, cross_fitted=True),
        "cross-fitted client's error alone: score, separate": Candidate(one, client_only, cross_fitted=True),
        "cross-fitted client's error alone: score, separate, two-stage": Candidate(
            both, client_only, cross_fitted=True
        ),
    }


Estimator = Callable[[], Any]  # makes a classifier with fit and predict_proba


def error_difference(estimator: Estimator) -> Combination:
    r"""The order of the Bayes rejector of a given server.

    .. math:: r(x) = \hat p_e(x) - \hat p(x)

    Args:
        estimator: of P(client wrong) and of P(server wrong).
    """

    def r(fitted_features: np.ndarray, fitted: Part, features: np.ndarray) -> np.ndarray:
        p, p_e = (_probability(estimator, fitted_features, wrong, features) for wrong in fitted[:2])
        return p_e - p

    return r


def client_error_order(estimator: Estimator) -> Combination:
    r"""The same order for a server that is wrong equally often everywhere: :math:`r(x) = -\hat p(x)`.

    Args:
        estimator: of P(client wrong).
    """

    def r(fitted_features: np.ndarray, fitted: Part, features: np.ndarray) -> np.ndarray:
        return -_probability(estimator, fitted_features, fitted.client_wrong, features)

    return r


def _gain(fitted_features: np.ndarray, fitted: Part, features: np.ndarray) -> np.ndarray:
    """Minus a linear regression of what asking gains: the client's mistake minus the server's."""
    gain = fitted.client_wrong.astype(float) - fitted.server_wrong
    return -make_pipeline(StandardScaler(), Ridge()).fit(fitted_features, gain).predict(features)


def _outcomes(fitted_features: np.ndarray, fitted: Part, features: np.ndarray) -> np.ndarray:
    """P(only the server is wrong) - P(only the client is wrong), of a multinomial regression on all four outcomes."""
    outcome = 2 * fitted.client_wrong + fitted.server_wrong
    classifier = _logistic().fit(fitted_features, outcome)
    probability = dict(zip(classifier.classes_, classifier.predict_proba(features).T, strict=True))
    return probability.get(1, 0.0) - probability.get(2, np.zeros(len(features)))


def _mean_of_z_scores(fitted_features: np.ndarray, fitted: Part, features: np.ndarray) -> np.ndarray:
    return StandardScaler().fit(fitted_features).transform(features).mean(axis=1)


def _probability(
    estimator: Estimator, fitted_features: np.ndarray, wrong: np.ndarray, features: np.ndarray
) -> np.ndarray:
    if wrong.all() or not wrong.any():
        return np.full(len(features), float(wrong[0]))
    return estimator().fit(fitted_features, wrong).predict_proba(features)[:, 1]


def _logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression())


def _quadratic() -> Any:
    squares = PolynomialFeatures(2, include_bias=False)
    return make_pipeline(StandardScaler(), squares, StandardScaler(), LogisticRegression(max_iter=500))


def _splines() -> Any:
    splines = SplineTransformer(4, knots="quantile", extrapolation="linear")
    return make_pipeline(splines, StandardScaler(), LogisticRegression(C=0.1, max_iter=500))


def _boosted_trees() -> Any:
    return HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=6, learning_rate=0.06, min_samples_leaf=30, l2_regularization=1.0, random_state=0
    )


class _Isotonic:
    """The logistic regression, and an isotonic one on its score; its slope within a step breaks the ties."""

    def fit(self, features: np.ndarray, wrong: np.ndarray) -> "_Isotonic":
        self.logistic = _logistic().fit(features, wrong)
        score = self.logistic.decision_function(features)
        self.steps = IsotonicRegression(out_of_bounds="clip").fit(score, wrong)
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        score = self.logistic.decision_function(features)
        p = self.steps.predict(score) + 1e-6 * score
        return np.stack([1 - p, p], axis=1)


def stored_groups(seeds: Iterable[int] = CHOICE_SEEDS) -> Iterator[Group]:
    """The held-out images of every pair with a truck, each client and seed; runs that are missing are made.

    Args:
        seeds: which.
    """
    pairs = [pair for pair in class_pairs.class_pairs() if CHOICE_CLASS in pair]
    for seed in seeds:
        for systems in class_pairs.groups_of_seed(seed, pairs):
            compared = {name: systems[name] for name in DEVICE_BASELINES}
            needed = with_dependencies(compared.values())
            yield _group(dict(zip(needed, sweep(needed), strict=True)), compared)


def shared_trunk_signals(config: ExperimentConfig, results: Mapping[ExperimentConfig, RunResult]) -> dict[str, Any]:
    r"""Two outputs of one network on the device: of the client's error, and of what the server would say.

    .. math:: \log(1 + e^{-s\, a(x)}) + \log(1 + e^{d(x)}) - \sigma(e(x))\, d(x), \qquad
              s = \begin{cases} 1 & m \neq y \\ -1 & m = y \end{cases}

    The network is the rejector's, with a second output d that imitates the server's probability. Its server is the one
    that was trained alone, with scores e of images that it was not trained on.

    Args:
        config: of the two-stage system, which has the same client, server, network and training.
        results: of the client and of the server.

    Returns:
        Split -> (n, 2): a, and the agreement m d of the imitated server with the client.
    """
    dataset, needed = run.dataset_for_config(config), [results[each].scores for each in dependencies(config)]
    examples = run.make_examples(config, {name: getattr(dataset, name) for name in SPLITS}, needed)
    train, splits = examples["train"], Splits(examples["train"], examples["calibration"], examples["validation"])
    signs, says_positive = 2 * (train.m != train.y).long() - 1, torch.sigmoid(require_server_scores(train))

    def loss(outputs: Tensor, signs: Tensor, says_positive: Tensor) -> Tensor:
        imitation = binary_cross_entropy_with_logits(outputs[:, 1], says_positive.to(outputs.dtype), reduction="none")
        return loop.classification_loss(outputs[:, 0], signs) + imitation

    with run.run_environment(config):
        with loop.seeded(config.seed):
            rejector = fitting.build_rejector(splits, config.options, n_outputs=2)
        fitting.fit_rejector(rejector, train, (signs, says_positive), loss, options=config.options, seed=config.seed)
        outputs = {name: rejector.scores(examples[name]).double().numpy() for name in HELD_OUT}
    return {name: np.stack([o[:, 0], examples[name].m.numpy() * o[:, 1]], axis=1) for name, o in outputs.items()}


def _group(results: Mapping[Any, Any], systems: Mapping[str, Any]) -> Group:
    client = client_result(results, systems[TWO_STAGE_SIGNAL])
    trunk, parts = shared_trunk_signals(systems[TWO_STAGE_SIGNAL], results), []
    for split in HELD_OUT:
        score = client.scores[split]["client_scores"]
        size = np.log1p(np.abs(score))
        signals = {name: results[config].scores[split]["r"][:, None] for name, config in systems.items()}
        signals |= {
            SCORE: np.stack([score, np.abs(score)], axis=1),
            LOGARITHM: np.stack([np.sign(score) * size, size], axis=1),
            SHARED_TRUNK: trunk[split],
        }
        client_right, server_right = client_server_correctness(results[systems[TWO_STAGE_SIGNAL]].predictions(split))
        parts.append(Part(~client_right, ~server_right, signals))
    predictions = {name: results[config].predictions("validation") for name, config in systems.items()}
    config = systems[TWO_STAGE_SIGNAL]
    calibration, validation = parts
    classes = "/".join(results[config].data["classes"])
    return Group(classes, config.client, config.seed, calibration, validation, predictions)


def differences(groups: Iterable[Group], compared: Mapping[str, Candidate]) -> pd.DataFrame:
    """Accuracy of every candidate minus that of every baseline, at each coverage, on the validation images.

    Args:
        groups: of `stored_groups`.
        compared: name -> candidate.

    Returns:
        One row per candidate, client, baseline, coverage in percent, pair and seed; the column "difference".
    """
    coverages = np.array(COVERAGE_PERCENT) / 100
    rows = []
    for group in groups:
        reached = {name: accuracy_at_coverage(p, coverages) for name, p in group.predictions.items()}
        server = group.predictions[TWO_STAGE_SIGNAL]  # the server that was trained alone
        for name, candidate in compared.items():
            r = candidate.scores(group.calibration, group.validation)
            accuracy = accuracy_at_coverage(Predictions(server.m, r, server.e, server.y), coverages)
            for baseline, other in reached.items():
                for percent, difference in zip(COVERAGE_PERCENT, accuracy - other, strict=True):
                    rows.append((name, group.client, baseline, percent, group.pair, group.seed, difference))
    columns = ["candidate", "client", "baseline", "coverage", "pair", "seed", "difference"]
    return pd.DataFrame(rows, columns=columns)


def candidate_table(rows: pd.DataFrame, compared: Mapping[str, Candidate]) -> pd.DataFrame:
    """The least mean difference of every candidate for each client, and its standard error over pairs.

    Args:
        rows: of `differences`.
        compared: name -> candidate.

    Returns:
        One row per candidate, best first: the networks that the device runs beside the client, the mean over clients
        of the least difference, and per client this difference, its standard error, and the baseline and the coverage
        where it is reached.
    """
    by_pair = rows.groupby(["candidate", "client", "baseline", "coverage", "pair"]).difference.mean().unstack("pair")
    mean, error = by_pair.mean(axis=1), by_pair.sem(axis=1)
    table = []
    for name, candidate in compared.items():
        row: dict[str, Any] = {"candidate": name, "networks": candidate.networks, "mean of the least": np.nan}
        least = []
        for client in dict.fromkeys(rows.client):
            where = mean[name, client].idxmin()
            least.append(mean[name, client][where])
            row[client] = round(least[-1], 5)
            row[f"{client}, standard error"] = round(error[name, client][where], 5)
            row[f"{client}, where"] = f"{where[0]} at {where[1]} %"
        row["mean of the least"] = round(float(np.mean(least)), 5)
        table.append(row)
    return pd.DataFrame(table).sort_values("mean of the least", ascending=False, kind="stable", ignore_index=True)


def variants_table_path(book: Path = BOOK) -> Path:
    """Where the committed table lies.

    Args:
        book: folder of the records.
    """
    return book / "06_comparison.variants.csv"


def read_variants_table(book: Path = BOOK) -> pd.DataFrame:
    """The committed table, the best candidate first.

    Args:
        book: folder of the records.
    """
    return pd.read_csv(variants_table_path(book))


def shown_variants(table: pd.DataFrame) -> pd.DataFrame:
    """The table of all candidates with one column per client, for readers.

    Args:
        table: of `read_variants_table`, with the candidates as its index.

    Returns:
        Per client the least difference, its standard error, and where it is reached.
    """
    shown = table[["networks", "mean of the least"]].copy()
    for client in class_pairs.PAIR_CLIENTS:
        columns = zip(table[client], table[f"{client}, standard error"], table[f"{client}, where"], strict=True)
        shown[client] = [f"{least:+.4f} ± {error:.4f}, {where}" for least, error, where in columns]
    return shown


def main(book: Path = BOOK) -> int:
    """The command: it writes the table of all candidates."""
    compared = candidates()
    rows = differences(stored_groups(), compared)
    write_atomically(variants_table_path(book), candidate_table(rows, compared).to_csv(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
