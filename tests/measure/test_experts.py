"""Mixtures of experts against float64 numpy by hand: routers, coefficients, entropies; what a pass
leaves behind; and what is not a sum of experts."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from architectures import EXPERTS, build, build_reference, describe_state, draw_tokens, make
from numpy import ndarray
from reference import shannon, softmax
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

import kent
from kent.measure import experts as mixtures
from kent.measure import trials
from kent.measure.memory import Mixture, find_layers

TOKENS = draw_tokens(5, 30)


@pytest.fixture(params=EXPERTS)
def name(request):
    return request.param


def sigmoid(values: ndarray) -> ndarray:
    return 1 / (1 + np.exp(-values))


def use(states: ndarray, gate: ndarray, keys: ndarray) -> ndarray:
    """SwiGLU's coefficients, with signs."""
    inner = states @ gate.T
    return inner * sigmoid(inner) * (states @ keys.T)


def keep_largest(values: ndarray, count: int) -> ndarray:
    """The `count` largest of each row, all others 0."""
    least = np.sort(values, axis=-1)[:, -count, None]
    return np.where(values >= least, values, 0)


def keep_groups(values: ndarray, ranks: ndarray, groups: int, count: int) -> ndarray:
    """Entries in the `count` groups of highest rank, all others 0."""
    least = np.sort(ranks, axis=-1)[:, -count, None]
    return np.where(np.repeat(ranks >= least, values.shape[1] // groups, axis=1), values, 0)


def route(name: str, config, states: ndarray, router: torch.nn.Module) -> ndarray:
    """The weight [token, expert] of every expert, by each architecture's own rule."""
    scores = states @ router.weight.detach().numpy().T
    count = config.num_experts_per_tok
    if name.startswith("Granite"):  # a softmax over the chosen alone
        least = np.sort(scores, axis=-1)[:, -count, None]
        return softmax(np.where(scores >= least, scores, -np.inf))
    if name == "DeepSeek-V3":  # chosen with a bias, weighed without it
        chances = sigmoid(scores)
        biased = chances + router.e_score_correction_bias.numpy()
        pairs = np.sort(biased.reshape(len(biased), config.n_group, -1), axis=-1)[:, :, -2:]
        biased = keep_groups(biased - 1e3, pairs.sum(axis=-1), config.n_group, config.topk_group)
        biased = np.where(biased == 0, -np.inf, biased)
        chosen = np.where(biased >= np.sort(biased, axis=-1)[:, -count, None], chances, 0)
        return chosen / chosen.sum(axis=-1, keepdims=True) * config.routed_scaling_factor
    chances = softmax(scores)
    if name == "DeepSeek-V2":
        best = chances.reshape(len(chances), config.n_group, -1).max(axis=-1)
        chances = keep_groups(chances, best, config.n_group, config.topk_group)
        return keep_largest(chances, count) * config.routed_scaling_factor
    chosen = keep_largest(chances, count)
    normed = name == "Mixtral" or getattr(config, "norm_topk_prob", False)
    return chosen / chosen.sum(axis=-1, keepdims=True) if normed else chosen


def read_states(model, layers) -> list[ndarray]:
    """What enters each layer's feed-forward part [token, width]."""
    seen, handles = {}, []
    for index, layer in enumerate(layers):
        module = layer.experts if isinstance(layer, Mixture) else layer.keys
        handles.append(
            module.register_forward_pre_hook(
                lambda _, inputs, at=index: seen.update({at: inputs[0].flatten(0, -2)})
            )
        )
    with torch.no_grad():
        model(TOKENS)
    [handle.remove() for handle in handles]
    return [seen[index].numpy() for index in range(len(layers))]


def find_router(model, layer: Mixture) -> torch.nn.Module:
    """What stands beside the experts and has one row for each of them."""
    block = next(each for each in model.modules() if getattr(each, "experts", 0) is layer.experts)
    return getattr(block, "gate", None) or block.router


def compute(name: str, model, layer, states: ndarray) -> tuple[ndarray, ndarray]:
    """All coefficients [token, neuron] of a layer, with signs, and the routing weights."""

    def read(memory) -> ndarray:
        parts = memory.gate.weight, memory.keys.weight
        if memory.fused:
            parts = memory.keys.weight.chunk(2)
        return use(states, *(each.detach().numpy() for each in parts))

    if not isinstance(layer, Mixture):
        return read(layer), np.ones((len(states), 1))
    weights = route(name, model.config, states, find_router(model, layer))
    both = layer.experts.gate_up_proj.detach().numpy()
    found = [
        weight[:, None] * use(states, *np.split(rows, 2))
        for weight, rows in zip(weights.T, both, strict=True)
    ]
    share = 1.0
    if name == "Qwen2-MoE":
        share = sigmoid(states @ layer.gate.weight.detach().numpy().T)
    found += [share * read(memory) for memory in layer.shared]
    return np.concatenate(found, axis=1), weights


def work_out(name: str, kept: ndarray | slice = slice(None)) -> list[tuple[ndarray, ndarray]]:
    """By hand, per layer: mean magnitudes [neuron] and mean routing weights [expert].

    Of all tokens [token], or of those `kept`.
    """
    model = build_reference(name)
    layers = find_layers(model)
    pairs = zip(layers, read_states(model, layers), strict=True)
    found = [compute(name, model, layer, states) for layer, states in pairs]
    return [
        (np.abs(every[kept]).mean(axis=0), weights[kept].mean(axis=0)) for every, weights in found
    ]


def test_coefficients_and_routing_against_numpy(name):
    profile = kent.profile(build(name), TOKENS, batch_size=2)
    assert profile.left_out == {}
    total = routed = 0
    for layer, (expected, weights) in enumerate(work_out(name)):
        np.testing.assert_allclose(profile.coefficients[layer], expected, rtol=2e-5)
        found = profile.routing_blocks[layer] * (profile.sizes / len(TOKENS))[:, None]
        np.testing.assert_allclose(found.sum(dim=0), weights, rtol=1e-5)
        total += shannon(expected / expected.sum())
        routed += shannon(weights / weights.sum())
    assert profile.knowledge_entropy == pytest.approx(total, rel=1e-7)
    assert profile.routing_entropy == pytest.approx(routed, rel=1e-6, abs=1e-12)


def test_positions_left_out_of_the_mean_are_so_of_routed_and_shared_experts_and_routing(name):
    whole, profile = (kent.profile(build(name), TOKENS, batch_size=2, skip=skip) for skip in (0, 1))
    kept = np.tile(np.arange(TOKENS.shape[1]) > 0, len(TOKENS))
    for layer, (expected, weights) in enumerate(work_out(name, kept)):
        np.testing.assert_allclose(profile.coefficients[layer], expected, rtol=2e-5)
        found = profile.routing_blocks[layer] * (profile.sizes / len(TOKENS))[:, None]
        np.testing.assert_allclose(found.sum(dim=0), weights, rtol=1e-5)
    assert profile.knowledge_entropy != whole.knowledge_entropy
    assert profile.attention_entropy == whole.attention_entropy and profile.loss == whole.loss


def test_the_layers_output_is_the_sum_over_all_memory_vectors(name):
    """So the coefficients, worked out by hand, are those of all that the layer adds."""
    model = build_reference(name)
    layers = find_layers(model)
    seen: dict = {}

    def keep(module, _, output) -> None:
        seen[module] = output.flatten(0, -2).numpy()

    parts = [[layer.experts, *layer.shared] for layer in layers if isinstance(layer, Mixture)]
    modules = [getattr(part, "values", part) for layer in parts for part in layer]
    handles = [module.register_forward_hook(keep) for module in modules]
    states = read_states(model, layers)
    [handle.remove() for handle in handles]
    for layer, inputs in zip(layers, states, strict=True):
        if isinstance(layer, Mixture):
            coefficients, _ = compute(name, model, layer, inputs)
            vectors = [layer.routed.flatten(0, 1), *(each.vectors for each in layer.shared)]
            found = coefficients @ torch.cat(vectors).detach().numpy()
            share = (
                1 if layer.gate is None else sigmoid(inputs @ layer.gate.weight.numpy(force=True).T)
            )
            expected = seen[layer.experts]
            expected = expected + sum(share * seen[each.values] for each in layer.shared)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_expert_that_was_not_chosen_has_no_coefficient(name):
    """A single token chooses two of four."""
    profile = kent.profile(build(name), TOKENS[:1, :1], measures=["knowledge"])
    layer = -1
    routed = profile.experts[layer][:4]
    assert sum(bool(each.any()) for each in routed) == 2
    assert [bool(each) for each in profile.routing_blocks[layer][0]] == [
        bool(each.any()) for each in routed
    ]
    entropies = profile.expert_entropies[layer]
    assert entropies.isnan().sum() == 2 and profile.knowledge_entropy > 0


def test_entropy_is_that_of_shares_and_of_each_expert(name):
    profile = kent.profile(build(name), TOKENS)
    triples = zip(
        profile.expert_shares,
        profile.expert_entropies,
        profile.knowledge_entropy_by_layer,
        strict=True,
    )
    for shares, entropies, whole in triples:
        parts = shares @ entropies + torch.special.entr(shares).sum()
        assert parts.item() == pytest.approx(whole.item(), rel=1e-12)


def test_a_single_expert_is_the_papers_definition():
    """One expert with weight 1 measures as Llama's network with the same weights does."""
    single = make("OLMoE", num_experts=1, num_local_experts=1, num_experts_per_tok=1)
    plain = copy.deepcopy(single)
    for ours, layer in zip(single.model.layers, plain.model.layers, strict=True):
        gate, keys = ours.mlp.experts.gate_up_proj.data[0].chunk(2)
        network = torch.nn.Module()
        network.gate_proj, network.up_proj = torch.nn.Linear(32, 48), torch.nn.Linear(32, 48)
        network.down_proj = torch.nn.Linear(48, 32)
        for name, weight in (
            ("gate_proj", gate),
            ("up_proj", keys),
            ("down_proj", ours.mlp.experts.down_proj.data[0]),
        ):
            projection = torch.nn.Linear(*weight.shape[::-1], bias=False)
            projection.weight.data = weight.clone()
            setattr(network, name, projection)
        network.forward = lambda x, part=network: part.down_proj(
            torch.nn.functional.silu(part.gate_proj(x)) * part.up_proj(x)
        )
        layer.mlp = network
    found, expected = (kent.profile(each, TOKENS) for each in (single, plain))
    assert found.expert_sizes == [[48], [48]] and expected.expert_sizes is None
    assert found.routing_entropy == 0 and expected.routing_entropy is None
    assert found.knowledge_entropy == pytest.approx(expected.knowledge_entropy, rel=1e-7)
    assert found.contribution_entropy == pytest.approx(expected.contribution_entropy, rel=1e-7)
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    alone = torch.cat([each for layer in found.expert_entropies for each in layer[None]])
    torch.testing.assert_close(alone.flatten(), found.knowledge_entropy_by_layer)
    for ours, theirs in zip(found.coefficients, expected.coefficients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)


def test_norms_are_those_of_all_experts_vectors(name):
    profile, model = kent.profile(build(name), TOKENS, measures=["knowledge"]), build(name)
    for layer, norms in zip(find_layers(model), profile.vector_norms, strict=True):
        if isinstance(layer, Mixture):
            first = layer.experts.down_proj.detach().double().numpy()[0]
            np.testing.assert_allclose(norms[: first.shape[1]], np.linalg.norm(first, axis=0), 1e-6)
        assert len(norms) == sum(layer.sizes)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_never_enters(name, side):
    mask = torch.ones_like(TOKENS)
    mask[1, :9] = mask[3, :20] = 0
    mask = mask if side == "left" else mask.flip(1)
    padded = kent.profile(build(name), TOKENS, attention_mask=mask, measures=["knowledge"])
    alone = [
        kent.profile(build(name), row[real.bool()][None], measures=["knowledge"])
        for row, real in zip(TOKENS, mask, strict=True)
    ]
    for layer in range(2):
        each = torch.stack([single.coefficients[layer] for single in alone])
        torch.testing.assert_close(
            padded.coefficients[layer], each.mean(dim=0), rtol=1e-4, atol=1e-7
        )
    other = torch.where(mask.bool(), TOKENS, 5)
    again = kent.profile(build(name), other, attention_mask=mask, measures=["knowledge"])
    assert again.routing_entropy == pytest.approx(padded.routing_entropy, rel=1e-6)


def test_size_of_batches_changes_nothing(name):
    first, second = (kent.profile(build(name), TOKENS, batch_size=size) for size in (5, 2))
    assert first.knowledge_entropy == pytest.approx(second.knowledge_entropy, rel=1e-6)
    assert first.routing_entropy == pytest.approx(second.routing_entropy, rel=1e-6)


def test_a_profile_comes_back_from_its_file(name, tmp_path):
    profile = kent.profile(build(name), TOKENS)
    profile.save(tmp_path / "a.safetensors")
    back = kent.Profile.load(tmp_path / "a.safetensors")
    assert back.summarize() == profile.summarize()
    assert back.expert_sizes == profile.expert_sizes
    assert back.routing_entropy == profile.routing_entropy
    value, error = back.by_layer("routing")
    assert len(value) == 2 and back.estimate("routing")[0] == pytest.approx(back.routing_entropy)
    assert (error >= 0).all() and back.change_since(profile, "routing") == (0, 0)


# The model is left as found


class Broken(RuntimeError):
    """Raised on purpose inside the forward pass."""


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_found(name, fails):
    model = make(name).train()
    layer = find_layers(model)[-1]
    with torch.no_grad():
        logits = model.eval()(TOKENS).logits
    model.train()
    way = model.config._experts_implementation

    def interrupt(_, inputs) -> None:
        if fails and len(inputs[0]) == TOKENS.numel():
            raise Broken

    layer.experts.register_forward_pre_hook(interrupt)
    before = describe_state(model)
    try:
        kent.profile(model, TOKENS)
    except Broken:
        assert fails
    assert describe_state(model) == before
    assert model.config._experts_implementation == way
    assert mixtures._listener.get() is None
    with torch.no_grad():
        handles = [*layer.experts._forward_pre_hooks]
        [layer.experts._forward_pre_hooks.pop(handle) for handle in handles]
        assert torch.equal(model.eval()(TOKENS).logits, logits)


class Recorder(TorchDispatchMode):
    """The most numbers in any tensor that was made."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.is_floating_point():
            self.most = max(self.most, made.numel())
        return made


def test_no_tensor_of_all_experts_activations_is_made():
    """Each token's 48 neurons of four experts would be four times what one expert's are."""
    model = make("OLMoE", vocab_size=211)
    tokens = draw_tokens(2, 150)
    with Recorder() as recorder:
        kent.profile(model, tokens, measures=["knowledge"])
    assert recorder.most <= 300 * 2 * 48


# What is not such a sum


def test_another_weight_of_the_shared_experts_is_noticed():
    model = make("Qwen2-MoE")
    ungated = [Mixture(layer.experts, layer.shared) for layer in find_layers(model)]
    with torch.no_grad(), pytest.raises(ValueError, match="weights that kent does not know"):
        trials.try_mixtures(model, ungated)
    with torch.no_grad():
        trials.try_mixtures(model, find_layers(model))


def test_a_factor_on_the_routed_experts_alone_is_noticed():
    model = make("DeepSeek-V3")
    block = model.model.layers[1].mlp

    def forward(states: torch.Tensor) -> torch.Tensor:
        _, weights, index = block.gate(states)
        routed = block.experts(states.flatten(0, 1), index, weights)
        return 1.5 * routed.view_as(states) + block.shared_experts(states)

    block.forward = forward
    with pytest.raises(ValueError, match="with weights that kent does not know"):
        kent.profile(model, TOKENS, measures=["knowledge"])
    profile = kent.profile(model, TOKENS)
    assert profile.left_out.keys() == {"knowledge"} and profile.loss > 0


def test_experts_that_compute_something_else_are_noticed():
    def double(module, states, index, weights):
        with mixtures.listen([], lambda *_: nullcontext(lambda *_: None)):
            return 1.01 * mixtures.read_experts(module, states, index, weights)

    ALL_EXPERTS_FUNCTIONS.register("odd", double)
    model = make("OLMoE")
    model.config._experts_implementation = "odd"
    with pytest.raises(ValueError, match="OlmoeExperts does more than to sum its experts"):
        kent.profile(model, TOKENS, measures=["knowledge"])


def test_the_relu_variant_is_not_defined_for_experts():
    with pytest.raises(ValueError, match="is not defined for the experts of OlmoeForCausalLM"):
        kent.profile(build("OLMoE"), TOKENS, activation="relu")


def test_half_precision_stays_near():
    exact = kent.profile(build("OLMoE"), TOKENS)
    rough = kent.profile(copy.deepcopy(build("OLMoE")).bfloat16(), TOKENS, measures=["knowledge"])
    assert rough.knowledge_entropy == pytest.approx(exact.knowledge_entropy, rel=1e-2)
