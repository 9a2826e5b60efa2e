"""Names that pickles import: those that run code, and the classes behind functions that make objects."""

from __future__ import annotations

from typing import Final

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
CLASSES: Final = {
    "numpy.core.multiarray._reconstruct": "numpy.ndarray",
    "numpy._core.multiarray._reconstruct": "numpy.ndarray",
    "numpy.ma.core._mareconstruct": "numpy.ma.MaskedArray",
    "numpy.random._pickle.__generator_ctor": "numpy.random.Generator",
    "numpy.random._pickle.__randomstate_ctor": "numpy.random.RandomState",
    "pandas._libs.tslibs.timestamps._unpickle_timestamp": "pandas.Timestamp",
    "pandas.core.indexes.base._new_Index": "pandas.Index",
    "re._compile": "re.Pattern",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_qtensor": "a quantized tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without values (meta)",
}
"""What the functions make that some pickles name in place of a class."""


def runs_code(module: str, name: str) -> bool:
    """Whether a function or class runs code, or reads or writes files."""
    listed = _RUNS_CODE_BY_NAME.get(module, frozenset())
    return name.partition(".")[0] in listed or module.partition(".")[0] in _RUNS_CODE
