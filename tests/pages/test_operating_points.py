"""The rule by which a setting is chosen, on tables made by hand."""

from math import isnan, nan

import pandas as pd
import pytest

from kent.pages import operating_points
from kent.pages.operating_points import GROSS, LOST, NET, RISE
from kent.pages.plots.operating_points import plot_points
from kent.runs import learned_plans


def make_table(**settings: tuple[float, float]) -> pd.DataFrame:
    """By setting net A, with an error of 1, and the skill lost."""
    rows = {
        name: {NET: (net, 1.0), GROSS: (net + 5, 1.0), LOST: (lost, 3.0), RISE: (0.1, 0.01)}
        for name, (net, lost) in settings.items()
    }
    return pd.DataFrame(rows).T


@pytest.mark.parametrize(
    ("net", "lost", "why"),
    [
        (2.1, 10, ""),
        (9.0, 30, ""),
        (2.0, 20, "nothing acquired beyond the control"),
        (-5.0, 20, "nothing acquired beyond the control"),
        (9.0, 9.9, "forgets too little to be measured"),
        (9.0, 30.1, "forgets too much to be measured"),
        (9.0, nan, "could do nothing before"),
        (nan, 20, "nothing acquired beyond the control"),
    ],
)
def test_a_setting_is_eligible_where_both_are_measured(net, lost, why):
    assert operating_points.judge_point(make_table(a=(net, lost)).loc["a"]) == why


def test_of_eligible_settings_the_clearest_is_chosen():
    table = make_table(a=(5, 20), b=(9, 50), c=(6, 15), d=(7, 25))
    table.at["d", NET] = (7, 3.0)
    assert operating_points.choose_point(table) == "c"
    words = operating_points.explain_points(table)
    assert words.to_dict() == {
        "a": "eligible",
        "b": "forgets too much to be measured",
        "c": "chosen",
        "d": "eligible",
    }


def test_where_none_is_eligible_none_is_chosen():
    table = make_table(a=(1, 20), b=(9, 50))
    assert operating_points.choose_point(table) is None
    assert "chosen" not in {*operating_points.explain_points(table)}


def test_skill_lost_counts_from_guessing(learn):
    half = learn(8, answers=([1, 1, 1, 0] * 25, [1, 1, 0, 0] * 25))  # guessing is a quarter
    value, error = operating_points.lose_skill(half)
    assert value == pytest.approx(50)
    variance = (0.25 / 100) * (100 / 99) / 0.5**2 + (0.1875 / 100) * (100 / 99) * 0.25**2 / 0.5**4
    assert error == pytest.approx(100 * variance**0.5, rel=0.02)
    assert isnan(operating_points.lose_skill(learn(8, answers=([1, 0, 0, 0], [0, 0, 0, 1])))[0])


def test_the_figure_shows_every_setting_and_what_the_rule_allows():
    [axes] = plot_points(make_table(a=(5, 20), b=(9, 50), c=(6, 15))).figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert {*labels} == {"chosen", "eligible", "out"}
    assert sum(len(each.lines[0].get_xdata()) for each in axes.containers) == 3


def test_every_setting_is_a_run_of_the_last_checkpoint_and_is_measured_at_its_end(micro):
    text = {"corpus": "world", "length": 16, "limit": 4}
    varied = {"shares": [0.0, 0.5], "rates": [1e-3], "epochs": [1, 3]}
    plan = learned_plans.search_points("tiny", **varied, **text)
    names = [
        "world-far, peak rate 0.001, 1 epoch",
        "world-far, peak rate 0.001, 3 epochs",
        "world-far, half old text, peak rate 0.001, 1 epoch",
        "world-far, half old text, peak rate 0.001, 3 epochs",
    ]
    ends = [f"{name}, {end}" for name in names for end in ("learning", "learned")]
    assert [*plan] == ["before", *ends]
    configs = [plan[f"{name}, learning"][0].config for name in names]
    assert [config.get("mix") for config in configs] == [None, None, {"world": 0.5}, {"world": 0.5}]
    assert [config["epochs"] for config in configs] == [1, 3, 1, 3]
    assert {config["learning_rate"] for config in configs} == {1e-3}
    for name in names:
        assert plan[f"{name}, learned"][0].needs[-1].path == plan[f"{name}, learning"][0].path
