"""The features of pictures under a frozen network, computed once and kept, so that an interrupted run continues."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch
from PIL.Image import Image, new
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from vqaops.training.classes.alone import workers
from vqaops.training.classes.base import Base
from vqaops.training.classes.pictures import LabelledPicture
from vqaops.training.classes.settings import ClassTrainSettings
from vqaops.training.classes.views import make_views
from vqaops.training.pretrained import open_pixels
from vqaserve.errors import RecipeError
from vqaserve.families.packed import can_pack

_PART = 64
"""Pictures whose features are saved together."""

_NUMBERS = 3 * 2**18
"""Numbers in the views that the network computes at once: 5 of 224 pixels, or 1 of 512.

The maps of more do not fit into a processor's caches: of an EfficientNet-lite0, 8 take 1.4 times the CPU time of 4 with
224 pixels, and 4 take 1.5 times that of 1 with 512.
"""

_NAMED = 5
"""Unreadable files that an error names."""


class Encoder:
    """Computes the features of pictures and keeps them in files, by the content of the pictures.

    Args:
        base: The network.
        folder: Where the files are kept.
        settings: Of the variants.
    """

    def __init__(self, base: Base, folder: Path, settings: ClassTrainSettings) -> None:
        self.base = base
        self.folder = folder
        self.settings = settings
        self.dtype = torch.bfloat16 if can_pack(torch.bfloat16) else torch.float32
        self.network = base.build(self.dtype)
        prepared = base.prepare(new("RGB", (64, 64)))[None]
        self.batch = max(1, _NUMBERS // prepared.numel())
        with torch.inference_mode():  # the first call packs weights, which no two threads may do at once
            self.network(prepared)

    def encode(self, pictures: Sequence[LabelledPicture], views: int, title: str) -> Tensor:
        """Half precision [n, views, width].

        Raises:
            RecipeError: Pictures cannot be read; the message names them.
        """
        parts = [pictures[start : start + _PART] for start in range(0, len(pictures), _PART)]
        faults: list[str] = []
        with workers() as pool:
            features = pool.map(lambda part: self._part(part, views, faults), parts)
            found = list(track(features, title, total=len(parts), transient=True))
        if faults:
            more = f", and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
            raise RecipeError(f"remove the pictures that cannot be read: {'; '.join(sorted(faults)[:_NAMED])}{more}")
        return torch.cat(found)

    def _part(self, part: Sequence[LabelledPicture], views: int, faults: list[str]) -> Tensor:
        """The features of a part, which are computed and saved if there is no file of them.

        If a picture cannot be read, its fault is added, nothing is saved, and the features are empty.
        """
        file = self.folder / f"{self._key(part, views)}.safetensors"
        if not file.exists():
            self._encode(part, views, file, faults)
        return torch.empty(0) if faults else load_file(file)["features"]

    @torch.inference_mode()
    def _encode(self, part: Sequence[LabelledPicture], views: int, file: Path, faults: list[str]) -> None:
        features: list[Tensor] = []
        step = max(1, self.batch // views)
        for start in range(0, len(part), step):
            read = [self._read(picture, views) for picture in part[start : start + step]]
            faults += (one for one in read if isinstance(one, str))
            if not faults:  # otherwise the run ends in an error; only what else is unreadable is of interest
                prepared = list(chain.from_iterable(one for one in read if not isinstance(one, str)))
                features += map(self.network, torch.split(torch.stack(prepared), self.batch))
        if faults:
            return
        whole = torch.cat(features).half().reshape(len(part), views, -1)
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        save_file({"features": whole.contiguous()}, partial)
        partial.replace(file)  # an interruption leaves a whole file or none

    def _read(self, picture: LabelledPicture, views: int) -> list[Tensor] | str:
        """The views of a picture, or what is wrong with it."""
        try:
            pixels: Image = open_pixels(picture.path)
        except RecipeError as error:
            return str(error)
        rng = random.Random(f"{self.settings.seed} {picture.digest}")
        return make_views(pixels, self.base, views, self.settings.least_area, rng)

    def _key(self, part: Sequence[LabelledPicture], views: int) -> str:
        drawn = [self.settings.seed, self.settings.least_area, views, str(self.dtype)]
        read = [self.base.digest, drawn, [picture.digest for picture in part]]
        return hashlib.sha256(json.dumps(read).encode()).hexdigest()[:32]
