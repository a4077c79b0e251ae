"""The profiles of every chapter: a larger one computes at least as much, and only quick trainings are cut short."""

from dataclasses import asdict
from math import inf

import pytest

from companion.chapters import settings
from companion.chapters.parameters import chapters_with_settings, settings_for
from companion.chapters.settings import PROFILE_NAMES, RELEASED_COSTS, TWO_SEEDS, required_count

ALL_WHEN_EMPTY = {"sizes", "images", "n_images"}  # (): every image of the data; 0: all of them


def amount(name, value):
    """How much a setting asks for."""
    if name in ALL_WHEN_EMPTY and not value:
        return inf
    if isinstance(value, tuple):
        return len(value) if any(isinstance(part, str) for part in value) else max(value)
    return value


@pytest.mark.parametrize("chapter", chapters_with_settings())
def test_a_larger_profile_computes_at_least_as_much(chapter):
    quick, paper, full = (asdict(settings_for(chapter, profile)) for profile in PROFILE_NAMES)
    counted = [name for name, value in full.items() if not isinstance(value, str | bool | None)]
    for name in counted:
        assert amount(name, quick[name]) <= amount(name, paper[name]) <= amount(name, full[name]), name


@pytest.mark.parametrize("chapter", chapters_with_settings())
def test_only_at_quick_numbers_agree_on_every_processor_and_splits_are_small(chapter):
    found = [settings_for(chapter, profile) for profile in PROFILE_NAMES]
    assert {getattr(one, "precision", "float64") for one in found[:1]} == {"float64"}
    assert {getattr(one, "precision", "float32") for one in found[1:]} == {"float32"}
    assert not any(getattr(one, "sizes", ()) for one in found[1:])


@pytest.mark.parametrize("chapter", ["10_domains", "11_deployment"])
def test_a_record_with_other_pairs_is_not_fresh(chapter, tmp_path, monkeypatch):
    committed = settings.pairs_digest()
    assert settings_for(chapter, "paper").pairs == committed
    other = tmp_path / "table.csv"
    other.write_bytes(settings.PAIRS_TABLE.read_bytes() + b"\n")
    monkeypatch.setattr(settings, "PAIRS_TABLE", other)
    assert settings.pairs_digest() != committed


def test_requirements_say_which_values_they_accept():
    assert TWO_SEEDS.met(2) and not TWO_SEEDS.met(1) and TWO_SEEDS.expected == "at least 2 seeds"
    assert required_count(3, "images", "it needs three").met(3)
    assert RELEASED_COSTS.met((0.0, 0.18)) and not RELEASED_COSTS.met((0.0, 0.19))
