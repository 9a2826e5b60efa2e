"""Files that would run a command if they were unpickled the usual way: refused by name or read as inert, never run."""

from __future__ import annotations

import builtins
import copyreg
import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vqaops.importing import inert_pickle
from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.inert_pickle import Placeholder
from vqaops.importing.pickled_words import read_words
from vqaserve.errors import RecipeError

WEIGHTS = {"fc.weight": torch.ones(2)}


class Call:
    """Unpickled, calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.function, self.arguments


def calls(proof: Path) -> dict[str, Call]:
    write = f"open({str(proof)!r}, 'w')"
    return {
        "os.system": Call(os.system, f"touch {proof}"),
        "subprocess": Call(subprocess.call, ["touch", str(proof)]),
        "Popen": Call(subprocess.Popen, ["touch", str(proof)]),
        "eval": Call(eval, write),
        "exec": Call(exec, write),
        "open": Call(open, str(proof), "w"),
        "os.mkdir": Call(os.mkdir, str(proof)),
        "import": Call(importlib.import_module, "antigravity"),
        "__import__": Call(builtins.__import__, "antigravity"),
        "getattr": Call(getattr, os, "system"),
    }


NAMES = list(calls(Path("proof")))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "getattr"])
@pytest.mark.parametrize("place", ["beside the weights", "among the weights"])
def test_a_checkpoint_that_names_what_runs_code_is_refused(tmp_path: Path, name: str, place: str):
    call = calls(tmp_path / "ran")[name]
    content = {"state_dict": WEIGHTS, "x": call} if place[0] == "b" else {"state_dict": {**WEIGHTS, "x": call}}
    for zipped in (True, False):
        torch.save(content, tmp_path / "model.pth", _use_new_zipfile_serialization=zipped)
        with pytest.raises(RecipeError, match=r"refused: it asks to import \S+, which weights never need; nothing"):
            read_checkpoint(tmp_path / "model.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "getattr"])
def test_a_vocabulary_that_names_what_runs_code_is_refused(tmp_path: Path, name: str):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "vocab.pkl").write_bytes(pickle.dumps({"what": calls(tmp_path / "ran")[name]}, protocol))
        with pytest.raises(RecipeError, match=r"refused: it asks to import \S+, which a vocabulary never needs"):
            read_words(tmp_path / "vocab.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (torch.save, ({}, "ran")),
        (torch.load, ("ran",)),
        (torch.hub.download_url_to_file, ("file:///etc/hostname", "ran")),
        (torch.jit.load, ("ran",)),
        (Path.touch, (Path("ran"),)),
    ],
)
def test_a_function_of_a_library_is_inert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], arguments: tuple[object, ...]
):
    monkeypatch.chdir(tmp_path)
    try:
        torch.save({"state_dict": WEIGHTS, "x": Call(function, *arguments)}, tmp_path / "model.pth")
    except (pickle.PicklingError, AttributeError):
        pytest.skip("cannot be pickled by name")
    assert read_checkpoint(tmp_path / "model.pth").passed_over[0].startswith("x (")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


FUNCTION = name("torch._utils", "_rebuild_tensor_v2")
OPCODES = {
    "state set on a function": b"\x80\x04" + FUNCTION + b"N}" + text("__code__") + b"K\x01s\x86b.",
    "state set on a class": b"\x80\x04" + name("a", "B") + b"N}" + text("source") + b"K\x01s\x86b.",
    "a number called": b"\x80\x04K\x01)R.",
    "text called": b"\x80\x04" + text("os.system") + b")R.",
    "a function made with NEWOBJ": b"\x80\x04" + FUNCTION + b")\x81.",
    "no tuple of arguments": b"\x80\x04" + name("a", "B") + b"]R.",
    "a storage class called": b"\x80\x04" + name("torch.storage", "UntypedStorage") + b"K\x08\x85R.",
    "a type called": b"\x80\x04" + name("torch", "float32") + b")R.",
    "a persistent name": b"\x80\x04" + text("storage") + b"Q.",
    "an encoding that is code": b"\x80\x04" + name("_codecs", "encode") + text("x") + text("idna") + b"\x86R.",
    "a tensor without a storage": b"\x80\x04" + FUNCTION + b"K\x01K\x02K\x03\x87R.",
    "items set on a number": b"\x80\x04K\x01" + text("a") + b"K\x01s.",
}


@pytest.mark.parametrize("pickled", OPCODES.values(), ids=OPCODES)
def test_an_opcode_that_would_change_or_call_anything_real_is_refused(tmp_path: Path, pickled: bytes):
    (tmp_path / "vocab.pkl").write_bytes(pickled)
    with pytest.raises(RecipeError, match=r"vocab\.pkl is not a pickled dictionary"):
        read_words(tmp_path / "vocab.pkl")


def test_a_name_with_dots_leads_nowhere(tmp_path: Path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04" + name("torch", "os.system") + text("touch ran") + b"\x85R.")
    with (tmp_path / "x.pkl").open("rb") as file:
        found = inert_pickle.load(file)
    assert isinstance(found, Placeholder)
    assert (found.source, found.arguments) == ("torch.os.system", ("touch ran",))


def test_a_registered_extension_is_refused(tmp_path: Path):
    copyreg.add_extension(os.system.__module__, "system", 0x81)
    try:
        pickled = pickle.dumps(Call(os.system, f"touch {tmp_path / 'ran'}"), 2)
        assert b"\x82\x81" in pickled
        pickle.loads(pickle.dumps(os.system, 2))  # noqa: S301 - a library that reads one keeps it at hand
        (tmp_path / "vocab.pkl").write_bytes(pickled)
        with pytest.raises(RecipeError, match="the file names extension 129"):
            read_words(tmp_path / "vocab.pkl")
    finally:
        copyreg.remove_extension(os.system.__module__, "system", 0x81)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("opcodes", [b"(cos\nsystem\nS'touch ran'\no.", b"(S'touch ran'\nios\nsystem\n."])
def test_old_opcodes_that_make_instances_are_refused(tmp_path: Path, opcodes: bytes):
    (tmp_path / "vocab.pkl").write_bytes(opcodes)
    with pytest.raises(RecipeError, match=r"asks to import os\.system"):
        read_words(tmp_path / "vocab.pkl")


def test_a_few_bytes_do_not_reserve_gigabytes(tmp_path: Path):
    (tmp_path / "vocab.pkl").write_bytes(b"\x80\x04}r\xff\xff\xff\x7f.")
    assert read_words(tmp_path / "vocab.pkl") == {}


def test_reading_imports_no_module_that_the_file_names(tmp_path: Path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04" + name("antigravity", "fly") + b")R.")
    with (tmp_path / "x.pkl").open("rb") as file:
        inert_pickle.load(file)
    assert "antigravity" not in sys.modules


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path):
    class Beyond:
        def __reduce__(self) -> Any:
            storage = torch.zeros(2).storage()
            return torch._utils._rebuild_tensor_v2, (storage, 0, (1000,), (1,), False, {})

    torch.save({"fc.weight": Beyond()}, tmp_path / "model.pth")
    with pytest.raises(RecipeError, match="a tensor reaches beyond its storage"):
        read_checkpoint(tmp_path / "model.pth")


def test_the_hostile_calls_would_have_run(tmp_path: Path):
    pickle.loads(pickle.dumps(calls(tmp_path / "ran")["os.system"]))  # noqa: S301 - what the others must not do
    assert (tmp_path / "ran").exists()
