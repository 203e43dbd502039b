"""Tables of what learning came to; changed models beside the unchanged one."""

import math

import pytest
import torch

from kent.learning.outcomes import Outcome
from kent.measure.profiles import Profile
from kent.pages import summaries
from kent.pages.summaries import FALL, NET, list_guessing, tabulate_learning


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
    assert list(tabulate_learning([learn(128), learn(768)])) == [128, 768]
    assert list(tabulate_learning([learn(128), learn(128)])) == [0, 1]


def test_joined_tables_have_rows_under_both_names(learn):
    table = tabulate_learning([learn(128)])
    joined = summaries.join_tables({"far": table, "near": table})
    assert len(joined) == 2 * len(table) and joined.index.is_unique
    assert joined.loc[f"near, {NET}", 128] == table.loc[NET, 128]
    other = summaries.join_tables({"far": table, "near": tabulate_learning([learn(768)])})
    assert all(math.isnan(each) for each in other.loc[f"near, {NET}", 128])


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
    assert list_guessing([answer(step, able, rows) for step, rows in cases]) == ["step 2", "step 4"]


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
