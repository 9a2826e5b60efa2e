"""The machine that serves: its processor, the cores and the memory that this process may use, and library versions."""

from __future__ import annotations

import math
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ARITHMETIC_FLAGS = frozenset(
    {
        *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
        *("amx_bf16", "amx_int8", "amx_fp16"),
        *("asimddp", "bf16", "i8mm", "sve"),  # ARM
    }
)
"""Flags of ``/proc/cpuinfo`` that decide which arithmetic is fast."""

LIBRARIES = ("torch", "openvino", "transformers")
"""Libraries whose version decides how fast a network is."""

LIMIT = "ONEDNN_MAX_CPU_ISA"
"""The variable that limits the instructions of torch and OpenVINO, which both compute with oneDNN."""
_LIMITS = (
    ("AVX2", frozenset({"avx_vnni"})),
    ("AVX2_VNNI", frozenset({"avx512f"})),
    ("AVX512_CORE", frozenset({"avx512_vnni"})),
    ("AVX512_CORE_VNNI", frozenset({"avx512_bf16"})),
    ("AVX512_CORE_BF16", frozenset({"avx512_fp16"})),
    ("AVX512_CORE_FP16", frozenset({"amx_bf16", "amx_int8", "amx_fp16"})),
)
"""Values of ``LIMIT``, each with the flags of which oneDNN makes no use from there on."""

_CPUINFO = Path("/proc/cpuinfo")
_CGROUP = Path("/sys/fs/cgroup")


def read_cpuinfo() -> dict[str, str]:
    """The fields of the first processor in ``/proc/cpuinfo``; empty where there is no such file."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.split("\n\n", 1)[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}


def processor_model(cpuinfo: dict[str, str]) -> str:
    """Vendor, family, model and stepping, such as ``AuthenticAMD 25 17 1``."""
    x86 = ("vendor_id", "cpu family", "model", "stepping")
    arm = ("CPU implementer", "CPU architecture", "CPU variant", "CPU part")
    return " ".join(cpuinfo[name] for name in (*x86, *arm) if name in cpuinfo)


def arithmetic_flags(cpuinfo: dict[str, str], limit: str = "") -> frozenset[str]:
    """The processor's flags that are in ``ARITHMETIC_FLAGS``, without those that a value of ``LIMIT`` rules out."""
    flags = ARITHMETIC_FLAGS & frozenset(f"{cpuinfo.get('flags', '')} {cpuinfo.get('Features', '')}".split())
    names = [name for name, _ in _LIMITS]
    if limit.upper() not in names:
        return flags
    return flags.difference(*(unused for _, unused in _LIMITS[names.index(limit.upper()) :]))


def library_versions() -> dict[str, str]:
    """The version of each of ``LIBRARIES`` that is installed."""
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def usable_cores() -> int:
    """The cores that this process may use; a container's limit counts."""
    cores = len(os.sched_getaffinity(0))
    quota, _, period = _limit("cpu.max").partition(" ")
    return min(cores, math.ceil(int(quota) / int(period))) if quota.isdigit() and period.isdigit() else cores


def usable_memory() -> int:
    """The bytes of memory that this process may use, free or not; a container's limit counts."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _limit("memory.max")
    return min(total, int(limit)) if limit.isdigit() else total


def has_gpu() -> bool:
    """Whether the driver of NVIDIA shows a GPU; asking torch would take a second."""
    return Path("/dev/nvidia0").exists()


def _limit(name: str) -> str:
    try:
        return (_CGROUP / name).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
