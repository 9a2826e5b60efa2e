"""The ``options:`` of the ``clip_llm`` family."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from vqaserve.families.options import Options


class ClipLlmOptions(Options):
    """Prompt and loading of the language model; the prompt must be the one that the adapter was trained with.

    Attributes:
        prompt: The prompt, which the language model continues. ``{clip_similarity}`` is replaced by the similarity to
            four decimal places, ``{question}`` by the question.
        marker: The text after which the answer begins. If the model repeats it, the answer begins after the last one.
        max_new_tokens: Default maximum length of an answer.
        merge: Whether the adapter is added to the base weights at load, which makes inference faster. The default is
            true, except for a 4-bit base.
        four_bit: Whether the base is quantised to 4 bits at load (NF4, computing in bfloat16); needs a GPU.
    """

    prompt: Annotated[str, Field(pattern=r"\{question\}")] = (
        "CLIP similarity: {clip_similarity}\nQuestion: {question}\nAnswer:"
    )
    marker: Annotated[str, Field(min_length=1)] = "Answer:"
    max_new_tokens: Annotated[int, Field(gt=0)] = 50
    merge: bool | None = None
    four_bit: bool = False

    @model_validator(mode="after")
    def _check_merge(self) -> Self:
        if self.merge and self.four_bit:
            raise ValueError("merge: true would round the adapter to 4 bits too; leave it out, or four_bit: false")
        return self

    @property
    def merged(self) -> bool:
        """Whether the adapter is added to the base weights."""
        return not self.four_bit if self.merge is None else self.merge
