"""What Algorithm 1 does to a model: multiplied coefficients, an even layer's end, layers counted,
what is broken."""

import math
from dataclasses import replace

import pytest
import torch
from test_baselines import make_profile

from kent.change.resuscitation import find_multipliers
from kent.learning.outcomes import Outcome
from kent.measure.entropy import knowledge_entropy
from kent.pages import edits
from kent.pages.measures import ENTROPY
from kent.pages.plots import edits as figures
from kent.runs.model_plans import FACTS, UNCHANGED

BEFORE = make_profile(0.02, 0.3)
ONE, TWO = "p = 50, q = 1", "p = 50, q = 2"


def make_outcome(shift: float = 0.0) -> Outcome:
    scores = torch.linspace(-3, -1, 6, dtype=torch.float64)[None] + shift
    asked = {"setting": ["paraphrase"] * 6, "item": [0, 0, 1, 1, 2, 2]}
    nothing = {"control": {}, "answers": {}, "curve": torch.zeros(0, 3, dtype=torch.float64)}
    return Outcome(
        torch.zeros(1, dtype=torch.int64),
        {"per_target_token": scores},
        **nothing,
        provenance={"probes": {"knowledge": asked}},
    )


def change(q: float, loss: float):
    changed = edits.multiply(BEFORE, 50, q)
    return replace(changed, loss_blocks=BEFORE.loss_blocks + loss)


PROFILES = {UNCHANGED: BEFORE, ONE: change(1, 0.1), TWO: change(2, 1.0)}
KNOWN = {UNCHANGED: make_outcome(), ONE: make_outcome(-0.5), TWO: make_outcome(-2.0)}
MOVED = edits.compare_edits(PROFILES, KNOWN)


def test_multiplied_coefficients_are_those_of_algorithm_1():
    multipliers = find_multipliers(BEFORE.coefficients, p=50, q=2.0)
    wanted = [each * by for each, by in zip(BEFORE.coefficients, multipliers, strict=True)]
    found = edits.multiply(BEFORE, 50, 2.0)
    assert found.knowledge_entropy == pytest.approx(knowledge_entropy(wanted))


@pytest.mark.parametrize(("p", "q"), [(50, 0.5), (50, 2), (25, 3), (90, 2)])
def test_an_even_layer_ends_where_the_formula_says(p, q):
    m = 400
    after = torch.cat([torch.full((m * p // 100,), float(q)), torch.ones(m - m * p // 100)])
    assert edits.find_even_end(p, q) == pytest.approx(math.log(m) - knowledge_entropy([after]))


def test_results_are_told_apart_by_label():
    results = {UNCHANGED: [BEFORE], ONE: [PROFILES[ONE]]}
    results |= {f"{label}, {FACTS}": [KNOWN[label]] for label in [*results]}
    profiles, known = edits.group_edits(results)
    assert [*profiles] == [*known] == [UNCHANGED, ONE] and profiles[ONE] is PROFILES[ONE]


def test_changes_are_those_from_the_unchanged_model():
    assert [*MOVED] == [ONE, TWO]
    assert MOVED.loc[edits.LOSS, TWO] == (pytest.approx(1), pytest.approx(0, abs=1e-9))
    value, error = MOVED.loc[edits.KNOWN, ONE]
    assert value == pytest.approx(-0.5) and error == pytest.approx(0, abs=1e-9), "paired"
    table = edits.tabulate_edits(PROFILES, KNOWN)
    assert table.loc[ENTROPY, ONE][0] == pytest.approx(PROFILES[ONE].knowledge_entropy)


def test_layers_raised_and_lowered_are_counted_beyond_two_errors():
    assert edits.count_layers([(1.0, 0.1), (-1.0, 0.1), (1.0, 0.6), (0.3, 0.1)]) == (2, 1)
    layers = edits.tabulate_layer_changes({TWO: PROFILES[TWO]}, BEFORE)
    assert [layers[TWO].iloc[0][0] < 0, layers[TWO].iloc[1][0] > 0] == [True, True], (
        "the even layer falls, the uneven one rises"
    )
    found = edits.compare_layers(PROFILES, {TWO: edits.multiply(BEFORE, 50, 2)}, BEFORE)
    assert [*found.loc[TWO, [("measured", "layers raised"), ("measured", "lowered")]]] == [1, 1]
    assert [*found.loc[TWO, "measured"]] == [*found.loc[TWO, "multiplied"]]


def test_what_doubles_perplexity_is_broken():
    assert edits.find_broken(MOVED) == [TWO]
    layers = edits.tabulate_layer_changes({TWO: PROFILES[TWO]}, BEFORE)
    assert "1 of 2 layers raised, 1 lowered" in edits.describe_edit(TWO, MOVED, layers)


def test_sentences_name_what_falls_breaks_and_costs_nothing():
    moved = MOVED.rename(columns={ONE: "rescale, p = 50, q = 1"})
    said = edits.describe_harm(moved)
    assert said.endswith(f"Perplexity more than doubles with {TWO}.")
    assert edits.describe_harm(MOVED[[ONE]]).endswith("doubles with none.")
    assert "and the loss by 0.1 (p = 50, q = 1)." in edits.describe_rescale(moved)
    assert edits.describe_rescale(MOVED) == ""


def test_the_price_is_drawn_with_a_line_per_series():
    drawn = figures.plot_price(MOVED, {"Algorithm 1": {ONE: "q = 1", TWO: "q = 2"}})
    for figure in (drawn.figure, drawn.narrow):
        (axes,) = figure.axes
        assert {"q = 1", "q = 2"} <= {text.get_text() for text in axes.texts}
        assert "perplexity doubled" in axes.get_legend_handles_labels()[1]


def test_every_model_has_a_line_in_every_panel():
    table = edits.tabulate_edits(PROFILES, KNOWN)
    drawn = figures.plot_models(table.drop(index="contribution entropy (nats)"))
    for axes in drawn.figure.axes:
        assert [*axes.lines[1].get_ydata()] == [0, 1, 2]
        assert axes.lines[0].get_xdata()[0] == axes.lines[1].get_xdata()[0], "the unchanged"


def test_layers_are_drawn_before_and_after():
    changed = {label: PROFILES[label] for label in (ONE, TWO)}
    layers = edits.tabulate_layer_changes(changed, BEFORE)
    ends = {ONE: edits.find_even_end(50, 1), TWO: edits.find_even_end(50, 2)}
    left, right = figures.plot_layer_edits(BEFORE, changed, layers, ends).figure.axes
    assert len(left.get_legend_handles_labels()[1]) == 2
    assert [line.get_ydata()[0] for line in right.lines if line.get_linestyle() == ":"] == [
        pytest.approx(ends[TWO])
    ]
