"""Changed models and what learning made of them to axes (section 4.3, appendices B.6 to B.8)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from kent.pages.plots.panels import (
    CYCLE,
    GREY,
    THIN,
    draw_line,
    draw_seeds,
    label_decades,
    make_panels,
    name_lines,
    pick_color,
    styled,
)
from kent.pages.seeds import Seed
from kent.pages.summaries import COMPARED

METHODS = ("resuscitate", "random", "rescale", "shrink", "temperature")
"""What the label of a change begins with, in the order of their colours."""
PANELS = {
    "A (%)": ("ΔA (points)", "control: A (%)", "the control"),
    "F (%)": ("ΔF (points)", "", ""),
    "K after (nats)": ("ΔK (nats)", "K before (nats)", "before learning"),
    "P after (%)": ("ΔP (points)", "P before (%)", ""),
}
"""Rows of `kent.pages.summaries.compare_changes` that `plot_changes` shows.

Each with its axis, the row beside it, hollow, and what the legend calls that.
"""


@styled
def plot_algorithm(
    before: Float[Tensor, " neuron"],
    after: Float[Tensor, " neuron"],
    chosen: Bool[Tensor, " neuron"],
) -> Figure:
    """Algorithm 1 on one layer: mean coefficients before and after, and where each one went.

    All as multiples of the layer's mean before; `chosen` are the neurons whose keys were scaled.
    """
    old, new = ((each / before.mean()).numpy() for each in (before, after))
    figure, (left, right) = make_panels(1, 2)
    bins = np.geomspace(min(old.min(), new.min()), max(old.max(), new.max()) * 1.01, 60)
    for color, label, values in zip(CYCLE, ("before", "after"), (old, new), strict=False):
        left.hist(values, bins=bins, histtype="step", color=color, label=label)
    for mask, color, label in ((~chosen, GREY, "left alone"), (chosen, CYCLE[1], "chosen")):
        style = {"color": color, "markersize": 3, "label": label}
        right.plot(old[mask.numpy()], new[mask.numpy()], ".", **style)
    right.axline((1, 1), slope=1, **THIN)
    right.axhline(1, **THIN, linestyle=":")
    left.set(xscale="log", xlabel="mean coefficient / mean of the layer", ylabel="neurons")
    right.set(xscale="log", xlabel="before (/ mean of the layer)")
    right.set(yscale="log", ylabel="after (/ mean before)")
    label_decades(left.xaxis, right.xaxis, right.yaxis)
    left.legend()
    right.legend()
    return figure


@styled
def plot_edit(table: pd.DataFrame) -> Figure:
    """What changes do to a model before it learns on: a panel per row, a mark per column.

    The cells of `table` are (value, standard error).
    """
    figure, panels = make_panels(-(-len(table) // 2), 2, height=2.6)
    for axes, (row, pairs) in zip(panels, table.iterrows(), strict=False):
        draw_line(axes, range(len(pairs)), [*pairs], linestyle="none")
        axes.set_xticks(range(len(pairs)), labels=[*table], rotation=30)
        axes.set_ylabel(row)
    return figure


@styled
def plot_changes(
    tables: Mapping[object, pd.DataFrame], seeds: Sequence[Seed] = (), xlabel: str = ""
) -> Figure:
    """What changing a model before it learns changes: A, F, P (points) and K (nats), a series each.

    All minus the unchanged model's, with two standard errors of the difference. A table has the
    rows of `kent.pages.summaries.compare_changes`; its columns are changes, a place on the axis
    each, or steps of pretraining, which are joined. Hollow: the control's A, and K and P before
    learning. Dots: other seeds, as kept under "LABEL, minus unchanged".
    """
    names = [*next(iter(tables.values()))]
    joined = not any(isinstance(each, str) for each in names)
    places, aside = (np.array(names), 0) if joined else (np.arange(len(names)), 0.12)
    figure, panels = make_panels(2, 2, height=2.9)
    for axes, (row, (ylabel, beside, hollow)) in zip(panels, PANELS.items(), strict=True):
        axes.axhline(0, **THIN)
        for number, (label, table) in enumerate(tables.items()):
            x = places if joined else places + (number - (len(tables) - 1) / 2) / 8
            if beside:
                style = {"fillstyle": "none", "linestyle": ":" if joined else "none"}
                style |= {"marker": "o", "markersize": 6, "capsize": 0, "alpha": 0.6}
                named = "" if number else hollow
                draw_line(axes, x - aside, [*table.loc[beside]], number, named, **style)
            line = "-" if joined else "none"
            draw_line(axes, x, [*table.loc[row]], number, str(label), linestyle=line)
            kept, dots = f"{label}, {COMPARED}, {row}", {"marker": ".", "linestyle": "none"}
            draw_seeds(axes, x + aside, seeds, kept, number, **dots)
        axes.set_xticks(places, labels=[*map(str, names)])
        axes.set(xlabel=xlabel, ylabel=ylabel)
        if not joined:
            style = {"rotation": 30 if len(names) < 5 else 60, "rotation_mode": "anchor"}
            plt.setp(axes.get_xticklabels(), ha="right", **style)
    name_lines(figure)
    return figure


@styled
def plot_differences(
    table: pd.DataFrame, rows: Sequence[str], seeds: Sequence[Seed] = ()
) -> Figure:
    """Every changed model in a line: `rows` before learning (nats), then A and F (points).

    All minus the unchanged model, with two standard errors. `table` is that of
    `kent.pages.summaries.compare_changes`, whose labels begin with one of `METHODS`, one colour
    each; dots are other seeds. Where one change goes three times as far as any other, its value is
    written at the edge.
    """
    rows, size = [*rows, "A (%)", "F (%)"], (9, 1.2 + 0.26 * table.shape[1])
    shape = {"figsize": size, "sharey": True, "layout": "constrained"}
    figure, panels = plt.subplots(1, len(rows), **shape)
    for axes, row in zip(panels, rows, strict=True):
        axes.axvline(0, **THIN)
        limit = _find_limit(table.loc[row])
        for place, (label, pair) in enumerate(table.loc[row].items()):
            kept = [seed.estimates.get(f"{COMPARED}, {label}", {}) for seed in seeds]
            others = [each[row][0] for each in kept if row in each]
            method = [label.startswith(each) for each in METHODS].index(True)
            _draw_difference(axes, place, pair, others, limit, pick_color(method))
        axes.set_xlim(-limit, limit)
        name = row.replace(" before", "").replace(" (%)", " (points)")
        axes.set_xlabel(f"Δ {name}".replace(" entropy", "\nentropy"), fontsize=9)
    panels[0].set_yticks(range(table.shape[1]), labels=[*table])
    panels[0].invert_yaxis()
    return figure


def _draw_difference(
    axes: Axes,
    place: int,
    pair: tuple[float, float],
    others: Sequence[float],
    limit: float,
    color: str,
) -> None:
    """A difference and other seeds' below it; its value alone where it lies beyond the limit."""
    value, error = pair
    if abs(value) > limit:
        edge, side = (limit, "right") if value > 0 else (-limit, "left")
        style = {"color": color, "fontsize": 8, "ha": side, "va": "center"}
        axes.text(edge, place, f"{value:+.3g}".replace("-", "−"), **style)
        return
    axes.errorbar(value, place, xerr=2 * error, color=color, marker="o")
    dots = [place + 0.25] * len(others)
    axes.plot(others, dots, ".", color=color, markersize=3, alpha=0.6)


def _find_limit(pairs: pd.Series) -> float:
    """How far an axis goes: to the farthest change; not to one three times as far as the next."""
    *_, second, first = sorted([0.0, *(abs(value) + 2 * error for value, error in pairs)])
    return 1.1 * (second if first > 3 * second > 0 else first) or 1.0
