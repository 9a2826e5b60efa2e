"""CLIP, a language model and an adapter as a recipe: what is written, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from scripts import convert
from tests.support.families import PAIRS, answers, assert_same
from tests.tiny.kinds import Tiny
from vqaserve.families.clip_llm import ClipLlm
from vqaserve.settings import ModelConfig

PROMPT = "CLIP similarity: {clip_similarity}\nQuestion: {question}\nAnswer:"


@pytest.fixture(scope="module")
def folders(shared_tiny: Callable[[str], Tiny]) -> Path:
    """``clip``, ``llm`` and ``adapter``; not to be changed."""
    return shared_tiny("clip_llm").folder / "weights"


@pytest.fixture
def own(folders: Path, tmp_path: Path) -> Path:
    """The folders, to be changed."""
    return Path(shutil.copytree(folders, tmp_path / "own"))


def run(*words: object) -> Result:
    app = typer.Typer()
    app.command()(convert.main)
    return CliRunner().invoke(app, [str(word) for word in words])


def converted(folders: Path, output: Path, *more: object) -> Result:
    names = ("clip", "llm", "adapter")
    return run(*(word for name in names for word in (f"--{name}", folders / name)), "-o", output, *more)


def refusal(done: Result) -> str:
    assert done.exit_code == 1
    (line,) = done.output.strip().splitlines()
    assert line.startswith("convert: ")
    return line


def change(file: Path, **values: Any) -> None:
    content = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_the_recipe_answers_as_the_three_folders_do(folders: Path, tmp_path: Path, shared_tiny: Callable[[str], Tiny]):
    assert converted(folders, tmp_path / "clip-llm", "--device", "cpu").exit_code == 0
    config = ModelConfig.read(tmp_path / "clip-llm" / "model-config.yaml")
    assert (config.handler.family, config.startupTimeout) == ("clip_llm", 600)
    family = ClipLlm.load(tmp_path / "clip-llm", config.handler)
    found = answers(family, PAIRS)
    assert [ranked[0].details["clip_similarity"] for ranked in found] == [
        round(ranked[0].details["clip_similarity"], 4) for ranked in found
    ]
    expected = shared_tiny("clip_llm").load(options={"max_new_tokens": 50})
    assert_same(found, answers(expected, PAIRS))


def test_the_recipe_shows_the_prompt_which_can_be_set(folders: Path, tmp_path: Path):
    def options(name: str) -> dict[str, str]:
        return yaml.safe_load((tmp_path / name / "model-config.yaml").read_text())["handler"]["options"]

    converted(folders, tmp_path / "plain")
    assert options("plain") == {"prompt": PROMPT, "marker": "Answer:"}
    words = ["--prompt", r"Q: {question} ({clip_similarity})\nA:", "--marker", "A:", "--four-bit"]
    assert converted(folders, tmp_path / "own", *words).exit_code == 0
    assert options("own") == {"prompt": "Q: {question} ({clip_similarity})\nA:", "marker": "A:", "four_bit": True}


def test_only_files_that_are_loaded_come_along(own: Path, tmp_path: Path):
    for name in ("README.md", "optimizer.pt", "training_args.bin", "consolidated.safetensors"):
        for folder in ("clip", "llm", "adapter"):
            (own / folder / name).write_bytes(b"x")
    converted(own, tmp_path / "recipe")
    names = {path.name for path in (tmp_path / "recipe" / "weights").rglob("*") if path.is_file()}
    assert not names & {"README.md", "optimizer.pt", "training_args.bin", "consolidated.safetensors"}
    assert {"adapter_model.safetensors", "adapter_config.json", "model.safetensors"} <= names


def test_pickled_weights_are_rewritten_where_they_are_allowed(own: Path, tmp_path: Path):
    tensors = load_file(own / "adapter" / "adapter_model.safetensors")
    torch.save(tensors, own / "adapter" / "adapter_model.bin")
    (own / "adapter" / "adapter_model.safetensors").unlink()
    assert "a pickled file, and no safetensors; --pickled accepts it" in refusal(converted(own, tmp_path / "recipe"))
    assert converted(own, tmp_path / "recipe", "--pickled").exit_code == 0
    written = load_file(tmp_path / "recipe" / "weights" / "adapter" / "adapter_model.safetensors")
    assert set(written) == set(tensors)


@pytest.mark.parametrize(
    ("swap", "message"),
    [
        ({"clip": "llm"}, "llm holds a LlamaForCausalLM; it takes a CLIP model"),
        ({"llm": "clip"}, "clip holds a CLIPModel; it takes a causal language model"),
        ({"adapter": "llm"}, "llm holds LlamaForCausalLM and no adapter_config.json; it takes a LoRA adapter"),
        ({"llm": "adapter"}, "adapter holds a LoRA adapter; it takes a causal language model"),
        ({"clip": "adapter"}, "adapter holds a LoRA adapter; it takes a CLIP model"),
        ({"clip": "nowhere"}, "nowhere is missing; it takes a folder"),
        ({"llm": "clip/config.json"}, "config.json is a file; it takes a folder"),
    ],
)
def test_a_folder_in_the_wrong_place_is_named_with_what_would_fit(
    folders: Path, tmp_path: Path, swap: dict[str, str], message: str
):
    words = [word for name in ("clip", "llm", "adapter") for word in (f"--{name}", folders / swap.get(name, name))]
    assert message in refusal(run(*words, "-o", tmp_path / "recipe"))
    assert not (tmp_path / "recipe").exists()


def test_an_adapter_for_another_model_is_refused_with_both_sizes(own: Path, tmp_path: Path):
    file = own / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file({name: torch.cat([t, t], dim=1) if "lora_A" in name else t for name, t in tensors.items()}, file)
    change(own / "adapter" / "adapter_config.json", base_model_name_or_path="mistralai/Mistral-7B-v0.1")
    line = refusal(converted(own, tmp_path / "recipe"))
    assert "is for another model" in line
    assert "is [8, 64], and " in line
    assert "is [32, 32]; the adapter was trained on mistralai/Mistral-7B-v0.1" in line


def test_an_adapter_for_other_layers_is_refused(own: Path, tmp_path: Path):
    file = own / "adapter" / "adapter_model.safetensors"
    save_file({name.replace("self_attn", "attention"): tensor for name, tensor in load_file(file).items()}, file)
    assert "model.layers.0.attention." in refusal(converted(own, tmp_path / "recipe"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "is of type IA3; it takes a LoRA adapter (peft_type LORA)"),
        ({"peft_type": None}, "is of type unknown; it takes a LoRA adapter"),
    ],
)
def test_an_adapter_of_another_kind_is_refused(own: Path, tmp_path: Path, changes: dict[str, Any], message: str):
    change(own / "adapter" / "adapter_config.json", **changes)
    assert message in refusal(converted(own, tmp_path / "recipe"))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "clip/processor_config.json",
            "has no picture preprocessing (preprocessor_config.json or processor_config.json)",
        ),
        ("clip/tokenizer.json", "has no tokenizer ("),
        ("llm/tokenizer.json", "has no tokenizer ("),
        ("llm/config.json", "has no config.json; it takes the folder of a causal language model"),
        ("llm/model.safetensors", "holds no weights in *.safetensors"),
        ("adapter/adapter_model.safetensors", "holds neither adapter_model.safetensors nor adapter_model.bin"),
    ],
)
def test_a_missing_file_is_named(own: Path, tmp_path: Path, file: str, message: str):
    (own / file).unlink()
    assert message in refusal(converted(own, tmp_path / "recipe"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no model was given: give CHECKPOINT --vocab FILE --answers FILE, or --clip DIR --llm DIR --adapter DIR"),
        (["--clip", "x"], "missing: --llm, --adapter; give"),
        (["x.pth", "--vocab", "v.pkl"], "missing: --answers; give"),
        (["x.pth", "--clip", "x"], "options of two kinds of models came: give"),
        (["x.pth", "--vocab", "v", "--answers", "a", "--adapter", "x"], "--adapter came with options of another kind"),
        (
            ["--clip", "x", "--llm", "x", "--adapter", "x", "--preset", "original"],
            "--preset came with options of another",
        ),
        (["--clip", "x", "--llm", "x", "--adapter", "x", "--four-bit", "--device", "cpu"], "--four-bit needs a GPU"),
        (
            ["--clip", "x", "--llm", "x", "--adapter", "x", "--device", "tpu"],
            "--device is 'tpu'; it takes auto, cpu or",
        ),
    ],
)
def test_options_that_do_not_belong_together_are_refused(tmp_path: Path, words: list[str], message: str):
    assert message in refusal(run(*words, "-o", tmp_path / "recipe"))


@pytest.mark.parametrize(
    ("name", "character"),
    [("a,b", "','"), ("a[1]", "'['"), ("a b", "a blank"), ("ä", "'ä'"), ("a%20", "'%'"), ("-a", "'-'")],
)
def test_a_recipes_name_that_cannot_be_a_models_is_refused_before_anything_is_written(
    folders: Path, tmp_path: Path, name: str, character: str
):
    output = tmp_path / "recipes" / name
    assert character in refusal(converted(folders, output))
    assert not output.parent.exists()


@pytest.mark.parametrize("name", ["a, b", "[clip] x", "50%", "it's", 'say "hi"', "Gerät", "-dash"])
def test_folders_may_have_any_name(folders: Path, tmp_path: Path, name: str):
    copied = Path(shutil.copytree(folders, tmp_path / name))
    assert converted(copied, tmp_path / "recipe").exit_code == 0


def test_a_prompt_without_the_question_is_refused(folders: Path, tmp_path: Path):
    assert "handler.options" in refusal(converted(folders, tmp_path / "recipe", "--prompt", "Say something."))
