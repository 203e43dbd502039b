"""Where an architecture keeps its feed-forward memory: gates, keys and values (section 2).

The one file that knows names inside the layers of Hugging Face models. A layer's feed-forward
network is found by the names of its projections, so a new model that is built like Llama needs no
line here. Experts are found by what transformers' experts interface makes of them, whatever their
names.

Axes: neuron (memory vectors of a layer, and their keys), width (numbers in a hidden state).
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from kent.measure.decoders import find_decoder, refuse
from kent.measure.limits import NotMeasurableError


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
        raise NotMeasurableError("knowledge", refuse(model, missing))
    found = [_read_layer(layer) for layer in stack]
    for index, each in enumerate(found):
        if isinstance(each, str):
            raise NotMeasurableError("knowledge", refuse(model, f"layer {index} {each}"))
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
            raise ValueError(refuse(model, f"layer {index} {only}"))
    return layers
