"""The ledger's form, and what a chapter may assess and leaves behind."""

import re
from dataclasses import dataclass, field

import pytest
import yaml

from companion.build import notebooks
from companion.claims import registry
from companion.claims.evidence import Evidence
from companion.claims.registry import assess

RULE = {"estimand": "gain", "method": "Student's t", "holds": {"above": 0}}
ENTRY = {
    "id": "gains", "statement": "It gains.", "source": "this project", "kind": "empirical", "rule": RULE,
    "verdict": "open",
}  # fmt: skip
TWO = {"estimand": "gain", "method": "Student's t", "conditions": {"a": {"above": 0}, "b": {"below": 1}}}
NEVER = {"absent": "needs a device"}


@dataclass(frozen=True)
class Study:
    profile: str = "quick"
    data: str | None = None
    chapter: str = field(default="91_toy", kw_only=True)


@pytest.fixture
def folder(tmp_path):
    entries = [ENTRY, {**ENTRY, "id": "both", "rule": TWO}, {**ENTRY, "id": "never", "rule": NEVER}]
    entries += [{**ENTRY, "id": "proved", "kind": "theorem", "rule": {**RULE, "holds": "proved"}, "label": "thm-91"}]
    (tmp_path / "91_toy.yml").write_text(yaml.safe_dump(entries))
    (tmp_path / "92_other.yml").write_text(yaml.safe_dump([{**ENTRY, "id": "elsewhere"}]))
    return tmp_path


@pytest.fixture
def shown(monkeypatch):
    """The outputs that a cell would keep."""
    outputs = []
    monkeypatch.setattr(registry, "display", lambda data, raw: outputs.append(data))
    return outputs


def written(folder, *entries):
    for path in folder.glob("*.yml"):
        path.unlink()
    (folder / "91_toy.yml").write_text(yaml.safe_dump(list(entries)))
    return registry.read_claims(folder)


def test_the_table_tells_rule_evidence_and_verdict(folder, shown):
    both = {"a": Evidence(0.2, 0.1, 0.3), "b": Evidence(2, 1.5, 2.5)}
    table = assess(Study(), {"gains": Evidence(0.2, 0.1, 0.3, n=10, seeds=2), "both": both}, folder)
    assert list(table.columns) == ["rule", "evidence", "verdict"]
    assert table.loc["gains"].tolist() == ["> 0", "0.2 [0.1, 0.3], n = 10, 2 seeds", "reproduced"]
    assert table.loc["both"].tolist() == [
        "a > 0; b < 1",
        "a holds: 0.2 [0.1, 0.3]; b does not hold: 2 [1.5, 2.5]",
        "holds only under a condition",
    ]


def test_a_rule_with_a_margin_shows_what_is_negligible_and_what_would_settle_a_case(folder, shown):
    bounds = {"above": 0, "margin": 0.01}
    written(folder, {**ENTRY, "rule": {"estimand": "gain", "method": "t", "conditions": {"a": bounds, "b": bounds}}})
    small = Evidence(0.001, -0.002, 0.004, equivalence_low=-0.001, equivalence_high=0.003)
    wide = Evidence(0.001, -0.2, 0.4, equivalence_low=-0.1, equivalence_high=0.3, units="seeds", settled_by=40)
    table = assess(Study(), {"gains": {"a": small, "b": wide}}, folder)
    assert table.loc["gains"].tolist() == [
        "a > 0 (margin 0.01); b > 0 (margin 0.01)",
        "a has no effect of the stated size: 0.001 [-0.002, 0.004], for equivalence [-0.001, 0.003]; smaller than "
        "0.01; b unclear: 0.001 [-0.2, 0.4], for equivalence [-0.1, 0.3]; about 40 seeds would settle it",
        "inconclusive",
    ]
    with pytest.raises(ValueError, match="gains, b: expected evidence with the limits for equivalence"):
        assess(Study(), {"gains": {"a": small, "b": Evidence(0.2, 0.1, 0.3)}}, folder)


def test_the_evidence_stays_in_the_notebook(folder, shown):
    certain = Evidence.exact(1)
    assess(Study(data="cifar10"), {"gains": Evidence(0.2, 0.1, 0.3, data="ab"), "proved": certain}, folder)
    (output,) = shown
    assert output[registry.CLAIMS_MIME_TYPE] == {
        "chapter": "91_toy",
        "profile": "quick",
        "source": "cifar10",
        "claims": {
            "gains": {"holds": {"estimate": 0.2, "low": 0.1, "high": 0.3, "data": "ab"}},
            "proved": {"holds": {"estimate": 1.0, "low": 1.0, "high": 1.0}},
        },
    }
    assert output["text/html"].startswith("<!--")  # what a page shows of it: nothing


