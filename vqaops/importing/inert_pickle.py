"""An unpickler that imports no class and runs no code of a file; whatever it does not know becomes a placeholder."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, Final, NoReturn

import numpy as np
import torch
from torch import Tensor

# fmt: off
_RUNS_CODE: Final = frozenset({
    "_ctypes", "_pickle", "asyncio", "bdb", "cProfile", "code", "codeop", "commands", "ctypes", "ensurepip", "imp",
    "importlib", "marshal", "nt", "os", "pdb", "pickle", "pip", "pkgutil", "popen2", "posix", "profile", "pty", "pydoc",
    "runpy", "shutil", "socket", "subprocess", "sys", "timeit", "trace", "webbrowser", "zipimport",
})
_BUILTINS: Final = frozenset({
    "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "file", "globals", "input", "locals",
    "open", "raw_input", "setattr", "vars",
})
# fmt: on
_FILES: Final = frozenset({"FileIO", "open", "open_code"})
_RUNS_CODE_BY_NAME: Final = {
    "builtins": _BUILTINS,
    "__builtin__": _BUILTINS,
    "io": _FILES,
    "_io": _FILES,
    "types": frozenset({"CodeType", "FunctionType"}),
}
_NUMPY_TYPE: Final = re.compile(r"[biufU]\d{1,6}")


class UnsafePickleError(Exception):
    """A file names something that only a program needs; the message is its full name."""


class Placeholder:
    """An object whose class was not imported: it keeps what the file says of the object, and can do nothing.

    Attributes:
        source: Full name of the class, such as ``argparse.Namespace``.
        arguments: What the class would have been called with.
        state: Attributes and items, by name.
    """

    source: ClassVar[str] = "an unknown class"
    dump_patches: ClassVar[bool] = False  # torch.load asks the class of a pickled module for it

    __slots__ = ("arguments", "state")

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: dict[Any, Any] = {}

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state.update(part)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.state[key] = value

    def append(self, item: Any) -> None:
        """Drop an item of a list."""

    add = append  # of a set


class _Mapping(dict[Any, Any]):
    """A dictionary of any of Python's kinds, without the attributes that the file may set on it."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _NumpyType:
    """The type of a numpy number, as the file spells it."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        self.code = str(code)
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class _Known:
    """A function of ours that stands for one that files name; unlike a function, it cannot be changed."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise pickle.UnpicklingError("the file sets attributes of a function")


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *more: Any) -> Tensor:
    """A tensor over a storage; ``more`` may end in a type that storages do not have, after gradient and hooks."""
    dtype = next((value for value in more if isinstance(value, torch.dtype)), storage.dtype)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    beyond = (last + 1) * dtype.itemsize > storage._untyped_storage.nbytes()
    if 0 not in size and (beyond or min(offset, *stride, 0) < 0):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    return torch.empty(0, dtype=dtype).set_(storage._untyped_storage, offset, tuple(size), tuple(stride))


