"""The loss before and after learning, by hand; the figure shows what the tables say."""

from dataclasses import replace
from math import hypot

import pytest
import torch

from kent.measure.profiles import Profile
from kent.pages import losses
from kent.pages.losses import AFTER, BEFORE, BESIDE, FINAL, MOVED, RISE
from kent.pages.plots.losses import plot_losses, plot_starts
from kent.runs import definitions, learned_plans

NOISE = torch.tensor([-0.1, 0.1, 0.0, 0.0], dtype=torch.float64)


def make_profile(loss: float, *, uneven: float = 0.0, step: int = 8) -> Profile:
    """Four blocks, whose losses differ from the mean alike in every profile."""
    coefficients = torch.tensor([1.0, 1.0 + uneven], dtype=torch.float64).repeat(4, 1)
    return Profile(
        sizes=torch.ones(4, dtype=torch.int64),
        coefficient_blocks=[coefficients],
        loss_blocks=loss + NOISE,
        provenance={"text": "a", "revision": {"repository": "x", "step": step}},
    )


@pytest.fixture
def stages(learn):
    before = [make_profile(3.0, step=4), make_profile(1.0)]
    learned = [make_profile(3.5), make_profile(2.5, uneven=1.0)]
    return losses.tabulate_stages(before, learned, [learn(4), learn(8)])


@pytest.fixture
def changed():
    results = {"unchanged": [make_profile(1.0)], "unchanged, learned": [make_profile(2.5)]}
    results |= {"q = 2": [make_profile(4.0)], "q = 2, learned": [make_profile(3.0, uneven=1.0)]}
    return losses.tabulate_changes(results | {"unchanged, learning": [], "q = 2, learning": []})


def test_the_rise_is_taken_on_the_same_tokens_so_that_their_errors_go(stages):
    assert [*stages] == [4, 8]
    assert [stages.loc[RISE, step][0] for step in stages] == pytest.approx([0.5, 1.5])
    assert stages.loc[RISE, 8][1] < 1e-9 < stages.loc[BEFORE, 8][1]
    assert stages.loc[AFTER, 8][0] == pytest.approx(2.5)
    assert stages.loc[MOVED, 4][0] == pytest.approx(0)
    assert stages.loc[MOVED, 8][0] < -0.01


def test_beside_the_rise_stands_f_with_its_floor(stages, learn):
    assert stages.loc["F (%)", 8][0] == pytest.approx(100 * (1 - 1 / 3))
    assert stages.loc["F of a fall to guessing (%)", 8][0] == pytest.approx(100 * (1 - 1 / 3))


def test_the_last_stage_is_compared_with_the_first_and_one_alone_with_nothing(stages):
    stages.at[RISE, 4], stages.at[RISE, 8] = (0.5, 0.3), (1.5, 0.4)
    assert losses.compare_ends(stages) == (1.0, hypot(0.3, 0.4))
    assert losses.compare_ends(stages[[8]]) == (0.0, 0.0)


def test_a_changed_model_counts_from_the_unchanged_one_and_its_entropy_from_its_own(changed):
    rows = {row: changed.loc[FINAL + row, "q = 2"][0] for row in (BEFORE, AFTER, RISE, BESIDE)}
    assert rows == pytest.approx({BEFORE: 4.0, AFTER: 3.0, RISE: 2.0, BESIDE: 0.5})
    assert changed.loc[FINAL + BESIDE, "unchanged"] == pytest.approx((0, 0))
    assert changed.loc[FINAL + MOVED, "q = 2"][0] < 0


def test_profiles_of_other_tokens_are_not_compared(learn):
    other = replace(make_profile(2.0), provenance={"text": "b"})
    with pytest.raises(ValueError, match="other tokens"):
        losses.tabulate_stages([make_profile(1.0)], [other], [learn(8)])


def test_the_figure_has_stages_left_and_changed_models_right(stages, changed):
    left, right = plot_losses(stages, changed).figure.axes
    assert left.containers[0].lines[0].get_ydata() == pytest.approx([0.5, 1.5])
    drawn = [each.lines[0].get_ydata().tolist() for each in right.containers]
    assert drawn == [[2.5, 3.0], [1.0, 4.0]], "after learning, and before"
    assert [each.get_text() for each in right.get_xticklabels()] == ["unchanged", "q = 2"]


