"""CLINC150's queries, and hashed n-grams."""

import json

import numpy as np
import pytest
from helpers import publications

from l2h.data import text


def test_queries_are_what_the_files_hold(tmp_path):
    queries = text.read_clinc150(publications.write(tmp_path, "clinc150"))
    assert queries.intents == ("lights", "thermostat", "recipe", "time", "pto")
    assert (queries.domains, queries.domain_of) == (("home", "kitchen_and_dining", "utility", "work"), (0, 0, 1, 2, 3))
    for name, pairs in publications.QUERIES.items():
        texts, intents = queries.parts[name]
        assert texts.tolist() == [query for query, _ in pairs]
        named = [queries.intents[k] if k >= 0 else "oos" for k in intents.tolist()]
        assert named == [intent for _, intent in pairs]


def test_an_intent_of_no_domain_is_refused(tmp_path):
    home = publications.write(tmp_path, "clinc150")
    (home / "data_full.json").write_text(json.dumps({"train": [["hum", "singing"]]}), "utf8")
    with pytest.raises(ValueError, match=r"expected intents of domains.json in train, got \['singing'\]"):
        text.read_clinc150(home)


def test_ngrams_depend_on_the_text_alone_and_count_its_pieces():
    texts = np.array(["set an alarm", "SET AN ALARM", "alarm off", "", "weather"])
    x = text.hashed_ngrams(texts)
    assert x.shape == (5, text.NGRAM_FEATURES) and x.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), [1, 1, 1, 0, 1], rtol=1e-6)
    np.testing.assert_array_equal(x[0], x[1])
    np.testing.assert_array_equal(x[2:3], text.hashed_ngrams(["alarm off"]))  # no text changes another's row
    assert x[0] @ x[2] > 0.3 > abs(x[0] @ x[4])
    assert np.count_nonzero(text.hashed_ngrams(["ab"])) == len([" a", "ab", "b ", " ab", "ab ", " ab "])


def test_one_text_is_no_sequence():
    with pytest.raises(ValueError, match="expected a sequence of texts, got the text 'alarm'"):
        text.hashed_ngrams("alarm")
