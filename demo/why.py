"""The button "Why?" under an answer: a map of the picture that shows what the answer rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from demo.asking import AskProblem, explain
from demo.conversation import Answered, Conversation
from demo.people import QuestionLimit
from demo.rendering import answer_message, problem_html, why_html, working_message
from vqaops.server.client import Client
from vqaops.server.retry import NEVER
from vqaserve.errors import InvalidImage
from vqaserve.heat_map import draw_heat_map
from vqaserve.images import open_picture
from vqaserve.pictures import PictureLimits

GONE = "The picture of this answer is not kept any more. Please send it again and ask anew."
_MOST_PIXELS = 100_000_000
"""The server has read the picture before, within its own limits; this one only bounds the page's memory."""

Message = dict[str, Any]


class Why:
    """Offers and draws explanations."""

    def __init__(self, client: Client, limit: QuestionLimit, most_bytes: int) -> None:
        # One attempt: an explanation costs as much as a dozen answers, and the button is still there.
        self._client = replace(client, retry=NEVER)
        self._limit = limit
        pixels = _MOST_PIXELS
        self._limits = PictureLimits(most_bytes, pixels, pixels, pixels, max_decode_seconds=0)

    def listen(self, chat: gr.Chatbot, state: gr.State) -> Any:
        """Explain an answer when its button is pressed; return the event.

        Args:
            chat: The conversation, whose last message has the buttons.
            state: What the page remembers of it.
        """

        def show(
            chosen: gr.SelectData, history: list[Message], state: Conversation, request: gr.Request
        ) -> Iterator[tuple[list[Message], Conversation]]:
            number = next((one for one in state.turn if str(one) == chosen.value), None)
            if number is None:
                yield history, state
                return
            yield [*history, working_message()], state
            html, is_explained = self._reply(state.turn[number], chat, request)
            if is_explained:
                state.explained.add(number)
            yield self.offered([*history, answer_message(html)], state), state

        return chat.option_select(show, [chat, state], [chat, state], api_visibility="private")

    def offered(self, history: list[Message], state: Conversation) -> list[Message]:
        """The conversation with a button for each answer of its last turn; Gradio shows those of the last message."""
        options = [
            {"value": str(number), "label": f"Why is answer {place} “{one.answer}”?" if len(state.turn) > 1 else "Why?"}
            for place, (number, one) in enumerate(state.turn.items(), 1)
            if number not in state.explained
        ]
        return [*history[:-1], {**history[-1], "options": options}]

    def _reply(self, answered: Answered, chat: gr.Chatbot, request: gr.Request) -> tuple[str, bool]:
        """The message that explains an answer, or says why it cannot be explained; and whether it explains it."""
        if refusal := self._limit.refusal(request):
            return problem_html(refusal), False
        try:
            picture = Path(answered.picture).read_bytes()
            explanation = explain(self._client, answered.key, picture, answered.form, answered.answer)
            opened = open_picture(picture, self._limits)
        except OSError:
            return problem_html(GONE), False
        except (AskProblem, InvalidImage) as problem:
            return problem_html(str(problem)), False
        drawn = draw_heat_map(opened.pixels, explanation.grid, opened.aspect)
        file = save_bytes_to_cache(drawn, "why.png", chat.GRADIO_CACHE)
        chat.temp_files.add(file)  # which lets the browser have the file, and deletes it with the others
        return why_html(explanation, file), True
