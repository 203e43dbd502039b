"""Where an architecture keeps its feed-forward memory: gates, keys and values (section 2).

The one file that knows names inside Hugging Face models. A layer's feed-forward network is found by
the names of its projections, so a new model that is built like Llama needs no line here. Experts
are found by what transformers' experts interface makes of them, whatever their names.

Axes: neuron (memory vectors of a layer, and their keys), width (numbers in a hidden state).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import BeforeValidator
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from kent.measure.limits import NotMeasurableError

SUPPORTED = (
    "OLMo, OLMo 2, OLMo 3, Llama, Mistral, Qwen2, Qwen3, Gemma 2, Gemma 3, Phi-3, SmolLM3, LFM2 "
    "and others with gate_proj/up_proj/down_proj, gate_up_proj/down_proj or w1/w3/w2; GPT-NeoX "
    "(Pythia), GPT-2, OPT, GPT-J, Apertus and others with up_proj/down_proj or fc_in/fc_out; to "
    "measure, not to change: OLMoE, Mixtral, Qwen2-MoE, DeepSeek-V3 and others whose experts "
    "transformers' experts interface runs"
)


def _read_model(value: object) -> object:
    if hasattr(value, "merge_and_unload"):
        raise ValueError("a transformers model: call its merge_and_unload()")
    return getattr(value, "_orig_mod", value)


Model = Annotated[PreTrainedModel, BeforeValidator(_read_model)]
"""A model of transformers; what torch.compile makes of one is read as the model itself."""


@dataclass(frozen=True)
class Memory:
    """One layer's key-value memory.

    The input of `values` is the layer's memory coefficients (before the absolute value). `keys` is
    the up-projection of a gated network or the only first projection of a plain one; `gate` is None
    for a plain one. With `fused`, `keys` and `gate` are one module whose output is the gate's half
    followed by the keys' half.

    >>> Memory(values=nn.Linear(4, 2), keys=nn.Linear(2, 4)).vectors.shape  # 4 neurons, width 2
    torch.Size([4, 2])
    """

    values: nn.Module
    keys: nn.Module
    gate: nn.Module | None = None

    @property
    def sizes(self) -> list[int]:
        """How many neurons it has: a list of one, as a layer of one expert."""
        return [len(self.vectors)]

    @property
    def fused(self) -> bool:
        """Whether gate and keys are halves of one projection (Phi-3)."""
        return self.gate is self.keys

    @property
    def vectors(self) -> Float[Tensor, "neuron width"]:
        """The memory vectors, one a row: a view of the weight of `values`."""
        return self.values.weight if isinstance(self.values, Conv1D) else self.values.weight.T

    @property
    def key_rows(self) -> list[Float[Tensor, "neuron ..."]]:
        """What makes the keys, one a row: views of their weight and, where they have one, bias.

        >>> plain = Memory(values=nn.Linear(4, 2), keys=nn.Linear(2, 4))
        >>> [list(rows.shape) for rows in plain.key_rows]
        [[4, 2], [4]]
        """
        weight = self.keys.weight.T if isinstance(self.keys, Conv1D) else self.keys.weight
        return [rows[-len(self.vectors) :] for rows in (weight, self.keys.bias) if rows is not None]


@dataclass(frozen=True)
class Mixture:
    """One layer's memory where a router chooses experts: the vectors of all of them together.

    `experts` holds those that are chosen from, as transformers' experts interface does: one
    `down_proj` [expert, width, neuron] for all. `shared` are the networks that every token reads,
    each added as it is or, where there is a `gate`, times its sigmoid (Qwen2-MoE).
    """

    experts: nn.Module
    shared: tuple[Memory, ...] = ()
    gate: nn.Module | None = None

    @property
    def routed(self) -> Float[Tensor, "expert neuron width"]:
        """The memory vectors of the experts that are chosen from: a view of their weight."""
        vectors = self.experts.down_proj
        return vectors if self.experts.is_transposed else vectors.mT

    @property
    def sizes(self) -> list[int]:
        """How many neurons each expert has, the shared ones last."""
        count, neurons, _ = self.routed.shape
        return [neurons] * count + [len(memory.vectors) for memory in self.shared]


_LAYOUTS = (
    {"values": "down_proj", "keys": "up_proj", "gate": "gate_proj"},
    {"values": "down_proj", "keys": "gate_up_proj", "gate": "gate_up_proj"},
    {"values": "w2", "keys": "w3", "gate": "w1"},
    {"values": "output_linear", "keys": "input_linear", "gate": "input_linear"},
    {"values": "dense_4h_to_h", "keys": "dense_h_to_4h"},
    {"values": "c_proj", "keys": "c_fc"},
    {"values": "fc2", "keys": "fc1"},
    {"values": "fc_out", "keys": "fc_in"},
    {"values": "down_proj", "keys": "up_proj"},
)
"""By the names of their projections; a module has the first that fits, so gated ones come first."""


def _read_memory(module: nn.Module) -> Memory | None:
    for layout in _LAYOUTS:
        parts = {role: getattr(module, name, None) for role, name in layout.items()}
        if all(isinstance(part, nn.Module) for part in parts.values()):
            return Memory(**parts)
    return None


def _memories_in(layer: nn.Module) -> list[Memory]:
    found = filter(None, map(_read_memory, layer.modules()))
    return [*dict.fromkeys(found)]  # what torch.compile wraps answers to its names as well


def _experts_in(layer: nn.Module) -> list[nn.Module]:
    """The modules that transformers' experts interface runs."""
    marks = ("_apply_gate", "is_transposed", "down_proj")
    return [part for part in layer.modules() if all(hasattr(part, mark) for mark in marks)]