def test_one_absence_stands_for_all_cases(folder, shown):
    table = assess(Study(), {"both": Evidence.absent("no labels"), "never": Evidence.absent("no device")}, folder)
    assert set(table.verdict) == {"not testable here"}
    assert table.evidence["both"] == "a no evidence: no labels; b no evidence: no labels"


def test_on_digits_an_empirical_verdict_says_so_and_a_theorem_does_not(folder, shown):
    table = assess(Study(data="digits"), {"gains": Evidence.exact(1), "proved": Evidence.exact(1)}, folder)
    assert table.about["gains"] == "digits, not the paper's images"
    assert table.about["proved"] == ""
    assert "about" not in assess(Study(data="cifar10"), {"gains": Evidence.exact(1)}, folder)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nothing": Evidence.exact(1)}, "expected claims of 91_toy among gains, both, never, proved, got nothing"),
        ({"elsewhere": Evidence.exact(1)}, "got elsewhere"),
        ({"both": Evidence.exact(1)}, "both: expected evidence by case, a, b, got one number"),
        ({"both": {"a": Evidence.exact(1)}}, "both: expected evidence for a, b, got it for a"),
        ({"gains": {"z": Evidence.exact(1)}}, "gains: expected evidence for holds, got it for z"),
        ({"never": {"a": Evidence.exact(1)}}, "never: expected evidence for no evidence: its rule says"),
    ],
)
def test_what_is_no_claim_of_the_chapter_is_refused(folder, shown, given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        assess(Study(), given, folder)
    assert shown == []


def test_a_chapter_without_claims_has_none(folder):
    with pytest.raises(ValueError, match="expected claims of 99_none among none, got gains"):
        assess(Study(chapter="99_none"), {"gains": Evidence.exact(1)}, folder)


def test_rules_change_with_what_decides_and_with_nothing_else(folder):
    before = written(folder, ENTRY) and registry.chapter_rules("91_toy", folder)
    other = written(folder, {**ENTRY, "statement": "Other words.", "source": "x", "verdict": "false"})
    assert other["gains"].verdict == "false" and registry.chapter_rules("91_toy", folder) == before
    written(folder, {**ENTRY, "rule": {**RULE, "holds": {"above": 0.1}}})
    assert registry.chapter_rules("91_toy", folder) != before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "rumour"}, "91_toy.yml, gains: expected kind to be one of 'definition', 'theorem'"),
        ({"verdict": "true"}, "expected verdict to be one of 'open', 'reproduced'"),
        ({"statement": ""}, "expected words for id, statement"),
        ({"chapter": "05"}, "91_toy.yml, claim 1: expected id, kind, rule, source, statement, verdict"),
        ({"rule": "above 0"}, "expected a rule with estimand, method and one of holds, conditions, theorem, absent"),
        ({"rule": {**RULE, "absent": "x"}}, "expected a rule with estimand"),
        ({"rule": {**RULE, "margin": 1}}, "expected a rule with estimand"),
        ({"rule": {"holds": {"above": 0}}}, "expected words for id, statement, source, estimand and method"),
        ({"rule": {**RULE, "holds": {"over": 0}}}, "expected bounds such as"),
        ({"rule": {**RULE, "holds": {}}}, "expected bounds such as"),
        ({"rule": {**RULE, "holds": {"above": "1e-9"}}}, "expected bounds such as"),
        ({"rule": {**RULE, "holds": {"above": float("nan")}}}, "91_toy.yml, gains: expected finite bounds, got"),
        ({"rule": {**RULE, "holds": {"below": float("inf")}}}, "91_toy.yml, gains: expected finite bounds, got"),
        ({"rule": {**RULE, "holds": {"above": 1, "below": 0}}}, "91_toy.yml, gains: expected above < below, got"),
        ({"rule": {**RULE, "holds": {"above": 1, "below": 1}}}, "91_toy.yml, gains: expected above < below, got"),
        ({"rule": {**RULE, "holds": {"margin": 0.01}}}, "expected bounds such as"),
        ({"rule": {**RULE, "holds": {"above": 0, "below": 1, "margin": 0.01}}}, "expected bounds such as"),
        ({"rule": {**RULE, "holds": {"predicts": 0}}}, "expected bounds such as"),
        ({"rule": {**RULE, "holds": {"above": 0, "margin": 0}}}, "expected a finite margin > 0, got 0"),
        ({"rule": {**RULE, "holds": {"predicts": 0, "within": -1}}}, "expected a finite within > 0, got -1"),
        (
            {"rule": {"estimand": "x", "method": "y", "theorem": {"stated": {"above": 0, "margin": 1}}}},
            "gains: expected a theorem without margin or prediction",
        ),
        (
            {"rule": {"estimand": "x", "method": "y", "conditions": {}}},
            "gains: expected at least one case in conditions",
        ),
        ({"rule": {"estimand": "x", "method": "y", "theorem": {"corrected": "proved"}}}, "expected cases by name"),
        ({"rule": {"estimand": "x", "method": "y", "conditions": "proved"}}, "expected cases by name"),
    ],
)
def test_an_entry_of_a_wrong_form_is_refused(folder, changed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        written(folder, {**ENTRY, **changed})


def test_a_file_is_a_list_and_an_id_occurs_once(folder):
    with pytest.raises(ValueError, match=r"claim 1: expected id, .* got 'gains'"):
        written(folder, "gains")
    (folder / "91_toy.yml").write_text("gains: 1\n")
    with pytest.raises(ValueError, match=r"91_toy.yml: expected a list of claims, got dict"):
        registry.read_claims(folder)
    (folder / "91_toy.yml").write_text("- id: a: b\n")
    with pytest.raises(ValueError, match=r"91_toy.yml: expected YAML, got mapping values are not allowed"):
        registry.read_claims(folder)
    written(folder, ENTRY)
    (folder / "92_other.yml").write_text(yaml.safe_dump([ENTRY]))
    with pytest.raises(ValueError, match=r"92_other.yml: expected an id of its own, got gains of 91_toy"):
        registry.read_claims(folder)


def test_a_ledger_without_claims_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"expected claims in {tmp_path}, got none"):
        registry.read_claims(tmp_path)
    with pytest.raises(ValueError, match=r"expected claims in .*nowhere, got no such folder"):
        registry.read_claims(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"expected claims in .*, got none$"):
        written(tmp_path)


