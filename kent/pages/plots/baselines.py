"""One model beside what it is compared with, to axes: layers, and other texts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kent.measure.familiarity import Familiarity
from kent.measure.profiles import Profile
from kent.pages.plots.entropies import mark_published
from kent.pages.plots.panels import (
    draw_line,
    label_decades,
    make_panels,
    name_lines,
    pick_color,
    styled,
)


@styled
def plot_labelled_layers(table: pd.DataFrame) -> Figure:
    """Distance of each layer's entropy to its bound, a line per column, beside figure 8's axes.

    `table` is `kent.pages.baselines.tabulate_labelled_layers`.
    """
    figure, (axes,) = make_panels(1, height=4.2)
    mark_published(axes, "figure 8")
    for number, label in enumerate(table):
        draw_line(axes, range(len(table)), [*table[label]], number, label)
    axes.set(xlabel="layer", ylabel="ln m − H(θˡ) (nats)", yscale="log")
    axes.set_xticks(range(0, len(table), 1 + len(table) // 16))
    label_decades(axes.yaxis)
    name_lines(figure, 3)
    return figure


@styled
def plot_texts(texts: Mapping[str, Profile], names: Mapping[str, Familiarity]) -> Figure:
    """What one model makes of texts: loss, and how familiar the names in some of them are.

    Left small a mark per block of sequences, bold the mean with two errors; right a histogram over
    documents of the mean perplexity of their names, and a line at its geometric mean.
    """
    figure, (left, right) = make_panels(1, 2, height=3.4, width=9.0)
    for number, profile in enumerate(texts.values()):
        color, blocks = pick_color(number), profile.loss_blocks.tolist()
        aside = number + np.linspace(-0.25, 0.25, len(blocks))
        left.plot(aside, blocks, ".", color=color, alpha=0.4)
        draw_line(left, [number], [profile.estimate("loss")], number, linestyle="none")
    left.set_xticks(range(len(texts)), labels=[*texts], rotation=20, ha="right")
    left.set(ylabel="loss (nats)", xlim=(-0.5, len(texts) - 0.5))
    values = {name: each.perplexities.numpy() for name, each in names.items()}
    ends = np.concatenate([*values.values()])
    bins = np.geomspace(ends.min(), ends.max() * 1.01, 20)
    for name, each in values.items():
        color = pick_color([*texts].index(name))
        right.hist(each, bins=bins, color=color, alpha=0.5, label=f"names in {name}")
        right.axvline(np.exp(np.log(each).mean()), color=color, linewidth=2)
    right.set(xscale="log", xlabel="mean perplexity of a document's names", ylabel="documents")
    right.legend()
    return figure
