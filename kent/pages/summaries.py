"""Outcomes of continual learning as tables of (value, standard error).

Axes: sample (the value itself, then its bootstrap samples).
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from kent.learning.outcomes import Outcome, estimate
from kent.measure.profiles import Profile
from kent.pages.axes import Key, label_checkpoints, name_axis, name_checkpoint
from kent.pages.gates import acquire_net, choose_control, exceed_chance, find_guessing
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
NET, FALL = "A net of the control (points)", "F of a fall to guessing (%)"
"""Rows: what injected facts gain beyond the control's, and F without any free parameter."""
KINDS = {"paraphrased": "paraphrase", "injected once": "once"}
"""Settings of the injected facts, under what pages call them (figure 11)."""


def name_models(results: Sequence[Result]) -> list[str]:
    """What each initial model is called: "step 128", "21B tokens", or its branch."""
    axis = name_axis(results)
    return [name_checkpoint(axis, key) for key in label_checkpoints(results)]


def _make(outcomes: Sequence[Outcome], columns: Iterable[Mapping]) -> pd.DataFrame:
    """A table with a column per initial model, as `kent.pages.axes` has them."""
    table = pd.DataFrame(dict(zip(label_checkpoints(outcomes), columns, strict=True)))
    return table.rename_axis(columns=name_axis(outcomes))


def tabulate_learning(outcomes: Sequence[Outcome], before: Sequence[Profile] = ()) -> pd.DataFrame:
    """A column per initial model, early to late: A (net too), F, K and P, with standard errors.

    Beside F what it is, 1 - guessing / P before, for a model that ends where guessing begins. With
    the profiles of the initial models, a row of their knowledge entropy too.
    """
    table = _make(outcomes, map(_summarize, outcomes))
    if before:
        table.loc[ENTROPY] = [each.estimate() for each in before]
    return table


def _summarize(outcome: Outcome) -> dict[str, tuple[float, float]]:
    knowledge, control = (outcome.performance(of=of) for of in ("knowledge", "control"))
    tasks = 100 * outcome.downstream()
    samples = {
        NET: acquire_net(outcome),
        "A (%)": outcome.acquisition(),
        "control: A (%)": outcome.acquisition(of="control"),
        "F (%)": outcome.forgetting(),
        "K before (nats)": knowledge[0],
        "K after (nats)": knowledge[-1],
        "control: K before (nats)": control[0],
        "control: K after (nats)": control[-1],
        "P before (%)": tasks[0],
        "P after (%)": tasks[-1],
        "A (nats)": outcome.acquisition(relative=False),
        "F (points)": outcome.forgetting(relative=False),
        "K after, padded mean (nats)": outcome.performance(measure="padded_mean")[-1],
    }
    guessing = {"P after minus guessing (points)": exceed_chance(outcome)}
    return estimate_rows(samples) | guessing | {FALL: fall_to_guessing(outcome)}


def fall_to_guessing(outcome: Outcome) -> tuple[float, float]:
    """F (%) of a model that ends where guessing begins, and its error over tasks' documents."""
    (excess, error), guessing = exceed_chance(outcome, 0), find_guessing(outcome)
    before = guessing + excess
    return 100 * excess / before, 100 * guessing * error / before**2


def estimate_rows(samples: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Value and standard error of every row of bootstrap samples."""
    return {row: estimate(each) for row, each in samples.items()}


def tabulate_kinds(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A column per initial model: A (net too) and K after learning of each of `KINDS`."""
    return _make(outcomes, map(_summarize_kinds, outcomes))


def _summarize_kinds(outcome: Outcome) -> dict[str, tuple[float, float]]:
    samples = {}
    for label, what in KINDS.items():
        samples[f"{label}, {NET}"] = acquire_net(outcome, what)
        sides = {"": (what, "knowledge"), "control: ": (choose_control(outcome, what), "control")}
        for side, (setting, of) in sides.items():
            samples[f"{label}, {side}A (%)"] = outcome.acquisition(setting, of=of)
            after = outcome.performance(setting, of=of)[-1]
            samples[f"{label}, {side}K after (nats)"] = after
    return estimate_rows(samples)


def join_tables(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other; a row's name begins with its table's.

    NaN where a table has not the column of another.
    """
    names = {key: [f"{key}, {row}" for row in table.index] for key, table in tables.items()}
    joined = pd.concat([table.set_axis(names[key]) for key, table in tables.items()])
    return joined.map(lambda pair: pair if isinstance(pair, tuple) else (np.nan, np.nan))


def list_guessing(outcomes: Sequence[Outcome]) -> list[str]:
    """The names (`name_models`) of initial models that in the end do no better than guessing.

    Within two standard errors: F has no room left there, and says what a model could before.
    """
    pairs = zip(name_models(outcomes), map(exceed_chance, outcomes), strict=True)
    return [name for name, (value, error) in pairs if value <= 2 * error]


def group_architectures(
    results: Mapping[str, Sequence[Result]],
) -> dict[str, tuple[Sequence[Profile], Sequence[Outcome]]]:
    """Results of `kent.runs.learning_plans.learn_architectures` by the architecture's name.

    The plan's own name stands behind it where two are of one architecture.
    """
    names = [name for name in results if f"{name}, learning" in results]
    kinds = [results[name][0].provenance["architecture"] for name in names]
    kinds = [kind.removesuffix("ForCausalLM") for kind in kinds]
    if len(set(kinds)) < len(kinds):
        kinds = [f"{kind} ({name})" for kind, name in zip(kinds, names, strict=True)]
    pairs = [(results[name], results[f"{name}, learning"]) for name in names]
    return dict(zip(kinds, pairs, strict=True))


Changed = Mapping[str, tuple[Profile, Outcome]]
"""By label a changed model, "unchanged" first: its profile before learning, and the outcome."""


def group_changes(results: Mapping[str, Sequence[Result]]) -> dict[Key, Changed]:
    """Results of `kent.runs.learning_plans.learn_changed`, by the initial model's column and label.

    Columns as of `kent.pages.axes.label_checkpoints`.
    """
    labels = [label for label in results if f"{label}, learning" in results]
    keys = label_checkpoints(results["unchanged, learning"])
    listed = [zip(results[label], results[f"{label}, learning"], strict=True) for label in labels]
    models = [dict(zip(labels, pairs, strict=True)) for pairs in zip(*listed, strict=True)]
    return dict(zip(keys, models, strict=True))
