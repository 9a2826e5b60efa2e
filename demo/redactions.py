"""The tab "Redactions": a document comes in, and its redacted pages, their figures and a PDF of them come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from demo.asking import DOWN, NOT_SERVED, AskProblem, problems_for_people
from demo.examples import read_examples
from demo.people import QuestionLimit
from demo.rendering import problem_html, status_html
from demo.served import Served
from demo.settings import PageSettings
from vqaops.documents.asking import find_redactions
from vqaops.documents.drawing_process import draw_apart
from vqaops.documents.gallery import page_pictures
from vqaops.server.client import Client
from vqaops.server.retry import RetryPolicy
from vqaserve.documents.pages import REDACTED
from vqaserve.errors import InvalidImage

TASK = "document_redaction_detection"
SHOWN_PAGES = 50
NO_DOCUMENT = "Please choose a document first: a PDF, a TIFF or a picture of a page."
_FIGURES = ("page", "confidence", "boxes", "page covered", "content covered", "text under boxes")
_SCREEN = (1000, 1200)
"""Width and height at most of a page's picture, in pixels."""
_AT_ONCE = 2
"""Documents that are read at once; each costs seconds of the server's time."""


class Redactions:
    """Builds the tab and answers its events."""

    def __init__(self, settings: PageSettings, client: Client, served: Served, limit: QuestionLimit) -> None:
        self._most_bytes = settings.max_picture_bytes
        # Several pages take longer than a question.
        self._client = replace(client, retry=RetryPolicy())
        self._served = served
        self._limit = limit

    def build(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """The parts of the tab, which is shown if the server has a model that reads documents.

        Args:
            page: Loading it looks for such models.
            tab: The tab.
        """
        gr.Markdown(
            "Find what is blacked out in a document, and whether text still lies under a box. "
            "The page keeps no document for longer than an hour or so."
        )
        model = gr.Dropdown([], label="Model", elem_id="document-model", filterable=False)
        document = gr.File(label="Document: a PDF, a TIFF or a picture", elem_id="document", height=140)
        if samples := [[str(one.image)] for found in read_examples({TASK}).values() for one in found]:
            gr.Examples(samples, [document], label="Examples", elem_id="document-examples")
        find = gr.Button("Find redactions", elem_id="find", variant="primary")
        said = gr.HTML("", elem_id="found")
        with gr.Column(visible=False, elem_id="found-parts") as parts:
            pages = gr.Gallery(
                label="Redacted pages",
                show_label=False,
                elem_id="found-pages",
                columns=3,
                object_fit="contain",
                height="auto",
                buttons=["fullscreen"],
                interactive=False,
            )
            figures = gr.Dataframe(
                headers=list(_FIGURES),
                label="Figures of the redacted pages",
                elem_id="found-figures",
                interactive=False,
            )
            download = gr.DownloadButton("Download the redacted pages as a PDF", elem_id="found-pdf")
        find.click(
            self.find,
            [document, model],
            [said, parts, pages, figures, download],
            concurrency_limit=_AT_ONCE,
            show_progress_on=[said],
            api_visibility="private",
        )
        gr.on([page.load, tab.select], self.refresh, [model], [tab, model], api_visibility="private")

    def refresh(self, chosen: str | None) -> tuple[Any, Any]:
        """Show the tab if there is a model for it; the chosen one stays if it is served."""
        versions = [one for one in self._served.versions() if one.task == TASK]
        if not versions:
            return gr.Tab(visible=False), gr.Dropdown([], value=None)
        keys = [one.key for one in versions]
        value = chosen if chosen in keys else keys[0]
        choices = [(one.title, one.key) for one in versions]
        return gr.Tab(visible=True), gr.Dropdown(choices, value=value, visible=len(keys) > 1)

    def find(
        self,
        document: str | None,
        model: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio finds it by this default
    ) -> Iterator[tuple[Any, ...]]:
        """Read a document; yields the summary, whether more is shown, the pages, their figures and the PDF."""
        if problem := self._problem(document, model, request):
            yield _only(problem_html(problem))
            return
        data = Path(str(document)).read_bytes()
        progress((0, None), desc="Reading the document", unit="pages")
        try:
            with problems_for_people():
                reply = find_redactions(
                    self._client,
                    str(model),
                    data,
                    lambda done, of: progress((done, of), desc="Reading the document", unit="pages"),
                )
        except AskProblem as problem:
            yield _only(problem_html(str(problem)))
            return
        if not reply["summary"]["redacted_pages"]:
            yield _only(status_html(_summary(reply)))
            return
        redacted = [page for page in reply["pages"] if page.get("label") == REDACTED]
        progress((0, None), desc="Drawing the redacted pages", unit="pages")
        with TemporaryDirectory() as folder:  # Gradio copies the files before this function goes on
            said, pdf = _summary(reply), Path(folder) / f"{Path(str(document)).stem}-redactions.pdf"
            try:
                draw_apart(data, redacted, pdf)
            except InvalidImage as refused:
                said += f" There is no PDF of the redacted pages: {refused}."
            yield (
                status_html(said),
                gr.Column(visible=True),
                _pictures(data, redacted, Path(folder)),
                [_row(page) for page in redacted],
                gr.DownloadButton(value=str(pdf) if pdf.exists() else None, visible=pdf.exists()),
            )

    def _problem(self, document: str | None, model: str | None, request: gr.Request) -> str:
        """Why a document is not sent; empty if it is."""
        if not document:
            return NO_DOCUMENT
        size = Path(document).stat().st_size
        if size > self._most_bytes:
            most = self._most_bytes / 2**20
            return f"This document has {size / 2**20:.0f} MB, and at most {most:.0f} MB can be sent. Split it first."
        versions = self._served.versions()
        if model not in [one.key for one in versions]:
            return NOT_SERVED if versions else DOWN
        return self._limit.refusal(request)


def _only(said: str) -> tuple[Any, ...]:
    return said, gr.Column(visible=False), gr.Gallery([]), [], gr.DownloadButton(value=None)


def _summary(reply: Mapping[str, Any]) -> str:
    """The document in a few sentences."""
    summary = reply["summary"]
    redacted, count = summary["redacted_pages"], summary["document_pages"]
    failed = [str(page["page"]) for page in reply["pages"] if "code" in page]
    said = [f"{len(redacted)} of {count} {'page is' if count == 1 else 'pages are'} redacted."]
    if redacted:
        covered = summary["covered"]
        said.append(
            f"Of all pages together, {covered['page']:.1%} is covered, and {covered['content']:.1%} of their content."
        )
    if under := summary["pages_with_text_under_boxes"]:
        said.append(f"Text still lies under a box on {_pages(under)}: whoever has the file can copy it.")
    if len(redacted) > SHOWN_PAGES:
        said.append(f"The first {SHOWN_PAGES} redacted pages are shown; the PDF has all of them.")
    if failed:
        said.append(f"The server could not read {_pages(failed)}.")
    return " ".join(said)


def _pages(numbers: Sequence[object]) -> str:
    return f"page {numbers[0]}" if len(numbers) == 1 else f"pages {', '.join(map(str, numbers))}"


def _pictures(data: bytes, redacted: Sequence[Mapping[str, Any]], folder: Path) -> list[tuple[str, str]]:
    """The first redacted pages as picture files with captions."""
    under = {page["page"]: ": text under a box" if page["text_under_boxes"] else "" for page in redacted}
    shown = []
    for number, picture in page_pictures(data, redacted[:SHOWN_PAGES]):
        picture.thumbnail(_SCREEN)
        picture.save(file := folder / f"{number}.png", compress_level=3)
        shown.append((str(file), f"Page {number}{under[number]}"))
    return shown


def _row(page: Mapping[str, Any]) -> list[str]:
    covered = page["covered"]
    return [
        str(page["page"]),
        f"{page['confidence']:.1%}",
        str(len(page["boxes"])),
        *(f"{covered[area]:.1%}" for area in ("page", "content")),
        "yes" if page["text_under_boxes"] else "no",
    ]
