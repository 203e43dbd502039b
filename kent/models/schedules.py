"""Learning rates of pretraining over its steps, as shares of the peak: phases one after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import Literal

Shape = Literal["cosine", "constant", "linear", "rewarm"]
Phase = tuple[int, Shape]
"""The step at which a phase begins, and how the rate goes on from there."""


@dataclass(frozen=True)
class Schedule:
    """A linear warm-up of so many steps, then `phases`, the first from step 0, to the step `last`.

    Shapes: a cosine, planned from the warm-up to the step `planned`, where it is at 10 % of the
    peak; constant; linear to 0, where the phase ends; rewarm, linear to the peak in as many steps
    as the warm-up, and constant.
    """

    warmup: int
    phases: Sequence[Phase]
    planned: int
    last: int

    def follow(self, step: int) -> float:
        """The share of the peak rate at a step."""
        if step < self.warmup:
            return step / max(self.warmup, 1)
        share, ends = 1.0, [start for start, _ in self.phases[1:]]
        for (start, shape), end in zip(self.phases, [*ends, self.last], strict=True):
            if start <= step:
                share = SHAPES[shape](self, share, start, end, min(step, end))
        return share

    def _follow_cosine(self, share: float, start: int, end: int, step: int) -> float:
        done = (step - self.warmup) / max(self.planned - self.warmup, 1)
        return 0.1 + 0.9 * (1 + cos(pi * done)) / 2

    def _stay(self, share: float, start: int, end: int, step: int) -> float:
        return share

    def _fall(self, share: float, start: int, end: int, step: int) -> float:
        return share * (end - step) / (end - start)

    def _rise(self, share: float, start: int, end: int, step: int) -> float:
        return share + (1 - share) * min((step - start) / max(self.warmup, 1), 1)


SHAPES: dict[Shape, Callable[[Schedule, float, int, int, int], float]] = {
    "cosine": Schedule._follow_cosine,
    "constant": Schedule._stay,
    "linear": Schedule._fall,
    "rewarm": Schedule._rise,
}
