"""Models that write learn by a LoRA adapter beside their own weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.support.families import encoded, photo
from tests.support.training import invoke
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.finetuning.adapter_trainer import AdapterTrainer, AskedModel
from vqaops.finetuning.choices import NO_CHOICES, Choices
from vqaops.finetuning.tuning import tune
from vqaops.questions import Question
from vqaserve.errors import RecipeError
from vqaserve.families import find_family
from vqaserve.families.adapter import read_adapter
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Answer, Query

KINDS = ("smolvlm", "qwen2_vl", "llava", "blip", "clip_llm")
CHOICES = Choices(lora_rank=8, learning_rate=1e-2, epochs=60)
COLOURS = {"red": "many", "blue": "the"}
"""Answers by colour; each is one token of BLIP's vocabulary, because a tiny BLIP with random weights spells badly."""


@dataclass(frozen=True)
class Tuned:
    """A recipe and what it learned."""

    kind: str
    before: Path
    after: Path
    questions: list[Question]


def recipe(kind: str, folder: Path) -> Path:
    complete_recipe(folder, make_weights(kind, folder / "weights"), encoded(photo(64, 48)), "is it big?")
    shutil.rmtree(folder / "weights" / "adapter", ignore_errors=True)  # of random weights
    if kind == "blip":  # whose layers are saturated with the weights of other tests, so that little can be learned
        tensors = load_file(folder / "weights" / "model.safetensors")
        calm = {
            name: 0.1 * tensor
            for name, tensor in tensors.items()
            if "text_decoder" in name and ".layer." in name and "LayerNorm" not in name
        }
        save_file(tensors | calm, folder / "weights" / "model.safetensors", metadata={"format": "pt"})
    return folder


def lesson(folder: Path) -> list[Question]:
    """Eight pairs. The question says the colour too, because CLIP's similarity is all that clip_llm sees."""
    pairs = []
    for number in range(8):
        path = folder / f"{number}.png"
        colour = list(COLOURS)[number % 2]
        Image.new("RGB", (40, 40 + number), colour).save(path)
        pairs.append(Question(path, f"what is {colour}?", (COLOURS[colour],)))
    return pairs


def tuned(before: Path, questions: list[Question], name: str, choices: Choices = CHOICES) -> Path:
    output = before.parent / name
    shutil.copytree(before, output)
    tune(before, questions, [], before.parent / f"{name}-state", output, choices)
    return output


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tuned]:
    def train(kind: str) -> Tuned:
        folder = tmp_path_factory.mktemp(kind)
        before, questions = recipe(kind, folder / kind), lesson(folder)
        return Tuned(kind, before, tuned(before, questions, "after"), questions)

    return cache(train)


def handler(folder: Path) -> HandlerSettings:
    return ModelConfig.read(folder / "model-config.yaml").handler


def best(family: Any, questions: list[Question]) -> list[Answer]:
    features = family.encode([Image.open(question.image).convert("RGB") for question in questions])
    queries = [Query(b"", question.text) for question in questions]
    return [ranked[0] for ranked in family.decode(family.forward(features, queries), queries)]


