"""Forms in every spelling that the standards allow; what TorchServe cannot read goes to the worker as bytes."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.support.gateways import ANSWER, answer_of, check_error
from tests.support.pictures import as_base64, encoded

MULTIPART = "multipart/form-data; boundary=X"
IMAGE = b'Content-Disposition: form-data; name="image"; filename="red.png"'
QUESTION = b'Content-Disposition: form-data; name="question"'
END = b"\r\n"


def form(image: bytes = IMAGE, question: bytes = QUESTION, end: bytes = END, file: bytes | None = None) -> bytes:
    """A form with boundary X, from the headers of its two parts."""
    picture = encoded() if file is None else file
    parts = (b"--X", image, b"", picture, b"--X", question, b"", b"what?", b"--X--", b"")
    return end.join(parts)


def send(client: httpx.Client, body: bytes, kind: str = MULTIPART, **headers: str) -> httpx.Response:
    return client.post("/predictions/dummy", content=body, headers={"Content-Type": kind, **headers})


@pytest.mark.parametrize(
    "kind",
    [
        MULTIPART,
        "Multipart/Form-Data; boundary=X",
        "MULTIPART/FORM-DATA;BOUNDARY=X",
        'multipart/form-data; Boundary="X"',
        "multipart/form-data ;  boundary=X",
        "multipart/form-data; charset=utf-8; boundary=X",
        "multipart/form-data; boundary=X; charset=UTF-8",
        'multipart/form-data; profile="a;b"; boundary=X',
    ],
)
def test_a_media_type_is_read_by_its_grammar(client: httpx.Client, kind: str):
    assert answer_of(send(client, form(), kind)) == ANSWER


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" + form(),
        b"\n\n" + form(),
        b"This is a message in MIME format.\r\n" + form(),
        form() + b"an epilogue",
        form().replace(b"--X\r\n", b"--X \t\r\n"),
        form(end=b"\n"),
        form(IMAGE.replace(b'"image"', b"image")),
        form(IMAGE.lower()),
        form(b"Content-Type: image/png\r\n" + IMAGE + b"\r\nContent-Length: 1"),
        form(IMAGE + b"; filename*=utf-8''r%C3%B6t.png"),
        form(IMAGE.replace(b"red.png", "röt.png".encode())),
        form(IMAGE + b"\r\nContent-Transfer-Encoding: base64", file=as_base64(encoded()).encode()),
        form(IMAGE + b"\r\nX-Long: " + b"a" * 5000),
    ],
)
def test_a_form_is_read_by_its_grammar(client: httpx.Client, body: bytes):
    assert answer_of(send(client, body)) == ANSWER


def test_a_boundary_may_hold_blanks_in_quotes(client: httpx.Client):
    body = form().replace(b"--X", b"--a b")
    assert answer_of(send(client, body, 'multipart/form-data; boundary="a b"')) == ANSWER


def test_a_form_may_come_in_chunks(client: httpx.Client):
    def chunks() -> Iterator[bytes]:
        body = form()
        yield from (body[at : at + 40] for at in range(0, len(body), 40))

    reply = client.post("/predictions/dummy", content=chunks(), headers={"Content-Type": MULTIPART})
    assert answer_of(reply) == ANSWER


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)])
def test_a_form_may_be_compressed(client: httpx.Client, coding: str, pack: Callable[[bytes], bytes]):
    assert answer_of(send(client, pack(form()), **{"Content-Encoding": coding})) == ANSWER


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;a=b",
    ],
)
def test_a_url_encoded_form_is_read_by_its_grammar(client: httpx.Client, kind: str):
    body = str(httpx.QueryParams({"image": as_base64(encoded()), "question": "what?"})).encode()
    assert answer_of(send(client, body, kind)) == ANSWER


@pytest.mark.parametrize(
    ("body", "kind", "name"),
    [
        (form().replace(b"--X--", b"--X\r\n" + QUESTION + b"\r\n\r\nwhere?\r\n--X--"), MULTIPART, "question"),
        (form().replace(b"--X--", b"--X\r\n" + IMAGE + b"\r\n\r\n1\r\n--X--"), MULTIPART, "image"),
        (b"\r\n" + form().replace(b"--X--", b"--X\r\n" + IMAGE + b"\r\n\r\n1\r\n--X--"), MULTIPART, "image"),
        (b"image=1&question=a&question=b", "application/x-www-form-urlencoded", "question"),
        (b"image=1&question=a&question=b", "application/x-www-form-urlencoded; a=b", "question"),
    ],
)
def test_a_field_that_came_twice_is_400_and_named(client: httpx.Client, body: bytes, kind: str, name: str):
    reply = send(client, body, kind)
    assert check_error(reply, 400) == "BadRequest"
    assert f"'{name}'" in reply.json()["message"]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("multipart/form-data; boundary=X", '--X\r\nContent-Disposition: form-data; name="{}"\r\n\r\n1\r\n'),
        ('Multipart/Form-Data;charset=UTF-8; boundary="X"', '--X\nContent-Disposition: form-data; name="{}"\n\n1\n'),
        ("application/x-www-form-urlencoded", "{}=1&"),
        ("application/x-www-form-urlencoded; x=multipart", "{}=1&"),
        ("Application/X-WWW-Form-URLEncoded;boundary=X; multipart/form-data", "{}=1&"),
    ],
)
@pytest.mark.parametrize("fields", [200, 50_000], ids=["in memory", "in a file"])
def test_a_form_of_very_many_fields_is_400_and_reaches_no_worker(
    client: httpx.Client, kind: str, field: str, fields: int
):
    body = "".join(field.format(n) for n in range(fields)) + ("--X--\r\n" if "X" in kind else "")
    reply = client.post("/predictions/dummy", content=body.encode(), headers={"Content-Type": kind})
    assert check_error(reply, 400) == "BadRequest"
    assert "fields" in reply.json()["message"]


PART = '--{}\r\nContent-Disposition: form-data; name="{}"\r\n\r\n1\r\n'
MIXED = (
    '--X\r\nContent-Disposition: form-data; name="question"\r\nContent-Type: Multipart/Mixed; boundary=Y\r\n\r\n'
    + "--Y\r\nContent-Disposition: attachment; filename=f\r\n\r\n1\r\n" * 200
    + "--Y--\r\n--X--\r\n"
).encode()


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ('multipart/form-data; boundary="Y"; boundary=X', PART.format("X", "a").encode(), "boundary 'Y'"),
        ("multipart/form-data; boundary=X; charset=utf-16", PART.format("X", "a").encode("utf-16"), "boundary 'X'"),
        ("multipart/form-data; boundary=", b"--\r\n\r\n1\r\n", "has no boundary"),
        ("multipart/form-data", PART.format("X", "a").encode(), "has no boundary"),
        ("multipart/related; boundary=X", PART.format("X", "a").encode(), "send multipart/form-data"),
        (MULTIPART, b" \n\n" + MIXED, "multipart/mixed itself"),
        (MULTIPART, MIXED, "multipart/mixed itself"),
        (MULTIPART, PART.format("X", "a").encode(), "is cut off"),
    ],
)
def test_a_form_that_cannot_be_read_is_400_with_the_reason(client: httpx.Client, kind: str, body: bytes, reason: str):
    reply = send(client, body, kind)
    assert check_error(reply, 400) == "BadRequest"
    assert reason in reply.json()["message"]


def test_a_picture_whose_bytes_look_like_boundaries_passes(client: httpx.Client):
    file = BytesIO()
    Image.new("RGB", (200, 200), (45, 45, 10)).save(file, "BMP")
    assert file.getvalue().count(b"\n--") > 10_000
    reply = client.post("/predictions/dummy", data={"question": "what?"}, files={"image": file.getvalue()})
    assert reply.status_code == 200, reply.text


def test_a_form_of_a_hundred_fields_reaches_the_model(client: httpx.Client):
    form = {"question": "what?", **{f"field-{number}": "1" for number in range(98)}}
    reply = client.post("/predictions/dummy", data=form, files={"image": encoded()})
    assert "unknown field 'field-0'" in reply.json()["message"]


def test_a_large_picture_in_a_form_passes_and_is_answered(client: httpx.Client):
    noise = random.Random(0).randbytes(3 * 640 * 640)
    file = BytesIO()
    Image.frombytes("RGB", (640, 640), noise).save(file, "PNG")
    assert len(file.getvalue()) > 1_000_000  # over what nginx keeps in memory
    reply = client.post("/predictions/dummy", data={"question": "what?"}, files={"image": file.getvalue()})
    assert reply.status_code == 200, reply.text
