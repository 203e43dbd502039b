"""What Algorithm 1 does to one model, to axes: what evenness costs, and where it comes from."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.measure.profiles import Profile
from kent.pages.baselines import tabulate_labelled_layers
from kent.pages.edits import BROKEN, LOSS
from kent.pages.measures import ENTROPY
from kent.pages.plots.panels import (
    GREY,
    MARKERS,
    NARROW,
    THIN,
    draw_line,
    label_decades,
    make_panels,
    name_lines,
    pick_color,
    styled,
)


@styled
def plot_price(moved: pd.DataFrame, series: Mapping[str, Mapping[str, str]]) -> Figure:
    """What raising knowledge entropy costs: change of the loss against that of H, in nats.

    `moved` is `kent.pages.edits.compare_edits`; `series` names by method, or by what is varied, its
    columns in order, each with what is written beside its mark. Bars are two standard errors; the
    dashed line is where perplexity has doubled. Logarithmic from 0.1 nats of loss on.
    """
    figure, (axes,) = make_panels(1, height=4.4)
    for line in (axes.axhline, axes.axvline):
        line(0, **THIN)
    axes.axhline(BROKEN, color=GREY, linestyle="--", label="perplexity doubled")
    axes.plot(0, 0, "k*", markersize=9, label="unchanged")
    for number, (name, labels) in enumerate(series.items()):
        _draw_series(axes, moved[[*labels]], number, name)
        for index, (label, said) in enumerate(labels.items()):
            place = tuple(moved.loc[row, label][0] for row in (ENTROPY, LOSS))
            aside = (5, -11 if (number + index) % 2 else 4)  # neighbours on either side
            style = {"color": pick_color(number), "fontsize": 8, "xytext": aside}
            axes.annotate(said, place, textcoords="offset points", **style)
    axes.set(xlabel="Δ knowledge entropy H (nats)", ylabel="Δ loss (nats)")
    axes.set_yscale("symlog", linthresh=0.1)
    axes.yaxis.set_major_formatter("{x:g}")
    name_lines(figure, 3)
    return figure


def _draw_series(axes: Axes, moved: pd.DataFrame, number: int, name: str) -> None:
    (x, wide), (y, high) = (zip(*moved.loc[row], strict=True) for row in (ENTROPY, LOSS))
    style = {"color": pick_color(number), "marker": MARKERS[number], "linewidth": 0.9}
    errors = {"xerr": [2 * each for each in wide], "yerr": [2 * each for each in high]}
    axes.errorbar(x, y, label=name, **errors, **style)


@styled
def plot_models(table: pd.DataFrame) -> Figure:
    """Every model in a line, a panel per row of `table`, with two standard errors.

    Lines down are the first model's values.
    """
    lines = table.shape[1]
    height = 0.8 + 0.2 * lines if NARROW.get() else 1.0 + 0.24 * lines
    figure, panels = make_panels(1, len(table), height=height, sharey=True, width=9.0)
    for axes, row in zip(panels, table.index, strict=True):
        values, errors = zip(*table.loc[row], strict=True)
        axes.axvline(values[0], **THIN)
        bars = {"xerr": [2 * each for each in errors], "color": pick_color(0)}
        axes.errorbar(values, range(lines), marker="o", linestyle="none", **bars)
        axes.set_xlabel(_break_line(row), fontsize=9)
        axes.locator_params(axis="x", nbins=4)
    panels[0].set_yticks(range(lines), labels=[*table])
    panels[0].invert_yaxis()
    return figure


def _break_line(row: str) -> str:
    return row.replace(" entropy", "\nentropy").replace(" of ", "\nof ")


@styled
def plot_layer_edits(
    before: Profile,
    changed: Mapping[str, Profile],
    changes: pd.DataFrame,
    ends: Mapping[str, float],
) -> Figure:
    """Which layers grow more even: ΔH by layer, and the distance to ln m before and after.

    `changed` are models by label, `changes` their `kent.pages.edits.tabulate_layer_changes`, `ends`
    where an even layer would be taken. Above the diagonal a layer grew more uneven.
    """
    figure, (left, right) = make_panels(1, 2, height=4.0, width=9.0)
    gaps = tabulate_labelled_layers({"before": before, **changed})
    old = [value for value, _ in gaps["before"]]
    for number, label in enumerate(changed):
        color = pick_color(number)
        draw_line(left, range(len(old)), [*changes[label]], number, label, linewidth=0.9)
        new = [value for value, _ in gaps[label]]
        right.plot(old, new, MARKERS[number], color=color, alpha=0.7)
        if ends[label] > 0:
            right.axhline(ends[label], color=color, linestyle=":")
    left.axhline(0, **THIN)
    left.set(xlabel="layer", ylabel="ΔH(θˡ) (nats)")
    right.plot([min(old), max(old)], [min(old), max(old)], **THIN)
    right.set(xscale="log", yscale="log", xlabel="ln m − H(θˡ) before (nats)")
    right.set_ylabel("after (nats)")
    label_decades(right.xaxis, right.yaxis)
    name_lines(figure, 4)
    return figure
