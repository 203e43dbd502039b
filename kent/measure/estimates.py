"""The means of a pass; from them each measure by layer, and what two passes differ by.

Axes: block (neighbouring instances), layer; a vector "_" has one number per neuron of its layer,
or per expert.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kent.measure.blocks import average, jackknife
from kent.measure.entropy import MEASURES, measure_entropy, measure_layers

SOURCES = {
    "knowledge": "coefficient_blocks",
    "contribution": "vector_norms",
    "routing": "routing_blocks",
    "attention": "attention_blocks",
    "token": "token_blocks",
    "loss": "loss_blocks",
    **dict.fromkeys(MEASURES, "coefficient_blocks"),
}
"""Every measure, and the field of a profile without which it was not measured."""
OF_VECTORS = {
    **dict.fromkeys(("knowledge", "contribution", "routing"), measure_entropy),
    **MEASURES,
}
"""Those that are worked out from a vector of means by layer; all others are means themselves."""

Sizes = Int[Tensor, " block"]
Layers = Float[Tensor, " layer"]
Blocks = list[Float[Tensor, "block _"]]


@dataclass(frozen=True)
class Means:
    """The means of a pass over blocks of neighbouring instances: see `kent.measure.profiles`."""

    sizes: Sizes
    coefficient_blocks: Blocks | None = None
    vector_norms: list[Float[Tensor, " _"]] | None = None
    attention_blocks: Float[Tensor, "block layer"] | None = None
    token_blocks: Float[Tensor, " block"] | None = None
    loss_blocks: Float[Tensor, " block"] | None = None
    routing_blocks: Blocks | None = None
    expert_sizes: list[list[int]] | None = None
    provenance: dict = field(default_factory=dict)


def average_layers(blocks: Blocks, sizes: Sizes) -> list[Float[Tensor, " _"]]:
    """Every layer's mean over instances, with blocks of these sizes."""
    return [average(each, sizes) for each in blocks]


def estimate_layers(means: Means, measure: str, sizes: Sizes) -> Layers:
    """A measure by layer (one value where it has no layers), with blocks of these sizes.

    Raises `ValueError` for one that was not measured.
    """
    blocks = getattr(means, SOURCES.get(measure, ""), None)
    if blocks is None:
        accepted = ", ".join(SOURCES)
        raise ValueError(f"{measure!r} was not measured; accepted where measured: {accepted}")
    if measure not in OF_VECTORS:
        return average(blocks, sizes).reshape(-1)
    if measure == "contribution":
        pairs = zip(average_layers(means.coefficient_blocks, sizes), blocks, strict=True)
        return measure_layers([each * norms for each, norms in pairs], measure_entropy)
    return measure_layers(average_layers(blocks, sizes), OF_VECTORS[measure])


def subtract(later: Means, earlier: Means, measure: str) -> tuple[Layers, Callable]:
    """The layers' differences, and what gives the standard error of a function of them.

    Raises `ValueError` where the two cannot be compared.
    """
    check_comparable(later, earlier, measure)

    def find(sizes: Tensor) -> Tensor:
        found = (estimate_layers(each, measure, sizes) for each in (later, earlier))
        return torch.sub(*found)

    # One block is left out of both at a time: on the same text their errors go together.
    return find(later.sizes), lambda gather: jackknife(
        lambda sizes: gather(find(sizes)), later.sizes
    )


def check_comparable(later: Means, earlier: Means, measure: str) -> None:
    """Raise `ValueError` for what differs; the text only where both say what it was."""
    if not torch.equal(later.sizes, earlier.sizes):
        raise ValueError("the two profiles measured different numbers of sequences")
    alike = {"length": "sequences of another length", "tokens": "other masks"}
    alike |= {"text": "other tokens"}
    if measure in OF_VECTORS:
        alike |= {"activation": "another activation", "skip": "other tokens left out"}
    for key, other in alike.items():
        first, second = (each.provenance.get(key) for each in (earlier, later))
        if None not in (first, second) and first != second:
            raise ValueError(f"the two profiles measured {other}: {key} {first} and {second}")
    first, second = (_count_values(each, measure) for each in (earlier, later))
    if first != second:
        sizes = f"layers of {first} and {second} values"
        raise ValueError(f"the two profiles measured models of another size: {sizes}")


def _count_values(means: Means, measure: str) -> list[int]:
    """How many values each layer has; of what is one value a layer, just that."""
    blocks = means.routing_blocks if measure == "routing" else means.coefficient_blocks
    if measure in OF_VECTORS and blocks is not None:
        return [each.shape[1] for each in blocks]
    return [1] * len(estimate_layers(means, measure, means.sizes))
