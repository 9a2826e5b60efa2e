"""The chat app's files as recipes: the same numbers as its own layers, and refusals of faulty files."""

from __future__ import annotations

import os
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from huggingface_hub import ModelCard
from PIL import Image
from typer.testing import CliRunner, Result

from scripts import convert
from tests.tiny import chat_app
from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.configs import CLAIMS
from vqaops.importing.presets import PRESETS
from vqaops.importing.vocabularies import white_space_tokenizer
from vqaops.paths import RECIPES
from vqaserve.families.modular import Modular
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

QUESTIONS = ["what is the colour of this", "What Is This", "the  unknown\tis " + "the " * 40]
COMBINATIONS = [
    ("small_cnn", "lstm", "concatenation"),
    ("resnet18", "lstm", "coattention"),
    ("efficientnet_b0", "bert", "bilinear"),
    ("vit", "bert", "coattention"),
]
OLDER = {
    "cnn.0.weight": (16, 3, 3, 3),
    "cnn.0.bias": (16,),
    "cnn.3.weight": (32, 16, 3, 3),
    "cnn.3.bias": (32,),
    "embedding.weight": (8, 50),
    "lstm.weight_ih_l0": (512, 50),
    "lstm.weight_hh_l0": (512, 128),
    "lstm.bias_ih_l0": (512,),
    "lstm.bias_hh_l0": (512,),
    "fc.weight": (3, 640),
    "fc.bias": (3,),
}


