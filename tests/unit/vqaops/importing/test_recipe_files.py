"""Which files of a recipe travel to the Hub and back."""

from __future__ import annotations

import pytest

from vqaops.importing.recipe_files import may_travel


@pytest.mark.parametrize(
    "name", ["model-config.yaml", "weights/model.safetensors", "training/second.yaml", "training/documents.txt"]
)
def test_data_travels(name: str):
    assert may_travel(name)


@pytest.mark.parametrize("name", ["json.py", "weights/model.pkl", "training/run.sh", "training/torch.py", "a.yaml"])
def test_what_could_run_or_is_unknown_stays(name: str):
    assert not may_travel(name)
