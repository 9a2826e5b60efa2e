from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recipes import RecipeMaker
from vqaops.errors import ServerError
from vqaops.server.server import Server
from vqaops.server.start import Display, ensure_archives, resumable_state
from vqaops.store.state import State

SILENT = Display(line=lambda text: None, status=lambda text: None)


def test_two_recipes_of_one_name_and_version_are_refused_before_anything_is_built(
    make_recipe: RecipeMaker, tmp_path: Path
):
    recipes = [make_recipe(), make_recipe("other"), make_recipe()]
    with pytest.raises(ServerError, match=r"both build dummy-1\.0\.0\.mar"):
        ensure_archives(recipes, tmp_path / "store", SILENT)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("state", [None, State(store=Path("/srv/store"))])
def test_a_server_that_served_nothing_cannot_be_resumed(tmp_path: Path, state: State | None):
    server = Server(tmp_path)
    if state:
        state.write(server.state_file)
    with pytest.raises(ServerError, match=r"models.json names no model.*make serve"):
        resumable_state(server)
