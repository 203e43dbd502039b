"""Correlations beside textbook formulas by hand, what their intervals say, and what one point can
do."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from kent.pages import correlations
from kent.pages.correlations import (
    correlate,
    find_ends,
    format_correlation,
    leave_one_out,
    pool_correlations,
)

X, Y = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0]
DRAWN = np.random.default_rng(0).normal(size=(3, 12))


def test_pearsons_correlation_and_the_end_of_its_interval_towards_zero():
    value, error = correlate(X, Y)
    assert value == pytest.approx(np.corrcoef(X, Y)[0, 1]) == pytest.approx(0.8)
    assert value - 2 * error == pytest.approx(math.tanh(math.atanh(0.8) - 2 / math.sqrt(2)))
    mirrored, same = correlate(X, [-each for each in Y])
    assert (mirrored, same) == (pytest.approx(-value), pytest.approx(error))


def test_spearmans_is_that_of_the_ranks_and_wider():
    value, error = correlate(X, [1.0, 30.0, 20.0, 500.0, 400.0], "Spearman")
    assert value == pytest.approx(0.8)
    assert error > correlate(X, Y)[1]


@pytest.mark.parametrize("kind", ["Pearson", "Spearman"])
def test_a_partial_correlation_is_the_textbooks(kind):
    x, y, z = DRAWN
    measure = {"Pearson": pearsonr, "Spearman": spearmanr}[kind]
    xy, xz, yz = (measure(a, b)[0] for a, b in ((x, y), (x, z), (y, z)))
    value, error = correlate(x, y, kind, z)
    assert value == pytest.approx((xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2)))
    # one point less than without z
    spread = 2 * math.sqrt(correlations.VARIANCES[kind] / (12 - 1 - 3))
    assert abs(value) - 2 * error == pytest.approx(math.tanh(math.atanh(abs(value)) - spread))


def test_what_joins_two_series_through_a_third_is_not_theirs():
    third, noise = np.arange(12.0), 0.1 * DRAWN
    x, y = third + noise[0], third + noise[1]
    assert correlate(x, y)[0] > 0.99
    rest = correlate(x, y, given=third)[0]
    assert rest == pytest.approx(correlate(noise[0], noise[1], given=third)[0])


def test_a_third_series_that_never_changes_takes_nothing_but_a_point():
    x, y, _ = DRAWN
    plain, partial = correlate(x, y), correlate(x, y, given=np.ones(12))
    assert partial[0] == pytest.approx(plain[0]) and partial[1] > plain[1]


@pytest.mark.parametrize(
    ("x", "y", "given"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], None),
        ([1.0] * 4, [1.0, 2.0, 3.0, 4.0], None),
        ([1.0, 2.0, 4.0, 3.0], [1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 3.0, 4.0]),
        ([2.0, 4.0, 6.0, 8.0, 10.0], Y, X),
        ([1.0, math.nan, 3.0, 4.0, 5.0], Y, None),
    ],
    ids=["too few", "constant", "too few beyond a third", "only as the third", "no value"],
)
def test_too_few_points_and_a_series_that_never_changes_say_nothing(x, y, given):
    assert all(map(math.isnan, correlate(x, y, given=given)))


def test_a_perfect_correlation_has_a_finite_error():
    value, error = correlate([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0])
    assert value == pytest.approx(1) and 0 <= error < 1e-4


def test_one_point_can_decide():
    """Four points without any correlation, and one far away that makes one."""
    x, y = [-1.0, -1.0, 1.0, 1.0, 20.0], [-1.0, 1.0, -1.0, 1.0, 20.0]
    assert correlate(x, y)[0] > 0.95
    low, high = leave_one_out(x, y)
    assert low == pytest.approx(0) and high > 0.95


def test_the_range_without_one_point_is_that_of_all_the_correlations():
    x, y, z = DRAWN
    for given in (None, z):
        found = []
        for place in range(12):
            rest = [None if each is None else np.delete(each, place) for each in (x, y, given)]
            found.append(correlate(*rest[:2], given=rest[2])[0])
        assert leave_one_out(x, y, given) == pytest.approx((min(found), max(found)))


@pytest.mark.parametrize("given", [None, [1.0, 2.0, 3.0]])
def test_too_few_points_to_leave_one_out(given):
    few = 3 if given else 2
    assert all(map(math.isnan, leave_one_out(X[:few], Y[:few], given)))


def test_correlations_are_pooled_in_the_fisher_transform():
    values = [math.tanh(each) for each in (0.5, 1.0, 1.5)]
    value, error = pool_correlations(values)
    half = 4.302653 * 0.5 / 3**0.5  # Student's t for three values, times their standard error
    assert value == pytest.approx(math.tanh(1.0))
    assert value - 2 * error == pytest.approx(math.tanh(1.0 - half))
    assert find_ends(value, error) == pytest.approx((math.tanh(1 - half), math.tanh(1 + half)))
    mirrored, same = pool_correlations([-each for each in values])
    assert (mirrored, same) == (pytest.approx(-value), pytest.approx(error))


@pytest.mark.parametrize("kind", ["Pearson", "Spearman"])
def test_a_correlation_is_said_with_both_ends_of_its_interval(kind):
    said = format_correlation(*correlate(X, Y, kind)).replace("−", "-")
    value, low, high = map(float, re.findall(r"[+-]\d\.\d\d", said))
    spread = 2 * math.sqrt({"Pearson": 1, "Spearman": 1.06}[kind] / 2)
    ends = [math.tanh(math.atanh(0.8) + end) for end in (-spread, spread)]
    assert value == 0.8 and [low, high] == pytest.approx(ends, abs=0.005)
    assert -1 <= low < value < high <= 1


def test_a_correlation_without_an_interval_is_said_alone_or_not_at_all():
    assert format_correlation(*correlate([1.0, 2.0, 3.0, 4.0], [8.0, 6.0, 4.0, 2.0])) == "−1.00"
    assert format_correlation(*correlate([1.0, 2.0, 3.0], [1.0, 3.0, 2.0])) == "not known"
    assert correlations.format_range(math.nan, math.nan) == ""


@pytest.fixture
def table() -> pd.DataFrame:
    """Two rows over steps 1, 2, 4, …: what is drawn, on top of one slope in ln step each."""
    steps = [2**power for power in range(12)]
    rows = {"H": DRAWN[0] + 3 * np.arange(12), "A": DRAWN[1] - 2 * np.arange(12)}
    pairs = {row: [(value, 0.1) for value in values] for row, values in rows.items()}
    return pd.DataFrame.from_dict(pairs, orient="index", columns=steps)


def test_rows_of_a_table_are_related_beyond_the_step(table):
    steps = np.log([*table.columns])
    r, ends = correlations.relate(table, "H", "A")
    assert r == pytest.approx(correlate(DRAWN[0], DRAWN[1], given=steps))
    assert ends == pytest.approx(leave_one_out(DRAWN[0], DRAWN[1], steps))


def test_the_table_of_correlations_says_what_the_step_alone_does(table):
    found = correlations.tabulate_correlations(table, "H", ["A"])
    assert [*found.index] == [("A", "Pearson"), ("A", "Spearman")]
    first = found.loc["A", "Pearson"]
    r, ends = correlations.relate(table, "H", "A")
    assert first["with H given ln step"] == format_correlation(*r)
    assert first["without one checkpoint"] == correlations.format_range(*ends)
    assert first["with ln step"].startswith("−0.9") and first["with H"].startswith("−0.9")
    assert found.loc["A", "Spearman"]["without one checkpoint"] == ""
    said = correlations.describe_relation(table, "H", "A")
    assert said.startswith("From the first checkpoint to the last: H from 0.13 to ")
    assert all(part in said for part in (format_correlation(*r), first["with H"]))
