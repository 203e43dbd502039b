"""Figures of changed models: without a control, with other seeds, over stages; what is drawn is what the table has."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from kent.resuscitation_plots import PANELS, plot_changes, plot_differences, plot_edit
from kent.seeds import Seed
from kent.summaries import COMPARED

ENTROPIES = ["H before (nats)", "contribution entropy before (nats)"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def make(labels: list, rows: list[str]) -> pd.DataFrame:
    """Values 0, 1, 2, … column by column, each with an error of 0.5."""
    return pd.DataFrame(
        {label: {row: (float(place + at), 0.5) for at, row in enumerate(rows)} for place, label in enumerate(labels)}
    )


def test_a_control_that_was_not_run_is_left_out_and_other_seeds_are_found_by_name():
    table = make(["resuscitate, q = 1", "random, q = 1", "shrink"], [*ENTROPIES, "A (%)", "F (%)"])
    kept = {f"{COMPARED}, random, q = 1": {"A (%)": (7.0, 1.0), "F (%)": (0.0, 1.0), ENTROPIES[0]: (5.0, 1.0)}}
    figure = plot_differences(table, ENTROPIES, [Seed("tiny-1", {}, kept, False)])
    first, second = figure.axes[:2]
    [mark] = [line.get_xydata().tolist() for line in first.lines if line.get_marker() == "." and len(line.get_xdata())]
    assert mark == [[5.0, 7.0]]
    assert not [line for line in second.lines if line.get_marker() == "." and len(line.get_xdata())], "row not kept"
    assert [text.get_text() for text in figure.legends[0].texts] == ["resuscitate", "random", "shrink"]


@pytest.mark.parametrize(("labels", "joined"), [([128, 384, 768], "-"), (["unchanged", "q = 1"], "None")])
def test_places_are_joined_where_they_are_steps(labels, joined):
    rows = [name for row, (_, beside) in PANELS.items() for name in (row, beside) if name]
    figure = plot_changes({f"q = {number}": make(labels, rows) for number in range(7)})
    line = figure.axes[0].lines[0]
    assert line.get_linestyle() == joined and line.get_ydata().tolist() == [*map(float, range(len(labels)))]


def test_every_row_of_an_edit_has_a_panel():
    figure = plot_edit(make(["unchanged", "q = 1"], [*ENTROPIES, "loss before (nats)"]))
    assert [axes.get_ylabel() for axes in figure.axes[:3]] == [*ENTROPIES, "loss before (nats)"]