def _tensor_of_type(rebuild: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor that carries attributes, without them."""
    del kind, state
    return _call(rebuild, arguments)


def _mapping(*arguments: Any) -> _Mapping:
    content = next((argument for argument in arguments if isinstance(argument, dict | list | tuple)), ())
    return _Mapping(content)


def _numpy_scalar(kind: Any, data: Any = b"") -> Any:
    """A numpy number as Python's."""
    if not isinstance(kind, _NumpyType) or not isinstance(data, bytes) or not _NUMPY_TYPE.fullmatch(kind.code):
        return _placeholder_type("numpy.scalar")()
    return np.frombuffer(data, dtype=np.dtype(kind.order + kind.code))[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes, in the form that Python 3 gives them for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("the file encodes text in an unusual way")
    return text.encode("latin1")


_KNOWN: Final = {
    **dict.fromkeys(
        (
            "collections.OrderedDict",
            "collections.Counter",
            "collections.defaultdict",
            "builtins.dict",
            "__builtin__.dict",
        ),
        _Known(_mapping),
    ),
    **dict.fromkeys(
        ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"),
        _Known(_tensor),
    ),
    **dict.fromkeys(
        ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"),
        _Known(lambda tensor, *_: tensor),
    ),
    "torch._tensor._rebuild_from_type_v2": _Known(_tensor_of_type),
    "numpy.dtype": _Known(lambda code, *_: _NumpyType(code)),
    **dict.fromkeys(("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"), _Known(_numpy_scalar)),
    **dict.fromkeys(
        ("builtins.set", "builtins.frozenset", "__builtin__.set", "__builtin__.frozenset"),
        _Known(lambda items=(): set(items)),
    ),
    "_codecs.encode": _Known(_encode),
    **dict.fromkeys(("builtins.bytes", "__builtin__.bytes"), _Known(lambda *_: b"")),
    **dict.fromkeys(
        ("copyreg._reconstructor", "copy_reg._reconstructor"), _Known(lambda kind, base, state: _call(kind, (state,)))
    ),
}
"""What is built, by the names in files: dictionaries, tensors, numbers. None of it calls what the file brings along."""


def _placeholder_type(source: str) -> type[Placeholder]:
    return type(source.rpartition(".")[2], (Placeholder,), {"source": source, "__slots__": ()})


def _call(function: Any, arguments: Any) -> Any:
    """Call what stands for a function or class of the file.

    Raises:
        pickle.UnpicklingError: It stands for none.
    """
    if isinstance(function, Placeholder):  # such as a method, which getattr would have given
        function = type(function)
    harmless = isinstance(function, _Known) or (isinstance(function, type) and issubclass(function, Placeholder))
    if not harmless or not isinstance(arguments, tuple):
        raise pickle.UnpicklingError("the file calls what is neither a function nor a class")
    return function(*arguments)


class InertUnpickler(pickle._Unpickler):
    """Reads any pickle; every opcode that could import, call or change something is answered by this module alone.

    It extends Python's own unpickler in Python: the one in C leaves no say about registered extensions, and reserves
    gigabytes for a number that a file of ten bytes gives.
    """

    stack: list[Any]
    append: Callable[[Any], None]

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(file, **options)
        self._types: dict[str, type[Placeholder]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name that the file imports.

        Raises:
            UnsafePickleError: The name is one that runs code. Nothing would run it; but such a file is hostile.
        """
        source = f"{module}.{name}"
        if source in _KNOWN:
            return _KNOWN[source]
        if module == "torch" and isinstance(vars(torch).get(name), torch.dtype):
            return vars(torch)[name]
        if source == "torch.storage.UntypedStorage":
            return torch.UntypedStorage  # torch.load compares with it; nothing here calls it
        listed = _RUNS_CODE_BY_NAME.get(module, frozenset())
        if name.partition(".")[0] in listed or module.partition(".")[0] in _RUNS_CODE:
            raise UnsafePickleError(source)
        return self._types.setdefault(source, _placeholder_type(source))

    def get_extension(self, code: int) -> NoReturn:
        """Refuse names that are registered with ``copyreg`` under a number."""
        raise pickle.UnpicklingError(f"the file names extension {code}")

    def load_reduce(self) -> None:
        """Answer ``REDUCE``."""
        arguments = self.stack.pop()
        self.stack[-1] = _call(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        """Answer ``NEWOBJ``."""
        self.load_reduce()

    def load_newobj_ex(self) -> None:
        """Answer ``NEWOBJ_EX``; named arguments are dropped."""
        self.stack.pop()
        self.load_reduce()

    def _instantiate(self, kind: Any, arguments: list[Any]) -> None:
        """Answer ``INST`` and ``OBJ``."""
        self.append(_call(kind, tuple(arguments)))

    def load_build(self) -> None:
        """Answer ``BUILD``."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Placeholder | _Mapping | _NumpyType):
            raise pickle.UnpicklingError("the file sets attributes of something that has none")
        self.stack[-1].__setstate__(state)

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
    }


Unpickler = InertUnpickler
"""By this name ``torch.load`` finds it in its ``pickle_module``."""


def load(file: BinaryIO, **options: Any) -> Any:
    """Read one pickle, as ``pickle.load`` does.

    Raises:
        UnsafePickleError: The file names something that runs code.
        Exception: It is damaged; what is raised depends on the damage.
    """
    return InertUnpickler(file, **options).load()
