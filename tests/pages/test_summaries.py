"""Tables of what learning came to; changed models beside the unchanged one."""

import numpy as np
import pytest
import torch

from kent.learning.outcomes import Outcome
from kent.measure.profiles import Profile
from kent.pages import summaries
from kent.pages.seeds import Seed
from kent.pages.summaries import COMPARED, FALL, NET, list_guessing, tabulate_learning
from kent.runs import execution, learning_plans


def answer(step: int, before: list[int], after: list[int]) -> Outcome:
    """An outcome of one task, by its answers before and after."""
    rest = {"knowledge": {}, "control": {}, "curve": torch.zeros(1, 3).double()}
    tables = {"exam": torch.tensor([before, after]).double()}
    about = {"revision": {"step": step}}
    return Outcome(torch.tensor([0, 1]), **rest, answers=tables, provenance=about)


def test_the_net_stands_beside_both_and_forgetting_beside_a_fall_to_guessing(learn):
    table = tabulate_learning([learn(128)])
    rows = [NET, "A (%)", "control: A (%)", "F (%)", FALL]
    values = [table[128][row][0] for row in rows]
    # of 75 % answered before, a chance of 25 % is left: one task of four choices
    assert values == pytest.approx([18.75, 37.5, 18.75, 200 / 3, 100 * (1 - 0.25 / 0.75)])


def test_each_setting_has_its_own_net_and_control(learn):
    table = summaries.tabulate_kinds([learn(128)])[128]
    assert table[f"injected once, {NET}"][0] == pytest.approx(25 - 12.5)
    assert table[f"paraphrased, {NET}"][0] == pytest.approx(50 - 25)
    assert table["paraphrased, control: A (%)"][0] == 25
    assert table["paraphrased, control: K after (nats)"][0] == -3
    whole = summaries.tabulate_kinds([learn(128, settings=("once", "once"))])[128]
    assert whole[f"paraphrased, {NET}"][0] == pytest.approx(50 - 18.75), "no control of its own"


def test_initial_models_of_one_step_are_kept_apart(learn):
    assert summaries.label_models([learn(128), learn(768)]) == [128, 768]
    assert list(tabulate_learning([learn(128), learn(128)])) == [0, 1]


def test_joined_tables_have_rows_under_both_names(learn):
    table = tabulate_learning([learn(128)])
    joined = summaries.join_tables({"far": table, "near": table})
    assert len(joined) == 2 * len(table) and joined.index.is_unique
    assert joined.loc[f"near, {NET}", 128] == table.loc[NET, 128]


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (("OlmoForCausalLM", "GPTNeoXForCausalLM"), ["Olmo", "GPTNeoX"]),
        (("OlmoForCausalLM", "OlmoForCausalLM"), ["Olmo (tiny)", "Olmo (other)"]),
    ],
)
def test_models_go_by_their_architecture(learn, kinds, names):
    one, other = (Profile(torch.tensor([1]), provenance={"architecture": kind}) for kind in kinds)
    results = {"tiny": [one], "tiny, learning": [learn(1)], "other": [other]}
    found = summaries.group_architectures(results | {"other, learning": [learn(2)]})
    assert [*found] == names
    assert [profile for [profile], _ in found.values()] == [one, other]


def test_models_that_do_no_better_than_guessing_are_listed():
    able, guessing, worse = [1] * 90 + [0] * 10, [1, 0, 0, 0] * 25, [0] * 100
    cases = ((1, able), (2, guessing), (4, worse))
    assert list_guessing([answer(step, able, rows) for step, rows in cases]) == [2, 4]


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
    """An outcome of a checkpoint of a step, whose net A is what is given: the control gains 1."""

    def __init__(self, step: int = 0, acquired: tuple[float, ...] = ()):
        object.__setattr__(self, "provenance", {"revision": {"step": step}})
        object.__setattr__(self, "acquired", np.array(acquired))

    def acquisition(self, what: str, *, of: str = "knowledge", since: Outcome) -> np.ndarray:
        return self.acquired + 1 if of == "knowledge" else np.ones_like(self.acquired)


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
        f"{COMPARED}, resuscitate": {NET: (1.0, 0.1)},
        f"{COMPARED}, random": {NET: (-5.0, 0.1)},
    }
    beside = {"random": "resuscitate", "rescale": "resuscitate", "missing": "resuscitate"}
    table = summaries.judge_controls(models, beside, [Seed("tiny-1", {}, kept, False)])
    assert list(table.index) == ["random", "rescale"]
    assert list(table["the control"]) == ["beats the method", "too small to tell"]
    assert table.loc["random", "mean of 2 seeds"] == "−2 ± 51", "Student's t for two values"
    assert table.loc["random", "over seeds the control"] == "too small to tell"