def _refuse(model: PreTrainedModel, reason: str) -> str:
    return f"{type(model).__name__} is not supported: {reason}. Supported: {SUPPORTED}."


def find_decoder(model: PreTrainedModel) -> PreTrainedModel:
    """The part of a decoder-only model that makes the last hidden states.

    Raises `ValueError` for an encoder-decoder, and where transformers does not know the decoder.
    """
    if getattr(model.config, "is_encoder_decoder", False):
        raise ValueError(_refuse(model, "it is an encoder-decoder"))
    decoder = model.get_decoder()
    if decoder is model and isinstance(getattr(model, "model", None), PreTrainedModel):
        decoder = model.model  # Llama 4, which names its decoder as the model with images does
    if not isinstance(decoder, PreTrainedModel):
        raise ValueError(_refuse(model, "its decoder was not found"))
    return decoder


_FACTORS = {"logits_scaling": -1, "logit_scale": 1, "lm_head_multiplier": 1}
"""What configurations call what logits are multiplied by (1) or divided by (-1)."""
_SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")


def read_head(config: PreTrainedConfig) -> tuple[float, float | None]:
    """What logits are multiplied by after their projection, and what they are soft-capped at then.

    As far as a model's configuration says so.

    >>> from transformers import GraniteConfig
    >>> read_head(GraniteConfig(logits_scaling=8.0))
    (0.125, None)
    """
    found = {name: getattr(config, name, None) for name in (*_FACTORS, *_SOFTCAPS)}
    given = {name: value for name, value in found.items() if isinstance(value, int | float)}
    factors = [given[name] ** power for name, power in _FACTORS.items() if name in given]
    return math.prod(factors, start=1.0), next(
        (given[name] for name in _SOFTCAPS if name in given), None
    )


def find_device(model: PreTrainedModel) -> torch.device:
    """The device that takes token ids: where the input embeddings are worked out.

    That is also right where accelerate keeps them elsewhere. Raises `ValueError` for a model whose
    weights are nowhere, or were made in torch's inference mode.
    """
    kind, embeddings = type(model).__name__, model.get_input_embeddings()
    offloaded = any(hasattr(module, "_hf_hook") for module in model.modules())
    if not offloaded and any(parameter.is_meta for parameter in model.parameters()):
        nowhere = f"weights of {kind} are on the meta device, so there are none"
        raise ValueError(f"{nowhere}: load it with from_pretrained")
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise ValueError(f"{kind} was made in torch's inference mode: load it outside")
    hook = getattr(embeddings, "_hf_hook", None)
    kept = next(embeddings.parameters()).device
    return torch.device(getattr(hook, "execution_device", None) or kept)


