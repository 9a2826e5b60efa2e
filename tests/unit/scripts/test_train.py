from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.support.classes import make_class_recipe, make_classes
from tests.support.training import SETTINGS, invoke, make_data, make_recipe, run


def test_what_a_recipe_holds_already_is_left_alone(tmp_path: Path):
    data = make_data(tmp_path / "data")
    recipe = make_recipe(tmp_path / "recipe", optimisation=SETTINGS["optimisation"] | {"epochs": 1})
    (recipe / "samples").mkdir()
    mine = [recipe / name for name in ("train.yaml", "model-config.yaml", "README.md", "samples/questions.jsonl")]
    for path in mine[1:]:
        path.write_text("mine")
    before = [path.read_text() for path in mine]
    run(recipe, data)
    assert [path.read_text() for path in mine] == before
    assert [path.name for path in (recipe / "samples").iterdir()] == ["questions.jsonl"]


def breaks(path: str, content: bytes | None) -> Callable[[Path], None]:
    """A change to a folder that has a recipe and its data: another content of a file, or a directory in its place."""

    def change(folder: Path) -> None:
        (folder / path).unlink()
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)

    return change


LINE = b'{"image": "image0.png", "question": "what?", "answers": ["red"]}\n'
FAULTS = {
    "settings missing": (lambda folder: (folder / "recipe/train.yaml").unlink(), "train.yaml is missing"),
    "settings a directory": (breaks("recipe/train.yaml", None), "train.yaml is a directory"),
    "settings no YAML": (breaks("recipe/train.yaml", b"model: {\n"), "train.yaml:2 is not YAML"),
    "settings UTF-16": (breaks("recipe/train.yaml", "model: 1".encode("utf-16")), "UTF-16 or UTF-32 text"),
    "settings empty": (breaks("recipe/train.yaml", b""), "train.yaml: the file: Input should be a valid dictionary"),
    "settings a list": (breaks("recipe/train.yaml", b"- 1"), "train.yaml: the file: Input should be"),
    "data missing": (lambda folder: shutil.rmtree(folder / "data"), "is not a folder"),
    "split missing": (
        lambda folder: (folder / "data/train.jsonl").unlink(),
        "train.jsonl is missing; a folder",
    ),
    "split a directory": (breaks("data/train.jsonl", None), "train.jsonl is a directory"),
    "split empty": (breaks("data/train.jsonl", b""), "train.jsonl has no questions"),
    "a line is no JSON": (breaks("data/train.jsonl", LINE * 16 + b"{"), "train.jsonl:17 is not JSON"),
    "a key is missing": (
        breaks("data/train.jsonl", LINE + b'{"image": "image0.png"}'),
        "train.jsonl:2: answers: F",
    ),
    "a byte is not UTF-8": (breaks("data/train.jsonl", LINE + b"\xff\xfa"), "train.jsonl:2: byte 0xff is not UTF-8"),
    "an answer of two lines": (
        breaks("data/train.jsonl", LINE.replace(b'"red"', b'"red\\nblue"')),
        "train.jsonl:1: the answer 'red\\\\nblue' cannot be used",
    ),
    "one picture": (breaks("data/train.jsonl", LINE * 3), "questions about at least two pictures"),
    "a picture is missing": (lambda folder: (folder / "data/images/image7.png").unlink(), "image7.png is missing"),
    "a picture is empty": (breaks("data/images/image7.png", b""), "image7.png: the picture is empty"),
    "a picture is damaged": (
        breaks("data/images/image7.png", b"\x89PNG\r\n"),
        "image7.png: the picture .* is not",
    ),
    "a picture is a directory": (breaks("data/images/image7.png", None), "image7.png is missing"),
}


@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_users_files_is_one_line_and_status_1(
    tmp_path: Path, change: Callable[[Path], None], message: str
):
    recipe, data = make_recipe(tmp_path / "recipe"), make_data(tmp_path / "data")
    change(tmp_path)
    result = invoke(recipe, data)
    assert result.exit_code == 1
    assert re.search(message, result.output)
    assert len([line for line in result.output.split("\n") if line and not line.startswith("60 questions")]) <= 2


@pytest.mark.parametrize("content", [b"", b"noise", b"PK\3\4"])
def test_a_damaged_state_is_one_line_that_says_to_delete_it(tmp_path: Path, content: bytes):
    recipe, data = make_recipe(tmp_path / "recipe"), make_data(tmp_path / "data")
    (tmp_path / "state" / "recipe").mkdir(parents=True)
    (tmp_path / "state" / "recipe" / "state.pt").write_bytes(content)
    result = invoke(recipe, data)
    assert result.exit_code == 1
    assert "state.pt cannot be read" in result.output
    assert "delete it to start from the beginning" in result.output


@pytest.mark.parametrize("content", [{"epoch": 3}, {"settings": {}, "data": ""}, [1], {"settings": None}, {}])
def test_a_state_that_something_else_wrote_is_one_line_that_says_to_delete_it(tmp_path: Path, content: object):
    recipe, data = make_recipe(tmp_path / "recipe"), make_data(tmp_path / "data")
    (tmp_path / "state" / "recipe").mkdir(parents=True)
    torch.save(content, tmp_path / "state" / "recipe" / "state.pt")
    result = invoke(recipe, data)
    assert result.exit_code == 1
    assert "state.pt is not a state of a training run; delete it" in result.output


def test_an_encoder_without_imagenet_weights_cannot_be_frozen(tmp_path: Path):
    recipe, data = make_recipe(tmp_path / "recipe", freeze_image_encoder=True), make_data(tmp_path / "data")
    result = invoke(recipe, data)
    assert (result.exit_code, "use the encoder efficientnet_lite0" in result.output) == (1, True)


@pytest.mark.parametrize(("make", "recipe"), [(make_data, make_recipe), (make_classes, make_class_recipe)])
def test_a_training_without_matplotlib_ends_before_it_computes(
    make: Callable[[Path], Path], recipe: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = invoke(recipe(tmp_path / "recipe"), make(tmp_path / "data"))
    assert result.exit_code == 1
    assert "plots need matplotlib: .venv/bin/pip install" in " ".join(result.output.split())
    assert not (tmp_path / "state").exists()
