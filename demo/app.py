"""The page: Gradio's chat parts around the server's answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo.asking import DOWN, NOT_SERVED, TASKS, AskProblem, ask
from demo.cards import card_markdown
from demo.conversation import Conversation
from demo.history import History
from demo.people import RateLimit, person_of
from demo.pictures import PictureProblem, read_picture
from demo.rendering import answer_html, picture_html, problem_html
from demo.served import Served
from demo.settings import PageSettings
from demo.verdicts import Verdicts
from vqaops.feedback.store import FeedbackStore, ShownAnswer
from vqaops.paths import RECIPES
from vqaops.questions import read_samples
from vqaops.server.client import Client
from vqaops.server.descriptions import form_of_text
from vqaserve.errors import RecipeError

TITLE = "Ask a picture"
THEME = gr.themes.Default(
    primary_hue="blue",
    # Of its default font, Gradio ships weight 600 without half of the letters (6.31); weight 700 is whole.
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
    font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
)
STYLE = Path(__file__).with_name("page.css")
RANKED = 5
NO_PICTURE = "Please add a picture first: drop it here, paste it, take one with the camera, or pick an example."
NO_QUESTION = "I have the picture. What would you like to know about it?"
WORKING = '<p class="vqa-working">Looking at the picture</p>'

Message = dict[str, Any]


class Page:
    """Builds the page and answers its events."""

    def __init__(self, settings: PageSettings, client: Client, store: FeedbackStore) -> None:
        self._settings = settings
        self._store = store
        self._verdicts = Verdicts(store)
        self._client = client
        self._served = Served(client)
        self._limit = RateLimit(settings.per_minute)

    def build(self) -> gr.Blocks:
        """The page with all its parts."""
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600), fill_height=True) as page:
            gr.Markdown(
                f"# {TITLE}\nAdd a picture and ask about it; several questions go on a line each. "
                "Follow-up questions are about the last picture."
            )
            state = gr.State(Conversation())
            # Gradio sends this key to the browser, so it protects nothing. With a random one, its default, each browser
            # would get a new name when the page restarts, and nobody could find or delete their older questions.
            browser = gr.BrowserState("", storage_key="vqa-browser", secret="vqa-browser")
            with gr.Tabs():
                with gr.Tab("Ask"):
                    self._build_chat(page, state)
                with gr.Tab("History") as tab:
                    History(self._store).build(tab, browser)
            page.load(_name_browser, [browser, state], [browser, state], api_visibility="private")
        return page

    def _build_chat(self, page: gr.Blocks, state: gr.State) -> None:
        """The parts of the first tab, and what happens on their events."""
        with gr.Row(elem_id="top"):
            model = gr.Dropdown([], label="Model", elem_id="model", scale=3, filterable=False)
            # Programs name a version without loading the page, which fills in the choices; people cannot type here.
            model.allow_custom_value = True
            clear = gr.Button("New conversation", scale=1, min_width=220, elem_id="clear")
        chat = gr.Chatbot(
            label="Conversation",
            elem_id="chat",
            height="55dvh",
            min_height=320,
            buttons=["copy"],
            placeholder="Drop or paste a picture below, or try an example.",
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
        examples = _examples(box)
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
        camera.change(self.take_photo, [camera, box], [box], api_visibility="private")
        gr.on(
            [clear.click, chat.clear],
            self.start_anew,
            [state],
            [chat, state],
            cancels=[asking],
            api_visibility="private",
        )
        gr.on([page.load, model.focus], self.refresh, [model, state], [model, state], api_visibility="private")
        model.change(
            lambda key: (*self.describe(key), *_shown_for(key, examples)),
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
        shown_pictures = "".join(map(picture_html, files))
        history = [*history, {"role": "user", "content": f"{shown_pictures}\n\n{text}".strip()}]
        working: Message = {"role": "assistant", "content": WORKING}
        yield None, [*history, working], state
        for html, shown in self._replies(text, files, state, model, request):
            if shown:
                state.kept[len(history)] = self._verdicts.record(replace(shown, browser=state.browser), keep)
            history = [*history, {"role": "assistant", "content": html}]
            yield gr.skip(), [*history, working], state
        yield gr.skip(), history, state

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
        key = model or next((one.key for one in self._served.versions()), "")
        task = self._task(key) if key else None
        if task is None:
            yield problem_html(NOT_SERVED if self._served.versions() else DOWN), None
            return
        questions = TASKS[task].split(text)
        if not questions:
            yield problem_html(NO_QUESTION), None
        for question in questions:
            if seconds := self._limit.seconds_to_wait(self._person(request)):
                most = _count("question", self._settings.per_minute)
                yield (
                    problem_html(f"You can ask {most} a minute. Please ask again in {_count('second', seconds)}."),
                    None,
                )
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

    def _task(self, key: str) -> str | None:
        """The task of a version; None if it does not answer, or people cannot ask it here."""
        said = self._served.describe(key)
        return said.task if said and said.task in TASKS else None

    def _person(self, request: gr.Request) -> str:
        address = request.client.host if request.client else ""
        headers = {name.lower(): value for name, value in request.headers.items()}
        return person_of(address, headers, self._settings.trust_proxy)

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
        versions = self._served.versions()
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


def _name_browser(known: str, state: Conversation) -> tuple[str, Conversation]:
    """The random name that a browser keeps, made at its first visit."""
    state.browser = known or uuid.uuid4().hex
    return state.browser, state


def _examples(box: gr.MultimodalTextbox) -> dict[str, gr.Dataset]:
    """A question about each sample picture of each recipe, by the model's name; hidden until that model is chosen."""
    found = {}
    for folder in sorted(RECIPES.glob("*/samples")):
        try:
            samples = {sample.image: sample for sample in reversed(read_samples(folder.parent))}
        except RecipeError:
            continue
        name = folder.parent.name
        rows = [[{"text": sample.title, "files": [str(sample.image)]}] for sample in reversed(samples.values())]
        found[name] = gr.Examples(rows, [box], label="Examples", elem_id=f"examples-{name}", visible=False).dataset
    return found


def _shown_for(key: str | None, examples: Mapping[str, gr.Dataset]) -> list[gr.Dataset]:
    name = (key or "").partition("/")[0]
    return [gr.Dataset(visible=name == recipe) for recipe in examples]


def _count(noun: str, number: int) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
