"""Trained systems of the drift chapter that were never trained: random scores and activations."""

from dataclasses import replace

import numpy as np
from helpers.samples import many

from companion.chapters.ch09_drift.experiments import TunedSystem
from l2h.drift import streams
from l2h.drift.experts import FixedShareConfig
from l2h.drift.last_layer import LastLayers
from l2h.drift.policies import last_layer_output
from l2h.evaluation import thresholds
from l2h.problem import Costs

COSTS = Costs(1.0, 0.1)
OPTIONS = {"costs": COSTS, "fixed_share": FixedShareConfig(0.1, 0.05, 0.01, 25, 1)}
LAYERS = LastLayers(np.array([1.0, 0.5, 0.0]), np.array([1.0, -1.0, 0.5]))
CONDITIONS = ("clean", "unseen", *(f"{kind} {s}" for kind in streams.DRIFT_KINDS[:5] for s in range(1, 5)))


def toy_system(seed=0, stored=CONDITIONS):
    """A system whose client gets worse and whose scores move under every condition but the clean one."""
    y = np.tile([1, -1], 100)
    generator, tables, activations = np.random.default_rng(seed), {}, {}
    for i, name in enumerate(("validation", *CONDITIONS)):
        changed = name not in ("validation", "clean")
        inputs = {k: generator.normal(size=(200, 2)) + 2.0 * changed for k in "re"}
        p = many(200, seed=100 * seed + i, client=0.4 if changed else 0.8, y=y)
        e = np.where(p.e > 0, 1, -1) * (0.1 + inputs["e"][:, 0] ** 2)
        tables[name] = replace(p, r=last_layer_output(inputs["r"], LAYERS.r), e=e)
        activations |= {name: inputs} if name in stored else {}
    return TunedSystem(tables, activations, LAYERS, thresholds.threshold_grid(tables["validation"].r, 9))
