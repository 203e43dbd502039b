"""Mixtures of experts, read while the model computes with them, one expert at a time.

The output of such a layer is Σₑ gₑ Σᵢ aₑᵢ·vₑᵢ: its memory is the vectors of all experts together,
and the magnitude of gₑ·aₑᵢ is a coefficient, 0 where the router did not choose the expert. That
definition is this package's; the paper has no experts.

Axes: instance, token (positions of all instances, in one row), choice (experts that a token is
given to), row (tokens of one expert), expert, neuron (memory vectors of an expert), width.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

from kent.measure.limits import NotMeasurableError
from kent.measure.masks import average_positions, find_exact, read_mask
from kent.measure.memory import Memory, Mixture
from kent.measure.streaming import Batch

NAME = "kent_experts"

Hear = Callable[[int, Tensor, Tensor], None]
"""Given an expert, its tokens [row] and their coefficients [row, neuron], with signs."""
Listener = Callable[[nn.Module, Tensor, Tensor], AbstractContextManager[Hear]]
"""Given the experts' module, the choices and their weights [token, choice]."""
_listener: ContextVar[Listener | None] = ContextVar("experts", default=None)


def _project(module: nn.Module, name: str, expert: int, states: Tensor) -> Tensor:
    """By one expert's part of a weight and, where the module has one, its bias."""
    weight = getattr(module, name)[expert]
    bias = getattr(module, f"{name}_bias")[expert] if module.has_bias else None
    return linear(states, weight.T if module.is_transposed else weight, bias)


def read_experts(
    module: nn.Module,
    hidden_states: Float[Tensor, "token width"],
    top_k_index: Int[Tensor, "token choice"],
    top_k_weights: Float[Tensor, "token choice"],
) -> Float[Tensor, "token width"]:
    """The sum of what each token's experts put out, times their weights; the listener hears them.

    An experts function of transformers (its documentation: ExpertsInterface). An index beyond the
    experts chooses none.
    """
    keys = "gate_up_proj" if module.has_gate else "up_proj"
    activate = module._apply_gate if module.has_gate else module.act_fn
    output, experts = torch.zeros_like(hidden_states), len(module.down_proj)
    chosen, choices = top_k_index.flatten(), top_k_index.shape[1]
    counts = chosen.bincount(minlength=experts)[:experts].tolist()
    # Sorted by expert, and within one by token: those of no expert come last and are dropped.
    rows = chosen.argsort(stable=True)[: sum(counts)].split(counts)
    with _listener.get()(module, top_k_index, top_k_weights) as hear:
        for expert in [expert for expert, count in enumerate(counts) if count]:
            tokens, weights = rows[expert] // choices, top_k_weights.flatten()[rows[expert], None]
            inner = activate(_project(module, keys, expert, hidden_states[tokens]))
            hear(expert, tokens, inner * weights)
            added = _project(module, "down_proj", expert, inner) * weights
            output.index_add_(0, tokens, added.to(output.dtype))
    return output


ALL_EXPERTS_FUNCTIONS.register(NAME, read_experts)


@contextmanager
def listen(mixtures: Iterable[Mixture], listener: Listener) -> Iterator[None]:
    """Within the block the mixtures' experts are run by `read_experts`, after it as before."""
    configs = {id(mixture.experts.config): mixture.experts.config for mixture in mixtures}
    before = {name: config._experts_implementation for name, config in configs.items()}
    token = _listener.set(listener)
    try:
        for config in configs.values():
            config._experts_implementation = NAME
        yield
    finally:
        _listener.reset(token)
        for name, config in configs.items():
            config._experts_implementation = before[name]


class Reading:
    """One mixture's coefficients over a batch: the parts of its experts until all have come in."""

    def __init__(self, mixture: Mixture, batch: Batch, layer: int):
        self.mixture, self.batch, self.layer = mixture, batch, layer
        self.parts: dict[int, Tensor] = {}

    def _put(self, place: int, means: Float[Tensor, "instance neuron"]) -> None:
        if place in self.parts:
            raise NotMeasurableError("knowledge", f"layer {self.layer} reads an expert twice")
        self.parts[place] = means
        if len(self.parts) == 1 + len(self.mixture.shared):
            parts = [self.parts[each] for each in sorted(self.parts)]
            self.batch.keep("coefficients", self.layer, torch.cat(parts, dim=1))
            self.parts = {}

    @contextmanager
    def gather(
        self, index: Int[Tensor, "token choice"], weights: Float[Tensor, "token choice"]
    ) -> Iterator[Hear]:
        """What is heard within the block is added up over each instance's counted tokens."""
        self.batch.check_positions(self.layer, len(index))
        tokens, mask = self.batch.tokens, self.batch.counted
        counted = read_mask(tokens, mask).to(weights.device)
        experts, neurons, _ = self.mixture.routed.shape
        exact = find_exact(weights.dtype)
        sums = torch.zeros(experts, len(tokens), neurons, dtype=exact, device=weights.device)

        def hear(expert: int, rows: Tensor, coefficients: Tensor) -> None:
            if mask is not None:
                kept = counted.flatten()[rows]
                rows, coefficients = rows[kept], coefficients[kept]
            sums[expert].index_add_(0, rows // tokens.shape[1], coefficients.abs().to(exact))

        yield hear
        means = sums.transpose(0, 1) / counted.sum(dim=1).view(-1, 1, 1)
        self.batch.keep("routing", self.layer, self._average_choices(index, weights, experts))
        self._put(0, means.flatten(1))

    def _average_choices(
        self, index: Tensor, weights: Tensor, experts: int
    ) -> Float[Tensor, "instance expert"]:
        """Mean weight of each expert over each instance's counted tokens, 0 where not chosen."""
        scores = weights.new_zeros(len(index), max(experts, int(index.max()) + 1))
        scores = scores.scatter_add_(1, index, weights.abs())[:, :experts]
        return average_positions(scores.view(*self.batch.tokens.shape, -1), self.batch.counted)

    def hook_shared(self) -> list[RemovableHandle]:
        """Hooks on the networks that every token reads."""
        shared = enumerate(self.mixture.shared, start=1)
        return [handle for place, memory in shared for handle in self._hook(place, memory)]

    def _hook(self, place: int, memory: Memory) -> list[RemovableHandle]:
        gate, weights = self.mixture.gate, []

        def weigh(_, inputs: tuple[Tensor, ...]) -> None:
            weights[:] = [] if gate is None else [gate(inputs[0]).sigmoid()]

        def keep(_, inputs: tuple[Tensor, ...]) -> None:
            coefficients = inputs[0] * weights[0] if weights else inputs[0]
            self._put(place, self.batch.average(self.layer, coefficients))

        return [
            memory.keys.register_forward_pre_hook(weigh),
            memory.values.register_forward_pre_hook(keep),
        ]


@contextmanager
def watch_mixtures(layers: Sequence[Memory | Mixture], batch: Batch) -> Iterator[None]:
    """Within the block `batch` is given every mixture's coefficients and mean routing weights.

    Hooks and the experts' function go after it, also on an exception.
    """
    mixtures = {at: layer for at, layer in enumerate(layers) if isinstance(layer, Mixture)}
    readings = {each.experts: Reading(each, batch, at) for at, each in mixtures.items()}
    with ExitStack() as stack:
        for reading in readings.values():
            for handle in reading.hook_shared():
                stack.callback(handle.remove)
        heard = listen(
            mixtures.values(), lambda module, *choices: readings[module].gather(*choices)
        )
        stack.enter_context(heard)
        yield
