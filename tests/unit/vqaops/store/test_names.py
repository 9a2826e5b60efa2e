from __future__ import annotations

import pytest

from vqaops.store.names import LONGEST_NAME, check_model_name, check_version
from vqaserve.errors import RecipeError


@pytest.mark.parametrize("name", ["shapes", "blip-vqa-base", "a", "0", "v1.2_x", "Rooms", "a" * LONGEST_NAME])
def test_names_that_every_program_downstream_takes_are_returned(name: str):
    assert check_model_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my model", "holds a blank"),
        ("a,b", r"holds ',' \(U\+002C COMMA\)"),
        ("räume", r"holds 'ä' \(U\+00E4 LATIN SMALL LETTER A WITH DIAERESIS\)"),
        ("a/b", r"holds '/' \(U\+002F SOLIDUS\)"),
        ("50%", r"holds '%' \(U\+0025 PERCENT SIGN\)"),
        ("a#b", r"holds '#' \(U\+0023 NUMBER SIGN\)"),
        ("a[0]", r"holds '\[' \(U\+005B LEFT SQUARE BRACKET\)"),
        ("it's", r"holds \"'\" \(U\+0027 APOSTROPHE\)"),
        ("a\n", r"holds '\\n' \(U\+000A a control character\)"),
        ("a$b", r"holds '\$'"),
        ("a:b", "holds ':'"),
        ("a?b", r"holds '\?'"),
        ("modèle", "holds 'è'"),
        ("٣", "holds '٣'"),
        ("-rooms", "begins with '-'"),
        (".rooms", r"begins with '\.'"),
        ("_rooms", "begins with '_'"),
        ("..", r"begins with '\.'"),
        ("", "is empty"),
        ("a" * (LONGEST_NAME + 1), "has 129 characters, at most 128"),
    ],
)
def test_a_name_that_some_program_cannot_take_is_refused_with_the_character_named(name: str, message: str):
    with pytest.raises(RecipeError, match=message):
        check_model_name(name)


@pytest.mark.parametrize(
    "version", ["1.0", "1.0.0.0", "1.0.x", "\u0661.\u0660.\u0660", "1.0.0\n", "1..0", "all", "1.0.0/..", ""]
)
def test_a_version_that_is_not_three_numbers_in_ascii_is_refused(version: str):
    with pytest.raises(RecipeError, match=r"is not MAJOR\.MINOR\.PATCH"):
        check_version(version)


def test_a_version_of_three_numbers_is_returned():
    assert check_version("10.0.12") == "10.0.12"
