from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.chat.bars import Bar
from loadtest.chat.in_process import IN_PROCESS
from loadtest.chat.memory import measure_memory
from loadtest.chat.smolvlm import SMALL, make_recipe
from loadtest.chat.talk import Plain, Served


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recipe(tmp_path_factory.mktemp("chat"), threads=1, size=SMALL)


@pytest.mark.parametrize(
    ("figure", "limit", "holds"), [(0.3, "<= 0.35", True), (0.4, "<= 0.35", False), (2.5, ">= 2.0", True)]
)
def test_a_figure_is_compared_with_its_limit(figure: float, limit: str, holds: bool):
    assert Bar("x", figure, limit, "").holds is holds


def test_the_model_writes_the_tokens_of_generate_with_its_caches_and_side_by_side(recipe: Path):
    served = Served.load(recipe)
    plain = Plain(served.family.generator.model, served.family.generator.processor)
    (bar,) = IN_PROCESS["same-tokens"](served, plain, 1)
    assert (bar.figure, bar.detail) == (1.0, "24 of 24")


def test_the_first_tokens_are_measured_with_and_without_caches(recipe: Path):
    served = Served.load(recipe)
    plain = Plain(served.family.generator.model, served.family.generator.processor)
    bars = IN_PROCESS["first-tokens"](served, plain, 1)
    assert [bar.figure > 0 for bar in bars] == [True] * 3


def test_memory_is_measured_over_conversations_that_are_answered(recipe: Path):
    bar = measure_memory(recipe, 10)
    assert bar.detail.startswith("after 1 conversations ")
