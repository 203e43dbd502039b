"""Outcomes of continual learning as tables of (value, standard error), and their correlations.

Axes: sample (the value itself, then its bootstrap samples).
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Float64
from scipy.stats import pearsonr, spearmanr

from kent.learning.downstream import find_chance
from kent.learning.outcomes import Outcome, estimate
from kent.measure.profiles import Profile
from kent.pages.evidence import FLOOR, label_steps
from kent.pages.seeds import Seed, format_interval, pool
from kent.paper import is_effect
from kent.runs.execution import Result

ENTROPIES = {
    "H before (nats)": "knowledge",
    "contribution entropy before (nats)": "contribution",
    "attention entropy before (nats)": "attention",
    "loss before (nats)": "loss",
}
"""Rows of a changed model before it learns: measures of `kent.Profile.estimate`."""
ENTROPY, *_ = ENTROPIES
"""The first of them: the initial model's knowledge entropy."""
CORRELATIONS = {"Pearson": (pearsonr, 1.0), "Spearman": (spearmanr, 1.06)}
"""Function of a correlation, and the variance of its Fisher transform times n - 3.

Spearman's: Fieller et al. 1957."""


def tabulate_learning(outcomes: Sequence[Outcome], before: Sequence[Profile] = ()) -> pd.DataFrame:
    """A column per initial model, by its step: A, F, K and P, with standard errors.

    With the profiles of the initial models, a row of their knowledge entropy too.
    """
    steps = label_steps(outcomes)
    table = pd.DataFrame(dict(zip(steps, map(_summarize, outcomes), strict=True)))
    if before:
        table.loc[ENTROPY] = [each.estimate() for each in before]
    return table


def _summarize(outcome: Outcome) -> dict[str, tuple[float, float]]:
    knowledge, control = (outcome.performance(of=of) for of in ("knowledge", "control"))
    tasks = 100 * outcome.downstream()
    samples = {
        "A (%)": outcome.acquisition(),
        "control: A (%)": outcome.acquisition(of="control"),
        "F (%)": outcome.forgetting(),
        "K before (nats)": knowledge[0],
        "K after (nats)": knowledge[-1],
        "P before (%)": tasks[0],
        "P after (%)": tasks[-1],
        "A (nats)": outcome.acquisition(relative=False),
        "F (points)": outcome.forgetting(relative=False),
        "K after, padded mean (nats)": outcome.performance(measure="padded_mean")[-1],
        "control: K before (nats)": control[0],
        "control: K after (nats)": control[-1],
    }
    guessing = {"P after minus guessing (points)": exceed_chance(outcome)}
    return _estimate(samples) | guessing


