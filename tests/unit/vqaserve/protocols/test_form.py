"""Forms as clients of many languages write them: read by the grammar, and refused in words where they break it."""

from __future__ import annotations

import base64
import json

import pytest

from vqaserve.errors import BadRequest
from vqaserve.protocols.form import guess_boundary, read_multipart, read_url_encoded
from vqaserve.protocols.media_type import MediaType

FILE = b"\x89PNG\r\n\x1a\n--b\n\r\n--bcd\r\n\x00\xff--b--"
"""A file with line ends and text like the boundary in it."""

QUESTION = 'Content-Disposition: form-data; name="question"'
IMAGE = 'Content-Disposition: form-data; name="image"; filename="a.png"'
BOTH = {"question": b"what?", "image": FILE}


def part(head: str | bytes, content: bytes = b"what?", end: bytes = b"\r\n") -> bytes:
    head = head.encode() if isinstance(head, str) else head
    return b"--cases" + end + head + end + end + content + end


def form(*parts: bytes, end: bytes = b"--cases--\r\n") -> bytes:
    return b"".join(parts) + end


def read(body: bytes, boundary: str | None = "cases") -> dict[str, object]:
    return read_multipart(body, MediaType("multipart/form-data", boundary))


PLAIN = form(part(QUESTION), part(IMAGE, FILE))


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        b"\r\n" + PLAIN,
        b"This is a message of several parts.\r\n\r\n" + PLAIN,
        PLAIN + b"nothing of interest\r\n--cases\r\nnor this",
        PLAIN.rstrip(),
        PLAIN.replace(b"--cases\r\n", b"--cases \t \r\n"),
        form(part(QUESTION), part(IMAGE, FILE), end=b"--cases-- \t"),
        form(part(QUESTION, end=b"\n"), part(IMAGE, FILE, end=b"\n"), end=b"--cases--\n"),
        form(part("CONTENT-DISPOSITION:FORM-DATA;NAME=question"), part(IMAGE.upper().replace("IMAGE", "image"), FILE)),
        form(part(QUESTION), part('Content-Type: image/png\r\nContent-Disposition: form-data;\r\n name="image"', FILE)),
        form(part(QUESTION), part(IMAGE.replace("a.png", "my;photo=1, it's.png"), FILE)),
        form(part(QUESTION), part(IMAGE.replace("a.png", 'a\\"b.png'), FILE)),
        form(part(QUESTION), part(IMAGE.replace("a.png", "größe 照片.png"), FILE)),
        form(part(QUESTION), part(IMAGE.replace("a.png", "größe.png").encode("latin-1"), FILE)),
        form(part(QUESTION), part(IMAGE + "; filename*=UTF-8''%E7%85%A7.png", FILE)),
        form(part(QUESTION), part(IMAGE + "; filename*=\"UTF-8''%E7%85%A7.png\"", FILE)),
        form(part(QUESTION), part("Content-Disposition: form-data; name*=UTF-8''%69mage; filename=a.png", FILE)),
        form(part(QUESTION), part(IMAGE + "\r\nContent-Type: application/json", FILE)),
        form(part(QUESTION), part(IMAGE + "\r\nContent-Length: 12\r\nX-Other: x", FILE)),
        form(part(QUESTION), part(IMAGE + "\r\nContent-Transfer-Encoding: Binary", FILE)),
        form(part(QUESTION), part(IMAGE + "\r\nContent-Transfer-Encoding: base64", base64.encodebytes(FILE))),
    ],
)
def test_a_well_formed_form_is_read_however_its_client_spells_it(body: bytes):
    assert read(body) == BOTH


@pytest.mark.parametrize(
    ("head", "content", "value"),
    [
        (QUESTION + "\r\nContent-Type: text/plain; charset=ISO-8859-1", "größe?".encode("latin-1"), "größe?"),
        (QUESTION + '\r\nContent-Type: text/plain; Charset="UTF-16"', "größe?".encode("utf-16"), "größe?"),
        (QUESTION + "\r\nContent-Type: text/plain; charset=gb18030", "颜色?".encode("gb18030"), "颜色?"),
        (QUESTION + "\r\nContent-Transfer-Encoding: quoted-printable", b"what=3F", b"what?"),
        (QUESTION + "\r\nContent-Type: application/json", json.dumps("größe?").encode(), "größe?"),
        (QUESTION + "\r\nContent-Type: application/json", b'["a", "b"]', ["a", "b"]),
        (QUESTION, b"", b""),
        (QUESTION, b"\r\nwhat?\r\n", b"\r\nwhat?\r\n"),
    ],
)
def test_a_value_is_decoded_as_its_part_says(head: str, content: bytes, value: object):
    assert read(form(part(head, content))) == {"question": value}


