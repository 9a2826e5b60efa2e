"""Rewording of questions by templates: one set of templates for training, another for evaluation.

A question is parsed by its form (``what is {where}``, ``how many {things}``), whose slots fill a template of that form.
The two sets share no template, so that an evaluation with ``reword`` measures wordings that training never used.
"""

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass

_PLACE = (
    r"(?:on|in|at|to|by|near|above|below|beneath|under|underneath|over|behind|between|beside|besides|around|inside|"
    r"against|next to|close to|left of|right of|left side of|right side of|attached to|stuck on|hung on|in front of)"
)
_FOUND = r"(?:found|seen|kept|placed|present|located|lying|there|visible|shown)"
_BE = r"(?:is|are)"


@dataclass(frozen=True)
class Form:
    """A form of question.

    Attributes:
        pattern: Matches a question of this form; its named groups are the slots.
        training: Templates for training.
        held_out: Templates for evaluation only.
    """

    pattern: re.Pattern[str]
    training: tuple[str, ...]
    held_out: tuple[str, ...]


FORMS = (
    # what is the colour of the sofa ? / what color is the sofa ?
    Form(
        re.compile(rf"(?:what|which) (?:{_BE} (?:the )?)?colou?rs? (?:of|{_BE}) (?:the )?(?P<thing>.+)"),
        training=(
            "what is the colour of the {thing}",
            "what color is the {thing}",
            "what colour is the {thing}",
            "what is the color of the {thing}",
            "which color is the {thing}",
            "what's the colour of the {thing}",
            "color of the {thing}",
            "what color does the {thing} have",
            "tell me the color of the {thing}",
        ),
        held_out=(
            "which colour has the {thing}",
            "the {thing} is of what color",
            "can you see what colour the {thing} is",
            "the color of this {thing} is what",
        ),
    ),
    # how many chairs are there in front of the table ?
    Form(
        re.compile(rf"how many (?P<things>\S+(?: \S+)??)(?: {_BE})?(?: {_FOUND})?(?P<where>(?: {_PLACE} .+)?)"),
        training=(
            "how many {things} are there{where}",
            "how many {things} are{where}",
            "how many {things}{where}",
            "how many {things} are visible{where}",
            "how many {things} can you see{where}",
            "how many {things} are found{where}",
            "what is the number of {things}{where}",
            "count the {things}{where}",
            "number of {things}{where}",
        ),
        held_out=(
            "how many {things} do you count{where}",
            "how many {things} does the picture show{where}",
            "can you say how many {things} there are{where}",
            "please give the number of {things} that exist{where}",
        ),
    ),
    # what is the largest object ?
    Form(
        re.compile(r"what is (?:the )?(?:largest|biggest|big|large)(?: object| thing)?(?: found| present)?"),
        training=(
            "what is the largest object",
            "what is the biggest object",
            "which object is the largest",
            "what is the largest thing",
            "what's the largest object",
        ),
        held_out=("which thing is the biggest one here", "can you name the object that is largest"),
    ),
    # what shape is in the image ?
    Form(
        re.compile(r"what shape (?:is (?:in the image|present)|does the image contain)"),
        training=("what shape is in the image", "what shape is this", "which shape is it", "what shape do you see"),
        held_out=("can you name the shape", "the shape here is what"),
    ),
    # is there a red shape in the image ?
    Form(
        re.compile(r"(?:is there|is|does the image contain) an? (?P<colour>\w+) shape(?: in the image| present)?"),
        training=(
            "is there a {colour} shape",
            "is it {colour}",
            "is the shape {colour}",
            "do you see a {colour} shape",
        ),
        held_out=("can a {colour} shape be seen", "please say if there is a {colour} shape"),
    ),
    # is a circle present ?
    Form(
        re.compile(r"(?:is there|is|does the image contain) (?P<thing>an? \w+)(?: in the image| present)?"),
        training=("is there {thing}", "is it {thing}", "is this {thing}", "do you see {thing}"),
        held_out=("can {thing} be seen", "please say if there is {thing}"),
    ),
    # what is found on the table ? / what are the objects on the left side of the bed ?
    Form(
        re.compile(
            rf"(?:what|which) (?:(?:{_BE} )?(?:the )?(?:object|objects|thing|things|item|items) (?:{_BE} )?|{_BE} )"
            rf"(?:{_FOUND} )?(?P<where>(?:(?:placed|kept|hung|hanged|hanging|stuck|fixed|attached) )?{_PLACE} .+)"
        ),
        training=(
            "what is {where}",
            "what is the object {where}",
            "what are the objects {where}",
            "what is found {where}",
            "what object is {where}",
            "what's {where}",
            "what is there {where}",
            "what can be seen {where}",
            "what do you see {where}",
            "what are the things {where}",
            "which object is {where}",
        ),
        held_out=(
            "which thing can you find {where}",
            "can you name the object that is {where}",
            "{where} there is what",
            "please tell what stands {where}",
        ),
    ),
)

# Synonyms of a place, for training only.
PLACE_SYNONYMS = (
    ("on the left side of", "to the left of", "left of", "on the left of", "at the left side of"),
    ("on the right side of", "to the right of", "right of", "on the right of", "at the right side of"),
    ("beneath", "under", "below", "underneath"),
    ("close to", "near", "next to", "beside"),
    ("in front of", "before"),
)
PLACES = tuple(way for ways in PLACE_SYNONYMS for way in ways)


def paraphrase(question: str, rng: random.Random) -> str:
    """Reword a question with a random template for training; a question of no known form is returned unchanged."""
    found = _parse(question)
    if found is None:
        return question
    form, slots = found
    asked = rng.choice(form.training).format(**slots)
    for ways in PLACE_SYNONYMS:
        way = next((way for way in ways if f" {way} " in asked), None)
        if way and rng.random() < 0.3:
            asked = asked.replace(f" {way} ", f" {rng.choice(ways)} ", 1)
    return f"{asked} ?"


def reword(question: str) -> str | None:
    """Reword a question with a template for evaluation, always the same one; None for a question of no known form."""
    found = _parse(question)
    if found is None:
        return None
    form, slots = found
    place = zlib.crc32(question.encode()) % len(form.held_out)
    return form.held_out[place].format(**slots) + " ?"


def mirror(question: str) -> str:
    """Return the question for the mirrored picture: ``left`` and ``right`` are swapped."""
    swapped = {"left": "right", "right": "left"}
    return re.sub(r"\b(left|right)\b", lambda found: swapped[found[0]], question)


def _parse(question: str) -> tuple[Form, dict[str, str]] | None:
    words = " ".join(question.lower().replace("?", " ").split())
    for form in FORMS:
        found = form.pattern.fullmatch(words)
        if found:
            slots = {name: text for name, text in found.groupdict().items() if text is not None}
            return form, slots
    return None
