"""A saved helper is checked: what holds passes, and each thing that does not fails its own check."""

import json

import numpy as np
import pytest
from helpers.faults import answering
from helpers.serving import linear_onnx, small_helper

from l2h.serving.estimator.classifier import LearningToHelpClassifier
from l2h.serving.estimator.report import VALIDATION
from l2h.serving.folder import part_of, write_card
from l2h.serving.http.protocol import INFER_PATH, MODEL_HEADER, decode_request, encode_answer
from l2h.serving.http.server import serving
from l2h.serving.onnx.sessions import load_parts
from l2h.serving.verification import verify

N = 80


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(N, 3)).astype(np.float32), "y": np.array(["cat", "dog"])[rng.integers(0, 2, N)]}


def helper_with_metrics(folder, data, **changes):
    """A helper whose card has the metrics of a report on the data; `changes` replace entries of the card's metrics."""
    card = small_helper(folder, options={"confidence_threshold": 0.5})
    report = LearningToHelpClassifier.load(folder).report(data["x"], data["y"])
    metrics = {name: entry for name, entry in (report.card_metrics() | changes).items() if entry is not None}
    write_card(folder, type(card)(**{**vars(card), "metrics": metrics}))
    return folder


@pytest.fixture(scope="module")
def helper(tmp_path_factory, data):
    return helper_with_metrics(tmp_path_factory.mktemp("verified") / "helper", data)


def outcome(checks):
    return {check.name: check.passed for check in checks}


def test_a_helper_passes_all_checks(helper, data):
    with serving(helper) as url:
        checks = verify(helper, data=data, url=url)
    assert outcome(checks) == {"files": True, "metrics": True, "server": True}
    assert "rejector.onnx, server.onnx, client.onnx" in checks[0].found
    assert f"metrics on {N} examples are those of the card" in checks[1].found
    assert checks[2].found.startswith("4 answers of 1 scores differ by at most 0.0e+00")


def test_what_is_not_given_is_not_checked(helper):
    assert outcome(verify(helper)) == {"files": True}


@pytest.mark.parametrize("damage", ["card", "file", "missing", "folder"])
def test_a_damaged_folder_fails_the_check_of_its_files_alone(damage, data, tmp_path):
    folder = tmp_path / "helper"
    if damage != "folder":
        small_helper(folder)
        path = folder / ("card.json" if damage == "card" else "server.onnx")
        path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-9])
    checks = verify(folder, data=data, url="http://127.0.0.1:1")
    assert outcome(checks) == {"files": False} and checks[0].found.startswith(("expected ", str(folder)))


@pytest.mark.parametrize("key", ["estimate", "low", "high"])
def test_a_number_of_the_card_that_is_another_fails(key, helper, data, tmp_path):
    entry = json.loads((helper / "card.json").read_text())["metrics"]["accuracy"]
    for value in (entry[key] + 1e-6, None):
        folder = helper_with_metrics(tmp_path / f"{value}", data, accuracy=entry | {key: value})
        checks = verify(folder, data=data)
        assert outcome(checks) == {"files": True, "metrics": False}
        assert checks[1].found.startswith("accuracy ") and f"{value}" in checks[1].found
        assert checks[1].found.count(" on the card and ") == 1


def test_a_metric_on_one_side_alone_fails(data, tmp_path):
    more = {"estimate": 0.5, "low": 0.4, "high": 0.6}
    folder = helper_with_metrics(tmp_path / "helper", data, coverage=None, more=more)
    (_, check) = verify(folder, data=data)
    assert not check.passed and "coverage missing on the card and " in check.found
    assert "more 0.5 [0.4, 0.6] on the card and missing now" in check.found


def test_other_data_fail(helper, data):
    fewer = {name: array[1:] for name, array in data.items()}
    assert verify(helper, data=fewer)[1][1:] == (False, f"expected the {N} examples of the card's metrics, got {N - 1}")
    permuted = data | {"y": data["y"][::-1]}
    assert not verify(helper, data=permuted)[1].passed
    for wrong, message in (({"x": data["x"][:, :2]}, "2 features"), ({"y": np.array(["cow"] * N)}, "got 'cow'")):
        check = verify(helper, data=data | wrong)[1]
        assert not check.passed and message in check.found


