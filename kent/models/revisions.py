"""Steps of pretraining as the names of branches and folders tell them."""

import re
from collections.abc import Iterable

STEP = re.compile(r"step([0-9]+)(-tokens.*)?")
OTHER = re.compile(r".*[-_]step[-_]?([0-9]+).*")
"""A name of another form with a step in it, such as OLMo 2's stage1-step10000-tokens21B."""


def read_step(name: str) -> int | None:
    """The step of a branch called `step{N}` or `step{N}-tokens…`; None for any other."""
    match = STEP.fullmatch(name)
    return int(match[1]) if match else None


def read_steps(names: Iterable[str]) -> dict[int, list[str]]:
    """Every step with the branches, one or more, that are called by it."""
    found = {}
    for name in names:
        if (step := read_step(name)) is not None:
            found.setdefault(step, []).append(name)
    return found


def read_others(names: Iterable[str]) -> dict[str, int]:
    """The branches that are called otherwise, each with the step in its name."""
    matches = {name: OTHER.fullmatch(name) for name in names if read_step(name) is None}
    return {name: int(match[1]) for name, match in matches.items() if match}


def name_nearest(step: int, names: Iterable[str]) -> str:
    """What there is instead of a step, in words."""
    steps, others = read_steps(names), read_others(names)
    nearest = sorted(sorted(steps, key=lambda other: abs(other - step))[:4])
    known = (
        f"the nearest steps are {', '.join(map(str, nearest))}"
        if steps
        else "it holds no step{N} at all"
    )
    if others:
        near = sorted(others, key=lambda name: abs(others[name] - step))
        known += f", and branches of other names are not read: {name_some(near)}"
    return known


def name_some(names: Iterable[str]) -> str:
    """The first four names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
