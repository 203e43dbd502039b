"""Ratios of times, each with its quartiles and what is aimed at."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.pages.plots.panels import BLUE, ORANGE, THIN, make_panels, name_lines, styled


@styled
def plot_ratios(panels: Mapping[str, Sequence[Mapping]]) -> Figure:
    """Ratios (`over`, `under`, `ratio`, `quartiles`, some with a `bound` and `target`) by panel."""
    longest = max(map(len, panels.values()))
    figure, axes = make_panels(1, len(panels), height=0.8 + 0.27 * longest)
    for each, (title, ratios) in zip(axes, panels.items(), strict=True):
        _draw(each, ratios)
        each.set_title(title, fontsize=10)
    name_lines(figure)
    return figure


def _draw(axes: Axes, ratios: Sequence[Mapping]) -> None:
    """One ratio a row, from the top, and a line where both ways take as long."""
    places, values = range(len(ratios)), [each["ratio"] for each in ratios]
    ends = [each["quartiles"] for each in ratios]
    below = [value - low for value, (low, _) in zip(values, ends, strict=True)]
    above = [high - value for value, (_, high) in zip(values, ends, strict=True)]
    style = {"fmt": "o", "color": BLUE, "label": "median, quartiles"}
    axes.errorbar(values, places, xerr=[below, above], **style)
    aimed = {place: each for place, each in enumerate(ratios) if "target" in each}
    for bound, marker in (("at most", 8), ("at least", 9)):  # a caret that ends or starts at it
        rows = [place for place, each in aimed.items() if each["bound"] == bound]
        found = [aimed[place]["target"] for place in rows]
        axes.plot(found, rows, linestyle="", marker=marker, color=ORANGE, label=f"aim: {bound}")
    axes.axvline(1, **THIN)
    axes.set_yticks(places, ["{over} / {under}".format(**each) for each in ratios])
    axes.invert_yaxis()
    axes.set_xlabel("ratio of seconds")
