"""What an architecture does not let kent measure, and how a profile does without it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Found = TypeVar("Found")


class NotMeasurableError(ValueError):
    """One of the three measures cannot be had from this architecture; the others may."""

    def __init__(self, measure: str, reason: str):
        super().__init__(reason)
        self.measure = measure


def leave_out(
    run: Callable[[Sequence[str]], Found], measures: Sequence[str]
) -> tuple[Found, dict[str, str]]:
    """What `run` finds of those measures that can be had, and why the others cannot.

    `run` takes the measures and raises `NotMeasurableError` for one that is impossible; it is then
    asked again for the others, from the start, so that they are what they are without it. Raises
    `ValueError` with all reasons when none is left.
    """
    left, reasons = list(measures), {}
    while left:
        try:
            return run(left), reasons
        except NotMeasurableError as error:
            left.remove(error.measure)
            reasons[error.measure] = str(error)
    raise ValueError("; ".join(dict.fromkeys(reasons.values())))
