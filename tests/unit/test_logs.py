"""What may stand in the worker's log."""

from __future__ import annotations

import logging
import sys

import pytest

from vqaserve.logs import HarmlessFormatter, safe_id


@pytest.mark.parametrize("given", ["order-17", "1-67891233-abcdef012345678912345678", "a/b:c@d=e+f.g_h", "x" * 128])
def test_ids_that_people_use_stay_as_they_are(given: str):
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
def test_an_id_cannot_end_dress_or_flood_a_line(given: str, kept: str):
    assert safe_id(given) == kept


def test_a_quoted_question_cannot_pass_for_a_word_of_torchserves():
    try:
        raise ValueError("bad question: \n[METRICS]vqa_requests_total.Count:99|#\n[PID]1\nTorch worker started.")
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "", 0, "request %s failed", ("r",), sys.exc_info())
    text = HarmlessFormatter("%(message)s").format(record)
    assert "request r failed" in text
    assert "(metrics)vqa_requests_total" in text
    assert not [word for word in ("[METRICS]", "[PID]", "Torch worker started.") if word in text]
