"""The tab "Ask": Gradio's chat parts around the server's answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo.asking import DOWN, NOT_SERVED, TASKS, AskProblem, ask
from demo.cards import card_markdown
from demo.conversation import Answered, Conversation
from demo.examples import build_examples, shown_for
from demo.people import QuestionLimit
from demo.pictures import PictureProblem, read_picture
from demo.rendering import (
    answer_html,
    answer_message,
    problem_html,
    question_message,
    without_working,
    working_message,
)
from demo.served import Served, ServedVersion
from demo.settings import PageSettings
from demo.verdicts import Verdicts
from demo.why import Why
from vqaops.feedback.store import FeedbackStore, ShownAnswer
from vqaops.server.client import Client
from vqaops.server.descriptions import form_of_text

RANKED = 5
WELCOME = (
    "Add a picture and ask about it, or try an example. Several questions go on a line each. "
    "Further questions are about the last picture."
)
NO_PICTURE = "Please add a picture first: drop it here, paste it, take one with the camera, or pick an example."
NO_QUESTION = "I have the picture. What would you like to know about it?"

Message = dict[str, Any]


class Chat:
    """Builds the tab and answers its events."""

    def __init__(
        self, settings: PageSettings, client: Client, served: Served, limit: QuestionLimit, store: FeedbackStore
    ) -> None:
        self._settings = settings
        self._client = client
        self._served = served
        self._limit = limit
        self._verdicts = Verdicts(store)
        self._why = Why(client, limit, settings.max_picture_bytes)

    def build(self, page: gr.Blocks, state: gr.State) -> None:
        """The parts of the tab, and what happens on their events.

        Args:
            page: Loading it fills in the models.
            state: The conversation.
        """
        with gr.Row(elem_id="top"):
            model = gr.Dropdown([], label="Model", elem_id="model", scale=3, filterable=False)
            # Programs name a version without loading the page, which fills in the choices; people cannot type here.
            model.allow_custom_value = True
            clear = gr.Button("New conversation", scale=1, min_width=220, elem_id="clear")
        chat = gr.Chatbot(
            label="Conversation",
            show_label=False,
            elem_id="chat",
            height="50dvh",
            min_height=320,
            buttons=[],  # Gradio would copy an answer with its tags
            placeholder=WELCOME,
            feedback_options=("Like", "Dislike"),
            allow_file_downloads=False,
            latex_delimiters=[],
            group_consecutive_messages=False,  # each answer to several questions has thumbs of its own
        )
        thanks = gr.HTML("", elem_id="thanks")
        with gr.Group(visible=False, elem_id="correction-part") as correction_part:
            correction = gr.Textbox(
                label="What would have been right?", max_length=500, elem_id="correction", submit_btn="Save"
            )
        box = gr.MultimodalTextbox(
            label="Picture and question",
            show_label=False,
            elem_id="box",
            # No file_types: Gradio would judge a file by its name, and refuse a picture whose name has no suffix.
            file_count="single",
            sources=["upload"],
            placeholder=TASKS["visual_question_answering"].placeholder,
            max_lines=6,
            autofocus=True,
            max_plain_text_length=4000,
        )
        keep = gr.Checkbox(
            False,
            label="Keep my pictures with my questions, to improve the model (otherwise only their hashes are kept)",
            elem_id="keep",
        )
        examples = build_examples(box, TASKS)
        with gr.Accordion("Take a picture with the camera", open=False, elem_id="camera-part"):
            camera = gr.Image(sources=["webcam"], type="filepath", label="Camera", elem_id="camera", height=260)
        with gr.Accordion("About this model", open=False, elem_id="card-part"):
            card = gr.Markdown("", elem_id="card")

        asked = [box, chat, state, model, keep]
        # By default Gradio drops a submission while an earlier one is pending, without a word: a question sent while
        # the last answer arrives would be lost. This way it is asked when that answer is complete.
        asking = box.submit(self.respond, asked, [box, chat, state], api_name="chat", trigger_mode="always_last")
        chat.like(  # every click counts, in its order
            self._verdicts.judge,
            [chat, state],
            [chat, state, thanks, correction_part, correction],
            trigger_mode="multiple",
            concurrency_limit=1,
            api_visibility="private",
        )
        correction.submit(
            self._verdicts.correct, [correction, state], [thanks, correction_part, correction], api_visibility="private"
        )
        explaining = self._why.listen(chat, state)
        # A question ends the explanation that it overtakes, or each would write over what the other one says.
        box.submit(None, cancels=[explaining], api_visibility="private")
        camera.change(self.take_photo, [camera, box], [box], api_visibility="private")
        gr.on(
            [clear.click, chat.clear],
            self.start_anew,
            [state],
            [chat, state],
            cancels=[asking, explaining],
            api_visibility="private",
        )
        gr.on([page.load, model.focus], self.refresh, [model, state], [model, state], api_visibility="private")
        model.change(
            lambda key: (*self.describe(key), *shown_for(key, examples)),
            [model],
            [card, box, *examples.values()],
            api_visibility="private",
        )

    def respond(
        self,
        message: dict[str, Any],
        history: list[Message],
        state: Conversation,
        model: str,
        keep: bool,
        request: gr.Request,
    ) -> Iterator[tuple[Any, list[Message], Conversation]]:
        """Answer what was typed, question by question; yields the emptied box, the conversation and its state."""
        text, files = str(message.get("text") or ""), list(message.get("files") or [])
        if not text.strip() and not files:  # Enter was pressed twice
            yield gr.skip(), history, state
            return
        state.browser = state.browser or uuid.uuid4().hex
        history = [*without_working(history), question_message(files, text.strip())]
        working = working_message()
        state.turn, state.explained = {}, set()
        yield None, [*history, working], state
        for html, shown in self._replies(text, files, state, model, request):
            if shown:
                number = len(history)
                state.kept[number] = self._verdicts.record(replace(shown, browser=state.browser), keep)
                state.turn[number] = _answered(shown, state.picture)
            history = [*history, answer_message(html)]
            yield gr.skip(), [*history, working], state
        yield gr.skip(), self._why.offered(history, state), state

    def _replies(
        self, text: str, files: list[str], state: Conversation, model: str, request: gr.Request
    ) -> Iterator[tuple[str, ShownAnswer | None]]:
        """The messages that answer what was typed, and of each that is an answer what is kept of it."""
        if files:
            state.picture = str(files[-1])
        if not state.picture:
            yield problem_html(NO_PICTURE), None
            return
        try:
            picture = read_picture(Path(state.picture), self._settings.max_picture_bytes)
        except PictureProblem as problem:
            state.picture = ""
            yield problem_html(str(problem)), None
            return
        key = model or next((one.key for one in self._versions()), "")
        task = self._task(key) if key else None
        if task is None:
            yield problem_html(NOT_SERVED if self._served.versions() else DOWN), None
            return
        questions = TASKS[task].split(text)
        if not questions:
            yield problem_html(NO_QUESTION), None
        for question in questions:
            if refusal := self._limit.refusal(request):
                yield problem_html(refusal), None
                return
            try:
                answer = ask(self._client, key, picture, form_of_text(task, question), RANKED)
            except AskProblem as problem:
                yield problem_html(str(problem)), None
                return
            shown = ShownAnswer(
                *("", picture, question, answer.ranked, answer.model, answer.version, answer.abstained, task)
            )
            yield answer_html(answer, question if len(questions) > 1 else ""), shown

    def _versions(self) -> list[ServedVersion]:
        """The versions that people can ask here, or that have not said their task."""
        return [one for one in self._served.versions() if one.task in TASKS or not one.task]

    def _task(self, key: str) -> str | None:
        """The task of a version; None if it does not answer, or people cannot ask it here."""
        said = self._served.describe(key)
        return said.task if said and said.task in TASKS else None

    def take_photo(self, photo: str | None, message: dict[str, Any] | None) -> Any:
        """Put the camera's picture into the box, beside what is typed there."""
        if photo is None:
            return gr.skip()
        return {"text": (message or {}).get("text") or "", "files": [photo]}

    def start_anew(self, state: Conversation) -> tuple[Any, Conversation]:
        """An empty conversation of the same browser."""
        return gr.Chatbot(value=[], feedback_value=[]), Conversation(browser=state.browser)

    def refresh(self, chosen: str | None, state: Conversation) -> tuple[Any, Conversation]:
        """The versions that can answer now; the chosen one stays if it is among them."""
        versions = self._versions()
        keys = [one.key for one in versions]
        if keys == state.offered and chosen in keys:
            return gr.skip(), state  # a new list would close the open one under the person's pointer
        state.offered = keys
        value = chosen if chosen in keys else next(iter(keys), None)
        return gr.Dropdown([(one.title, one.key) for one in versions], value=value), state

    def describe(self, key: str | None) -> tuple[str, Any]:
        """The card of a version, and the hint in the text box."""
        said = self._served.describe(key) if key else None
        if said is None:
            return DOWN, gr.skip()
        hint = TASKS[said.task].placeholder if said.task in TASKS else ""
        return card_markdown(str(key), said), gr.MultimodalTextbox(placeholder=hint)


def _answered(shown: ShownAnswer, picture: str) -> Answered:
    key = f"{shown.model}/{shown.version}"
    return Answered(picture, form_of_text(shown.task, shown.question), key, shown.answers[0][0])
