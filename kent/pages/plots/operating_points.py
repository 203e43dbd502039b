"""Settings of continual learning to axes: what is acquired against what is forgotten."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kent.pages.operating_points import FORGOTTEN, LOST, NET, explain_points
from kent.pages.plots.panels import GREEN, GREY, ORANGE, THIN, make_panels, name_lines, styled

COLORS = {"out": GREY, "eligible": GREEN, "chosen": ORANGE}


@styled
def plot_points(table: pd.DataFrame) -> Figure:
    """Net A against the skill lost, two standard errors each; the band is what the rule allows."""
    figure, (axes,) = make_panels(1, height=3.6)
    words = explain_points(table).where(lambda word: word.isin([*COLORS]), "out")
    for word, part in table.groupby(words):
        (x, dx), (y, dy) = (np.array([*part[key]], dtype=float).T for key in (LOST, NET))
        style = {"color": COLORS[word], "marker": "o", "linestyle": "none", "label": word}
        axes.errorbar(x, y, 2 * dy, 2 * dx, **style)
    axes.axvspan(*FORGOTTEN, color=GREEN, alpha=0.1)
    axes.axhline(0, **THIN)
    axes.set(xlabel="skill above guessing that is lost (%)", ylabel=NET)
    name_lines(figure)
    return figure
