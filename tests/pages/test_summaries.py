"""Correlations beside the formula by hand, and what their error says; changed models beside the
unchanged one."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from kent.learning.outcomes import Outcome
from kent.measure.profiles import Profile
from kent.pages import summaries
from kent.pages.evidence import FLOOR
from kent.pages.summaries import correlate, describe_correlation, exceed_chance, list_guessing


def test_pearsons_correlation_and_the_end_of_its_interval_towards_zero():
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0]
    value, error = correlate(x, y)
    assert value == pytest.approx(np.corrcoef(x, y)[0, 1]) == pytest.approx(0.8)
    assert value - 2 * error == pytest.approx(math.tanh(math.atanh(0.8) - 2 / math.sqrt(2)))
    mirrored, same = correlate(x, [-each for each in y])
    assert (mirrored, same) == (pytest.approx(-value), pytest.approx(error))


def test_spearmans_is_that_of_the_ranks_and_wider():
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 30.0, 20.0, 500.0, 400.0]
    value, error = correlate(x, y, "Spearman")
    assert value == pytest.approx(0.8)
    assert error > correlate(x, [1.0, 3.0, 2.0, 5.0, 4.0])[1]


@pytest.mark.parametrize(("x", "y"), [([1.0, 2.0, 3.0],) * 2, ([1.0] * 4, [1.0, 2.0, 3.0, 4.0])])
def test_too_few_points_and_a_series_that_never_changes_say_nothing(x, y):
    assert all(map(math.isnan, correlate(x, y)))


def test_a_perfect_correlation_has_a_finite_error():
    value, error = correlate([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0])
    assert value == pytest.approx(1) and 0 <= error < 1e-4


@pytest.mark.parametrize("kind", ["Pearson", "Spearman"])
def test_a_correlation_is_said_with_both_ends_of_its_interval(kind):
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0]
    value, low, high = map(
        float, re.findall(r"[+-]\d\.\d\d", describe_correlation(x, y, kind).replace("−", "-"))
    )
    spread = 2 * math.sqrt({"Pearson": 1, "Spearman": 1.06}[kind] / 2)
    ends = [math.tanh(math.atanh(0.8) + end) for end in (-spread, spread)]
    assert value == 0.8 and [low, high] == pytest.approx(ends, abs=0.005)
    assert -1 <= low < value < high <= 1


def test_a_correlation_without_an_interval_is_said_alone_or_not_at_all():
    assert describe_correlation([1.0, 2.0, 3.0, 4.0], [8.0, 6.0, 4.0, 2.0]) == "−1.00"
    assert describe_correlation([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]) == "not known"


def answer(step: int, **answers: list[int]) -> Outcome:
    """An outcome of which only the answers at its end matter."""
    tables = {
        task: torch.tensor([[1] * len(rows), rows]).double() for task, rows in answers.items()
    }
    return Outcome(
        steps=torch.tensor([0, 1]),
        knowledge={},
        control={},
        answers=tables,
        curve=torch.zeros(1, 3).double(),
        provenance={"revision": {"step": step}},
    )


def test_what_is_answered_beyond_guessing_is_the_mean_over_tasks():
    value, error = exceed_chance(answer(0, exam=[1, 1, 1, 0], procedure=[1, 0]))
    assert value == pytest.approx(100 * ((0.75 - 0.25) + (0.5 - 0.5)) / 2)
    assert error == pytest.approx(100 * math.sqrt(0.25 / 4 + 0.5 / 2) / 2)


def test_models_that_do_no_better_than_guessing_are_listed():
    able, guessing, worse = [1] * 90 + [0] * 10, [1, 0, 0, 0] * 25, [0] * 100
    outcomes = [answer(step, exam=rows) for step, rows in ((1, able), (2, guessing), (4, worse))]
    assert list_guessing(outcomes) == [2, 4]


def test_forgetting_that_begins_or_ends_at_guessing_is_not_measurable():
    able, guessing = [1] * 90 + [0] * 10, [1, 0, 0, 0] * 25
    kept, fell = answer(1, exam=able), answer(2, exam=guessing)
    never = replace(fell, answers={"exam": fell.answers["exam"].flip(0)})
    assert summaries.find_floor([kept]) is None
    assert summaries.find_floor([kept, fell]) == summaries.find_floor([never]) == FLOOR


PROFILE = Profile(torch.tensor([1]))


class Stub(Outcome):
    """An outcome of a checkpoint of a step."""

    def __init__(self, step: int):
        object.__setattr__(self, "provenance", {"revision": {"step": step}})


def test_changed_models_of_one_step_are_kept_apart():
    outcomes = [Stub(3), Stub(3)]
    found = summaries.group_changes(
        {"unchanged": [PROFILE, PROFILE], "unchanged, learning": outcomes}
    )
    assert list(found) == [0, 1] and [found[place]["unchanged"][1] for place in found] == outcomes
