"""Changed models and what learning made of them to axes (section 4.3, appendices B.6 to B.8)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from kent.pages.plots.measuring import (
    CYCLE,
    GREY,
    STYLE,
    draw_line,
    label_decades,
    make_panels,
    name_lines,
)
from kent.pages.seeds import Seed
from kent.pages.summaries import COMPARED

METHODS = ("resuscitate", "random", "rescale", "shrink", "temperature")
"""What the label of a change begins with, in the order of their colours."""


def plot_algorithm(
    before: Float[Tensor, " neuron"],
    after: Float[Tensor, " neuron"],
    chosen: Bool[Tensor, " neuron"],
) -> Figure:
    """Algorithm 1 on one layer: how mean coefficients are distributed before and after, and where
    each one went.

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
            right.plot(
                old[mask.numpy()], new[mask.numpy()], ".", color=color, markersize=3, label=label
            )
        right.axline((1, 1), slope=1, color="black", linewidth=0.8)
        right.axhline(1, color="black", linewidth=0.8, linestyle=":")
        left.set(xscale="log", xlabel="mean coefficient / mean of the layer", ylabel="neurons")
        right.set(
            xscale="log",
            yscale="log",
            xlabel="before (/ mean of the layer)",
            ylabel="after (/ mean before)",
        )
        label_decades(left.xaxis, right.xaxis, right.yaxis)
        for axes in (left, right):
            axes.legend(fontsize=9)
    return figure


