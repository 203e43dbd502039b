"""Resuscitation while a model learns: before, it computes what it did (open question 2).

Algorithm 1 multiplies keys before learning, which changes what the model computes. Here its
multipliers act on how far keys move, or are folded in over the run; or learning is drawn towards an
even or an uneven use of the memory. All are callbacks of the Trainer.

Axes: neuron (keys of a layer).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, TrainerCallback
from transformers.modeling_utils import unwrap_model

from kent.change.resuscitation import Coefficients, check_method, find_multipliers
from kent.measure.copies import check_scalable, check_vectors, scale_rows
from kent.measure.memory import find_memories
from kent.records import hash_tensors
from kent.settings import Finite, Percent, Positive, checked

Multipliers = Sequence[Float[Tensor, " neuron"]]


class Gradual(TrainerCallback):
    """What acts on a model's memory while it learns."""

    def check(self, model: PreTrainedModel) -> None:
        """Raise `ValueError` for a model on which it cannot act, before any work."""
        find_memories(model)

    def describe(self) -> dict[str, object]:
        """What makes it this one, as JSON: its kind, and what its own kind adds."""
        return {"gradual": type(self).__name__}


class Scaled(Gradual):
    """One that has a multiplier for every neuron, one vector [m] a layer."""

    def __init__(self, multipliers: Multipliers):
        self.multipliers = multipliers

    def describe(self) -> dict[str, object]:
        """With the hash of the multipliers."""
        named = {str(layer): each for layer, each in enumerate(self.multipliers)}
        return super().describe() | {"multipliers": hash_tensors(named)}

    def check(self, model: PreTrainedModel) -> None:
        """Raise `ValueError` for keys that cannot be scaled, or of another number."""
        memories = find_memories(model)
        check_vectors(memories, self.multipliers, "multipliers")
        check_scalable(model, [memory.keys for memory in memories])

    def _pair(self, model) -> list[tuple[Tensor, Tensor]]:
        """What makes the keys, one a row, with the multiplier of each."""
        memories = zip(find_memories(unwrap_model(model)), self.multipliers, strict=True)
        return [(rows, factors) for memory, factors in memories for rows in memory.key_rows]


class Rates(Scaled):
    """Learning rates by neuron: an optimizer step moves keys so many times as far.

    After AdamW has made the gradients of all neurons alike; weight decay is part of the step.
    """

    def on_pre_optimizer_step(self, args, state, control, *, model, **kwargs) -> None:
        """Keep the keys as they are before the step."""
        self.before = [rows.detach().clone() for rows, _ in self._pair(model)]

    @torch.no_grad()
    def on_optimizer_step(self, args, state, control, *, model, **kwargs) -> None:
        """Stretch the step."""
        for (rows, factors), before in zip(self._pair(model), self.before, strict=True):
            moved = rows - before
            scale_rows(moved, factors)
            rows.copy_(before + moved)


class Folding(Scaled):
    """Algorithm 1 in small parts: after each of T steps keys are multiplied by the T-th root."""

    @torch.no_grad()
    def on_step_end(self, args, state, control, *, model, **kwargs) -> None:
        """Multiply, before the step is evaluated and saved."""
        for rows, factors in self._pair(model):
            scale_rows(rows, factors ** (1 / state.max_steps))


class Regulariser(Gradual):
    """Learning that lowers loss − `weight` × knowledge entropy of the batch, in nats both.

    A positive weight draws towards an even use of the memory, a negative one to an uneven one. The
    loss that the Trainer logs has the term too.
    """

    def __init__(self, weight: float):
        self.weight, self.entropies, self.hooks = weight, [], []

    def describe(self) -> dict[str, object]:
        """With the weight."""
        return super().describe() | {"weight": self.weight}

    def on_train_begin(self, args, state, control, *, model, **kwargs) -> None:
        """Watch the memory of every layer, and the loss."""
        model = unwrap_model(model)
        share = 1 / args.gradient_accumulation_steps

        def add(module, inputs, output):
            if self.entropies and output.get("loss") is not None:
                entropy = torch.stack(self.entropies).sum()
                output["loss"] = output["loss"] - self.weight * share * entropy
            self.entropies.clear()
            return output

        values = [memory.values for memory in find_memories(model)]
        self.hooks = [each.register_forward_pre_hook(self._measure) for each in values]
        self.hooks.append(model.register_forward_hook(add))

    def _measure(self, module, inputs) -> None:
        if module.training and torch.is_grad_enabled():
            mean = inputs[0].float().abs().flatten(0, -2).mean(0)
            self.entropies.append(torch.special.entr(mean / mean.sum()).sum())

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Watch no longer."""
        for hook in self.hooks:
            hook.remove()


@checked
def scale_rates(coefficients: Coefficients, *, p: Percent = 50, q: Positive = 1.0) -> Rates:
    """Learning rates by neuron, in inverse proportion to the mean coefficient of the rarely used.

    The multipliers of Algorithm 1 (`kent.change.resuscitation.find_multipliers`).
    """
    return Rates(find_multipliers(coefficients, p=p, q=q))


@checked
def fold_multipliers(coefficients: Coefficients, *, p: Percent = 50, q: Positive = 1.0) -> Folding:
    """The multipliers of Algorithm 1, folded in over the run."""
    return Folding(find_multipliers(coefficients, p=p, q=q))


@checked
def regularise(coefficients: Coefficients, *, weight: Finite) -> Regulariser:
    """An entropy term in the loss; it needs no coefficients measured before."""
    return Regulariser(weight)


GRADUAL: Mapping[str, Callable[..., Gradual]] = {
    "rates": scale_rates,
    "fold": fold_multipliers,
    "entropy": regularise,
}
"""Ways of resuscitation while a model learns, by name."""


@checked
def make_gradual(coefficients: Coefficients, *, method: str, **settings: object) -> Gradual:
    """One of `GRADUAL`; `ValueError` for another method, or for settings that it does not take."""
    check_method(method, GRADUAL, **settings)
    return GRADUAL[method](coefficients, **settings)
