"""Conversations as prompts: the chat template's text, its tokens, and their positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jinja2 import TemplateError
from numpy.typing import NDArray
from torch import Tensor

from vqaserve.errors import InvalidQuestion
from vqaserve.families.answer_logits import continuation_tokens
from vqaserve.families.hf_generative.picture_tokens import PictureTokens
from vqaserve.families.prompts import control_tokens, remove_control_tokens
from vqaserve.families.question_warnings import warn_if_control_tokens
from vqaserve.types import Query, Turn


@dataclass(frozen=True, eq=False)
class Prompt:
    """The tokens of a prompt.

    Attributes:
        ids: Token ids.
        keys: A number for each token that is equal only if the token, and a picture's vector in its place, are equal.
        pictures: Their tokens are in the prompt in this order.
        positions: Positions of the tokens [axes, length]; one axis, or the three of multimodal rotary embeddings.
        next_position: The position of the first token of the answer.
    """

    ids: NDArray[np.int64]
    keys: NDArray[np.int64]
    pictures: tuple[PictureTokens, ...]
    positions: Tensor
    next_position: int

    def __len__(self) -> int:
        return len(self.ids)


class ChatPrompt:
    """Words prompts with a processor's chat template, or with the prompt of a recipe alone."""

    def __init__(self, processor: Any, wording: str) -> None:
        """Read the processor's control tokens.

        Args:
            processor: Of an image-text-to-text model.
            wording: The text of a user's turn, with ``{question}`` in its place; without a chat template, the whole
                prompt.
        """
        self._processor = processor
        self._wording = wording
        self._control = control_tokens(processor.tokenizer, processor.all_special_multimodal_tokens)
        self.image = str(getattr(processor, "image_token", ""))
        self.has_template = bool(processor.chat_template)

    def text(self, query: Query) -> str:
        """The prompt, with one placeholder for each picture.

        Raises:
            InvalidQuestion: The template refuses the turns, for example their order.
        """
        if not self.has_template:
            text = self._worded(query.question)
            return text if self.image in self._wording else f"{self.image}{text}"
        return self._templated(_turns(query), add_generation_prompt=True)

    def answer_tokens(self, query: Query, answer: str, ends: Sequence[str]) -> list[int]:
        """The tokens of an answer to a prompt, and of the end token after it.

        Args:
            query: What the prompt is made of.
            answer: The text.
            ends: Texts of the model's end tokens; the first is added where the template writes none.
        """
        prompt = self.text(query)
        answer = remove_control_tokens(self._control, answer)
        said = answer if prompt[-1:].isspace() else f" {answer}"
        if self.has_template:
            whole = self._templated((*_turns(query), Turn("assistant", (answer,))))
            # Some templates word a turn that is over differently from one that is to be written.
            said = whole[len(prompt) :] if whole.startswith(prompt) else said
        place, end = min(((said.find(end), end) for end in ends if end in said), default=(-1, ends[0]))
        said = (said[:place] if place >= 0 else said.rstrip()) + end
        return continuation_tokens(self._processor.tokenizer, prompt, said, **self.special)

    def warnings(self, query: Query) -> tuple[str, ...]:
        """A warning if a text contains control tokens, which are removed."""
        texts = [part for turn in query.conversation for part in turn.parts if isinstance(part, str)]
        return warn_if_control_tokens(self._control, " ".join(texts) if texts else query.question)

    @property
    def special(self) -> dict[str, bool]:
        """Arguments of the tokenizer: a template that begins with the start token must not get a second one."""
        start = self._processor.tokenizer.bos_token
        begins = self.has_template and start and self.text(Query(b"", "?")).startswith(start)
        return {"add_special_tokens": False} if begins else {}

    def tokens(self, query: Query, pictures: Sequence[PictureTokens], model: Any, answer: Sequence[int] = ()) -> Prompt:
        """The tokens of a prompt, each picture's placeholder replaced by its tokens, and those of an answer."""
        first, *rest = self.text(query).split(self.image)
        if len(rest) != len(pictures):
            raise InvalidQuestion("the model's chat template has no place for a picture in a turn of this role")
        text = first + "".join(picture.text + piece for picture, piece in zip(pictures, rest, strict=True))
        tokenized = self._processor.tokenizer(text, verbose=False, **self.special)
        ids = np.array([*tokenized["input_ids"], *answer], dtype=np.int64)
        places = ids == model.config.image_token_id
        keys = ids.copy()
        keys[places] = np.concatenate([picture.keys for picture in pictures])
        positions, following = _positions(ids, places, pictures, model)
        return Prompt(ids, keys, tuple(pictures), positions, following)

    def _templated(self, turns: Sequence[Turn], **options: bool) -> str:
        messages = [{"role": turn.role, "content": self._parts(turn)} for turn in turns]
        try:
            text: str = self._processor.apply_chat_template(messages, tokenize=False, **options)
        except TemplateError as error:
            reason = " ".join(str(error).split())
            raise InvalidQuestion(f"the model's chat template refuses this conversation: {reason:.200}") from None
        return text

    def _parts(self, turn: Turn) -> list[dict[str, str]]:
        texts = [place for place, part in enumerate(turn.parts) if isinstance(part, str)]
        return [
            {"type": "image"}
            if isinstance(part, int)
            else {"type": "text", "text": self._said(part, turn.role == "user" and place == texts[-1])}
            for place, part in enumerate(turn.parts)
        ]

    def _said(self, text: str, is_question: bool) -> str:
        return self._worded(text) if is_question else remove_control_tokens(self._control, text)

    def _worded(self, question: str) -> str:
        return self._wording.replace("{question}", remove_control_tokens(self._control, question))


def _turns(query: Query) -> tuple[Turn, ...]:
    return query.conversation or (Turn("user", (0, query.question)),)


def _positions(
    ids: NDArray[np.int64], places: NDArray[np.bool_], pictures: Sequence[PictureTokens], model: Any
) -> tuple[Tensor, int]:
    """The positions of a prompt's tokens [axes, length], and the next; models with their own rule compute them."""
    if not hasattr(model.model, "get_rope_index"):
        return torch.arange(len(ids))[None], len(ids)
    layout = {name: torch.cat([picture.layout[name] for picture in pictures]) for name in pictures[0].layout}
    positions, delta = model.model.get_rope_index(
        torch.from_numpy(ids)[None], mm_token_type_ids=torch.from_numpy(places.astype(np.int64))[None], **layout
    )
    return positions[:, 0], len(ids) + int(delta)
