"""Answers and what people say of them, on their way to the database; a database that fails costs no answer."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

import gradio as gr

from demo.conversation import Conversation
from demo.pictures import suffix_of
from demo.rendering import status_html
from vqaops.errors import ServerError
from vqaops.feedback.store import FeedbackStore, ShownAnswer

log = logging.getLogger(__name__)

NOT_KEPT = "This could not be kept. Please try again later."


class Verdicts:
    """Keeps answers, thumbs and corrections."""

    def __init__(self, store: FeedbackStore) -> None:
        self._store = store

    def record(self, shown: ShownAnswer, keep: bool) -> int:
        """The number under which an answer is kept; 0 if the database does not take it, which costs no answer."""
        try:
            return self._store.record_answer(shown, suffix_of(shown.picture) if keep else "")
        except (sqlite3.Error, OSError):
            log.exception("an answer could not be kept")
            return 0

    def judge(
        self, liked: gr.LikeData, history: list[dict[str, Any]], state: Conversation
    ) -> tuple[Any, Conversation, str, Any, Any]:
        """Keep a thumb; after a thumb down, ask what would have been right."""
        index = liked.index if isinstance(liked.index, int) else int(liked.index[0])
        # Gradio sends True, False or the option's text, and "" when a person takes the thumb back.
        is_up = None if liked.liked == "" else liked.liked in (True, "Like")
        number = state.kept.get(index, 0)
        if not number or not self._judge(number, is_up):
            return gr.skip(), state, status_html(NOT_KEPT), gr.Group(visible=False), gr.skip()
        state.judged = number
        state.thumbs[index] = None if is_up is None else "Like" if is_up else "Dislike"
        # Gradio forgets which thumbs were chosen when the conversation goes on, unless it is told.
        answers = [number for number, message in enumerate(history) if message["role"] == "assistant"]
        chosen = gr.Chatbot(feedback_value=[state.thumbs.get(number) for number in answers])
        said = "Your verdict is taken back." if is_up is None else "Thank you. Your verdict is kept."
        return chosen, state, status_html(said), gr.Group(visible=is_up is False), gr.Textbox(value="")

    def correct(self, text: str, state: Conversation) -> tuple[Any, Any, Any]:
        """Keep what would have been right."""
        if not text.strip():
            return gr.skip(), gr.skip(), gr.skip()
        if not state.judged or not self._judge(state.judged, False, text):
            return status_html(NOT_KEPT), gr.skip(), gr.skip()
        return status_html("Thank you. Your correction is kept."), gr.Group(visible=False), gr.Textbox(value="")

    def _judge(self, number: int, thumbs_up: bool | None, correction: str = "") -> bool:
        try:
            self._store.record_verdict(number, thumbs_up, correction)
        except (sqlite3.Error, OSError, ServerError):
            log.exception("a verdict could not be kept")
            return False
        return True
