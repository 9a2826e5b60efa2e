"""What the page remembers of one conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of the conversation, and what it was given to.

    Attributes:
        picture: The picture's file.
        form: What was asked, as the fields of a form.
        key: ``NAME/VERSION`` of the model that answered.
        answer: The best answer.
    """

    picture: str
    form: Mapping[str, str]
    key: str
    answer: str


@dataclass
class Conversation:
    """What the page remembers of one conversation; it ends with the browser's tab.

    Attributes:
        picture: File of the last picture, which further questions are about.
        kept: The number in the database of each message that is an answer.
        turn: By message, the answers to what was asked last; each can be explained.
        explained: The messages of those that have been.
        thumbs: Gradio's name of the thumb that was chosen for each message that was judged; None if taken back.
        offered: The versions that the browser can choose from.
        judged: The number of the answer that was judged last.
        browser: The random name that the person's browser keeps; of a program, that of this conversation.
    """

    picture: str = ""
    kept: dict[int, int] = field(default_factory=dict)
    turn: dict[int, Answered] = field(default_factory=dict)
    explained: set[int] = field(default_factory=set)
    thumbs: dict[int, str | None] = field(default_factory=dict)
    offered: list[str] = field(default_factory=list)
    judged: int = 0
    browser: str = ""
