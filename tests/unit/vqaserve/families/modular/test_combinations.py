"""Every picture encoder with every question encoder and every fusion: built, saved, loaded, asked."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny import modular
from vqaserve.errors import RecipeError
from vqaserve.families.modular.config import ModularConfig
from vqaserve.families.modular.fusions import FUSIONS
from vqaserve.families.modular.image_encoders import IMAGE_ENCODERS
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.modular.text_encoders import TEXT_ENCODERS
from vqaserve.types import Query

TINY = {
    "small_cnn": {"widths": [4, 4]},
    "strided_cnn": {"widths": [4, 4], "projection": 6},
    "resnet18": {"projection": 6},
    "resnet50": {"pooled": False},
    "efficientnet_b0": {"pooled": False, "projection": 6},
    "efficientnet_lite0": {"channels": 6},
    "vit": {"width": 8, "layers": 1, "attention_heads": 2, "hidden": 16, "pooled": False},
    "blind": {},
    "transformer": {"width": 8, "layers": 1, "attention_heads": 2, "hidden": 16},
    "lstm": {"embedding": 4, "width": 8, "projection": 6},
    "bert": {"width": 8, "layers": 1, "attention_heads": 2, "hidden": 16, "positions": 16, "projection": 6},
    "concatenation": {"hidden": 8, "activation": "none"},
    "coattention": {"hidden": 8, "attention_heads": 2},
    "bilinear": {"hidden": 4, "width": 6},
    "glimpse_attention": {"width": 8, "glimpses": 2},
}
QUESTIONS = ("what", "what is on the table on the red wall ?", "is the wall red")


def config_of(image: str, text: str, fusion: str) -> ModularConfig:
    return ModularConfig.model_validate(
        {
            "pixels": {"width": 32, "height": 32},
            "image_encoder": {"name": image, **TINY[image]},
            "text_encoder": {"name": text, **TINY[text]},
            "fusion": {"name": fusion, **TINY[fusion]},
            "max_tokens": 16,
        }
    )


def pictures(count: int) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (count, 40, 30, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in noise]


@pytest.mark.parametrize(
    ("image", "text", "fusion"), list(product(IMAGE_ENCODERS, TEXT_ENCODERS, FUSIONS)), ids=lambda part: part
)
def test_a_combination_is_saved_loaded_and_answers_alone_as_in_company(image: str, text: str, fusion: str):
    with TemporaryDirectory() as folder:  # not pytest's, which keeps gigabytes of these for days
        family = modular.load(modular.write(Path(folder), config_of(image, text, fusion)))
    queries = [Query(b"", question) for question in QUESTIONS]
    together = family.forward(family.encode(pictures(3)), queries)
    alone = [family.forward(family.encode([one]), [query]) for one, query in zip(pictures(3), queries, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("image", "count"), [("resnet18", 11_176_512), ("resnet50", 23_508_032), ("efficientnet_b0", 4_007_548)]
)
def test_a_published_encoder_has_as_many_weights_as_published(image: str, count: int):
    """torchvision's figures less the classifier of 1000 classes, which is not part of an encoder."""
    config = config_of("blind", "lstm", "concatenation")
    with torch.device("meta"):
        encoder = IMAGE_ENCODERS[image](IMAGE_ENCODERS[image].Options(), config.pixels)
    assert sum(weights.numel() for weights in encoder.parameters()) == count


@pytest.mark.parametrize(("image", "text", "part"), [("vit", "lstm", "vit"), ("blind", "bert", "bert")])
def test_without_transformers_the_parts_made_of_it_name_the_extra(
    monkeypatch: pytest.MonkeyPatch, image: str, text: str, part: str
):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RecipeError, match=rf"'{part}' needs transformers: .* -e '\.\[hf\]'$"):
        ModularModel(config_of(image, text, "concatenation"), vocabulary=7, answers=3)


def test_the_filter_of_the_resize_is_the_recipes(tmp_path: Path):
    config = config_of("strided_cnn", "lstm", "concatenation")
    bicubic = config.model_copy(update={"pixels": config.pixels.model_copy(update={"resample": "bicubic"})})
    features = [
        modular.load(modular.write(tmp_path / name, each)).encode(pictures(1))[0]
        for name, each in (("bilinear", config), ("bicubic", bicubic))
    ]
    assert not torch.equal(*features)


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        ("fusion", {"name": "coattention", "hidden": 10, "attention_heads": 4}, "10 is not a multiple of 4 heads"),
        ("image_encoder", {"name": "vit", "width": 10, "attention_heads": 4}, "10 is not a multiple of 4 heads"),
        ("image_encoder", {"name": "vit", "patch": 64}, "patch of 64 does not fit 32 x 32"),
        ("image_encoder", {"name": "strided_cnn", "widths": [4, 4, 4]}, "too often for 32 x 32"),
        ("text_encoder", {"name": "bert", "width": 10, "attention_heads": 4}, "10 is not a multiple of 4 heads"),
        ("text_encoder", {"name": "bert", "positions": 8}, "max_tokens is 16, but bert has 8"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(tmp_path: Path, part: str, options: dict[str, object], message: str):
    folder = modular.write(tmp_path, config_of("blind", "lstm", "concatenation"))
    modular.edit_config(folder, **{part: options})
    with pytest.raises(RecipeError, match=message):
        modular.load(folder)
