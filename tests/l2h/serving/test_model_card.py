"""The readable model card states what card.json states."""

import json

from helpers.serving import small_helper

from l2h.serving.model_card import model_card


def test_the_readme_of_a_helper_states_all_facts(tmp_path):
    card = small_helper(
        tmp_path / "helper",
        client=False,
        options={"random_state": 3},
        metrics={"loss": {"estimate": 0.25, "low": 0.2, "high": None}},
    )
    text = (tmp_path / "helper" / "README.md").read_text()
    facts = [
        "cat, dog",
        "0.25",
        "learning_to_help",
        "float32 of shape (3)",
        card.parts["server"].sha256,
        "0" * 64,
        "n: 800",
    ]
    facts += [
        "no client: its answers were given as arrays",
        "| loss | 0.25 | 0.2 | undefined |",
        "random_state: 3",
        "l2h: 0.1.0",
    ]
    facts += ["l2h serve", "load_parts", "## Limits"]
    assert [fact for fact in facts if fact not in text.replace("\\", "")] == []


def test_labels_and_names_cannot_write_markdown(tmp_path):
    small_helper(tmp_path / "helper", classes=("a|b", "c\n# head", "<script>", "[x](y)"))
    text = (tmp_path / "helper" / "README.md").read_text()
    assert "\n# head" not in text and "<script>" not in text and "[x](y)" not in text
    content = json.loads((tmp_path / "helper" / "card.json").read_text())
    assert model_card(content) == text


def test_a_forecast_on_the_card_is_named_as_one(tmp_path):
    entry = {"estimate": 0.02, "low": 0.0, "high": 0.04}
    small_helper(tmp_path / "with", metrics={"expected_gain_over_confidence": entry})
    small_helper(tmp_path / "without", metrics={"loss": entry})
    texts = [(tmp_path / name / "README.md").read_text() for name in ("with", "without")]
    assert ["The expected one is a forecast" in text for text in texts] == [True, False]


def test_a_card_without_metrics_says_so(tmp_path):
    small_helper(tmp_path / "helper", metrics={}, versions={})
    text = (tmp_path / "helper" / "README.md").read_text()
    assert "No metrics were saved." in text and "not stated" in text


def test_the_readme_says_on_which_data_the_metrics_were_measured(tmp_path):
    entry = {"estimate": 0.25, "low": 0.2, "high": 0.3}
    small_helper(tmp_path / "known", metrics={"loss": {**entry, "n": 52, "data": "the part that chose the threshold"}})
    assert "Measured on 52 of the part that chose the threshold.\n" in (tmp_path / "known" / "README.md").read_text()
    small_helper(tmp_path / "unknown", metrics={"loss": entry})
    text = (tmp_path / "unknown" / "README.md").read_text()
    assert "On which data they were measured is not stated." in text and "not used" not in text
