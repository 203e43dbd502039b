"""What a verdict needs first: each precondition by hand, on outcomes made to meet it or not."""

import math
from dataclasses import replace

import pytest
import torch

from kent.learning.outcomes import Outcome, estimate
from kent.pages import gates

ABLE, GUESSING = [1] * 90 + [0] * 10, [1, 0, 0, 0] * 25


def answer(**answers: list[int]) -> Outcome:
    """An outcome of which only answers matter: all right before learning, then these."""
    tables = {
        task: torch.tensor([[1] * len(rows), rows]).double() for task, rows in answers.items()
    }
    rest = {"knowledge": {}, "control": {}, "curve": torch.zeros(1, 3).double()}
    return Outcome(torch.tensor([0, 1]), **rest, answers=tables)


START = [-4, -4]


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ([(-1.0, 0.1)], None),
        ([(-1.0, 0.1), (-2.0, 0.5)], None),
        ([(-1.0, 0.1), (2.0, 0.5)], gates.NO_FALL),
        ([(-1.0, 0.6)], gates.NO_FALL),
        ([(math.nan, 0.1)], gates.NO_FALL),
        ([(0.0, 0.0)], gates.NO_FALL),
    ],
)
def test_what_falls_most_needs_a_fall(changes, gate):
    assert gates.require_fall(*changes) == gate


def test_what_is_answered_beyond_guessing_is_the_mean_over_tasks():
    outcome = answer(exam=[1, 1, 1, 0], procedure=[1, 0])
    assert gates.find_guessing(outcome) == pytest.approx(100 * (0.25 + 0.5) / 2)
    value, error = gates.exceed_chance(outcome)
    assert value == pytest.approx(100 * ((0.75 - 0.25) + (0.5 - 0.5)) / 2)
    assert error == pytest.approx(100 * math.sqrt(0.25 / 4 + 0.5 / 2) / 2)


def test_forgetting_that_begins_or_ends_at_guessing_is_not_measurable():
    kept, fell = answer(exam=ABLE), answer(exam=GUESSING)
    never = replace(fell, answers={"exam": fell.answers["exam"].flip(0)})
    assert gates.find_floor([kept]) is None
    assert gates.find_floor([kept, fell]) == gates.find_floor([never]) == gates.FLOOR
    assert gates.find_floor([fell], [0]) is None, "before learning it could"
    assert gates.find_floor([never], [0]) == gates.FLOOR


def test_net_acquisition_leaves_out_what_facts_gain_that_were_never_injected(learn):
    outcome = learn(128)
    assert gates.acquire_net(outcome)[0] == pytest.approx(37.5 - 18.75)
    assert gates.acquire_net(outcome, "once")[0] == pytest.approx(25 - 12.5)
    assert gates.acquire_net(outcome, "paraphrase")[0] == pytest.approx(50 - 25)


def test_a_setting_that_the_control_has_not_stands_beside_the_whole_control(learn):
    outcome = learn(128, settings=("once", "once"))
    assert gates.choose_control(outcome, "once") == "once"
    assert gates.choose_control(outcome, "paraphrase") == "all"
    assert gates.acquire_net(outcome, "paraphrase")[0] == pytest.approx(50 - 18.75)


def test_less_acquired_needs_something_acquired_beyond_the_control(learn):
    style = learn(128, [START, [-3, -3]], [START, [-3, -3]])
    knowledge = learn(128, [START, [-2, -2]], [START, START])
    assert estimate(style.acquisition())[0] == 25, "A alone would say that it was"
    assert gates.require_acquisition([style]) == gates.NOT_ACQUIRED
    assert gates.require_acquisition([style, knowledge]) is None
    once = learn(128, [START, [-2, -4]], [START, START])
    assert gates.require_acquisition([once], "paraphrase") == gates.NOT_ACQUIRED
    assert gates.require_acquisition([once], "once") is None


@pytest.mark.parametrize(
    ("low", "high", "gate"),
    [
        (0.1, 0.9, None),
        (-0.9, -0.1, None),
        (-0.1, 0.9, gates.ONE_POINT),
        (0.0, 0.9, gates.ONE_POINT),
        (math.nan, math.nan, None),
    ],
)
def test_one_checkpoint_must_not_decide_a_correlation(low, high, gate):
    assert gates.require_all_points(low, high) == gate