class Hostile:
    """An object that runs a command when ``pickle.load`` reads it."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.proof}",)


def run(checkpoint: Path, vocab: Path, answers: Path, output: Path, *more: str) -> Result:
    app = typer.Typer()
    app.command()(convert.main)
    command = [checkpoint, "--vocab", vocab, "--answers", answers, "-o", output, *more]
    return CliRunner().invoke(app, list(map(str, command)))


@pytest.fixture
def older(tmp_path: Path) -> list[Path]:
    """The older kind of checkpoint, a bare state dict without a config."""
    files = chat_app.App("small_cnn", "lstm", "concatenation").save(tmp_path)
    torch.save({name: torch.rand(shape) for name, shape in OLDER.items()}, files[0])
    return files


def refusal(files: list[Path], *more: str) -> str:
    """The message of a refused conversion, which is one line and leaves no files."""
    output = files[0].parent / "recipes" / "chat"
    done = run(*files, output, *more)
    assert done.exit_code == 1
    assert not output.exists()
    assert not output.parent.exists() or not list(output.parent.iterdir())
    (line,) = done.output.strip().splitlines()
    assert line.startswith("convert: ")
    return line


@pytest.mark.parametrize("padded", [False, True], ids=["masked", "padded"])
@pytest.mark.parametrize("kinds", COMBINATIONS, ids="-".join)
def test_a_converted_model_has_the_apps_own_numbers_in_a_batch_too(
    tmp_path: Path, kinds: tuple[str, str, str], padded: bool
):
    app = chat_app.App(*kinds)
    done = run(*app.save(tmp_path), tmp_path / "chat", *(["--keep-padding"] if padded else []))
    assert done.exit_code == 0, done.output
    settings = ModelConfig.read(tmp_path / "chat" / "model-config.yaml").handler
    assert settings.precision == "auto"
    family = Modular.load(tmp_path / "chat", settings.model_copy(update={"precision": "fp32"}))
    noise = np.random.default_rng(0).integers(0, 256, (3, 50, 40, 3), dtype=np.uint8)
    pictures = [Image.fromarray(array) for array in noise]
    logits = family.forward(family.encode(pictures), [Query(b"", question) for question in QUESTIONS])
    # Our model gives the log of the probabilities.
    expected = app.logits(pictures, QUESTIONS, padded=padded).log_softmax(1)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert family.answers == ["yes", "no", "red"]


def test_the_older_kind_needs_neither_config_nor_preset(older: list[Path], tmp_path: Path):
    assert run(*older, tmp_path / "chat").exit_code == 0
    assert run(*older, tmp_path / "same", "--preset", "original").exit_code == 0
    written = [(tmp_path / name / "weights" / "config.json").read_bytes() for name in ("chat", "same")]
    assert written[0] == written[1]


def test_a_new_recipes_queue_is_as_long_as_the_memory_allows(older: list[Path], tmp_path: Path):
    run(*older, tmp_path / "chat")
    ours = [ModelConfig.read(folder / "model-config.yaml") for folder in (tmp_path / "chat", RECIPES / "rooms")]
    assert ours[0].jobQueueSize == ours[1].jobQueueSize == 32


def test_a_recipe_has_a_card_that_the_hub_reads(older: list[Path], tmp_path: Path):
    run(*older, tmp_path / "chat")
    card = ModelCard.load(tmp_path / "chat" / "README.md")
    assert (card.data.pipeline_tag, card.data.license) == ("visual-question-answering", "unknown")
    assert "8 words, 3 answers" in " ".join(card.text.split())


def test_a_config_that_the_trainer_pickled_as_an_object_is_read_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    module = types.ModuleType("modular_config")

    class ModularConfig:
        def __init__(self) -> None:
            self.fusion_type, self.device = "concatenation", torch.device("cpu")

    ModularConfig.__module__, ModularConfig.__qualname__ = "modular_config", "ModularConfig"
    module.ModularConfig = ModularConfig  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "modular_config", module)
    files = chat_app.App("small_cnn", "lstm", "concatenation").save(tmp_path, config=ModularConfig())
    monkeypatch.undo()
    assert read_checkpoint(files[0], CLAIMS).config["fusion_type"] == "concatenation"
    assert run(*files, tmp_path / "chat").exit_code == 0


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_vocabulary_is_refused_by_name_and_has_run_nothing(older: list[Path], tmp_path: Path, protocol: int):
    older[1].write_bytes(pickle.dumps({"what": Hostile(tmp_path / "ran")}, protocol))
    assert f"vocab.pkl is refused: it asks to import {os.system.__module__}.system" in refusal(older)
    assert not (tmp_path / "ran").exists()


def test_the_hostile_file_would_have_run_its_command(tmp_path: Path):
    command, arguments = Hostile(tmp_path / "ran").__reduce__()
    command(*arguments)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_checkpoint_is_refused_by_name_and_has_run_nothing(older: list[Path], tmp_path: Path, zipped: bool):
    hostile = {"model_state_dict": {"fc.weight": Hostile(tmp_path / "ran")}}
    torch.save(hostile, older[0], _use_new_zipfile_serialization=zipped)
    assert f"best_modular_model.pth is refused: it asks to import {os.system.__module__}.system" in refusal(older)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", [b"", b"\x80", b"abc", b"\x80\x04}\x94(\x8c"])
def test_damaged_files_are_refused_in_one_line(older: list[Path], damage: bytes):
    vocabulary = older[1].read_bytes()
    older[1].write_bytes(damage)
    assert "vocab.pkl is not a pickled dictionary" in refusal(older)
    older[1].write_bytes(vocabulary)
    older[0].write_bytes(damage)
    assert "best_modular_model.pth is not a PyTorch checkpoint" in refusal(older)


def test_a_checkpoint_that_was_cut_off_is_refused(older: list[Path]):
    older[0].write_bytes(older[0].read_bytes()[:-2000])
    assert "best_modular_model.pth is not a PyTorch checkpoint" in refusal(older)


@pytest.mark.parametrize("file", range(3))
def test_a_missing_file_is_named(older: list[Path], file: int):
    older[file].unlink()
    assert f"{older[file].name} is missing" in refusal(older)


def test_tensors_that_do_not_fit_are_listed_under_the_files_own_names(older: list[Path]):
    older[2].write_text("yes\nno\n")
    line = refusal(older)
    assert "8 words and 2 answers" in line
    assert "fc.weight is [3, 640], [2, 640] would fit" in line
    assert "fc.bias is [3], [2] would fit" in line


def test_a_preset_that_the_tensors_are_not_lists_them(older: list[Path]):
    line = refusal(older, "--preset", "pretrained_vit_bert")
    assert "does not fit preset 'pretrained_vit_bert'" in line
    assert "cnn.0.weight [16, 3, 3, 3] is not part of the model" in line


def test_an_unknown_preset_is_refused_with_the_known_ones(older: list[Path]):
    line = refusal(older, "--preset", "vit")
    assert all(preset in line for preset in PRESETS)


def test_a_checkpoint_of_another_model_is_refused(older: list[Path]):
    torch.save({"layer.weight": torch.zeros(2)}, older[0])
    assert "no question encoder of the chat app's" in refusal(older)
    torch.save({"model_state_dict": {}, "epoch": 1}, older[0])
    assert "is not a state dict" in refusal(older)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"image_encoder_dim": "wide"}, "the config's image_encoder_dim is 'wide', not int"),
        (
            {"image_encoder_type": "cnn", "cnn_model_name": "resnet152"},
            "'resnet152' cannot be converted; supported are:",
        ),
        ({"fusion_type": "coattention", "coattention_hidden_dim": 10}, "hidden 10 is not a multiple of 8 heads"),
        ({"lstm_num_layers": -1}, "no such model exists: text_encoder.layers"),
        ({"fusion_dim": 700}, "does not fit its config"),
    ],
)
def test_a_config_that_is_not_of_these_tensors_is_refused(older: list[Path], config: dict[str, object], message: str):
    tensors = {name: torch.rand(shape) for name, shape in OLDER.items()}
    torch.save({"model_state_dict": tensors, "config": config}, older[0])
    assert message in refusal(older)


def test_numbers_that_leave_gaps_are_refused(older: list[Path]):
    older[1].write_bytes(pickle.dumps({"<PAD>": 0, "<UNK>": 1, "what": 7}))
    assert "numbers its 3 words, but not from 0 to 2, each once" in refusal(older)


def test_a_recipe_that_is_there_already_is_left_alone(older: list[Path], tmp_path: Path):
    mine = tmp_path / "chat" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep")
    done = run(*older, tmp_path / "chat")
    assert done.exit_code == 1
    assert "exists already" in done.output
    assert mine.read_text() == "keep"


def test_words_are_split_and_looked_up_as_in_the_app():
    words = {word: number for number, word in enumerate(chat_app.WORDS)}
    tokenizer = white_space_tokenizer(words)
    for question in ("what is", " What\tIS\n this ", "what\x1cis\x85this\xa0?x", "WHAT'S this", "", "straße ÉTÉ what"):
        assert tokenizer.encode(question).ids == [words.get(word, 1) for word in question.lower().split()]


@pytest.mark.parametrize("question", ["what is this?", "what is this ?", "what is this ?? ", "What is this? ?"])
def test_a_closing_question_mark_is_dropped_where_the_vocabulary_has_none(question: str):
    words = {word: number for number, word in enumerate(chat_app.WORDS)}
    assert white_space_tokenizer(words).encode(question).tokens == ["what", "is", "this"]
    marked = white_space_tokenizer({**words, "this?": len(words)})
    assert marked.encode("is this?").tokens == ["is", "this?"]
