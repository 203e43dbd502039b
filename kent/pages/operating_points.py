"""At which setting of continual learning something can be measured: a search, and its rule.

The rule is fixed before any trend over stages is looked at. A table has a row per setting.
"""

from collections.abc import Mapping, Sequence
from math import hypot, nan

import pandas as pd

from kent.learning.outcomes import Outcome, estimate
from kent.pages.gates import acquire_net, exceed_chance
from kent.pages.measures import Pair
from kent.runs.execution import Result
from kent.runs.learned_plans import BEFORE, LEARNED
from kent.runs.learning_plans import LEARNING

NET, LOST = "A net of the control (points)", "skill lost (%)"
RISE = "rise of the loss on old text (nats)"
GROSS = "A (%)"
FORGOTTEN = (10.0, 30.0)
"""Bounds of the skill above guessing that the last stage may lose, in %: less cannot be told from
nothing, and with more little is left to lose."""


def tabulate_points(results: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """(Value, standard error) of each setting of `kent.runs.learned_plans.search_points`."""
    [before], rows = results[BEFORE], {}
    for label, found in results.items():
        if label.endswith(ending := f", {LEARNING}"):
            name, [outcome] = label.removesuffix(ending), found
            [learned] = results[f"{name}, {LEARNED}"]
            rows[name] = {
                NET: estimate(acquire_net(outcome)),
                GROSS: estimate(outcome.acquisition()),
                LOST: lose_skill(outcome),
                RISE: learned.change_since(before, "loss"),
            }
    return pd.DataFrame(rows).T


def lose_skill(outcome: Outcome) -> Pair:
    """How much of what the model could do beyond guessing it has lost, in %, and the error.

    NaN where it could do nothing beyond guessing, within two standard errors. Errors before and
    after are taken as independent, so the error is too wide rather than too narrow.
    """
    (start, error), (end, own) = (exceed_chance(outcome, occasion) for occasion in (0, -1))
    if start <= 2 * error:
        return nan, nan
    return 100 * (1 - end / start), 100 * hypot(own / start, end * error / start**2)


def judge_point(row: pd.Series) -> str:
    """Why a setting is out; empty where it is eligible."""
    (net, error), (lost, _) = row[NET], row[LOST]
    low, high = FORGOTTEN
    if not net > 2 * error:
        return "nothing acquired beyond the control"
    if not low <= lost <= high:
        said = "too little" if lost < low else "too much"
        return f"forgets {said} to be measured" if lost == lost else "could do nothing before"
    return ""


def choose_point(table: pd.DataFrame) -> str | None:
    """The eligible setting whose net A is the most standard errors from zero; None for none."""
    eligible = table[[not judge_point(row) for _, row in table.iterrows()]]
    clearness = eligible[NET].map(lambda pair: pair[0] / pair[1])
    return None if eligible.empty else str(clearness.astype(float).idxmax())


def explain_points(table: pd.DataFrame) -> pd.Series:
    """By setting whether it was chosen, was eligible, or why it is out."""
    chosen = choose_point(table)
    words = {name: judge_point(row) or "eligible" for name, row in table.iterrows()}
    return pd.Series(words | ({chosen: "chosen"} if chosen else {}), name="by the rule")