def plot_edit(table: pd.DataFrame) -> Figure:
    """What changes do to a model before it learns on: a panel per row of (value, standard error), a
    mark per column."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(-(-len(table) // 2), 2, height=2.6, sharex=False)
        for axes, (row, pairs) in zip(panels, table.iterrows(), strict=False):
            draw_line(axes, range(len(pairs)), [*pairs], linestyle="none")
            axes.set_xticks(range(len(pairs)), labels=[*table], rotation=30)
            axes.set_ylabel(row)
    return figure


PANELS = {
    "A (%)": ("ΔA (points)", "control: A (%)"),
    "F (%)": ("ΔF (points)", ""),
    "K after (nats)": ("ΔK (nats)", "K before (nats)"),
    "P after (%)": ("ΔP (points)", "P before (%)"),
}
"""Rows of `kent.pages.summaries.compare_changes` that `plot_changes` shows, each with its axis and
the row beside it."""


def plot_changes(
    tables: Mapping[object, pd.DataFrame], seeds: Sequence[Seed] = (), xlabel: str = ""
) -> Figure:
    """What changing a model before it learns changes: A and F (points), K (nats) and P (points),
    minus the unchanged model's, with two standard errors of the difference; a series per table.

    A table has the rows of `kent.pages.summaries.compare_changes`; its columns are changes, a place
    on the axis each, or steps of pretraining, which are joined. Hollow: the control's A, and K and
    P before learning. Dots: other seeds, as kept under "LABEL, minus unchanged".
    """
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, 2, height=2.9, sharex=False)
        for axes, (row, (name, beside)) in zip(panels, PANELS.items(), strict=True):
            axes.axhline(0, color="black", linewidth=0.8)
            for number, (label, table) in enumerate(tables.items()):
                joined = not any(isinstance(each, str) for each in table)
                middle = 0 if joined else (number - (len(tables) - 1) / 2) / 8
                sides = (0, 0) if joined else (-0.12, 0.12)
                start, line = ([*table], "-") if joined else (range(table.shape[1]), "none")
                left, places, right = (
                    [at + middle + side for at in start] for side in (sides[0], 0, sides[1])
                )
                if beside:
                    _draw_hollow(
                        axes,
                        left,
                        [*table.loc[beside]],
                        number,
                        "" if number else HOLLOW[beside],
                        line,
                    )
                draw_line(axes, places, [*table.loc[row]], number, str(label), line)
                _dot_seeds(axes, right, seeds, f"{label}, {COMPARED}, {row}", number)
            axes.set_xticks(start, labels=[*map(str, table)])
            axes.set(xlabel=xlabel, ylabel=name)
            if not joined:
                rotation = 30 if table.shape[1] < 5 else 60
                plt.setp(
                    axes.get_xticklabels(), rotation=rotation, ha="right", rotation_mode="anchor"
                )
        name_lines(figure, panels)
    return figure


HOLLOW = {"control: A (%)": "the control", "K before (nats)": "before learning", "P before (%)": ""}
"""What the hollow marks of a panel are called in the legend."""


def _draw_hollow(
    axes: Axes, places: Sequence, pairs: Sequence, number: int, label: str, line: str
) -> None:
    values, errors = np.array(pairs, dtype=float).T
    style = {"color": CYCLE[number % len(CYCLE)], "marker": "o", "alpha": 0.6}
    axes.errorbar(
        places,
        values,
        2 * errors,
        label=label,
        fillstyle="none",
        linestyle=":" if line == "-" else line,
        **style,
    )


def _dot_seeds(axes: Axes, places: Sequence, seeds: Sequence[Seed], row: str, number: int) -> None:
    kept = [seed.estimates[row].values() for seed in seeds if row in seed.estimates]
    for place, pairs in enumerate(kept):
        values = [value for value, _ in pairs]
        label = "_" if place or number else "other seeds"
        axes.plot(
            places,
            values,
            ".",
            color=CYCLE[number % len(CYCLE)],
            markersize=4,
            alpha=0.5,
            label=label,
        )


def plot_differences(
    table: pd.DataFrame, rows: Sequence[str], seeds: Sequence[Seed] = ()
) -> Figure:
    """Every changed model in a line: what the change moves before learning (`rows`, nats), then A
    and F (points).

    All minus the unchanged model, with two standard errors. `table` is that of
    `kent.pages.summaries.compare_changes`, whose labels begin with one of `METHODS`, one colour
    each; dots are other seeds. Where one change goes three times as far as any other, its value is
    written at the edge.
    """
    height = 1.2 + 0.26 * table.shape[1]
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(rows) + 2, figsize=(9, height), sharey=True, layout="constrained"
        )
        for axes, row in zip(panels, [*rows, "A (%)", "F (%)"], strict=True):
            limit = _find_limit(table.loc[row])
            axes.axvline(0, color="black", linewidth=0.8)
            for place, (label, (value, error)) in enumerate(table.loc[row].items()):
                color = CYCLE[
                    next(
                        number for number, method in enumerate(METHODS) if label.startswith(method)
                    )
                ]
                if abs(value) > limit:
                    edge, side = (limit, "right") if value > 0 else (-limit, "left")
                    axes.text(
                        edge,
                        place,
                        f"{value:+.3g}".replace("-", "−"),
                        color=color,
                        fontsize=8,
                        ha=side,
                        va="center",
                    )
                    continue
                axes.errorbar(
                    value, place, xerr=2 * error, color=color, marker="o", markersize=4, capsize=2
                )
                kept = [seed.estimates.get(f"{COMPARED}, {label}", {}) for seed in seeds]
                values = [each[row][0] for each in kept if row in each]
                axes.plot(
                    values, [place + 0.25] * len(values), ".", color=color, markersize=3, alpha=0.6
                )
            axes.set_xlim(-limit, limit)
            axes.set_xlabel(
                f"Δ {row.replace(' before', '').replace(' (%)', ' (points)')}".replace(
                    " entropy", "\nentropy"
                )
            )
            axes.xaxis.label.set_fontsize(9)
        panels[0].set_yticks(range(table.shape[1]), labels=[*table])
        panels[0].invert_yaxis()
    return figure


def _find_limit(pairs: pd.Series) -> float:
    """How far an axis goes: as far as any change, but not to one that goes three times as far as
    the next."""
    *_, second, first = sorted([0.0, *(abs(value) + 2 * error for value, error in pairs)])
    return 1.1 * (second if first > 3 * second > 0 else first) or 1.0
