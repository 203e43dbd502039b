"""Outcomes of continual learning as tables of (value, standard error).

Axes: sample (the value itself, then its bootstrap samples).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from kent.learning.outcomes import Outcome, estimate
from kent.measure.profiles import Profile
from kent.pages.evidence import label_steps
from kent.pages.gates import acquire_net, exceed_chance
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
NET = "A net of the control (points)"


def tabulate_learning(outcomes: Sequence[Outcome], before: Sequence[Profile] = ()) -> pd.DataFrame:
    """A column per initial model, by its step: A (net too), F, K and P, with standard errors.

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
        NET: acquire_net(outcome),
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


def list_guessing(outcomes: Sequence[Outcome]) -> list[int]:
    """The steps of initial models that in the end do no better than guessing.

    Within two standard errors: F has no room left there, and says what a model could before.
    """
    pairs = zip(label_steps(outcomes), map(exceed_chance, outcomes), strict=True)
    return [step for step, (value, error) in pairs if value <= 2 * error]


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
