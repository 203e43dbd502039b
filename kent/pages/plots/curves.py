"""K along a run of continual learning to axes, and what is left of an injection."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.learning.outcomes import Outcome
from kent.pages.curves import (
    CURVES,
    name_curve,
    name_injection,
    tabulate_curves,
    tabulate_injections,
)
from kent.pages.plots.panels import THIN, draw_seeds, make_panels, name_lines, styled
from kent.pages.seeds import Seed, share_model
from kent.pages.summaries import name_models


def _mark_start(axes: Axes, first: int) -> None:
    """K before learning, and the steps up to the first scoring, in which K dips."""
    axes.axhline(0, **THIN)
    style = {"color": "black", "alpha": 0.1, "linewidth": 0}
    axes.axvspan(0, first, label=f"up to the first scoring (step {first:,})", **style)


@styled
def plot_learning_curves(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """K minus K before learning (nats) at every scoring of a run, a line per initial model."""
    table = tabulate_curves(outcomes)
    figure, panels = make_panels(2, 2, height=2.6, sharex=True, sharey=True)
    for axes, name in zip(panels, CURVES[1:], strict=True):
        _mark_start(axes, int(table.columns[1]))
        for number, start in enumerate(name_models(outcomes)):
            row = name_curve(name, start)
            others = [seed.list_values(row, [*table.columns]) for seed in seeds]
            pairs, label = [*table.loc[row]], f"from {start}"
            style = {"within": share_model(seeds), "markersize": 3}
            draw_seeds(axes, [*table.columns], pairs, others, number, label, **style)
        axes.set_title(name, fontsize=10)
    figure.supxlabel("step of continual learning, scored after every injection", fontsize=10)
    figure.supylabel("K minus K before learning (nats)", fontsize=10)
    name_lines(figure, 3)
    return figure


@styled
def plot_injections(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """What is left of a single injection, in nats, by the injections since (0: its own)."""
    table = tabulate_injections(outcomes)
    figure, (axes,) = make_panels(1, height=3.0)
    axes.axhline(0, **THIN)
    for number, start in enumerate(name_models(outcomes)):
        row = name_injection(start)
        others = [seed.list_values(row, [*table.columns]) for seed in seeds]
        places = np.array([*table.columns]) + (0 if seeds else 0.05 * number)
        pairs, within = [*table.loc[row]], share_model(seeds)
        draw_seeds(axes, places, pairs, others, number, f"from {start}", within=within)
    axes.set(xlabel="injections since its own", ylabel="K gained over the control (nats)")
    name_lines(figure)
    return figure