@pytest.mark.parametrize("suffix", [".yaml", ".YAML", ".YML"])
def test_a_file_of_claims_with_another_ending_is_refused(folder, suffix):
    (folder / "92_other.yml").rename(folder / f"92_other{suffix}")
    with pytest.raises(ValueError, match=rf"names that end in .yml, got 92_other{suffix}$"):
        registry.read_claims(folder)


@pytest.mark.parametrize("line", ["  verdict: open\n", "  rule: {absent: x, absent: x}\n"])
def test_a_key_that_is_given_twice_is_refused(folder, line):
    path = folder / "92_other.yml"
    path.write_text("- id: elsewhere\n  verdict: reproduced\n" + line)
    with pytest.raises(ValueError, match=r"(?s)92_other.yml: expected YAML, got (verdict|absent) twice.* line [13]"):
        registry.read_claims(folder)


@pytest.mark.parametrize("coding", ["latin-1", "utf-16"])
def test_a_file_that_is_not_utf8_is_named(folder, coding):
    (folder / "92_other.yml").write_text("# größer\n", encoding=coding)
    with pytest.raises(ValueError, match=r"92_other.yml: expected text in UTF-8, got .*can't decode"):
        registry.read_claims(folder)


def test_the_committed_ledger_reads_and_its_chapters_are_named_as_chapters():
    ledger = registry.read_claims()
    assert len(ledger) > 30
    others = {claim.chapter for claim in ledger.values()} - set(notebooks.chapter_names())
    assert all(re.fullmatch(r"\d\d_[a-z0-9]+", chapter) for chapter in others)  # chapters that do not exist yet
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in ledger)


@pytest.mark.parametrize("chapter", sorted({claim.chapter for claim in registry.read_claims().values() if claim.label}))
def test_a_label_is_that_of_a_theorem_of_its_chapter(chapter):
    if chapter in notebooks.chapter_names():
        text = (notebooks.ROOT / "book" / f"{chapter}.md").read_text("utf8")
        stated = re.findall(r"\{prf:\w+\}.*\n:label: (\S+)\n", text)
        labels = {claim.label for claim in registry.chapter_claims(chapter).values() if claim.label}
        assert labels <= set(stated)
