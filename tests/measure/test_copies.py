"""Weights that are not where their name says: under adapters, worked out anew, packed, or kept
elsewhere."""

import copy
from types import MethodType

import accelerate
import pytest
import torch
from architectures import NEURONS, build, draw_tokens, make
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm
from transformers import BitNetConfig, BitNetForCausalLM, PreTrainedModel

import kent
from kent.change.rescaling import rescale
from kent.change.resuscitation import (
    rescale_inactive,
    resuscitate,
    resuscitate_random,
    shrink_and_perturb,
)
from kent.measure.copies import is_plain
from kent.measure.gradients import measure_gradients
from kent.measure.memory import find_memories

TOKENS = draw_tokens(4, 12)
PROJECTIONS = ("up_proj", "down_proj")


class Adapter(nn.Module):
    """What adapters put in a linear layer's place: its name and weight, and something added."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base, self.added = base, nn.Linear(base.in_features, base.out_features, bias=False)

    weight = property(lambda self: self.base.weight)
    bias = property(lambda self: self.base.bias)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.base(states) + self.added(states)


class Adapted(nn.Linear):
    """An adapter that is a linear layer itself."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return super().forward(states) * 1.5


def adapt(mlp: nn.Module, name: str) -> None:
    setattr(mlp, name, Adapter(getattr(mlp, name)))


def inherit(mlp: nn.Module, name: str) -> None:
    getattr(mlp, name).__class__ = Adapted


def cut(mlp: nn.Module, name: str) -> None:
    prune.l1_unstructured(getattr(mlp, name), "weight", 0.3)


def cut_and_run(mlp: nn.Module, name: str) -> None:
    """After a pass without gradients the cut weight can be copied, and is worked out anew all the
    same."""
    cut(mlp, name)
    with torch.no_grad():
        getattr(mlp, name)(torch.zeros(1, getattr(mlp, name).in_features))


def normalise(mlp: nn.Module, name: str) -> None:
    parametrizations.weight_norm(getattr(mlp, name))


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def normalise_by_hook(mlp: nn.Module, name: str) -> None:
    weight_norm(getattr(mlp, name))


def refresh(mlp: nn.Module, name: str) -> None:
    """A weight that a hook writes anew, from a master that nothing names."""
    projection = getattr(mlp, name)
    master = projection.weight.detach().clone()

    def write(module: nn.Module, _) -> None:
        module.weight.data.copy_(master)

    projection.register_forward_pre_hook(write)


def pack(mlp: nn.Module, name: str) -> None:
    projection = getattr(mlp, name)
    projection.weight = nn.Parameter(
        projection.weight.detach().to(torch.float8_e4m3fn), requires_grad=False
    )


def hide(mlp: nn.Module, name: str) -> None:
    """A forward pass that stays with the original when the model is copied."""
    own = getattr(mlp, name).forward
    getattr(mlp, name).forward = lambda states: own(states)


WAYS = [adapt, inherit, cut, cut_and_run, normalise, normalise_by_hook, refresh, pack, hide]
CHANGES = {
    "resuscitate": lambda model: resuscitate(model, [torch.rand(NEURONS) + 0.1] * 2),
    "random": lambda model: resuscitate_random(model, [torch.rand(NEURONS) + 0.1] * 2),
    "rescale": lambda model: rescale(model, [torch.full((NEURONS,), 3.0)] * 2),
    "rescale_inactive": lambda model: rescale_inactive(model, [torch.rand(NEURONS) + 0.1] * 2),
    "shrink": shrink_and_perturb,
    "gradients": lambda model: measure_gradients(model, TOKENS, steps=1),
}


def make_odd(way) -> PreTrainedModel:
    model = make("OLMo")
    for layer in model.model.layers:
        for name in PROJECTIONS:
            way(layer.mlp, name)
    return model


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", WAYS)
def test_a_change_that_would_not_act_is_refused(way, change):
    reasons = "not what its weight says|stored as|worked out from|replaced by a function"
    with pytest.raises(ValueError, match=f"{reasons}|configuration makes|holds float8"):
        CHANGES[change](make_odd(way))


@pytest.mark.parametrize("change", ["resuscitate", "gradients"])
def test_what_other_parts_are_is_no_obstacle(change):
    """Adapters and pruning in the attention, where no memory is."""
    model = make("OLMo")
    for layer in model.model.layers:
        adapt(layer.self_attn, "q_proj")
        cut_and_run(layer.self_attn, "v_proj")
    assert CHANGES[change](model)


def test_permanent_pruning_is_no_obstacle():
    model = make_odd(cut)
    for layer in model.model.layers:
        for name in PROJECTIONS:
            prune.remove(getattr(layer.mlp, name), "weight")
    for change in CHANGES.values():
        assert change(model)


