"""Branches of one pretraining: what is planned of each, its numbers, those minus the suite's."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from kent.measure.profiles import Profile
from kent.models import pretraining
from kent.models.suites import FORKS
from kent.pages import forks
from kent.pages.forks import BESIDE, ENTROPY, SHAKEN
from kent.pages.losses import RISE
from kent.pages.plots.forks import plot_forks
from kent.pages.seeds import Seed
from kent.pages.summaries import NET
from kent.runs import fork_plans
from kent.runs.fork_plans import COSINE, START

OWN = "own rate, learning"
SMALL = {"corpus": "world", "length": 16, "limit": 4}


@pytest.fixture
def branching(micro, monkeypatch):
    """A suite of four steps that has two branches from its second one, one of them to 0."""
    held = replace(micro, steps=(4,), phases=((0, "cosine"), (1, "constant")))
    fallen = replace(micro, steps=(4,), phases=((0, "cosine"), (1, "linear")))
    monkeypatch.setattr(fork_plans, "FORK", 1)
    monkeypatch.setitem(FORKS, "tiny", {"constant": "tiny-constant", "decayed": "tiny-decayed"})
    monkeypatch.setitem(pretraining.RECIPES, "tiny-constant", held)
    monkeypatch.setitem(pretraining.RECIPES, "tiny-decayed", fallen)
    return fork_plans.compare_forks("tiny", draws=2, noise=1.0, **SMALL)


def test_every_branch_is_measured_under_noise_and_learns_at_one_rate_and_its_own(branching, micro):
    names = [run.config["name"] for label in (START, COSINE) for run in branching[label]]
    assert names == ["tiny", "tiny"]
    assert [branching[label][0].config["step"] for label in (START, COSINE)] == [1, 4]
    assert branching["constant"][0].config["name"] == "tiny-constant"
    noisy = [run.config["change"] for run in branching["constant, noise"]]
    assert [each["seed"] for each in noisy] == [0, 1]
    assert {(each["method"], each["shrink"], each["perturb"]) for each in noisy} == {
        ("shrink", 1.0, 1.0)
    }
    fresh = [branching[f"{each}, fresh start, learning"][0] for each in (START, COSINE, "decayed")]
    assert {run.config["learning_rate"] for run in fresh} == {3e-3}
    own = {each: branching[f"{each}, {OWN}"][0].config for each in (START, COSINE, "constant")}
    rates = [micro.follow_rate(step) for step in (1, 4, 1)]
    assert [each["learning_rate"] for each in own.values()] == pytest.approx(rates)
    assert {each["min_rate"] for each in own.values()} == {1.0}
    assert f"decayed, {OWN}" not in branching, "its own rate is 0"
    after = branching["constant, own rate, learned"][0]
    assert after.needs[-1].path == branching[f"constant, {OWN}"][0].path


def test_other_checkpoints_have_no_branches():
    with pytest.raises(ValueError, match="'olmo-1b' has no branches; these suites have: tiny, "):
        fork_plans.compare_forks("olmo-1b", **SMALL)
    with pytest.raises(ValueError, match="has no branches"):
        fork_plans.compare_forks(["tiny"], **SMALL)
    with pytest.raises(ValueError, match=r"where they end: without steps \[4\]"):
        fork_plans.compare_forks("tiny", steps=[4], **SMALL)


NOISE = torch.tensor([-0.1, 0.1, 0.0, 0.0], dtype=torch.float64)


def make_profile(loss: float, uneven: float = 0.0) -> Profile:
    """Four blocks of one text, whose losses differ from the mean alike in every profile."""
    coefficients = torch.tensor([1.0, 1.0 + uneven], dtype=torch.float64).repeat(4, 1)
    return Profile(
        sizes=torch.ones(4, dtype=torch.int64),
        coefficient_blocks=[coefficients],
        loss_blocks=loss + NOISE,
        provenance={"text": "a", "revision": {"repository": "x", "step": 4}},
    )


@pytest.fixture
def results(learn):
    """Three branches: one gains more knowledge than the suite, one has no rate of its own."""
    found = {}
    for branch, loss, gained in ((START, 3.0, -3), (COSINE, 2.0, -3), ("constant", 2.2, -2)):
        found[branch] = [make_profile(loss, uneven=branch == COSINE)]
        found[f"{branch}, noise"] = [make_profile(loss + 0.5), make_profile(loss + 0.7)]
        for start in forks.STARTS:
            knowledge = ((-4, -4), (gained, gained))
            found[f"{branch}, {start}, learning"] = [learn(4, knowledge=knowledge)]
            found[f"{branch}, {start}, learned"] = [make_profile(loss + 1)]
    for start in ("learning", "learned"):
        del found[f"constant, own rate, {start}"]
    return found


def test_a_branch_is_a_column_of_what_it_was_and_came_to(results):
    table = forks.tabulate_forks(results)
    assert [*table] == [START, COSINE, "constant"]
    assert table.loc[ENTROPY, START][0] == pytest.approx(math.log(2))
    value, error = table.loc[SHAKEN, COSINE]
    assert (value, error) == pytest.approx((0.6, 0.1)), "two draws, and the same tokens"
    net = f"fresh start, {NET}"
    # gains of 25 and 50 % of 4 nats, and the control's of 12.5 and 25 %
    assert [table.loc[net, each][0] for each in table] == pytest.approx([6.25, 6.25, 31.25])
    assert table.loc[f"own rate, {RISE}", START] == pytest.approx((1.0, 0.0))
    assert np.isnan(table.loc[f"own rate, {NET}", "constant"][0])


def test_a_branch_minus_the_suite_is_taken_over_the_same_tokens_and_paragraphs(results):
    minus = forks.compare_branches(results)
    assert [*minus] == ["constant"]
    value, error = minus.loc[f"{BESIDE}, loss (nats)", "constant"]
    assert (value, error) == pytest.approx((0.2, 0.0))
    assert minus.loc[f"{BESIDE}, {ENTROPY}", "constant"][0] > 0, "the suite is uneven"
    value, error = minus.loc[f"{BESIDE}, fresh start, {NET}", "constant"]
    assert (value, error) == pytest.approx((25.0, 0.0)), "both gained alike in every paragraph"
    assert np.isnan(minus.loc[f"{BESIDE}, own rate, F (%)", "constant"][0])


def test_words_are_of_the_seeds_together(results):
    minus, rows = forks.compare_branches(results), ["loss (nats)", f"own rate, {NET}"]
    alone, dash = forks.judge_branches(minus, rows).loc["constant"]
    assert alone.startswith("+0.2000") and dash == "–", "one seed has no word"
    kept = {f"{BESIDE}, loss (nats)": {"constant": (-0.2, 0.0)}}
    seeds = [Seed("tiny-1", {}, kept, False)]
    word, dash = forks.judge_branches(minus, rows, seeds).loc["constant"]
    assert word.startswith("too small to tell (+0.0") and dash == "–"
    kept[f"{BESIDE}, loss (nats)"]["constant"] = (0.2, 0.0)
    [word, _] = forks.judge_branches(minus, rows, seeds).loc["constant"]
    assert word.startswith("more (+0.2000")


def test_the_figure_has_a_mark_for_every_number(results):
    table = forks.tabulate_forks(results)
    figure = plot_forks(table).figure
    drawn = [
        [each.lines[0].get_ydata().tolist() for each in axes.containers] for axes in figure.axes
    ]
    rows = [[ENTROPY], [SHAKEN]]
    rows += [[f"{start}, {row}" for start in forks.STARTS] for row in (NET, RISE)]
    expected = [[[value for value, _ in table.loc[row]] for row in each] for each in rows]
    for one, other in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(one, other)
