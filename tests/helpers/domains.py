"""Results of made-up tasks of chapter 10, with known advantages and confidences."""

import numpy as np

from companion.chapters.ch10_domains.experiments import FURTHER_METHODS, HELPER_METHODS, DomainResult, DomainRun
from companion.chapters.ch10_domains.forecasts import PairsOfClasses

TASKS = ("gas_drift", "segments", "digits", "breast_cancer", "wine", "smartwatch")


def part(random, n, confidence_noise, rejector_noise):
    """A client that is right on 60 %, a server on 90 %, and scores that follow the client's errors with noise."""
    right = (random.random(n) < 0.6).astype(int)
    result = {
        "client_right": right.tolist(),
        "confidence": np.clip(0.6 + 0.1 * right + confidence_noise * random.normal(size=n), 0, 1).tolist(),
    }
    for name in HELPER_METHODS:
        r = right - 0.5 + rejector_noise * random.normal(size=n)
        result[name] = {"r": r.tolist(), "server_right": (random.random(n) < 0.9).astype(int).tolist()}
    return result


def task_results(name, seed=0, *, seeds=2, n=200, extra=()):
    """One task's results; the confidence of a later task of TASKS is worse."""
    noise = 0.05 + 0.06 * TASKS.index(name)
    results = []
    for number in range(seeds):
        random = np.random.default_rng([seed, number, TASKS.index(name)])
        parts = {each: part(random, n, noise, 0.5) for each in ("validation", "test", *extra)}
        results.append(DomainResult(DomainRun(name, number, 1, 1, n), parts))
    return results


def with_further_methods(results):
    """The same results with made-up systems of the further methods, whose servers are right on 85 %."""
    for result in results:
        for number, (part, systems) in enumerate(result.parts.items()):
            random = np.random.default_rng([1, result.config.seed, TASKS.index(result.config.task), number])
            right = np.array(systems["client_right"])
            for name in FURTHER_METHODS:
                r = right - 0.5 + random.normal(size=len(right))
                server_right = (random.random(len(right)) < 0.85).astype(int)
                result.parts[part][name] = {"r": r.tolist(), "server_right": server_right.tolist()}
    return results


def results_of(*names, **options):
    """Task -> results."""
    return {name: task_results(name, **options) for name in names or TASKS}


def pairs_of_letters(slope=-0.2, seeds=3, k=6):
    """All pairs of k classes, with advantages that fall with the AUROC."""
    names, random = "abcdefghij"[:k], np.random.default_rng(0)
    pairs = [(first, second) for i, first in enumerate(names) for second in names[i + 1 :]]
    auroc = random.uniform(0.5, 0.9, len(pairs))
    noise = 0.002 * random.normal(size=(len(pairs), seeds))
    return PairsOfClasses(pairs, 0.17 + slope * auroc[:, None] + noise, auroc)
