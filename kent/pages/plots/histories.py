"""Measures over pretraining by tokens per parameter, to axes."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.pages.axes import locate
from kent.pages.histories import DORMANT, LENGTH, LOSS, PAPER, RATE, READ
from kent.pages.measures import GAP
from kent.pages.plots.entropies import mark_published
from kent.pages.plots.panels import GREY, draw_seeds, make_panels, name_lines, styled
from kent.pages.seeds import Seed

PANELS = {LOSS: "loss (nats)", RATE: "learning rate\n(share of peak)"}
PANELS |= {LENGTH: "length of\nmemory vectors", DORMANT: "dormant fraction"}


@styled
def plot_history(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """The distance of H to its bound, of the model and by layer, above what may go with it.

    `table` is that of `kent.pages.histories.tabulate_history`. The grey stretch is what the paper's
    stages have read, the bands its figure 2.
    """
    rows = [row for row in PANELS if row in table.index]
    figure, panels = make_panels(3, 2, height=2.5, width=8.0)
    layers = [row for row in table.index if row.startswith("layer ")]
    _draw(panels[0], table, GAP, seeds)
    for number, row in enumerate(layers):
        _draw(panels[1], table, row, seeds, number, row.partition(",")[0])
    for axes, row in zip(panels[2:], rows, strict=False):
        _draw(axes, table, row, seeds)
        axes.set_ylabel(PANELS[row])
    mark_published(panels[0], "figure 2")
    panels[0].set(ylabel="ln m − H, mean\nof layers (nats)", yscale="log")
    panels[1].set(ylabel="ln m − H, by\nlayer (nats)", yscale="log")
    for axes in panels[2 + len(rows) :]:
        axes.remove()
    for axes in figure.axes:
        scale_progress(axes, _locate(table), READ if READ in table.index else table.columns.name)
    name_lines(figure, 3)
    return figure


def _draw(
    axes: Axes,
    table: pd.DataFrame,
    row: str,
    seeds: Sequence[Seed],
    number: int = 0,
    label: str = "",
) -> None:
    others = [seed.list_values(row, [*table]) for seed in seeds]
    draw_seeds(axes, _locate(table), [*table.loc[row]], others, number, label)


def _locate(table: pd.DataFrame) -> list[float] | list[int]:
    """Where checkpoints stand: by what they have read, where it is known."""
    known = READ in table.index
    return [value for value, _ in table.loc[READ]] if known else locate(table.columns)


def scale_progress(axes: Axes, places: Sequence[float | int], name: str) -> None:
    """A logarithmic axis with room for the untrained model, and what the paper's stages have read.

    `places` are where checkpoints stand on it, `name` what it counts.
    """
    first = min(filter(None, places), default=1)
    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    axes.set_xlim(left=-0.2 * first)
    powers = (10**power for power in range(-2, 20))
    ticks = [0, *(each for each in powers if first < each <= max(places, default=1))]
    axes.set_xticks(ticks, labels=[f"{each:,}" for each in ticks], minor=False)
    axes.set_xlabel(name)
    if name == READ:
        axes.axvspan(*PAPER, color=GREY, alpha=0.15, label="read by the paper's stages")
