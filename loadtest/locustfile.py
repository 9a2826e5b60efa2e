"""Load on a running server with the recipes' own sample questions; a wrong answer is a failure.

`make load` runs it for a minute without a browser; `locust -f loadtest/locustfile.py` opens locust's page.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from locust import FastHttpUser, constant, task

ROOT = Path(__file__).resolve().parent.parent
KEYS = ROOT / "run" / "key_file.json"


def read_samples() -> list[tuple[str, bytes, str, list[str]]]:
    """Model, picture file, question and right answers of every recipe's samples."""
    found = []
    for file in sorted(ROOT.glob("recipes/*/samples/questions.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            picture = (file.parent / sample["image"]).read_bytes()
            found.append((file.parent.parent.name, picture, sample["question"], sample["answers"]))
    return found


class SingleQuestion(FastHttpUser):
    """Asks one sample question after the other, as fast as answers come."""

    host = "http://127.0.0.1:8080"
    wait_time = constant(0)

    def on_start(self) -> None:
        self.samples = read_samples()
        self.key = json.loads(KEYS.read_text(encoding="utf-8"))["inference"]["key"]

    @task
    def ask(self) -> None:
        model, picture, question, expected = random.choice(self.samples)
        with self.client.post(
            f"/predictions/{model}",
            name=model,
            headers={"Authorization": f"Bearer {self.key}"},
            files={"image": ("picture", picture)},
            data={"question": question},
            catch_response=True,
        ) as reply:
            if reply.status_code != 200:
                reply.failure(f"status {reply.status_code}: {reply.text}")
            elif (answer := reply.json()["answer"]) not in expected:
                reply.failure(f"{question!r}: {answer!r} is none of {expected}")
