"""What Algorithm 1 does to laws and layers by their gap: closed forms, and the algorithm."""

import math

import pytest
import torch
from scipy.stats import norm

from kent.measure.entropy import knowledge_entropy
from kent.pages import edits, gaps, live
from kent.pages.plots import gaps as figures

LAYERS = live.round_layers([gaps.spread("log-normal", gap, 2000) for gap in (0.01, 0.3)])
MODEL = live.Model("one", "", {"end": LAYERS})


@pytest.mark.parametrize("law", gaps.LAWS)
@pytest.mark.parametrize("gap", [0.01, 0.2, 1.0])
def test_a_law_has_the_mean_1_and_its_gap(law, gap):
    found = gaps.LAWS[law](gap)
    assert found.mean() == pytest.approx(1)
    assert found.expect(lambda c: c * math.log(c) if c else 0) == pytest.approx(gap, rel=1e-5)


@pytest.mark.parametrize(("p", "q"), [(50, 1), (50, 3), (20, 0.5), (90, 2)])
@pytest.mark.parametrize("gap", [0.02, 0.5])
def test_log_normal_coefficients_have_a_closed_form(gap, p, q):
    s, z, share = math.sqrt(2 * gap), norm.ppf(p / 100), p / 100
    kept = norm.cdf(s - z)
    weighed = gap * kept + s * norm.pdf(z - s)  # of the law tilted by C, whose ln C has mean gap
    mean = share * q + kept
    after = (share * q * math.log(q) + weighed) / mean - math.log(mean)
    assert gaps.change_entropy("log-normal", gap, p, q) == pytest.approx(gap - after, abs=1e-7)


@pytest.mark.parametrize("law", gaps.LAWS)
@pytest.mark.parametrize("q", [0.5, 1, 2, 3])
def test_the_formula_is_what_algorithm_1_does_to_many_coefficients(law, q):
    found = live.edit([gaps.spread(law, 0.1, 40_000)], 50, q)
    expected = gaps.change_entropy(law, 0.1, 50, q)
    assert found["after"] - found["before"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("law", gaps.LAWS)
def test_a_layer_that_is_nearly_even_ends_where_an_even_one_does(law):
    for p, q in ((50, 2), (50, 0.5), (80, 3)):
        found = 1e-6 - gaps.change_entropy(law, 1e-6, p, q)
        assert found == pytest.approx(edits.find_even_end(p, q), abs=2e-3)


def test_a_change_turns_where_it_is_nothing():
    [turn] = gaps.find_turns("log-normal", 50, 2)
    assert gaps.change_entropy("log-normal", turn, 50, 2) == pytest.approx(0, abs=1e-9)
    assert gaps.change_entropy("log-normal", turn / 2, 50, 2) < 0
    assert gaps.describe_turns("log-normal", 50, 2) == f"from a gap of {turn:.3f} nats on"
    assert gaps.describe_turns("gamma", 50, 1) == "at any gap"
    assert gaps.describe_turns("gamma", 1, 1e6) == "at no gap"


def test_an_unknown_law_is_refused():
    with pytest.raises(ValueError, match="log-normal, gamma, not 'normal'"):
        gaps.change_entropy("normal", 0.1, 50, 1)


def test_published_gaps_are_the_distance_of_an_axis_to_the_bound():
    early, late = gaps.read_gaps()["OLMo-1B"]
    assert 16 * (math.log(8192) - late) == pytest.approx(143.6)
    assert 16 * (late - early) == pytest.approx(0.4)
    model = gaps.model_published()
    assert model.alike == 16
    for layers, gap in zip(model.checkpoints.values(), (early, late), strict=True):
        assert math.log(8192) - knowledge_entropy(layers) == pytest.approx(gap, rel=0.01)


def test_published_layers_are_alike_or_one_is_lower_with_the_same_sum():
    table = gaps.tabulate_published(50, [1, 2])
    late = gaps.read_gaps()["OLMo-1B"][1]
    change = 16 * gaps.change_entropy("log-normal", late, 50, 2)
    assert table.loc["738k, layers alike", "q = 2"] == pytest.approx(change)
    assert len(table) == 3 and [*table] == ["q = 1", "q = 2"]


def test_layers_are_tabulated_with_their_gap_and_counted_by_sign():
    table = gaps.tabulate_gaps([MODEL], 50, [1, 2])
    assert table[gaps.GAP].tolist() == pytest.approx([0.01, 0.3], rel=0.02)
    found = [live.edit([layer], 50, 2) for layer in LAYERS]
    changes = [each["after"] - each["before"] for each in found]
    assert table[2].tolist() == pytest.approx(changes) and changes[0] < 0 < changes[1]
    assert gaps.count_signs(table, "log-normal", 50) == {1: 2, 2: 2}
    table[2] = -table[2]
    assert gaps.count_signs(table, "log-normal", 50) == {1: 2, 2: 0}


def test_a_panel_for_each_q_shows_every_layer_and_both_laws():
    table = gaps.tabulate_gaps([MODEL], 50, [1, 2, 3])
    drawn = figures.plot_gaps(table, 50).figure
    assert [axes.get_title() for axes in drawn.axes] == ["q = 1", "q = 2", "q = 3"]
    for axes in drawn.axes:
        lines = {line.get_label(): line for line in axes.lines}
        assert {"log-normal", "gamma", "one", "OLMo-1B, figure 2"} <= lines.keys()
        assert torch.tensor(lines["one"].get_xdata()).allclose(torch.tensor(table["gap"].array))
