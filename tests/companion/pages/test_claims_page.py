"""The ledger's page: what it counts, tells and links, and what it shows of chapters that ran on less."""

import base64

import pytest
from bs4 import BeautifulSoup

from companion.claims.evidence import Evidence
from companion.claims.ledger import LedgerEntry
from companion.claims.registry import CLAIMS_MIME_TYPE, Claim
from companion.claims.verdicts import ClaimRule
from companion.pages import claims_page

GAIN = Evidence(0.2, 0.1, 0.3, n=10, seeds=2)


def entry(name="gains", *, verdict="reproduced", found="reproduced", source="the summary", **rest):
    rule = rest.pop("rule", ClaimRule("holds", {"holds": {"above": 0}}, "gain", "Student's t"))
    chapter, label = rest.pop("chapter", "91_toy"), rest.pop("label", None)
    claim = Claim(name, "It gains < 1 & more.", source, "empirical", chapter, rule, verdict, label)
    evidence = rest.pop("evidence", {"holds": GAIN})
    return LedgerEntry(claim, found, evidence, rest.pop("profile", "paper"), rest.pop("data", "cifar10"))


def rows(found, titles=("91_toy",)):
    html = BeautifulSoup(claims_page.claims_page(found, {name: "A toy" for name in titles}), "html.parser")
    return {
        row["id"]: [cell.get_text(" ") for cell in row.find_all(["th", "td"])]
        for row in html.select(".ledger tbody tr")
    }


def test_claims_of_the_paper_and_ours_are_counted_apart():
    found = [
        entry(),
        entry(verdict="false"),
        entry(verdict="false", source="this project, on a lemma"),
        entry(verdict="open"),
    ]
    html = BeautifulSoup(claims_page.verdict_counts_table(found), "html.parser")
    counted = [[cell.text for cell in row.find_all(["th", "td"])] for row in html.select("tbody tr")]
    assert counted == [["reproduced", "1", "0"], ["false", "1", "1"], ["open", "1", "0"], ["all", "3", "1"]]
    assert {head["scope"] for head in html.find_all("th")} == {"row", "col"}


def test_a_row_tells_claim_verdict_and_evidence_and_leads_to_the_cell():
    told = rows([entry()])["claim-gains"]
    assert told[0] == "It gains < 1 & more. gains empirical; the summary"
    assert told[1] == "reproduced"
    assert told[2] == "0.2 [0.1, 0.3], n = 10, 2 seeds.  The cell. Rule: gain; Student's t; > 0."
    page = claims_page.claims_page([entry()], {"91_toy": "A toy"})
    assert 'href="91_toy.html#thm-gain-91"' in claims_page.claims_page(
        [entry(label="thm-gain-91")], {"91_toy": "A toy"}
    )
    assert 'href="91_toy.html#claim-gains"' in page and "## A toy\n\nThe chapter: {doc}`91_toy`." in page


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"found": "inconclusive", "profile": "quick"}, "reproduced (in these pages, at quick: inconclusive)"),
        ({"found": "not reproduced", "data": "digits"}, "reproduced (on digits, in these pages: not reproduced)"),
        ({"found": None, "evidence": {}}, "reproduced"),
    ],
)
def test_another_verdict_of_these_pages_is_told_beside_the_committed_one(changed, verdict):
    assert rows([entry(**changed)])["claim-gains"][1] == verdict


def test_what_has_no_evidence_says_so():
    never = entry(
        "never", rule=ClaimRule("absent", {}, "x", "x", reason="no device"), evidence={}, found="not testable here"
    )
    told = rows([never, entry("later", chapter="92_later", found=None, evidence={})])
    assert told["claim-never"][2].strip() == "None: no device."
    assert told["claim-later"][2] == "None yet. Rule: gain; Student's t; > 0."


def test_each_case_has_a_line():
    rule = ClaimRule("conditions", {"a": {"above": 0}, "b": {"below": 0}}, "gain", "Student's t")
    page = claims_page.claims_page([entry(rule=rule, evidence={"a": GAIN, "b": GAIN})], {"91_toy": "A toy"})
    assert "a holds: 0.2 [0.1, 0.3], n = 10, 2 seeds<br>b does not hold: 0.2" in page


