"""Ungated networks and heads that scale, against float64 numpy by hand."""

import numpy as np
import pytest
import torch
from architectures import PARTIAL, build, build_reference, draw_tokens, make
from numpy import ndarray
from reference import shannon, softmax
from scipy.special import erf

import kent
from kent.change.resuscitation import find_multipliers
from kent.measure.memory import find_memories

TOKENS = draw_tokens(4, 30)


def square(values: ndarray) -> ndarray:
    return np.square(np.maximum(values, 0))


def smooth(values: ndarray) -> ndarray:
    """GELU."""
    return values * (1 + erf(values / np.sqrt(2))) / 2


def bend(values: ndarray) -> ndarray:
    """GELU by a tanh."""
    inner = np.sqrt(2 / np.pi) * (values + 0.044715 * values**3)
    return values * (1 + np.tanh(inner)) / 2


def soften(values: float) -> float:
    return np.log1p(np.exp(values))


def read_xielu(module: torch.nn.Module):
    """Apertus' activation, whose two slopes are learned."""
    up = soften(module.alpha_p.double().item())
    down = module.beta.double().item() + soften(module.alpha_n.double().item())
    beta, least = module.beta.double().item(), module.eps.double().item()

    def activate(values: ndarray) -> ndarray:
        low = np.expm1(np.minimum(values, least)) - values
        return np.where(values > 0, up * values**2 + beta * values, low * down + beta * values)

    return activate


ACTIVATIONS = {
    "Arcee": square,
    "Nemotron": square,
    "Jais 2": square,
    "MPT": smooth,
    "GPT-J": bend,
    "CodeGen": bend,
    "Apertus": None,
}


def read_states(name: str) -> list[ndarray]:
    """What enters each layer's first projection, in float64."""
    model, seen = build_reference(name), {}
    handles = [
        memory.keys.register_forward_pre_hook(
            lambda _, inputs, at=layer: seen.update({at: inputs[0].flatten(0, -2).numpy()})
        )
        for layer, memory in enumerate(find_memories(model))
    ]
    with torch.no_grad():
        model(TOKENS)
    [handle.remove() for handle in handles]
    return [seen[layer] for layer in range(len(seen))]


def project(module: torch.nn.Module, states: ndarray) -> ndarray:
    bias = 0 if module.bias is None else module.bias.detach().numpy()
    return states @ module.weight.detach().numpy().T + bias


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_coefficients_of_ungated_networks_against_numpy(name):
    profile, model = kent.profile(build(name), TOKENS, batch_size=3), build_reference(name)
    pairs = zip(find_memories(model), read_states(name), strict=True)
    for layer, (memory, states) in enumerate(pairs):
        assert memory.gate is None
        activate = ACTIVATIONS[name] or read_xielu(model.model.layers[layer].mlp.act_fn)
        expected = np.abs(activate(project(memory.keys, states))).mean(axis=0)
        np.testing.assert_allclose(profile.coefficients[layer], expected, rtol=2e-5, atol=1e-9)


def test_coefficients_of_lfm2_against_numpy():
    profile, model = kent.profile(build("LFM2"), TOKENS), build_reference("LFM2")
    pairs = zip(find_memories(model), read_states("LFM2"), strict=True)
    for layer, (memory, states) in enumerate(pairs):
        inner = project(memory.gate, states)
        expected = np.abs(inner / (1 + np.exp(-inner)) * project(memory.keys, states)).mean(axis=0)
        np.testing.assert_allclose(profile.coefficients[layer], expected, rtol=2e-5)


HEADS = {
    "Granite": lambda logits: logits / 8,
    "Cohere": lambda logits: logits * 0.3,
    "RecurrentGemma": lambda logits: np.tanh(logits / 1.5) * 1.5,
    "MPT": lambda logits: logits,
    "GPT-J": lambda logits: logits,
    "Granite-MoE": lambda logits: logits / 8,
}


@pytest.mark.parametrize("name", HEADS)
def test_logits_of_heads_that_scale_against_numpy(name):
    model = build_reference(name)
    with torch.no_grad():
        states = model.get_decoder()(TOKENS).last_hidden_state.numpy()
    head = model.get_output_embeddings()
    bias = getattr(head, "bias", None)
    logits = states @ head.weight.detach().numpy().T + (
        0 if bias is None else bias.detach().numpy()
    )
    chances = softmax(HEADS[name](logits))
    rows = np.take_along_axis(chances[:, :-1], TOKENS.numpy()[:, 1:, None], axis=2)
    profile = kent.profile(build(name), TOKENS)
    assert profile.next_token_entropy == pytest.approx(shannon(chances).mean(), rel=1e-5)
    assert profile.loss == pytest.approx(-np.log(rows).mean(), rel=1e-5)


def test_scales_count():
    for name, changes in (
        ("Granite", {"logits_scaling": 1.0}),
        ("Cohere", {"logit_scale": 1.0}),
        ("RecurrentGemma", {"logits_soft_cap": 30.0}),
    ):
        near, far = (kent.profile(each, TOKENS) for each in (build(name), make(name, **changes)))
        assert far.next_token_entropy < 0.99 * near.next_token_entropy


@pytest.mark.parametrize("name", PARTIAL)
def test_all_but_the_attention_is_measured(name):
    profile = kent.profile(build(name), TOKENS)
    assert profile.left_out.keys() == {"attention"}
    assert profile.knowledge_entropy > 0 and profile.loss > 0
    with pytest.raises(ValueError, match="attention"):
        kent.profile(build(name), TOKENS, measures=["attention"])


@pytest.mark.parametrize("name", [*ACTIVATIONS, "LFM2"])
def test_resuscitation_multiplies_keys_and_their_biases(name):
    """Before the activation: the keys' outputs of the first layer are multiplied, and of a gated
    network so are its coefficients."""
    model = build(name)
    coefficients = kent.profile(model, TOKENS, measures=["knowledge"]).coefficients
    # Where an activation is exactly 0 on all of a few tokens no factor can be found.
    coefficients = [each.clamp(min=each.max() * 1e-6) for each in coefficients]
    changed = kent.resuscitate(model, coefficients)
    factors, states = find_multipliers(coefficients)[0], torch.randn(6, 32)
    first, second = (find_memories(each)[0] for each in (model, changed))
    with torch.no_grad():
        torch.testing.assert_close(second.keys(states), first.keys(states) * factors)
    assert torch.equal(first.vectors, second.vectors)
    if first.gate is not None:
        after = kent.profile(changed, TOKENS, measures=["knowledge"]).coefficients[0]
        torch.testing.assert_close(after, coefficients[0] * factors, rtol=1e-5, atol=0)
