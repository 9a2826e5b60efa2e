"""OpenAI's chat completions with picture parts."""

from __future__ import annotations

from vqaserve.protocols.openai_chat.protocol import OpenAIChat
from vqaserve.protocols.openai_chat.request import ChatRequest

__all__ = ["ChatRequest", "OpenAIChat"]
