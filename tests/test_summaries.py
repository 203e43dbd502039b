"""Correlations beside the formula by hand, and what their error says."""

import math

import numpy as np
import pytest

from kent.summaries import correlate


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
