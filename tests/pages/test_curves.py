"""K along a run: changes since its start by hand, the dip and the way back in words, jumps."""

import pandas as pd
import pytest

from kent.pages import curves
from kent.pages.seeds import Seed

FACTS = [[-5, -5], [-7, -7], [-5, -6], [-4, -4]]
CONTROL = [[-5, -5], [-6.5, -6.5], [-6, -6], [-5.5, -5.5]]


@pytest.fixture
def table(learn) -> pd.DataFrame:
    """One model that dips and comes back at the third injection, and one that never does."""
    never = [[-5, -5], [-5.5, -5.5], [-6, -6], [-5.5, -5.5]]
    outcomes = [learn(128, never, CONTROL), learn(768, FACTS, CONTROL)]
    return curves.tabulate_curves(outcomes)


def keep(table: pd.DataFrame, shift: float) -> Seed:
    """A recorded seed with the table's values, all moved after the start."""
    rows = {
        row: {str(step): (value + shift * (step > 0), error) for step, (value, error) in cells}
        for row, cells in ((row, table.loc[row].items()) for row in table.index)
    }
    return Seed("tiny-1", {}, rows, False)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("injected", [0, -2, -0.5, 1]),
        ("injected once", [0, -2, 0, 1]),
        ("paraphrased", [0, -2, -1, 1]),
        ("control", [0, -1.5, -1, -0.5]),
        ("net of the control", [0, -0.5, 0.5, 1.5]),
    ],
)
def test_curves_count_from_the_start(table, name, values):
    row = table.loc[curves.name_curve(name, "step 768")]
    assert [value for value, _ in row] == pytest.approx(values)
    assert [*row.index] == [0, 5, 10, 15] and row[0] == (0, 0)


def test_a_run_that_was_stopped_has_no_value_after(learn):
    outcomes = [learn(128, FACTS[:2], CONTROL[:2]), learn(768, FACTS, CONTROL)]
    row = curves.tabulate_curves(outcomes).loc[curves.name_curve("injected", "step 128")]
    assert [value for value, _ in row] == pytest.approx(
        [0, -2, float("nan"), float("nan")], nan_ok=True
    )


def test_the_dip_is_named_with_its_size_and_the_way_back(table):
    said = curves.describe_dip(table)
    assert said == (
        "After 5 steps and one injection, K of the injected facts is 0.5 to 2.0 nats below its "
        "start, K of the control 1.5 nats below its start. The injected facts are back at their "
        "start after 3 injections (from step 128 never), the control never."
    )


def test_where_nothing_dips_the_sentence_says_so(learn):
    rising = [[-5, -5], [-4, -4]]
    said = curves.describe_dip(curves.tabulate_curves([learn(128, rising, rising)]))
    assert "K of the injected facts is not below its start" in said
    dips = learn(768, [[-5, -5], [-6, -6]], rising)
    said = curves.describe_dip(curves.tabulate_curves([learn(128, rising, rising), dips]))
    assert "1.0 nats below its start in 1 of 2 models" in said


def test_the_dip_is_that_of_the_mean_over_seeds_that_kept_it(table):
    said = curves.describe_dip(table, [keep(table, -1.0), Seed("tiny-2", {}, {}, False)])
    assert "1.0 to 2.5 nats below its start" in said and "(means of 2 seeds)" in said


def test_a_jump_has_no_verdict_with_one_seed(learn):
    """No paragraph of two is outside the first injection: the rows are made here."""
    table = pd.DataFrame({128: [(0.5, 0.1)], 768: [(-0.2, 0.1)]}, index=[curves.JUMP])
    said = curves.describe_jumps(table)
    assert "gains −0.20 to +0.50 nats more" in said and said.endswith("one seed, so no verdict.")
    seeds = [keep(table, shift) for shift in (0.01, -0.01)]
    said = curves.describe_jumps(table, seeds)
    assert "in 1 of 2 models more than nothing, beyond its interval (means of 3 seeds)" in said
