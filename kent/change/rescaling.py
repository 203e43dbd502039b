"""Knowledge entropy moved at will without changing what a gated model computes.

A gated network puts out Σᵢ cᵢ·vᵢ with cᵢ = σ(gᵢ·x)·(kᵢ·x): a key multiplied by s and its memory
vector divided by s leave every product as it is, and multiply its coefficient by s. So what
knowledge entropy measures is in part a choice of units; a control by which a change of entropy can
be told from one of the function.

Axes: m, the neurons of a layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from kent.measure.copies import check_scalable, check_vectors, copy_model, scale_rows
from kent.measure.decoders import Model, draw_tokens, find_decoder
from kent.measure.memory import Memory, find_memories
from kent.measure.streaming import Batch, find_deviation, freeze
from kent.precision import keep_precision
from kent.settings import Array, checked


def _check_factors(
    model: PreTrainedModel, memories: Sequence[Memory], factors: Sequence[Tensor]
) -> None:
    if any(memory.gate is None for memory in memories):
        raise ValueError(
            f"{type(model).__name__} is plain: an activation follows its keys, so that scaling "
            "them changes the function; only gated models are accepted"
        )
    check_vectors(memories, factors, "factors")
    for layer, factor in enumerate(factors):
        single = factor.float()
        if not ((single > 0) & single.isfinite() & single.reciprocal().isfinite()).all():
            wrong = f"factors of layer {layer} must be positive and finite"
            raise ValueError(f"{wrong}, as their reciprocals")


def _list_projections(memories: Sequence[Memory]) -> list[nn.Module]:
    return [part for memory in memories for part in (memory.keys, memory.values)]


def _check_function(model: PreTrainedModel, changed: PreTrainedModel) -> None:
    """Raise `ValueError` where a network does more with coefficients than to read its memory."""
    states = []
    for each in (model, changed):
        with freeze(each):
            states.append(Batch(draw_tokens(each), None).run(find_decoder(each)))
    if deviation := find_deviation(states[1], states[0]):
        raise ValueError(
            f"rescaled, {type(model).__name__} would compute something else (its last hidden "
            f"states move by {deviation:.1g} of their size): are coefficients normalised before "
            "use?"
        )


@checked
@keep_precision()
@torch.no_grad()
def rescale(model: Model, factors: Sequence[Array]) -> PreTrainedModel:
    """A copy of a gated model that computes the same with other coefficients (not in the paper).

    `factors` holds one tensor [m] per layer: key i (a row of the up-projection, with its bias) is
    multiplied by factor i and memory vector i divided by it, so that coefficient i is multiplied by
    it and coefficient × norm of the memory vector stays. The gate is untouched: the function is the
    same up to rounding, which in a precision below float32 shows.

    Raises `ValueError` for a plain model, whose activation follows the keys, and for a network that
    normalises between coefficients and values (BitNet's), for a wrong number of layers or neurons,
    for a factor that is not positive and finite, for a projection that layers share, that is
    quantised or is not what its weight says (under an adapter, pruned), and for a model whose copy
    would not be whole (offloaded).
    """
    memories = find_memories(model)
    _check_factors(model, memories, factors)
    check_scalable(model, _list_projections(memories))
    changed = copy_model(model)
    memories = find_memories(changed)
    for memory, factor in zip(memories, factors, strict=True):
        factor = factor.to(torch.promote_types(memory.vectors.dtype, torch.float32))
        for rows in memory.key_rows:
            scale_rows(rows, factor)
        scale_rows(memory.vectors, 1 / factor)
    check_scalable(changed, _list_projections(memories))  # what was changed is what computes
    _check_function(model, changed)
    return changed
