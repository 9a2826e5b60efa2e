"""The features of pictures under a frozen network, computed once and kept, so that an interrupted run continues."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import torch
from PIL.Image import Image
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from vqaops.training.classes.base import Base
from vqaops.training.classes.pictures import LabelledPicture
from vqaops.training.classes.settings import ClassTrainSettings
from vqaops.training.classes.views import make_views
from vqaops.training.pretrained import open_pixels
from vqaserve.errors import RecipeError
from vqaserve.families.packed import can_pack

_PART, _BATCH = 64, 8
"""Pictures whose features are saved together, and views that the network computes at once."""

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

    def encode(self, pictures: Sequence[LabelledPicture], views: int, title: str) -> Tensor:
        """Half precision [n, views, width].

        Raises:
            RecipeError: Pictures cannot be read; the message names them.
        """
        parts = [pictures[start : start + _PART] for start in range(0, len(pictures), _PART)]
        found: list[Tensor] = []
        faults: list[str] = []
        with ThreadPoolExecutor(torch.get_num_threads()) as readers:
            for part in track(parts, title, transient=True):
                file = self.folder / f"{self._key(part, views)}.safetensors"
                if not file.exists():
                    self._encode(part, views, file, readers, faults)
                if not faults:
                    found.append(load_file(file)["features"])
        if faults:
            more = f", and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
            raise RecipeError(f"remove the pictures that cannot be read: {'; '.join(faults[:_NAMED])}{more}")
        return torch.cat(found)

    @torch.inference_mode()
    def _encode(
        self,
        part: Sequence[LabelledPicture],
        views: int,
        file: Path,
        readers: ThreadPoolExecutor,
        faults: list[str],
    ) -> None:
        """Compute and save a part; if a picture cannot be read, its fault is added and nothing is saved."""
        read = list(readers.map(lambda picture: self._read(picture, views), part))
        unreadable = [one for one in read if isinstance(one, str)]
        faults += unreadable
        if faults:  # the run ends in an error; only what else is unreadable is of interest
            return
        prepared = list(chain.from_iterable(one for one in read if not isinstance(one, str)))
        features = [
            self.network(torch.stack(prepared[start : start + _BATCH])) for start in range(0, len(prepared), _BATCH)
        ]
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
