"""Where each architecture keeps its memory, and which architectures are refused."""

import copy

import pytest
import torch
from architectures import (
    EXPERTS,
    GATED,
    NEURONS,
    PLAIN,
    REFUSED,
    SUPPORTED,
    WIDTH,
    build,
    draw_tokens,
    make,
)
from torch import nn
from transformers import BertConfig, BertLMHeadModel

from kent.measure.memory import find_memories


@pytest.mark.parametrize("name", SUPPORTED)
def test_every_layer_has_one_memory_in_order(name):
    model = build(name)
    memories = find_memories(model)
    names = {module: path for path, module in model.named_modules()}
    paths = [names[memory.values] for memory in memories]
    assert len(paths) == 2
    assert ".0." in paths[0]
    assert paths[1] == paths[0].replace(".0.", ".1.")
    for memory in memories:
        assert memory.values.weight.numel() == WIDTH * NEURONS
        assert memory.keys.weight.numel() == WIDTH * NEURONS * (2 if memory.fused else 1)


def test_roles_by_architecture():
    gated = {name: find_memories(build(name))[0] for name in GATED}
    assert all(memory.gate is not None for memory in gated.values())
    assert [name for name, memory in gated.items() if memory.fused] == ["Phi-3"]
    assert all(find_memories(build(name))[0].gate is None for name in PLAIN)


@pytest.mark.parametrize("name", SUPPORTED)
def test_key_rows_are_views_of_what_makes_one_key(name):
    """Row 5 set to zero silences output 5 of the up-projection, its bias included, and no other."""
    model = copy.deepcopy(build(name))
    memory = find_memories(model)[0]
    states = torch.randn(4, WIDTH)
    with torch.no_grad():
        before = memory.keys(states)
        for rows in memory.key_rows:
            assert len(rows) == NEURONS
            rows[5] = 0
        after = memory.keys(states)
    place = 5 + NEURONS * memory.fused
    assert (after[:, place] == 0).all()
    assert ((before != after).any(dim=0).nonzero() == place).all()
    assert not torch.equal(before, after)


@pytest.mark.parametrize("name", SUPPORTED)
def test_silencing_what_enters_the_values_silences_the_network(name):
    """The found module is where memory is read: zero coefficients leave a layer no feed-forward
    output but its bias."""
    model = build(name)
    memory = find_memories(model)[0]
    seen = []
    handles = [
        memory.values.register_forward_pre_hook(lambda _, inputs: (torch.zeros_like(inputs[0]),)),
        memory.values.register_forward_hook(
            lambda module, _, output: seen.append((module.bias, output))
        ),
    ]
    with torch.no_grad():
        model(draw_tokens(1, 4))
    [handle.remove() for handle in handles]
    bias, output = seen[0]
    expected = torch.zeros_like(output) if bias is None else bias.expand_as(output)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("name", [*REFUSED, *EXPERTS])
def test_other_architectures_are_refused_by_name(name):
    """What is changed or differentiated has one network a layer; experts can only be measured."""
    kind = type(make(name)).__name__
    with pytest.raises(
        ValueError, match=f"{kind} is not supported: .*Supported: OLMo, .*Phi-3.*GPT-NeoX"
    ) as error:
        find_memories(make(name))
    reason = "encoder-decoder" if name.startswith("T5") else "is a mixture of experts"
    assert reason in str(error.value)


def test_an_encoder_is_refused_by_name():
    config = BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=9
    )
    with pytest.raises(ValueError, match="BertLMHeadModel is not supported"):
        find_memories(BertLMHeadModel(config))


def test_a_layer_with_two_networks_is_refused():
    model = copy.deepcopy(build("Llama"))
    model.model.layers[1].second = copy.deepcopy(model.model.layers[1].mlp)
    with pytest.raises(
        ValueError, match="LlamaForCausalLM is not supported: layer 1 has 2 feed-forward networks"
    ):
        find_memories(model)


def test_a_model_without_layers_is_refused():
    model = copy.deepcopy(build("Llama"))
    model.model.layers = nn.Identity()
    with pytest.raises(ValueError, match="no stack of 2 decoder layers"):
        find_memories(model)
