"""The loss on held-out text before and after learning, to axes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kent.pages.losses import AFTER, BEFORE, FINAL, RISE
from kent.pages.plots.learning import draw_row, name_stages
from kent.pages.plots.panels import THIN, draw_line, make_panels, name_lines, name_places, styled
from kent.pages.seeds import Seed, pool_table
from kent.pages.summaries import NET


@styled
def plot_losses(stages: pd.DataFrame, changed: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """By initial model the rise of the loss; by changed model the loss before and after learning.

    Tables of `kent.pages.losses`. Means over seeds with their interval where others were recorded,
    else two standard errors.
    """
    figure, (left, right) = make_panels(1, 2, width=8.0)
    draw_row(left, stages, RISE, seeds)
    left.axhline(0, **THIN)
    name_stages(left, stages, RISE)
    pooled, places = pool_table(changed, seeds), np.arange(changed.shape[1])
    for number, (row, when) in enumerate({AFTER: "after learning", BEFORE: "before"}.items()):
        pairs, x = [*pooled.loc[FINAL + row]], places + number / 6
        draw_line(right, x, pairs, number, when, linestyle="none")
    right.axhline(pooled.loc[FINAL + BEFORE].iloc[0][0], **THIN)
    right.set(ylabel="loss (nats)", xlim=(-0.6, len(places) - 0.4))
    name_places(right, [*changed])
    name_lines(figure)
    return figure


@styled
def plot_starts(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """Net acquisition, and the rise of the loss, by initial model: a line per start of learning.

    `table` is that of `kent.pages.losses.tabulate_starts`.
    """
    figure, panels = make_panels(1, 2, width=8.0)
    for axes, row in zip(panels, (NET, RISE), strict=True):
        starts = [each.removesuffix(f", {row}") for each in table.index if each.endswith(row)]
        for number, start in enumerate(starts):
            draw_row(axes, table, f"{start}, {row}", seeds, number, start)
        axes.axhline(0, **THIN)
        name_stages(axes, table, row)
    name_lines(figure)
    return figure