def count_vocabulary(model: PreTrainedModel) -> int:
    """How many token ids a model knows: the rows of its input embeddings, also under an adapter."""
    embeddings = model.get_input_embeddings()
    weight = getattr(embeddings, "weight", None)
    return getattr(embeddings, "num_embeddings", None) or (
        find_decoder(model).config.vocab_size if weight is None else len(weight)
    )


def check_tokens(model: PreTrainedModel, tokens: Iterable[Int[Tensor, "..."]], noun: str) -> None:
    """Raise `ValueError` for token ids or for more positions than a model has.

    `tokens` are arrays [..., position]; `noun` says whose they are.
    """
    vocabulary = count_vocabulary(model)
    longest = getattr(find_decoder(model).config, "max_position_embeddings", None)
    for each in tokens:
        if each.min() < 0 or each.max() >= vocabulary:
            known = f"token ids of {noun} must lie in 0 to {vocabulary - 1}"
            raise ValueError(f"{known}: do they come from another model's tokenizer?")
        if longest is not None and each.shape[-1] > longest:
            limit = f"{type(model).__name__} has positions for {longest}"
            raise ValueError(f"{noun} of {each.shape[-1]} tokens: {limit}")


def _read_mixture(layer: nn.Module, experts: nn.Module) -> Mixture:
    gates = [each for name, each in layer.named_modules() if name.endswith("shared_expert_gate")]
    return Mixture(experts, tuple(_memories_in(layer)), next(iter(gates), None))


def _read_layer(layer: nn.Module) -> Memory | Mixture | str:
    """A layer's memory, or why it has none that is known."""
    memories, mixtures = _memories_in(layer), _experts_in(layer)
    if len(mixtures) == 1:
        if mixtures[0].has_post_expert_norm:
            return "norms what each of its experts puts out"
        return _read_mixture(layer, mixtures[0])
    # Experts too have projections of known names, of which the router reads a few at a time.
    if any("expert" in name for name, _ in (*layer.named_modules(), *layer.named_parameters())):
        return "is a mixture of experts that transformers' experts interface does not run"
    if len(memories) != 1:
        return f"has {len(memories)} feed-forward networks of a known form"
    return memories[0]


def find_layers(model: PreTrainedModel) -> list[Memory | Mixture]:
    """The feed-forward memory of every layer of a decoder-only model, first layer first.

    Raises `ValueError` naming the architecture and what is supported when the model is an
    encoder-decoder, or (`NotMeasurableError`) has a layer without exactly one feed-forward network,
    or mixture of experts, of a known form.
    """
    decoder = find_decoder(model)
    count = decoder.config.num_hidden_layers
    lists = [part for part in decoder.modules() if isinstance(part, nn.ModuleList)]
    stack = next((layers for layers in lists if len(layers) == count), None)
    if stack is None:
        missing = f"no stack of {count} decoder layers was found"
        raise NotMeasurableError("knowledge", _refuse(model, missing))
    found = [_read_layer(layer) for layer in stack]
    for index, each in enumerate(found):
        if isinstance(each, str):
            raise NotMeasurableError("knowledge", _refuse(model, f"layer {index} {each}"))
    return found


def find_memories(model: PreTrainedModel) -> list[Memory]:
    """The one feed-forward network of every layer of a decoder-only model, first layer first.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=3, n_head=2))
    >>> [list(memory.vectors.shape) for memory in find_memories(model)]  # [neuron, width]
    [[32, 8], [32, 8], [32, 8]]

    Raises `ValueError` as `find_layers` does, and for a layer of experts, which can be measured but
    not changed.
    """
    layers = find_layers(model)
    for index, layer in enumerate(layers):
        if isinstance(layer, Mixture):
            only = "is a mixture of experts, which kent.profile measures and nothing changes"
            raise ValueError(_refuse(model, f"layer {index} {only}"))
    return layers
