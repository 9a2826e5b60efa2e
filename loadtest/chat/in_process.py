"""The bars that need no server: what is not computed twice, and conversations side by side.

A first token's time is that of an answer of one token. Times are CPU seconds of this process with one thread, which
other load on the machine changes little; each round measures every way once, in turn.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from statistics import median

from loadtest.chat.bars import Bar
from loadtest.chat.smolvlm import NEW_TOKENS
from loadtest.chat.talk import Plain, Served, Talk, cpu_seconds, first_question, square_pictures
from loadtest.pairs import QUESTIONS

_TURNS = 6
_SIDE_BY_SIDE = 8
_MOST_TURNS = 4


Seconds = dict[str, list[float]]


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


def _side_by_side(served: Served, plain: Plain, rounds: int) -> list[Bar]:
    """Eight conversations of one to four turns, of which all but the last turn were answered before."""
    talks = _unequal(served)
    kept, features = deepcopy(served.family.generator.prefixes), dict(served.features)
    alone = [[talk] for talk in talks]
    ways: dict[str, tuple[Served | Plain, Sequence[Sequence[Talk]]]] = {
        "at once": (served, [talks]),
        "one after the other": (served, alone),
        "generate, at once": (plain, [talks]),
        "generate, one after the other": (plain, alone),
    }
    seconds: Seconds = defaultdict(list)
    for _ in range(rounds):
        for name, (way, batches) in ways.items():
            served.family.generator.prefixes = deepcopy(kept)
            served.features = dict(features)  # without the pictures of first questions, so that every way pays for them
            began = time.process_time()
            for batch in batches:
                way.answer(batch)
            seconds[name].append(time.process_time() - began)
    found = {name: len(talks) * NEW_TOKENS / median(values) for name, values in seconds.items()}
    detail = ", ".join(f"{name} {value:.1f} tokens/s" for name, value in found.items())
    ratio = found["at once"] / found["one after the other"]
    return [Bar("8 conversations at once / one after the other: tokens per second", ratio, ">= 2.0", detail)]


def _unequal(served: Served) -> list[Talk]:
    talks = []
    for number, picture in enumerate(square_pictures(_SIDE_BY_SIDE)):
        talk = first_question(picture, number)
        for turn in range(number % _MOST_TURNS):
            (written,) = served.answer([talk])
            talk = talk.then(served.text(written), QUESTIONS[turn])
        talks.append(talk)
    return talks


def _same_tokens(served: Served, plain: Plain, rounds: int) -> list[Bar]:
    del rounds  # the same each time
    talks = _unequal(served)
    expected = [plain.answer([talk])[0] for talk in talks]
    found = [served.answer(talks), [served.answer([talk])[0] for talk in talks]]
    served.forget()
    found.append(served.answer(talks[::-1])[::-1])
    same = sum(tokens == wanted for rows in found for tokens, wanted in zip(rows, expected, strict=True))
    of = sum(map(len, found))
    return [Bar("greedy answers of 32 tokens equal to generate's", same / of, ">= 1.0", f"{same} of {of}")]


IN_PROCESS: dict[str, Callable[[Served, Plain, int], list[Bar]]] = {
    "first-tokens": _first_tokens,
    "side-by-side": _side_by_side,
    "same-tokens": _same_tokens,
}
"""The parts of this module, by their names in the command."""
