"""How long a document takes to be searched for redactions: over HTTP, and in each of its stages."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import pypdfium2
import typer
from numpy.random import default_rng
from PIL import Image
from rich.progress import track

from loadtest.report_tables import describe_machine, markdown_table
from vqaops.building.build import build
from vqaops.console import new_console, one_line_errors
from vqaops.documents.asking import find_redactions
from vqaops.paths import RECIPES
from vqaops.server.own_server import own_server, wait_for_all_workers
from vqaops.training.redactions.samples import draw_sample
from vqaserve.documents.limits import DocumentLimits
from vqaserve.documents.reading import read_document
from vqaserve.documents.rendering import hidden_characters, rendered, to_png
from vqaserve.families.redactions import Redactions
from vqaserve.families.redactions.skew import Upright
from vqaserve.settings import ModelConfig

_SHORT, _LONG = 5, 100
"""Pages of the two documents."""

_BARS = {_SHORT: 2.0, _LONG: 25.0}
"""Seconds that they may take on two cores."""


def main(
    document: Annotated[
        Path | None,
        typer.Option(exists=True, help="A PDF with at least 5 pages. Default: scanned letters, drawn here."),
    ] = None,
    recipe: Annotated[Path, typer.Option(help="Recipe folder.")] = RECIPES / "redactions",
    rounds: Annotated[int, typer.Option(min=1, help="How often each document is sent.")] = 3,
) -> None:
    """Time 5 and 100 pages over HTTP, alone on the server, and the CPU time of each stage; print both as Markdown.

    Pages that a document does not have are repeated. Every page is new to the server: nothing is answered from a cache.

    Example: python -m loadtest.documents --document policy.pdf
    """
    console = new_console()
    with one_line_errors("documents"):
        source = pypdfium2.PdfDocument(document) if document else _letters(_SHORT)
        console.print(f"{describe_machine()}\n", markup=False)
        console.print(markdown_table(("stage", "CPU ms of a page"), list(_stage_rows(recipe, source)), 1), markup=False)
        console.print()
        rows = list(_served(recipe, source, rounds))
        console.print(markdown_table(("document", "seconds", "bar", ""), rows, 1), markup=False)


def _letters(count: int) -> pypdfium2.PdfDocument:
    """Typed pages with redactions, as scans at 150 dpi."""
    pages = [Image.fromarray(draw_sample(None, default_rng([7, number])).page) for number in range(count)]
    file = BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:], resolution=150)
    return pypdfium2.PdfDocument(file.getvalue())


def _repeated(source: pypdfium2.PdfDocument, count: int, mark: int) -> bytes:
    """A document of so many pages, whose pictures differ from those of another mark by a dot in the margin."""
    copy = pypdfium2.PdfDocument.new()
    copy.import_pages(source, [number % len(source) for number in range(count)])  # at once: pictures are copied once
    for number in range(count):
        dot = pypdfium2.raw.FPDFPageObj_CreateNewRect(2 + mark, 2 + 0.2 * number, 0.8, 0.8)
        pypdfium2.raw.FPDFPageObj_SetFillColor(dot, 180, 180, 180, 255)
        pypdfium2.raw.FPDFPath_SetDrawMode(dot, pypdfium2.raw.FPDF_FILLMODE_ALTERNATE, False)
        page = copy[number]
        pypdfium2.raw.FPDFPage_InsertObject(page, dot)
        page.gen_content()
        page.close()
    file = BytesIO()
    copy.save(file)
    return file.getvalue()


def _stage_rows(recipe: Path, source: pypdfium2.PdfDocument) -> Iterator[tuple[str, str]]:
    """The mean CPU milliseconds of each stage for a page, in one thread as in a worker; the first page warms up."""
    family = Redactions.load(recipe, ModelConfig.read(recipe / "model-config.yaml").handler)
    spent: dict[str, list[float]] = defaultdict(list)

    def timed(stage: str, step: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = step()
        spent[stage].append(1000 * (time.process_time() - start))
        return result

    for number in track([0, *range(min(20, len(source)))], "stages", console=new_console(stderr=True), transient=True):
        page = source[number]
        grey = timed("reader: render at 150 dpi", lambda: rendered(page))  # noqa: B023 - called at once
        timed("reader: look for hidden characters", lambda: hidden_characters(page, np.asarray(grey)))  # noqa: B023
        picture = timed("reader: write PNG", lambda: to_png(grey))  # noqa: B023
        timed("worker: read PNG", lambda: Image.open(BytesIO(picture)).load())  # noqa: B023
        upright = timed("worker: turn upright", lambda: Upright.of(grey)).page  # noqa: B023
        cells = timed("worker: first network", lambda: family.cells(upright))  # noqa: B023
        outlines = timed("worker: boxes and plain rectangles", lambda: family.boxes_of(upright, cells))  # noqa: B023
        timed("worker: second network", lambda: family.judged(upright, outlines))  # noqa: B023
    for stage, values in spent.items():
        yield stage, f"{sum(values[1:]) / len(values[1:]):.1f}"
    yield "sum", f"{sum(sum(values[1:]) / len(values[1:]) for values in spent.values()):.1f}"
    yield "start of a reader, ms for each request", f"{_start_ms():.0f}"


def _start_ms() -> float:
    """Wall-clock milliseconds for a document of one small picture: nearly all of it is the start of the process."""
    file = BytesIO()
    Image.new("L", (32, 32), 255).save(file, "PNG")
    limits, taken = DocumentLimits(10**6, 16, 6), []
    for _ in range(5):
        start = time.monotonic()
        read_document(file.getvalue(), "", limits)
        taken.append(1000 * (time.monotonic() - start))
    return median(taken)


def _served(recipe: Path, source: pypdfium2.PdfDocument, rounds: int) -> Iterator[tuple[str, str, str, str]]:
    """The median of the seconds from the first byte to the last reply."""
    with tempfile.TemporaryDirectory(prefix="vqa-", dir="/tmp") as folder:
        archive = build(recipe, Path(folder) / "store")
        with own_server([archive], Path(folder) / "run") as server:
            wait_for_all_workers(server, [archive])
            find_redactions(server.client, archive.name, _repeated(source, 2 * _SHORT, rounds))  # warms up both workers
            for count, bar in _BARS.items():
                taken = []
                for number in range(rounds):
                    document, start = _repeated(source, count, number), time.monotonic()
                    find_redactions(server.client, archive.name, document)
                    taken.append(time.monotonic() - start)
                verdict = "pass" if median(taken) < bar else "missed"
                yield f"{count} pages", f"{median(taken):.2f}", f"< {bar:g}", verdict


if __name__ == "__main__":
    typer.run(main)
