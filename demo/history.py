"""The History tab: what this browser asked, what its person said of the answers, and the way to forget it all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import gradio as gr
import pandas as pd

from demo.rendering import status_html
from vqaops.feedback.statistics import Share, by_day, worst_questions
from vqaops.feedback.store import Feedback, FeedbackStore

NEWEST = 50
NOTHING = (
    "This browser has not asked anything yet. Its questions, and what you say of the answers, will be listed here."
)
_WEEK = 7
VERDICTS = {True: "right", False: "wrong", None: ""}
_ASKED = {
    "time (UTC)": 145,
    "model": 115,
    "question": 268,
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
        said = gr.Markdown(NOTHING)
        asked = gr.Dataframe(
            headers=list(_ASKED),
            column_widths=list(_ASKED.values()),
            label="Questions",
            elem_id="asked",
            interactive=False,
            wrap=True,
            visible=False,
        )
        over_time = gr.BarPlot(
            x="day",
            y="share",
            color="verdict",
            x_title="day (UTC)",
            visible="hidden",
            color_map={"right": "#2563eb", "wrong": "#d97706"},
            y_lim=[0, 1],
            label="Share of answers that you called right",
            elem_id="over-time",
        )
        worst = gr.Dataframe(
            headers=["question", "wrong"],
            label="Questions with the most wrong answers",
            elem_id="worst",
            interactive=False,
            visible=False,
        )
        forget = gr.Button("Forget my questions", elem_id="forget", variant="stop", size="sm", visible=False)
        done = gr.HTML("", elem_id="forgotten")
        parts = [said, asked, over_time, worst, forget]
        tab.select(self.fill, [browser], parts, api_visibility="private")
        forget.click(self.forget, [browser], [*parts, done], api_visibility="private")

    def fill(self, browser: str) -> tuple[str, Any, Any, Any, Any]:
        """A sentence, the rows of a browser, its verdicts by day, its worst questions, and the button to forget them.

        What would be empty is not shown.
        """
        rows = self._store.rows(browser=browser, newest=NEWEST) if browser else []
        worst = [[share.group, str(share.down)] for share in worst_questions(rows)]
        return (
            _said(len(rows)),
            gr.Dataframe([_row(row) for row in reversed(rows)], visible=bool(rows)),
            _plot(_days(by_day(rows))),
            gr.Dataframe(worst, visible=bool(worst)),
            gr.Button(visible=bool(rows)),
        )

    def forget(self, browser: str) -> tuple[str, Any, Any, Any, Any, str]:
        """Delete what is kept of a browser."""
        if browser:
            self._store.forget(browser)
        return *self.fill(browser), status_html("Your questions and pictures are deleted.")


def _said(shown: int) -> str:
    if not shown:
        return NOTHING
    return f"The last {NEWEST} questions that this browser asked." if shown == NEWEST else "What this browser asked."


def _days(judged: Sequence[Share]) -> list[tuple[str, str, float]]:
    """The bars of the days with verdicts and of the last week, in which a lone day is a bar and not a wall."""
    bars = [bar for day in judged for bar in _shares(day)]
    if not bars:
        return []
    today = datetime.now(UTC).date()
    week = {(today - timedelta(days=days)).isoformat() for days in range(_WEEK)}
    return sorted([*bars, *((day, "right", 0.0) for day in week - {day for day, *_ in bars})])


def _plot(bars: Sequence[tuple[str, str, float]]) -> Any:
    """The bars in their order, each day without its year: a phone has no room for it."""
    shown = [(day.partition("-")[2], verdict, share) for day, verdict, share in bars]
    order = list(dict.fromkeys(day for day, *_ in shown))
    # Hidden, not taken out of the page: Gradio (6.31) measures the chart in a callback that may come after that.
    return gr.BarPlot(
        pd.DataFrame(shown, columns=["day", "verdict", "share"]), sort=order, visible=True if bars else "hidden"
    )


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
