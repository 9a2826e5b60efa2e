"""The files of a new recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqaops.importing.recipes import Origin, complete_recipe
from vqaserve.settings import ModelConfig


@pytest.mark.parametrize(("family", "delay"), [("hf_classifier", 1), ("hf_generative", 50)])
def test_only_a_model_that_writes_waits_for_a_batch(tmp_path: Path, family: str, delay: int):
    complete_recipe(tmp_path, Origin(family, "visual-question-answering", "transformers", "From a test."))
    assert ModelConfig.read(tmp_path / "model-config.yaml").maxBatchDelay == delay
