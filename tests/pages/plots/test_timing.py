"""Ratios of times are drawn where they are, with their quartiles and aims."""

from kent.pages.plots.timing import plot_ratios

RATIOS = [
    {"over": "a", "under": "b", "ratio": 1.2, "quartiles": [1.1, 1.5]},
    {"over": "c", "under": "b", "ratio": 2.5, "quartiles": [2.0, 2.6], "bound": "at least"},
]


def test_ratios_stand_at_their_values_with_quartiles_and_aims():
    figure = plot_ratios({"512 tokens": [RATIOS[0], RATIOS[1] | {"target": 2.0}]}).figure
    [axes] = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a / b", "c / b"]
    dots, aims = axes.lines[0], axes.lines[-2]
    assert dots.get_xydata().tolist() == [[1.2, 0], [2.5, 1]]
    assert aims.get_xydata().tolist() == [[2.0, 1]]
    bars = axes.collections[0].get_segments()
    assert [[round(x, 9) for x, _ in bar.tolist()] for bar in bars] == [[1.1, 1.5], [2.0, 2.6]]
