"""PDF documents that are made to harm what reads them; each is small to send."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from loadtest.fuzz.document_files import pdf_file, pdf_stream

_BAR = b"0 g 90 694 240 20 re f"
_TREE = "<< /Type /Pages /Kids [4 0 R] /Count 1 >>"


def hostile_documents() -> Iterator[tuple[str, bytes]]:
    """Yield the name of an attack and its document."""
    yield from _active()
    yield from _endless()
    yield from _bombs()
    yield from _broken()


def _active() -> Iterator[tuple[str, bytes]]:
    """What would run, fetch or hand out something."""
    script = "<< /S /JavaScript /JS (while\\(true\\){}; app.launchURL\\('http://127.0.0.1/'\\)) >>"
    yield (
        "script that runs for ever",
        _pdf(catalog=f"/OpenAction {script} /AA << /WC {script} >>", page=f"/AA << /O {script} >>"),
    )
    launch = "<< /S /Launch /F (/bin/sh) >>"
    yield "action that starts a program", _pdf(catalog=f"/OpenAction {launch}")
    file = _stream(b"MZ" + bytes(1000), "/Type /EmbeddedFile")
    names = "/Names << /EmbeddedFiles << /Names [(a.exe) << /Type /Filespec /F (a.exe) /EF << /F 6 0 R >> >>] >> >>"
    yield "embedded program", _pdf(catalog=names, more=[file])
    outside = "<< /Type /XObject /Subtype /Image /Width 9 /Height 9 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    outside += " /F (/etc/passwd) /Length 0 >>\nstream\n\nendstream"
    yield "picture in another file", _pdf(b"9 0 0 9 0 0 cm /X Do", more=[outside], resources="/XObject << /X 6 0 R >>")
    form = "/AcroForm << /XFA 6 0 R /CO [7 0 R] /Fields [7 0 R] /NeedAppearances true >>"
    field = f"<< /FT /Tx /T (a) /Rect [9 9 90 90] /Subtype /Widget /AA << /C {script} /F {script} >> >>"
    yield "form with scripts", _pdf(catalog=form, page="/Annots [7 0 R]", more=[_stream(b"<xdp:xdp/>"), field])


def _endless() -> Iterator[tuple[str, bytes]]:
    """What refers to itself."""
    yield "page tree in itself", _pdf(tree="<< /Type /Pages /Kids [2 0 R 4 0 R 2 0 R] /Count 3 >>")
    yield "page that is its own parent", _pdf(page="/Parent 4 0 R")
    shape = "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /X {} 0 R >> >>"
    uses = "/XObject << /X 6 0 R >>"
    yield "drawing in itself", _pdf(b"/X Do", more=[_stream(_BAR + b" /X Do", shape.format(6))], resources=uses)
    levels = [_stream(b"/X Do " * 30, shape.format(7 + level)) for level in range(12)]
    yield "drawings of drawings, 30 to the power of 12", _pdf(b"/X Do", more=[*levels, _stream(_BAR)], resources=uses)
    tile = "/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep .01 /YStep .01"
    tile += " /Resources << /Pattern << /P 6 0 R >> >>"
    paint = b"/Pattern cs /P scn 0 0 612 792 re f"
    yield "pattern in itself", _pdf(paint, more=[_stream(paint, tile)], resources="/Pattern << /P 6 0 R >>")
    mask = "<< /Type /ExtGState /SMask << /S /Alpha /G 7 0 R >> >>"
    group = (
        "/Subtype /Form /BBox [0 0 612 792] /Group << /S /Transparency >> /Resources << /ExtGState << /S 6 0 R >> >>"
    )
    masked = b"/S gs " + _BAR
    yield "mask of itself", _pdf(masked, more=[mask, _stream(masked, group)], resources="/ExtGState << /S 6 0 R >>")
    letter = "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [1 0 0 1 0 0] /FirstChar 65 /LastChar 65"
    letter += " /Widths [9] /Encoding << /Differences [65 /A] >> /CharProcs << /A 7 0 R >>"
    letter += " /Resources << /Font << /T 6 0 R >> >> >>"
    text = b"BT /T 9 Tf (A) Tj ET"
    yield "letter in itself", _pdf(text, more=[letter, _stream(text)], resources="/Font << /T 6 0 R >>")
    look = _stream(_BAR, "/Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>")
    note = "/Annots [<< /Subtype /Stamp /Rect [9 9 99 99] /AP << /N 6 0 R >> >> 4 0 R 5 0 R 2 0 R]"
    yield "page that is a note on itself", _pdf(page=note, more=[look])
    yield (
        "stream as long as itself",
        _pdf(page="/Contents [5 0 R 5 0 R 4 0 R]", more=["<< /Length 6 0 R >>\nstream\nendstream"]),
    )
    whole = _pdf()
    start = whole.rindex(b"startxref")
    place = whole[start:].split()[1]
    table = whole[:start].replace(b"trailer\n<<", b"trailer\n<< /Prev " + place)
    yield "table that comes before itself", table + b"startxref\n" + place + b"\n%%EOF\n"
    yield (
        "objects in themselves",
        _pdf(more=[_stream(b"6 0 << /Type /ObjStm >>", "/Type /ObjStm /N 1 /First 4 /Extends 6 0 R")]),
    )


def _bombs() -> Iterator[tuple[str, bytes]]:
    """What is large."""
    yield "a billion pages", _pdf(tree="<< /Type /Pages /Kids [4 0 R] /Count 1000000000 >>")
    yield "a hundred thousand pages", _pdf(tree=f"<< /Type /Pages /Kids [{'4 0 R ' * 100_000}] /Count 100000 >>")
    twice = zlib.compress(zlib.compress(b"q 1 0 0 1 0 0 cm " * 1_000_000, 9), 9)
    yield "operators compressed to almost nothing", _pdf(twice, filters="/Filter [/FlateDecode /FlateDecode]")
    picture = "/Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
    picture += " /Filter [/FlateDecode /FlateDecode]"
    empty = zlib.compress(zlib.compress(bytes(20_000_000), 9), 9)
    shown = b"612 0 0 792 0 0 cm /X Do"
    yield "picture of 3.6 gigapixels", _pdf(shown, more=[_stream(empty, picture)], resources="/XObject << /X 6 0 R >>")
    yield "page of 381 kilometres", _pdf(page="/UserUnit 75000 /MediaBox [0 0 14400 14400]")
    yield "page without an end", _pdf(page="/MediaBox [-1e38 -1e38 1e38 1e38]")
    yield "page of a hair's breadth", _pdf(page="/MediaBox [0 0 0.0001 14400]")
    yield "dashes too many to count", _pdf(b"[.00001 .00001] 0 d 1 w 0 0 m 612 792 l S " * 20)
    yield "curves too many to draw", _pdf(b"0 0 m " + b"612 792 0 792 612 0 c 0 0 612 792 9 9 c " * 300_000 + b"f*")
    yield "states too many to keep", _pdf(b"q " * 3_000_000)
    yield "letters too many to read", _pdf(b"BT /F 1 Tf " + b"(" + b"a" * 4_000_000 + b") Tj ET")
    yield "lists a million deep", _pdf(page=f"/Annots {'[' * 1_000_000}")
    yield "a number of a million digits", _pdf(page=f"/Rotate {'9' * 1_000_000}")


def _broken() -> Iterator[tuple[str, bytes]]:
    """What is no document any more."""
    keys = f"/Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O <{'5a' * 32}> /U <{'a5' * 32}>"
    yield "password", _pdf().replace(b"trailer\n<<", f"trailer\n<< /Encrypt << {keys} >> /ID [<00> <00>]".encode())
    yield "unknown encryption", _pdf().replace(b"trailer\n<<", b"trailer\n<< /Encrypt << /Filter /Own /V 99 >>")
    yield "head alone", b"%PDF-1.7\n"
    yield "no pages", _pdf(tree="<< /Type /Pages /Kids [] /Count 0 >>")
    yield "fewer pages than none", _pdf(tree="<< /Type /Pages /Kids [4 0 R] /Count -5 >>")
    yield "pages that do not exist", _pdf(tree="<< /Type /Pages /Kids [98 0 R 99 0 R] /Count 2 >>")
    yield "no objects", _pdf()[:9] + _pdf()[-300:]
    yield "zeros", _pdf()[:400] + bytes(100_000)


def _pdf(
    content: bytes = _BAR,
    tree: str = _TREE,
    catalog: str = "",
    page: str = "",
    resources: str = "",
    filters: str = "",
    more: Sequence[bytes | str] = (),
) -> bytes:
    """A document whose objects are catalog, tree, font, page, content, and ``more`` from number 6 on."""
    fonts = "/Font << /F 3 0 R >>" if "/Font" not in resources else ""
    box = "/MediaBox [0 0 612 792]" if "/MediaBox" not in page else ""
    parent = "/Parent 2 0 R" if "/Parent" not in page else ""
    drawn = "/Contents 5 0 R" if "/Contents" not in page else ""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        tree,
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Type /Page {parent} {box} {drawn} /Resources << {fonts} {resources} >> {page} >>",
        _stream(content, filters),
        *more,
    ]
    return pdf_file([one.encode() if isinstance(one, str) else one for one in objects])


def _stream(content: bytes, entries: str = "") -> bytes:
    return pdf_stream(content, entries.encode())
