"""Acquisition and forgetting beside the knowledge entropy of the initial model, to axes."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.learning.outcomes import Outcome
from kent.measure.profiles import Profile
from kent.pages.axes import locate, measure_progress, name_checkpoint, name_progress
from kent.pages.correlations import correlate, format_correlation, pool_correlations
from kent.pages.measures import GAP, measure_gap
from kent.pages.plots.learning import draw_acquisition, name_initial, name_styles
from kent.pages.plots.panels import (
    draw_line,
    draw_seeds,
    make_panels,
    name_lines,
    pick_color,
    styled,
)
from kent.pages.seeds import Seed, pool_table
from kent.pages.summaries import ENTROPY, FALL, NET, join_tables, tabulate_learning

Models = Mapping[str, tuple[Sequence[Profile], Sequence[Outcome]]]
"""As of `kent.pages.summaries.group_architectures`."""


@styled
def plot_architectures(models: Models, seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 14: distance of knowledge entropy to its bound (nats), and A (%), a line per model."""
    figure, (top, bottom) = make_panels(2, height=2.6, sharex=True)
    for number, (label, (profiles, outcomes)) in enumerate(models.items()):
        table = join_tables({label: tabulate_learning(outcomes, profiles)})
        others = [_measure_gaps(profiles, seed, label, table) for seed in seeds]
        gaps = [measure_gap(each) for each in profiles]
        draw_seeds(top, locate(table.columns), gaps, others, number, label)
        draw_acquisition(bottom, table, seeds, number, label, f"{label}, ")
    name_styles(bottom)
    top.set_ylabel(GAP)
    bottom.set(ylabel="acquisition A (%)")
    name_initial(bottom, table.columns)
    name_lines(figure)
    return figure


def _measure_gaps(
    profiles: Sequence[Profile], seed: Seed, label: str, table: pd.DataFrame
) -> list[float] | None:
    """As `measure_gap`, of another seed's checkpoints; None where they were not recorded."""
    kept = seed.list_values(f"{label}, {ENTROPY}", [*table.columns])
    bound, layers = profiles[0].entropy_bound, len(profiles[0].coefficients)
    return None if kept is None else [(bound - value) / layers for value in kept]


@styled
def plot_correlations(models: Models, seeds: Sequence[Seed] = ()) -> Figure:
    """Footnote 11: net A and F (%) against knowledge entropy (nats), a row of panels per model.

    A mark per initial model, thin lines for each seed. Over each panel the correlation that is
    judged, partial to ln of the step, or to what compares instead (`kent.pages.axes`).
    """
    figure, panels = make_panels(len(models), 2, height=3.0)
    cells = product(models.items(), (NET, "F (%)"))
    for number, (axes, ((label, pair), row)) in enumerate(zip(panels, cells, strict=True)):
        profiles, outcomes = pair
        table = tabulate_learning(outcomes, profiles)
        _draw_pair(axes, table, row, number // 2, label, seeds)
        axes.set(xlabel=f"H of {label} before learning (nats)", ylabel=row)
        axes.locator_params(axis="x", nbins=5)
    name_lines(figure)
    return figure


def _draw_pair(
    axes: Axes, table: pd.DataFrame, row: str, number: int, label: str, seeds: Sequence[Seed]
) -> None:
    """A row against knowledge entropy: the mean over seeds bold, each thin; and how they go."""
    found = join_tables({label: table})
    pooled = pool_table(found.loc[[f"{label}, {each}" for each in (ENTROPY, row, FALL)]], seeds)
    x, y, fall = ([*pooled.loc[each]] for each in pooled.index)
    (middle, spread), values = np.array(x).T, np.array([value for value, _ in y])
    series = _list_series(found, seeds, *pooled.index[:2])
    draw_line(axes, middle, y, number, label, xerr=2 * spread, elinewidth=0.6)
    for each in series if len(series) > 1 else ():
        axes.plot(*each, color=pick_color(number), alpha=0.45, linewidth=0.7)
    if row == "F (%)":
        style = {"color": "black", "linestyle": "", "marker": "x", "markersize": 6}
        lost = [value for value, _ in fall]
        axes.plot(middle, lost, label="F of a fall to guessing", **style)
    _name_ends(axes, middle, values, table.columns)
    said = format_correlation(*_pool_partial(series, table.columns))
    axes.set_title(f"r given {name_progress(table.columns)}: {said}", fontsize=8.5, loc="right")


def _list_series(
    table: pd.DataFrame, seeds: Sequence[Seed], *rows: str
) -> list[list[Sequence[float]]]:
    """The values of two rows for this seed and each that was recorded."""
    own = [[value for value, _ in table.loc[row]] for row in rows]
    others = [[seed.list_values(row, [*table.columns]) for row in rows] for seed in seeds]
    return [own, *(each for each in others if None not in each)]


def _pool_partial(
    series: Sequence[Sequence[Sequence[float]]], columns: pd.Index
) -> tuple[float, float]:
    """The partial correlation, over seeds where there are several."""
    found = [correlate(x, y, given=measure_progress(columns)) for x, y in series]
    return pool_correlations([r for r, _ in found]) if len(found) > 1 else found[0]


def _name_ends(axes: Axes, x: np.ndarray, y: np.ndarray, columns: pd.Index) -> None:
    """The first and the last checkpoint beside their marks."""
    names = [name_checkpoint(columns.name, key) for key in columns]
    for end in (0, -1):
        side, way = ("left", 5) if x[end] == min(x) else ("right", -5)
        style = {"textcoords": "offset points", "fontsize": 8, "ha": side, "xytext": (way, -12)}
        style["bbox"] = {"color": "white", "alpha": 0.8, "pad": 1}
        axes.annotate(names[end], (x[end], y[end]), **style)
