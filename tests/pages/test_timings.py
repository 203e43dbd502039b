"""Recorded times in words: an aim is met, not met, or open."""

import doctest

import pytest

from kent.pages import timings

RATIO = {"over": "knowledge", "under": "backbone", "ratio": 1.04, "quartiles": [1.02, 1.06]}


def test_the_examples_run():
    assert doctest.testmod(timings).failed == 0


@pytest.mark.parametrize(
    ("bound", "target", "said"),
    [
        ("at most", 1.1, "at most 1.1: met"),
        ("at most", 1.01, "at most 1.01: not met"),
        ("at least", 1.01, "at least 1.01: met"),
        ("at least", 1.1, "at least 1.1: not met"),
        ("at most", 1.05, "at most 1.05: open, it lies between the quartiles"),
    ],
)
def test_an_aim_is_met_or_not_or_lies_between_the_quartiles(bound, target, said):
    assert timings.judge_aim(RATIO | {"bound": bound, "target": target}) == said


def test_a_ratio_without_an_aim_is_not_judged():
    described = timings.describe_ratio(RATIO)
    assert described["time of"] == "knowledge / backbone" and described["aim"] == ""
    assert timings.describe_ratio(RATIO | {"of": "probing"})["time of"] == "probing"


@pytest.mark.parametrize(("low", "apart"), [(0.99, "not told apart"), (1.01, "differ")])
def test_two_ways_differ_where_one_is_not_between_the_quartiles(low, apart):
    ratio = RATIO | {"quartiles": [low, 1.06]}
    assert apart in timings.say_learning({"training": {"ratios": [ratio]}})


def test_what_measuring_adds_is_said_of_the_longest_sequences():
    public = RATIO | {"over": "public", "under": "knowledge", "ratio": 2.5}
    short = {"length": 512, "ratios": [RATIO | {"ratio": 9.0}, public]}
    record = {"shape": {"parameters": 1000}, "device": {"name": "a CPU"}}
    record["comparisons"] = [{"length": 2048, "ratios": [RATIO, public]}, short]
    said = timings.say_measuring(record)
    assert "2,048 tokens" in said and "**1.040 (1.020 to 1.060)**" in said and "9.0" not in said
