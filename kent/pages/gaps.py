"""The entropy gap ln m − H of a layer, and what Algorithm 1 makes of it.

Where coefficients follow a law of one parameter, and memory vectors are many, the gap alone says
what p and q do. All gaps are in nats; a law has the mean 1, since H does not depend on the mean.
"""

from collections.abc import Callable
from math import exp, log, sqrt

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import digamma
from scipy.stats import gamma, lognorm
from scipy.stats.distributions import rv_frozen
from torch import Tensor

from kent.paper import AXES
from kent.settings import Count, Percent, Positive, checked

ENDS = (1e-4, 2.0)
"""Between these gaps it is looked for where a change turns: beyond them no layer is known."""


def find_log_normal(gap: float) -> rv_frozen:
    """The log-normal law of this gap: σ² = 2·gap."""
    return lognorm(sqrt(2 * gap), scale=exp(-gap))


def find_gamma(gap: float) -> rv_frozen:
    """The gamma law of this gap: its shape k solves ψ(k + 1) − ln k = gap."""
    shape = brentq(lambda k: digamma(k + 1) - log(k) - gap, 1e-3, 1e6)
    return gamma(shape, scale=1 / shape)


LAWS = {"log-normal": find_log_normal, "gamma": find_gamma}
"""By name, the law of unit mean that has a gap."""


def change_entropy(law: rv_frozen, p: Percent, q: Positive) -> float:
    """How far Algorithm 1 moves the entropy of a layer whose coefficients C follow a law, in nats.

    With unit mean the gap is E[C ln C]. The share P = p/100 of coefficients up to the quantile t
    becomes q, the rest stays. So their mean is M = P·q + E[C; C > t], and the gap afterwards
    (P·q·ln q + E[C ln C; C > t]) / M − ln M.
    """
    share, threshold = p / 100, law.ppf(p / 100)
    kept = law.expect(lb=threshold)
    weighed, before = (law.expect(lambda c: c * np.log(c), lb=lower) for lower in (threshold, None))
    mean = share * q + kept
    return before - (share * q * log(q) + weighed) / mean + log(mean)


def find_turns(find_law: Callable[[float], rv_frozen], p: Percent, q: Positive) -> list[float]:
    """The gaps at which a change of entropy turns its sign, ascending."""

    def change(gap: float) -> float:
        return change_entropy(find_law(gap), p, q)

    grid = np.geomspace(*ENDS, 60)
    signs = np.sign([*map(change, grid)])
    return [
        brentq(change, *grid[place : place + 2])
        for place in np.flatnonzero(signs[1:] * signs[:-1] < 0)
    ]


@checked
def spread(law: rv_frozen, neurons: Count) -> Float[Tensor, " neuron"]:
    """Coefficients that follow a law: its quantiles at (i − ½) / neurons, ascending."""
    return torch.tensor(law.ppf((np.arange(neurons) + 0.5) / neurons))


def read_gaps(axis: str = "figure 2") -> dict[str, tuple[float, float]]:
    """By model, the gap per layer at the upper and at the lower end of a published axis.

    Layers are taken as alike.
    """
    return {
        model: tuple(log(neurons) - end / layers for end in (high, low))
        for model, (low, high, layers, neurons) in AXES[axis].items()
    }
