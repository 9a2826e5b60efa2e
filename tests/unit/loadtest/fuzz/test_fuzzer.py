from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from io import BytesIO
from itertools import islice

import httpx
import pytest
from PIL import Image

from loadtest.fuzz.damaged_files import damaged_files
from loadtest.fuzz.document_files import document_files
from loadtest.fuzz.encoded_bodies import CODINGS, encoded_bodies
from loadtest.fuzz.fuzzer import FuzzResult, classify, fuzz_cases
from loadtest.fuzz.json_bodies import damaged_bodies, data_uris
from loadtest.fuzz.picture_files import METADATA_BYTES, picture_files
from loadtest.fuzz.target import Target
from vqaserve.documents.limits import DocumentLimits
from vqaserve.documents.reading import read_document
from vqaserve.picture_formats import FORMATS

QUESTIONS = Target.reading({"question"})


def test_the_pictures_cover_every_format_and_unusual_depths():
    opened = [Image.open(BytesIO(file)) for file in picture_files()]
    assert {image.format for image in opened} == set(FORMATS)
    assert {image.mode for image in opened} >= {"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "LAB"}
    assert max(image.width for image in opened) == 4000
    assert max(map(len, picture_files())) > METADATA_BYTES


def test_the_kind_of_model_decides_what_is_sent_beside_the_picture():
    fields = [Target.reading(read).fields.keys() for read in ({"question"}, {"labels", "top_k"}, {"pages"}, {"top_k"})]
    assert [list(names) for names in fields] == [["question"], ["labels"], ["pages"], []]


def test_a_model_of_documents_gets_documents_too():
    assert set(document_files()) < set(Target.reading({"pages"}).files)
    assert not set(document_files()) & set(QUESTIONS.files)


def test_every_document_can_be_read():
    limits = DocumentLimits(max_image_bytes=10**8, max_pages=4, max_document_seconds=60)
    for file in document_files():
        assert read_document(file, "1", limits)


def test_the_same_seed_sends_the_same_requests_and_another_seed_others():
    def contents(seed: int) -> list[bytes]:  # without forms, whose boundaries are random
        cases = islice(fuzz_cases(seed, 0, QUESTIONS), 40)
        return [case.content for case in cases if not case.content.startswith(b"--")]

    assert contents(1) == contents(1) != contents(2)
    files = [list(islice(damaged_files(1, QUESTIONS.files, 0), 20)) for _ in range(2)]
    assert files[0] == files[1]


def test_of_twenty_requests_one_is_json_and_two_have_an_unusual_encoding():
    kinds = [case.headers.get("Content-Type", "").partition(";")[0] for case in islice(fuzz_cases(3, 0, QUESTIONS), 18)]
    assert kinds == ["multipart/form-data"] * 17 + ["application/json"]


def test_undamaged_pictures_are_all_different():
    files = list(islice(damaged_files(0, QUESTIONS.files, whole=1), 300))
    assert len(set(files)) == 300
    assert all(Image.open(BytesIO(file)).format == "PNG" for file in files[:5])


def test_json_bodies_hold_faults_and_data_uris():
    bodies = islice(damaged_bodies(0, QUESTIONS), 60)
    assert any(b'"data:' in body for body in bodies)
    assert any(b'"questions"' in body for body in bodies)
    assert len(set(data_uris(b"\xfb\xff" * 30))) == len(data_uris(b"\xfb\xff" * 30))


def test_codings_compress_a_body_rightly_and_wrongly():
    content = b"content" * 9
    assert [encode(content) for name, encode in CODINGS if name == "identity"] == [content]
    right = [encode(content) for name, encode in CODINGS if name in ("gzip", "deflate")]
    assert gzip.decompress(right[0]) == zlib.decompress(right[1]) == content
    assert content in right  # declared as gzip, and not compressed


def test_unusual_encodings_are_good_bodies_under_other_headers():
    bodies = list(islice(encoded_bodies(0, QUESTIONS), 60))
    assert any("Content-Encoding" in body.headers for body in bodies)
    assert any(json.loads(body.content)["question"] == "what?" for body in bodies if body.content.startswith(b"{"))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"answer": "red"}, "200"),
        (200, [{"answer": "red"}], "200"),
        (200, {"label": "red"}, "200"),
        (200, {}, "wrong: 200 None"),
        (422, {"code": 422, "type": "InvalidImage", "message": ""}, "422 InvalidImage"),
        (400, {"code": 400, "type": "BadRequest", "message": "", "error": ""}, "400 BadRequest"),
        (404, {"detail": "not ours"}, "wrong: 404 None"),
        (400, ["not ours"], "wrong: 400 ['not ours']"),
        (500, {"code": 500, "type": "InternalServerException", "message": ""}, "wrong: 500 InternalServerException"),
        (503, {"code": 503, "type": "ServiceUnavailable", "message": ""}, "wrong: 503 ServiceUnavailable"),
    ],
)
def test_only_answers_and_refusals_with_our_body_are_right(status: int, body: object, kind: str):
    assert classify(httpx.Response(status, json=body)) == kind


def test_a_page_of_html_is_wrong():
    assert classify(httpx.Response(400, text="<html>")) == "wrong: 400 is not JSON"


def test_growth_is_that_of_the_second_half_since_caches_fill_in_the_first():
    result = FuzzResult(Counter(), [], False, (500, 600, 700, 800, 900, 1000, 1010, 1100, 1040, 1030, 1020))
    assert result.growth == pytest.approx(0.02)
