"""What learning does to the loss on held-out text, and to entropies: a forgetting without a floor.

A table has (value, standard error) by row and model. Differences are taken over the same tokens.
"""

from collections.abc import Mapping, Sequence
from math import hypot

import pandas as pd

from kent.learning.outcomes import Outcome, estimate
from kent.measure.profiles import Profile
from kent.pages.axes import label_checkpoints, name_axis
from kent.pages.gates import acquire_net
from kent.pages.measures import Pair
from kent.pages.summaries import FALL, NET, fall_to_guessing, join_tables
from kent.runs.execution import Result
from kent.runs.learned_plans import BEFORE as PROFILED
from kent.runs.learned_plans import LEARNED
from kent.runs.learning_plans import LEARNING, UNCHANGED

BEFORE, AFTER = "loss before learning (nats)", "loss after learning (nats)"
RISE = "rise of the loss (nats)"
BESIDE = "loss after learning, minus unchanged (nats)"
MOVED = "change of H (nats)"
FINAL = "final model, "
"""What the names of rows begin with that are of the changed models."""


def tabulate_stages(
    before: Sequence[Profile], learned: Sequence[Profile], outcomes: Sequence[Outcome]
) -> pd.DataFrame:
    """A column per initial model: the loss, its rise, how H moved, and F with its floor."""
    triples = zip(before, learned, outcomes, strict=True)
    columns = [_follow(*each[:2]) | _forget(each[2]) for each in triples]
    table = pd.DataFrame(dict(zip(label_checkpoints(before), columns, strict=True)))
    return table.rename_axis(columns=name_axis(before))


def compare_ends(stages: pd.DataFrame, row: str = RISE) -> Pair:
    """A row of the last initial model minus that of the first: by default how the loss rises.

    Zero, with no error, where there is one only.
    """
    (first, error), *_, (last, own) = [*stages.loc[row], stages.loc[row].iloc[-1]]
    return last - first, hypot(error, own) if stages.shape[1] > 1 else 0.0


def _follow(before: Profile, learned: Profile) -> dict[str, Pair]:
    return {
        BEFORE: before.estimate("loss"),
        AFTER: learned.estimate("loss"),
        RISE: learned.change_since(before, "loss"),
        MOVED: learned.change_since(before, "knowledge"),
    }


def _forget(outcome: Outcome) -> dict[str, Pair]:
    return {"F (%)": estimate(outcome.forgetting()), FALL: fall_to_guessing(outcome)}


def tabulate_changes(results: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """A column per changed model of `kent.runs.learned_plans.measure_learned`, "unchanged" first.

    The loss rises from that of the unchanged model before learning, so that what a change itself
    breaks counts; H moves from that of the changed one.
    """
    models = {
        label: (results[label][0], results[f"{label}, {LEARNED}"][0])
        for label in results
        if f"{label}, {LEARNING}" in results
    }
    start, end = models[UNCHANGED]
    table = pd.DataFrame(
        {
            label: _follow(before, learned)
            | {RISE: learned.change_since(start, "loss"), BESIDE: learned.change_since(end, "loss")}
            for label, (before, learned) in models.items()
        }
    )
    return table.add_prefix(FINAL, axis="index")


def tabulate_starts(results: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """A column per initial model of `kent.runs.learned_plans.compare_starts`, rows by start."""
    before, tables = results[PROFILED], {}
    for label in results:
        if label.endswith(ending := f", {LEARNING}"):
            start = label.removesuffix(ending)
            outcomes, learned = results[label], results[f"{start}, {LEARNED}"]
            stages = tabulate_stages(before, learned, outcomes).loc[[RISE, "F (%)"]]
            stages.loc[NET] = [estimate(acquire_net(each)) for each in outcomes]
            tables[start] = stages
    return join_tables(tables).rename_axis(columns=name_axis(before))
