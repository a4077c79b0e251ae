"""The page of errata: its sixteen lines are evaluated as they stand, and each item has all its parts."""

import math
import re
from functools import cache

import pytest
from scipy.stats import binom

from companion.build import notebooks
from companion.claims import registry
from companion.proofs.statements import certificates
from l2h.problem import Costs
from l2h.theory.distributions import xor

TEXT = (notebooks.ROOT / "book" / "errata.md").read_text("utf8")
ITEMS = dict(re.findall(r"^## (\d+)\. (.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL))
FUNCTIONS = {name: getattr(math, name) for name in ("sqrt", "exp", "log", "tanh")}
NAMES = FUNCTIONS | {"binom": binom, "certificates": cache(certificates), "xor": xor, "Costs": Costs}


@pytest.mark.parametrize("number", ITEMS)
def test_the_one_line_is_true(number):
    (line,) = re.findall(r"\*\*In one line\.\*\* `([^`]+)`", ITEMS[number])
    assert eval(line, dict(NAMES))


def test_there_are_sixteen_items_and_each_is_a_claim():
    assert list(ITEMS) == [str(number) for number in range(1, 17)]
    numbers = [name[len("erratum-") :][:2] for name in registry.chapter_claims("errata") if name.startswith("erratum-")]
    assert numbers == [f"{number:02}" for number in range(1, 17)]
    assessed = set(re.findall(r'"(erratum-\d\d-[a-z0-9-]+)"', TEXT))
    assert assessed == {name for name in registry.chapter_claims("errata") if name.startswith("erratum-")}


@pytest.mark.parametrize("number", ITEMS)
def test_each_item_says_what_it_is_about_how_it_is_repaired_and_how_severe_it_is(number):
    parts = re.findall(
        r"\*\*(About|Severity: (?:high|medium|low|none)|The statement|Repair|Consequence)\b", ITEMS[number]
    )
    assert parts[0] == "About" and parts[1].startswith("Severity") and parts[2] == "The statement"
    assert parts[3] in ("Repair", "Consequence")


def test_each_item_says_what_follows_for_the_paper():
    for number in ITEMS:
        after = "".join(ITEMS[str(later)] for later in (int(number), int(number) + 1) if str(later) in ITEMS)
        assert "**Effect" in after, f"item {number}: its effect stands there or with the next item's"
