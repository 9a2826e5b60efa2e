"""The simulated visitor of load tests judges what the real page answers."""

from __future__ import annotations

from loadtest.learning.visitor import Visitor
from tests.demo.conftest import SAMPLES
from vqaops.feedback.store import FeedbackStore
from vqaops.server.server import Server


def test_a_visitor_confirms_right_answers_and_corrects_wrong_ones(shapes_server: Server, page_url: str):
    visitor = Visitor(page_url, "shapes/1.0.0")
    try:
        said = {"what shape is in the image?": "circle", "what color is the shape?": "navy"}
        assert visitor.visit(SAMPLES / "blue-circle.jpg", said) == 1
    finally:
        visitor.close()
    rows = FeedbackStore.open_existing(shapes_server.run / "feedback.sqlite3").rows()[-2:]
    assert [(row.answers[0][0], row.thumbs_up, row.correction) for row in rows] == [
        ("circle", True, ""),
        ("blue", False, "navy"),
    ]
    assert all(row.kept for row in rows)
