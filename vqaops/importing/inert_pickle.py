"""An unpickler that neither imports nor runs anything; objects of unknown classes become placeholders."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, Final, NoReturn

import numpy as np
import torch
from torch import Tensor

from vqaops.importing.pickled_names import CLASSES, runs_code

_NUMPY_TYPE: Final = re.compile(r"[biufU]\d{1,6}")


class UnsafePickleError(Exception):
    """A pickle names something that runs code; the message is its full name."""


class Placeholder:
    """An object whose class was not imported. It keeps the object's content, and has no behaviour.

    Attributes:
        source: Full name of the class, such as ``argparse.Namespace``.
        arguments: The arguments that the class would have been called with.
        state: The attributes and items by name.
    """

    source: ClassVar[str] = "an unknown class"
    dump_patches: ClassVar[bool] = False  # torch.load reads it from the class of a pickled module

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
    """A dictionary of any kind, without the attributes that a pickle may set on it."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _NumpyType:
    """The type of a numpy number: its code and byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        self.code = str(code)
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class _Known:
    """A function of this module that replaces one that pickles name; unlike a function, it cannot be changed."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise pickle.UnpicklingError("the file sets attributes of a function")


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *more: Any) -> Tensor | Placeholder:
    """Build a tensor on a storage; besides gradient and hooks, ``more`` may contain a type that storages lack.

    In a pickle that ``torch.save`` did not write, the storage is a pickle of its own, which is not read.
    """
    if isinstance(storage, Placeholder):
        return _placeholder_type("torch.Tensor")()
    dtype = next((value for value in more if isinstance(value, torch.dtype)), storage.dtype)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    beyond = (last + 1) * dtype.itemsize > storage._untyped_storage.nbytes()
    if 0 not in size and (beyond or min(offset, *stride, 0) < 0):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    return torch.empty(0, dtype=dtype).set_(storage._untyped_storage, offset, tuple(size), tuple(stride))


def _tensor_of_type(rebuild: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """Build a tensor without the attributes that it was saved with."""
    del kind, state
    return _call(rebuild, arguments)


def _mapping(*arguments: Any) -> _Mapping:
    content = next((argument for argument in arguments if isinstance(argument, dict | list | tuple)), ())
    return _Mapping(content)


def _numpy_scalar(kind: Any, data: Any = b"") -> Any:
    """Convert a numpy number to Python's."""
    if not isinstance(kind, _NumpyType) or not isinstance(data, bytes) or not _NUMPY_TYPE.fullmatch(kind.code):
        return _placeholder_type("numpy.scalar")()
    return np.frombuffer(data, dtype=np.dtype(kind.order + kind.code))[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Restore bytes, which protocols up to 2 save as text."""
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
"""Replacements by name, for dictionaries, tensors and numbers. None of them calls anything from the pickle."""


def _placeholder_type(source: str) -> type[Placeholder]:
    source = CLASSES.get(source, source)
    return type(source.rpartition(".")[2], (Placeholder,), {"source": source, "__slots__": ()})


def _call(function: Any, arguments: Any) -> Any:
    """Call the replacement of a function or class.

    Raises:
        pickle.UnpicklingError: The object is not a replacement.
    """
    if isinstance(function, Placeholder):  # such as a method that a pickle takes with getattr
        function = type(function)
    harmless = isinstance(function, _Known) or (isinstance(function, type) and issubclass(function, Placeholder))
    if not harmless or not isinstance(arguments, tuple):
        raise pickle.UnpicklingError("the file calls what is neither a function nor a class")
    return function(*arguments)


class InertUnpickler(pickle._Unpickler):
    """Reads any pickle; all opcodes that import, call or change something use the replacements of this module only.

    It extends the unpickler of Python that is written in Python. The one in C cannot refuse registered extensions, and
    a file of ten bytes can make it allocate gigabytes.
    """

    stack: list[Any]
    append: Callable[[Any], None]

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(file, **options)
        self._types: dict[str, type[Placeholder]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the replacement of a name that the pickle imports.

        Raises:
            UnsafePickleError: The name runs code. It would not be run here, but the file is hostile, and its user
                should know.
        """
        source = f"{module}.{name}"
        if source in _KNOWN:
            return _KNOWN[source]
        if module == "torch" and isinstance(vars(torch).get(name), torch.dtype):
            return vars(torch)[name]
        if source == "torch.storage.UntypedStorage":
            return torch.UntypedStorage  # only compared by torch.load; nothing calls it
        if runs_code(module, name):
            raise UnsafePickleError(source)
        return self._types.setdefault(source, _placeholder_type(source))

    def get_extension(self, code: int) -> NoReturn:
        """Refuse extensions, which are names registered with ``copyreg`` under a number."""
        raise pickle.UnpicklingError(f"the file names extension {code}")

    def load_reduce(self) -> None:
        """Call a replacement."""
        arguments = self.stack.pop()
        self.stack[-1] = _call(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        """Call a replacement."""
        self.load_reduce()

    def load_newobj_ex(self) -> None:
        """Call a replacement without its keyword arguments."""
        self.stack.pop()
        self.load_reduce()

    def _instantiate(self, kind: Any, arguments: list[Any]) -> None:
        """Call a replacement, for the opcodes ``INST`` and ``OBJ``."""
        self.append(_call(kind, tuple(arguments)))

    def load_build(self) -> None:
        """Set the state of a placeholder, dictionary or numpy type."""
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
"""The name under which ``torch.load`` looks it up in ``pickle_module``."""


def load(file: BinaryIO, **options: Any) -> Any:
    """Read one pickle, as ``pickle.load`` does.

    Raises:
        UnsafePickleError: The pickle names something that runs code.
        Exception: The pickle is damaged; the type depends on the damage.
    """
    return InertUnpickler(file, **options).load()
