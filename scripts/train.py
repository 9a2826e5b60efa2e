"""Train a recipe of the modular family and write its weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.logging import RichHandler

from vqaops.console import refuse
from vqaops.importing.recipes import Origin, complete_recipe
from vqaops.questions import Question
from vqaops.training.batches import Batches
from vqaops.training.datasets import fingerprint, hash_images, hold_out, read_split
from vqaops.training.export import draw_learning_curve, fit_temperature, write_weights
from vqaops.training.pretrained import load_features, load_pixels
from vqaops.training.settings import TrainSettings
from vqaops.training.trainer import Pictures, Trainer, stored_features, stored_pixels
from vqaops.training.vocabulary import build_answers, build_tokenizer
from vqaserve.errors import RecipeError
from vqaserve.families.modular.model import Head, ModularModel

log = logging.getLogger(__name__)
app = typer.Typer(add_completion=False)

_STORY = """\
Trained with `scripts/train.py` on the settings in `train.yaml`. Fill in: the data and its terms, the license of
these weights, what the model is for, how often it is right, and its limits.

`samples/` holds a drawn picture, so that the archive can be tried; put pictures and questions of your own there.
"""
_ORIGIN = Origin("modular", "visual-question-answering", "pytorch", _STORY)


@app.command(epilog="Example: python scripts/train.py recipes/rooms --data path/to/daquar", no_args_is_help=True)
def main(
    recipe: Annotated[
        Path, typer.Argument(help="Folder with a train.yaml; weights/ and what else it lacks are written.")
    ],
    data: Annotated[str, typer.Option(help="Folder with train.jsonl and images/, or the word easy-vqa.")],
    state: Annotated[Path, typer.Option(help="Where an interrupted run is taken up again.")] = Path("work/train"),
    text_only: Annotated[bool, typer.Option(help="Train the twin that never sees the picture.")] = False,
    threads: Annotated[int, typer.Option(help="Torch's threads.")] = 2,
) -> None:
    """Train a recipe, resuming where an interrupted run stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    torch.set_num_threads(threads)
    try:
        settings = TrainSettings.read(recipe / "train.yaml")
        examples = read_split(data, "train")
    except RecipeError as error:
        refuse("train", error)
    if text_only:
        name = f"{recipe.name}-text-only"
        train(settings.blind(), examples, state / name, output=state / name)
    else:
        train(settings, examples, state / recipe.name, output=recipe)
        for name in complete_recipe(recipe, _ORIGIN):
            log.info("wrote %s, yours to change", recipe / name)


def train(settings: TrainSettings, examples: list[Question], state: Path, output: Path) -> None:
    """Train on the examples and write ``output/weights`` and ``output/learning-curve.png``."""
    config, wanted = settings.model, settings.optimisation
    tokenizer = build_tokenizer(settings.tokenizer, examples)
    answers = build_answers(examples)
    images = sorted({example.image for example in examples})
    kept, apart = hold_out(examples, settings.held_out, wanted.seed)
    log.info("%d questions to learn from, %d held out, %d answers", len(kept), len(apart), len(answers))
    batches, held_out = (
        Batches(some, images, answers, tokenizer, config.max_tokens, wanted.pictures_per_step) for some in (kept, apart)
    )
    torch.manual_seed(wanted.seed)
    model = ModularModel(config, vocabulary=tokenizer.get_vocab_size(), answers=len(answers))
    _start_at_frequencies(model, examples, answers)
    pictures = _pictures(settings, model, images, state)
    trainer = Trainer(model, settings, pictures, batches, held_out, state / "state.pt", fingerprint(examples))
    best = trainer.run()
    config = config.model_copy(update={"temperature": fit_temperature(*trainer.logits(held_out))})
    write_weights(output / "weights", best, config, answers, tokenizer)
    draw_learning_curve(output / "learning-curve.png", trainer.history, output.resolve().name)
    log.info("wrote %s (temperature %.2f)", output / "weights", config.temperature)


def _pictures(settings: TrainSettings, model: ModularModel, images: list[Path], state: Path) -> Pictures:
    """All pictures, encoded once if the encoder is frozen."""
    if not settings.freeze_image_encoder:
        return stored_pixels(load_pixels(images, settings.model.pixels))
    model.image_encoder.requires_grad_(False)
    cache = state / "features.pt"
    pixels, encoder = settings.model.pixels.model_dump_json(), settings.model.image_encoder.model_dump_json()
    key = [pixels, encoder, hash_images(images)]
    if cache.exists():
        kept = torch.load(cache, weights_only=True)
        if kept["key"] == key:
            model.image_encoder.load_state_dict(kept["encoder"])
            return stored_features(kept["features"])
    features = load_features(model, images, settings.model.pixels)
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"key": key, "encoder": model.image_encoder.state_dict(), "features": features}, cache)
    return stored_features(features)


def _start_at_frequencies(model: ModularModel, examples: list[Question], answers: list[str]) -> None:
    """Start the classifiers at the answers' log frequencies, so that training need not learn those first."""
    counts = torch.zeros(len(answers))
    for example in examples:
        counts[answers.index(example.answers[0])] += 1
    with torch.no_grad():
        for head in model.heads:
            assert isinstance(head, Head)
            head.classifier.bias.copy_(((counts + 0.5) / len(examples)).log())


if __name__ == "__main__":
    app()
