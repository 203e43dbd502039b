"""Changed models and what learning made of them, as tables of (value, standard error).

Axes: sample (the value itself, then its bootstrap samples).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64

from kent.learning.outcomes import Outcome, estimate
from kent.learning.probes import MEASURES
from kent.pages.evidence import ONE_SEED
from kent.pages.gates import acquire_net, exceed_chance
from kent.pages.seeds import Seed, format_interval, name_seeds, pool_seeds
from kent.pages.summaries import ENTROPIES, FALL, NET, Changed, estimate_rows
from kent.paper import is_effect

COMPARED = "minus unchanged"
"""What a page calls the table of `compare_changes` that it keeps for other seeds."""


def acquire(models: Changed) -> dict[str, Float64[np.ndarray, " sample"]]:
    """A net of the control (points) by label, counted from the unchanged model: samples."""
    (_, unchanged), *_ = models.values()
    return {label: acquire_net(outcome, since=unchanged) for label, (_, outcome) in models.items()}


def tabulate_changes(models: Changed) -> pd.DataFrame:
    """A column per changed model: A, F, K and P after learning; K, P, entropies and loss before.

    A and F count from what the unchanged model (the first) could before, so that what a change
    itself breaks is no room for acquisition; two more rows count from what the changed one could.
    """
    (_, unchanged), *_ = models.values()
    table = {}
    for label, (before, outcome) in models.items():
        measured = {row: before.estimate(name) for row, name in _list_entropies(models).items()}
        table[label] = estimate_rows(_collect(outcome, unchanged)) | measured
    return pd.DataFrame(table)


def _list_entropies(models: Changed) -> dict[str, str]:
    """Rows and names of the entropies that every model was measured for."""
    missing = {name for before, _ in models.values() for name in before.left_out}
    return {row: name for row, name in ENTROPIES.items() if name not in missing}


def _collect(outcome: Outcome, unchanged: Outcome) -> dict[str, Float64[np.ndarray, " sample"]]:
    """What learning made of a model, and what it could before, as bootstrap samples by row."""
    knowledge, tasks = outcome.performance(), 100 * outcome.downstream()
    return {
        NET: acquire_net(outcome, since=unchanged),
        "A (%)": outcome.acquisition(since=unchanged),
        "control: A (%)": outcome.acquisition(of="control", since=unchanged),
        "F (%)": outcome.forgetting(since=unchanged),
        "K after (nats)": knowledge[-1],
        "P after (%)": tasks[-1],
        "A from its own K before (%)": outcome.acquisition(),
        "F from its own P before (%)": outcome.forgetting(),
        "K before (nats)": knowledge[0],
        "P before (%)": tasks[0],
    }


def compare_changes(models: Changed) -> pd.DataFrame:
    """The rows of `tabulate_changes`, each minus the unchanged model's, and a row `FALL`.

    Errors are those of the difference: over the same blocks of text, the same redrawn paragraphs
    and documents.
    """
    (profile, unchanged), *_ = models.values()
    own, table = _collect(unchanged, unchanged), {}
    for label, (before, outcome) in [*models.items()][1:]:
        # sample by sample, since all models answer the same redrawn paragraphs and documents
        samples = {row: each - own[row] for row, each in _collect(outcome, unchanged).items()}
        moved = {FALL: _miss_guessing(unchanged)} | {
            row: before.change_since(profile, name) for row, name in _list_entropies(models).items()
        }
        table[label] = estimate_rows(samples) | moved
    return pd.DataFrame(table)


def _miss_guessing(unchanged: Outcome) -> tuple[float, float]:
    """How much more of P before (%) would be lost at guessing, with its error over documents."""
    before = unchanged.downstream()[0, 0]
    value, error = exceed_chance(unchanged)
    return float(value / before), float(error / before)


def say_changes(pairs: pd.Series) -> str:
    """Changes by label with their intervals, in words; those that are not known are left out."""
    said = pairs.dropna().map(lambda pair: format_interval(*pair, "+"))
    return ", ".join(f"{change} ({label})" for label, change in said.items())


def measure_shifts(models: Changed, label: str) -> dict[str, float]:
    """How far a change moves the loss, and the probe that it moves most, before learning, in nats.

    Both are rounding where a model computes what it did.
    """
    (old, unchanged), (new, changed) = models["unchanged"], models[label]
    before, after = (each.knowledge[MEASURES[0]][0] for each in (unchanged, changed))
    return {"loss": abs(new.loss - old.loss), "a probe": (after - before).abs().max().item()}


def find_largest(table: pd.DataFrame, seeds: Sequence[Seed]) -> dict[str, float]:
    """By column the largest value in a table of (value, error), of this seed and of others."""
    kept = [seed.estimates.get(row, {}) for seed in seeds for row in table.index]
    return {
        column: max(pair[0] for pair in [*table[column], *(x[column] for x in kept if column in x)])
        for column in table
    }


def judge_controls(
    models: Changed, beside: Mapping[str, str], seeds: Sequence[Seed] = ()
) -> pd.DataFrame:
    """Net A of controls minus that of the method each stands `beside`, and what it says.

    Mean over the recorded `seeds` and this one, with the interval of `kent.pages.seeds.pool_seeds`;
    without them this model's value with two standard errors, and no word on it.
    """
    A = acquire(models)
    pairs = {label: method for label, method in beside.items() if {label, method} <= A.keys()}
    return pd.DataFrame(
        {label: _judge(A, label, method, seeds) for label, method in pairs.items()}
    ).T


def _judge(
    A: Mapping[str, np.ndarray], label: str, method: str, seeds: Sequence[Seed]
) -> dict[str, object]:
    names = [f"{COMPARED}, {each}" for each in (label, method)]
    rows = [[seed.estimates.get(name, {}) for name in names] for seed in seeds]
    others = [one[NET][0] - other[NET][0] for one, other in rows if NET in one and NET in other]
    mean, spread = pool_seeds(estimate(A[label] - A[method]), others, seeds)
    return {
        "beside": method,
        name_seeds(seeds): 1 + len(others),
        "net A minus that of the method (points)": format_interval(mean, spread, "+"),
        "the control": _compare(mean, spread) if others else ONE_SEED,
    }


def _compare(value: float, error: float) -> str:
    if not is_effect(value, error):
        return "too small to tell"
    return "beats the method" if value > 0 else "falls behind it"
