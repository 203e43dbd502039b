"""Branches of one pretraining, before and after learning: tables of (value, standard error)."""

from collections.abc import Mapping, Sequence
from math import hypot, nan
from statistics import mean, stdev

import numpy as np
import pandas as pd

from kent.learning.outcomes import estimate
from kent.pages.gates import acquire_net
from kent.pages.losses import RISE
from kent.pages.measures import Pair
from kent.pages.seeds import Seed, format_interval, pool_table
from kent.pages.summaries import NET
from kent.paper import is_effect
from kent.runs.execution import Result
from kent.runs.fork_plans import COSINE, NOISE, START
from kent.runs.learned_plans import FRESH, LEARNED, OWN_RATE
from kent.runs.learning_plans import LEARNING

PROFILED = {"H (nats)": "knowledge", "loss (nats)": "loss"}
"""Rows of a branch before it learns: measures of `kent.Profile.estimate`."""
ENTROPY, _ = PROFILED
SHAKEN, LOST = "rise of the loss under noise (nats)", "F (%)"
STARTS = (FRESH, OWN_RATE)
BESIDE = "minus cosine"
"""What rows begin with that are of a branch minus the suite itself."""
Results = Mapping[str, Sequence[Result]]


def tabulate_forks(results: Results) -> pd.DataFrame:
    """A column per branch of `kent.runs.fork_plans.compare_forks`: before learning, and by start.

    These are H, the loss and its rise under noise, then net A, F and the rise of the loss; NaN
    where a branch did not learn from a start.
    """
    return pd.DataFrame({branch: _measure(results, branch) for branch in _list_branches(results)})


def compare_branches(results: Results) -> pd.DataFrame:
    """The rows of `tabulate_forks`, each branch minus the suite itself, over the same tokens.

    Without the checkpoint at the fork, which has read half as much.
    """
    branches = [each for each in _list_branches(results) if each not in (START, COSINE)]
    table = pd.DataFrame({branch: _measure(results, branch, COSINE) for branch in branches})
    return table.add_prefix(f"{BESIDE}, ", axis="index")


def _list_branches(results: Results) -> list[str]:
    ending = f", {NOISE}"
    return [label.removesuffix(ending) for label in results if label.endswith(ending)]


def _measure(results: Results, branch: str, other: str | None = None) -> dict[str, Pair]:
    """The rows of a branch, or of a branch minus another."""
    found = {
        row: results[branch][0].change_since(results[other][0], measure)
        if other
        else results[branch][0].estimate(measure)
        for row, measure in PROFILED.items()
    }
    both = [branch, other] if other else [branch]
    found[SHAKEN] = _subtract(*(_shake(results, each) for each in both))
    for start in STARTS:
        learned = _learn(results, both, start)
        found |= {f"{start}, {row}": pair for row, pair in learned.items()}
    return found


def _shake(results: Results, branch: str) -> Pair:
    """The rise of the loss under noise, mean over draws; the text is the same for all of them."""
    [before] = results[branch]
    rises = [each.change_since(before, "loss") for each in results[f"{branch}, {NOISE}"]]
    values, errors = zip(*rises, strict=True)
    drawn = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return mean(values), hypot(drawn, mean(errors))


def _learn(results: Results, both: Sequence[str], start: str) -> dict[str, Pair]:
    """What a branch came to from a start, or that minus the other's, sample by sample."""
    runs = [results.get(f"{branch}, {start}, {LEARNING}") for branch in both]
    if None in runs:
        return dict.fromkeys((NET, LOST, RISE), (nan, nan))
    samples = {
        NET: [acquire_net(outcome) for [outcome] in runs],
        LOST: [outcome.forgetting() for [outcome] in runs],
    }
    found = {row: estimate(own - sum(other)) for row, (own, *other) in samples.items()}
    ends = [results[f"{branch}, {start}, {LEARNED}"] for branch in both]
    pairs = [(after, results[branch][0]) for branch, [after] in zip(both, ends, strict=True)]
    return found | {RISE: _subtract(*(after.change_since(old, "loss") for after, old in pairs))}


def _subtract(pair: Pair, other: Pair = (0.0, 0.0)) -> Pair:
    return pair[0] - other[0], hypot(pair[1], other[1])


def judge_branches(
    minus: pd.DataFrame, rows: Sequence[str], seeds: Sequence[Seed] = ()
) -> pd.DataFrame:
    """How a branch ends beside the suite itself, a row each: more, less or too small to tell.

    `minus` is the table of `compare_branches`; the interval is that over the recorded `seeds`,
    without which there is the interval alone and no word on it.
    """
    pooled = pool_table(minus.loc[[f"{BESIDE}, {row}" for row in rows]], seeds)
    return pooled.set_axis(rows).map(_compare if seeds else _show).T


def _show(pair: Pair) -> str:
    return "–" if np.isnan(pair[0]) else format_interval(*pair, "+")


def _compare(pair: Pair) -> str:
    if np.isnan(pair[0]):
        return _show(pair)
    word = "more" if pair[0] > 0 else "less"
    said = word if is_effect(*pair) else "too small to tell"
    return f"{said} ({_show(pair)})"
