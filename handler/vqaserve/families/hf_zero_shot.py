"""The ``hf_zero_shot`` family: Hugging Face models that embed pictures and texts alike, such as CLIP and SigLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoModelForZeroShotImageClassification

from vqaserve.cache import Cache
from vqaserve.errors import RecipeError
from vqaserve.families.base import Family
from vqaserve.families.device import prepare_device
from vqaserve.families.hf_folder import read_config, read_model, read_processor, squeeze_of
from vqaserve.families.options import Options, read_options
from vqaserve.families.picture_inputs import PictureInputs
from vqaserve.families.pixels import encode_pictures, try_picture
from vqaserve.families.precision import load_at_precision
from vqaserve.families.question_warnings import count_tokens, too_many_tokens
from vqaserve.families.ranking import rank
from vqaserve.pictures import Squeeze
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query


class HfZeroShot(Family[Tensor, list[Tensor]]):
    """An unmodified Hugging Face folder whose two encoders map pictures and texts into one space.

    A label's logit is its cosine similarity to the picture, times the model's learned scale (CLIP) or divided by its
    learned temperature (ALIGN: Jia et al., 2021). A score is the softmax
    over the labels of the request (CLIP: Radford et al., 2021). For a model that has learned a bias as well, it is the
    label's own sigmoid, so all labels may be unlikely (SigLIP: Zhai et al., 2023). The embeddings of pictures and of
    labels are kept, so a known picture with known labels costs a dot product.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"zero_shot_image_classification"})
    shares: ClassVar[bool] = True

    def __init__(self, model: Any, processor: Any, device: torch.device, cached_labels: int) -> None:
        self.model = model.to(device)
        self.processor = processor
        self.inputs = PictureInputs(processor.image_processor)
        self.device = device
        self.independent = hasattr(model, "logit_bias")
        self.max_tokens = min(int(processor.tokenizer.model_max_length), _positions(model))
        self._labels: Cache[Tensor] = Cache(cached_labels)

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the files that ``save_pretrained`` writes for a model and its processor.

        Raises:
            RecipeError: A file is missing or does not match the others, or the model compares picture and text in some
                other way than by their embeddings.
        """
        read_options(Options, settings)
        device = prepare_device(settings)
        return load_at_precision(lambda: cls._read(folder / settings.weights, device, settings.cache.labels), settings)

    @classmethod
    def _read(cls, weights: Path, device: torch.device, cached_labels: int) -> Self:
        config = read_config(weights)
        model = read_model(AutoModelForZeroShotImageClassification, weights, config)
        compared = "compare one embedding of a picture with one of a text, as CLIPModel and SiglipModel do"
        if not (hasattr(model, "logit_scale") or hasattr(model, "temperature")):
            raise RecipeError(f"{weights} holds a {type(model).__name__}, which does not {compared}")
        family = cls(model, read_processor(weights), device, cached_labels)
        try_picture(weights, model, compared, family.encode)
        return family

    @property
    def squeeze(self) -> Squeeze | None:
        """The processor's resizing, where it does not depend on the picture's shape."""
        return squeeze_of(self.processor.image_processor)

    @property
    def caches(self) -> Mapping[str, Mapping[str, int]]:
        """Those of the embeddings of labels, in entries; a text that occurs twice in a batch is looked up once."""
        return {"labels": self._labels.counters}

    def warnings(self, query: Query) -> tuple[str, ...]:
        """Warnings about a single label whose score says nothing, and about labels that the model reads in part."""
        count = partial(count_tokens, self.processor.tokenizer)
        found = [
            f"label {label!r:.60} has {tokens} tokens with its template, of which the model reads the first "
            f"{self.max_tokens}; shorten it"
            for label, text in zip(query.labels, _texts(query), strict=True)
            if (tokens := too_many_tokens(text, count, self.max_tokens))
        ]
        if len(query.labels) == 1 and not self.independent:
            found.append("the scores of this model add up to 1 over the labels; send at least two to compare")
        return tuple(found)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """The normalised embedding of each picture [width], in fp32."""
        return encode_pictures(pictures, self.inputs, self.model, self._embed)

    def _embed(self, **inputs: Tensor) -> Tensor:
        return normalize(self.model.get_image_features(**inputs).pooler_output.float(), dim=-1)

    @torch.inference_mode()
    def forward(self, features: Sequence[Tensor], queries: Sequence[Query]) -> list[Tensor]:
        """The scores of each query's labels [labels]."""
        texts = [_texts(query) for query in queries]
        embedded = self._embeddings([text for one in texts for text in one])
        scale = self._scale()
        scores = []
        for picture, labels in zip(features, texts, strict=True):
            logits = torch.stack([embedded[text] for text in labels]) @ picture * scale
            scores.append((logits + self.model.logit_bias.float()).sigmoid() if self.independent else logits.softmax(0))
        return scores

    def decode(self, outputs: list[Tensor], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """The labels with the highest scores."""
        return [rank(scores.cpu(), query.labels, query.top_k) for scores, query in zip(outputs, queries, strict=True)]

    def to_bytes(self, features: Tensor) -> bytes:
        """The embedding as float32 bytes."""
        return features.cpu().numpy().tobytes()

    def from_bytes(self, data: bytes) -> Tensor:
        """The embedding that ``to_bytes`` converted."""
        return torch.from_numpy(np.frombuffer(data, np.float32).copy()).to(self.device)

    def _scale(self) -> Tensor:
        if hasattr(self.model, "logit_scale"):
            return self.model.logit_scale.float().exp()  # type: ignore[no-any-return]
        return 1 / self.model.temperature.float()  # type: ignore[no-any-return]

    def _embeddings(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """The normalised embedding of each text [width]; those that are not kept are computed together."""
        kept = {text: self._labels.get(text) for text in dict.fromkeys(texts)}
        known = {text: embedding for text, embedding in kept.items() if embedding is not None}
        new = [text for text in kept if text not in known]
        if new:
            # Models with a sigmoid were trained on texts of one length, padded without a mask.
            padding = "max_length" if self.independent else True
            tokens = self.processor.tokenizer(
                new, padding=padding, truncation=True, max_length=self.max_tokens, return_tensors="pt"
            ).to(self.device)
            embedded = normalize(self.model.get_text_features(**tokens).pooler_output.float())
            for text, row in zip(new, embedded, strict=True):
                known[text] = row.clone()
                self._labels.put(text, known[text])
        return known


def _texts(query: Query) -> list[str]:
    """The sentence of each label: the template with the label in it."""
    return [query.hypothesis_template.replace("{}", label) for label in query.labels]


def _positions(model: Any) -> int:
    """The number of tokens that the text encoder has positions for; RoBERTa's begin behind the padding token's."""
    text = getattr(model.config, "text_config", model.config)
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    offsets = [table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None]
    return int(text.max_position_embeddings) - max(offsets, default=0)
