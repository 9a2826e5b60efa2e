"""Documents through the pipeline, with a family that finds dark bars."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.support.documents import BAR, OTHER, TEXT, DarkBars, pdf
from tests.support.pictures import as_base64, saved
from vqaserve.images import LAID_ON_WHITE, SEVERAL_FRAMES
from vqaserve.pipeline import Pipeline
from vqaserve.settings import HandlerSettings
from vqaserve.tasks.document_redaction_detection import DocumentRedactionDetection
from vqaserve.types import Model, Reply, Request

SETTINGS = HandlerSettings(version="1.0.0", task="document_redaction_detection", family="dummy")


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(DocumentRedactionDetection(SETTINGS), DarkBars(), SETTINGS, Model("redactions", "1.0.0"))


def ask(pipeline: Pipeline, document: bytes, **fields: object) -> Reply:
    return pipeline.answer([Request("id", {"image": document, **fields})])[0]


def said(reply: Reply) -> dict:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def of_instances(*documents: bytes) -> Request:
    return Request("id", {"body": {"instances": [{"image": {"b64": as_base64(one)}} for one in documents]}})


def refusal(reply: Reply) -> str:
    body = json.loads(reply.body)
    assert body["code"] == reply.status == 422
    return f"{body['type']}: {body['message']}"


def test_a_document_is_answered_page_by_page_with_a_summary(pipeline):
    found = said(ask(pipeline, pdf([f"{BAR} {OTHER}", OTHER])))
    first, second = found["pages"]
    assert (first["label"], second["label"]) == ("redacted", "not redacted")
    assert first["covered"]["page"] == pytest.approx(240 * 20 / (612 * 792), rel=0.05)
    assert first["covered"]["content"] > 2 * first["covered"]["page"]
    assert first["boxes"][0]["left"] == pytest.approx(90 / 612, abs=0.005)
    assert first["boxes"][0]["top"] == pytest.approx((792 - 714) / 792, abs=0.005)
    summary = found["summary"]
    assert (summary["document_pages"], summary["redacted_pages"], summary["boxes"]) == (2, [1], 1)


def test_text_that_lies_under_a_box_is_reported_and_never_repeated(pipeline):
    reply = ask(pipeline, pdf([f"{TEXT} {BAR}"]))
    assert said(reply)["pages"][0]["boxes"][0]["text_under_box"]
    assert said(reply)["summary"]["pages_with_text_under_boxes"] == [1]
    assert b"secret" not in reply.body


@pytest.mark.parametrize(
    "content",
    [f"{BAR} {OTHER}", f"{BAR} 1 g {TEXT}"],
    ids=["no text there", "a code in white on the box"],
)
def test_a_box_without_hidden_text_redacts(pipeline, content):
    box = said(ask(pipeline, pdf([content])))["pages"][0]["boxes"][0]
    assert not box["text_under_box"]


def test_text_under_a_box_is_found_on_a_turned_and_cropped_page(pipeline):
    turned = pdf([f"{TEXT} {BAR}"], page="/Rotate 90 /CropBox [50 100 600 780]")
    assert said(ask(pipeline, turned))["summary"]["pages_with_text_under_boxes"] == [1]


def test_text_under_a_black_annotation_is_found(pipeline):
    square = (
        "/Annots [<< /Type /Annot /Subtype /Square /Rect [90 694 330 714] /F 4 /C [0 0 0] /IC [0 0 0] "
        "/BS << /W 1 >> >>]"
    )
    found = said(ask(pipeline, pdf([TEXT], page=square)))
    assert found["summary"]["pages_with_text_under_boxes"] == [1]


def test_the_pages_of_a_scanned_tiff_are_read(pipeline):
    black = Image.new("1", (800, 1000), 1)
    black.paste(0, (100, 100, 500, 160))
    file = BytesIO()
    black.save(file, "TIFF", save_all=True, append_images=[Image.new("1", (800, 1000), 1)], compression="group4")
    assert said(ask(pipeline, file.getvalue()))["summary"]["redacted_pages"] == [1]


def test_a_picture_is_a_document_of_one_page(pipeline):
    file = BytesIO()
    Image.new("RGB", (800, 1000), "white").save(file, "PNG")
    assert said(ask(pipeline, file.getvalue()))["summary"]["document_pages"] == 1


@pytest.mark.parametrize("mode", ["I;16", "RGBA", "LA", "P", "CMYK"])
def test_a_scan_of_any_depth_and_with_transparent_paper_shows_its_bar(pipeline, mode):
    scan = Image.new("RGBA", (800, 1000), (0, 0, 0, 0) if mode in ("RGBA", "LA", "P") else "white")
    scan.paste((20, 20, 20, 255), (100, 100, 500, 160))
    if mode == "I;16":
        scan = Image.fromarray(np.asarray(scan.convert("L")).astype(np.uint16) * 257)
    elif mode == "P":
        scan = scan.quantize(4)
    file = BytesIO()
    (scan if scan.mode == mode else scan.convert(mode)).save(file, "TIFF" if mode == "CMYK" else "PNG")
    (page,) = said(ask(pipeline, file.getvalue()))["pages"]
    assert page["covered"]["page"] == pytest.approx(400 * 60 / 800_000, rel=0.05)


def test_a_page_says_how_its_picture_was_read(pipeline):
    glass, paper = Image.new("RGBA", (800, 1000)), Image.new("RGBA", (800, 1000), "white")
    scans, moving = BytesIO(), BytesIO()
    glass.save(scans, "TIFF", save_all=True, append_images=[paper])
    glass.convert("P").save(moving, "GIF", save_all=True, append_images=[paper.convert("P")])
    first, second = said(ask(pipeline, scans.getvalue()))["pages"]
    assert (first["warnings"], "warnings" in second) == ([LAID_ON_WHITE], False)
    (page,) = said(ask(pipeline, moving.getvalue()))["pages"]
    assert SEVERAL_FRAMES in page["warnings"]
    (reply,) = pipeline.answer([of_instances(saved(glass))])
    assert said(reply)["predictions"][0]["warnings"] == [LAID_ON_WHITE]


def test_pages_chooses_the_pages(pipeline):
    found = said(ask(pipeline, pdf([OTHER, BAR, OTHER, BAR]), pages="2,4-9"))
    assert [page["page"] for page in found["pages"]] == [2, 4]
    assert found["summary"]["document_pages"] == 4


@pytest.mark.parametrize(
    "pages",
    ["0", "two", "3-2", "7", "1\0", "\ud800", "1," * 70_000 + "1"],
    ids=["0", "two", "3-2", "7", "zero byte", "half a character", "over 128 kB"],
)
def test_pages_that_are_none_are_refused(pipeline, pages):
    assert refusal(ask(pipeline, pdf([OTHER]), pages=pages)).startswith("InvalidParameter: pages is ")


def test_a_document_over_the_limit_says_how_to_ask_for_it(pipeline):
    assert "17 of the document's 17 pages; one request reads at most 16: send pages=1-16" in refusal(
        ask(pipeline, pdf([OTHER] * 17))
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (pdf([OTHER])[:200], "damaged"),
        (b"%PDF-1.7\n" + bytes(1000), "damaged"),
        (pdf([]), "damaged"),
        (b"hello world, this is a text", "neither a PDF nor a picture"),
    ],
    ids=["cut off", "zeros", "no pages", "text"],
)
def test_what_is_no_document_is_refused(pipeline, document, message):
    assert message in refusal(ask(pipeline, document))


def test_a_hostile_document_ends_its_reader_and_no_other_request(pipeline):
    endless = pdf(["0 g " + "0 0 600 700 re 10 10 500 600 re f* " * 400_000])
    small = SETTINGS.model_copy(update={"limits": SETTINGS.limits.model_copy(update={"max_document_seconds": 1.0})})
    limited = Pipeline(DocumentRedactionDetection(small), DarkBars(), small, Model("redactions", "1.0.0"))
    hostile, other = limited.answer([Request("a", {"image": endless}), Request("b", {"image": pdf([BAR])})])
    assert "takes too long" in refusal(hostile)
    assert said(other)["summary"]["redacted_pages"] == [1]


def test_a_document_that_cannot_be_read_costs_no_other_of_its_request(pipeline):
    several, damaged = pdf([OTHER, OTHER]), b"%PDF-1.7\n" + bytes(1000)
    (reply,) = pipeline.answer([of_instances(pdf([BAR]), damaged, several, pdf([OTHER]))])
    first, refused, split, last = said(reply)["predictions"]
    assert (first["label"], last["label"]) == ("redacted", "not redacted")
    assert (refused["code"], refused["type"]) == (422, "InvalidImage")
    assert (split["code"], split["type"]) == (400, "BadRequest")


def test_the_documents_of_one_request_have_its_cpu_time_together():
    small = SETTINGS.model_copy(update={"limits": SETTINGS.limits.model_copy(update={"max_document_seconds": 1.0})})
    limited = Pipeline(DocumentRedactionDetection(small), DarkBars(), small, Model("redactions", "1.0.0"))
    many, other = limited.answer([of_instances(*[pdf([BAR])] * 30), Request("b", {"image": pdf([BAR])})])
    first, *_, last = said(many)["predictions"]
    assert first["label"] == "redacted"
    assert last["type"] == "InvalidImage"
    assert "the documents of one request have 1 s of CPU time together" in last["message"]
    assert "send fewer documents at once" in last["message"]
    assert said(other)["summary"]["redacted_pages"] == [1]


def test_once_the_batchs_time_is_up_further_documents_get_503():
    endless = pdf(["0 g " + "0 0 600 700 re 10 10 500 600 re f* " * 400_000])
    small = SETTINGS.model_copy(update={"limits": SETTINGS.limits.model_copy(update={"max_document_seconds": 1.0})})
    task, model = DocumentRedactionDetection(small), Model("redactions", "1.0.0")
    pipeline = Pipeline(task, DarkBars(), small, model, opening_seconds=0.5)
    late = Request("late", {"image": pdf([BAR])})
    replies = pipeline.answer([Request("slow", {"image": endless}), late])
    assert [(reply.status, json.loads(reply.body)["type"]) for reply in replies] == [
        (422, "InvalidImage"),
        (503, "Overloaded"),
    ]


def test_one_page_is_explained_by_a_picture_and_several_are_not(pipeline):
    headers = {"explain": "True", "accept": "image/png"}
    one, two = (Request(name, {"image": pdf([BAR] * pages)}, headers) for name, pages in (("one", 1), ("two", 2)))
    drawn, refused = pipeline.answer([one, two])
    assert drawn.content_type == "image/png"
    assert refused.status == 400
    assert "asks for 2 pages; send pages=1" in json.loads(refused.body)["message"]


def test_scripts_and_embedded_actions_do_not_run(pipeline):
    active = pdf([BAR], catalog="/OpenAction << /S /JavaScript /JS (app.alert\\(1\\); while\\(true\\);) >>")
    assert said(ask(pipeline, active))["summary"]["redacted_pages"] == [1]


def test_a_page_of_enormous_size_is_rendered_small(pipeline):
    huge = pdf([BAR], page="/UserUnit 75000 /MediaBox [0 0 14400 14400]")
    assert said(ask(pipeline, huge))["summary"]["pages_read"] == 1


def test_a_document_with_questions_is_refused_before_it_is_read(pipeline, monkeypatch):
    def unread(*_):
        pytest.fail("a document was read")

    monkeypatch.setattr("vqaserve.tasks.document_redaction_detection.read_document", unread)
    (reply,) = pipeline.answer([Request("r", {"image": pdf([BAR]), "questions": '["where", "how many"]'})])
    assert reply.status == 422
    assert "question" in json.loads(reply.body)["message"]
