"""Figures of changed models draw what the table has: with other seeds, over stages."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from kent.pages.plots.resuscitation import PANELS, plot_changes, plot_differences, plot_edit
from kent.pages.seeds import Seed
from kent.pages.summaries import COMPARED

ENTROPIES = ["H before (nats)", "contribution entropy before (nats)"]


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
    """The marks of other seeds in a panel."""
    dots = [line for line in axes.lines if line.get_marker() == "."]
    return [tuple(point) for line in dots for point in line.get_xydata().tolist()]


def test_a_control_that_was_not_run_is_left_out_and_other_seeds_are_found_by_name():
    table = make(["resuscitate, q = 1", "random, q = 1", "shrink"], [*ENTROPIES, "A (%)", "F (%)"])
    kept = {f"{COMPARED}, random, q = 1": {"A (%)": (7.0, 1.0), ENTROPIES[0]: (5.0, 1.0)}}
    panels = plot_differences(table, ENTROPIES, [Seed("tiny-1", {}, kept, False)]).axes
    assert [text.get_text() for text in panels[0].get_yticklabels()] == [*table]
    dots = [[(x, round(y)) for x, y in list_dots(axes)] for axes in panels]
    assert dots == [[(5.0, 1)], [], [(7.0, 1)], []], "rows that the seed did not keep have none"


def test_a_change_that_goes_far_beyond_the_others_is_written_at_the_edge():
    found = {"shrink": {"A (%)": (0.2, 0.1)}, "random, q = 1": {"A (%)": (-100.0, 0.1)}}
    table = pd.DataFrame(found)
    axes, _ = plot_differences(pd.concat([table, table.set_axis(["F (%)"])]), []).axes
    assert [text.get_text() for text in axes.texts] == ["−100"] and axes.get_xlim()[0] > -1


def test_other_seeds_stand_beside_the_series_and_row_they_belong_to():
    rows = [name for row, (_, beside, _) in PANELS.items() for name in (row, beside) if name]
    kept = {f"q = 2, {COMPARED}, A (%)": {"128": (7.0, 1.0), "384": (8.0, 1.0)}}
    tables = {f"q = {number}": make([128, 384], rows) for number in (1, 2)}
    panels = plot_changes(tables, [Seed("tiny-1", {}, kept, False)], "step").axes
    assert [list_dots(axes) for axes in panels] == [[(128.0, 7.0), (384.0, 8.0)], [], [], []]
    assert {axes.get_xlabel() for axes in panels} == {"step"}


@pytest.mark.parametrize(
    ("labels", "joined"), [([128, 384, 768], "-"), (["unchanged", "q = 1"], "None")]
)
def test_places_are_joined_where_they_are_steps(labels, joined):
    rows = [name for row, (_, beside, _) in PANELS.items() for name in (row, beside) if name]
    figure = plot_changes({f"q = {number}": make(labels, rows) for number in range(7)})
    handles, named = figure.axes[0].get_legend_handles_labels()
    (line, *_), (hollow, *_) = (handles[named.index(name)] for name in ("q = 0", "the control"))
    assert line.get_linestyle() == joined and line.get_ydata().tolist() == [
        *map(float, range(len(labels)))
    ]
    assert hollow.get_fillstyle() == "none" and (hollow.get_ydata() == line.get_ydata() + 1).all()


def test_every_row_of_an_edit_has_a_panel():
    figure = plot_edit(make(["unchanged", "q = 1"], [*ENTROPIES, "loss before (nats)"]))
    assert [axes.get_ylabel() for axes in figure.axes[:3]] == [*ENTROPIES, "loss before (nats)"]
