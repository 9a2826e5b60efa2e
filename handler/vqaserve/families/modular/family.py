"""The ``modular`` family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self, cast

import safetensors.torch
import torch
from PIL.Image import Image
from tokenizers import Tokenizer
from torch import Tensor

from vqaserve.families.backbones.packed_conv2d import pack_convolutions
from vqaserve.families.base import Family
from vqaserve.families.device import prepare_device
from vqaserve.families.modular.base import Fusion
from vqaserve.families.modular.config import ModularConfig
from vqaserve.families.modular.files import read_answers, read_tokenizer, read_weights
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.modular.preparation import to_pixels, to_tokens
from vqaserve.families.options import Options, read_options
from vqaserve.families.packed import pack, pack_in_bf16
from vqaserve.families.precision import convert, load_at_precision
from vqaserve.families.question_warnings import warn_if_cut
from vqaserve.pictures import Squeeze
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query

_PIXELS_ON_CPU = 2**17
"""Pixels in one pass of the picture encoder on a CPU.

More need a multiple of the memory and save no time. Small pictures are batched up to it, because one at a time is
slower."""


class Modular(Family[Tensor, Tensor]):
    """A picture encoder, a text encoder, a fusion and a classifier over a list of answers."""

    tasks: ClassVar[frozenset[str]] = frozenset({"visual_question_answering"})
    shares: ClassVar[bool] = True
    learns: ClassVar[str] = "heads"

    def __init__(
        self,
        model: ModularModel,
        config: ModularConfig,
        tokenizer: Tokenizer,
        answers: Sequence[str],
        device: torch.device,
    ) -> None:
        # With channels last, depthwise convolutions are more than twice as fast on a CPU.
        self.model = model.eval().to(device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
        self.config = config
        self.tokenizer = tokenizer
        self.answers = answers
        self.device = device

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load ``config.json``, ``answers.txt``, ``tokenizer.json`` and ``model.safetensors``.

        Raises:
            RecipeError: A file is missing or does not match the others, or the precision does not keep the answers.
        """
        device = prepare_device(settings)
        read_options(Options, settings)
        family = load_at_precision(lambda: cls._read(folder / settings.weights, device), settings, cls._change)
        if device.type == "cpu":
            pack_convolutions(family.model.image_encoder)
            for head in family.model.heads:
                # Not the text encoder: oneDNN compiles and keeps code for each shape, and questions have many lengths.
                pack(head.get_submodule("fusion"))
        return family

    @classmethod
    def _read(cls, weights: Path, device: torch.device) -> Self:
        config = ModularConfig.read(weights / "config.json")
        answers = read_answers(weights / "answers.txt")
        tokenizer = read_tokenizer(weights / "tokenizer.json")
        model = ModularModel(config, vocabulary=tokenizer.get_vocab_size(), answers=len(answers))
        read_weights(weights / "model.safetensors", model)
        return cls(model, config, tokenizer, answers, device)

    def _change(self, precision: str) -> None:
        """Convert the parts where it pays: all of them to int8, only those that see the picture alone to bf16 or fp16.

        These parts are nearly all of the work, and compute each picture by itself. In bf16 or fp16, the rest of the
        heads would answer a question slightly differently in a batch with longer ones.
        """
        if precision == "int8":
            self.model = convert(self.model, precision, self.device)
            return
        self.model.image_encoder = convert(self.model.image_encoder, precision, self.device)
        if precision == "bf16" and self.device.type == "cpu":
            for head in self.model.heads:
                fusion = cast(Fusion, head.fusion)
                pack_in_bf16(fusion, fusion.of_picture)

    @property
    def squeeze(self) -> Squeeze:
        """Resizing to the picture encoder's size."""
        return self.config.pixels.squeeze

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> Sequence[Tensor]:
        """The features [cells, channels] of each picture."""
        features: list[Tensor] = []
        area = self.config.pixels.width * self.config.pixels.height
        together = max(1, _PIXELS_ON_CPU // area) if self.device.type == "cpu" else len(pictures) or 1
        for start in range(0, len(pictures), together):
            # The resized arrays have their channels last in memory already; only the view is permuted.
            pixels = to_pixels(pictures[start : start + together], self.config.pixels).to(self.device)
            # A view of one row would keep the whole batch in memory as long as a cache holds it.
            features += [row.clone() for row in self.model.encode(pixels)]
        return features

    @property
    def grid(self) -> tuple[int, int] | None:
        """The picture encoder's grid, if it has one."""
        rows, columns = self.model.image_encoder.grid
        return (rows, columns) if rows * columns > 1 else None

    def hide(self, features: Tensor, hidden: Sequence[int]) -> Tensor:
        """Features in which the hidden cells have the mean of all cells, so that nothing stands out there."""
        changed = features.clone()
        changed[list(hidden)] = features.float().mean(0).to(features.dtype)
        return changed

    def warnings(self, query: Query) -> tuple[str, ...]:
        """A warning if the question has more than ``max_tokens``."""
        return warn_if_cut(query.question, lambda text: len(self.tokenizer.encode(text).ids), self.config.max_tokens)

    @torch.inference_mode()
    def forward(self, features: Sequence[Tensor], queries: Sequence[Query]) -> Tensor:
        """Logits [n, answers]; features that occur several times are projected once."""
        once = {id(feature): feature for feature in features}
        row = {key: index for index, key in enumerate(once)}
        which = torch.tensor([row[id(feature)] for feature in features], device=self.device)
        questions = [query.question for query in queries]
        tokens, mask = to_tokens(questions, self.tokenizer, self.config.max_tokens)
        image = torch.stack(list(once.values())).to(self.model.mean.dtype)
        logits: Tensor = self.model(image, which, tokens.to(self.device), mask.to(self.device))
        return logits

    @torch.inference_mode()
    def decode(self, outputs: Tensor, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """Return the most probable answers at the calibrated temperature."""
        probabilities = (outputs.float() / self.config.temperature).softmax(1).cpu()
        wanted = [min(query.top_k or 1, len(self.answers)) for query in queries]
        scores, places = (rows.tolist() for rows in probabilities.topk(max(wanted)))
        return [
            tuple(Answer(self.answers[place], score) for place, score in zip(of[:count], by[:count], strict=True))
            for of, by, count in zip(places, scores, wanted, strict=True)
        ]

    def to_bytes(self, features: Tensor) -> bytes:
        """Convert features to a safetensors file in memory."""
        return safetensors.torch.save({"features": features})

    def from_bytes(self, data: bytes) -> Tensor:
        """Read features from a safetensors file in memory."""
        return safetensors.torch.load(data)["features"].to(self.device)
