from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.classes import CLASSES, draw, make_classes
from vqaops.training.classes.pictures import Split, holds_classes, read_split
from vqaops.training.classes.settings import ClassTrainSettings
from vqaserve.errors import RecipeError

SETTINGS = ClassTrainSettings(family="torchvision_classifier")


def names(split: Split, part: str) -> set[str]:
    return {f"{picture.label}/{picture.path.name}" for picture in getattr(split, part)}


def test_a_share_of_each_class_is_held_out_twice_and_nothing_is_in_two_parts(tmp_path: Path):
    split = read_split(make_classes(tmp_path / "data"), SETTINGS)
    assert split.labels == tuple(CLASSES)
    parts = [names(split, part) for part in ("train", "held_out", "test")]
    assert [len(part) for part in parts] == [21, 3, 6]
    assert len(set.union(*parts)) == 30
    assert {label.partition("/")[0] for label in parts[1]} == set(CLASSES)


def test_the_split_is_the_same_each_time_and_another_with_another_seed(tmp_path: Path):
    data = make_classes(tmp_path / "data")
    assert read_split(data, SETTINGS) == read_split(data, SETTINGS)
    assert read_split(data, SETTINGS) != read_split(data, SETTINGS.model_copy(update={"seed": 1}))


@pytest.mark.parametrize("test", ["test", "val"])
def test_a_folder_beside_train_is_the_test_part(tmp_path: Path, test: str):
    make_classes(tmp_path / "data" / "train")
    for label, colour in CLASSES.items():
        (tmp_path / "data" / test / label).mkdir(parents=True)
        draw(colour, 15).save(tmp_path / "data" / test / label / "15.png")
    split = read_split(tmp_path / "data", SETTINGS)
    assert names(split, "test") == {f"{label}/15.png" for label in CLASSES}
    assert len(split.train) + len(split.held_out) == 30


def test_a_picture_that_is_in_the_test_part_is_not_learnt_from(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data = make_classes(tmp_path / "data" / "train").parent
    for label in CLASSES:
        (data / "test" / label).mkdir(parents=True)
        shutil.copy(data / "train" / label / "3.png", data / "test" / label / "copy.png")
    split = read_split(data, SETTINGS)
    assert not {picture.digest for picture in split.test} & {
        picture.digest for picture in (*split.train, *split.held_out)
    }
    assert "3 pictures are in the test part too, and are not learnt from" in caplog.text


def test_a_copy_of_a_picture_in_its_own_class_is_not_counted(tmp_path: Path):
    data = make_classes(tmp_path / "data")
    shutil.copy(data / "red dots" / "3.png", data / "red dots" / "copy.png")
    split = read_split(data, SETTINGS)
    assert len(split.train) + len(split.held_out) + len(split.test) == 30


def test_hidden_files_and_other_files_are_passed_over(tmp_path: Path):
    data = make_classes(tmp_path / "data")
    (data / "red dots" / "Thumbs.db").write_bytes(b"x")
    (data / "red dots" / "._1.png").write_bytes(b"x")
    (data / ".cache").mkdir()
    draw("red", 16).save(data / ".cache" / "1.png")
    (data / "notes").mkdir()
    assert read_split(data, SETTINGS).labels == tuple(CLASSES)


def keep_one_class(data: Path) -> None:
    for label in list(CLASSES)[1:]:
        shutil.rmtree(data / label)


def keep_one_picture(data: Path) -> None:
    for number in range(1, 10):
        (data / "red dots" / f"{number}.png").unlink()


def copy_to_another_class(data: Path) -> None:
    shutil.copy(data / "red dots" / "3.png", data / "blue dots" / "red.png")


def add_a_class_to_test(data: Path) -> None:
    (data / "train").mkdir()
    for label in CLASSES:
        (data / label).rename(data / "train" / label)
    (data / "test" / "yellow dots").mkdir(parents=True)
    draw("yellow", 3).save(data / "test" / "yellow dots" / "3.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (keep_one_class, "has 1 folder with pictures, and needs two; give a folder with a folder of pictures for each"),
        (keep_one_picture, "the class 'red dots' has too few different pictures; it needs at least 3"),
        (copy_to_another_class, r"red dots/3.png is the same picture as .*blue dots/red.png, of another class"),
        (add_a_class_to_test, "test has the class 'yellow dots', which .*train lacks"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused(tmp_path: Path, change: Callable[[Path], None], message: str):
    data = make_classes(tmp_path / "data")
    change(data)
    with pytest.raises(RecipeError, match=message):
        read_split(data, SETTINGS)


def test_a_folder_of_questions_does_not_hold_classes(tmp_path: Path):
    assert not holds_classes(tmp_path / "missing")
    data = make_classes(tmp_path / "data")
    assert holds_classes(data)
    (data / "train.jsonl").write_text("{}")
    assert not holds_classes(data)
