"""What Algorithm 1 does to a layer's entropy by its distance from the bound, to axes."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter

from kent.pages.gaps import GAP, GRID, LAWS, change_entropy, read_gaps
from kent.pages.plots.panels import GREY, MARKERS, THIN, make_panels, name_lines, pick_color, styled

LINES = ("-", "--")
"""Styles of the laws."""
TICKS = (-0.3, -0.1, -0.05, 0, 0.05, 0.1, 0.2, 0.5, 1)


@styled
def plot_gaps(table: pd.DataFrame, p: float | int, model: str = "OLMo-1B") -> Figure:
    """The change of a layer's entropy against its gap, a panel for each q; linear up to 0.1 nats.

    `table` is `kent.pages.gaps.tabulate_gaps`. Dotted are the gaps at the ends of figure 2's axis
    for a model.
    """
    factors = [*table.columns.drop(GAP)]
    figure, panels = make_panels((len(factors) + 1) // 2, 2, height=2.7, width=8.4)
    for axes in panels[len(factors) :]:
        axes.remove()
    for axes, q in zip(panels, factors, strict=False):
        _draw_laws(axes, p, q)
        for number, (name, rows) in enumerate(table.groupby(level="model", sort=False)):
            style = {"color": pick_color(number), "marker": MARKERS[number], "alpha": 0.6}
            axes.plot(rows[GAP], rows[q], linestyle="none", markersize=3.5, label=name, **style)
        _mark_gaps(axes, read_gaps()[model], model)
        axes.set(xscale="log", title=f"q = {q:g}", xlabel="gap ln m − H(θˡ) (nats)")
        axes.set(ylabel="ΔH(θˡ) (nats)", ylim=_find_limits(table[q]), xlim=(GRID[0], GRID[-1]))
        axes.set_yscale("symlog", linthresh=0.1)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_locator(FixedLocator(TICKS))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    name_lines(figure, 3)
    return figure


def _draw_laws(axes: Axes, p: float | int, q: float | int) -> None:
    axes.axhline(0, **THIN)
    for law, line in zip(LAWS, LINES, strict=True):
        curve = [change_entropy(law, gap, p, q) for gap in GRID.tolist()]
        axes.plot(GRID, curve, line, color="black", linewidth=1.2, label=law)


def _mark_gaps(axes: Axes, gaps: Sequence[float], model: str) -> None:
    for gap in gaps:
        axes.axvline(gap, color=GREY, linestyle=":", label=f"{model}, figure 2")


def _find_limits(values: pd.Series) -> tuple[float, float]:
    """With room for what an even layer loses."""
    room = 0.1 * (values.max() - values.min() + 0.2)
    return min(values.min(), 0) - room, max(values.max(), 0) + room