@pytest.mark.parametrize("name", ["OLMo", "Llama", "Phi-3", "GPT-2", "OPT"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_plain_projections_are_plain_in_every_precision(name, dtype):
    model = copy.deepcopy(build(name)).to(dtype)
    assert all(
        is_plain(part) for memory in find_memories(model) for part in (memory.keys, memory.values)
    )


@pytest.mark.parametrize("way", [adapt, inherit, hide])
def test_under_an_adapter_knowledge_entropy_is_right_and_contribution_was_not_measured(way):
    model = make_odd(way)
    found, merged = kent.profile(model, TOKENS), make("OLMo")
    for layer, odd in zip(merged.model.layers, model.model.layers, strict=True):
        for name in PROJECTIONS:
            weight, part = getattr(layer.mlp, name).weight, getattr(odd.mlp, name)
            weight.data = (
                (part.base.weight + part.added.weight).data if way is adapt else weight.data
            )
            weight.data *= 1.5 if way is inherit else 1
    expected = kent.profile(merged, TOKENS)
    assert found.knowledge_entropy == pytest.approx(expected.knowledge_entropy, rel=1e-6)
    if way is hide:  # the weight is what counts, whoever calls
        assert found.contribution_entropy == pytest.approx(expected.contribution_entropy, rel=1e-6)
        return
    assert found.vector_norms is None and found.contribution_entropy is None
    with pytest.raises(ValueError, match="'contribution' was not measured"):
        found.estimate("contribution")


def test_a_pruned_models_norms_are_those_of_what_is_left():
    pruned, permanent = make_odd(cut), make_odd(cut)
    for layer in permanent.model.layers:
        for name in PROJECTIONS:
            prune.remove(getattr(layer.mlp, name), "weight")
    found, expected = (
        kent.profile(each, TOKENS).contribution_entropy for each in (pruned, permanent)
    )
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_profile_without_norms_comes_back_from_its_file(tmp_path):
    profile = kent.profile(make_odd(adapt), TOKENS)
    profile.save(tmp_path / "a.safetensors")
    back = kent.Profile.load(tmp_path / "a.safetensors")
    assert back.vector_norms is None
    assert back.knowledge_entropy == profile.knowledge_entropy


def test_low_rank_adapters_of_peft():
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=[*PROJECTIONS], r=4, init_lora_weights=False)
    wrapped = peft.get_peft_model(make("OLMo"), config)
    with pytest.raises(
        ValueError, match=r"model must be a transformers model: call its merge_and_unload\(\)"
    ):
        kent.profile(wrapped, TOKENS)
    inner = wrapped.get_base_model()
    found = kent.profile(inner, TOKENS)
    for change in CHANGES.values():
        with pytest.raises(ValueError, match=r"not what its weight says|configuration makes no"):
            change(inner)
    merged = kent.profile(wrapped.merge_and_unload(), TOKENS)
    assert found.knowledge_entropy == pytest.approx(merged.knowledge_entropy, rel=1e-6)
    assert found.vector_norms is None and merged.vector_norms is not None


def test_a_network_that_normalises_its_coefficients_has_no_rescaling():
    sizes = {
        "vocab_size": 211,
        "hidden_size": 32,
        "intermediate_size": NEURONS,
        "num_hidden_layers": 2,
    }
    model = BitNetForCausalLM(
        BitNetConfig(**sizes, num_attention_heads=4, num_key_value_heads=4, pad_token_id=0)
    ).eval()
    factors = torch.linspace(0.2, 5, NEURONS)
    with pytest.raises(
        ValueError, match="rescaled, BitNetForCausalLM would compute something else"
    ):
        rescale(model, [factors, factors])


# Kept elsewhere


@pytest.mark.parametrize("name", ["OLMo", "GPT-2", "Phi-3"])
def test_an_offloaded_model_is_measured_where_it_runs(name):
    expected = kent.profile(build(name), TOKENS)
    model = accelerate.cpu_offload(make(name), execution_device="cpu")
    found = kent.profile(model, TOKENS)
    for what in ("knowledge_entropy", "attention_entropy", "next_token_entropy", "loss"):
        assert getattr(found, what) == getattr(expected, what)
    assert found.provenance["device"] == "cpu"
    assert found.vector_norms is None


@pytest.mark.parametrize("change", CHANGES)
def test_an_offloaded_model_is_not_copied(change):
    model = accelerate.cpu_offload(make("OLMo"), execution_device="cpu")
    with pytest.raises(ValueError, match=r"not what its weight says|kept elsewhere"):
        CHANGES[change](model)


@pytest.mark.parametrize("use", [*CHANGES.values(), lambda model: kent.profile(model, TOKENS)])
def test_a_model_without_weights_is_refused(use):
    with torch.device("meta"):
        model = type(build("OLMo"))(build("OLMo").config)
    none = "meta device, so there are none: load it with from_pretrained"
    with pytest.raises(ValueError, match=f"{none}|not what its weight says|kept elsewhere"):
        use(model)


def test_a_bound_forward_pass_goes_with_the_copy():
    """As accelerate and others wrap it."""
    model = make("OLMo")
    for layer in model.model.layers:
        layer.mlp.forward = MethodType(type(layer.mlp).forward, layer.mlp)
    expected = kent.profile(
        resuscitate(make("OLMo"), [torch.linspace(0.1, 2, NEURONS)] * 2), TOKENS
    )
    found = kent.profile(resuscitate(model, [torch.linspace(0.1, 2, NEURONS)] * 2), TOKENS)
    assert found.knowledge_entropy == expected.knowledge_entropy


@pytest.mark.parametrize("name", ["OLMo", "OLMoE", "GPT-NeoX"])
def test_layers_on_disk_are_measured_as_they_are_in_memory(name, tmp_path):
    expected = kent.profile(build(name), TOKENS)
    model = accelerate.disk_offload(make(name), tmp_path, execution_device="cpu")
    assert all(parameter.is_meta for parameter in model.parameters())
    found = kent.profile(model, TOKENS)
    for what in ("knowledge_entropy", "attention_entropy", "next_token_entropy", "loss"):
        assert getattr(found, what) == getattr(expected, what)
    assert found.routing_entropy == expected.routing_entropy


def test_a_projection_without_a_weight_of_its_own_is_packed():
    model = make("OLMo")
    packed = model.model.layers[1].mlp.up_proj
    del packed.weight
    with pytest.raises(ValueError, match="layer 1 is stored as Linear: only floating-point"):
        resuscitate(model, [torch.linspace(0.1, 2, NEURONS)] * 2)
