"""The paper's published numbers and claims, as data (arXiv 2410.01380, version 3).

The claims are in `paper.yaml`, tables 1 and 2 in `tables.yaml`.
"""

from dataclasses import dataclass
from importlib.resources import files
from math import isnan, log

import yaml


def is_effect(value: float, error: float) -> bool:
    """Whether a value lies beyond two standard errors; not where either is NaN."""
    return abs(value) > 2 * error


@dataclass(frozen=True)
class Claim:
    """One claim: the statistic that would carry it, its sign in the paper, and its setting.

    `unit` is that of the statistic, `published` what the paper says of its value, `source` where it
    says so, and `page` the notebook that tests it, None while there is none.
    """

    key: str
    statement: str
    statistic: str
    unit: str
    sign: int
    published: str
    setting: str
    source: str
    page: str | None = None

    def judge(self, value: float, error: float) -> str:
        """Verdict on a statistic with its standard error: the interval is two errors either way.

        "no value" where either is NaN (a run was stopped by a loss that was not finite, or
        checkpoints are too few), or both are 0: something is compared with itself.
        """
        if isnan(value) or isnan(error) or value == error == 0:
            return "no value"
        if not is_effect(value, error):
            return "too small to tell"
        return "agrees" if value * self.sign > 0 else "disagrees at this scale"


@dataclass(frozen=True)
class Setting:
    """One row of tables 1 and 2: hyperparameters, and what came out at each stage of `STAGES`.

    `batch` in sequences of 1,024 tokens, `rate` the peak learning rate. By stage: acquisition `A`
    and forgetting `F` in % (table 1); after learning, probe performance `K` in nats (the public
    code's padded mean) and downstream performance `P` in % (table 2).
    """

    batch: int
    rate: float
    epochs: int
    A: dict[str, float]
    F: dict[str, float]
    K: dict[str, float]
    P: dict[str, float]


def bound_before(after: float, change: float, digit: float) -> tuple[float, float]:
    """Lower and upper end of K or P before learning, by its value after it and the change in %.

    A = (K_CL - K_PT) / abs(K_PT) with K < 0, and F = -(P_CL - P_PT) / P_PT, so in both before =
    after / (1 - change / 100) (section 4.1). `after` may be off by half its last printed `digit`,
    `change` by half of 0.1.
    """
    afters, changes = (
        (value - half, value + half) for value, half in ((after, digit / 2), (change, 0.05))
    )
    ends = [each / (1 - rate / 100) for each in afters for rate in changes]
    return min(ends), max(ends)


def infer_before(quantity: str) -> dict[str, tuple[float, float]]:
    """By stage, the range of K (nats) or P (%) before learning that all printed digits leave.

    The two are drawn in figure 12.

    Raises ValueError for a quantity other than K and P.
    """
    if quantity not in ("K", "P"):
        raise ValueError(f"the tables imply K and P before learning, not {quantity!r}")
    change, digit = {"K": ("A", 0.001), "P": ("F", 0.1)}[quantity]
    bounds = {
        stage: [
            bound_before(getattr(row, quantity)[stage], getattr(row, change)[stage], digit)
            for row in TABLES.values()
        ]
        for stage in STAGES
    }
    return {
        stage: (max(low for low, _ in each), min(high for _, high in each))
        for stage, each in bounds.items()
    }


def _read(name: str) -> dict:
    return yaml.safe_load(files(__package__).joinpath(name).read_text(encoding="utf-8"))


CLAIMS = {key: Claim(key, **claim) for key, claim in _read("paper.yaml").items()}
"""Every claim of the paper that can be tested, in the order of its figures."""

AXES = {
    "figure 2": {"OLMo-1B": (143.6, 144.0, 16, 8192), "OLMo-7B": (297.0, 297.6, 32, 11008)},
    "figure 6": {"Pythia": (143.4, 143.7, 16, 8192)},
    "figure 8": {"OLMo-1B": (8.88, 9.00, 1, 8192), "OLMo-7B": (9.12, 9.30, 1, 11008)},
}
"""Lower and upper end of published axes of knowledge entropy in nats, and the layers and neurons
per layer they hold for. Curves fall from near the upper to near the lower end. Figure 6 names a
model of 24 layers; its axis fits 16."""


def find_gaps(figure: str) -> dict[str, tuple[float, float]]:
    """By model of a key of `AXES`: its axis as distances to the bound per layer, in nats.

    The least distance comes first. Raises KeyError for another figure.
    """
    return {
        model: (log(neurons) - high / layers, log(neurons) - low / layers)
        for model, (low, high, layers, neurons) in AXES[figure].items()
    }


ENTROPIES = {"attention": (70, 40), "token": (2.8, 2.4)}
"""Attention and next-token entropy of OLMo-1B in nats, early and late, read off figure 3."""

STAGES = {"118k": 0.16, "369k": 0.50, "554k": 0.75, "738k": 1.00}
"""Initial models of continual learning, as a fraction of OLMo-1B's 738,020 steps (section 4.1)."""

TABLES = {
    name: Setting(
        **{
            key: dict(zip(STAGES, value, strict=True)) if key in "AFKP" else value
            for key, value in row.items()
        }
    )
    for name, row in _read("tables.yaml").items()
}
"""Tables 1 and 2: by setting, in their order, hyperparameters and published quantities."""
