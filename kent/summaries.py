"""Outcomes of continual learning as tables of (value, standard error), and how two of their rows go together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr

from kent.evidence import label_steps
from kent.outcomes import Outcome, estimate
from kent.profiles import Profile

ENTROPY = "H before (nats)"
"""The row of the initial model's knowledge entropy."""
CORRELATIONS = {"Pearson": (pearsonr, 1.0), "Spearman": (spearmanr, 1.06)}
"""Function of a correlation, and the variance of its Fisher transform times n - 3 (Spearman: Fieller et al. 1957)."""


def tabulate_learning(outcomes: Sequence[Outcome], before: Sequence[Profile] = ()) -> pd.DataFrame:
    """A column per initial model, by its step: K, A and their control's, P and F, each with its standard error.

    With the profiles of the initial models, a row of their knowledge entropy too.
    """
    table = pd.DataFrame({step: _summarize(each) for step, each in zip(label_steps(outcomes), outcomes, strict=True)})
    if before:
        table.loc[ENTROPY] = [each.estimate() for each in before]
    return table


def _summarize(outcome: Outcome) -> dict[str, tuple[float, float]]:
    knowledge, control = (outcome.performance(of=of) for of in ("knowledge", "control"))
    tasks = 100 * outcome.downstream()
    found = {
        "K before (nats)": knowledge[0],
        "K after (nats)": knowledge[-1],
        "K after, padded mean (nats)": outcome.performance(measure="padded_mean")[-1],
        "A (%)": outcome.acquisition(),
        "A (nats)": outcome.acquisition(relative=False),
        "control: K before (nats)": control[0],
        "control: K after (nats)": control[-1],
        "control: A (%)": outcome.acquisition(of="control"),
        "P before (%)": tasks[0],
        "P after (%)": tasks[-1],
        "F (%)": outcome.forgetting(),
        "F (points)": outcome.forgetting(relative=False),
    }
    return {name: estimate(samples) for name, samples in found.items()}


def correlate(x: Sequence[float], y: Sequence[float], kind: str = "Pearson") -> tuple[float, float]:
    """Pearson's or Spearman's (rank) correlation of two series, and an error of it.

    The interval is that of two standard errors of the Fisher transform; the error is half the way from the value to its
    end towards zero, so that a correlation within two errors may be none at all. Points are taken as independent and
    exact. NaN for fewer than four points, and for a series that never changes.
    """
    measure, variance = CORRELATIONS[kind]
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan")
    value = float(np.clip(measure(x, y).statistic, -1 + 1e-12, 1 - 1e-12))
    near = np.tanh(abs(np.arctanh(value)) - 2 * np.sqrt(variance / (len(x) - 3)))
    return value, float(abs(value) - near) / 2
