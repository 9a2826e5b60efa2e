"""The architecture of a chat app's model, derived from the shapes of its tensors, under the app's own names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from torch import Tensor

from vqaops.importing.presets import Words
from vqaserve.errors import RecipeError


class TensorShapes:
    """The shapes of a checkpoint's tensors, under the names of the newer kind of checkpoint."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._shapes

    def of(self, name: str, axis: int) -> int:
        """Return the size of a tensor along an axis.

        Raises:
            RecipeError: The tensor is missing or has fewer axes.
        """
        if len(self._shapes.get(name, ())) <= axis:
            raise RecipeError(
                f"the checkpoint has no {name} of the expected shape; it has {', '.join(sorted(self._shapes)[:8])}, ..."
            )
        return self._shapes[name][axis]

    def count(self, pattern: str) -> int:
        """Count the different layer numbers that the group of ``pattern`` matches."""
        found = (re.match(pattern, name) for name in self._shapes)
        return len({match[1] for match in found if match})


def read_words(tensors: Mapping[str, Tensor]) -> Words:
    """Derive the app's settings from the shapes.

    Raises:
        RecipeError: The tensors are not those of a chat app's model.
    """
    shapes = TensorShapes(tensors)
    text = _matching(_TEXTS, shapes, "question encoder")
    fusion = _matching(_FUSIONS, shapes, "fusion")
    words: Words = {**text, **fusion, "fusion_dim": shapes.of("classifier.weight", 1)}
    if "text_encoder.projection.weight" in shapes:
        words["text_encoder_dim"] = shapes.of("text_encoder.projection.weight", 0)
    words["image_encoder_dim"] = _image_width(shapes, words)
    return {**words, **_matching(_IMAGES, shapes, "picture encoder", words["image_encoder_dim"])}


def _matching(table: Mapping[str, Callable[..., Words]], shapes: TensorShapes, what: str, *more: int) -> Words:
    """Call the function of the first tensor that exists.

    Raises:
        RecipeError: None of the tensors exists.
    """
    for tensor, read in table.items():
        if tensor in shapes:
            return read(shapes, *more)
    raise RecipeError(f"the checkpoint has no {what} of the chat app's; expected one of {', '.join(table)}")


def _image_width(shapes: TensorShapes, words: Words) -> int:
    if "fusion.image_proj.weight" in shapes:
        return shapes.of("fusion.image_proj.weight", 1)
    joint = "fusion.projection.weight" if "fusion.projection.weight" in shapes else "classifier.weight"
    width: int = shapes.of(joint, 1) - words["text_encoder_dim"]
    return width


def _small_cnn(shapes: TensorShapes, width: int) -> Words:
    layers = ("image_encoder.cnn.0.weight", "image_encoder.cnn.3.weight")
    widths = [shapes.of(layer, 0) for layer in layers]
    projected = "image_encoder.projection.weight"
    flat = shapes.of(projected, 1) if projected in shapes else width
    return {
        "image_encoder_type": "cnn",
        "cnn_model_name": "small_cnn",
        "cnn_widths": widths,
        "cnn_flat": flat,
        "image_size": 16 * math.isqrt(max(flat // widths[-1], 1)),  # each of the two layers divides the side by four
    }


def _resnet(shapes: TensorShapes, width: int) -> Words:
    name = "resnet50" if "image_encoder.cnn.layer1.0.conv3.weight" in shapes else "resnet18"
    return {"image_encoder_type": "cnn", "cnn_model_name": name}


def _efficientnet(shapes: TensorShapes, width: int) -> Words:
    return {"image_encoder_type": "cnn", "cnn_model_name": "efficientnet_b0"}


def _vit(shapes: TensorShapes, width: int) -> Words:
    patch = shapes.of("image_encoder.vit.embeddings.patch_embeddings.projection.weight", 2)
    patches = shapes.of("image_encoder.vit.embeddings.position_embeddings", 1) - 1
    hidden = "image_encoder.vit.encoder.layer.0.intermediate.dense.weight"
    return {
        "image_encoder_type": "vit",
        "vit_width": shapes.of("image_encoder.vit.embeddings.cls_token", 2),
        "vit_layers": shapes.count(r"image_encoder\.vit\.encoder\.layer\.(\d+)\."),
        "vit_hidden": shapes.of(hidden, 0),
        "vit_patch": patch,
        "image_size": patch * math.isqrt(patches),
    }


def _lstm(shapes: TensorShapes) -> Words:
    hidden = shapes.of("text_encoder.lstm.weight_hh_l0", 1)
    return {
        "text_encoder_type": "lstm",
        "text_encoder_dim": hidden,
        "lstm_embed_dim": shapes.of("text_encoder.embedding.weight", 1),
        "lstm_hidden_size": hidden,
        "lstm_num_layers": shapes.count(r"text_encoder\.lstm\.weight_hh_l(\d+)"),
    }


def _bert(shapes: TensorShapes) -> Words:
    width = shapes.of("text_encoder.bert.embeddings.word_embeddings.weight", 1)
    return {
        "text_encoder_type": "bert",
        "text_encoder_dim": width,
        "bert_width": width,
        "bert_layers": shapes.count(r"text_encoder\.bert\.encoder\.layer\.(\d+)\."),
        "bert_hidden": shapes.of("text_encoder.bert.encoder.layer.0.intermediate.dense.weight", 0),
        "bert_positions": shapes.of("text_encoder.bert.embeddings.position_embeddings.weight", 0),
    }


def _attended(shapes: TensorShapes) -> Words:
    hidden = shapes.of("fusion.coattention.out_proj.weight", 0)
    return {"fusion_type": "coattention", "coattention_hidden_dim": hidden}


_IMAGES: dict[str, Callable[[TensorShapes, int], Words]] = {
    "image_encoder.cnn.0.weight": _small_cnn,
    "image_encoder.cnn.layer1.0.conv1.weight": _resnet,
    "image_encoder.cnn.features.0.0.weight": _efficientnet,
    "image_encoder.vit.embeddings.cls_token": _vit,
}
_TEXTS: dict[str, Callable[[TensorShapes], Words]] = {
    "text_encoder.lstm.weight_ih_l0": _lstm,
    "text_encoder.bert.embeddings.word_embeddings.weight": _bert,
}
_FUSIONS: dict[str, Callable[[TensorShapes], Words]] = {
    "fusion.coattention.in_proj_weight": _attended,
    "fusion.bilinear.weight": lambda shapes: {
        "fusion_type": "bilinear",
        "bilinear_hidden_dim": shapes.of("fusion.bilinear.weight", 0),
    },
    "classifier.weight": lambda shapes: {"fusion_type": "concatenation"},
}
