"""Entities in documents that were read and others, before and after learning, to axes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kent.pages.entities import BESIDE, FACTS, GAIN, RISES
from kent.pages.plots.panels import THIN, draw_line, make_panels, name_lines, name_places, styled
from kent.pages.seeds import Seed, pool_table

PANELS = {
    GAIN: "read whole minus\nnot read (nats)",
    BESIDE: "the same, minus\nunchanged (nats)",
    FACTS: "fictional facts, net\nof the control (nats)",
}
"""Rows of `kent.pages.entities.tabulate_rises` that have a panel, with its axis."""


@styled
def plot_rises(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """Rises by group of documents, and their differences: a place on each axis for every model.

    Means over seeds with their interval where others were recorded, else two standard errors.
    """
    pooled, places = pool_table(table, seeds), np.arange(table.shape[1])
    figure, panels = make_panels(2, 2, height=2.8, width=8.0)
    for number, (group, row) in enumerate(RISES.items()):
        x = places + (number - 1) / 5
        draw_line(panels[0], x, [*pooled.loc[row]], number, group, linestyle="none")
    panels[0].set_ylabel("rise of ln p of\nentities (nats)")
    for axes, (row, label) in zip(panels[1:], PANELS.items(), strict=True):
        draw_line(axes, places, [*pooled.loc[row]], linestyle="none")
        axes.set_ylabel(label)
    for axes in panels:
        axes.axhline(0, **THIN)
        axes.set_xlim(-0.6, len(places) - 0.4)
        name_places(axes, [*table])
    name_lines(figure)
    return figure
