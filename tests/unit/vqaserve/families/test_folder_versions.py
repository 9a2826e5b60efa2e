"""Hugging Face folders as each version of the library has saved them: all give the same answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.families import PAIRS, answers, assert_same
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError

CHATS = ["llava", "qwen2_vl", "smolvlm"]


def change(file: Path, **values: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    content = {**(json.loads(file.read_text()) if file.exists() else {}), **values}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def take_template(weights: Path) -> str:
    template = (weights / "chat_template.jinja").read_text()
    (weights / "chat_template.jinja").unlink()
    return template


def in_tokenizer(weights: Path) -> None:
    change(weights / "tokenizer_config.json", chat_template=take_template(weights))


def in_tokenizer_by_name(weights: Path) -> None:
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": take_template(weights)}]
    change(weights / "tokenizer_config.json", chat_template=named)


def in_json(weights: Path) -> None:
    change(weights / "chat_template.json", chat_template=take_template(weights))


def in_processor(weights: Path) -> None:
    change(weights / "processor_config.json", chat_template=take_template(weights))


@pytest.mark.parametrize("kind", CHATS)
@pytest.mark.parametrize("move", [in_tokenizer, in_tokenizer_by_name, in_json, in_processor])
def test_a_chat_template_is_found_wherever_a_version_has_put_it(
    kind: str, move: Callable[[Path], None], make_tiny: Callable[[str], Tiny], shared_tiny: Callable[[str], Tiny]
):
    tiny = make_tiny(kind)
    move(tiny.folder / "weights")
    assert_same(answers(tiny.load(), PAIRS[:2]), answers(shared_tiny(kind).load(), PAIRS[:2]))


def image_processor(weights: Path) -> dict[str, Any]:
    """The content of ``preprocessor_config.json`` before ``processor_config.json`` replaced it."""
    inner = json.loads((weights / "processor_config.json").read_text()).get("image_processor")
    return inner or json.loads((weights / "preprocessor_config.json").read_text())


@pytest.mark.parametrize("suffix", ["", "Fast", "Pil"])
@pytest.mark.parametrize("named", [True, False], ids=["class named", "no class named"])
@pytest.mark.parametrize("kind", ["vilt", "blip", "paligemma", *CHATS])
def test_a_folder_without_processor_config_loads(
    kind: str, named: bool, suffix: str, make_tiny: Callable[[str], Tiny], shared_tiny: Callable[[str], Tiny]
):
    tiny = make_tiny(kind)
    weights = tiny.folder / "weights"
    settings = image_processor(weights)
    whole = json.loads((weights / "processor_config.json").read_text())
    settings["image_processor_type"] = settings["image_processor_type"].removesuffix("Pil") + suffix
    (weights / "processor_config.json").unlink()
    change(
        weights / "preprocessor_config.json", **settings, processor_class=whole["processor_class"] if named else None
    )
    assert_same(answers(tiny.load(), PAIRS[:2]), answers(shared_tiny(kind).load(), PAIRS[:2]))


@pytest.mark.parametrize(
    "missing",
    [
        ["patch_size"],
        ["vision_feature_select_strategy"],
        ["patch_size", "vision_feature_select_strategy"],
        ["patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"],
    ],
    ids=" ".join,
)
def test_what_a_processor_lacks_is_taken_from_the_models_config(
    missing: list[str], make_tiny: Callable[[str], Tiny], shared_tiny: Callable[[str], Tiny]
):
    tiny = make_tiny("llava")
    change(tiny.folder / "weights" / "processor_config.json", **dict.fromkeys(missing))
    assert_same(answers(tiny.load(), PAIRS[:2]), answers(shared_tiny("llava").load(), PAIRS[:2]))


@pytest.mark.parametrize("kind", ["vilt", "blip"])
def test_a_vocabulary_without_tokenizer_json_is_enough(
    kind: str, make_tiny: Callable[[str], Tiny], shared_tiny: Callable[[str], Tiny]
):
    tiny = make_tiny(kind)
    weights = tiny.folder / "weights"
    vocabulary = json.loads((weights / "tokenizer.json").read_text())["model"]["vocab"]
    (weights / "tokenizer.json").unlink()
    (weights / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    assert_same(answers(tiny.load(), PAIRS[:2]), answers(shared_tiny(kind).load(), PAIRS[:2]))


@pytest.mark.parametrize("kind", ["vilt", "vilt_openvino"])
def test_answers_that_the_library_filled_in_are_refused_with_what_to_do(kind: str, make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny(kind)
    names = {str(index): f"LABEL_{index}" for index in range(8)}
    change(
        tiny.folder / "weights" / "config.json", id2label=names, label2id={name: int(i) for i, name in names.items()}
    )
    with pytest.raises(RecipeError, match=r"LABEL_0, LABEL_1, \.\.\., which .* write the answers to "):
        tiny.load()
    (tiny.folder / "weights" / "index_to_name.json").write_text(
        json.dumps({index: f"answer {index}" for index in names})
    )
    assert tiny.load().answers[0] == "answer 0"


@pytest.mark.parametrize("kind", ["vilt", "blip", "llava"])
def test_an_adapter_beside_the_weights_of_a_recipe_is_refused(kind: str, make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny(kind)
    (tiny.folder / "weights" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(RecipeError, match=r"holds a LoRA adapter .* beside a model, and would be served without it"):
        tiny.load()


def test_unused_adapter_tensors_are_named(make_tiny: Callable[[str], Tiny]):
    from safetensors.torch import load_file, save_file

    tiny = make_tiny("clip_llm")
    file = tiny.folder / "weights" / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if ".layers.0." in name)
    save_file({**tensors, name.replace(".layers.0.", ".layers.7."): tensors[name].clone()}, file)
    with pytest.raises(RecipeError, match=r"holds \S+\.layers\.7\.\S+, which the language model has no place for"):
        tiny.load()


@pytest.mark.filterwarnings("ignore:Unexpected keyword arguments")
def test_an_adapter_of_a_newer_peft_loads(make_tiny: Callable[[str], Tiny], shared_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("clip_llm")
    change(tiny.folder / "weights" / "adapter" / "adapter_config.json", from_the_future={"a": 1}, peft_version="9.0")
    assert_same(answers(tiny.load(), PAIRS[:1]), answers(shared_tiny("clip_llm").load(), PAIRS[:1]))
