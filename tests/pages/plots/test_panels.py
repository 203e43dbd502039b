"""What all figures share: two widths, words that stay words, the mean of seeds with its band."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from kent.pages.plots.panels import draw_seeds, make_panels, styled
from kent.pages.seeds import pool


@styled
def plot_nothing(columns: int):
    figure, panels = make_panels(1, columns)
    for axes in panels:
        axes.set_xlabel("pretraining step")
    return figure


def test_a_figure_is_drawn_for_a_page_and_for_a_phone():
    drawing = plot_nothing(3)
    assert drawing.figure.get_size_inches()[0] == 7 > drawing.narrow.get_size_inches()[0]
    tops = [axes.get_position().y0 for axes in drawing.narrow.axes]
    assert len({round(axes.get_position().y0, 3) for axes in drawing.figure.axes}) == 1
    assert sorted(tops, reverse=True) == tops and len({*tops}) == 3
    assert not plt.get_fignums(), "a notebook would show it a second time"


def test_a_figure_is_shown_as_svg_whose_words_can_be_found_and_the_same_each_time():
    shown, kept = plot_nothing(1)._repr_mimebundle_()
    assert {*shown} == {"image/svg+xml"} and {*kept} == {"kent-narrow"}
    assert "pretraining step" in shown["image/svg+xml"] and "<svg" in kept["kent-narrow"]
    assert plot_nothing(1)._repr_mimebundle_()[0] == shown


def test_an_error_while_drawing_leaves_the_next_figure_wide():
    with pytest.raises(TypeError):
        plot_nothing("many")
    assert plot_nothing(1).figure.get_size_inches()[0] == 7


def test_seeds_are_drawn_as_their_mean_with_its_band_and_each_thin():
    _, axes = plt.subplots()
    pairs, others = [(1.0, 0.1), (4.0, 0.1)], [[2.0, 5.0], None, [6.0, 9.0]]
    draw_seeds(axes, [0, 1], pairs, others, label="A")
    *thin, bold = axes.lines
    middle, error = pool([1.0, 2.0, 6.0])
    assert [line.get_ydata().tolist() for line in thin] == [[1, 4], [2, 5], [6, 9]]
    assert bold.get_ydata()[0] == pytest.approx(middle) and bold.get_label() == "A"
    assert bold.get_linewidth() > 2 * thin[0].get_linewidth()
    [band] = axes.collections
    edges = np.unique(band.get_paths()[0].vertices[:, 1].round(6))
    assert {round(middle - 2 * error, 6), round(middle + 2 * error, 6)} <= {*edges.tolist()}
    plt.close()


def test_a_band_holds_the_error_that_all_share():
    _, axes = plt.subplots()
    draw_seeds(axes, [0, 1], [(1.0, 0.5), (4.0, 0.5)], [[1.0, 4.0]], within=True)
    [band] = axes.collections
    assert {0.0, 2.0, 3.0, 5.0} <= {*band.get_paths()[0].vertices[:, 1].round(6).tolist()}
    plt.close()


def test_without_other_seeds_a_series_has_its_own_errors():
    _, axes = plt.subplots()
    draw_seeds(axes, [0, 1], [(1.0, 0.1), (4.0, 0.2)], [None])
    assert len(axes.containers) == 1 and axes.lines[0].get_ydata().tolist() == [1, 4]
    plt.close()
