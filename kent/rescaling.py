"""Knowledge entropy moved at will without changing what a gated model computes: keys scaled up, memory vectors down."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from kent.memory import Memory, check_scalable, check_vectors, find_memories, scale_rows


def _check_factors(model: PreTrainedModel, memories: Sequence[Memory], factors: Sequence[Tensor]) -> None:
    if any(memory.gate is None for memory in memories):
        raise ValueError(f"{type(model).__name__} is plain: an activation follows its keys, so that scaling them "
                         "changes the function; only gated models are accepted")  # fmt: skip
    check_vectors(memories, factors, "factors")
    for layer, factor in enumerate(factors):
        single = factor.float()
        if not ((single > 0) & single.isfinite() & single.reciprocal().isfinite()).all():
            raise ValueError(f"factors of layer {layer} must be positive and finite, as their reciprocals")
    check_scalable(model, [part for memory in memories for part in (memory.keys, memory.values)])


@torch.no_grad()
def rescale(model: PreTrainedModel, factors: Sequence[Float[Tensor, "..."]]) -> PreTrainedModel:
    """A copy of a gated model that computes the same with other coefficients (not in the paper).

    `factors` holds one tensor [m] per layer: key i (a row of the up-projection, with its bias) is multiplied by factor
    i and memory vector i divided by it, so that coefficient i is multiplied by it and coefficient × norm of the memory
    vector stays. The gate is untouched: the function is the same up to rounding, which in a precision below float32
    shows. (Not in a network that normalises between coefficients and values, as BitNet's does.)

    Raises `ValueError` for a plain model, whose activation follows the keys, for a wrong number of layers or neurons,
    for a factor that is not positive and finite, and for a projection that layers share or that is quantised.
    """
    _check_factors(model, find_memories(model), factors)
    changed = copy.deepcopy(model)
    for memory, factor in zip(find_memories(changed), factors, strict=True):
        factor = factor.to(torch.promote_types(memory.vectors.dtype, torch.float32))
        for rows in memory.key_rows:
            scale_rows(rows, factor)
        scale_rows(memory.vectors, 1 / factor)
    return changed
