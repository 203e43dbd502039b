"""The entropy gap ln m − H of a layer, and what Algorithm 1 makes of it.

Where coefficients follow a law of one parameter, and memory vectors are many, the gap alone says
what p and q do. Gaps are in nats. A law has the mean 1, since entropy does not depend on the mean.
"""

from collections.abc import Sequence
from functools import cache
from math import exp, log, sqrt

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import digamma
from scipy.stats import gamma, lognorm
from scipy.stats.distributions import rv_frozen
from torch import Tensor

from kent.measure.entropy import knowledge_entropy_by_layer
from kent.pages.live import Model, multiply, round_layers
from kent.paper import AXES
from kent.settings import Count, Percent, Positive, checked

GRID = np.geomspace(6e-3, 1.5, 33)
"""Gaps at which curves are worked out: wider than what is measured or published."""
GAP = "gap"


def find_log_normal(gap: float) -> rv_frozen:
    """The log-normal law of this gap: σ² = 2·gap."""
    return lognorm(sqrt(2 * gap), scale=exp(-gap))


def find_gamma(gap: float) -> rv_frozen:
    """The gamma law of this gap: its shape k solves ψ(k + 1) − ln k = gap."""
    shape = brentq(lambda k: digamma(k + 1) - log(k) - gap, 1e-3, 1e6)
    return gamma(shape, scale=1 / shape)


LAWS = {"log-normal": find_log_normal, "gamma": find_gamma}
"""By name, what finds the law of unit mean that has a gap."""


@cache
def _find_moments(law: str, gap: float, p: float | int) -> tuple[float, float]:
    """E[C; C > t] and E[C ln C; C > t], by quadrature, with t the p-th percentile."""
    found = LAWS[law](gap)
    threshold = found.ppf(p / 100)
    kept, weighed = (found.expect(f, lb=threshold) for f in (None, lambda c: c * np.log(c)))
    return float(kept), float(weighed)


@checked
def change_entropy(law: str, gap: Positive, p: Percent, q: Positive) -> float:
    """How far Algorithm 1 moves the entropy of a layer whose coefficients C follow a law, in nats.

    With unit mean the gap is E[C ln C]. The share P = p/100 of coefficients up to the percentile t
    becomes q, the rest stays: the mean becomes M = P·q + E[C; C > t], and the gap
    (P·q·ln q + E[C ln C; C > t]) / M − ln M.

    Raises `ValueError` for a law that is not in `LAWS`.
    """
    if law not in LAWS:
        raise ValueError(f"a law is one of {', '.join(LAWS)}, not {law!r}")
    kept, weighed = _find_moments(law, gap, p)
    mean = p / 100 * q + kept
    return gap - (p / 100 * q * log(q) + weighed) / mean + log(mean)


def find_turns(law: str, p: float | int, q: float | int) -> list[float]:
    """The gaps within `GRID` at which the change of entropy turns its sign, ascending."""

    def change(gap: float) -> float:
        return change_entropy(law, gap, p, q)

    signs = np.sign([change(gap) for gap in GRID.tolist()])
    places = np.flatnonzero(signs[1:] * signs[:-1] < 0)
    return [brentq(change, *GRID[place : place + 2].tolist()) for place in places]


@checked
def spread(law: str, gap: Positive, neurons: Count) -> Float[Tensor, " neuron"]:
    """Coefficients that follow a law: its quantiles at (i − ½) / neurons, ascending."""
    return torch.tensor(LAWS[law](gap).ppf((np.arange(neurons) + 0.5) / neurons))


def read_gaps(axis: str = "figure 2") -> dict[str, tuple[float, float]]:
    """By model, the gap per layer at the upper and at the lower end of a published axis.

    Layers are taken as alike.
    """
    return {
        model: (log(neurons) - high / layers, log(neurons) - low / layers)
        for model, (low, high, layers, neurons) in AXES[axis].items()
    }


def model_published(model: str = "OLMo-1B", law: str = "log-normal") -> Model:
    """Layers alike, with the gaps at the ends of figure 2's axis: nobody measured them."""
    _, _, layers, neurons = AXES["figure 2"][model]
    ends = zip(("upper end (118k)", "lower end (738k)"), read_gaps()[model], strict=True)
    checkpoints = {end: round_layers([spread(law, gap, neurons)]) for end, gap in ends}
    note = f"Not measured: {law} coefficients with the gap per layer at an end of figure 2's axis."
    return Model(f"{model} as published", note, checkpoints, alike=layers)


def tabulate_published(
    p: float | int, q: Sequence[float | int], model: str = "OLMo-1B", law: str = "log-normal"
) -> pd.DataFrame:
    """The change of knowledge entropy (nats) with the gaps that published axes leave, by q.

    Layers are alike; or one has the largest gap of figure 8, and the others share the rest.
    """
    layers = AXES["figure 2"][model][2]
    early, late = read_gaps()[model]
    _, largest = read_gaps("figure 8")[model]
    rest = (layers * late - largest) / (layers - 1)
    mixed = {
        "118k, layers alike": {early: layers},
        "738k, layers alike": {late: layers},
        "738k, one layer as low as figure 8": {largest: 1, rest: layers - 1},
    }

    def change(gaps: dict[float, int], factor: float | int) -> float:
        return sum(number * change_entropy(law, gap, p, factor) for gap, number in gaps.items())

    rows = {name: {f"q = {x:g}": change(gaps, x) for x in q} for name, gaps in mixed.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def tabulate_turns(p: float | int, q: Sequence[float | int]) -> pd.DataFrame:
    """By law and q, from which gap on the change of entropy is positive, in words."""
    return pd.DataFrame(
        {law: {f"q = {each:g}": describe_turns(law, p, each) for each in q} for law in LAWS}
    )


def describe_turns(law: str, p: float | int, q: float | int) -> str:
    """Where Algorithm 1 raises the entropy of layers that follow a law."""
    first, last = (change_entropy(law, gap, p, q) > 0 for gap in GRID[[0, -1]].tolist())
    turns = " and ".join(f"{each:.3f}" for each in find_turns(law, p, q))
    if not turns:
        return f"at {'any' if first else 'no'} gap"
    return f"from a gap of {turns} nats on" if last > first else f"up to a gap of {turns} nats"


def tabulate_gaps(
    models: Sequence[Model], p: float | int, q: Sequence[float | int]
) -> pd.DataFrame:
    """A row per model, checkpoint and layer: its gap, and under each q the change of its entropy.

    Coefficients are multiplied: every layer reads what it did before. In nats.
    """
    rows = {}
    for model in models:
        for name, layers in model.checkpoints.items():
            before = knowledge_entropy_by_layer(layers)
            sizes = torch.tensor([len(each) for each in layers])
            found = {GAP: sizes.double().log() - before}
            for each in q:
                found[each] = knowledge_entropy_by_layer(multiply(layers, p, each)) - before
            rows[model.title, name] = pd.DataFrame(found)
    return pd.concat(rows, names=["model", "checkpoint", "layer"])


def count_signs(table: pd.DataFrame, law: str, p: float | int) -> dict[float | int, int]:
    """By q, how many layers of `tabulate_gaps` move the way of a law with their gap."""
    found = {}
    for q in table.columns.drop(GAP):
        expected = [change_entropy(law, gap, p, q) for gap in table[GAP]]
        found[q] = int((np.sign(expected) == np.sign(table[q])).sum())
    return found
