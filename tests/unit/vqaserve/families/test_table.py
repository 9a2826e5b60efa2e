"""Families are found by name, and missing libraries are named."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch

from vqaserve.errors import RecipeError
from vqaserve.families import FAMILIES, find_family
from vqaserve.families.base import Family


def test_every_entry_is_a_family():
    assert all(issubclass(find_family(name), Family) for name in FAMILIES)


def test_an_unknown_family_is_refused_with_those_there_are():
    with pytest.raises(RecipeError, match=r"family 'oracle' does not exist; there are: clip_llm, dummy, "):
        find_family("oracle")


@pytest.mark.parametrize(
    ("family", "library", "extra"),
    [
        ("hf_classifier", "transformers", "hf"),
        ("hf_generative", "transformers", "hf"),
        ("clip_llm", "peft", "hf"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    family: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    for name in [name for name in sys.modules if name.startswith(f"vqaserve.families.{family}")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("adapter", "generation", "pretrained", "precision"):
        monkeypatch.delitem(sys.modules, f"vqaserve.families.{name}", raising=False)
    advice = rf"\.venv/bin/pip install -c constraints\.txt -e '\.\[{extra}\]'"
    with pytest.raises(RecipeError, match=rf"^family '{family}' needs {library}: {advice}$"):
        find_family(family)


def test_another_missing_module_is_not_mistaken_for_a_library(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(FAMILIES, "lost", "vqaserve.families.lost:Lost")
    with pytest.raises(ModuleNotFoundError, match=r"vqaserve\.families\.lost"):
        find_family("lost")


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_four_bits_without_their_library_name_the_extra():
    from vqaserve.families.clip_llm.files import _four_bit

    with pytest.raises(RecipeError, match=r"four_bit needs bitsandbytes: .*-c constraints\.txt -e '\.\[gpu\]'$"):
        _four_bit(torch.device("cuda:0"))
