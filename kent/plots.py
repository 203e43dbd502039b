"""Results to axes. The only user of matplotlib."""

from collections.abc import Sequence
from math import log

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.paper import FIGURE_2
from kent.profiles import Profile

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 120, "font.size": 10, "axes.grid": True,
         "grid.alpha": 0.3, "legend.frameon": False}  # fmt: skip


def _scale_steps(axes: Axes, steps: Sequence[int]) -> None:
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(left=-0.2, right=max(max(steps), 1) * 1.4)
    axes.set_xlabel("pretraining step (logarithmic from 1)")


def plot_knowledge_entropy(steps: Sequence[int], profiles: Sequence[Profile], shuffled: Profile) -> Figure:
    """Figure 2: knowledge entropy over pretraining, and its distance to the bound beside the published range.

    `steps` [n] and `profiles` [n] belong together; `shuffled` is the last checkpoint on shuffled tokens. Entropies in
    nats, error bars two jackknife standard errors.
    """
    layers = len(profiles[0].coefficients)
    values, errors = [each.knowledge_entropy for each in profiles], [2 * each.standard_error for each in profiles]
    gaps = [(each.entropy_bound - each.knowledge_entropy) / layers for each in (*profiles, shuffled)]
    line = {"color": BLUE, "marker": "o", "markersize": 4, "capsize": 2}
    with plt.rc_context(STYLE):
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 6.6), sharex=True, layout="constrained")
        top.errorbar(steps, values, errors, **line, label="text, in order")
        top.axhline(values[0], color=GREY, linestyle=":", label=f"first checkpoint (step {steps[0]})")
        top.plot(steps[-1], shuffled.knowledge_entropy, "D", color=ORANGE, label="last checkpoint, shuffled tokens")
        top.set_ylabel("knowledge entropy H (nats)")
        bottom.errorbar(steps, gaps[:-1], [each / layers for each in errors], **line)
        bottom.plot(steps[-1], gaps[-1], "D", color=ORANGE)
        for (model, figure_2), color in zip(FIGURE_2.items(), (ORANGE, GREY), strict=True):
            bottom.axhspan(*_gap_range(figure_2), color=color, alpha=0.25, label=f"published axis, {model}")
        bottom.set_ylabel("ln m − H, mean of layers (nats)")
        bottom.set_yscale("log")
        _scale_steps(bottom, steps)
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure


def _gap_range(figure_2: dict) -> tuple[float, float]:
    """The extent of a published axis as distance to the bound per layer, in nats."""
    low, high = figure_2["axis"]
    return tuple(log(figure_2["neurons"]) - end / figure_2["layers"] for end in (high, low))


def tabulate_entropies(steps: Sequence[int], profiles: Sequence[Profile], shuffled: Profile) -> pd.DataFrame:
    """The figure's numbers: per checkpoint H, its standard error, distance to the bound and loss, all in nats."""
    names = [*map(str, steps), f"{steps[-1]}, shuffled"]
    rows = [
        (each.knowledge_entropy, each.standard_error, each.entropy_bound - each.knowledge_entropy, each.loss)
        for each in (*profiles, shuffled)
    ]
    columns = ["H (nats)", "± s.e.", "bound − H", "loss"]
    return pd.DataFrame(rows, index=pd.Index(names, name="step"), columns=columns).round(4)
