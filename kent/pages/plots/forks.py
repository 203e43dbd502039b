"""Branches of one pretraining, before and after learning, to axes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kent.pages.forks import ENTROPY, SHAKEN, STARTS
from kent.pages.losses import RISE
from kent.pages.plots.panels import (
    THIN,
    draw_marks,
    list_singles,
    make_panels,
    name_lines,
    name_places,
    styled,
)
from kent.pages.seeds import Seed, pool_table
from kent.pages.summaries import NET


@styled
def plot_forks(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """H and the rise under noise of each branch; net A and the rise of the loss by start.

    `table` is that of `kent.pages.forks.tabulate_forks`. Means over seeds with their interval and
    small marks for each, where others were recorded; else two standard errors.
    """
    figure, panels = make_panels(2, 2, height=2.6, width=8.0)
    pooled, places = pool_table(table, seeds), np.arange(table.shape[1])
    shown = {row: [row] for row in (ENTROPY, SHAKEN)}
    shown |= {row: [f"{start}, {row}" for start in STARTS] for row in (NET, RISE)}
    for axes, (label, rows) in zip(panels, shown.items(), strict=True):
        for number, row in enumerate(rows):
            singles, name = list_singles(table, "", row, seeds), row.removesuffix(label)
            x = places + number / 4
            draw_marks(axes, x, [*pooled.loc[row]], singles, number, name.removesuffix(", "))
        if len(rows) > 1:
            axes.axhline(0, **THIN)
        axes.set_ylabel(label.replace(" of the", "\nof the"))
        axes.set_xlim(-0.6, len(places) - 0.2)
        name_places(axes, [*table])
    name_lines(figure)
    return figure
