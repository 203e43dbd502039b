"""Where an architecture keeps its feed-forward memory: gates, keys and values (section 2 of the paper).

The one file that knows names inside Hugging Face models. A layer's feed-forward network is found by the names of its
projections, so a new model that is built like Llama needs no line here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

SUPPORTED = (
    "OLMo, OLMo 2, OLMo 3, Llama, Mistral, Qwen2, Qwen3, Gemma 2, Gemma 3, Phi-3, SmolLM3 and others with "
    "gate_proj/up_proj/down_proj or gate_up_proj/down_proj; GPT-NeoX (Pythia), GPT-2, OPT"
)


@dataclass(frozen=True)
class Memory:
    """One layer's key-value memory.

    The input of `values` is the layer's memory coefficients (before the absolute value). `keys` is the up-projection of
    a gated network or the only first projection of a plain one; `gate` is None for a plain one. With `fused`, `keys`
    and `gate` are one module whose output is the gate's half followed by the keys' half.
    """

    values: nn.Module
    keys: nn.Module
    gate: nn.Module | None = None

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
        """What makes the keys, one a row: views of their weight [neuron, width] and, where they have one, bias."""
        weight = self.keys.weight.T if isinstance(self.keys, Conv1D) else self.keys.weight
        return [rows[-len(self.vectors) :] for rows in (weight, self.keys.bias) if rows is not None]


_LAYOUTS = (
    {"values": "down_proj", "keys": "up_proj", "gate": "gate_proj"},
    {"values": "down_proj", "keys": "gate_up_proj", "gate": "gate_up_proj"},
    {"values": "dense_4h_to_h", "keys": "dense_h_to_4h"},
    {"values": "c_proj", "keys": "c_fc"},
    {"values": "fc2", "keys": "fc1"},
)


def _memories_in(layer: nn.Module) -> list[Memory]:
    found = []
    for module in layer.modules():
        for layout in _LAYOUTS:
            parts = {role: getattr(module, name, None) for role, name in layout.items()}
            if all(isinstance(part, nn.Module) for part in parts.values()):
                found.append(Memory(**parts))
    return found


def find_memories(model: PreTrainedModel) -> list[Memory]:
    """The feed-forward memory of every layer of a decoder-only model, first layer first.

    Raises `ValueError` naming the architecture and what is supported when the model is an encoder-decoder, has experts,
    or has a layer without exactly one feed-forward network of a known form.
    """
    refusal = f"{type(model).__name__} is not supported: {{}}. Supported: {SUPPORTED}."
    if getattr(model.config, "is_encoder_decoder", False):
        raise ValueError(refusal.format("it is an encoder-decoder"))
    decoder = model.get_decoder()
    count = decoder.config.num_hidden_layers
    stacks = [part for part in decoder.modules() if isinstance(part, nn.ModuleList) and len(part) == count]
    if not stacks:
        raise ValueError(refusal.format(f"no stack of {count} decoder layers was found"))
    memories = []
    for index, layer in enumerate(stacks[0]):
        if any("expert" in name for name, _ in (*layer.named_modules(), *layer.named_parameters())):
            raise ValueError(refusal.format(f"layer {index} is a mixture of experts"))
        found = _memories_in(layer)
        if len(found) != 1:
            raise ValueError(refusal.format(f"layer {index} has {len(found)} feed-forward networks of a known form"))
        memories += found
    return memories


def check_vectors(memories: Sequence[Memory], vectors: Sequence[Tensor], noun: str) -> None:
    """Raise `ValueError` unless there is one vector [m] per layer; `noun` says what they are."""
    if len(vectors) != len(memories):
        raise ValueError(f"{noun} for {len(vectors)} layers: the model has {len(memories)}")
    for layer, (memory, vector) in enumerate(zip(memories, vectors, strict=True)):
        if vector.shape != (len(memory.vectors),):
            raise ValueError(f"{noun} of layer {layer} have shape {[*vector.shape]}, not [{len(memory.vectors)}]")


def check_scalable(model: PreTrainedModel, projections: Sequence[nn.Module]) -> None:
    """Raise `ValueError` where scaling these projections would reach further than to them, or where they are packed.

    A parameter that has two names in the model (a projection that two layers share) is refused, and one that is not
    stored in floating point (a quantised one).
    """
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    for parameter in (parameter for projection in projections for parameter in projection.parameters()):
        if len(names[parameter]) > 1:
            raise ValueError(f"{' and '.join(names[parameter])} are one parameter: only projections that nothing "
                             "else shares can be scaled")  # fmt: skip
        if not parameter.is_floating_point():
            raise ValueError(f"{names[parameter][0]} is stored as {parameter.dtype}: only floating-point weights can "
                             "be scaled, so load the model without quantisation")  # fmt: skip


def scale_rows(rows: Float[Tensor, "neuron ..."], factors: Float[Tensor, " neuron"]) -> None:
    """Multiply each row in place, worked out in float32 at least and rounded once.

    Raises `ValueError` where a product has no place in the rows' precision (float16 ends at 65,504).
    """
    factors = factors.to(rows.device, torch.promote_types(rows.dtype, torch.float32))
    rows.copy_(rows.to(factors.dtype) * factors.view(-1, *[1] * (rows.ndim - 1)))
    if not rows.isfinite().all():
        raise ValueError(f"a scaled weight is not a finite {rows.dtype}: scale a model in float32 or bfloat16")
