"""Regressions of the published tables: laws recovered from cells made to follow them; refusals."""

import doctest

import numpy as np
import pytest
from scipy.stats import linregress, t

from kent.pages import regressions
from kent.pages.regressions import anneal, match_ratios, regress, tabulate_cells
from kent.paper import TABLES


def test_the_examples_run():
    assert doctest.testmod(regressions) == (0, 5), "no failure, and all were found"


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_a_schedule_goes_from_the_peak_to_a_tenth_of_it(schedule):
    rates = [anneal(progress, schedule) for progress in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([4e-4, 2.2e-4, 4e-5])


def test_the_schedules_differ_on_the_way():
    # cos 60° = 1/2: a third of the way a cosine has 0.1 + 0.9 · 3/4 left, a line 0.1 + 0.9 · 2/3
    assert anneal(1 / 3, "cosine") == pytest.approx(4e-4 * 0.775)
    assert anneal(1 / 3, "linear") == pytest.approx(4e-4 * 0.7)


def test_leaving_out_warm_up_and_the_rest_of_the_schedule_moves_no_rate_by_a_hundredth():
    for step, progress in ((117_850, 0.16), (369_000, 0.5), (554_000, 0.75), (738_020, 1.0)):
        exact = 4e-4 * (0.1 + 0.45 * (1 + np.cos(np.pi * (step - 2000) / (739_328 - 2000))))
        assert anneal(progress) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(
    ("progress", "schedule"), [(-0.1, "cosine"), (1.1, "linear"), (0.5, "constant")]
)
def test_other_schedules_and_progress_outside_the_run_are_refused(progress, schedule):
    with pytest.raises(ValueError, match="a progress from 0 to 1 under cosine or linear"):
        anneal(progress, schedule)


def test_a_cell_carries_its_numbers_and_its_predictors():
    cells = tabulate_cells()
    assert cells.shape[0] == 20
    cell = cells.loc[("larger batch", "738k")]
    assert (cell.A, cell.F, cell.K, cell.P, cell.updates) == (-92.2, 44.9, -0.714, 35.6, 100)
    assert cell.ratio == pytest.approx(10)
    assert cell["log ratio"] == pytest.approx(cell["log rate"] - cell["log own"])
    assert cells.loc[("three epochs", "118k"), "updates"] == 4800


def test_a_law_is_recovered_from_cells_that_follow_it():
    cells = tabulate_cells()
    made = cells.assign(A=3 + 2 * cells["log rate"] - 5 * cells["stage"])
    fit = regress(made, "A", ["log rate", "stage"])
    assert fit.terms["estimate"].tolist() == pytest.approx([2, -5])
    assert fit.r_squared == pytest.approx(1) and fit.residual < 1e-9


def test_one_term_is_scipys_line_with_its_interval():
    cells = tabulate_cells().loc["baseline"]
    line, fit = linregress(cells["stage"], cells["A"]), regress(cells, "A", ["stage"])
    half = t.ppf(0.975, 2) * line.stderr
    expected = [line.slope, line.slope - half, line.slope + half, 1]
    assert fit.terms.loc["stage"].tolist() == pytest.approx(expected)
    assert fit.r_squared == pytest.approx(line.rvalue**2)


def test_inflation_is_that_of_the_correlation():
    cells = tabulate_cells()
    correlation = np.corrcoef(cells["stage"], cells["log own"])[0, 1]
    inflation = regress(cells, "F", ["stage", "log own"]).terms["inflation"]
    assert inflation.tolist() == pytest.approx([1 / (1 - correlation**2)] * 2)
    assert inflation.iloc[0] > 20


def test_terms_that_cannot_be_told_apart_are_refused():
    cells = tabulate_cells()
    said = "20 cells cannot tell log rate, log own, log ratio apart: 2 of 3 independent"
    with pytest.raises(ValueError, match=said):
        regress(cells, "A", ["log rate", "log own", "log ratio"])
    with pytest.raises(ValueError, match="4 cells cannot tell"):
        regress(cells.loc["baseline"], "A", ["stage", "log own", "log ratio"])
    with pytest.raises(ValueError, match="2 cells cannot tell"):
        regress(cells.loc["baseline"].iloc[:2], "A", ["stage"])


def test_a_name_that_is_no_column_is_refused():
    with pytest.raises(ValueError, match="no column lr; there are: A, F, K, P, stage, rate"):
        regress(tabulate_cells(), "A", ["lr"])


def test_pairs_share_ratio_and_updates_but_not_the_initial_model():
    pairs = match_ratios(tabulate_cells())
    assert list(pairs.index) == [
        ("lower rate, 554k", "baseline, 118k"),
        ("lower rate, 738k", "higher rate, 118k"),
        ("baseline, 554k", "higher rate, 369k"),
        ("baseline, 738k", "higher rate, 554k"),
    ]
    published = [TABLES["baseline"].A["554k"], TABLES["higher rate"].A["369k"]]
    assert pairs["A"].iloc[2].tolist() == published
    linear = match_ratios(tabulate_cells("linear"))
    assert list(linear.index) == [("baseline, 554k", "higher rate, 118k")]


COLLAPSED = ("larger batch", "738k")
CONTROLS = ["log rate", "log updates"]


def covers_zero(cells, outcome: str, terms: list[str]) -> list[bool]:
    """For each of the terms behind the controls, whether its interval covers 0."""
    found = regress(cells, outcome, CONTROLS + terms).terms.loc[terms]
    return (found["low"] * found["high"] <= 0).tolist()


@pytest.mark.parametrize("outcome", ["A", "F"])
def test_stage_and_own_rate_each_describe_the_table_and_together_neither_does(outcome):
    # what the page says in prose, under the cosine and without the collapsed cell
    cells = tabulate_cells().drop(index=COLLAPSED)
    alone = [covers_zero(cells, outcome, [term]) for term in ("stage", "log own")]
    assert alone == [[False], [False]]
    assert covers_zero(cells, outcome, ["stage", "log own"]) == [True, True]
    fits = [regress(cells, outcome, [*CONTROLS, term]) for term in ("stage", "log own")]
    residuals = [fit.residual for fit in fits]
    assert max(residuals) < 1.05 * min(residuals)


def test_a_linear_decay_would_favour_the_stage_for_forgetting_but_is_the_stage_by_another_name():
    cells = tabulate_cells("linear").drop(index=COLLAPSED)
    assert covers_zero(cells, "A", ["stage", "log own"]) == [True, True]
    assert covers_zero(cells, "F", ["stage", "log own"]) == [False, True]
    with pytest.raises(ValueError, match="1 of 2 independent"):
        regress(cells, "F", ["stage", "own"])


def test_the_collapsed_cell_alone_more_than_triples_the_slope_of_acquisition():
    cells, terms = tabulate_cells(), [*CONTROLS, "stage"]
    fits = [regress(each, "A", terms) for each in (cells, cells.drop(index=COLLAPSED))]
    every, rest = (fit.terms.loc["stage", "estimate"] for fit in fits)
    assert every < 3 * rest < 0
    assert covers_zero(cells, "A", ["stage"]) == [True]


def test_the_ratio_alone_leaves_more_of_forgetting_than_rate_and_stage():
    cells = tabulate_cells().drop(index=COLLAPSED)
    ratio = ["log ratio", "log updates"]
    rate_and_stage = regress(cells, "F", [*CONTROLS, "stage"])
    assert regress(cells, "F", ratio).residual > 2.5 * rate_and_stage.residual
    assert regress(cells, "F", [*ratio, "log rate"]).terms.loc["log rate", "low"] > 0


def test_all_laws_stand_in_one_table_with_both_outcomes():
    cells = tabulate_cells()
    table = regressions.compare_laws(cells, {"stage": ["stage"], "ratio": ["log ratio"]})
    assert [*table.index] == [
        (law, term)
        for law, first in (("stage", "stage"), ("ratio", "log ratio"))
        for term in (first, "R²", "residual")
    ]
    assert (
        table.loc[("ratio", "log ratio"), "F"]
        == (regress(cells, "F", ["log ratio"]).describe()["log ratio"])
    )


def test_the_published_cells_cannot_tell_stage_from_rate_and_the_sentence_says_so():
    kept = {name: tabulate_cells(name).drop(index=COLLAPSED) for name in regressions.SCHEDULES}
    said = regressions.describe_rivals(kept, CONTROLS)
    assert said.startswith("**The tables cannot tell the stage from the checkpoint's own rate.**")
    assert "R² 0.84 and 0.85 for A, R² 0.99 and 0.99 for F" in said
    assert said.endswith("neither (cosine schedule); the stage for F (linear schedule).")


def test_cells_that_follow_the_stage_under_both_schedules_would_tell():
    noise = np.random.default_rng(0).normal(size=20)
    made = {}
    for name in regressions.SCHEDULES:
        cells = tabulate_cells(name)
        made[name] = cells.assign(A=noise + 200 * cells["stage"], F=noise)
    assert "**The tables can tell" in regressions.describe_rivals(made, CONTROLS)
