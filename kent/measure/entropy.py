"""Knowledge entropy, and the field's other measures of how concentrated a vector is. Pure maths.

Every measure takes a layer's mean coefficients, which are not negative, and none changes when all
are multiplied by one number. A mean forgets which token used what: a layer that reads each token
with a few neurons of its own and one that reads every token with all may measure the same. Nor does
a coefficient say what its memory vector does to the output: see `Profile.contribution_entropy`.

Axes: neuron (memory vectors of a layer), layer.
"""

import math
from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from kent.settings import Array, NotNegative, checked


@checked
def normalize(coefficients: Array) -> Float[Tensor, " neuron"]:
    """The distribution over memory vectors (section 3.1): coefficients by their sum, in float64.

    >>> normalize(torch.tensor([2.0, 1.0, 1.0]))
    tensor([0.5000, 0.2500, 0.2500], dtype=torch.float64)

    Raises `ValueError` for what is no row, empty, all zero, negative somewhere or not finite.
    """
    if coefficients.ndim != 1 or coefficients.is_complex():
        found = f"{coefficients.dtype} {[*coefficients.shape]}"
        raise ValueError(f"coefficients must be a row of real numbers, not {found}")
    values = coefficients.double()
    if not len(values) or not values.isfinite().all():
        raise ValueError("coefficients must be finite numbers and at least one per layer")
    if (values < 0).any():
        raise ValueError("coefficients must not be negative: pass mean absolute activations")
    if not values.any():
        raise ValueError("coefficients are all zero: their distribution is not defined")
    return values / values.sum()


def measure_entropy(coefficients: Tensor) -> Float[Tensor, ""]:
    """Shannon entropy in nats of the normalised coefficients, 0 to ln m; 0·ln 0 counts as 0.

    >>> measure_entropy(torch.tensor([1.0, 1.0, 0.0]))  # ln 2
    tensor(0.6931, dtype=torch.float64)

    Errors as for `normalize`.
    """
    return torch.special.entr(normalize(coefficients)).sum()


def measure_layers(
    coefficients: Sequence[Tensor], measure: Callable[[Tensor], Tensor | float]
) -> Float[Tensor, " layer"]:
    """A measure of each layer's mean coefficients, in float64; `ValueError` names the layer.

    >>> measure_layers([torch.ones(3), torch.tensor([3.0, 1.0])], gini)
    tensor([0.0000, 0.2500], dtype=torch.float64)
    """
    values = []
    for layer, vector in enumerate(coefficients):
        try:
            values.append(float(measure(vector)))
        except ValueError as error:
            raise ValueError(f"layer {layer}: {error}") from None
    return torch.tensor(values, dtype=torch.float64, device="cpu")


@checked
def knowledge_entropy_by_layer(coefficients: Sequence[Array]) -> Float[Tensor, " layer"]:
    """H(θˡ) of each layer's mean coefficients, in nats (section 3.1).

    >>> knowledge_entropy_by_layer([torch.ones(4), torch.tensor([5.0, 0.0])])  # ln 4, 0
    tensor([1.3863, 0.0000], dtype=torch.float64)

    Raises `ValueError` naming the first layer whose coefficients have no distribution (see
    `normalize`).
    """
    if len(coefficients) == 0:
        raise ValueError("no coefficients: knowledge entropy needs at least one layer")
    return measure_layers(coefficients, measure_entropy)


@checked
def knowledge_entropy(coefficients: Sequence[Array]) -> float:
    """Knowledge entropy H(θ) = Σₗ H(θˡ) in nats (section 3.1), of one vector [m] per layer.

    Why: it says how evenly a model draws on its memory vectors as it reads. The paper finds that it
    falls in pretraining, and that a model where it is lower acquires less and forgets more of what
    it learns on.

    Not covered: it is no property of a model alone but of a model on a text; it is at most Σₗ ln mₗ
    (`entropy_bound`), so models of other sizes do not compare; and it can be moved without changing
    what a gated model computes (`kent.change.rescaling`).

    >>> knowledge_entropy([torch.ones(4), torch.tensor([5.0, 0.0])])
    1.3862943611198906

    Raises `ValueError` naming a layer whose coefficients are all zero, negative or not finite.
    """
    return knowledge_entropy_by_layer(coefficients).sum().item()


@checked
def entropy_bound(coefficients: Sequence[Array]) -> float:
    """Upper bound Σₗ ln mₗ of the knowledge entropy, in nats: every memory vector is used alike.

    >>> entropy_bound([torch.ones(4), torch.ones(2)]) == 3 * math.log(2)
    True

    Raises `ValueError` for no layer or an empty one.
    """
    if not len(coefficients) or any(each.ndim != 1 or not len(each) for each in coefficients):
        raise ValueError("coefficients must be a row of at least one number for each layer")
    return sum(math.log(len(vector)) for vector in coefficients)


@checked
def effective_number(coefficients: Array) -> float:
    """exp(H): how many memory vectors, used alike, have this entropy (Hill number of order 1).

    Entropy in a unit to picture: memory vectors, 1 to m. Rarely used ones count for much of it.

    >>> round(effective_number(torch.tensor([5.0, 5.0, 0.0])), 6)
    2.0
    """
    return torch.special.entr(normalize(coefficients)).sum().exp().item()


@checked
def participation_ratio(coefficients: Array) -> float:
    """1 / Σ p² (Hill number of order 2), 1 to m: what most of the use falls on.

    Weighs large coefficients more than `effective_number` does, and hardly sees the rare ones.

    >>> round(participation_ratio(torch.tensor([2.0, 1.0, 1.0])), 6)
    2.666667
    """
    return 1 / normalize(coefficients).square().sum().item()


@checked
def gini(coefficients: Array) -> float:
    """Gini coefficient: 0 when all are equal, (m - 1)/m when one has everything.

    Made for the middle of a distribution, where entropies hardly move. Unlike them it grows with
    concentration, and it does not say whether that is a few large values or many small ones.

    >>> gini(torch.tensor([3.0, 1.0]))
    0.25
    """
    share = normalize(coefficients).sort().values
    rank = torch.arange(1, len(share) + 1, dtype=share.dtype, device=share.device)
    return (2 * (rank * share).sum().item() - len(share) - 1) / len(share)


@checked
def top_share(coefficients: Array, percent: Annotated[float, Field(gt=0, le=100)]) -> float:
    """Share of the sum held by the largest `percent` % of neurons, at least one neuron.

    The easiest to read; blind to all that happens below.

    >>> top_share(torch.tensor([1.0, 1.0, 1.0, 5.0]), 25)
    0.625
    """
    share = normalize(coefficients)
    return share.topk(max(1, round(len(share) * percent / 100))).values.sum().item()


@checked
def dormant_fraction(coefficients: Array, threshold: NotNegative = 0.025) -> float:
    """Fraction of neurons whose coefficient is at most `threshold` times the layer's mean.

    The τ-dormant neurons of Sokar et al. 2023 (ReDo), whose τ = 0.025 is the default: what
    resuscitation is about elsewhere. It sees no difference among neurons above the threshold.

    >>> dormant_fraction(torch.tensor([0.0, 0.01, 1.0, 2.0]))
    0.5
    """
    share = normalize(coefficients)
    return (share * len(share) <= threshold).double().mean().item()


MEASURES = {
    "effective number": effective_number,
    "participation ratio": participation_ratio,
    "Gini": gini,
    "top 1 % share": lambda coefficients: top_share(coefficients, 1),
    "top 10 % share": lambda coefficients: top_share(coefficients, 10),
    "dormant fraction": dormant_fraction,
}
