"""Tables 1 and 2 to axes: the published values, and the same settings measured here."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.learning.downstream import choose_tasks, find_chance
from kent.learning.outcomes import Outcome
from kent.pages.plots.learning import GUESSING, STAGE, draw_mean, draw_series, name_stages
from kent.pages.plots.panels import MARKERS, make_panels, name_lines, pick_color, styled
from kent.pages.seeds import Seed
from kent.paper import infer_before

FLOOR = -12
"""The lowest acquisition that is drawn, in %: table 1 has one of −92.2."""


def _draw_cells(axes: Axes, cells: pd.DataFrame, x: str, y: str) -> None:
    """Published values, a line per setting; one below `FLOOR` is written where its line leaves."""
    for number, (setting, row) in enumerate(cells.groupby("setting", sort=False)):
        color, marker = pick_color(number), MARKERS[number]
        axes.plot(row[x], row[y], color=color, marker=marker, label=setting)
        for place, value in row.loc[row[y] < FLOOR, [x, y]].itertuples(index=False):
            side = "right" if x == "stage" else "center"
            style = {"ha": side, "va": "bottom", "fontsize": 9, "color": color}
            axes.text(place, FLOOR, f"↓ −{-value:g}", **style)
    if y == "A":
        axes.set_ylim(bottom=FLOOR)
    if x == "stage":
        labels = cells.index.unique("initial")
        axes.set_xticks(cells["stage"].unique(), labels=labels)
        axes.set_xlabel(STAGE)
    if (x, y) == ("stage", "F"):
        _mark_guessing(axes, cells)


def _mark_guessing(axes: Axes, cells: pd.DataFrame) -> None:
    """F (%) of a fall from the published P before learning to guessing: no parameter is free."""
    chance = 100 * np.mean([find_chance(task) for task in choose_tasks("paper")])
    before = {stage: sum(ends) / 2 for stage, ends in infer_before("P").items()}
    falls = [100 * (1 - chance / before[stage]) for stage in cells.index.unique("initial")]
    axes.plot(cells["stage"].unique(), falls, **GUESSING)


@styled
def plot_hyperparameters(
    settings: Mapping[str, Sequence[Outcome]], cells: pd.DataFrame, seeds: Sequence[Seed] = ()
) -> Figure:
    """Table 1 by initial model, a line per setting: net A and F, A and the control's, published.

    `cells` are those of `kent.pages.regressions.tabulate_cells`.
    """
    figure, panels = make_panels(3, 2, height=2.5)
    table = draw_series(panels[:2], settings, seeds)
    for axes, row in zip(panels[2:4], ("A (%)", "control: A (%)"), strict=True):
        for number, label in enumerate(settings):
            draw_mean(axes, table, f"{label}, {row}", seeds, number, "-")
    names = ("A net of the control (%)", "F (%)", "A, injected facts (%)", "A, control (%)")
    for axes, name in zip(panels, names, strict=False):
        name_stages(axes, table, name)
    for axes, key in zip(panels[4:], "AF", strict=True):
        _draw_cells(axes, cells.loc[[*settings]], "stage", key)
        axes.set_ylabel(f"{key} (%), published")
    name_lines(figure, 3)
    return figure


@styled
def plot_tables(cells: pd.DataFrame) -> Figure:
    """Published A and F (%) by stage, and by the ratio of peak rate to the checkpoint's own.

    `cells` are those of `kent.pages.regressions.tabulate_cells`.
    """
    ratios, names = [0.3, 1, 3, 10, 30], {"A": "acquisition A (%)", "F": "forgetting F (%)"}
    figure, panels = make_panels(2, 2, height=2.9)
    for axes, (x, y) in zip(panels, product(("stage", "ratio"), names), strict=True):
        _draw_cells(axes, cells, x, y)
        axes.set(ylabel=names[y], ylim=(FLOOR if y == "A" else 0, None))
    for axes in panels[2:]:
        axes.set(xscale="log", xlabel="peak rate / checkpoint's own rate")
        axes.set_xticks(ratios, labels=ratios)
        axes.minorticks_off()
    name_lines(figure, 3)
    return figure