def answers(family: Any, questions: list[Question]) -> list[tuple[str, float]]:
    return [(one.answer, one.score) for one in best(family, questions)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_answers_turn_to_those_that_were_trained(learned: Callable[[str], Tuned], kind: str):
    done = learned(kind)
    family = find_family(handler(done.after).family).load(done.after, handler(done.after))
    assert [text for text, _ in answers(family, done.questions)] == [one.answers[0] for one in done.questions]


@pytest.mark.parametrize("kind", KINDS)
def test_a_served_recipe_answers_as_peft_does_with_the_adapter_unmerged(learned: Callable[[str], Tuned], kind: str):
    done, settings = learned(kind), handler(learned(kind).after)
    served = find_family(settings.family).load(done.after, settings)
    unmerged: Any = find_family(settings.family)
    unmerged = unmerged.load_base(done.after, settings)
    read_adapter(unmerged.model, done.after / "weights" / "adapter")
    assert any("lora" in name for name, _ in unmerged.model.named_modules())
    assert not any("lora" in name for name, _ in served.model.named_modules())
    for (text, score), (expected, probability) in zip(
        answers(served, done.questions), answers(unmerged, done.questions), strict=True
    ):
        assert (text, score) == (expected, pytest.approx(probability, rel=1e-3))


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_decoders_attention_gets_an_adapter_and_the_models_own_files_stay(
    learned: Callable[[str], Tuned], kind: str
):
    done = learned(kind)
    own = [path for path in (done.before / "weights").rglob("*") if path.is_file()]
    for path in own:
        assert (done.after / path.relative_to(done.before)).read_bytes() == path.read_bytes()
    added = done.after / "weights" / "adapter"
    assert sorted(path.name for path in added.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    tensors = load_file(added / "adapter_model.safetensors")
    assert tensors
    assert all("attn." in name or "attention." in name for name in tensors)
    assert not any("vision" in name or "visual" in name or "text_encoder" in name for name in tensors)
    assert (added / "adapter_model.safetensors").stat().st_size < sum(path.stat().st_size for path in own) / 2
    assert str(done.before.parent) not in (added / "adapter_config.json").read_text()


def test_the_card_and_the_curve_say_how_it_learned(learned: Callable[[str], Tuned]):
    done = learned("clip_llm")
    card = (done.after / "README.md").read_text()
    assert "A LoRA adapter of rank 8" in card
    assert "(60 epochs, learning rate 0.01)" in card
    assert "Of 1 held-out questions, 0.0% were answered right before, and 100.0% after" in card
    assert (done.after / "learning-curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return recipe("clip_llm", tmp_path / "clip_llm")


BRIEFLY = Choices(lora_rank=2, learning_rate=1e-3, epochs=3)


def adapter_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights" / "adapter" / "adapter_model.safetensors")


def test_an_interrupted_training_ends_as_one_that_never_stopped(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    questions = lesson(tmp_path)
    whole = tuned(small, questions, "whole", BRIEFLY)
    epoch = AdapterTrainer._epoch

    def interrupted(trainer: AdapterTrainer, number: int, advance: Any) -> None:
        if number == 2:
            raise KeyboardInterrupt
        epoch(trainer, number, advance)

    with monkeypatch.context() as patch:
        patch.setattr(AdapterTrainer, "_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tuned(small, questions, "broken", BRIEFLY)
    monkeypatch.delattr(AskedModel, "answer")  # its own answers were kept
    tune(small, questions, [], tmp_path / "broken-state", tmp_path / "broken", BRIEFLY)
    torch.testing.assert_close(adapter_of(tmp_path / "broken"), adapter_of(whole))


def test_a_second_training_goes_on_with_the_adapter_of_the_first(small: Path, tmp_path: Path):
    questions = lesson(tmp_path)
    first = tuned(small, questions, "first", BRIEFLY)
    second = tuned(first, questions, "second", Choices(learning_rate=1e-9, epochs=1))
    torch.testing.assert_close(adapter_of(second), adapter_of(first), atol=1e-6, rtol=0)
    with pytest.raises(RecipeError, match=r"--lora-rank is 4, and .*adapter has rank 2, which a training goes on with"):
        tuned(first, questions, "third", Choices(lora_rank=4))


def test_what_is_rehearsed_are_the_answers_that_the_model_itself_ends(
    learned: Callable[[str], Tuned], monkeypatch: pytest.MonkeyPatch
):
    done = learned("clip_llm")
    trained: list[Question] = []

    def stopped(trainer: AdapterTrainer) -> None:
        trained.extend(trainer.train)
        raise KeyboardInterrupt

    monkeypatch.setattr(AdapterTrainer, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        tuned(done.after, done.questions, "again", NO_CHOICES)
    rehearsed = [one for one in trained if one not in done.questions]
    assert rehearsed
    written = best(find_family("clip_llm").load(done.after, handler(done.after)), rehearsed)
    assert [(one.answer,) for one in written] == [one.answers for one in rehearsed]
    assert {one.writing.finish_reason for one in written if one.writing} == {"stop"}


def test_a_model_in_bf16_gets_an_adapter_in_fp32(small: Path, tmp_path: Path):
    config = small / "model-config.yaml"
    config.write_text(config.read_text().replace("version:", "precision: bf16\n  version:"))
    after = tuned(small, lesson(tmp_path), "after", BRIEFLY)
    assert {tensor.dtype for tensor in adapter_of(after).values()} == {torch.float32}


def test_paligemma_is_refused_with_the_reason(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"paligemma cannot be trained here: its pictures and prompts are not"):
        tuned(recipe("paligemma", tmp_path / "paligemma"), lesson(tmp_path), "after")


def test_options_of_an_adapter_are_refused_for_heads(tmp_path: Path):
    folder = tmp_path / "heads"
    complete_recipe(folder, make_weights("modular", folder / "weights"), encoded(photo(64, 48)), "is it big?")
    with pytest.raises(RecipeError, match="'modular' learns by its heads; leave them out"):
        tune(folder, lesson(tmp_path), [], tmp_path / "state", tmp_path / "output", Choices(epochs=2))


def test_the_command_trains_an_adapter_from_a_jsonl(small: Path, tmp_path: Path):
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    rows = []
    for one in lesson(data / "images"):
        rows.append({"image": one.image.name, "question": one.text, "answers": list(one.answers)})
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("--lora-rank", "2", "--learning-rate", "0.001", "--epochs", "1")
    done = invoke(small, data, "--tune", str(tmp_path / "next"), *words)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "next" / "weights" / "adapter" / "adapter_config.json").read_text())["r"] == 2
    refused = invoke(small, data, *words)
    assert (refused.exit_code, "are for --tune" in refused.output) == (1, True)


def test_an_adapter_without_its_weights_is_refused(learned: Callable[[str], Tuned], tmp_path: Path):
    after = Path(shutil.copytree(learned("blip").after, tmp_path / "blip"))
    (after / "weights" / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(RecipeError, match=r"adapter_model.safetensors is missing; .*must be what peft's"):
        find_family("hf_generative").load(after, handler(after))
