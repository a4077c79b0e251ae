"""Queries to a voice assistant (CLINC150), and numbers for texts that need no vocabulary and no download."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l2h.data.labelled import OUT_OF_SCOPE

NGRAM_FEATURES = 2048
NGRAM_LENGTHS = (2, 4)  # characters, within a word and the spaces around it
OUT_OF_SCOPE_INTENT = "oos"


class Queries(NamedTuple):
    """Queries of each published part as (n,) texts with (n,) intents; the intents of each of the ten domains.

    Args:
        parts: "train", "val", "test", "oos_train", "oos_val", "oos_test" -> texts, and numbers in `intents`, or
            OUT_OF_SCOPE.
        intents: 150 names, domain by domain.
        domains: ten names.
        domain_of: the domain of each intent.
    """

    parts: dict[str, tuple[np.ndarray, np.ndarray]]
    intents: tuple[str, ...]
    domains: tuple[str, ...]
    domain_of: tuple[int, ...]


def read_clinc150(folder: Path) -> Queries:
    """All queries in checked files, in their published parts.

    Args:
        folder: with `data_full.json` and `domains.json`.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if the intent of a query is in no domain.

    Source: Larson et al., An evaluation dataset for intent classification and out-of-scope prediction, 2019.
    """
    domains = json.loads((folder / "domains.json").read_text("utf8"))
    intents = tuple(intent for members in domains.values() for intent in members)
    number = {OUT_OF_SCOPE_INTENT: OUT_OF_SCOPE, **{intent: k for k, intent in enumerate(intents)}}
    parts = {}
    for name, pairs in json.loads((folder / "data_full.json").read_text("utf8")).items():
        if unknown := {intent for _, intent in pairs} - set(number):
            raise ValueError(f"expected intents of domains.json in {name}, got {sorted(unknown)}")
        parts[name] = (np.array([text for text, _ in pairs]), np.array([number[intent] for _, intent in pairs]))
    domain_of = tuple(k for k, members in enumerate(domains.values()) for _ in members)
    return Queries(parts, intents, tuple(domains), domain_of)


def hashed_ngrams(texts: Sequence[str] | np.ndarray, n_features: int = NGRAM_FEATURES) -> np.ndarray:
    """Counts of hashed character n-grams with 2 to 4 characters, scaled to length 1; nothing is fitted.

    Args:
        texts: n texts; upper and lower case are not distinguished.
        n_features: number of columns onto which n-grams are hashed, each with a sign.

    Returns:
        (n, n_features) float32 without a unit, rows of Euclidean norm 1; a blank text has zeros.

    Raises:
        ValueError: if `texts` is one text.

    >>> x = hashed_ngrams(["what is the time", "what's the time"], 64)
    >>> x.shape, round(float(x[0] @ x[0]), 6)
    ((2, 64), 1.0)

    Source: Weinberger et al., Feature hashing for large scale multitask learning, 2009; scikit-learn,
    HashingVectorizer.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    if isinstance(texts, str):
        raise ValueError(f"expected a sequence of texts, got the text {texts!r}")
    hashing = HashingVectorizer(analyzer="char_wb", ngram_range=NGRAM_LENGTHS, n_features=n_features, dtype=np.float32)
    return hashing.transform(texts).toarray()
