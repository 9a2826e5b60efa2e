from __future__ import annotations

from itertools import product

import pytest

from loadtest.fleet.recall import Recall, expected_recall
from loadtest.fleet.servers import Counts


@pytest.mark.parametrize(("questions", "machines"), [(1, 3), (3, 3), (4, 2), (5, 4)])
def test_a_random_choice_recalls_what_all_possible_choices_recall_in_the_mean(questions: int, machines: int):
    ways = list(product(range(machines), repeat=questions))
    recalled = sum(questions - len(set(way)) for way in ways) / questions / len(ways)
    assert expected_recall(questions, machines, "least busy") == pytest.approx(recalled)
    assert expected_recall(questions, machines, "round robin") == pytest.approx(recalled)


def test_a_picture_that_stays_on_its_machine_is_computed_once():
    assert expected_recall(8, 3, "pictures") == 7 / 8
    assert expected_recall(1, 3, "pictures") == 0


def test_the_figures_of_rounds_are_summed_over_machines():
    first = [Counts(requests=6, recalled=4, computed=2, cpu=0.3), Counts(requests=2, recalled=0, computed=2, cpu=0.1)]
    second = [Counts(requests=4, recalled=4, computed=0, cpu=0.2), Counts(requests=4, recalled=2, computed=2, cpu=0.2)]
    result = Recall(4, "least busy", [first, second], latencies=[0.010] * 16, gateway_cpu=0.008)
    assert result.recalled == 10 / 16
    assert result.hottest == pytest.approx((0.75 + 0.5) / 2)
    assert result.row() == ["4", "least busy", "16", "0.625", "0.531", "62%", "10", "10", "50.0", "0.50"]