def _estimate(samples: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Value and standard error of every row of bootstrap samples."""
    return {row: estimate(each) for row, each in samples.items()}


def exceed_chance(outcome: Outcome, occasion: int = -1) -> tuple[float, float]:
    """P minus what guessing scores, in points, and its error over tasks' documents.

    At the end, or on another occasion (0: before learning).
    """
    last = {task: answers[occasion] for task, answers in outcome.answers.items()}
    excess = [answers.mean().item() - find_chance(task) for task, answers in last.items()]
    # tasks are independent: variances of their means add up in the sum that the mean is taken of
    variances = [answers.var().item() / len(answers) for answers in last.values()]
    return 100 * float(np.mean(excess)), 100 * float(np.sum(variances)) ** 0.5 / len(last)


def list_guessing(outcomes: Sequence[Outcome]) -> list[int]:
    """The steps of initial models that in the end do no better than guessing.

    Within two standard errors: F has no room left there, and says what a model could before.
    """
    pairs = zip(label_steps(outcomes), map(exceed_chance, outcomes), strict=True)
    return [step for step, (value, error) in pairs if value <= 2 * error]


def find_floor(outcomes: Sequence[Outcome]) -> str | None:
    """`FLOOR` where P of one of the outcomes, before or after, is within two errors of guessing.

    A fall that ends where guessing begins is as deep as what the model could before: F is then
    1 - chance / P before, whatever was learned.
    """
    pairs = product(outcomes, (0, -1))
    ends = [exceed_chance(outcome, occasion) for outcome, occasion in pairs]
    return FLOOR if any(value <= 2 * error for value, error in ends) else None


Changed = Mapping[str, tuple[Profile, Outcome]]
"""By label a changed model, "unchanged" first: its profile before learning, and the outcome."""


def group_changes(results: Mapping[str, Sequence[Result]]) -> dict[int, Changed]:
    """Results of `kent.runs.learning_plans.learn_changed`, by the initial model's step and label.

    By its place in the list, where two have the same step.
    """
    labels = [label for label in results if f"{label}, learning" in results]
    steps = label_steps(results["unchanged, learning"])
    if len(set(steps)) < len(steps):
        steps = range(len(steps))
    listed = [zip(results[label], results[f"{label}, learning"], strict=True) for label in labels]
    models = [dict(zip(labels, pairs, strict=True)) for pairs in zip(*listed, strict=True)]
    return dict(zip(steps, models, strict=True))


def acquire(models: Changed) -> dict[str, Float64[np.ndarray, " sample"]]:
    """A (%) of every model by label, counted from K of the unchanged one: bootstrap samples."""
    (_, unchanged), *_ = models.values()
    return {label: outcome.acquisition(since=unchanged) for label, (_, outcome) in models.items()}


def tabulate_changes(models: Changed) -> pd.DataFrame:
    """A column per changed model: A, F, K and P after learning; K, P, entropies and loss before.

    A and F count from what the unchanged model (the first) could before, so that what a change
    itself breaks is no room for acquisition; two more rows count from what the changed one could.
    """
    (_, unchanged), *_ = models.values()
    table = {}
    for label, (before, outcome) in models.items():
        measured = {row: before.estimate(measure) for row, measure in ENTROPIES.items()}
        table[label] = _estimate(_collect(outcome, unchanged)) | measured
    return pd.DataFrame(table)


def _collect(outcome: Outcome, unchanged: Outcome) -> dict[str, Float64[np.ndarray, " sample"]]:
    """What learning made of a model, and what it could before, as bootstrap samples by row."""
    knowledge, tasks = outcome.performance(), 100 * outcome.downstream()
    return {
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
    """The rows of `tabulate_changes`, each minus the unchanged model's.

    Errors are those of the difference: over the same blocks of text, the same redrawn paragraphs
    and documents.
    """
    (profile, unchanged), *_ = models.values()
    own, table = _collect(unchanged, unchanged), {}
    for label, (before, outcome) in [*models.items()][1:]:
        # sample by sample, since all models answer the same redrawn paragraphs and documents
        samples = {row: each - own[row] for row, each in _collect(outcome, unchanged).items()}
        moved = {row: before.change_since(profile, name) for row, name in ENTROPIES.items()}
        table[label] = _estimate(samples) | moved
    return pd.DataFrame(table)


COMPARED = "minus unchanged"
"""What a page calls the table of `compare_changes` that it keeps for other seeds."""


def judge_controls(
    models: Changed, beside: Mapping[str, str], seeds: Sequence[Seed] = ()
) -> pd.DataFrame:
    """A (%) of controls minus that of the method each stands `beside`, and what it says.

    With two standard errors. Over the recorded `seeds` and this one their mean beside it, with the
    interval of `kent.pages.seeds.pool`.
    """
    A = acquire(models)
    pairs = {label: method for label, method in beside.items() if {label, method} <= A.keys()}
    return pd.DataFrame(
        {label: _judge(A, label, method, seeds) for label, method in pairs.items()}
    ).T


def _judge(
    A: Mapping[str, np.ndarray], label: str, method: str, seeds: Sequence[Seed]
) -> dict[str, object]:
    value, error = estimate(A[label] - A[method])
    names = [f"{COMPARED}, {each}" for each in (label, method)]
    rows = [[seed.estimates.get(name, {}) for name in names] for seed in seeds]
    others = [one["A (%)"][0] - other["A (%)"][0] for one, other in rows if one and other]
    judged = {
        "beside": method,
        "A minus A of the method (points)": format_interval(value, error, "+"),
        "the control": _compare(value, error),
    }
    if others:
        mean, spread = pool([value, *others])
        judged[f"mean of {1 + len(others)} seeds"] = format_interval(mean, spread, "+")
        judged["over seeds the control"] = _compare(mean, spread)
    return judged


def _compare(value: float, error: float) -> str:
    if not is_effect(value, error):
        return "too small to tell"
    return "beats the method" if value > 0 else "falls behind it"


def correlate(x: Sequence[float], y: Sequence[float], kind: str = "Pearson") -> tuple[float, float]:
    """Pearson's or Spearman's (rank) correlation of two series, and an error of it.

    The interval is that of two standard errors of the Fisher transform; the error is half the way
    from the value to its end towards zero, so that a correlation within two errors may be none at
    all. Points are taken as independent and exact. NaN for fewer than four points, and for a series
    that never changes.
    """
    measure, variance = CORRELATIONS[kind]
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan")
    # the transform of ±1 is infinite
    value = float(np.clip(measure(x, y).statistic, -1 + 1e-12, 1 - 1e-12))
    near, _ = _bound(abs(value), len(x), variance)
    return value, (abs(value) - near) / 2


def _bound(value: float, number: int, variance: float) -> tuple[float, float]:
    half = 2 * np.sqrt(variance / (number - 3))
    low, high = np.tanh(np.arctanh(value) + np.array([-half, half]))
    return float(low), float(high)


def describe_correlation(x: Sequence[float], y: Sequence[float], kind: str = "Pearson") -> str:
    """A correlation, as `correlate` finds it, and the ends of its interval.

    Where the series agree in every point there is no interval, and only the correlation is said.
    """
    value, _ = correlate(x, y, kind)
    if np.isnan(value):
        return "not known"
    if abs(value) > 1 - 1e-9:
        return f"{value:+.2f}".replace("-", "−")
    low, high = _bound(value, len(x), CORRELATIONS[kind][1])
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")


def tabulate_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Correlations of A, the control's A and F with knowledge entropy, and with ln of the step.

    Over the columns of `tabulate_learning`, as `describe_correlation` says them.
    """
    values = table.map(lambda pair: pair[0]).T
    steps = np.log(np.maximum(values.index.to_numpy(float), 1))  # ln 1 for the untrained model
    beside = {ENTROPY: [*values[ENTROPY]], "ln step": [*steps]}
    rows = [*product(("A (%)", "control: A (%)", "F (%)"), CORRELATIONS)]
    found = {
        name: [describe_correlation(x, [*values[y]], kind) for y, kind in rows]
        for name, x in beside.items()
    }
    return pd.DataFrame(found, index=pd.MultiIndex.from_tuples(rows))
