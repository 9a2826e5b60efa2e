"""Names what came in place of a picture, if it is a text that clients send by mistake."""

from __future__ import annotations

import re

_LONGEST_PATH = 1024
_SHOWN = 60
_CURL = "send the file itself: curl -F image=@photo.jpg, or its base64"

_NOTHING = frozenset({"undefined", "null", "none", "nil", "nan", "true", "false"})
"""What a variable that holds no file becomes as text; some of them are base64 by chance."""

_OBJECT = re.compile(r"\[object [A-Za-z]+\]|<[^<>]+ (?:object )?at 0x[0-9a-fA-F]+>|<(?:_io\.|PIL\.|FileStorage)[^<>]*>")
"""How JavaScript and Python write an object that was turned into text."""

_PYTHON_BYTES = re.compile(r"b(['\"])\1")  # the beginning and the end
_TAGS = ("<!doctype", "<html", "<head", "<body", "<script", "<svg", "<?xml", "<error", "<!--")
_CONTROL = re.compile("[\0-\x08\x0e-\x1f]")  # of files, not of text
_ENDING = r"\.(?:jpe?g|jfif|png|apng|webp|gif|bmp|tiff?|heic|heif|avif|jxl|jp2|svg|ico|pdf|dng|txt|b64|mp4|mov)"
_FILE_NAME = re.compile(rf"@?[^\r\n<>{{}}]*{_ENDING}", re.IGNORECASE)
_PATH = re.compile(r"(?:@|\.{1,2}/|~/|[A-Za-z]:[\\/]|\\\\)[^\r\n<>{}]+|/(?!9j/)[\w .\-]+(?:/[\w .\-]+)+")
"""A path; the base64 of a JPEG begins with ``/9j/``."""

_ADDRESS = re.compile(r"(?://|www\.)[^\s/]+/\S*|[\w\-]+(?:\.[\w\-]+)*\.[a-z]{2,6}/\S+", re.IGNORECASE)


def name_mistake(text: str) -> str | None:
    """What a text is that came in place of a picture, and what to send; None if it is none of the common mistakes.

    Args:
        text: The text, or its beginning.
    """
    text = text.strip().strip("\ufeff")
    if _CONTROL.search(text[:_SHOWN]):
        return None
    if _PYTHON_BYTES.match(text[:2] + text[-1:]):
        return "bytes as Python's repr writes them (b'...'); send base64.b64encode(data).decode()"
    text = text.strip("\"'").strip()
    shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
    is_short = len(text) <= _LONGEST_PATH
    if text.lower() in _NOTHING:
        return (
            f"the word {shown}, as a program writes a variable that holds no file; send the file's bytes or its base64"
        )
    if is_short and _OBJECT.fullmatch(text):
        return f"{shown}, as a program writes an object as text; send the file's bytes or its base64"
    if text[:5].lower() == "blob:":
        return f"{shown}, an address within one browser; send the file itself or its base64"
    if is_short and _ADDRESS.fullmatch(text):
        return f"the address {shown} without https://; send the file itself, or the whole address as 'image_url'"
    if is_short and (_FILE_NAME.fullmatch(text) or _PATH.fullmatch(text)):
        return f"a file's name, {shown}, not the file; {_CURL}"
    return _markup(text)


def _markup(text: str) -> str | None:
    head = text[:1024].lower()
    if head.startswith(_TAGS):
        kind = "an SVG drawing" if "<svg" in head else "an XML document" if head.startswith("<?xml") else "a web page"
        return f"{kind}, as a text; send a picture file or its base64"
    if re.match(r'\{\s*["}]|\[\s*[\[{"\d\-\]]', head):
        return "JSON text, not a file; send the file's bytes or its base64 as one string"
    return None
