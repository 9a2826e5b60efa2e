"""What pydantic found wrong, in words that name the place, what is allowed and what came."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from vqaserve.validation import describe_faults


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Circle(Strict):
    shape: Literal["circle"]
    radius: Annotated[int, Field(gt=0)]


class Square(Strict):
    shape: Literal["square"]
    side: int


class Label(Strict):
    text: str
    language: str = "en"


class Drawing(Strict):
    figure: Annotated[Circle | Square, Field(discriminator="shape")] | None = None
    label: Label | str = ""
    labels: list[Label | str] = []
    sizes: dict[str, Square] = {}
    width: int = 1
    height: int = 1

    @model_validator(mode="after")
    def _is_not_flat(self) -> Drawing:
        if self.width == 13:
            raise ValueError("width is 13, and can be anything else")
        return self


class Gallery(RootModel[dict[str, Drawing]]):
    pass


def described(schema: type[BaseModel], content: object, noun: str = "key") -> str:
    with pytest.raises(ValidationError) as caught:
        schema.model_validate(content)
    return describe_faults(schema, caught.value, noun)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"widht": 1}, "unknown key 'widht'; did you mean 'width'?"),
        ({"zzz": 1}, "unknown key 'zzz'; allowed: figure, height, label, labels, sizes, width"),
        ({"width": "wide"}, "width: Input should be a valid integer, unable to parse string as an integer, got 'wide'"),
        ({"figure": {"shape": "circle", "radius": 0}}, "figure.radius: Input should be greater than 0, got 0"),
        ({"figure": {"shape": "square", "side": 1, "sid": 2}}, "unknown key 'figure.sid'; did you mean 'side'?"),
        ({"figure": {"shape": "square"}}, "figure.side: Field required"),
        ({"label": {"text": "a", "langage": "de"}}, "unknown key 'label.langage'; did you mean 'language'?"),
        ({"labels": ["a", {"text": 7}]}, "labels.1.text: Input should be a valid string, got 7"),
        ({"sizes": {"a": {"shape": "square", "sides": 4, "side": 1}}}, "unknown key 'sizes.a.sides'; did you mean"),
        ({"width": 13}, "width is 13, and can be anything else"),
        ([], "the file: Input should be a valid dictionary, got []"),
    ],
)
def test_a_fault_names_its_place_what_is_allowed_and_what_came(content: object, words: str):
    assert described(Drawing, content).startswith(words)


def test_what_is_wrong_inside_a_named_entry_is_located_there():
    assert described(Gallery, {"one": {"widht": 1}}) == "unknown key 'one.widht'; did you mean 'width'?"


def test_faults_of_a_request_speak_of_fields():
    assert described(Drawing, {"widht": 1}, "field") == "unknown field 'widht'; did you mean 'width'?"


def test_thousands_of_faults_are_counted_and_not_described():
    words = described(Drawing, {f"field{number}": 1 for number in range(5000)})
    assert words.endswith("; and 4992 more")
    assert len(words) < 1500


def test_long_names_and_values_are_shortened():
    assert len(described(Drawing, {"width": "x" * 1_000_000, "y" * 1_000_000: 1})) < 500


def test_a_file_that_is_not_json_is_not_repeated_in_the_message():
    with pytest.raises(ValidationError) as caught:
        Drawing.model_validate_json('{"width": ' + "9" * 3000)
    assert describe_faults(Drawing, caught.value).startswith("the file: Invalid JSON: EOF while parsing")
    assert len(describe_faults(Drawing, caught.value)) < 200
