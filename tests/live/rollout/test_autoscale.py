"""Workers follow the load, up and down, and each step says why."""

from __future__ import annotations

import json
import subprocess
import sys

from scripts.build_mar import ROOT
from tests.live.rollout.conftest import Models, asking

SLOW = {'        return [f"': "        __import__('time').sleep(0.1)\n        return [f\""}


def test_workers_follow_the_load_up_and_down_and_no_request_is_lost(models: Models):
    models.json("register", models.archive("1.1.0", SLOW, handler="  gate:\n    max_latency_ratio: 1000\n"))
    models.json("promote", "1.1.0")
    words = ["autoscale", "--min", "1", "--max", "2", "--queue-ms", "20", "--interval", "0.3", "--seconds", "180"]
    command = [sys.executable, str(ROOT / "scripts" / "models.py"), *words, "--json", "--run", str(models.server.run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        with asking(models.server, 16) as traffic:  # two batches' worth: one is computed, one waits
            up = json.loads(following.stdout.readline())
        down = json.loads(following.stdout.readline())
        following.terminate()
    assert (up["before"], up["workers"]) == (1, 2)
    assert "requests waited" in up["reason"]
    assert (down["before"], down["workers"]) == (2, 1)
    assert traffic.wrong == []
    assert models.ready()["1.1.0"] == 1
    scaled = [event["figures"] for event in models.history() if event["action"] == "scale"]
    assert [figures["max"] for figures in scaled] == [2, 1]
    assert all(figures["reason"] for figures in scaled)
