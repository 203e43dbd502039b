"""Where an architecture keeps its feed-forward memory: gates, keys and values (section 2).

The one file that knows names inside Hugging Face models. A layer's feed-forward network is found by
the names of its projections, so a new model that is built like Llama needs no line here.

Axes: neuron (memory vectors of a layer, and their keys), width (numbers in a hidden state).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import BeforeValidator
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

SUPPORTED = (
    "OLMo, OLMo 2, OLMo 3, Llama, Mistral, Qwen2, Qwen3, Gemma 2, Gemma 3, Phi-3, SmolLM3 and "
    "others with gate_proj/up_proj/down_proj or gate_up_proj/down_proj; GPT-NeoX (Pythia), GPT-2, "
    "OPT"
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
    return [*dict.fromkeys(found)]  # what torch.compile wraps answers to its names as well


def _refuse(model: PreTrainedModel, reason: str) -> ValueError:
    kind = type(model).__name__
    return ValueError(f"{kind} is not supported: {reason}. Supported: {SUPPORTED}.")


def find_decoder(model: PreTrainedModel) -> PreTrainedModel:
    """The part of a model that makes the last hidden states.

    Raises `ValueError` where transformers does not know it.
    """
    decoder = model.get_decoder()
    if not isinstance(decoder, PreTrainedModel):
        raise _refuse(model, "its decoder was not found")
    return decoder


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


def find_memories(model: PreTrainedModel) -> list[Memory]:
    """The feed-forward memory of every layer of a decoder-only model, first layer first.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=3, n_head=2))
    >>> [list(memory.vectors.shape) for memory in find_memories(model)]  # [neuron, width]
    [[32, 8], [32, 8], [32, 8]]

    Raises `ValueError` naming the architecture and what is supported when the model is an
    encoder-decoder, has experts, or has a layer without exactly one feed-forward network of a known
    form.
    """
    if getattr(model.config, "is_encoder_decoder", False):
        raise _refuse(model, "it is an encoder-decoder")
    decoder = find_decoder(model)
    count = decoder.config.num_hidden_layers
    lists = [part for part in decoder.modules() if isinstance(part, nn.ModuleList)]
    stack = next((layers for layers in lists if len(layers) == count), None)
    if stack is None:
        raise _refuse(model, f"no stack of {count} decoder layers was found")
    memories = []
    for index, layer in enumerate(stack):
        # Experts too have projections of known names, of which the router reads a few at a time.
        if any("expert" in name for name, _ in (*layer.named_modules(), *layer.named_parameters())):
            raise _refuse(model, f"layer {index} is a mixture of experts")
        found = _memories_in(layer)
        if len(found) != 1:
            networks = f"{len(found)} feed-forward networks of a known form"
            raise _refuse(model, f"layer {index} has {networks}")
        memories += found
    return memories
