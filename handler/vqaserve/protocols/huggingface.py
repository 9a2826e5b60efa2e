"""The Hugging Face Hub's task schema, as ``huggingface_hub.InferenceClient`` sends it to a URL.

Two shapes: the client's flat ``{"inputs": <base64>, "image", "question", "parameters"}`` (it sends the picture
twice) and the Hub's own nested ``{"inputs": {"image", "question"}, "parameters"}``. The reply is a list, best first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import InvalidQuestion, MissingImage
from vqaserve.protocols.base import Parameters, Protocol, as_json, notes
from vqaserve.protocols.body import picture, validated
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Reply, Request


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HuggingFaceInputs(_Strict):
    """The nested form of ``inputs``."""

    image: str | None = Field(default=None, description="The picture file as base64 or as a data URI.")
    question: str | None = Field(default=None, description="The question.")


class HuggingFaceRequest(_Strict):
    """The body, in either shape."""

    inputs: HuggingFaceInputs | str = Field(description="The nested form, or the picture as base64.")
    question: str | None = Field(default=None, description="The question, in the flat shape.")
    image: str | None = Field(default=None, description="The picture again; only 'inputs' is read.")
    parameters: Parameters = Parameters()


class HuggingFace(Protocol):
    """A JSON object with ``inputs`` is of this format."""

    def recognises(self, request: Request) -> bool:
        """Whether the body is a JSON object with ``inputs`` that are not a list of tensors."""
        return isinstance(request.body, Mapping) and not isinstance(request.body.get("inputs", []), list)

    def parse(self, request: Request, settings: HandlerSettings) -> list[Query]:
        """One query.

        Raises:
            BadRequest: A field is unknown or of the wrong type.
            MissingImage: No picture came.
            InvalidQuestion: No question came.
            InvalidImage: The picture is neither base64 nor a data URI.
        """
        asked = validated(HuggingFaceRequest, request.body)
        if isinstance(asked.inputs, str):
            image, question = asked.inputs, asked.question
        else:
            image, question = asked.inputs.image or asked.image or "", asked.inputs.question or asked.question
        if not image:
            raise MissingImage("no picture came; send its base64 as 'inputs' or 'inputs.image'")
        question = settings.question if question is None else question
        if question is None:
            raise InvalidQuestion("no question came; send it as 'question' or 'inputs.question'")
        return [asked.parameters.query(picture(image), question)]

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """``[{"answer", "score"}, ...]``, best first; warnings stand with the best, for a list has no other place."""
        del request, model
        if error := items[0].error:
            return self.refuse(error)
        best, *others = items[0].ranked
        return as_json([{**best, **notes(items[0])}, *others])
