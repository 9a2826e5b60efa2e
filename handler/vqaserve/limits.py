"""What a client may ask for."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

from pydantic import Field

from vqaserve.documents.limits import DocumentLimits
from vqaserve.pictures import PictureLimits
from vqaserve.validation import FrozenModel


class Limits(FrozenModel):
    """What a client may ask for; a request over a limit is refused with 422.

    Attributes:
        max_image_pixels: Pixels to decode of one picture, read from its header before decoding.
        max_jpeg_pixels: Pixels of one JPEG. If they are more than ``max_image_pixels``, it is decoded at a half, a
            quarter or an eighth of its width and height. The default takes 8192 x 6144, a phone's 50 megapixels.
        max_request_pixels: Pixels to decode of all different pictures of one request together.
        max_decode_seconds: CPU time to decode the pictures of one request; at most half of ``responseTimeout``.
        max_image_bytes: Size of one picture file. The default takes a phone's 50 megapixels, which are 15 to 25 MB.
        max_pages: Pages of a document that one request may read; the model's task reads documents.
        max_document_seconds: CPU time to read the documents of one request; a document of one page takes a fifth of a
            second at least, for the start of its process.
        max_question_chars: Characters of one question.
        max_questions: Questions in one request.
        max_top_k: Ranked answers to one question.
        max_labels: Candidate labels of a zero-shot classification.
        max_label_chars: Characters of one candidate label, and of a hypothesis template.
        max_new_tokens: Tokens that a generative model may write for one answer.
        max_beams: Beams of a generative model's search.
        max_choices: Answers of equal standing to one question (``n`` of OpenAI's format).
        max_turns: Turns of a conversation, the question included.
        max_pictures: Pictures in a conversation.
        max_prompt_tokens: Tokens of a conversation in a generative model's prompt, those of the pictures included.
    """

    max_image_pixels: Annotated[int, Field(gt=0)] = 10_000_000
    max_jpeg_pixels: Annotated[int, Field(gt=0)] = 51_000_000
    max_request_pixels: Annotated[int, Field(gt=0)] = 40_000_000
    max_decode_seconds: Annotated[float, Field(gt=0)] = 1.5
    max_image_bytes: Annotated[int, Field(gt=0)] = 24 * 1024 * 1024
    max_pages: Annotated[int, Field(gt=0)] = 16
    max_document_seconds: Annotated[float, Field(gt=0)] = 6
    max_question_chars: Annotated[int, Field(gt=0)] = 500
    max_questions: Annotated[int, Field(gt=0)] = 32
    max_top_k: Annotated[int, Field(gt=0)] = 20
    max_labels: Annotated[int, Field(gt=0)] = 128
    max_label_chars: Annotated[int, Field(gt=0)] = 300
    max_new_tokens: Annotated[int, Field(gt=0)] = 128
    max_beams: Annotated[int, Field(gt=0)] = 8
    max_choices: Annotated[int, Field(gt=0)] = 8
    max_turns: Annotated[int, Field(gt=0)] = 100
    max_pictures: Annotated[int, Field(gt=0)] = 8
    max_prompt_tokens: Annotated[int, Field(gt=0)] = 16384

    @property
    def pictures(self) -> PictureLimits:
        """The limits that concern pictures."""
        return PictureLimits(**{field.name: getattr(self, field.name) for field in fields(PictureLimits)})

    @property
    def documents(self) -> DocumentLimits:
        """The limits that concern documents."""
        return DocumentLimits(self.max_image_bytes, self.max_pages, self.max_document_seconds)
