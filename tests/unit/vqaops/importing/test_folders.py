"""Which files of a Hugging Face folder become a recipe's weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vqaops.importing.copied_files import copy_files
from vqaops.importing.folders import choose_files, choose_local_files
from vqaserve.errors import RecipeError

SETTINGS = ["config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"]
TOKENIZER = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
]
TEMPLATES = ["chat_template.jinja", "chat_template.json"]
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
STRAY = [
    *("README.md", "cat.png", ".gitattributes", "LICENSE.txt", "requirements.txt", "handler.py", "modeling_x.py"),
    *("optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt", "training_args.bin", "trainer_state.json"),
    *("all_results.json", "train_results.json", "eval_results.json", "events.out.tfevents.1"),
    *("tf_model.h5", "flax_model.msgpack", "rust_model.ot", "model.onnx", "model.gguf", "openvino_model.bin"),
    *("consolidated.safetensors", "model.fp16.safetensors", "diffusion_pytorch_model.safetensors", "params.json"),
    *("onnx/model.safetensors", "runs/config.json", "checkpoint-500/model.safetensors"),
]


@pytest.mark.parametrize("weights", [["model.safetensors"], SHARDS], ids=["whole", "sharded"])
def test_only_files_that_the_loader_reads_are_chosen(weights: list[str]):
    wanted = [*SETTINGS, *TOKENIZER, *TEMPLATES, "index_to_name.json", *weights]
    chosen = choose_files([*STRAY, *wanted, "pytorch_model.bin", "pytorch_model.bin.index.json"], "here", True)
    assert sorted(chosen) == sorted(wanted)


def test_a_whole_file_goes_before_its_shards_as_in_transformers():
    assert choose_files(["model.safetensors", *SHARDS, "config.json"], "here", False) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["pytorch_model.bin", "pytorch_model.fp16.bin"], ["pytorch_model.bin"]),
        (["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"], None),
        (["pytorch_model.bin", "consolidated.safetensors"], ["pytorch_model.bin"]),
    ],
)
def test_pickled_weights_are_taken_where_they_are_allowed_and_alone(names: list[str], taken: list[str] | None):
    assert choose_files(names, "here", True) == (taken or names)
    with pytest.raises(RecipeError, match="a pickled file, and no safetensors; --pickled accepts it"):
        choose_files(names, "here", False)


@pytest.mark.parametrize(
    "name",
    ["consolidated.safetensors", "model.fp16.safetensors", "tf_model.h5", "model.gguf", "pytorch_model.fp16.bin"],
)
def test_weights_under_unknown_names_are_listed_if_there_are_no_others(name: str):
    with pytest.raises(RecipeError, match=rf"holds no weights .*; it has {name}, which transformers does not load"):
        choose_files(["config.json", name], "here", True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with two shards."""
    names = {"a.weight": SHARDS[0], "b.weight": SHARDS[1]}
    for tensor, file in names.items():
        save_file({tensor: torch.ones(2)}, tmp_path / file, metadata={"format": "pt"})
    (tmp_path / SHARDS[2]).write_text(json.dumps({"metadata": {}, "weight_map": names}))
    (tmp_path / "config.json").write_text('{"model_type": "vilt"}')
    return tmp_path


def test_shards_are_those_that_the_index_lists(folder: Path):
    (folder / "model-00001-of-00009.safetensors").write_bytes(b"of an earlier save")
    assert sorted(choose_local_files(folder, False)) == sorted(["config.json", *SHARDS])


def test_a_missing_shard_is_named(folder: Path):
    (folder / SHARDS[1]).unlink()
    with pytest.raises(RecipeError, match=rf"lists {SHARDS[1]}, which .* does not have"):
        choose_local_files(folder, False)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": null}'])
def test_a_damaged_index_is_named(folder: Path, damage: str):
    (folder / SHARDS[2]).write_text(damage)
    with pytest.raises(RecipeError, match=r"index\.json"):
        choose_local_files(folder, False)


@pytest.mark.parametrize("weights", ["adapter_model.safetensors", "adapter_model.bin"])
@pytest.mark.parametrize("base", ["dandelin/vilt-b32-finetuned-vqa", None])
def test_an_adapters_folder_is_called_one_with_its_base_and_what_to_do(tmp_path: Path, weights: str, base: str | None):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": base}))
    (tmp_path / weights).write_bytes(b"")
    message = (
        rf"holds a LoRA adapter for {base or 'its base model'}, not a whole model; merge .* scripts/convert.py --clip"
    )
    with pytest.raises(RecipeError, match=message):
        choose_local_files(tmp_path, True)


@pytest.mark.parametrize("config", ["{}", "[]", "{"])
def test_an_adapter_beside_a_model_is_refused_and_not_dropped(folder: Path, config: str):
    (folder / "adapter_config.json").write_text(config)
    with pytest.raises(RecipeError, match=r"beside a model, and would be served without it; merge .* or remove"):
        choose_local_files(folder, False)


def test_an_adapter_on_the_hub_is_called_one():
    with pytest.raises(RecipeError, match=r"org/name holds a LoRA adapter .* merge it into its base model"):
        choose_files(["adapter_config.json", "adapter_model.safetensors", "README.md"], "org/name", False)


def test_pickled_shards_become_safetensors_with_their_index(tmp_path: Path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    torch.save({"module.a": torch.ones(2)}, source / "pytorch_model-00001-of-00001.bin")
    (source / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}')
    copy_files(source, target, choose_local_files(source, True))
    assert list(load_file(target / "model-00001-of-00001.safetensors")) == ["a"]
    index = json.loads((target / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == {"a": "model-00001-of-00001.safetensors"}
