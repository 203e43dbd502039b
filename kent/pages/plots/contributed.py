"""Records of several models to axes: distance to the bound by what was read in pretraining."""

from collections.abc import Sequence
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.pages.contributed import Curves, Record, find_place, measure_gap
from kent.pages.histories import PAPER, READ
from kent.pages.measures import GAP
from kent.pages.plots.entropies import mark_published
from kent.pages.plots.histories import scale_progress
from kent.pages.plots.panels import draw_line, make_panels, name_lines, pick_color, styled


@styled
def plot_records(curves: Curves) -> Figure:
    """Figure 2's distance to the bound, in nats per layer, of several models by tokens read.

    A model whose tokens are not known is a level line at its last record.
    """
    figure, (axes,) = make_panels(1, height=4.4)
    for number, (name, records) in enumerate(curves.items()):
        _draw(axes, records, number, name)
    mark_published(axes, "figure 2")
    axes.set(ylabel=GAP, yscale="log")
    places = [find_place(each) for records in curves.values() for each in records]
    places = [each for each in places if each is not None]
    scale_progress(axes, places, READ)
    axes.set_xlim(right=1.6 * max([*places, *PAPER]))
    name_lines(figure, 3)
    return figure


def _draw(axes: Axes, records: Sequence[Record], number: int, name: str) -> None:
    placed = [each for each in records if find_place(each) is not None]
    if placed:
        pairs = [*map(measure_gap, placed)]
        draw_line(axes, [*map(find_place, placed)], pairs, number, name)
    else:
        value, _ = measure_gap(records[-1])
        axes.axhline(value, color=pick_color(number), linestyle="--", label=name)


def draw_records(curves: Curves) -> str:
    """`plot_records` as an SVG that stands in a page's HTML, with a description."""
    drawn, _ = plot_records(curves)._repr_mimebundle_()
    said = f"A line chart: distance of knowledge entropy to its bound of {', '.join(curves)}, by "
    said += "tokens per parameter on a logarithmic axis, beside the published ranges of OLMo."
    svg = drawn["image/svg+xml"]
    svg = svg[svg.index("<svg") :]
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(said)}"', 1)
