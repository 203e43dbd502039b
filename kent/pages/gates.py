"""Preconditions of a verdict: where one is not met, its words stand in the verdict's place."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float64

from kent.learning.downstream import find_chance
from kent.learning.outcomes import Outcome, estimate
from kent.paper import is_effect

FLOOR, NO_FALL = "not measurable (floor)", "not measurable (no fall)"
NOT_ACQUIRED = "not measurable (nothing acquired)"
ONE_POINT = "not measurable (one checkpoint decides)"
BY_CONSTRUCTION = "by construction"
GATES = (FLOOR, NO_FALL, NOT_ACQUIRED, ONE_POINT, BY_CONSTRUCTION)


def require_fall(*changes: tuple[float, float]) -> str | None:
    """`NO_FALL` where one of the changes (value, error) is no fall beyond two standard errors.

    For claims of what falls most, or together: two that rise together correlate as well.
    """
    fallen = all(value < 0 and is_effect(value, error) for value, error in changes)
    return None if fallen else NO_FALL


def find_guessing(outcome: Outcome) -> float:
    """What P would be by guessing, in %: the mean over an outcome's tasks."""
    return 100 * float(np.mean([find_chance(task) for task in outcome.answers]))


def exceed_chance(outcome: Outcome, occasion: int = -1) -> tuple[float, float]:
    """P minus what guessing scores, in points, and its error over tasks' documents.

    At the end, or on another occasion (0: before learning).
    """
    last = [answers[occasion] for answers in outcome.answers.values()]
    right = 100 * float(np.mean([answers.mean().item() for answers in last]))
    # tasks are independent: variances of their means add up in the sum that the mean is taken of
    variances = [answers.var().item() / len(answers) for answers in last]
    return right - find_guessing(outcome), 100 * float(np.sum(variances)) ** 0.5 / len(last)


def find_floor(outcomes: Sequence[Outcome], occasions: Sequence[int] = (0, -1)) -> str | None:
    """`FLOOR` where P of one of the outcomes, before or after, is within two errors of guessing.

    A fall that ends where guessing begins is as deep as what the model could before: F is then
    1 - guessing / P before, whatever was learned. `occasions`: 0 is before learning, -1 the end.
    """
    pairs = product(outcomes, occasions)
    ends = [exceed_chance(outcome, occasion) for outcome, occasion in pairs]
    return FLOOR if any(value <= 2 * error for value, error in ends) else None


def choose_control(outcome: Outcome, what: str) -> str:
    """The control's setting beside facts of a setting: the same where it was probed, else all."""
    probed = [] if what == "all" else outcome.provenance["probes"]["control"]["setting"]
    return what if what in probed else "all"


def acquire_net(
    outcome: Outcome, what: str = "all", since: Outcome | None = None
) -> Float64[np.ndarray, " sample"]:
    """A of the injected facts minus that of the control, in points: bootstrap samples.

    What facts that were never injected gain as well is style, not knowledge. `what` and `since` are
    the setting and the start of `Outcome.acquisition`.
    """
    facts = outcome.acquisition(what, since=since)
    beside = choose_control(outcome, what)
    return facts - outcome.acquisition(beside, of="control", since=since)


def require_acquisition(outcomes: Sequence[Outcome], what: str = "all") -> str | None:
    """`NOT_ACQUIRED` where no outcome acquires more than its control, beyond two standard errors.

    Without acquisition none can be less. `what` is the setting, as of `acquire_net`.
    """
    pairs = [estimate(acquire_net(outcome, what)) for outcome in outcomes]
    acquired = any(value > 2 * error for value, error in pairs)
    return None if acquired else NOT_ACQUIRED


def require_all_points(low: float, high: float) -> str | None:
    """`ONE_POINT` where a correlation's leave-one-out range (`low` to `high`) holds both signs."""
    return ONE_POINT if low <= 0 <= high else None
