"""`rescale`: the same function from other coefficients, on gated models of every layout."""

import copy
import math

import pytest
import torch
from architectures import NEURONS, PLAIN, build, draw_tokens, make

import kent
from kent.change.rescaling import rescale
from kent.measure.memory import find_memories

TOKENS = draw_tokens(3, 20)


@pytest.fixture(params=["OLMo", "Llama", "Phi-3", "Qwen2"])
def name(request):
    return request.param


def draw_factors(spread: float = 1.0) -> list[torch.Tensor]:
    """Factors for two layers, about 0.1 to 10."""
    source = torch.Generator().manual_seed(3)
    return [(spread * torch.randn(NEURONS, generator=source)).exp() for _ in range(2)]


def read_logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


def measure_coefficients(model) -> torch.Tensor:
    return torch.stack(kent.profile(model, TOKENS, measures=["knowledge"]).coefficients)


def measure_norms(model) -> torch.Tensor:
    return torch.stack(
        [memory.vectors.detach().double().norm(dim=1) for memory in find_memories(model)]
    )


def test_the_function_stays(name):
    before, after = (
        read_logits(model) for model in (build(name), rescale(build(name), draw_factors()))
    )
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * before.abs().max().item())


def test_the_function_stays_to_the_bit_with_powers_of_two(name):
    factors = [factor.log2().round().exp2() for factor in draw_factors()]
    assert torch.equal(read_logits(rescale(build(name), factors)), read_logits(build(name)))


def test_coefficients_follow_and_contributions_stay(name):
    """Llama's up-projection has a bias that must follow too."""
    model, factors = build(name), draw_factors()
    changed = rescale(model, factors)
    before, after = measure_coefficients(model), measure_coefficients(changed)
    torch.testing.assert_close(after, before * torch.stack(factors), rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(
        after * measure_norms(changed), before * measure_norms(model), rtol=1e-5, atol=1e-9
    )


def test_knowledge_entropy_is_moved_to_its_bound(name):
    coefficients = kent.profile(build(name), TOKENS, measures=["knowledge"]).coefficients
    changed = rescale(build(name), [values.mean() / values for values in coefficients])
    assert kent.profile(build(name), TOKENS).knowledge_entropy < 2 * math.log(NEURONS) - 0.01
    assert kent.profile(changed, TOKENS).knowledge_entropy == pytest.approx(
        2 * math.log(NEURONS), abs=1e-8
    )


def test_the_original_and_all_but_keys_and_values_stay(name):
    model = make(name)
    weights = copy.deepcopy(model.state_dict())
    changed = rescale(model, draw_factors()).state_dict()
    assert all(torch.equal(weight, weights[path]) for path, weight in model.state_dict().items())
    moved = {
        path.split(".mlp.")[-1]
        for path, weight in changed.items()
        if not torch.equal(weight, weights[path])
    }
    keys = "gate_up_proj" if name == "Phi-3" else "up_proj"
    assert moved == {f"{keys}.weight", "down_proj.weight"} | (
        {"up_proj.bias"} if name == "Llama" else set()
    )
    if name == "Phi-3":
        gates = [
            state["model.layers.0.mlp.gate_up_proj.weight"][:NEURONS]
            for state in (weights, changed)
        ]
        assert torch.equal(*gates)


def test_lower_precision_is_worked_out_in_float32(name):
    model, factors = copy.deepcopy(build(name)).bfloat16(), draw_factors()
    changed = rescale(model, factors)
    assert changed.dtype == torch.bfloat16
    for before, after, factor in zip(
        find_memories(model), find_memories(changed), factors, strict=True
    ):
        keys = (before.keys.weight[-NEURONS:].float() * factor[:, None]).bfloat16()
        assert torch.equal(after.keys.weight[-NEURONS:], keys)
        expected = before.vectors.float() / factor[:, None]
        torch.testing.assert_close(after.vectors.float(), expected, rtol=2**-8, atol=0)


@pytest.mark.parametrize("part", ["up_proj", "down_proj"])
def test_a_projection_that_layers_share_is_refused(part):
    """It would be scaled twice, by the factors of both layers."""
    model = make("Llama")
    first, second = (layer.mlp for layer in model.model.layers)
    setattr(second, part, getattr(first, part))
    with pytest.raises(ValueError, match=rf"layers\.0\.mlp\.{part}\.\w+ and .* are one parameter"):
        rescale(model, draw_factors())


def test_a_weight_beyond_float16_is_refused():
    with pytest.raises(ValueError, match=r"a scaled weight is not a finite torch\.float16"):
        rescale(copy.deepcopy(build("OLMo")).half(), [factor * 1e-6 for factor in draw_factors()])


@pytest.mark.parametrize("name", PLAIN)
def test_plain_models_are_refused(name):
    with pytest.raises(
        ValueError, match=f"{type(build(name)).__name__} is plain: an activation follows its keys"
    ):
        rescale(build(name), draw_factors())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda factors: factors[:1], "factors for 1 layers: the model has 2"),
        (lambda factors: [*factors, factors[0]], "factors for 3 layers: the model has 2"),
        (
            lambda factors: [factors[0], factors[1][1:]],
            r"factors of layer 1 have shape \[47\], not \[48\]",
        ),
        (
            lambda factors: [factors[0][None], factors[1]],
            r"factors of layer 0 have shape \[1, 48\], not \[48\]",
        ),
    ],
)
def test_factors_of_another_shape_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        rescale(build("OLMo"), change(draw_factors()))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan, 1e-40, 1e-60, 1e60])
def test_a_factor_that_is_not_positive_and_finite_is_refused(value):
    factors = [factor.double() for factor in draw_factors()]
    factors[1][5] = value
    with pytest.raises(ValueError, match="factors of layer 1 must be positive and finite"):
        rescale(build("OLMo"), factors)