def test_an_effect_below_the_margin_is_a_verdict_of_its_own_and_is_counted():
    bounds = {"above": 0, "margin": 0.01}
    small = Evidence(0.001, -0.002, 0.004, equivalence_low=-0.001, equivalence_high=0.003, seeds=5)
    verdict = "no effect of the stated size"
    found = entry(
        verdict=verdict,
        found=verdict,
        rule=ClaimRule("holds", {"holds": bounds}, "gain", "t"),
        evidence={"holds": small},
    )
    told = rows([found])["claim-gains"]
    assert told[1] == verdict
    numbers = "0.001 [-0.002, 0.004], for equivalence [-0.001, 0.003], 5 seeds; smaller than 0.01."
    assert told[2] == f"{numbers}  The cell. Rule: gain; t; > 0 (margin 0.01)."
    html = BeautifulSoup(claims_page.verdict_counts_table([found]), "html.parser")
    assert [cell.text for cell in html.select("tbody tr")[0].find_all(["th", "td"])] == [verdict, "1", "0"]


def test_a_target_stands_before_the_cell_that_holds_the_evidence():
    output = {"output_type": "display_data", "data": {CLAIMS_MIME_TYPE: {"claims": {"gains": {}, "loses": {}}}}}
    plain, cell = {"cell_type": "code", "outputs": []}, {"cell_type": "code", "outputs": [output]}
    cells = claims_page.with_anchors({"cells": [plain, cell], "nbformat": 4})["cells"]
    assert [one["cell_type"] for one in cells] == ["code", "markdown", "code"]
    assert cells[1]["source"] == '<span id="claim-gains"></span><span id="claim-loses"></span>'


def test_the_landing_page_takes_its_figure_from_a_tagged_cell():
    output = {"output_type": "display_data", "data": {"image/png": base64.b64encode(b"png").decode()}}
    metadata = {"tags": ["landing-figure"], "mystnb": {"image": {"alt": "Curves."}}}
    cells = [{"metadata": {}}, {"metadata": {}, "outputs": [output]}, {"metadata": metadata, "outputs": [output]}]
    notebook = {"cells": cells, "metadata": {"l2h": {"profile": "paper"}}}
    figure = claims_page.landing_figure({"01_none": {"cells": [{"metadata": {}}]}, "91_toy": notebook})
    assert figure == ("91_toy", "paper", b"png", "Curves.", 2)
    text = claims_page.landing_section([entry()], figure)
    assert "```{figure} landing.png\n:alt: Curves.\n\nFrom {doc}`91_toy`, executed at the `paper` profile.\n```" in text
    with_numbers = claims_page.landing_section([entry()], figure, numbers="<a>CSV</a>")
    assert "executed at the `paper` profile. <a>CSV</a>\n```" in with_numbers
    assert "A small run" not in text
    assert "A small run" in claims_page.landing_section([entry()], figure._replace(profile="quick"))
    assert claims_page.landing_figure({}) is None
    assert "figure" not in claims_page.landing_section([entry()], None)
    unseen = notebook | {"cells": [{"metadata": metadata, "outputs": []}]}
    assert claims_page.landing_figure({"91_toy": unseen}) is None


def test_the_landing_page_repeats_the_sentence_of_a_tagged_cell():
    output = {"output_type": "display_data", "data": {"text/markdown": ["Joint training ", "has no advantage."]}}
    cell = {"metadata": {"tags": ["landing-sentence"]}, "outputs": [{"data": {"text/plain": "x"}}, output, output]}
    plain = {"metadata": {}, "outputs": [output]}
    sentences = claims_page.landing_sentences({"91_toy": {"cells": [plain, cell]}, "92_none": {"cells": [plain]}})
    assert sentences == ["Joint training has no advantage. ({doc}`91_toy`)"]
    assert f"\n{sentences[0]}\n" in claims_page.landing_section([entry()], None, sentences)
