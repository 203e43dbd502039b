"""Knowledge entropy moved at will without changing what a gated model computes: keys scaled up, memory vectors down."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from kent.memory import Memory, find_memories


def _check_factors(model: PreTrainedModel, memories: Sequence[Memory], factors: Sequence[Tensor]) -> None:
    if any(memory.gate is None for memory in memories):
        raise ValueError(f"{type(model).__name__} is plain: an activation follows its keys, so that scaling them "
                         "changes the function; only gated models are accepted")  # fmt: skip
    if len(factors) != len(memories):
        raise ValueError(f"factors for {len(factors)} layers: the model has {len(memories)}")
    for layer, (memory, factor) in enumerate(zip(memories, factors, strict=True)):
        neurons = len(memory.vectors)
        if factor.shape != (neurons,):
            raise ValueError(f"factors of layer {layer} have shape {[*factor.shape]}, not [{neurons}]")
        single = factor.float()
        if not ((single > 0) & single.isfinite() & single.reciprocal().isfinite()).all():
            raise ValueError(f"factors of layer {layer} must be positive and finite, as their reciprocals")


def _scale(rows: Float[Tensor, "neuron ..."], factor: Float[Tensor, " neuron"]) -> None:
    """Multiply each row in place, worked out in the factors' precision."""
    rows.copy_(rows.to(factor.dtype) * factor.view(-1, *[1] * (rows.ndim - 1)))


@torch.no_grad()
def rescale(model: PreTrainedModel, factors: Sequence[Float[Tensor, "..."]]) -> PreTrainedModel:
    """A copy of a gated model that computes the same with other coefficients (not in the paper).

    `factors` holds one tensor [m] per layer: key i (a row of the up-projection, with its bias) is multiplied by factor
    i and memory vector i divided by it, so that coefficient i is multiplied by it and coefficient × norm of the memory
    vector stays. The gate is untouched: the function is the same up to rounding, which in a precision below float32
    shows. (Not in a network that normalises between coefficients and values, as BitNet's does.)

    Raises `ValueError` for a plain model, whose activation follows the keys, for a wrong number of layers or neurons,
    and for a factor that is not positive and finite.
    """
    _check_factors(model, find_memories(model), factors)
    changed = copy.deepcopy(model)
    for memory, factor in zip(find_memories(changed), factors, strict=True):
        vectors = memory.vectors
        factor = factor.to(vectors.device, torch.promote_types(vectors.dtype, torch.float32))
        for keys in (memory.keys.weight, memory.keys.bias):
            if keys is not None:
                _scale(keys[-len(factor) :], factor)
        _scale(vectors, 1 / factor)
    return changed
