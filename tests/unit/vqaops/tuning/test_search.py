from __future__ import annotations

from vqaops.tuning.search import Search, TrialOutcome
from vqaops.tuning.space import Candidate, Space, layouts

SPACE = Space(layouts(4), (1, 2, 4, 8, 16, 32), (1, 5, 20), ("fp32", "bf16"))
START = Candidate(1, 4, 1, 20, "fp32")


def surface(candidate: Candidate) -> TrialOutcome:
    """Like a real one: bf16 is faster, batches help until they are large, a wait helps nobody, two workers are best."""
    if candidate.precision == "int8":
        return TrialOutcome(failure="a worker cannot load its archive")
    speed = {"fp32": 10, "bf16": 25}[candidate.precision] * {1: 0.8, 2: 1.0, 3: 0.9, 4: 0.85}[candidate.workers]
    rate = speed * {1: 1.0, 2: 1.2, 4: 1.35, 8: 1.5, 16: 1.51, 32: 1.4}[candidate.batch] / (1 + candidate.delay / 100)
    return TrialOutcome(rate=rate, p95_ms=1000 * candidate.batch / rate + candidate.delay, cpu_ms=1000 / rate)


def test_the_best_of_a_surface_is_found_with_a_fraction_of_the_trials():
    search = Search(surface, limit_ms=10_000)
    chosen = search.best_from(START, SPACE)
    few = len(search.tried)
    best = search.best_of_all(SPACE)
    assert few < len(SPACE) / 4
    assert search.tried[chosen].rate >= 0.95 * search.tried[best].rate
    assert chosen == Candidate(2, 2, 8, 1, "bf16")  # 16 is less than 2 % better


def test_what_answers_most_is_not_chosen_when_it_is_over_the_limit():
    search = Search(surface, limit_ms=130)
    chosen = search.best_from(START, SPACE)
    assert search.fits(chosen)
    assert chosen.batch == 4
    assert search.merit(chosen) == search.merit(search.best_of_all(SPACE))


def test_from_a_start_over_the_limit_the_search_goes_towards_it():
    search = Search(surface, limit_ms=130)
    start = Candidate(1, 4, 32, 20, "fp32")
    chosen = search.best_from(start, SPACE)
    assert not search.fits(start)
    assert search.fits(chosen)


def test_a_failing_candidate_is_skipped():
    space = Space(SPACE.layouts, SPACE.batches, SPACE.delays, ("int8", "bf16", "fp32"))
    assert Search(surface, limit_ms=10_000).best_from(START, space).precision == "bf16"


def test_a_gain_within_the_noise_changes_nothing():
    noise = iter([100, 101, 99, 101.5, 100.5, 98, 101.9] * 100)
    search = Search(lambda _: TrialOutcome(rate=next(noise), p95_ms=1), limit_ms=250)
    assert search.best_from(START, SPACE) == START


def test_no_candidate_is_tried_twice():
    asked: list[Candidate] = []

    def trial(candidate: Candidate) -> TrialOutcome:
        asked.append(candidate)
        return surface(candidate)

    search = Search(trial, limit_ms=10_000)
    search.best_from(START, SPACE)
    search.best_of_all(SPACE)
    assert len(asked) == len(set(asked)) == len(SPACE)


def test_layouts_use_every_core_or_leave_one_to_java():
    assert layouts(1) == ((1, 1),)
    assert layouts(2) == ((1, 2), (2, 1), (1, 1))
    assert layouts(16) == ((1, 16), (2, 8), (4, 4), (8, 2), (16, 1), (15, 1))


def test_a_recipe_outside_the_space_starts_at_its_nearest():
    assert SPACE.nearest(Candidate(3, 2, 9, 100, "auto")) == Candidate(3, 1, 8, 20, "fp32")
