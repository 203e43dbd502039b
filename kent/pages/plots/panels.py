"""What the figures of all pages share: panels, colours, lines with errors, other seeds, legends."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike

from kent.measure.profiles import Profile
from kent.pages.seeds import Seed

# A backend that is loaded for the first time inside `rc_context` shows that figure and no other.
plt.switch_backend(plt.get_backend())

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00")
MARKERS = ("o", "s", "^", "D", "v")
THIN = {"color": "black", "linewidth": 0.8}
GAP = "ln m − H, mean of layers (nats)"

styled = plt.rc_context(
    {
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
    }
)
"""Decorates a function that draws: the style of all figures."""


def make_panels(
    rows: int, columns: int = 1, height: float = 3.3, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure as wide as a page, and its panels row by row, each `height` inches high."""
    settings = {"sharex": sharex, "layout": "constrained", "squeeze": False}
    figure, axes = plt.subplots(rows, columns, figsize=(7, height * rows), **settings)
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
    axes: Axes, x: ArrayLike, seeds: Sequence[Seed], row: str, number: int = 0, **style: object
) -> None:
    """What the row of a table came to for other seeds, without errors, in the series' colour."""
    kept = [seed.estimates[row].values() for seed in seeds if row in seed.estimates]
    style = {"color": pick_color(number), "alpha": 0.5} | style
    for place, pairs in enumerate(kept):
        label = "_" if place or number else "other seeds"
        axes.plot(x, [value for value, _ in pairs], label=label, **style)


def name_lines(figure: Figure, columns: int = 4, title: str | None = None) -> None:
    """One legend over the figure, with every label once."""
    handles = {}
    for axes in figure.axes:
        lines, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    place = {"loc": "outside upper center", "ncols": columns, "title": title}
    figure.legend(handles.values(), handles, **place)


def label_decades(*axes: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of every power of ten of logarithmic axes."""
    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def measure_gap(profile: Profile) -> tuple[float, float]:
    """How far knowledge entropy is below its bound, mean of layers, and its error, in nats."""
    layers, gap = len(profile.coefficients), profile.entropy_bound - profile.knowledge_entropy
    return gap / layers, profile.standard_error / layers
