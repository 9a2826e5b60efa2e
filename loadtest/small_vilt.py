"""A small ViLT that learns easy-VQA in minutes: explanations say nothing about a model with random weights.

Its classes are those of every ViLT, and its recipe is served like any other; only the sizes differ.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from PIL import Image
from rich.progress import track
from tokenizers import processors
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, ViltConfig, ViltForQuestionAnswering, ViltProcessor
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from vqaops.confidence.judged import judge
from vqaops.console import new_console, one_line_errors
from vqaops.importing.recipes import Origin, new_recipe
from vqaops.questions import Question
from vqaops.training.datasets import read_split
from vqaops.training.vocabulary import PADDING, UNKNOWN, build_answers, build_tokenizer
from vqaserve.families.hf_classifier.vilt import embed_patches

_FIRST = "[CLS]"
_SIDE, _PATCH, _BATCH, _LEARNING_RATE = 64, 8, 64, 1e-3
_STORY = "A small ViLT that `python -m loadtest.small_vilt` trained on easy-VQA's questions that begin with `what`."


def main(
    recipe: Annotated[Path, typer.Argument(help="The folder of the recipe, which must not exist yet.")],
    epochs: Annotated[int, typer.Option(min=1, help="Epochs; each has about 10,000 questions.")] = 12,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the encoder.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the weights and of the order.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads that torch uses.")] = 2,
) -> None:
    """Train a small ViLT on the questions of easy-VQA that begin with "what", and write its recipe.

    Example: python -m loadtest.small_vilt work/small-vilt
    """
    torch.set_num_threads(threads)
    console = new_console()
    with one_line_errors("small_vilt"):
        learned, asked = (_what(read_split("easy-vqa", split)) for split in ("train", "eval"))
        with new_recipe(
            recipe, Origin("hf_classifier", "visual-question-answering", "transformers", _STORY)
        ) as weights:
            torch.manual_seed(seed)
            answers = build_answers(learned)
            processor = _processor(learned)
            model = _model(processor.tokenizer, answers, layers)
            _train(model, processor, learned, answers, epochs, random.Random(seed))
            model.save_pretrained(weights)
            processor.save_pretrained(weights)
        judged = judge(recipe, random.Random(0).sample(asked, min(500, len(asked))))
        console.print(f"{judged.right.mean():.1%} of {len(judged)} questions about other pictures are answered rightly")


def _what(questions: Sequence[Question]) -> list[Question]:
    return [question for question in questions if question.text.startswith("what")]


def _processor(questions: Sequence[Question]) -> ViltProcessor:
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=build_tokenizer("words", questions),
        pad_token=PADDING,
        unk_token=UNKNOWN,
        model_max_length=16,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    fast.add_special_tokens({"cls_token": _FIRST})  # from which a ViLT computes the answer
    fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
        f"{_FIRST} $A", special_tokens=[(_FIRST, fast.cls_token_id)]
    )
    pictures = ViltImageProcessorPil(  # type: ignore[call-arg]
        size={"shortest_edge": _SIDE}, size_divisor=_PATCH
    )
    return ViltProcessor(image_processor=pictures, tokenizer=fast)  # type: ignore[no-untyped-call]


def _model(tokenizer: PreTrainedTokenizerFast, answers: Sequence[str], layers: int) -> ViltForQuestionAnswering:
    config = ViltConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=_SIDE,
        patch_size=_PATCH,
        max_position_embeddings=16,
        id2label=dict(enumerate(answers)),
        label2id={answer: number for number, answer in enumerate(answers)},
        initializer_range=0.1,  # so narrow a network learns slowly from the usual 0.02
    )
    return ViltForQuestionAnswering(config)


def _train(
    model: Any,
    processor: ViltProcessor,
    questions: Sequence[Question],
    answers: Sequence[str],
    epochs: int,
    rng: random.Random,
) -> None:
    images = sorted({question.image for question in questions})
    rows = {image: row for row, image in enumerate(images)}
    pixels = _pixels(processor, images)
    tokens = processor.tokenizer([question.text for question in questions], padding=True, return_tensors="pt")
    right = torch.tensor([answers.index(question.answers[0]) for question in questions])
    steps = epochs * -(-len(questions) // _BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order = list(range(len(questions)))
    model.train()
    for _ in track(range(epochs), "learning", console=new_console(stderr=True), transient=True):
        rng.shuffle(order)
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            asked = {name: tensor[batch] for name, tensor in tokens.items()}
            logits = _logits(model, asked, pixels[[rows[questions[one].image] for one in batch]])
            targets = F.one_hot(right[batch], len(answers)).float()
            loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    model.eval()


def _pixels(processor: ViltProcessor, images: Sequence[Path]) -> Tensor:
    """The pictures as the model sees them [n, 3, side, side]."""
    opened = [Image.open(image).convert("RGB") for image in images]
    prepared: Tensor = processor.image_processor(opened, return_tensors="pt")["pixel_values"]
    return prepared


def _logits(model: Any, tokens: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """Logits [n, answers]; given pixels, the library would shuffle the patches of one picture after the other."""
    embeddings = model.vilt.embeddings
    picture = embed_patches(embeddings, embeddings.patch_embeddings(pixels), _SIDE // _PATCH)
    logits: Tensor = model(**tokens, image_embeds=picture, pixel_mask=torch.ones(picture.shape[:2])).logits
    return logits


if __name__ == "__main__":
    typer.run(main)
