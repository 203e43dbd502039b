"""How coefficients and perplexities are distributed, and coefficients beside gradients."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from kent.measure.entropy import measure_entropy
from kent.measure.familiarity import Familiarity
from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.pages.axes import Key, name_axis, name_checkpoint, name_key, place_checkpoints
from kent.pages.plots.panels import (
    GREY,
    THIN,
    draw_seeds,
    label_decades,
    make_panels,
    name_lines,
    pick_color,
    styled,
)
from kent.pages.seeds import Seed

SHARES = {"top 1 % share": 1, "top 10 % share": 10}
"""Measures of `kent.measure.entropy.MEASURES` that are points of figure 1's lower panel."""
LINES = ("-", "--", ":", "-.")
"""Styles of up to four models side by side."""


@styled
def plot_evenness(vectors: int = 16, slopes: Sequence[float] = (0.0, 0.15, 0.6)) -> Figure:
    """What knowledge entropy is: shares of a layer's use that fall off ever faster, and their H."""
    figure, panels = make_panels(1, len(slopes), height=1.9, sharey=True)
    for number, (axes, slope) in enumerate(zip(panels, slopes, strict=True)):
        use = torch.exp(-slope * torch.arange(vectors, dtype=torch.float64))
        entropy = measure_entropy(use).item()
        axes.bar(range(vectors), 100 * use / use.sum(), color=pick_color(number))
        axes.set_title(f"H = {entropy:.2f} nats:\nlike {np.exp(entropy):.2g} used alike")
        axes.set(xlabel=f"{vectors} memory vectors", xticks=[])
        axes.grid(visible=False)
    panels[0].set_ylabel("share of use (%)")
    return figure


@styled
def plot_coefficients(
    profiles: Sequence[Profile], first: Profile, seeds: Sequence[Seed] = ()
) -> Figure:
    """Figure 1 measured: how mean coefficients are distributed, and what share the largest hold.

    `profiles` are early to late; `first` is the baseline. A coefficient is shown as a multiple of
    its layer's mean. Dots are the shares that the largest 1 and 10 % hold in other seeds.
    """
    figure, (top, bottom) = make_panels(2)
    shown = place_checkpoints([first, *profiles])
    axis = name_axis([*shown.values()])
    relative = {step: _divide(profile) for step, profile in shown.items()}
    bins = _space(relative.values(), 80)
    for number, (step, profile) in enumerate(shown.items(), -1):
        style = {"color": GREY, "linestyle": ":"} if profile is first else {}
        style = {"color": pick_color(number), "label": name_checkpoint(axis, step)} | style
        top.hist(relative[step], bins=bins, histtype="step", **style)
        bottom.plot(_accumulate(profile), **style)
        _dot_shares(bottom, step, seeds, style["color"])
    _finish_uses(top, bottom)
    return figure


@styled
def plot_uses(models: Mapping[str, Profile]) -> Figure:
    """The two panels of `plot_coefficients` for profiles by label, side by side.

    The least thousandth of all is not among the multiples.
    """
    figure, (left, right) = make_panels(1, 2, height=3.6, width=9.0)
    relative = {label: _divide(profile) for label, profile in models.items()}
    together = np.concatenate([*relative.values()])
    bins = np.geomspace(np.quantile(together, 0.001), together.max(), 80)
    for number, (label, profile) in enumerate(models.items()):
        style = {"color": pick_color(number), "label": label, "linestyle": LINES[number]}
        left.hist(relative[label], bins=bins, histtype="step", **style)
        right.plot(_accumulate(profile), **style)
    _finish_uses(left, right)
    left.xaxis.set_major_locator(LogLocator())  # over more decades than have room for 2 and 5
    return figure


def _finish_uses(multiples: Axes, shares: Axes) -> None:
    shares.plot([0, 100], [0, 100], **THIN, label="all alike: H = ln m")
    multiples.set(xscale="log", ylabel="memory vectors, all layers")
    multiples.set_xlabel("mean coefficient / mean of its layer")
    multiples.axvline(1, **THIN)
    label_decades(multiples.xaxis)
    shares.set(xlabel="most used memory vectors (%)", ylabel="share of coefficients (%)")
    shares.legend()


