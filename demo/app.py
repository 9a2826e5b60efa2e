"""The page: its tabs, its theme and its style."""

from __future__ import annotations

import uuid
from pathlib import Path

import gradio as gr

from demo.chat import Chat
from demo.conversation import Conversation
from demo.history import History
from demo.people import QuestionLimit
from demo.redactions import Redactions
from demo.served import Served
from demo.settings import PageSettings
from vqaops.feedback.store import FeedbackStore
from vqaops.server.client import Client

TITLE = "Ask a picture"
THEME = gr.themes.Default(
    primary_hue="blue",
    # Of its default font, Gradio ships weight 600 without half of the letters (6.31); weight 700 is whole.
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
    font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
).set(  # one shade darker than Gradio's, on which white text has a contrast below 4.5
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_cancel_background_fill=gr.themes.colors.red.c600,
    button_cancel_background_fill_hover=gr.themes.colors.red.c700,
)
STYLE = Path(__file__).with_name("page.css")


def build_page(settings: PageSettings, client: Client, store: FeedbackStore) -> gr.Blocks:
    """The page with all its parts.

    Args:
        settings: The page's settings.
        client: The server's client.
        store: The database of answers and verdicts.
    """
    served, limit = Served(client), QuestionLimit(settings)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600), fill_height=True) as page:
        gr.Markdown(f"# {TITLE}", elem_id="title")
        state = gr.State(Conversation())
        # Gradio sends this key to the browser, so it protects nothing. With a random one, its default, each browser
        # would get a new name when the page restarts, and nobody could find or delete their older questions.
        browser = gr.BrowserState("", storage_key="vqa-browser", secret="vqa-browser")
        with gr.Tabs():
            with gr.Tab("Ask"):
                Chat(settings, client, served, limit, store).build(page, state)
            with gr.Tab("Redactions", visible=False) as documents:
                Redactions(settings, client, served, limit).build(page, documents)
            with gr.Tab("History") as tab:
                History(store).build(tab, browser)
        page.load(_name_browser, [browser, state], [browser, state], api_visibility="private")
    return page


def _name_browser(known: str, state: Conversation) -> tuple[str, Conversation]:
    """The random name that a browser keeps, made at its first visit."""
    state.browser = known or uuid.uuid4().hex
    return state.browser, state
