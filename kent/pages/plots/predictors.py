"""How well numbers of a checkpoint predict what it learns, to axes."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from kent.pages.plots.panels import DOT, NARROW, THIN, make_panels, pick_color, styled
from kent.pages.predictors import find_best, pool_scores, shorten


@styled
def plot_scores(scores: Mapping[tuple[str, str], pd.DataFrame]) -> Figure:
    """A panel by (group, target): a predictor in a line, best first, its mean score and interval.

    Small: each suite. Blue where the interval lies above 0. `scores` are tables of
    `kent.pages.predictors.score_predictors`.
    """
    lines = max(map(len, scores.values()))
    height = 1.2 + (0.22 if NARROW.get() else 0.25) * lines
    figure, panels = make_panels(-(-len(scores) // 2), 2, height=height, width=9.0)
    for axes, ((group, target), table) in zip(panels, scores.items(), strict=False):
        pooled = pool_scores(table)
        best = find_best(pooled)
        for place, (name, (value, error)) in enumerate(pooled.items()):
            color = pick_color(0 if name in best else 1)
            axes.errorbar(value, place, xerr=2 * error, color=color, marker="o")
            singles = table.loc[name].dropna()
            axes.plot(singles, [place + 0.3] * len(singles), color=color, **DOT)
        axes.axvline(0, **THIN)
        axes.set_yticks(range(len(pooled)), labels=[*map(shorten, pooled)])
        axes.set(xlim=(-1.05, 1.05), ylim=(len(pooled) - 0.4, -0.6))
        axes.set_title(f"{group}: {shorten(target)}", fontsize=9)
    for axes in panels[len(scores) :]:
        axes.remove()
    figure.supxlabel("rank correlation, with the sign of the other suites", fontsize=9)
    return figure
