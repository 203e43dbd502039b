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
from kent.pages.seeds import Seed
from kent.pages.summaries import (
    COMPARED,
    correlate,
    describe_correlation,
    exceed_chance,
    list_guessing,
)
from kent.runs import execution, learning_plans


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


def test_changed_models_count_from_the_unchanged_one(pretrained, monkeypatch):
    lesson = {
        "corpus": ["The red house stands there. " * 1500],
        "length": 500,
        "batch": 2,
        "steps": 10,
        "once": 10,
        "paraphrase": 1,
        "tasks": "world",
    }
    right = iter([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]])
    answers = type("Answers", (), {})

    def answer(*_):
        found = answers()
        found.correct = {"facts": np.array(next(right), dtype=float)}
        return found

    monkeypatch.setattr("kent.learning.evaluations.evaluate", answer)
    measured = {"corpus": ["A red house. " * 20], "length": 16, "limit": 4}
    plan = learning_plans.vary_q("tiny", q=[2.0], steps=[4], recipe=lesson, **measured)
    results = {label: [execution.fetch(run) for run in listed] for label, listed in plan.items()}
    [(step, models)] = summaries.group_changes(results).items()
    assert step == 4 and list(models) == ["unchanged", "q = 2"]
    table, differences = summaries.tabulate_changes(models), summaries.compare_changes(models)
    assert [value for value, _ in table.loc["F (%)"]] == [50, 25] and table.loc[
        "F from its own P before (%)", "q = 2"
    ][0] == -200
    (before, unchanged), (after, changed) = models.values()
    assert table.loc["H before (nats)", "q = 2"] == after.estimate()
    assert list(differences) == ["q = 2"] and differences.loc["F (%)", "q = 2"][0] == -25
    assert differences.loc["H before (nats)", "q = 2"] == after.change_since(before)
    same = summaries.compare_changes(
        {"unchanged": models["unchanged"], "same": models["unchanged"]}
    )
    assert all(pair == (0, 0) for pair in same["same"])
    risen = changed.performance()[-1] - unchanged.performance()[-1]
    assert differences.loc["A (%)", "q = 2"][0] == pytest.approx(
        100 * risen[0] / abs(unchanged.performance()[0, 0])
    )


PROFILE = Profile(torch.tensor([1]))


class Stub(Outcome):
    """An outcome of a checkpoint of a step, whose A is what is given."""

    def __init__(self, step: int = 0, acquired: tuple[float, ...] = ()):
        object.__setattr__(self, "provenance", {"revision": {"step": step}})
        object.__setattr__(self, "acquired", np.array(acquired))

    def acquisition(self, since: Outcome) -> np.ndarray:
        return self.acquired


def test_changed_models_of_one_step_are_kept_apart():
    outcomes = [Stub(3), Stub(3)]
    found = summaries.group_changes(
        {"unchanged": [PROFILE, PROFILE], "unchanged, learning": outcomes}
    )
    assert list(found) == [0, 1] and [found[place]["unchanged"][1] for place in found] == outcomes


def test_controls_are_judged_beside_the_method_and_over_seeds():
    acquired = {
        "unchanged": (),
        "resuscitate": (1.0, 0.9, 1.1),
        "random": (3.0, 2.9, 3.1),
        "rescale": (1.0, 0.5, 1.5),
    }
    models = {label: (PROFILE, Stub(acquired=each)) for label, each in acquired.items()}
    kept = {
        f"{COMPARED}, resuscitate": {"A (%)": (1.0, 0.1)},
        f"{COMPARED}, random": {"A (%)": (-5.0, 0.1)},
    }
    beside = {"random": "resuscitate", "rescale": "resuscitate", "missing": "resuscitate"}
    table = summaries.judge_controls(models, beside, [Seed("tiny-1", {}, kept, False)])
    assert list(table.index) == ["random", "rescale"]
    assert list(table["the control"]) == ["beats the method", "too small to tell"]
    assert table.loc["random", "mean of 2 seeds"] == "−2 ± 51", "Student's t for two values"
    assert table.loc["random", "over seeds the control"] == "too small to tell"
