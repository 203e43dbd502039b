"""Figures of changed models draw what the table has: with other seeds, over stages, on a phone."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from matplotlib.collections import PolyCollection

from kent.pages.changes import COMPARED
from kent.pages.plots.resuscitation import (
    PANELS,
    plot_algorithm,
    plot_changes,
    plot_differences,
    plot_edit,
)
from kent.pages.seeds import Seed, pool
from kent.pages.summaries import FALL, NET

ENTROPIES = ["H before (nats)", "contribution entropy before (nats)"]
LEARNT = [NET, "A (%)", "control: A (%)", "F (%)", FALL]
ROWS = [name for row, (_, beside, _) in PANELS.items() for name in (row, beside) if name]
ROWS += [FALL]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def make(labels: list, rows: list[str]) -> pd.DataFrame:
    """Values 0, 1, 2, … column by column, each with an error of 0.5."""
    columns = {}
    for place, label in enumerate(labels):
        columns[label] = {row: (float(place + at), 0.5) for at, row in enumerate(rows)}
    return pd.DataFrame(columns)


def list_dots(axes) -> list[tuple[float, float]]:
    """The marks of single seeds in a panel."""
    dots = [line for line in axes.lines if line.get_marker() == "."]
    return [(x, round(y, 1)) for line in dots for x, y in line.get_xydata().tolist()]


def find_line(axes, label: str):
    """The marks of a series, by its name in the legend."""
    handles, named = axes.get_legend_handles_labels()
    return handles[named.index(label)]


def test_a_control_that_was_not_run_is_left_out_and_other_seeds_are_found_by_name():
    table = make(["resuscitate, q = 1", "random, q = 1", "shrink"], [*ENTROPIES, *LEARNT])
    kept = {f"{COMPARED}, random, q = 1": {"A (%)": (7.0, 1.0), ENTROPIES[0]: (5.0, 1.0)}}
    panels = plot_differences(table, ENTROPIES, [Seed("tiny-1", {}, kept, False)]).figure.axes
    assert [text.get_text() for text in panels[0].get_yticklabels()] == [*table]
    own = [table.loc[row, "random, q = 1"][0] for row in (ENTROPIES[0], "A (%)")]
    pairs = [(own[0], 1.3), (5.0, 1.3)], [], [], [(own[1], 1.3), (7.0, 1.3)], []
    assert [list_dots(axes) for axes in panels] == [*pairs], "rows that were not kept have none"


def test_a_change_that_goes_far_beyond_the_others_is_written_at_the_edge():
    values = {"shrink": 0.2, "random, q = 1": -100.0}
    table = pd.DataFrame({label: dict.fromkeys(LEARNT, (x, 0.1)) for label, x in values.items()})
    for axes in plot_differences(table, []).figure.axes:
        assert [text.get_text() for text in axes.texts] == ["−100"] and axes.get_xlim()[0] > -1


def test_on_a_phone_panels_stand_below_one_another_each_with_its_labels():
    table = make(["resuscitate, q = 1", "shrink"], [*ENTROPIES, *LEARNT])
    panels = plot_differences(table, ENTROPIES).narrow.axes
    assert len({round(axes.get_subplotspec().colspan.start) for axes in panels}) == 1
    for axes in panels:
        shown = [text.get_text() for text in axes.get_yticklabels() if text.get_visible()]
        assert shown == [*table] and axes.yaxis_inverted()
    drawn = plot_changes({"final model": make(["q = 1"], ROWS)}).narrow
    assert len(drawn.axes) == len(PANELS)


def test_the_bold_mark_is_the_mean_over_seeds_with_its_interval_and_dots_are_each():
    table, row = make(["q = 1", "q = 2"], ROWS), f"final model, {COMPARED}, {NET}"
    kept = {row: {"q = 1": (4.0, 1.0), "q = 2": (7.0, 1.0)}}
    axes = plot_changes({"final model": table}, [Seed("tiny-1", {}, kept, False)]).figure.axes[0]
    (mark, _, (bars,)) = find_line(axes, "final model")
    own = [value for value, _ in table.loc[NET]]
    means = [pool([a, b]) for a, b in zip(own, (4.0, 7.0), strict=True)]
    assert mark.get_ydata().tolist() == [mean for mean, _ in means]
    ends = [segment[1][1] for segment in bars.get_segments()]
    assert ends == pytest.approx([mean + 2 * error for mean, error in means])
    assert [y for _, y in list_dots(axes)] == [own[0], 4.0, own[1], 7.0]


def test_without_seeds_the_mark_is_this_models_with_two_errors():
    table = make(["q = 1", "q = 2"], ROWS)
    axes = plot_changes({"final model": table}).figure.axes[0]
    (mark, _, (bars,)) = find_line(axes, "final model")
    assert mark.get_ydata().tolist() == [value for value, _ in table.loc[NET]]
    assert [high - low for (_, low), (_, high) in bars.get_segments()] == [2.0, 2.0]
    assert not list_dots(axes)


def test_over_stages_the_mean_has_a_band_where_the_series_and_row_were_kept():
    kept = {f"q = 2, {COMPARED}, A (%)": {"128": (7.0, 1.0), "384": (8.0, 1.0)}}
    tables = {f"q = {number}": make([128, 384], ROWS) for number in (1, 2)}
    panels = plot_changes(tables, [Seed("tiny-1", {}, kept, False)], "step").figure.axes
    bands = [sum(isinstance(x, PolyCollection) for x in axes.collections) for axes in panels]
    assert bands == [0, 1, 0, 0, 0, 0]
    mean = find_line(panels[1], "q = 2")
    own = [value for value, _ in tables["q = 2"].loc["A (%)"]]
    assert mean.get_ydata().tolist() == [(own[0] + 7) / 2, (own[1] + 8) / 2]
    assert {axes.get_xlabel() for axes in panels} == {"step"}


@pytest.mark.parametrize(
    ("labels", "joined"), [([128, 384, 768], "-"), (["q = 1", "q = 2"], "None")]
)
def test_places_are_joined_where_they_are_steps(labels, joined):
    figure = plot_changes({f"q = {number}": make(labels, ROWS) for number in range(7)}).figure
    axes, values = figure.axes[1], [*map(float, range(len(labels)))]
    (line, *_), (hollow, *_) = (find_line(axes, name) for name in ("q = 0", "A of the control"))
    assert line.get_linestyle() == joined
    assert (line.get_ydata() - line.get_ydata()[0]).tolist() == values
    assert hollow.get_fillstyle() == "none" and (hollow.get_ydata() == line.get_ydata() + 1).all()


@pytest.mark.parametrize("labels", [[128, 384], ["q = 1", "q = 2"]])
def test_what_guessing_comes_to_is_dotted_among_changes_of_forgetting_alone(labels):
    table = make(labels, ROWS)
    table.loc[FALL] = [(3.0, 0.5), (3.0, 0.5)]
    panels = plot_changes({"final model": table}).figure.axes
    named = [axes.get_legend_handles_labels()[1] for axes in panels]
    where = [place for place, labels in enumerate(named) if "ends at guessing" in labels]
    assert where == [[*PANELS].index("F (%)")]
    line = find_line(panels[where[0]], "ends at guessing")
    assert line.get_linestyle() == ":" and {*line.get_ydata()} == {3.0}
    learnt = make(["shrink", "random, q = 1"], LEARNT)
    learnt.loc[FALL] = [(3.0, 0.5), (3.0, 0.5)]
    across = find_line(plot_differences(learnt, []).figure.axes[-1], "ends at guessing")
    assert {*across.get_xdata()} == {3.0}


def test_every_row_of_an_edit_has_a_panel_and_other_seeds():
    rows = [*ENTROPIES, "loss before (nats)", "P before (%)"]
    kept = {f"final model, {rows[0]}": {"q = 1": (7.0, 1.0)}}
    seeds = [Seed("tiny-1", {}, kept, False)]
    panels = plot_edit(make(["unchanged", "q = 1"], rows), seeds, "final model").figure.axes
    names = ["H (nats)", "contribution\nentropy (nats)", "loss (nats)", "P (%)"]
    assert [axes.get_ylabel() for axes in panels] == names
    assert [list_dots(axes) for axes in panels] == [[(1.12, 1.0), (1.12, 7.0)], [], [], []]


def test_the_chosen_neurons_are_told_apart_on_both_sides_of_the_mean():
    before, after = torch.tensor([1.0, 3.0]).double(), torch.tensor([2.0, 3.0]).double()
    right = plot_algorithm(before, after, before < 2).figure.axes[1]
    chosen, alone = (find_line(right, name) for name in ("chosen", "left alone"))
    assert chosen.get_xydata().tolist() == [[0.5, 1.0]] and alone.get_xydata().tolist() == [
        [1.5, 1.5]
    ]
    assert chosen.get_rasterized()
