"""One model beside others: differences on the same text and on another, layers beside figure 8."""

import math

import pytest
import torch

from kent.measure.familiarity import Familiarity
from kent.measure.profiles import Profile
from kent.pages import baselines
from kent.pages.plots import baselines as figures
from kent.pages.plots import distributions

BLOCKS, NEURONS = 8, 32


def make_profile(*slopes: float, text: str = "a", seed: int = 0) -> Profile:
    """A layer per slope, whose coefficients fall off by it, with noise between blocks."""
    noise = torch.rand(BLOCKS, NEURONS, generator=torch.Generator().manual_seed(seed)).double()
    falls = [torch.exp(-slope * torch.arange(NEURONS).double()) for slope in slopes]
    return Profile(
        sizes=torch.full((BLOCKS,), 3),
        coefficient_blocks=[(1 + 0.1 * noise) * fall for fall in falls],
        vector_norms=[torch.ones(NEURONS, dtype=torch.float64)] * len(falls),
        loss_blocks=2 + noise.mean(1),
        token_blocks=1 + noise.mean(1),
        provenance={"text": text},
    )


TRAINED = make_profile(0.02, 0.3)
MODELS = {"trained": TRAINED, "untrained": make_profile(0, 0), "shuffled": make_profile(0.02, 0.6)}


def test_differences_on_the_same_text_are_paired_and_on_another_are_not():
    other = make_profile(0.02, 0.3, text="b", seed=1)
    value, error = baselines.subtract(other, TRAINED, "loss")
    errors = [each.estimate("loss")[1] for each in (other, TRAINED)]
    assert value == pytest.approx(other.loss - TRAINED.loss)
    assert error == pytest.approx(math.hypot(*errors))
    assert baselines.subtract(make_profile(0.02, 0.3), TRAINED, "loss") == (0, pytest.approx(0))


def test_tables_have_a_column_per_label_and_differences_from_the_first():
    table = baselines.tabulate_labelled(MODELS, ["knowledge", "loss", "Gini"])
    assert [*table] == [*MODELS] and [*table.index] == ["H (nats)", "loss (nats)", "Gini"]
    moved = baselines.compare_labelled(MODELS, ["knowledge"])
    assert [*moved] == ["trained minus untrained", "trained minus shuffled"]
    expected = TRAINED.knowledge_entropy - MODELS["untrained"].knowledge_entropy
    assert moved.iloc[0, 0][0] == pytest.approx(expected)


def test_sentences_say_above_and_below_and_nothing_where_it_cannot_be_told():
    said = baselines.describe_models(MODELS)
    assert "below that of untrained" in said and "above that of shuffled" in said
    alike = baselines.describe_models({"one": TRAINED, "two": make_profile(0.02, 0.3)})
    assert "not clearly different from that of two" in alike


def test_layers_are_counted_within_figure_8():
    low, high = baselines.find_extent()
    assert low == pytest.approx(math.log(11008) - 9.30) and high == pytest.approx(
        math.log(11008) - 9.12
    )
    said = baselines.describe_layers([(low, 0.1), (high, 0.1), (0.9, 0.1), (low / 2, 0.1)])
    assert said.startswith("Of 4 layers 2 lie within") and "2 (0.9) nats" in said
    assert said.endswith("least even is layer 2.")
    assert baselines.describe_layers([(low, 0.0), (1.0, 0.0)]).endswith(
        "The least even is the last."
    )


def test_texts_and_names_are_set_beside_the_first():
    texts = {"a": TRAINED, "b": make_profile(0.02, 0.1, text="b")}
    said = baselines.describe_texts(texts, ["knowledge", "loss"])
    assert said.startswith("The text moves them: from a to b H by +") and "loss by" in said
    assert baselines.describe_texts({"a": TRAINED}, ["loss"]) == ""
    names = {"a": make_names(2.0), "b": make_names(math.exp(3) * 2)}
    assert "+3.000 ± 0.059" in baselines.describe_familiarity(names)
    assert baselines.describe_familiarity({"a": make_names(2.0)}) == ""


def make_names(scale: float) -> Familiarity:
    values = scale * torch.linspace(1, 1.2, 9, dtype=torch.float64)
    return Familiarity(values, torch.ones(9).long(), values.log(), torch.arange(9))


def test_layers_are_drawn_a_line_per_model_beside_the_papers():
    drawn = figures.plot_labelled_layers(baselines.tabulate_labelled_layers(MODELS))
    for figure in (drawn.figure, drawn.narrow):
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert {*MODELS} < {*labels} and "paper: OLMo-1B (fig. 8)" in labels


def test_texts_are_drawn_with_a_mark_per_block_and_names_in_the_texts_colour():
    names = {"b": make_names(3.0)}
    drawn = figures.plot_texts({"a": TRAINED, "b": make_profile(0, 0)}, names)
    left, right = drawn.figure.axes
    assert [len(line.get_xdata()) for line in left.lines if line.get_alpha()] == [BLOCKS, BLOCKS]
    assert right.lines[0].get_color() == left.lines[-1].get_color()


def test_uses_are_drawn_from_all_layers():
    left, right = distributions.plot_uses(MODELS).figure.axes
    assert [line.get_label() for line in right.lines][:3] == [*MODELS]
    assert right.lines[0].get_ydata()[-1] == pytest.approx(100)
    assert left.get_xscale() == "log"
