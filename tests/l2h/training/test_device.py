"""The compute device: the CPU by default, and an accelerator only where the user requests one that exists."""

import pytest
import torch

from l2h.training import device

VARIABLE = "L2H_ACCELERATOR"


@pytest.mark.parametrize(("value", "name"), [(None, ""), ("", ""), ("cpu", ""), ("cuda", "cuda")])
def test_the_variable_names_the_accelerator(monkeypatch, value, name):
    monkeypatch.delenv(VARIABLE, raising=False) if value is None else monkeypatch.setenv(VARIABLE, value)
    assert device.accelerator_name() == name


def test_the_cpu_needs_no_accelerator(monkeypatch):
    def search(**_):
        raise AssertionError("expected no search for an accelerator")

    monkeypatch.setattr(torch.accelerator, "current_accelerator", search)
    monkeypatch.setenv(VARIABLE, "cpu")
    assert device.requested_accelerator() is None


def test_the_accelerator_of_the_machine_is_found(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    monkeypatch.setenv(VARIABLE, "cuda")
    assert device.requested_accelerator() == torch.device("cuda")


@pytest.mark.parametrize(("existing", "choices"), [(None, "'cpu'"), (torch.device("cuda"), "'cpu', 'cuda'")])
def test_an_accelerator_that_does_not_exist_is_refused(monkeypatch, existing, choices):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: existing)
    monkeypatch.setenv(VARIABLE, "mps")
    with pytest.raises(ValueError, match=f"expected L2H_ACCELERATOR to be one of {choices}, got 'mps'"):
        device.requested_accelerator()


@pytest.mark.parametrize(
    ("capabilities", "has"),
    [({"avx512_bf16": True}, True), ({"avx512_bf16": False, "amx_bf16": False, "avx2": True}, False), ({}, False)],
)
def test_bfloat16_is_found_in_the_capabilities_of_the_processor(monkeypatch, capabilities, has):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert device.has_bfloat16() is has


def test_an_accelerator_is_taken_to_have_bfloat16(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert not device.has_bfloat16()
    monkeypatch.setenv(VARIABLE, "cuda")
    assert device.has_bfloat16()
