"""Figures of what was measured draw what the tables have, over seeds where they are recorded."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from kent.measure.familiarity import Familiarity
from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.pages.axes import PLACE, STEP, TOKENS
from kent.pages.measures import ENTROPY, GAP
from kent.pages.plots import distributions, entropies
from kent.pages.seeds import Seed

SHUFFLED = "768, shuffled"


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def make(rows: list[str], columns: list, axis: str = STEP) -> pd.DataFrame:
    """Values 1, 2, 3, … row by row and column by column, each with an error of 0.5."""
    found = {
        column: {row: (1.0 + at + place, 0.5) for at, row in enumerate(rows)}
        for place, column in enumerate(columns)
    }
    return pd.DataFrame(found).rename_axis(columns=axis)


def record(table: pd.DataFrame, label: str = "", more: float = 2.0) -> list[Seed]:
    """A seed that kept the table with every value larger by `more`."""
    kept = {
        f"{label}{row}": {str(column): (table.loc[row, column][0] + more, 0.1) for column in table}
        for row in table.index
    }
    return [Seed("tiny-1", {}, kept, False)]


def find_bold(axes) -> list:
    """The lines that are means over seeds."""
    return [line for line in axes.lines if line.get_linewidth() == 2.2]


def test_figure_2_draws_the_mean_of_seeds_and_the_baselines_over_them():
    table = make([ENTROPY, GAP], [0, 128, 768, SHUFFLED])
    panels = entropies.plot_knowledge_entropy(table, record(table)).figure.axes
    for at, axes in enumerate(panels):
        [line] = find_bold(axes)
        assert line.get_xydata().tolist() == [[0, 2 + at], [128, 3 + at], [768, 4 + at]]
        [diamond] = [each for each in axes.lines if each.get_marker() == "D"]
        assert diamond.get_xydata().tolist() == [[768, 5 + at]]
    [first] = [each for each in panels[0].lines if each.get_linestyle() == ":"]
    assert first.get_ydata()[0] == 2 and first.get_label() == "step 0 (first)"


def test_without_seeds_a_row_has_error_bars():
    table = make([ENTROPY, GAP], [0, 768, SHUFFLED])
    top, _ = entropies.plot_knowledge_entropy(table).figure.axes
    assert not find_bold(top) and top.containers[0].has_yerr


def test_series_find_what_seeds_kept_under_their_label():
    tables = {label: make([ENTROPY, GAP], [0, 768]) for label in ("near", "far")}
    [axes] = entropies.plot_gaps(tables, record(tables["far"], "far, "), "figure 2").figure.axes
    [line] = find_bold(axes)
    assert line.get_label() == "far" and line.get_ydata().tolist() == [3, 4]
    names = {text.get_text() for text in axes.figure.legends[0].get_texts()}
    assert {"near", "far", "paper: OLMo-1B (fig. 2)"} <= names


def test_places_are_not_called_steps():
    table = make([ENTROPY, GAP], [0, 1], PLACE)
    [axes] = entropies.plot_gaps({"one": table}).figure.axes
    assert axes.get_xlabel() == "checkpoint, in the order given" and axes.get_xscale() == "linear"


def test_tokens_are_a_logarithmic_axis_and_branches_ticks_with_names():
    table = make([ENTROPY, GAP], [0, 3 * 10**9, 6 * 10**9], TOKENS)
    [axes] = entropies.plot_gaps({"one": table}).figure.axes
    assert axes.get_xlabel() == f"{TOKENS} (logarithmic from 3B)" and axes.get_xscale() == "symlog"
    named = make([ENTROPY, GAP], ["kestrel", "ocelot", "ocelot, shuffled"], PLACE)
    panels = entropies.plot_knowledge_entropy(named, record(named)).figure.axes
    assert [each.get_text() for each in panels[1].get_xticklabels()] == ["kestrel", "ocelot"]
    assert find_bold(panels[0])[0].get_xdata().tolist() == [0, 1]
    mixed = entropies.plot_gaps({"one": table, "other": named}).figure.axes[0]
    lines = [each.lines[0].get_xdata().tolist() for each in mixed.containers]
    assert lines == [[0, 1, 2], [0, 1]] and mixed.get_xscale() == "linear"


def test_layers_are_places_and_checkpoints_lines():
    table = make([f"layer {layer}" for layer in range(3)], [0, 128, 768])
    [axes] = entropies.plot_layers(table, record(table)).figure.axes
    lines = find_bold(axes)
    assert [line.get_label() for line in lines] == ["step 128", "step 768"]
    assert lines[1].get_xydata().tolist() == [[0, 4], [1, 5], [2, 6]]
    [first] = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert first.get_label() == "step 0 (first)" and first.get_ydata().tolist() == [2, 3, 4]


def test_a_single_checkpoint_is_a_line_and_no_baseline():
    [axes] = entropies.plot_layers(make(["layer 0", "layer 1"], [768])).figure.axes
    assert axes.containers[0].get_label() == "step 768"
    assert "step 768 (first)" not in axes.get_legend_handles_labels()[1]


@pytest.mark.parametrize("narrow", [False, True])
def test_every_measure_has_a_panel_and_a_diamond(narrow):
    table = make([ENTROPY, "contribution entropy (nats)", "Gini", "x"], [0, 768, SHUFFLED])
    drawing = entropies.plot_other_measures(table, record(table))
    panels = (drawing.narrow if narrow else drawing.figure).axes
    titles = [ENTROPY, "contribution entropy (nats)", "Gini, mean of layers", "x, mean of layers"]
    assert [axes.get_title() for axes in panels] == titles
    assert all(any(line.get_marker() == "D" for line in axes.lines) for axes in panels)


def test_figure_3_and_sizes_find_their_rows():
    names = ["attention entropy (nats)", "next-token entropy (nats)"]
    table = make(names, [0, 768])
    panels = entropies.plot_entropies(table, record(table)).figure.axes
    assert [find_bold(axes)[0].get_ydata().tolist() for axes in panels] == [[2, 3], [3, 4]]
    sizes = make(["H by sequences (nats)"], [4, 16])
    [axes] = entropies.plot_sizes({"sequences": sizes}, record(sizes)).figure.axes
    assert find_bold(axes)[0].get_xydata().tolist() == [[4, 2], [16, 3]]


def make_profile(step: int, slope: float) -> Profile:
    means = torch.exp(-slope * torch.arange(100, dtype=torch.float64))
    about = {"revision": {"step": step, "repository": "here"}}
    return Profile(torch.ones(2).long(), [means.expand(2, -1)] * 2, provenance=about)


def test_figure_1_meets_the_shares_that_its_table_has():
    first, profile = make_profile(0, 0.0), make_profile(768, 0.1)
    drawing = distributions.plot_coefficients([profile], first, [])
    _, bottom = drawing.figure.axes
    lines = {line.get_label(): line.get_ydata() for line in bottom.lines}
    for row, percent in distributions.SHARES.items():
        assert lines["step 768"][percent] == pytest.approx(100 * profile.estimate(row)[0])
    assert np.allclose(lines["step 0"], np.arange(101))


def test_figure_1_has_a_dot_for_each_other_seed():
    first, profile = make_profile(0, 0.0), make_profile(768, 0.1)
    table = make([*distributions.SHARES], [768])
    drawing = distributions.plot_coefficients([profile], first, record(table, more=0))
    dots = [line for line in drawing.figure.axes[1].lines if line.get_marker() == "."]
    assert [each.get_xydata().tolist() for each in dots if len(each.get_xdata())] == [
        [[1, 100]],
        [[10, 200]],
    ]


def test_the_picture_of_evenness_says_what_it_draws():
    panels = distributions.plot_evenness(vectors=4, slopes=(0.0, 50.0)).figure.axes
    assert [axes.get_title() for axes in panels] == [
        "H = 1.39 nats:\nlike 4 used alike",
        "H = 0.00 nats:\nlike 1 used alike",
    ]
    heights = [bar.get_height() for bar in panels[0].patches]
    assert heights == [25] * 4


def test_figure_10_has_a_line_for_every_seed():
    corpora = {}
    for name, low in (("near", 10.0), ("far", 1000.0)):
        found, ones = torch.tensor([low, 10 * low]).double(), torch.ones(2).long()
        corpora[name] = Familiarity(found, ones, found.log(), ones)
    kept = {"far": {"mean ln perplexity (nats)": (np.log(500.0), 0.1)}}
    drawing = distributions.plot_familiarity(corpora, [Seed("tiny-1", {}, kept, False)])
    places = [line.get_xdata()[0] for line in drawing.figure.axes[0].lines]
    assert places == pytest.approx([10**1.5, 10**3.5, 500])


def test_gradients_have_a_line_per_row_over_stages():
    rise = torch.arange(1, 9).double()
    last = Gradients([rise], [rise], [rise], [rise])
    table = make(["gradient", "SGD update", "AdamW update"], [128, 768])
    drawing = distributions.plot_gradients(last, table, record(table))
    top, bottom = drawing.figure.axes
    assert top.lines[0].get_rasterized()
    assert [line.get_ydata().tolist() for line in find_bold(bottom)] == [[2, 3], [3, 4], [4, 5]]