def _divide(profile: Profile) -> Float64[np.ndarray, " neuron"]:
    """Coefficients of all layers, as multiples of their layer's mean."""
    return np.concatenate([(each / each.mean()).numpy() for each in profile.coefficients])


def _space(values: Iterable[np.ndarray], number: int) -> Float64[np.ndarray, " edge"]:
    """Edges of bins alike on a logarithmic axis, over all positive values."""
    together = np.concatenate([*values])
    positive = together[together > 0]
    return np.geomspace(positive.min(), positive.max(), number)


def _accumulate(profile: Profile) -> Float64[np.ndarray, " percent"]:
    """Share (%) that the most used 0, 1, … 100 % of memory vectors hold, mean of layers."""
    held = []
    for layer in profile.coefficients:
        shares = np.cumsum(np.sort(layer.numpy())[::-1]) / layer.sum().item()
        places = np.linspace(0, 100, 1 + len(shares))
        held.append(np.interp(np.arange(101), places, [0, *shares]))
    return 100 * np.mean(held, axis=0)


def _dot_shares(axes: Axes, step: Key, seeds: Sequence[Seed], color: str) -> None:
    for row, percent in SHARES.items():
        found = filter(None, [seed.list_values(row, [step]) for seed in seeds])
        values = [100 * value for (value,) in found]
        axes.plot([percent] * len(values), values, ".", color=color, alpha=0.6)


@styled
def plot_familiarity(corpora: Mapping[str, Familiarity], seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 10: histograms over instances of the mean perplexity of their entities, by corpus.

    Thin lines are the geometric means of other seeds.
    """
    figure, (axes,) = make_panels(1, height=4.0)
    found = {name: each.perplexities.numpy() for name, each in corpora.items()}
    bins = _space(found.values(), 40)
    for number, (name, values) in enumerate(found.items()):
        color = pick_color(number)
        axes.hist(values, bins=bins, color=color, alpha=0.5, label=name)
        axes.axvline(np.exp(np.log(values).mean()), color=color, linewidth=2)
        for seed in seeds:
            for mean, _ in seed.estimates.get(name, {}).values():
                axes.axvline(np.exp(mean), color=color, linewidth=0.7)
    axes.set(xscale="log", ylabel="instances", xlabel="mean perplexity of an instance's entities")
    name_lines(figure, 3, title="corpus (line: geometric mean)")
    return figure


@styled
def plot_gradients(last: Gradients, table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """Appendix A.1: coefficients beside gradient norms at the last stage, and rank correlations.

    `table` is `kent.pages.measures.tabulate_updates` of all stages.
    """
    figure, (top, bottom) = make_panels(2)
    for layer, pair in enumerate(zip(last.coefficients, last.gradients, strict=True)):
        color = plt.cm.viridis(layer / len(last.coefficients))
        dots = {"markersize": 3, "color": color, "rasterized": True}
        top.loglog(*pair, ".", **dots, label=f"layer {layer}")
    top.set(xlabel="mean |coefficient|", ylabel="gradient norm of the memory vector")
    label_decades(top.xaxis, top.yaxis)
    top.legend(fontsize=8, markerscale=3, ncols=1 + len(last.coefficients) // 8)
    steps = [*table]
    for number, row in enumerate(table.index):
        others = [seed.list_values(row, steps) for seed in seeds]
        places = np.arange(len(steps)) + 0.05 * number
        draw_seeds(bottom, places, [*table.loc[row]], others, number, row)
    bottom.axhline(0, **THIN)
    bottom.set(xlabel=table.columns.name, ylabel="rank correlation with |coefficient|")
    names = [name_key(table.columns.name, step) for step in steps]
    bottom.set_xticks(range(len(steps)), labels=names)
    bottom.legend()
    return figure
