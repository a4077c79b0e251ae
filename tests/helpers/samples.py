"""Predictions to test with: any, with ties, one class only, many classes; and large or several ones at random."""

import numpy as np
from hypothesis import strategies as st

from l2h.problem import Predictions

tied = st.integers(-2, 2).map(lambda k: k / 3)  # a third is not exact in binary
scores = st.one_of(tied, st.floats(-5, 5))
costs = {"c1": st.floats(0, 3), "ce": st.floats(0, 3)}


@st.composite
def predictions(draw, score=scores, largest=9):
    """Up to nine examples of two classes (labels -1/+1) or of three (labels 0, 1, 2)."""
    n, classes = draw(st.integers(1, largest)), draw(st.sampled_from([2, 3]))
    labels = st.lists(st.sampled_from([-1, 1] if classes == 2 else [0, 1, 2]), min_size=n, max_size=n)
    e = draw(st.lists(st.lists(tied, min_size=classes, max_size=classes), min_size=n, max_size=n))
    return Predictions(
        m=np.array(draw(labels)),
        r=np.array(draw(st.lists(score, min_size=n, max_size=n))),
        e=np.array(e) if classes == 3 else np.array(e)[:, 0],
        y=np.array(draw(labels)),
    )


def columns(p):
    """The order in which the oracles take them."""
    return p.m, p.r, p.e, p.y


def many(n, *, seed=0, client=0.7, server=0.9, levels=None, y=None):
    """n examples of two classes; r ranks the client's errors, roughly; `levels` distinct scores, so that most tie."""
    generator = np.random.default_rng(seed)
    y = generator.choice([-1, 1], n) if y is None else y
    right = generator.random(n) < client
    r = right - 0.5 + generator.normal(size=n)
    e = np.where(generator.random(n) < server, y, -y) * generator.uniform(0.1, 1, n)
    return Predictions(np.where(right, y, -y), r if levels is None else np.round(r * levels / 5), e, y)


def sample_runs(seeds, n, **options):
    """One system, trained with several seeds, on the same n examples."""
    y = np.random.default_rng(99).choice([-1, 1], n)
    return [many(n, seed=seed, y=y, **options) for seed in range(seeds)]
