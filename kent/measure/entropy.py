"""Entropy of memory coefficients, and the field's other measures of how concentrated a vector is.
Pure maths."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor

from kent.settings import Array, NotNegative, checked

DORMANT = 0.025


@checked
def normalize(coefficients: Array) -> Float[Tensor, "*batch neuron"]:
    """Divide non-negative coefficients by their sum: the distribution over memory vectors (section
    3.1), in float64.

    Raises `ValueError` for a vector that is empty, all zero, negative somewhere or not finite.
    """
    return _divide(coefficients)


def _divide(coefficients: Tensor) -> Float[Tensor, "*batch neuron"]:
    if coefficients.ndim == 0 or coefficients.is_complex():
        raise ValueError(f"coefficients must be rows of real numbers, not {coefficients.dtype} "
                         f"{[*coefficients.shape]}")  # fmt: skip
    values = coefficients.double()
    if values.shape[-1] == 0 or not torch.isfinite(values).all():
        raise ValueError("coefficients must be finite numbers and at least one per layer")
    if (values < 0).any():
        raise ValueError("coefficients must not be negative: pass mean absolute activations")
    total = values.sum(dim=-1, keepdim=True)
    if (total == 0).any():
        raise ValueError("coefficients are all zero: their distribution is not defined")
    return values / total


def measure_entropy(coefficients: Shaped[Tensor, "*batch neuron"]) -> Float[Tensor, "*batch"]:
    """Shannon entropy in nats of the normalised coefficients; 0·ln 0 counts as 0. Between 0 and
    ln(neurons)."""
    return torch.special.entr(normalize(coefficients)).sum(dim=-1)


def _share(coefficients: Tensor) -> Float[Tensor, " neuron"]:
    """The distribution of one row of coefficients; `ValueError` for anything else."""
    if coefficients.ndim != 1:
        raise ValueError(
            f"coefficients must be a row of numbers, not of shape {[*coefficients.shape]}"
        )
    return _divide(coefficients)


@checked
def knowledge_entropy_by_layer(coefficients: Sequence[Array]) -> Float[Tensor, " layer"]:
    """H(θˡ) of each layer's mean coefficients, in nats (section 3.1).

    Raises `ValueError` naming the first layer whose coefficients have no distribution (see
    `normalize`).
    """
    if len(coefficients) == 0:
        raise ValueError("no coefficients: knowledge entropy needs at least one layer")
    return measure_layers(coefficients, measure_entropy)


def measure_layers(
    coefficients: Sequence[Tensor], measure: Callable[[Tensor], Tensor | float]
) -> Float[Tensor, " layer"]:
    """A measure of each layer's mean coefficients, in float64; `ValueError` names the layer that
    has none."""
    values = []
    for layer, vector in enumerate(coefficients):
        try:
            if vector.ndim != 1:
                raise ValueError(
                    f"coefficients must be a row of numbers, not of shape {[*vector.shape]}"
                )
            values.append(float(measure(vector)))
        except ValueError as error:
            raise ValueError(f"layer {layer}: {error}") from None
    return torch.tensor(values, dtype=torch.float64, device="cpu")


@checked
def knowledge_entropy(coefficients: Sequence[Array]) -> float:
    """Knowledge entropy H(θ) = Σₗ H(θˡ) in nats (section 3.1) of mean coefficients, one vector [m]
    per layer.

    At most Σₗ ln mₗ, reached when every memory vector is used alike. Raises `ValueError` naming a
    layer whose coefficients are all zero, negative or not finite.
    """
    return knowledge_entropy_by_layer(coefficients).sum().item()


@checked
def entropy_bound(coefficients: Sequence[Array]) -> float:
    """Upper bound Σₗ ln mₗ of the knowledge entropy, in nats. Raises `ValueError` for no layer or
    an empty one."""
    if len(coefficients) == 0 or any(
        vector.ndim != 1 or len(vector) == 0 for vector in coefficients
    ):
        raise ValueError("coefficients must be a row of at least one number for each layer")
    return sum(math.log(len(vector)) for vector in coefficients)


@checked
def effective_number(coefficients: Array) -> float:
    """exp(H): how many equally used memory vectors have the same entropy (Hill number of order 1; 1
    to m)."""
    return torch.special.entr(_share(coefficients)).sum().exp().item()


@checked
def participation_ratio(coefficients: Array) -> float:
    """1 / Σ p²: effective number that weighs large coefficients more (Hill number of order 2; 1 to
    m)."""
    return 1 / _share(coefficients).square().sum().item()


@checked
def gini(coefficients: Array) -> float:
    """Gini coefficient: 0 when all are equal, (m - 1)/m when one has everything."""
    share = _share(coefficients).sort().values
    rank = torch.arange(1, len(share) + 1, dtype=share.dtype, device=share.device)
    return (2 * (rank * share).sum().item() - len(share) - 1) / len(share)


@checked
def top_share(coefficients: Array, percent: Annotated[float, Field(gt=0, le=100)]) -> float:
    """Share of the sum held by the largest `percent` % of neurons, at least one neuron."""
    share = _share(coefficients)
    return share.topk(max(1, round(len(share) * percent / 100))).values.sum().item()


@checked
def dormant_fraction(coefficients: Array, threshold: NotNegative = DORMANT) -> float:
    """Fraction of neurons whose coefficient is at most `threshold` times the layer's mean.

    The τ-dormant neurons of Sokar et al. 2023 (ReDo), whose τ = 0.025 is the default.
    """
    share = _share(coefficients)
    return (share * len(share) <= threshold).double().mean().item()


MEASURES = {
    "effective number": effective_number,
    "participation ratio": participation_ratio,
    "Gini": gini,
    "top 1 % share": lambda coefficients: top_share(coefficients, 1),
    "top 10 % share": lambda coefficients: top_share(coefficients, 10),
    "dormant fraction": dormant_fraction,
}
