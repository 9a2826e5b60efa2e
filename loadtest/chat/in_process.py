"""The bars that need no server: what is not computed twice, and conversations side by side.

A first token's time is that of an answer of one token. Times are CPU seconds of this process with one thread, which
other load on the machine changes little; each round measures every way once, in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median

from loadtest.chat.bars import Bar
from loadtest.chat.smolvlm import NEW_TOKENS
from loadtest.chat.talk import Plain, Served, Talk, cpu_seconds, first_question, square_pictures
from loadtest.pairs import QUESTIONS

_TURNS = 6
_SIDE_BY_SIDE = 8


Seconds = dict[str, list[float]]


def measure(served: Served, plain: Plain, rounds: int) -> list[Bar]:
    """All bars of this module."""
    return [
        *_first_tokens(served, plain, rounds),
        _side_by_side(served, plain, rounds),
        _same_tokens(served, plain),
    ]


def _first_tokens(served: Served, plain: Plain, rounds: int) -> list[Bar]:
    pictures = square_pictures(rounds)
    seconds: Seconds = defaultdict(list)
    for picture in pictures:
        talk = first_question(picture, 0)
        served.forget()
        _time(seconds, "first question", served, [talk])
        _time(seconds, "second question", served, [first_question(picture, 1)])
        _time(seconds, "first question, generate", plain, [talk])
        for number in range(1, _TURNS):
            (written,) = served.answer([talk])
            talk = talk.then(served.text(written), QUESTIONS[number])
        _time(seconds, "sixth turn", served, [talk])
        _time(seconds, "sixth turn, generate", plain, [talk])
        served.family.generator.prefixes.clear()
        _time(seconds, "sixth turn, picture kept", served, [talk])
        served.forget()
        _time(seconds, "sixth turn, nothing kept", served, [talk])
    found = {name: median(values) for name, values in seconds.items()}
    detail = ", ".join(f"{name} {value:.2f} s" for name, value in found.items())
    return [
        Bar(
            "second question / first: first token",
            found["second question"] / found["first question"],
            "<= 0.35",
            detail,
        ),
        Bar(
            "sixth turn / without cache: first token",
            found["sixth turn"] / found["sixth turn, nothing kept"],
            "<= 0.25",
            "",
        ),
        Bar("sixth turn / generate: first token", found["sixth turn"] / found["sixth turn, generate"], "<= 0.25", ""),
    ]


def _time(seconds: Seconds, name: str, way: Served | Plain, talks: Sequence[Talk]) -> None:
    seconds[name].append(cpu_seconds(lambda: way.answer(talks, 1))[1])


def _side_by_side(served: Served, plain: Plain, rounds: int) -> Bar:
    """Eight conversations of one to eight turns, of which all but the last turn were answered before."""
    talks = _unequal(served)
    ways: dict[str, Callable[[], object]] = {
        "at once": lambda: served.answer(talks),
        "one after the other": lambda: [served.answer([talk]) for talk in talks],
        "generate, one after the other": lambda: [plain.answer([talk]) for talk in talks],
        "generate, at once": lambda: plain.answer(talks),
    }
    seconds: Seconds = defaultdict(list)
    for _ in range(rounds):
        for name, way in ways.items():
            _remember(served, talks)
            seconds[name].append(cpu_seconds(way)[1])
    found = {name: len(talks) * NEW_TOKENS / median(values) for name, values in seconds.items()}
    detail = ", ".join(f"{name} {value:.1f} tokens/s" for name, value in found.items())
    return Bar(
        "8 conversations at once / one after the other: tokens per second",
        found["at once"] / found["one after the other"],
        ">= 2.0",
        detail,
    )


def _unequal(served: Served) -> list[Talk]:
    talks = []
    for number, picture in enumerate(square_pictures(_SIDE_BY_SIDE)):
        talk = first_question(picture, number)
        for turn in range(number):
            (written,) = served.answer([talk])
            talk = talk.then(served.text(written), QUESTIONS[turn])
        talks.append(talk)
    return talks


def _remember(served: Served, talks: Sequence[Talk]) -> None:
    """Bring the caches to the state before the last question of each conversation."""
    served.family.generator.prefixes.clear()
    for talk in talks:
        earlier = Talk(talk.picture, talk.turns[:-2]) if len(talk.turns) > 1 else talk
        if earlier is not talk:
            served.answer([earlier], 1)


def _same_tokens(served: Served, plain: Plain) -> Bar:
    talks = _unequal(served)
    expected = [plain.answer([talk])[0] for talk in talks]
    found = [served.answer(talks), [served.answer([talk])[0] for talk in talks]]
    served.forget()
    found.append(served.answer(talks[::-1])[::-1])
    same = sum(tokens == wanted for rows in found for tokens, wanted in zip(rows, expected, strict=True))
    of = sum(map(len, found))
    return Bar("greedy answers of 32 tokens equal to generate's", same / of, ">= 1.0", f"{same} of {of}")
