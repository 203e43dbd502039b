"""How measures go over pretraining, by tokens per parameter, and where knowledge entropy turns.

A table has (value, standard error) by row and checkpoint; what is known exactly has an error of 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from kent.measure.profiles import Profile
from kent.models.places import count_tokens
from kent.models.suites import OWN, SUITES
from kent.pages.measures import HEADINGS, measure_layer_gaps, tabulate
from kent.pages.seeds import format_interval
from kent.paper import is_effect

READ, RATE = "tokens per parameter", "learning rate (share of the peak)"
LENGTH = "length of memory vectors, mean of layers"
LOSS, DORMANT = HEADINGS["loss"], "dormant fraction"
PAPER = tuple(share * 738_020 * 2048**2 / 1.177e9 for share in (0.16, 1.0))
"""Tokens per parameter of OLMo-1B at the paper's first and last stage: 738,020 steps of 4 million
tokens."""


@dataclass(frozen=True)
class Phase:
    """A stretch of pretraining in which knowledge entropy only rises, or only falls."""

    start: int
    end: int
    change: float
    error: float


def count_read(profile: Profile) -> float | None:
    """Tokens per parameter that a checkpoint had read; None where neither is known."""
    revision = profile.provenance["revision"]
    name, tokens = revision["repository"], count_tokens(revision)
    suite = next((x for x in SUITES.values() if name in (x.name, x.repository)), None)
    return tokens / suite.parameters if suite and tokens is not None else None


def find_rate(profile: Profile) -> float | None:
    """The learning rate of a checkpoint's step as a share of the peak; None for others' models."""
    revision = profile.provenance["revision"]
    recipe = OWN.get(revision["repository"])
    return recipe and recipe.follow_rate(revision["step"]) / recipe.learning_rate


def tabulate_history(profiles: Sequence[Profile]) -> pd.DataFrame:
    """A column per checkpoint: H's distance to its bound, by layer too, and what goes with it.

    What is not known of all checkpoints is left out.
    """
    table = tabulate(profiles, ["knowledge", "gap", "loss", DORMANT])
    layers = [measure_layer_gaps(each) for each in profiles]
    for row in layers[0]:
        table.loc[row] = [each[row] for each in layers]
    found = {READ: [count_read(each) for each in profiles]}
    found[RATE] = [find_rate(each) for each in profiles]
    found[LENGTH] = [measure_length(each) for each in profiles]
    for row, values in found.items():
        if None not in values:
            table.loc[row] = [(value, 0.0) for value in values]
    return table


def measure_length(profile: Profile) -> float:
    """Mean length of the memory vectors, mean of layers."""
    lengths = [norms.mean().item() for norms in profile.vector_norms]
    return sum(lengths) / len(lengths)


def find_phases(profiles: Sequence[Profile]) -> list[Phase]:
    """The phases of knowledge entropy, one after the other.

    A turn counts where what follows moves back by more than two standard errors, of differences on
    the same text. Nothing is found where nothing moves that far.
    """
    turns, reached, rising = [0], 0, None
    for place in range(1, len(profiles)):
        change, error = profiles[place].change_since(profiles[reached])
        if rising is None or (change > 0) != rising:
            if not is_effect(change, error):
                continue
            if rising is not None:
                turns.append(reached)
            rising = change > 0
        reached = place
    ends = [*turns, reached] if reached else turns
    return [
        Phase(start, end, *profiles[end].change_since(profiles[start]))
        for start, end in pairwise(ends)
    ]


def describe_phases(phases: Sequence[Phase], table: pd.DataFrame) -> str:
    """Sentences: the phases by tokens per parameter (or by step), and the last beside the paper's.

    `table` is that of `tabulate_history`.
    """
    if not phases:
        return "Knowledge entropy does not move by more than two standard errors."
    known = READ in table.index
    read = [pair[0] for pair in table.loc[READ]] if known else [*table]
    unit = READ if known else table.columns.name
    said = [
        f"{'rises' if each.change > 0 else 'falls'} by "
        f"{format_interval(abs(each.change), each.error)} until {_shorten(read[each.end])}"
        for each in phases
    ]
    text = f"From the first checkpoint on, knowledge entropy {', '.join(said)} {unit}."
    return f"{text} {_place_last(phases[-1], read)}" if known else text


def _place_last(last: Phase, read: Sequence[float]) -> str:
    """Whether what happens last is what the paper sees, and where it begins."""
    word = "rise" if last.change > 0 else "fall"
    low, high = PAPER
    if read[-1] < low:
        return f"It ends before the paper's first stage, at about {low:,.0f}."
    start = f"The last {word} begins at {_shorten(read[last.start])}"
    return f"{start}; the paper's models are between {low:,.0f} and {high:,.0f}, and fall there."


def _shorten(number: float | int) -> str:
    """A number with three digits, or all before the point.

    >>> _shorten(1041.7), _shorten(1.3333)
    ('1,042', '1.33')
    """
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