def test_every_run_of_learning_is_measured_once_more_at_its_end(micro):
    text = {"corpus": "world", "length": 16, "limit": 4}
    plan = learned_plans.measure_learned("tiny", q=[2.0], controls=["random"], **text)
    labels = ["unchanged", "resuscitate, q = 2", "random, q = 1"]
    ends = ["learned", *(f"{label}, learned" for label in labels)]
    assert [label for label in plan if label.endswith("learned")] == ends
    for label in ends:
        learning = plan[label.removesuffix("learned") + "learning"]
        assert [run.needs[-1].path for run in plan[label]] == [run.path for run in learning]
        assert {run.config["limit"] for run in plan[label]} == {4}
    assert plan["unchanged, learned"][0].path == plan["learned"][-1].path


def test_a_stage_begins_as_in_the_paper_at_its_own_rate_and_with_its_memory(micro):
    text = {"corpus": "world", "length": 16, "limit": 4}
    plan = learned_plans.compare_starts("tiny", steps=[1, 4], **text)
    labels = ["fresh start", "own rate", "own rate and memory"]
    ends = [f"{label}, {end}" for label in labels for end in ("learning", "learned")]
    assert [*plan] == ["before", *ends]
    fresh, own, memory = (plan[f"{label}, learning"] for label in labels)
    assert [run.config["step"] for run in fresh] == [1, 4]
    rates = [micro.follow_rate(step) for step in (1, 4)]
    for runs in (own, memory):
        assert [run.config["learning_rate"] for run in runs] == rates
        assert {(run.config["min_rate"], run.config["warmup"]) for run in runs} == {(1.0, 0.0)}
    assert {run.config["learning_rate"] for run in fresh} == {3e-3}
    assert all(run.config["memory"] for run in memory)
    assert not any("memory" in run.config for run in [*fresh, *own])
    with pytest.raises(ValueError, match="learning rates of 'olmo-1b' are not known; known are"):
        learned_plans.compare_starts("olmo-1b", **text)


def test_gentler_ways_change_nothing_before_and_are_measured_at_their_end(micro):
    text = {"corpus": "world", "length": 16, "limit": 4}
    plan = learned_plans.compare_gentler("tiny", weights=[0.2], q=2.0, **text)
    ways = [label.removesuffix(", learning") for label in plan if label.endswith(", learning")]
    assert ways[1:4] == [f"{name}, q = 2" for name in ("resuscitate", "random", "rescale")]
    assert ways[4:] == ["rates, q = 2", "fold, q = 2", "entropy, weight 0.2"]
    [own] = plan["unchanged"]
    for label in ways[4:]:
        assert [run.path for run in plan[label]] == [own.path], "nothing is changed before"
        [learning], [learned] = plan[f"{label}, learning"], plan[f"{label}, learned"]
        assert learning.config["change"]["method"] == label.split(",")[0]
        assert learned.needs[-1].path == learning.path
    with pytest.raises(ValueError, match="fold changes a model while it learns, not before"):
        definitions.plan_profile("tiny", 4, **text, change={"method": "fold", "measured": text})


def test_starts_are_tables_of_their_stages_and_lines_of_a_figure(learn):
    before = [make_profile(3.0, step=4), make_profile(1.0)]
    results, worse = {"before": before}, ((-4, -4), (-3.9, -3.9))
    for start, knowledge in {"one": ((-4, -4), (-3, -2)), "two": worse}.items():
        results[f"{start}, learning"] = [learn(4), learn(8, knowledge=knowledge)]
        results[f"{start}, learned"] = [make_profile(3.5), make_profile(2.5)]
    table = losses.tabulate_starts(results)
    assert table.loc[f"one, {RISE}", 8][0] == pytest.approx(1.5)
    net = "A net of the control (points)"
    assert table.loc[f"two, {net}", 8][0] < table.loc[f"one, {net}", 8][0]
    value, _ = losses.compare_ends(table, f"two, {net}")
    assert value == pytest.approx(table.loc[f"two, {net}", 8][0] - table.loc[f"two, {net}", 4][0])
    figure = plot_starts(table).figure
    assert [len(axes.containers) for axes in figure.axes] == [2, 2]
