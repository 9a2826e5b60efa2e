from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny import modular
from vqaserve.errors import RecipeError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return modular.write_recipe(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "answers.txt", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, name: str):
    (folder / "weights" / name).unlink()
    with pytest.raises(RecipeError, match=f"{name} is missing"):
        modular.load(folder)


@pytest.mark.parametrize("keep", [0, 5, 200, -100])
def test_truncated_weights_are_refused(folder: Path, keep: int):
    path = folder / "weights" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecipeError, match=r"model\.safetensors is damaged"):
        modular.load(folder)


def test_tensors_that_do_not_fit_are_listed_with_what_would(folder: Path):
    path = folder / "weights" / "model.safetensors"
    tensors = load_file(path)
    tensors["heads.0.fusion.asked.bias"] = torch.zeros(3)
    del tensors["heads.0.fusion.norm.bias"]
    tensors["stray"] = torch.zeros(2, 2)
    save_file(tensors, path)
    with pytest.raises(RecipeError) as refused:
        modular.load(folder)
    message = str(refused.value)
    assert r"heads.0.fusion.asked.bias is [3], [16] would fit" in message
    assert r"heads.0.fusion.norm.bias [16] is missing" in message
    assert r"stray [2, 2] is not part of the model" in message


def test_another_number_of_answers_is_refused(folder: Path):
    (folder / "weights" / "answers.txt").write_text("yes\nno\n")
    with pytest.raises(RecipeError, match=r"heads\.0\.classifier\.bias is \[5\], \[2\] would fit"):
        modular.load(folder)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"answers\.txt is empty"),
        ("a\n\nb\n", r"answers\.txt:2 is an empty line"),
        ("a\n  \n", r"answers\.txt:2 is an empty line"),
        ("a\nb\na\n", r"answers\.txt:3 names the answer 'a' again, after line 1"),
        ("a\r\nb\r\na\r\n", r"answers\.txt:3 names the answer 'a' again"),
        ("red\nblue\0\n", r"answers\.txt:2 holds a NUL character"),
    ],
)
def test_a_broken_answer_space_is_refused(folder: Path, text: str, complaint: str):
    (folder / "weights" / "answers.txt").write_text(text)
    with pytest.raises(RecipeError, match=complaint):
        modular.load(folder)


def test_a_broken_tokenizer_is_refused(folder: Path):
    (folder / "weights" / "tokenizer.json").write_text("{}")
    with pytest.raises(RecipeError, match=r"tokenizer\.json is not a file of the tokenizers library"):
        modular.load(folder)


def test_weights_in_half_precision_are_widened(folder: Path):
    path = folder / "weights" / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path)
    assert {parameter.dtype for parameter in modular.load(folder).model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": 1}, r"unknown key 'colour'; allowed: fusion, heads, image_encoder"),
        ({"pixels": {"width": 64, "height": 32, "depth": 3}}, r"unknown key 'pixels\.depth'; did you mean 'width'"),
        (
            {"fusion": {"name": "concatenation", "glimpses": 2}},
            r"unknown key 'fusion\.glimpses'; allowed: activation, dropout, hidden, name$",
        ),
        ({"image_encoder": {"name": "resnet9000"}}, r"'small_cnn', .*'efficientnet_lite0'"),
        ({"text_encoder": {"width": 16}}, "name"),
        ({"heads": 0}, "heads: Input should be greater than 0"),
        ({"temperature": "warm"}, "temperature: Input should be a valid number"),
        ({"text_encoder": {"name": "transformer", "width": 10, "attention_heads": 4}}, "10 .* 4"),
        ({"image_encoder": {"name": "small_cnn", "widths": [4, 4, 4, 4, 4, 4]}}, "64 x 32"),
    ],
)
def test_a_config_with_an_unknown_key_or_value_is_refused(folder: Path, changes: dict[str, object], complaint: str):
    modular.edit_config(folder, **changes)
    with pytest.raises(RecipeError, match=complaint):
        modular.load(folder)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"temperature": 1.0', '"temperature": NaN', "NaN is not a JSON number"),
        ('"temperature": 1.0', '"temperature": Infinity', "Infinity is not a JSON number"),
        ('"temperature": 1.0', '"temperature": 1e999', "temperature: Input should be a finite number"),
        ('"temperature": 1.0', '"temperature": 1.0, "temperature": 2.0', "the name 'temperature' appears twice"),
        ('"temperature": 1.0', '"temperature": []', "temperature: Input should be a valid number"),
        ('"temperature": 1.0', '"temperature": 1.0, "pixels": []', "the name 'pixels' appears twice"),
        ('"temperature": 1.0', '"temperature": 1.0, "pixls": []', "unknown key 'pixls'; did you mean 'pixels'"),
    ],
)
def test_a_config_with_a_faulty_value_is_refused_with_its_key(folder: Path, old: str, new: str, complaint: str):
    file = folder / "weights" / "config.json"
    text = json.dumps({**json.loads(file.read_text()), "temperature": 1.0})
    file.write_text(text.replace(old, new))
    with pytest.raises(RecipeError, match=rf"config\.json.*{complaint}"):
        modular.load(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_config_that_is_no_json_object_is_refused(folder: Path, text: bytes):
    (folder / "weights" / "config.json").write_bytes(text)
    with pytest.raises(RecipeError, match=r"config\.json"):
        modular.load(folder)


def test_a_config_says_all_it_needs(folder: Path):
    config = json.loads((folder / "weights" / "config.json").read_text())
    del config["fusion"]
    (folder / "weights" / "config.json").write_text(json.dumps(config))
    with pytest.raises(RecipeError, match="fusion: Field required"):
        modular.load(folder)
