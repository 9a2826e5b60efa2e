"""The worker's log holds nothing that TorchServe obeys or that breaks a line."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from vqaserve.logs import HarmlessFormatter, safe_id
from vqaserve.pipeline import Pipeline
from vqaserve.settings import HandlerSettings
from vqaserve.types import Model, Request


@pytest.mark.parametrize("given", ["order-17", "1-67891233-abcdef012345678912345678", "a/b:c@d=e+f.g_h", "x" * 128])
def test_usual_request_ids_are_unchanged(given: str):
    assert safe_id(given) == given


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\r\n[METRICS]b", "a???METRICS?b"),
        ("\x1b[31mred", "??31mred"),
        ("bidi\u202eidib", "bidi?idib"),
        ("über", "?ber"),
        ("x" * 1000, "x" * 128),
        ('"quoted", and more', "?quoted???and?more"),
    ],
)
def test_an_id_cannot_break_colour_or_flood_a_log_line(given: str, kept: str):
    assert safe_id(given) == kept


def test_a_quoted_question_cannot_act_as_a_torchserve_command():
    try:
        raise ValueError("bad question: \n[METRICS]vqa_requests_total.Count:99|#\n[PID]1\nTorch worker started.")
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "", 0, "request %s failed", ("r",), sys.exc_info())
    text = HarmlessFormatter("%(message)s").format(record)
    assert "request r failed" in text
    assert "(metrics)vqa_requests_total" in text
    assert not [word for word in ("[METRICS]", "[PID]", "Torch worker started.") if word in text]


def test_a_url_that_cannot_be_fetched_is_logged_with_the_request_that_named_it(caplog: pytest.LogCaptureFixture):
    nobody = "http://127.0.0.1:1"
    remote = {"allowed_image_hosts": [nobody], "allowed_image_networks": ["127.0.0.0/8"]}
    settings = HandlerSettings(version="1.0.0", family="dummy", remote_images=remote)
    pipeline = Pipeline.load(Path(), settings, Model("dummy", "1.0.0"))
    asked = {"image": f"{nobody}/a.png", "question": "what?"}
    with caplog.at_level(logging.INFO):
        (reply,) = pipeline.answer([Request("r0", {"body": asked}, {}, "order-17")])
    assert reply.status == 422
    assert "request r0 (client's order-17): the picture's URL could not be fetched: ConnectError" in caplog.text
