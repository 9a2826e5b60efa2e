"""Inputs of networks compared with those that transformers' image processors compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from tests.support.families import photo
from vqaserve.families.picture_inputs import _KNOWN, PictureInputs

CPU = torch.device("cpu")
SIZES = [(80, 60), (60, 97), (300, 40), (31, 32)]


def assert_as_transformers(processor: Any, is_bytes: bool) -> None:
    inputs = PictureInputs(processor)
    for seed, size in enumerate(SIZES):
        picture = photo(*size, seed)
        prepared = inputs.prepare(picture)
        assert (prepared["pixel_values"].dtype == torch.uint8) is is_bytes
        expected = dict(processor([picture, picture], return_tensors="pt"))
        found = inputs.join([prepared, prepared], CPU, torch.float32)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(_KNOWN))
def test_a_known_processor_keeps_bytes_and_gives_the_same_inputs(name: str):
    assert_as_transformers(getattr(transformers, name)(), is_bytes=True)


@pytest.mark.parametrize("name", ["EfficientNetImageProcessorPil", "MobileViTImageProcessorPil"])
def test_another_processor_is_used_as_it_is(name: str):
    assert_as_transformers(getattr(transformers, name)(), is_bytes=False)


def test_a_processor_that_pads_after_normalising_is_used_as_it_is():
    padded = transformers.ViTImageProcessorPil(do_pad=True, pad_size={"height": 240, "width": 230})
    assert_as_transformers(padded, is_bytes=False)


@pytest.mark.parametrize(
    "settings",
    [
        {"do_normalize": False},
        {"do_rescale": False},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
        {"image_mean": 0.5, "image_std": 0.25},
        {"do_resize": False, "do_center_crop": True, "crop_size": {"height": 50, "width": 50}},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_the_settings_of_a_processor_count(settings: dict[str, Any]):
    processor = transformers.ViTImageProcessorPil(**{"size": {"height": 24, "width": 32}, **settings})
    inputs = PictureInputs(processor)
    picture = photo(80, 60)
    expected = processor(picture, return_tensors="pt")["pixel_values"].float()
    found = inputs.join([inputs.prepare(picture)], CPU, torch.float32)["pixel_values"]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-5)


def test_floats_get_the_type_of_the_network_and_masks_stay_integers():
    inputs = PictureInputs(transformers.ViltImageProcessorPil(size={"shortest_edge": 64}))
    batch = inputs.join([inputs.prepare(photo(80, 60))], CPU, torch.bfloat16)
    assert (batch["pixel_values"].dtype, batch["pixel_mask"].dtype) == (torch.bfloat16, torch.int64)
    assert batch["pixel_mask"].shape == (1, *batch["pixel_values"].shape[2:])
