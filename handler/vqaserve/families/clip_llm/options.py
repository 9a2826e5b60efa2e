"""What a recipe's ``options:`` tell the ``clip_llm`` family."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from vqaserve.families.options import Options


class ClipLlmOptions(Options):
    """The prompt must be the one that the adapter was trained with.

    Attributes:
        prompt: What the language model goes on writing. ``{clip_similarity}`` stands for the similarity, to four
            places, and ``{question}`` for the question.
        marker: What the answer follows; a model that repeats it is read from its last place.
        max_new_tokens: Length of the longest answer when the client does not say.
        merge: Whether the adapter is added into the base weights at load, which is faster; by default it is, unless the
            base is in 4 bits.
        four_bit: Whether the base is rounded to 4 bits (NF4, computing in bfloat16) at load; needs a GPU.
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
        """Whether the adapter is to be merged."""
        return not self.four_bit if self.merge is None else self.merge
