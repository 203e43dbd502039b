"""Changed models beside the unchanged one, and controls beside the method."""

import numpy as np
import pandas as pd
import pytest
import torch

from kent.learning.outcomes import Outcome
from kent.measure.profiles import Profile
from kent.pages import changes, summaries
from kent.pages.changes import COMPARED
from kent.pages.evidence import ONE_SEED
from kent.pages.seeds import Seed
from kent.pages.summaries import FALL, NET
from kent.runs import execution, learning_plans


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
    table, differences = changes.tabulate_changes(models), changes.compare_changes(models)
    assert [value for value, _ in table.loc["F (%)"]] == [50, 25] and table.loc[
        "F from its own P before (%)", "q = 2"
    ][0] == -200
    (before, unchanged), (after, changed) = models.values()
    assert table.loc["H before (nats)", "q = 2"] == after.estimate()
    assert list(differences) == ["q = 2"] and differences.loc["F (%)", "q = 2"][0] == -25
    assert differences.loc["H before (nats)", "q = 2"] == after.change_since(before)
    net = summaries.NET
    gained = [table.loc[row, "q = 2"][0] for row in (net, "A (%)", "control: A (%)")]
    assert gained[0] == pytest.approx(gained[1] - gained[2])
    # of all that could be answered before, guessing leaves a quarter; a half was left
    assert differences.loc[FALL, "q = 2"][0] == pytest.approx(75 - 50)
    same = changes.compare_changes({"unchanged": models["unchanged"], "same": models["unchanged"]})
    assert all(pair == (0, 0) for pair in same["same"].drop(FALL))
    risen = changed.performance()[-1] - unchanged.performance()[-1]
    assert differences.loc["A (%)", "q = 2"][0] == pytest.approx(
        100 * risen[0] / abs(unchanged.performance()[0, 0])
    )


class Stub(Outcome):
    """An outcome whose A is what is given, net of a control that gains nothing."""

    def __init__(self, acquired: tuple[float, ...]):
        object.__setattr__(self, "acquired", np.array(acquired))

    def acquisition(
        self, what: str = "all", of: str = "knowledge", since: Outcome | None = None
    ) -> np.ndarray:
        return self.acquired * (of == "knowledge")


MODELS = {
    label: (Profile(torch.tensor([1])), Stub(acquired))
    for label, acquired in {
        "unchanged": (0.0, 0.0, 0.0),
        "resuscitate": (1.0, 0.9, 1.1),
        "random": (3.0, 2.9, 3.1),
        "rescale": (1.0, 0.5, 1.5),
    }.items()
}
BESIDE = {"random": "resuscitate", "rescale": "resuscitate", "missing": "resuscitate"}


def keep(**values: float) -> Seed:
    """A seed that kept net A minus that of the unchanged model."""
    kept = {f"{COMPARED}, {label}": {NET: (value, 0.1)} for label, value in values.items()}
    return Seed("tiny-1", {}, kept, False)


def test_one_seed_gives_no_verdict_on_a_control():
    table = changes.judge_controls(MODELS, BESIDE)
    assert list(table.index) == ["random", "rescale"]
    assert {*table["the control"]} == {ONE_SEED} and {*table["seeds"]} == {1}
    older = Seed("tiny-1", {}, {f"{COMPARED}, random": {"A (%)": (1.0, 0.1)}}, False)
    assert {*changes.judge_controls(MODELS, BESIDE, [older])["seeds"]} == {1}


def test_controls_are_judged_by_the_mean_over_seeds():
    column = "net A minus that of the method (points)"
    far = changes.judge_controls(MODELS, BESIDE, [keep(resuscitate=1.0, random=-5.0)])
    assert far.loc["random", column] == "−2 ± 51", "Student's t for two values"
    assert list(far["the control"]) == ["too small to tell", ONE_SEED]
    near = [keep(resuscitate=1.0, random=3.1, rescale=0.0), keep(resuscitate=1.0, random=2.9)]
    table = changes.judge_controls(MODELS, BESIDE, near)
    assert table.loc["random", "the control"] == "beats the method"
    assert list(table["seeds"]) == [3, 2]
    behind = [keep(resuscitate=5.0, random=7.0, rescale=0.0)] * 2
    turned = changes.judge_controls(MODELS, {"resuscitate": "random"}, behind)
    assert turned.loc["resuscitate", "the control"] == "falls behind it"


def test_changes_are_said_with_their_intervals_but_not_what_is_not_known():
    pairs = pd.Series({"q = 1": (1.0, 0.25), "q = 2": (-2.0, 0.5), "rescale": np.nan})
    assert changes.say_changes(pairs) == "+1.00 ± 0.50 (q = 1), −2.0 ± 1.0 (q = 2)"


def test_a_shift_is_the_losss_and_that_of_the_probe_that_moves_most():
    def model(loss: float, probes: list[float]) -> tuple[Profile, Outcome]:
        profile = Profile(torch.tensor([1]), loss_blocks=torch.tensor([loss]).double())
        known = {"per_target_token": torch.tensor([probes, [0.0, 0.0]]).double()}
        rest = {"control": {}, "answers": {}, "curve": torch.zeros(1, 3).double()}
        return profile, Outcome(torch.tensor([0, 1]), knowledge=known, **rest, provenance={})

    models = {"unchanged": model(2.0, [-1.0, -3.0]), "rescale": model(1.5, [-0.75, -4.0])}
    assert changes.measure_shifts(models, "rescale") == {"loss": 0.5, "a probe": 1.0}


def test_the_largest_of_a_column_is_looked_for_in_every_seed():
    table = pd.DataFrame({"loss": [(1.0, 0.0), (2.0, 0.0)], "a probe": [(5.0, 0.0), (4.0, 0.0)]})
    table.index = ["q = 1", "q = 2"]
    kept = {"q = 2": {"loss": (3.0, 0.0)}, "another row": {"a probe": (9.0, 0.0)}}
    found = changes.find_largest(table, [Seed("tiny-1", {}, kept, False)])
    assert found == {"loss": 3.0, "a probe": 5.0}
