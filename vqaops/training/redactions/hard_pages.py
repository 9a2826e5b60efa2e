"""Pages on which a network sees a redaction although nobody drew one: hard negatives (Felzenszwalb et al. 2010).

Slides, figures and filled tables are rare in documents, and most false alarms are on them.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from rich.progress import track

from vqaops.training.redactions.pages import Page
from vqaserve.families.redactions import Redactions

_SEEN = 0.05
"""Confidence of a page from which on it is hard."""


def find_hard_pages(family: Redactions, pages: Sequence[Page]) -> list[Page]:
    """The pages that a model takes for redacted, or nearly so, before anything is drawn on them."""
    looked_at = track(pages, "looking for hard pages", transient=True)
    return [page for page in looked_at if family.find(Image.fromarray(page.pixels())).confidence >= _SEEN]


def with_hard_pages(pages: Sequence[Page], hard: Sequence[Page], share: float) -> list[Page]:
    """Add the hard pages until they are about this share of the list; each is added at least once if it is not 0."""
    if not hard or not share:
        return list(pages)
    times = max(1, round(share * len(pages) / (1 - share) / len(hard)))
    return [*pages, *list(hard) * times]
