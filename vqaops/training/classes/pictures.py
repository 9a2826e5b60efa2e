"""Pictures in a folder for each class, and which of them are learnt from."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqaops.training.classes.settings import ClassTrainSettings
from vqaserve.errors import RecipeError

log = logging.getLogger(__name__)

_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
_TRAIN, _TESTS = "train", ("test", "val", "valid", "validation", "eval")
_FEWEST = 3
_LAYOUT = (
    "give a folder with a folder of pictures for each class, as in pizza/1.jpg and sushi/1.jpg, or these in train/"
)


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture file, its class, and the hash of its bytes."""

    path: Path
    label: str
    digest: str


@dataclass(frozen=True, slots=True)
class Split:
    """The pictures that are learnt from, those that decide when to stop, and those that the figures are measured on.

    No file's content is in two parts.
    """

    labels: tuple[str, ...]
    train: tuple[LabelledPicture, ...]
    held_out: tuple[LabelledPicture, ...]
    test: tuple[LabelledPicture, ...]


def holds_classes(data: Path) -> bool:
    """Whether a folder holds folders of pictures, and no questions about them."""
    return bool(_class_folders(_train_folder(data))) and not (data / "train.jsonl").exists()


def read_split(data: Path, settings: ClassTrainSettings) -> Split:
    """Read a folder of folders of pictures, and split it.

    A folder ``test`` beside ``train`` (or ``val``, ``eval``) is the test part, without the pictures that are in
    ``train`` too. Otherwise a share of each class is held out.

    Raises:
        RecipeError: There are fewer than two classes, a class has too few pictures, a picture is in two classes, or the
            test part has a class that the training part lacks.
    """
    folder = _train_folder(data)
    pictures = _read(folder)
    labels = tuple(sorted({picture.label for picture in pictures}))
    if len(labels) < 2:
        raise RecipeError(f"{folder} has {len(labels) or 'no'} folder with pictures, and needs two; {_LAYOUT}")
    tests = [data / name for name in _TESTS if folder != data and _class_folders(data / name)]
    test = _read(tests[0]) if tests else []
    if unknown := sorted({picture.label for picture in test} - set(labels)):
        raise RecipeError(
            f"{tests[0]} has the class {unknown[0]!r}, which {folder} lacks; the classes must be the same"
        )
    rng = random.Random(settings.seed)
    if tests:
        pictures = _without(pictures, test)
    else:
        pictures, test = _hold_out(pictures, settings.test, rng)
    train, held_out = _hold_out(pictures, settings.held_out, rng)
    log.info(
        "%d classes; %d pictures to learn from, %d held out, %d to test with",
        len(labels),
        *map(len, (train, held_out, test)),
    )
    return Split(labels, tuple(train), tuple(held_out), tuple(test))


def read_files(folder: Path) -> list[Path]:
    """The picture files in a folder and the folders below it, by name."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _ENDINGS and not path.name.startswith(".") and path.is_file()
    )


def _train_folder(data: Path) -> Path:
    return data / _TRAIN if _class_folders(data / _TRAIN) else data


def _class_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if not one.name.startswith(".") and next(_files(one), None))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file())


def _read(folder: Path) -> list[LabelledPicture]:
    """One picture of each content, in the order of classes and names.

    Raises:
        RecipeError: Two classes have the same picture.
    """
    found: dict[str, LabelledPicture] = {}
    for one in _class_folders(folder):
        for path in read_files(one):
            picture = LabelledPicture(path, one.name, hashlib.sha256(path.read_bytes()).hexdigest())
            first = found.setdefault(picture.digest, picture)
            if first.label != picture.label:
                raise RecipeError(f"{path} is the same picture as {first.path}, of another class; remove one of them")
    return list(found.values())


def _without(pictures: Sequence[LabelledPicture], test: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    tested = {picture.digest for picture in test}
    kept = [picture for picture in pictures if picture.digest not in tested]
    if len(kept) < len(pictures):
        log.warning("%d pictures are in the test part too, and are not learnt from", len(pictures) - len(kept))
    return kept


def _hold_out(
    pictures: Sequence[LabelledPicture], share: float, rng: random.Random
) -> tuple[list[LabelledPicture], list[LabelledPicture]]:
    """Split each class into (kept, held out); at least one picture is held out, and one kept.

    Raises:
        RecipeError: A class has too few pictures.
    """
    kept, held_out = [], []
    for label in sorted({picture.label for picture in pictures}):
        own = [picture for picture in pictures if picture.label == label]
        if len(own) < 2:
            raise RecipeError(
                f"the class {label!r} has too few different pictures; it needs at least {_FEWEST}: to learn from, to "
                "decide when to stop, and to test with"
            )
        rng.shuffle(own)
        apart = max(1, round(share * len(own)))
        held_out += own[:apart]
        kept += own[apart:]
    return kept, held_out
