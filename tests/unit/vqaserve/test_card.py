from __future__ import annotations

import json
from pathlib import Path

import pytest

from vqaops.paths import RECIPES
from vqaserve.card import LONGEST, read_card


def card(folder: Path, text: str) -> dict:
    (folder / "README.md").write_text(text)
    return json.loads(json.dumps(read_card(folder), allow_nan=False))


def test_front_matter_becomes_json_and_the_rest_stays_text(tmp_path: Path):
    found = card(tmp_path, "---\nlicense: mit\ndate: 2026-11-21\ntags: [a, b]\n---\n\n# Title\n\n---\nA line.\n")
    assert found["metadata"] == {"license": "mit", "date": "2026-11-21", "tags": ["a", "b"]}
    assert found["text"] == "# Title\n\n---\nA line.\n"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff---\nlicense: mit\n---\nText",
        "---\r\nlicense: mit\r\n---\r\nText",
        "--- \nlicense: mit\n---\t\nText",
        "---\nlicense: mit\n\n---\n\n\nText",
        "---\nlicense: 'mit'  # a comment\n---\nText",
    ],
)
def test_front_matter_is_found_however_an_editor_saved_it(tmp_path: Path, text: str):
    (tmp_path / "README.md").write_bytes(text.encode())
    assert read_card(tmp_path) == {"metadata": {"license": "mit"}, "text": "Text"}


def test_a_card_of_nothing_but_front_matter_is_read(tmp_path: Path):
    assert card(tmp_path, "---\nlicense: mit\n---") == {"metadata": {"license": "mit"}, "text": ""}


@pytest.mark.parametrize(
    "text", ["# Only text\n", "---\n- a list\n---\nText", "---\na: [\n---\nText", "---\nx: .nan\n---\n", "---\nno end"]
)
def test_text_that_is_not_front_matter_stays_in_the_text(tmp_path: Path, text: str):
    assert card(tmp_path, text) == {"metadata": {}, "text": text}


def test_front_matter_whose_references_expand_without_measure_stays_in_the_text(tmp_path: Path):
    levels = "".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]\n" for level in range(1, 10))
    text = f"---\nl0: &l0 [x]\n{levels}---\nText"
    assert card(tmp_path, text) == {"metadata": {}, "text": text}


def test_a_missing_card_is_empty(tmp_path: Path):
    assert read_card(tmp_path) == {"metadata": {}, "text": ""}


def test_a_long_card_is_truncated(tmp_path: Path):
    found = card(tmp_path, "---\nlicense: mit\n---\n" + "x" * (2 * LONGEST))
    assert found["metadata"] == {"license": "mit"}
    assert len(found["text"]) < LONGEST


@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.iterdir()))
def test_the_cards_of_our_recipes_are_not_truncated(recipe: str):
    found = read_card(RECIPES / recipe)
    assert found["metadata"]["license"]
    assert (RECIPES / recipe / "README.md").read_text().endswith(found["text"])
