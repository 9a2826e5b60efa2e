"""Descriptions of files of another kind than expected, for error messages."""

from __future__ import annotations

import codecs
import zipfile
from pathlib import Path

CHECKPOINT = "a PyTorch checkpoint"
PICKLE = "a pickle, as PyTorch wrote checkpoints before 1.6"
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"),
    (b"<?xml", "an XML document, probably an error that came in place of a download"),
    (b"<", "a web page, probably one that came in place of a download"),
    (b"\x89HDF\r\n", "an HDF5 file, as Keras and h5py write it"),
    (b"\x93NUMPY", "a numpy array (.npy)"),
    (b"GGUF", "a GGUF file, as llama.cpp reads it"),
    (b"ggml", "a GGML file, as llama.cpp reads it"),
    *((bytes([8, version, 0x12]), "an ONNX model") for version in range(3, 16)),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    *((bytes([0x80, protocol]), PICKLE) for protocol in range(2, 6)),
)
_MEMBERS: tuple[tuple[str, str], ...] = (
    ("constants.pkl", "a TorchScript model, as `torch.jit.save` writes it"),
    ("data.pkl", CHECKPOINT),
    ("MAR-INF/MANIFEST.json", "a TorchServe model archive"),
    ("config.json", "an archive of a folder: unpack it first"),
    (".npy", "an archive of numpy arrays (.npz)"),
)
_TAR = (257, b"ustar")
_ZIPPED = b"PK\x03\x04"
_CUT_OFF = "a zip archive that is cut off, as PyTorch's checkpoints are after a broken download: get the whole file"


def describe(path: Path) -> str | None:
    """Describe a file by its first bytes, or by the names in an archive; None if they are unknown."""
    if path.is_dir():
        return "a folder"
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "empty"
    if head.startswith(b"PK") and (what := _describe_zip(path, head)):
        return what
    if head[_TAR[0] :].startswith(_TAR[1]):
        return "a tar archive: unpack it; or, if PyTorch before 0.1.10 wrote it, save it again with a later one"
    lowered = head.removeprefix(codecs.BOM_UTF8).lstrip()[:32].lower()
    for beginning, what in _BEGINNINGS:
        if head.startswith(beginning) or lowered.startswith(beginning.lower()):
            return what
    if lowered.startswith((b"{", b"[")):
        return "JSON text"
    return "text" if _is_text(head) else None


def is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors, with the length of a JSON header and the header."""
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size


def _describe_zip(path: Path, head: bytes) -> str | None:
    try:
        if not zipfile.is_zipfile(path):
            return _CUT_OFF if head.startswith(_ZIPPED) else None
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return "a damaged zip archive"
    for ending, what in _MEMBERS:
        if any(name.endswith(ending) for name in names):
            return what
    return "a zip archive: unpack it first"


def _is_text(head: bytes) -> bool:
    try:
        return head.decode("utf-8").isprintable() or all(byte >= 32 or byte in b"\t\r\n" for byte in head)
    except UnicodeDecodeError:
        return False
