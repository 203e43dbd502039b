"""What the figures of all pages share: panels, colours, lines with errors, seeds, legends."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from io import StringIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike

from kent.pages.seeds import Seed, pool

# A backend that is loaded for the first time inside `rc_context` shows that figure and no other.
plt.switch_backend(plt.get_backend())

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00")
MARKERS = ("o", "s", "^", "D", "v")
THIN = {"color": "black", "linewidth": 0.8}
DOT = {"marker": ".", "markersize": 3, "alpha": 0.6, "linestyle": "none"}
"""One seed of several."""

STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 120,
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "errorbar.capsize": 2,
    "lines.markersize": 4,
    "svg.fonttype": "none",  # words stay words: found by a search, read aloud
    "svg.hashsalt": "kent",
}
NARROW = ContextVar("narrow", default=False)
"""Whether a figure is being drawn for a phone: its panels below one another."""


@dataclass(frozen=True)
class Drawing:
    """A figure as a page shows it: in SVG, and for a phone once more with its panels stacked."""

    figure: Figure
    narrow: Figure

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        return {"image/svg+xml": _write(self.figure)}, {"kent-narrow": _write(self.narrow)}


def _write(figure: Figure) -> str:
    file = StringIO()
    with plt.rc_context(STYLE):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def styled(draw: Callable[..., Figure]) -> Callable[..., Drawing]:
    """Decorates a function that draws: its figure in the style of all, wide and narrow."""

    @wraps(draw)
    def draw_both(*given: object, **named: object) -> Drawing:
        figures = []
        for narrow in (False, True):
            token = NARROW.set(narrow)
            try:
                with plt.rc_context(STYLE):
                    figures.append(draw(*given, **named))
            finally:
                NARROW.reset(token)
            plt.close(figures[-1])
        return Drawing(*figures)

    return draw_both


def make_panels(
    rows: int,
    columns: int = 1,
    height: float = 3.3,
    sharex: bool = False,
    sharey: bool = False,
    width: float = 7,
) -> tuple[Figure, list[Axes]]:
    """A figure `width` inches wide, and its panels row by row, each `height` inches high.

    On a phone they stand below one another.
    """
    if NARROW.get():
        rows, columns, width = rows * columns, 1, 4.2
    settings = {"sharex": sharex, "sharey": sharey, "layout": "constrained", "squeeze": False}
    figure, axes = plt.subplots(rows, columns, figsize=(width, height * rows), **settings)
    return figure, list(axes.flat)


def pick_color(number: int) -> str:
    """The colour of a series by its number; the sixth has that of the first again."""
    return CYCLE[number % len(CYCLE)]


def draw_line(
    axes: Axes,
    x: ArrayLike,
    pairs: Sequence[tuple[float, float]],
    number: int = 0,
    label: str = "",
    **style: object,
) -> None:
    """One line of (value, standard error) pairs with bars of two standard errors; none for NaN.

    Colour and marker go by the series' number; `style` is that of `Axes.errorbar`.
    """
    values, errors = np.array(pairs, dtype=float).T
    style = {"color": pick_color(number), "marker": MARKERS[number % len(MARKERS)]} | style
    axes.errorbar(x, values, 2 * errors, label=label, **style)


def draw_seeds(
    axes: Axes,
    x: ArrayLike,
    pairs: Sequence[tuple[float, float]],
    others: Sequence[Sequence[float] | None] = (),
    number: int = 0,
    label: str = "",
    *,
    within: bool = False,
    **style: object,
) -> None:
    """A series over seeds: bold their mean with the band of its interval, thin each of them.

    `pairs` are this seed's (value, standard error), `others` the values of the others, None where
    one was not recorded. Without others it is `draw_line`. The band has the errors of `pairs` too
    (`within`) where these are the same for all. `style` is that of the mean.
    """
    recorded = [each for each in others if each is not None]
    if not recorded:
        return draw_line(axes, x, pairs, number, label, **style)
    own, errors = np.array(pairs, dtype=float).T
    values = np.array([own, *recorded])
    errors = errors if within else np.zeros_like(errors)
    pooled = [pool([*each], beside) for each, beside in zip(values.T, errors, strict=True)]
    middle, error = np.array(pooled).T
    color = style.get("color", pick_color(number))
    style = {"color": color, "marker": MARKERS[number % len(MARKERS)], "linewidth": 2.2} | style
    axes.fill_between(x, middle - 2 * error, middle + 2 * error, color=color, alpha=0.15, lw=0)
    axes.plot(x, values.T, color=color, alpha=0.45, linewidth=0.7)
    axes.plot(x, middle, label=label, **style)


def list_singles(
    table: pd.DataFrame, name: str, row: str, seeds: Sequence[Seed]
) -> list[list[float]]:
    """By column of a table, a row's value in this seed and in others; none where none kept it.

    They kept the row under the `name` of its table.
    """
    kept = [seed.estimates.get(f"{name}, {row}" if name else row, {}) for seed in seeds]
    others = [[each[str(column)][0] for each in kept if str(column) in each] for column in table]
    own = [value for value, _ in table.loc[row]]
    return [[value, *found] if found else [] for value, found in zip(own, others, strict=True)]


def draw_marks(
    axes: Axes,
    x: np.ndarray,
    pairs: Sequence[tuple[float, float]],
    singles: Sequence[Sequence[float]],
    number: int = 0,
    label: str = "",
) -> None:
    """Marks side by side with two errors, and to the right of each, small, single seeds."""
    draw_line(axes, x, pairs, number, label, linestyle="none")
    for place, values in zip(x, singles, strict=True):
        axes.plot([place + 0.12] * len(values), values, color=pick_color(number), **DOT)


def name_lines(figure: Figure, columns: int = 4, title: str | None = None) -> None:
    """One legend over the figure, with every label once."""
    handles = {}
    for axes in figure.axes:
        lines, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    columns = min(columns, 2) if NARROW.get() else columns
    place = {"loc": "outside upper center", "ncols": columns, "title": title}
    figure.legend(handles.values(), handles, **place)


def name_places(axes: Axes, names: Sequence[str]) -> None:
    """Ticks at 0, 1, … with long names, which lean."""
    axes.set_xticks(range(len(names)), labels=names)
    style = {"rotation": 30 if len(names) < 6 else 60, "rotation_mode": "anchor"}
    plt.setp(axes.get_xticklabels(), ha="right", **style)


def label_decades(*axes: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of every power of ten of logarithmic axes."""
    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
