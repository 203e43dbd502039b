"""Changed models and what learning made of them to axes (section 4.3, appendices B.6 to B.8)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from kent.pages.changes import COMPARED
from kent.pages.plots.panels import (
    CYCLE,
    DOT,
    GREY,
    NARROW,
    THIN,
    draw_line,
    draw_marks,
    draw_seeds,
    label_decades,
    list_singles,
    make_panels,
    name_lines,
    name_places,
    pick_color,
    styled,
)
from kent.pages.seeds import Seed, pool_table, share_model
from kent.pages.summaries import ENTROPY, FALL, NET

METHODS = ("resuscitate", "random", "rescale", "shrink", "temperature")
"""What the label of a change begins with, in the order of their colours."""
PANELS = {
    NET: ("Δ net A (points)", "", ""),
    "A (%)": ("ΔA (points)", "control: A (%)", "A of the control"),
    "F (%)": ("ΔF (points)", "", ""),
    "K after (nats)": ("ΔK (nats)", "K before (nats)", "before learning"),
    "P after (%)": ("ΔP (points)", "P before (%)", "before learning"),
    ENTROPY: ("ΔH before (nats)", "", ""),
}
"""Rows of `kent.pages.changes.compare_changes` that `plot_changes` shows.

Each with its axis, the row beside it, hollow, and what the legend calls that.
"""
HOLLOW = {"fillstyle": "none", "marker": "o", "markersize": 6, "alpha": 0.6}
ENDS = "ends at guessing"


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
        right.plot(old[mask.numpy()], new[mask.numpy()], ".", rasterized=True, **style)
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
def plot_edit(table: pd.DataFrame, seeds: Sequence[Seed] = (), name: str = "") -> Figure:
    """What changes do to a model before it learns on: a panel per row, a mark per column.

    The cells of `table` are (value, standard error); `seeds` kept its rows as "NAME, ROW".
    """
    figure, panels = make_panels(-(-len(table) // 3), 3, height=2.6, width=9.0)
    pooled, places = _pool(table, name, seeds), np.arange(table.shape[1])
    for axes, row in zip(panels, table.index, strict=False):
        draw_marks(axes, places, [*pooled.loc[row]], list_singles(table, name, row, seeds))
        axes.set_ylabel(row.replace(" before", "").replace(" entropy", "\nentropy"))
        name_places(axes, [*table])
    for axes in panels[len(table) :]:
        axes.remove()
    return figure


def _pool(table: pd.DataFrame, name: str, seeds: Sequence[Seed]) -> pd.DataFrame:
    """Means over seeds of a table that they kept as `name`; the table itself without them."""
    return pool_table(pd.concat({name: table}), seeds).droplevel(0)


@styled
def plot_changes(
    tables: Mapping[object, pd.DataFrame], seeds: Sequence[Seed] = (), xlabel: str = ""
) -> Figure:
    """What changing a model before it learns changes: a panel for each of `PANELS`.

    All minus the unchanged model's. A table has the rows of `kent.pages.changes.compare_changes`;
    its columns are changes or branches, a place on the axis each, or steps (or tokens) of
    pretraining, which are joined.
    Bold: the mean over seeds with its interval, where others kept the table as "LABEL, minus
    unchanged" (small: each seed); else this model's value with two standard errors.
    """
    names = [*next(iter(tables.values()))]
    joined = not any(isinstance(each, str) for each in names)
    figure, panels = make_panels(2, 3, height=2.6, width=9.0)
    for axes, row in zip(panels, PANELS, strict=True):
        axes.axhline(0, **THIN)
        for number, (label, table) in enumerate(tables.items()):
            aside = (number - (len(tables) - 1) / 2) / 4
            x = np.array(names) if joined else np.arange(len(names)) + aside
            _draw_change(axes, x, row, number, str(label), table, seeds)
        axes.set(xlabel=xlabel, ylabel=PANELS[row][0])
        axes.set_xticks(names) if joined else name_places(axes, names)
    name_lines(figure)
    return figure


def _draw_change(
    axes: Axes,
    x: np.ndarray,
    row: str,
    number: int,
    label: str,
    table: pd.DataFrame,
    seeds: Sequence[Seed],
) -> None:
    """One series of a panel; hollow what stands beside it, dotted F where it ends at guessing."""
    name, (_, beside, hollow) = f"{label}, {COMPARED}", PANELS[row]
    pooled, joined = _pool(table, name, seeds), not isinstance(table.columns[0], str)
    if beside:
        style = HOLLOW | {"linestyle": ":" if joined else "none", "elinewidth": 0.8}
        draw_line(axes, x, [*pooled.loc[beside]], number, "" if number else hollow, **style)
    if joined:
        others = [seed.list_values(f"{name}, {row}", [*table]) for seed in seeds]
        pairs, within = [*table.loc[row]], share_model(seeds)
        draw_seeds(axes, x, pairs, others, number, label, within=within)
    else:
        singles = list_singles(table, name, row, seeds)
        draw_marks(axes, x, [*pooled.loc[row]], singles, number, label)
    if row == "F (%)":
        style = {"color": pick_color(number), "linestyle": ":", "label": "" if number else ENDS}
        ends = [value for value, _ in pooled.loc[FALL]]
        several = joined or len({*ends}) > 1
        axes.plot(x, ends, **style) if several else axes.axhline(ends[0], **style)


@styled
def plot_differences(
    table: pd.DataFrame, rows: Sequence[str], seeds: Sequence[Seed] = ()
) -> Figure:
    """Every changed model in a line: `rows` before learning (nats), then net A, A and F (points).

    All minus the unchanged model. `table` is that of `kent.pages.changes.compare_changes`, whose
    labels begin with one of `METHODS`, one colour each. Bold and small marks are as in
    `plot_changes`; `seeds` kept the transposed table as "minus unchanged". Where one change goes
    three times as far as any other, its value is written at the edge.
    """
    rows, lines = [*rows, NET, "A (%)", "F (%)"], table.shape[1]
    height = 0.8 + 0.2 * lines if NARROW.get() else 1.2 + 0.26 * lines
    figure, panels = make_panels(1, len(rows), height=height, sharey=True, width=9.0)
    for axes, row in zip(panels, rows, strict=True):
        axes.axvline(0, **THIN)
        _draw_differences(axes, row, table, seeds)
        named, *_ = PANELS.get(row, (f"Δ {row}".replace(" before", ""),))
        axes.set_xlabel(named.replace(" before", "").replace(" entropy", "\nentropy"), fontsize=9)
        axes.locator_params(axis="x", nbins=4)
    panels[0].set_yticks(range(lines), labels=[*table])
    panels[0].invert_yaxis()
    name_lines(figure)
    return figure


def _draw_differences(axes: Axes, row: str, table: pd.DataFrame, seeds: Sequence[Seed]) -> None:
    """One panel of `plot_differences`; hollow the control, dotted where F ends at guessing."""
    pooled, (_, beside, hollow) = _pool(table.T, COMPARED, seeds).T, PANELS.get(row, ("", "", ""))
    limit = _find_limit(pooled.loc[row])
    for place, label in enumerate(table):
        color = pick_color([label.startswith(each) for each in METHODS].index(True))
        singles = list_singles(table.T[[row]], COMPARED, label, seeds)[0]
        if beside:
            style = HOLLOW | {"color": color, "label": "" if place else hollow}
            axes.plot(pooled.loc[beside, label][0], place, linestyle="none", **style)
        _draw_difference(axes, place, pooled.loc[row, label], singles, limit, color)
    if row == "F (%)":
        axes.axvline(pooled.loc[FALL].iloc[0][0], color=GREY, linestyle=":", label=ENDS)
    axes.set_xlim(-limit, limit)


def _draw_difference(
    axes: Axes,
    place: int,
    pair: tuple[float, float],
    singles: Sequence[float],
    limit: float,
    color: str,
) -> None:
    """A difference and single seeds below it; its value alone where it lies beyond the limit."""
    value, error = pair
    if abs(value) > limit:
        edge, side = (limit, "right") if value > 0 else (-limit, "left")
        style = {"color": color, "fontsize": 8, "ha": side, "va": "center"}
        axes.text(edge, place, f"{value:+.3g}".replace("-", "−"), **style)
        return
    axes.errorbar(value, place, xerr=2 * error, color=color, marker="o")
    axes.plot(singles, [place + 0.3] * len(singles), color=color, **DOT)


def _find_limit(pairs: pd.Series) -> float:
    """How far an axis goes: to the farthest change; not to one three times as far as the next."""
    *_, second, first = sorted([0.0, *(abs(value) + 2 * error for value, error in pairs)])
    return 1.1 * (second if first > 3 * second > 0 else first) or 1.0
