"""Acquisition and forgetting beside the knowledge entropy of the initial model, to axes."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.learning.outcomes import Outcome, estimate
from kent.measure.profiles import Profile
from kent.pages.evidence import label_steps
from kent.pages.plots.learning import STAGE
from kent.pages.plots.panels import (
    GAP,
    GREY,
    draw_line,
    make_panels,
    measure_gap,
    name_lines,
    pick_color,
    styled,
)
from kent.pages.seeds import Seed
from kent.pages.summaries import ENTROPY, correlate


@styled
def plot_architectures(models: Mapping[str, tuple[Sequence[Profile], Sequence[Outcome]]]) -> Figure:
    """Figure 14: distance of knowledge entropy to its bound (nats), and A (%), a line per model."""
    figure, (top, bottom) = make_panels(2, height=2.6, sharex=True)
    for number, (label, (profiles, outcomes)) in enumerate(models.items()):
        steps, style = label_steps(profiles), {"color": pick_color(number), "linestyle": ":"}
        draw_line(top, steps, [measure_gap(each) for each in profiles], number, label)
        draw_line(bottom, steps, [estimate(each.acquisition()) for each in outcomes], number)
        control = [each.acquisition(of="control")[0] for each in outcomes]
        bottom.plot(steps, control, label=f"{label}, control", **style)
    top.set_ylabel(GAP)
    bottom.set(xlabel=STAGE, ylabel="acquisition A (%)")
    name_lines(figure)
    return figure


@styled
def plot_correlations(models: Mapping[str, pd.DataFrame], seeds: Sequence[Seed] = ()) -> Figure:
    """Footnote 11: A and F (%) against knowledge entropy (nats), a row of panels per model.

    `models` holds tables as of `kent.pages.summaries.tabulate_learning`, with a mark per initial
    model; small marks are other seeds of the first model.
    """
    figure, panels = make_panels(len(models), 2, height=2.9)
    cells = product(models.items(), ("A (%)", "F (%)"))
    for number, (axes, ((label, table), row)) in enumerate(zip(panels, cells, strict=True)):
        _correlate(axes, table, row, number // 2)
        axes.set(xlabel=f"H of {label} before learning (nats)", ylabel=row)
        for seed in seeds if number < 2 else ():
            kept = [seed.estimates.get(f"{seed.suite}, {name}", {}) for name in (ENTROPY, row)]
            x, y = ([value for value, _ in each.values()] for each in kept)
            axes.plot(x, y, ".", color=GREY)
    return figure


def _correlate(axes: Axes, table: pd.DataFrame, row: str, number: int) -> None:
    """A row against knowledge entropy, the first and the last step named, and how they go."""
    (x, spread), (y, _) = (np.array([*table.loc[name]]).T for name in (ENTROPY, row))
    draw_line(axes, x, [*table.loc[row]], number, xerr=2 * spread, marker="o", markersize=6)
    for end in (0, -1):
        side, way = ("left", 5) if x[end] == min(x) else ("right", -5)
        style = {"textcoords": "offset points", "fontsize": 8, "ha": side, "xytext": (way, 6)}
        axes.annotate(f"step {table.columns[end]:,}", (x[end], y[end]), **style)
    r, _ = correlate([*x], [*y])
    axes.set_title(f"r = {r:+.2f}".replace("-", "−"), fontsize=9, loc="right")
