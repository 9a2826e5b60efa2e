"""The wire formats, one in each file. The first that recognises a request reads it; ``plain`` reads all others."""

from __future__ import annotations

from vqaserve.protocols.base import Protocol
from vqaserve.protocols.explanations import Explained
from vqaserve.protocols.huggingface import HuggingFace
from vqaserve.protocols.kserve_v1 import KServeV1
from vqaserve.protocols.kserve_v2 import KServeV2
from vqaserve.protocols.openai_chat import OpenAIChat
from vqaserve.protocols.plain import Plain
from vqaserve.types import Request

PROTOCOLS: tuple[Protocol, ...] = (OpenAIChat(), HuggingFace(), KServeV2(), KServeV1(), Plain())


def find_protocol(request: Request) -> Protocol:
    """The wire format of a request."""
    found = next(protocol for protocol in PROTOCOLS if protocol.recognises(request))
    return Explained(found) if request.headers.get("explain") == "True" else found