def test_a_field_can_name_the_charset_of_the_forms_text():
    charset = part('Content-Disposition: form-data; name="_charset_"', b"windows-1252")
    body = form(charset, part(QUESTION, b"gr\xf6\xdfe?"), part(IMAGE, FILE))
    assert read(body) == {"question": "größe?", "image": FILE}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (form(part(QUESTION), part(QUESTION)), "more than one value for the field 'question'"),
        (form(part(IMAGE, FILE), part(IMAGE, FILE)), "more than one value for the field 'image'"),
        (PLAIN[:-30], "the form is cut off"),
        (form(part(QUESTION), end=b""), "the form is cut off"),
        (b"", "does not contain the boundary 'cases'"),
        (PLAIN.replace(b"--cases", b"--other"), "does not contain the boundary 'cases'"),
        (form(part("Content-Disposition: form-data")), "a part of the form has no name"),
        (form(part('Content-Disposition: form-data; name=""')), "a part of the form has no name"),
        (form(part("Content-Type: image/png", FILE)), "a part of the form has no name"),
        (form(b"--cases\r\n\r\nwhat?\r\n"), "has no headers"),
        (form(part(QUESTION + "\r\nX-Long: " + "x" * 9000)), "more than 8,192 bytes of them"),
        (form(part(QUESTION + "\r\nContent-Type: multipart/mixed; boundary=x")), "is multipart/mixed itself"),
        (form(part(QUESTION + "\r\nContent-Transfer-Encoding: uuencode")), "Content-Transfer-Encoding 'uuencode'"),
        (form(part(QUESTION + "\r\nContent-Transfer-Encoding: base64", b"***")), "'question' is not base64"),
        (form(part(QUESTION + "\r\nContent-Type: text/plain; charset=utf-8", b"\xff")), "'question' is not UTF-8"),
        (form(part(QUESTION + "\r\nContent-Type: text/plain; charset=zip")), "charset 'zip', which is not supported"),
        (form(*(part(QUESTION.replace("question", f"q{n}")) for n in range(101))), "more than 100 fields"),
        (b"\n--casesX" * 20_000, "boundary occurs too often"),
    ],
)
def test_a_form_that_is_not_well_formed_is_refused_with_what_is_wrong(body: bytes, message: str):
    with pytest.raises(BadRequest, match=message):
        read(body)


@pytest.mark.parametrize("boundary", [None, ""])
def test_a_missing_boundary_is_refused_with_the_one_in_the_body(boundary: str | None):
    with pytest.raises(BadRequest, match=r"has no boundary; .* boundary=cases"):
        read(PLAIN, boundary)


@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (PLAIN, "cases"),
        (b"\r\n" + PLAIN, "cases"),
        (PLAIN.replace(b"\r\n", b"\n"), "cases"),
        (b"----WebKitFormBoundary7MA4\r\ncontent-type: text/plain\r\n\r\nx", "--WebKitFormBoundary7MA4"),
        (b"--- a list\r\n- of things", ""),
        (FILE, ""),
        (b"", ""),
    ],
)
def test_a_body_that_looks_like_a_form_gives_its_boundary(body: bytes, boundary: str):
    assert guess_boundary(body) == boundary


@pytest.mark.parametrize(
    ("body", "charset", "fields"),
    [
        (b"question=what%3F&top_k=3", "", {"question": "what?", "top_k": "3"}),
        (b"question=gr%C3%B6%C3%9Fe+%2B+1", "", {"question": "größe + 1"}),
        (b"question=gr%F6%DFe", "iso-8859-1", {"question": "größe"}),
        (b"question=&top_k=", "", {"question": "", "top_k": ""}),
        (b"image=data%3Aimage%2Fpng%3Bbase64%2CAA%2B%2F", "", {"image": "data:image/png;base64,AA+/"}),
    ],
)
def test_an_url_encoded_form_is_read(body: bytes, charset: str, fields: dict):
    assert read_url_encoded(body, MediaType("application/x-www-form-urlencoded", charset=charset)) == fields


@pytest.mark.parametrize(
    ("body", "charset", "message"),
    [
        (b"question=a&question=b", "", "more than one value for the field 'question'"),
        (b"question=%FF", "", "cannot be read: .*utf-8"),
        (b"question=a", "klingon", "charset 'klingon', which is not supported"),
        (b"&".join(b"a%d=1" % number for number in range(200)), "", "more than 100 fields"),
        ("question=größe".encode("latin-1"), "", "cannot be read"),
    ],
)
def test_an_url_encoded_form_that_cannot_be_read_is_refused(body: bytes, charset: str, message: str):
    with pytest.raises(BadRequest, match=message):
        read_url_encoded(body, MediaType("application/x-www-form-urlencoded", charset=charset))


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "a\0b"])
def test_a_name_in_a_codec_of_pythons_that_is_no_charset_is_refused(charset: str):
    with pytest.raises(BadRequest, match="'name' of content-disposition cannot be decoded"):
        read(form(part(f"Content-Disposition: form-data; name*={charset}''que%FFstion")))


def test_a_name_whose_part_has_a_number_of_thousands_of_digits_is_refused():
    with pytest.raises(BadRequest, match="'name' of content-disposition cannot be decoded"):
        read(form(part(f"Content-Disposition: form-data; name*{'9' * 5000}=question")))


def test_the_json_fields_of_a_form_have_together_as_many_values_as_a_body():
    head = 'Content-Disposition: form-data; name="f{}"\r\nContent-Type: application/json{}'
    packed = "\r\nContent-Transfer-Encoding: base64"
    values = b"[" + b"[]," * 20_000 + b"1]"
    for more, content in (("", values), (packed, base64.b64encode(values))):
        few = [part(head.format(number, more), content) for number in range(2)]
        assert len(read(form(*few))) == 2
        many = [part(head.format(number, more), content) for number in range(3)]
        with pytest.raises(BadRequest, match="JSON fields hold more than 100,000 values"):
            read(form(*many))


def test_pictures_that_are_declared_as_json_are_no_values():
    picture = b"\x89PNG\r\n\x1a\n" + b",[{" * 50_000
    head = 'Content-Disposition: form-data; name="f{}"\r\nContent-Type: application/json'
    assert read(form(*(part(head.format(number), picture) for number in range(2))))["f1"] == picture
