"""How two series over checkpoints go together, with the interval of it.

A correlation travels as (value, error): two errors lead to the end of its interval that is nearer
to 0, the other end is as far away in the Fisher transform.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from kent.pages.axes import measure_progress, name_progress
from kent.pages.seeds import pool

VARIANCES = {"Pearson": 1.0, "Spearman": 1.06}
"""Variance of a correlation's Fisher transform times n - 3 (Spearman's: Fieller et al. 1957)."""


def correlate(
    x: ArrayLike, y: ArrayLike, kind: str = "Pearson", given: ArrayLike | None = None
) -> tuple[float, float]:
    """Pearson's or Spearman's (rank) correlation of two series, and its error.

    `given` is a third series of which both are freed first (partial correlation). The interval is
    two standard errors of the Fisher transform either way, points taken as independent and exact.
    NaN for fewer than four points beyond those `given` takes, for a point without a value, and for
    a series that never changes, or only as `given` does.
    """
    free = len(x) if given is None else len(x) - 1
    value = _measure(x, y, kind, given) if free >= 4 else float("nan")
    if np.isnan(value):
        return float("nan"), float("nan")
    near, _ = _bound(abs(value), VARIANCES[kind] / (free - 3))
    return value, (abs(value) - near) / 2


def _measure(x: ArrayLike, y: ArrayLike, kind: str, given: ArrayLike | None) -> float:
    series = [x, y] if given is None else [x, y, given]
    if not np.isfinite(np.array([*map(list, series)], float)).all():
        return float("nan")
    x, y, *third = (
        rankdata(each) if kind == "Spearman" else np.asarray(each, float) for each in series
    )
    spreads = np.ptp(x), np.ptp(y)
    for z in third:
        x, y = (_free(each, z) for each in (x, y))
    # what rounding leaves of a series is no change
    if any(np.ptp(left) <= 1e-9 * whole for left, whole in zip((x, y), spreads, strict=True)):
        return float("nan")
    # the transform of ±1 is infinite
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1 + 1e-12, 1 - 1e-12))


def _free(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """What a straight line in z leaves of x; x itself where z never changes."""
    return x if np.ptp(z) == 0 else x - np.polyval(np.polyfit(z, x, 1), z)


def _bound(value: float, variance: float) -> tuple[float, float]:
    """Ends of a correlation's interval, lower first, by the variance of its Fisher transform."""
    half = 2 * np.sqrt(variance)
    low, high = np.tanh(np.arctanh(value) + np.array([-half, half]))
    return float(low), float(high)


def leave_one_out(
    x: ArrayLike, y: ArrayLike, given: ArrayLike | None = None
) -> tuple[float, float]:
    """Lowest and highest of Pearson's correlations without one point each, partial to `given`.

    NaN where one of them has no value, or too few points are left for it to be one.
    """
    series = [np.asarray(each, float) for each in (x, y, *([] if given is None else [given]))]
    if len(x) < len(series) + 2:
        return float("nan"), float("nan")
    found = [
        _measure(left[0], left[1], "Pearson", left[2] if len(left) > 2 else None)
        for left in ([np.delete(each, place) for each in series] for place in range(len(x)))
    ]
    return float(np.min(found)), float(np.max(found))


def relate(
    table: pd.DataFrame, one: str, other: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Pearson's correlation of two rows, partial to progress: with its error, and its range.

    Over the columns of a table of (value, error), which are checkpoints; progress is ln of the
    step, or what compares instead (`kent.pages.axes.measure_progress`). The range is that of
    `leave_one_out`.
    """
    x, y = (_list_values(table, row) for row in (one, other))
    progress = measure_progress(table.columns)
    return correlate(x, y, given=progress), leave_one_out(x, y, progress)


def describe_relation(table: pd.DataFrame, one: str, other: str) -> str:
    """How two rows move from first to last checkpoint, and how they go together: sentences."""
    ends = [[f"{table.loc[row].iloc[place][0]:.2f}" for place in (0, -1)] for row in (one, other)]
    moves = [f"{row} from {a} to {b}" for row, (a, b) in zip((one, other), ends, strict=True)]
    r, (low, high) = relate(table, one, other)
    without = f"; without one checkpoint {format_range(low, high)}" if not np.isnan(low) else ""
    alone = format_correlation(*correlate(*(_list_values(table, row) for row in (one, other))))
    said = f"From the first checkpoint to the last: {' and '.join(moves)}.".replace("-", "−")
    given = name_progress(table.columns)
    return f"{said} r given {given}: {format_correlation(*r)}{without}; r alone: {alone}."


def _list_values(table: pd.DataFrame, row: str) -> list[float]:
    return [value for value, _ in table.loc[row]]


def pool_correlations(values: Sequence[float]) -> tuple[float, float]:
    """A correlation over seeds: the mean of Fisher transforms, and its error.

    The interval is Student's, as of `kent.pages.seeds.pool`.
    """
    middle, error = pool([float(each) for each in np.arctanh(values)])
    value = float(np.tanh(middle))
    return value, abs(value - float(np.tanh(middle - np.copysign(2 * error, middle)))) / 2


def find_ends(value: float, error: float) -> tuple[float, float]:
    """Both ends of the interval of a correlation, lower first."""
    near = np.clip(value - np.copysign(2 * error, value), -1 + 1e-12, 1 - 1e-12)
    middle, end = np.arctanh(value), np.arctanh(near)
    low, high = sorted(np.tanh([end, 2 * middle - end]))
    return float(low), float(high)


def format_correlation(value: float, error: float) -> str:
    """A correlation with its interval; alone where the series agree in every point."""
    if np.isnan(value):
        return "not known"
    if abs(value) > 1 - 1e-9:
        return f"{value:+.2f}".replace("-", "−")
    low, high = find_ends(value, error)
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")


def format_range(low: float, high: float) -> str:
    """Both ends of a range of correlations; nothing where they are not known."""
    return "" if np.isnan(low) else f"{low:+.2f} to {high:+.2f}".replace("-", "−")


def tabulate_correlations(table: pd.DataFrame, entropy: str, rows: Sequence[str]) -> pd.DataFrame:
    """Correlations of `rows` with the row `entropy`, with progress, and partial to it.

    Table and progress as for `relate`. The last column is the range of
    the partial one without one checkpoint each (Pearson's alone).
    """
    values = table.map(lambda pair: pair[0]).T
    x, given = values[entropy], (name_progress(table.columns), measure_progress(table.columns))
    found = [
        _list_correlations(x, values[row], *given, kind) for row, kind in product(rows, VARIANCES)
    ]
    return pd.DataFrame(found, index=pd.MultiIndex.from_product([rows, VARIANCES]))


def _list_correlations(
    x: ArrayLike, y: ArrayLike, given: str, progress: ArrayLike, kind: str
) -> dict[str, str]:
    found = {
        "with H": format_correlation(*correlate(x, y, kind)),
        f"with {given}": format_correlation(*correlate(progress, y, kind)),
        f"with H given {given}": format_correlation(*correlate(x, y, kind, progress)),
    }
    ends = format_range(*leave_one_out(x, y, progress)) if kind == "Pearson" else ""
    return found | {"without one checkpoint": ends}