def test_a_card_without_a_report_cannot_be_compared(data, tmp_path):
    entry = {"estimate": 0.5, "low": 0.4, "high": 0.6, "n": N, "data": VALIDATION}
    small_helper(tmp_path / "helper", metrics={"accuracy": entry})
    check = verify(tmp_path / "helper", data=data)[1]
    assert not check.passed and "expected a card with metrics on data of a report" in check.found


def test_a_client_without_a_file_needs_its_answers(data, tmp_path):
    folder = tmp_path / "helper"
    card = small_helper(folder, client=False)
    complete = data | {"m": data["y"][::-1]}
    report = LearningToHelpClassifier.load(folder).report(data["x"], data["y"], client_labels=complete["m"])
    write_card(folder, type(card)(**{**vars(card), "metrics": report.card_metrics()}))
    assert verify(folder, data=complete)[1].passed
    check = verify(folder, data=data)[1]
    assert not check.passed and "client" in check.found


def server_check(folder, respond):
    with answering(respond) as port:
        return verify(folder, url=f"http://127.0.0.1:{port}")[1]


def scores(folder, *, shift=0.0, headers=()):
    """Answers with the model's scores, shifted; a server that does not check itself at its start."""
    card, models = load_parts(folder)

    def respond(path, given, body):
        assert path == INFER_PATH
        request = decode_request(given, body, dtype=card.input_dtype, shape=card.input_shape, max_rows=64)
        e = models["server"](request.x)["e"] + np.float32(shift)
        answered, answer = encode_answer(e, id=request.id)
        return 200, answered | dict(headers), answer

    return respond


def test_scores_of_another_model_fail_by_its_name_or_by_their_values(helper):
    assert server_check(helper, scores(helper)).passed
    shifted = server_check(helper, scores(helper, shift=0.1))
    assert not shifted.passed and "differ by at most 1.0e-01" in shifted.found
    named = server_check(helper, scores(helper, headers={MODEL_HEADER: "0" * 64}))
    assert not named.passed and f"got {'0' * 64}" in named.found


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((503, {}, b'{"error": "full"}'), 'expected status 200, got 503: {"error": "full"}'),
        ((200, {"Content-Type": "application/json"}, b"no JSON"), "expected"),
        ((200, {}, bytes(2**20 + 1)), "too_large"),
    ],
)
def test_an_answer_outside_of_the_contract_fails(answer, message, helper):
    check = server_check(helper, lambda *_: answer)
    assert not check.passed and message in check.found and check.found.startswith("http://127.0.0.1:")


def test_a_server_that_is_away_fails(helper):
    with answering(lambda *_: (200, {}, b"")) as port:
        pass
    check = verify(helper, url=f"http://127.0.0.1:{port}")[1]
    assert not check.passed and "connection" in check.found


def test_a_helper_without_the_file_of_its_server_cannot_be_compared(tmp_path):
    folder = tmp_path / "helper"
    card = small_helper(folder)
    parts = {name: part for name, part in card.parts.items() if name != "server"}
    write_card(folder, type(card)(**{**vars(card), "parts": parts, "missing": {"server": "trees do not convert"}}))
    check = verify(folder, url="http://127.0.0.1:1")[1]
    assert not check.passed and "trees do not convert" in check.found


def test_more_than_two_classes_and_bytes(tmp_path):
    small_helper(tmp_path / "helper", classes=(1, 2, 3), shape=(2, 4, 4), dtype="uint8")
    with serving(tmp_path / "helper", token="secret") as url:
        assert verify(tmp_path / "helper", url=url, token="secret")[1].found.startswith("4 answers of 3 scores")
        assert "401" in verify(tmp_path / "helper", url=url, token="another")[1].found


def test_a_model_that_is_exchanged_together_with_its_card_has_other_metrics(helper, data, tmp_path):
    """A folder that is consistent in itself: only the data show that the rejector is another."""
    folder = helper_with_metrics(tmp_path / "helper", data)
    card, _ = load_parts(folder)
    linear_onnx(folder / "rejector.onnx", output="r", seed=9)
    parts = {**card.parts, "rejector": part_of(folder, "rejector.onnx")}
    write_card(folder, type(card)(**{**vars(card), "parts": parts}))
    assert outcome(verify(folder, data=data)) == {"files": True, "metrics": False}


@pytest.mark.parametrize("wrong", [{"url": "ftp://host"}, {"url": "http://host", "token": "two words"}])
def test_a_wrong_address_or_token_is_an_error(wrong, helper):
    with pytest.raises(ValueError, match=r"^expected a (URL|token)"):
        verify(helper, **wrong)
