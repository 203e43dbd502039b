"""Changed models and what learning made of them to axes (section 4.3, appendices B.6 to B.8)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from kent.learning_plots import draw_seeds
from kent.plots import CYCLE, GREY, STYLE, draw_line, make_panels
from kent.seeds import Seed
from kent.summaries import COMPARED

METHODS = ("resuscitate", "random", "rescale", "shrink", "temperature")
"""What the label of a change begins with, in the order of their colours."""


def plot_algorithm(
    before: Float[Tensor, " neuron"], after: Float[Tensor, " neuron"], chosen: Bool[Tensor, " neuron"]
) -> Figure:
    """Algorithm 1 on one layer: how mean coefficients are distributed before and after, and where each one went.

    All as multiples of the layer's mean before; `chosen` are the neurons whose keys were scaled.
    """
    mean = before.mean()
    old, new = ((each / mean).numpy() for each in (before, after))
    with plt.rc_context(STYLE):
        figure, (left, right) = make_panels(1, 2, sharex=False)
        bins = np.geomspace(min(old.min(), new.min()), max(old.max(), new.max()) * 1.01, 60)
        for number, (label, values) in enumerate({"before": old, "after": new}.items()):
            left.hist(values, bins=bins, histtype="step", color=CYCLE[number], label=label)
        for mask, color, label in ((~chosen, GREY, "left alone"), (chosen, CYCLE[1], "chosen")):
            right.plot(old[mask.numpy()], new[mask.numpy()], ".", color=color, markersize=3, label=label)
        right.axline((1, 1), slope=1, color="black", linewidth=0.8)
        right.axhline(1, color="black", linewidth=0.8, linestyle=":")
        left.set(xscale="log", xlabel="mean coefficient / mean of the layer", ylabel="neurons")
        right.set(xscale="log", yscale="log", xlabel="before (/ mean of the layer)", ylabel="after (/ mean before)")
        for axis in (left.xaxis, right.xaxis, right.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        for axes in (left, right):
            axes.legend(fontsize=9)
    return figure


def plot_edit(table: pd.DataFrame) -> Figure:
    """What changes do to a model before it learns on: a panel per row of (value, standard error), a mark per column."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(-(-len(table) // 2), 2, height=2.6, sharex=False)
        for axes, (row, pairs) in zip(panels, table.iterrows(), strict=False):
            draw_line(axes, range(len(pairs)), [*pairs], linestyle="none")
            axes.set_xticks(range(len(pairs)), labels=[*table], rotation=30)
            axes.set_ylabel(row)
    return figure


PANELS = {
    "A (%)": ("acquisition A (%)", "control: A (%)"),
    "F (%)": ("forgetting F (%)", ""),
    "K after (nats)": ("K (nats)", "K before (nats)"),
    "P after (%)": ("P (%)", "P before (%)"),
}
"""Rows of `kent.summaries.tabulate_changes` that `plot_changes` shows, each with its axis and the row beside it."""


def plot_changes(
    tables: Mapping[object, pd.DataFrame],
    differences: Mapping[object, pd.DataFrame] | None = None,
    seeds: Sequence[Seed] = (),
    xlabel: str = "",
) -> Figure:
    """A and F (%), and K (nats) and P (%) before learning and after, a series per table of `tabulate_changes`.

    A column of a table is a place on the axis, joined to the next where columns are steps of pretraining. Hollow: the
    control's A, and K and P before learning. With the `differences` of `compare_changes` bars are those of the
    difference to the unchanged model, whose values are lines.
    """
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, 2, height=2.9, sharex=False)
        for axes, (row, (name, beside)) in zip(panels, PANELS.items(), strict=True):
            for number, (label, table) in enumerate(tables.items()):
                joined = not any(isinstance(each, str) for each in table)
                shift = 0 if joined else (number - (len(tables) - 1) / 2) / 8
                places = [at + shift for at in range(table.shape[1])]
                color, pairs = CYCLE[number % len(CYCLE)], [*table.loc[row]]
                if differences:
                    axes.axhline(pairs[0][0], color=color, linewidth=0.8)
                    pairs = [(pairs[0][0], np.nan), *_take_errors(pairs[1:], differences[label].loc[row])]
                draw_line(axes, places, pairs, number, str(label), "-" if joined else "none")
                draw_seeds(axes, seeds, f"{label}, {row}", number)
                if beside:
                    values, said = [value for value, _ in table.loc[beside]], "control; before learning"
                    style = {"color": color, "marker": "o", "fillstyle": "none", "linestyle": ":" if joined else "none"}
                    axes.plot(places, values, label="_" if number else said, **style)
            axes.set_xticks(range(table.shape[1]), labels=[*map(str, table)])
            axes.set(xlabel=xlabel, ylabel=name)
            if not joined:
                axes.tick_params("x", rotation=30 if table.shape[1] < 6 else 60)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    return figure


def _take_errors(pairs: Sequence[tuple[float, float]], others: pd.Series) -> list[tuple[float, float]]:
    return [(value, error) for (value, _), (_, error) in zip(pairs, others, strict=True)]


def plot_differences(table: pd.DataFrame, rows: Sequence[str], seeds: Sequence[Seed] = ()) -> Figure:
    """A and F (%) against the entropies of changed models before they learn, all minus the unchanged model's.

    Axes of A and F are linear up to 5 and logarithmic beyond.
    `table` is that of `kent.summaries.compare_changes`, whose labels begin with one of `METHODS`; small marks are
    other seeds.
    """
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, len(rows), height=2.9, sharex=False)
        cells = [(y, x) for y in ("A (%)", "F (%)") for x in rows]
        for axes, (y, x) in zip(panels, cells, strict=True):
            for number, method in enumerate(METHODS):
                chosen = [label for label in table if label.startswith(method)]
                if not chosen:
                    continue
                (xs, spreads), (ys, errors) = (np.array([*table.loc[row, chosen]]).T for row in (x, y))
                style = {"color": CYCLE[number], "marker": "o", "markersize": 4, "linestyle": "none", "label": method}
                axes.errorbar(xs, ys, 2 * errors, 2 * spreads, **style)
                for seed in seeds:
                    kept = [seed.estimates.get(f"{COMPARED}, {label}", {}) for label in chosen]
                    values = [[each[row][0] for each in kept if {x, y} <= each.keys()] for row in (x, y)]
                    axes.plot(*values, ".", color=CYCLE[number], markersize=3, alpha=0.6)
            axes.axhline(0, color="black", linewidth=0.8)
            axes.set_yscale("symlog", linthresh=5)
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_xlabel(f"Δ {x.replace(' before', '')}", fontsize=8)
            axes.set_ylabel(f"Δ {y}")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=9)
    return figure
