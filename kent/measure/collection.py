"""A profile from the means of a pass.

Axes: block (neighbouring instances), neuron (memory vectors of a layer); a vector "_" has one
number per neuron of its layer, or per expert.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from kent.errors import NotFiniteError
from kent.measure.blocks import BlockMeans
from kent.measure.copies import is_plain
from kent.measure.masks import find_exact
from kent.measure.memory import Memory, Mixture
from kent.measure.profiles import Profile


def measure_norms(
    model: PreTrainedModel, layers: Sequence[Memory | Mixture]
) -> list[Float[Tensor, " neuron"]] | None:
    """Each memory vector's norm.

    None where some are not the rows of a weight of their own, or are kept elsewhere.
    """
    exact, norms = find_exact(model.dtype), []
    for layer in layers:
        memories = layer.shared if isinstance(layer, Mixture) else [layer]
        if isinstance(layer, Mixture) and layer.routed.is_meta:
            return None
        if not all(is_plain(memory.values) for memory in memories):
            return None
        vectors = [layer.routed] if isinstance(layer, Mixture) else []
        vectors += [memory.vectors for memory in memories]
        parts = [each.norm(dim=-1, dtype=exact).flatten() for each in vectors]
        norms.append(torch.cat(parts).double().cpu())
    return norms


def collect(
    means: dict[tuple[str, int], BlockMeans],
    layers: Sequence[Memory | Mixture] | None,
    norms: list[Tensor] | None,
    provenance: dict,
) -> Profile:
    """A profile from the block means.

    What is not finite is refused here, while the layer it comes from is still known.
    """
    blocks: dict[str, list[Tensor]] = {"coefficients": [], "attention": [], "token": [], "loss": []}
    routing: dict[int, Tensor] = {}
    for name, layer in sorted(means):
        values = means[name, layer].means()
        if not values.isfinite().all():
            layered = name in ("coefficients", "attention", "routing")
            raise NotFiniteError(f"{name} of layer {layer}" if layered else name)
        if name == "routing":
            routing[layer] = values
        else:
            blocks[name].append(values)
    return Profile(
        sizes=next(iter(means.values())).sizes,
        coefficient_blocks=blocks["coefficients"] or None,
        vector_norms=norms,
        routing_blocks=_fill_routing(blocks["coefficients"], routing),
        expert_sizes=[each.sizes for each in layers] if routing else None,
        attention_blocks=torch.stack(blocks["attention"], dim=1) if blocks["attention"] else None,
        token_blocks=next(iter(blocks["token"]), None),
        loss_blocks=next(iter(blocks["loss"]), None),
        provenance=provenance,
    )


def _fill_routing(
    coefficients: list[Tensor], routing: dict[int, Tensor]
) -> list[Float[Tensor, "block _"]] | None:
    """Every layer's mean routing weights; one without experts is a single one, always chosen."""
    single = [each.new_ones(len(each), 1) for each in coefficients]
    return [routing.get(at, each) for at, each in enumerate(single)] if routing else None
