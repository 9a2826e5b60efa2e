"""Fixtures: a model that writes, in one server with a model that does not, and a gateway in front of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.gateways import RunningGateway
from tests.support.pictures import as_base64, encoded
from tests.support.recipes import RecipeMaker
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.server.server import Server

LONGEST = 400
"""The most tokens of an answer. A tiny random model does not end its answers, so ``max_tokens`` is their length."""


def messages(question: str = "what?", colour: str = "blue") -> list[dict]:
    """A conversation that begins: a picture and a question."""
    url = {"url": f"data:image/png;base64,{as_base64(encoded(colour, (40, 30)))}"}
    return [{"role": "user", "content": [{"type": "image_url", "image_url": url}, {"type": "text", "text": question}]}]


@pytest.fixture(scope="session")
def writing_server(
    serve_for_session: Callable[..., Server], make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """TorchServe with ``writer``, a tiny SmolVLM with random weights, and ``dummy``."""
    recipe: Path = tmp_path_factory.mktemp("writers") / "writer"
    settings = {**make_weights("smolvlm", recipe / "weights"), "limits": {"max_new_tokens": LONGEST}}
    complete_recipe(recipe, settings, encoded("blue", (40, 30)), "what?")
    return serve_for_session(recipe, make_recipe())


@pytest.fixture(scope="session")
def writing_gateway(writing_server: Server, new_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    """The gateway in front of ``writing_server``."""
    return new_gateway(writing_server.run)
