"""Files that are no checkpoints are described, so that their owner knows what came."""

from __future__ import annotations

import contextlib
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from vqaops.importing.checkpoints import read_checkpoint
from vqaserve.errors import RecipeError

FILES = {
    "an LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
    "a web page": (b"\n<!DOCTYPE html>\n<html>", "it is a web page"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(9), "it is an HDF5 file"),
    "GGUF": (b"GGUF\x03" + bytes(9), "it is a GGUF file"),
    "numpy": (b"\x93NUMPY\x01\x00" + bytes(9), "it is a numpy array"),
    "gzip": (b"\x1f\x8b\x08" + bytes(9), "it is compressed with gzip: unpack it first"),
    "JSON": (b'{"a": 1}', "it is JSON text"),
    "nothing": (b"", "it is empty"),
    "an error of S3": (b'<?xml version="1.0"?><Error>', "it is an XML document"),
    "UTF-16": ("a\n".encode("utf-16"), "it is text in UTF-16"),
    "a part of a zip archive": (b"PK\x03\x04" + bytes(9), "it is a zip archive that is cut off"),
    "a pickle": (
        pickle.dumps({"a.b": [1]}),
        "a pickle that torch.save did not write; load it where it was made, and save",
    ),
}


@pytest.mark.parametrize(("data", "message"), FILES.values(), ids=FILES)
def test_a_file_of_another_kind_is_named(tmp_path: Path, data: bytes, message: str):
    (tmp_path / "model.pth").write_bytes(data)
    with pytest.raises(RecipeError, match=rf"model\.pth is not a PyTorch checkpoint.*{message}"):
        read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("model/constants.pkl", "a TorchScript model"),
        ("MAR-INF/MANIFEST.json", "a TorchServe model archive"),
        ("weights/config.json", "an archive of a folder: unpack it first"),
        ("arr_0.npy", "an archive of numpy arrays"),
        ("notes", "a zip archive: unpack it first"),
    ],
)
def test_an_archive_of_another_kind_is_named(tmp_path: Path, member: str, message: str):
    with zipfile.ZipFile(tmp_path / "model.pth", "w") as archive:
        archive.writestr(member, "x")
    with pytest.raises(RecipeError, match=f"it is {message}"):
        read_checkpoint(tmp_path / "model.pth")


def test_a_folder_is_not_taken_for_a_checkpoint(tmp_path: Path):
    with pytest.raises(RecipeError, match="is a folder; name the checkpoint in it"):
        read_checkpoint(tmp_path)


def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path):
    path = tmp_path / "model.pth"
    torch.save({"fc.weight": torch.ones(2)}, path)
    whole = path.read_bytes()
    for place in range(len(whole) - 120, len(whole)):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        with contextlib.suppress(RecipeError):
            read_checkpoint(path)
