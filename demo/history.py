"""The History tab: what this browser asked, what its person said of the answers, and the way to forget it all."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pandas as pd

from demo.rendering import status_html
from vqaops.feedback.statistics import Share, by_day, worst_questions
from vqaops.feedback.store import Feedback, FeedbackStore

NEWEST = 50
VERDICTS = {True: "right", False: "wrong", None: ""}
_ASKED = {
    "time (UTC)": 145,
    "model": 115,
    "question": 250,
    "answer": 135,
    "your verdict": 120,
    "your correction": 145,
}
"""The columns of the table, and their least widths in pixels: together what the page has on a desk."""


class History:
    """Builds the tab and fills it when it is opened."""

    def __init__(self, store: FeedbackStore) -> None:
        self._store = store

    def build(self, tab: gr.Tab, browser: gr.BrowserState) -> None:
        """The parts of the tab.

        Args:
            tab: Opening it reads the database.
            browser: The random name that this browser keeps.
        """
        gr.Markdown(f"The last {NEWEST} questions that this browser asked.")
        asked = gr.Dataframe(
            headers=list(_ASKED),
            column_widths=list(_ASKED.values()),
            label="Questions",
            elem_id="asked",
            interactive=False,
            wrap=True,
        )
        over_time = gr.BarPlot(
            x="day",
            y="share",
            color="verdict",
            color_map={"right": "#2563eb", "wrong": "#d97706"},
            y_lim=[0, 1],
            label="Share of answers that you called right",
            elem_id="over-time",
        )
        worst = gr.Dataframe(headers=["question", "wrong"], label="Worst questions", elem_id="worst", interactive=False)
        forget = gr.Button("Forget my questions", elem_id="forget")
        done = gr.HTML("", elem_id="forgotten")
        parts = [asked, over_time, worst]
        tab.select(self.fill, [browser], parts, api_visibility="private")
        forget.click(self.forget, [browser], [*parts, done], api_visibility="private")

    def fill(self, browser: str) -> tuple[list[list[str]], Any, Any]:
        """The rows of a browser, its verdicts by day, and its worst questions; the last two only if there are any."""
        rows = self._store.rows(browser=browser, newest=NEWEST) if browser else []
        days = [day for share in by_day(rows) for day in _shares(share)]
        worst = [[share.group, str(share.down)] for share in worst_questions(rows)]
        return (
            [_row(row) for row in reversed(rows)],
            gr.BarPlot(pd.DataFrame(days, columns=["day", "verdict", "share"]), visible=bool(days)),
            gr.Dataframe(worst, visible=bool(worst)),
        )

    def forget(self, browser: str) -> tuple[list[list[str]], Any, Any, str]:
        """Delete what is kept of a browser."""
        if browser:
            self._store.forget(browser)
        return *self.fill(browser), status_html("Your questions and pictures are deleted.")


def _shares(day: Share) -> list[tuple[str, str, float]]:
    """The two parts of a day's bar; none without verdicts."""
    if day.share_up is None:
        return []
    return [(day.group, "right", day.share_up), (day.group, "wrong", 1 - day.share_up)]


def _row(row: Feedback) -> list[str]:
    best, score = row.answers[0]
    return [
        row.time.strftime("%Y-%m-%d %H:%M"),
        f"{row.model} {row.version}",
        row.question,
        f"{best} ({score:.0%})",
        VERDICTS[row.thumbs_up],
        row.correction,
    ]
