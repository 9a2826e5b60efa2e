"""Pages of PDF documents as grey pictures, rendered once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray
from rich.progress import track

from vqaserve.errors import RecipeError

Grey = NDArray[np.uint8]
"""A page [height, width]; 0 is black."""

DPI = 150


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page.

    Attributes:
        document: The name of its PDF file, without the extension.
        file: Where its pixels are kept, as NumPy's ``.npy``.
    """

    document: str
    file: Path

    def pixels(self) -> Grey:
        """Read the page."""
        pixels: Grey = np.load(self.file)
        return pixels


def render_documents(
    folder: Path, pages_per_document: int, cache: Path, only: Collection[str] | None = None
) -> list[Page]:
    """Render some pages of every PDF file of a folder, spread evenly over each document.

    Args:
        folder: The folder.
        pages_per_document: The most pages of one document, so that a long manual does not outweigh the others.
        cache: Folder of rendered pages; a page that is there is not rendered again.
        only: Names of the documents to render, instead of all.

    Raises:
        RecipeError: The folder has no PDF file, or one cannot be read.
    """
    files = sorted(folder.glob("*.pdf"))
    if not files:
        raise RecipeError(f"{folder} has no PDF file; put documents there, or see the recipe's README.md")
    cache.mkdir(parents=True, exist_ok=True)
    return [
        page
        for file in track(files, f"pages of {folder.name}", transient=True)
        if only is None or file.stem in only
        for page in _render(file, pages_per_document, cache)
    ]


def fingerprint(pages: Sequence[Page]) -> str:
    """Return a hash of the pages' names, which hold the hashes of their documents."""
    return hashlib.sha256("\n".join(page.file.name for page in pages).encode()).hexdigest()


def _render(file: Path, most: int, cache: Path) -> list[Page]:
    name = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    try:
        document = pdfium.PdfDocument(file)
    except pdfium.PdfiumError as error:
        raise RecipeError(f"{file} cannot be read as PDF: {error}") from None
    numbers = sorted({int(place) for place in np.linspace(0, len(document) - 1, min(most, len(document)))})
    pages = []
    for number in numbers:
        kept = cache / f"{name}-{number}.npy"
        if not kept.exists():
            bitmap = document[number].render(scale=DPI / 72, grayscale=True)
            temporary = kept.with_suffix(".partial.npy")
            np.save(temporary, bitmap.to_numpy().reshape(bitmap.height, bitmap.width))
            temporary.replace(kept)
        pages.append(Page(file.stem, kept))
    document.close()
    return pages
