from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.training import make_recipe
from vqaops.training.settings import TrainSettings
from vqaserve.errors import RecipeError


def test_settings_with_an_unknown_key_are_refused(tmp_path: Path):
    recipe = make_recipe(tmp_path / "recipe", epoch=3)
    with pytest.raises(RecipeError, match="epoch"):
        TrainSettings.read(recipe / "train.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out": 2}, "held_out: Input should be less than 1, got 2"),
        ({"tokenizer": "bpe"}, "tokenizer: Input should be 'words' or 'minilm', got 'bpe'"),
        ({"optimisation": {"epochs": 1}}, "optimisation.patience: Field required"),
        ({"augmentation": {"miror": 0.5}}, "unknown key 'augmentation.miror'; did you mean 'mirror'"),
        ({"model": None}, "model: "),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(tmp_path: Path, changes: dict, message: str):
    recipe = make_recipe(tmp_path / "recipe", **changes)
    with pytest.raises(RecipeError) as raised:
        TrainSettings.read(recipe / "train.yaml")
    assert str(raised.value).startswith(f"{recipe / 'train.yaml'}: ")
    assert message in str(raised.value)
