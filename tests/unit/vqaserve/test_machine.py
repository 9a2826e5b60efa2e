"""What decides the speed of arithmetic, read from ``/proc/cpuinfo``."""

from __future__ import annotations

import pytest

from vqaserve.machine import arithmetic_flags, processor_model, usable_cores, usable_memory

AMX = {
    "vendor_id": "GenuineIntel",
    "cpu family": "6",
    "model": "143",
    "stepping": "8",
    "flags": "fpu sse avx2 avx512f avx512_vnni avx_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_tile amx_int8",
}


def test_a_processor_is_its_vendor_family_model_and_stepping():
    assert processor_model(AMX) == "GenuineIntel 6 143 8"
    assert processor_model({}) == ""


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("", "amx_bf16 amx_int8 avx2 avx512_bf16 avx512_fp16 avx512_vnni avx512f avx_vnni"),
        ("ALL", "amx_bf16 amx_int8 avx2 avx512_bf16 avx512_fp16 avx512_vnni avx512f avx_vnni"),
        ("AVX512_CORE_FP16", "avx2 avx512_bf16 avx512_fp16 avx512_vnni avx512f avx_vnni"),
        ("avx512_core_bf16", "avx2 avx512_bf16 avx512_vnni avx512f avx_vnni"),
        ("AVX512_CORE_VNNI", "avx2 avx512_vnni avx512f avx_vnni"),
        ("AVX512_CORE", "avx2 avx512f avx_vnni"),
        ("AVX2", "avx2"),
    ],
)
def test_flags_over_the_limit_of_onednn_do_not_count(limit: str, expected: str):
    assert " ".join(sorted(arithmetic_flags(AMX, limit))) == expected


def test_flags_of_arm_are_called_features():
    assert arithmetic_flags({"Features": "fp asimd i8mm bf16"}) == {"i8mm", "bf16"}


def test_this_machine_has_cores_and_memory():
    assert usable_cores() >= 1
    assert usable_memory() > 2**20
