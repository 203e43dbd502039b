"""Every measure of concentration against values worked out by hand, and the properties an entropy
must have."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import kent
from kent.measure.entropy import (
    MEASURES,
    dormant_fraction,
    effective_number,
    entropy_bound,
    gini,
    knowledge_entropy_by_layer,
    measure_entropy,
    normalize,
    participation_ratio,
    top_share,
)

close = {"rel": 1e-12, "abs": 1e-12}
numbers = st.one_of(st.just(0.0), st.floats(1e-6, 1e6))
vectors = st.lists(numbers, min_size=1, max_size=40).filter(any)


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_entropy_of_two_to_one_to_one():
    # p = 1/2, 1/4, 1/4: H = 1/2 ln 2 + 2 · 1/4 ln 4 = 1.5 ln 2
    assert measure_entropy(vector(2, 1, 1)).item() == pytest.approx(1.5 * math.log(2), **close)


def test_normalize_divides_by_the_sum_in_float64():
    share = normalize(torch.tensor([1, 3], dtype=torch.float16))
    assert share.dtype == torch.float64
    assert share.tolist() == [0.25, 0.75]


def test_knowledge_entropy_sums_layers_of_different_widths():
    layers = [vector(2, 1, 1), vector(1, 1, 1, 1, 0)]
    assert knowledge_entropy_by_layer(layers).tolist() == pytest.approx(
        [1.5 * math.log(2), math.log(4)], **close
    )
    assert kent.knowledge_entropy(layers) == pytest.approx(3.5 * math.log(2), **close)
    assert entropy_bound(layers) == pytest.approx(math.log(3) + math.log(5), **close)


def test_effective_number():
    assert effective_number(vector(2, 1, 1)) == pytest.approx(2**1.5, **close)


def test_participation_ratio():
    # 1 / (1/4 + 1/16 + 1/16)
    assert participation_ratio(vector(2, 1, 1)) == pytest.approx(8 / 3, **close)


def test_gini():
    # mean absolute difference over twice the mean: (|3-1| · 2 pairs / 4) / (2 · 2) = 1/4
    assert gini(vector(3, 1)) == pytest.approx(0.25, **close)
    assert gini(vector(5, 5, 5)) == pytest.approx(0, **close)
    assert gini(vector(0, 0, 0, 9)) == pytest.approx(3 / 4, **close)


def test_top_share():
    ladder = torch.arange(1, 11, dtype=torch.float64)  # sum 55
    assert top_share(ladder, 10) == pytest.approx(10 / 55, **close)
    assert top_share(ladder, 30) == pytest.approx(27 / 55, **close)
    assert top_share(ladder, 1) == pytest.approx(10 / 55, **close), "never fewer than one neuron"
    assert top_share(ladder, 100) == pytest.approx(1, **close)


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_top_share_refuses_other_percentages(percent):
    with pytest.raises(
        ValueError, match=r"percent must be (greater than 0|less than or equal to 100)"
    ):
        top_share(vector(1, 2), percent)


def test_dormant_fraction_counts_at_most_a_fortieth_of_the_mean():
    # mean 1: the threshold is 0.025 itself
    values = vector(0, 0.025, 0.026, 3.949)
    assert dormant_fraction(values) == 0.5
    assert dormant_fraction(values, threshold=0) == 0.25


def test_measures_agree_on_equal_use():
    values = {name: measure(torch.ones(200)) for name, measure in MEASURES.items()}
    assert values == pytest.approx(
        {"effective number": 200, "participation ratio": 200, "Gini": 0, "top 1 % share": 0.01}
        | {"top 10 % share": 0.1, "dormant fraction": 0},
        abs=1e-9,
    )


@settings(deadline=None)
@given(vectors)
def test_entropy_lies_between_zero_and_the_logarithm_of_the_width(values):
    assert -1e-12 <= measure_entropy(vector(*values)).item() <= math.log(len(values)) + 1e-12


@settings(deadline=None)
@given(vectors, st.randoms())
def test_order_of_neurons_changes_no_measure(values, random):
    shuffled = random.sample(values, len(values))
    for name, measure in MEASURES.items():
        assert measure(vector(*shuffled)) == pytest.approx(measure(vector(*values)), **close), name


@settings(deadline=None)
@given(vectors, st.integers(-20, 20))
def test_scale_changes_no_measure(values, power):
    for name, measure in MEASURES.items():
        assert measure(vector(*values) * 2.0**power) == pytest.approx(
            measure(vector(*values)), **close
        ), name


@settings(deadline=None)
@given(vectors, st.integers(1, 5))
def test_unused_neurons_add_no_entropy(values, zeros):
    assert measure_entropy(vector(*values, *[0] * zeros)).item() == pytest.approx(
        measure_entropy(vector(*values)).item(), **close
    )


@settings(deadline=None)
@given(vectors)
def test_effective_numbers_are_ordered(values):
    found = vector(*values)
    assert 1 - 1e-9 <= participation_ratio(found) <= effective_number(found) + 1e-9


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (vector(0, 0), "all zero"),
        (vector(1, math.nan), "finite"),
        (vector(1, math.inf), "finite"),
        (vector(1, -1), "negative"),
        (vector(), "at least one"),
    ],
)
def test_a_layer_without_a_distribution_is_named(bad, reason):
    with pytest.raises(ValueError, match=f"layer 1: .*{reason}"):
        kent.knowledge_entropy([vector(1, 2), bad])


def test_no_layers_are_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        kent.knowledge_entropy([])


@pytest.mark.parametrize(
    "bad",
    [
        None,
        3.0,
        "abc",
        [None],
        [[1.0, 2.0], [3.0]],
        torch.ones(2, 3),
        np.ones((2, 3)),
        [vector(1, 2), "3"],
    ],
)
def test_what_holds_no_vectors_is_named(bad):
    with pytest.raises(ValueError, match="coefficients must be"):
        kent.knowledge_entropy(bad)


def test_a_matrix_in_a_layers_place_is_refused():
    with pytest.raises(ValueError, match=r"layer 0: coefficients must be a row .* \[2, 3\]"):
        kent.knowledge_entropy([torch.ones(2, 3)])


def test_arrays_of_numpy_are_taken():
    layers = [np.array([2.0, 1.0, 1.0]), np.array([1, 1], dtype="int64")]
    assert kent.knowledge_entropy(layers) == pytest.approx(1.5 * math.log(2) + math.log(2), **close)


@pytest.mark.parametrize(
    ("measure", "arguments", "message"),
    [
        (top_share, ("1",), "percent must be"),
        (top_share, (0,), "percent must be greater than 0"),
        (top_share, (101,), "percent must be less than or equal to 100"),
        (dormant_fraction, (math.nan,), "threshold must be"),
        (dormant_fraction, (-1,), "threshold must be greater than or equal to 0"),
    ],
)
def test_a_setting_out_of_range_is_refused(measure, arguments, message):
    with pytest.raises(ValueError, match=message):
        measure(vector(1, 2), *arguments)


@pytest.mark.parametrize("measure", [gini, effective_number, participation_ratio, dormant_fraction])
@pytest.mark.parametrize(
    "wrong", [[1.0, 2.0], None, torch.tensor(3.0), torch.ones(2, 2), torch.ones(2).cfloat()]
)
def test_what_is_no_row_of_numbers_is_refused(measure, wrong):
    with pytest.raises(ValueError, match="coefficients must be"):
        measure(wrong)


@pytest.mark.parametrize("wrong", [[], [torch.ones(0)], [torch.tensor(3.0)], [3], None])
def test_layers_without_a_bound_are_refused(wrong):
    with pytest.raises(ValueError, match="coefficients must be"):
        entropy_bound(wrong)
