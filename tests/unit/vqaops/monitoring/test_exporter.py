"""The exporter's GPU metrics; its metrics of a server are tested on a real one (tests/live/test_health.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from vqaops.paths import ROOT

# The functions of NVIDIA's driver library that the exporter calls, with two GPUs: test machines have none.
DRIVER = """
struct memory { unsigned long long total, free, used; };
struct utilization { unsigned int gpu, memory; };
int nvmlInitWithFlags(unsigned int flags) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) { *device = (void *)(index + 1L); return 0; }
int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory) {
  *memory = (struct memory){80ULL << 30, 60ULL << 30, 20ULL << 30};
  return 0;
}
int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates) {
  *rates = (struct utilization){25 * (long)device, 0};
  return 0;
}
"""
ASK = """
from vqaops.monitoring.exporter import _gpus
print({sample.name: sample.value for metric in _gpus() for sample in metric.samples if sample.labels["gpu"] == "1"})
"""


def exported(library_path: Path) -> str:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library_path)}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(not which("cc"), reason="there is no C compiler: apt install gcc")
def test_gpu_metrics_are_in_bytes_and_ratios(tmp_path: Path):
    (tmp_path / "driver.c").write_text(DRIVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "libnvidia-ml.so.1", tmp_path / "driver.c"], check=True)
    expected = {"vqa_gpu_busy_ratio": 0.5, "vqa_gpu_memory_used_bytes": 20 * 2**30, "vqa_gpu_memory_bytes": 80 * 2**30}
    assert exported(tmp_path) == str(expected)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_has_no_figures_of_one(tmp_path: Path):
    assert exported(tmp_path) == "{}"
