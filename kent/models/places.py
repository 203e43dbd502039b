"""Where in its pretraining a checkpoint stands, read from the name of its branch or folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from kent.models.suites import OWN
from kent.settings import checked

UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "bt": 10**9, "t": 10**12}

COUNT = r"[0-9]+(?:\.[0-9]+)?(?:bt|[kmbt])?"
"""A number as suites write it: 1000, 010000, 480k, 4001B, 2BT, 1.5T."""

FORMS = (
    # Pythia, OLMo, OLMo 2, Olmo 3, SmolLM2, SmolLM3, Comma, Apertus, DataDecide, TOAA
    r"(?:stage(?P<stage>[0-9]+)[-_])?(?:ingredient(?P<ingredient>[0-9]+)[-_])?"
    r"step[-_]?(?P<step>COUNT)(?:-tokens?-?(?P<tokens>COUNT)?|-seed-(?P<seed>[a-z0-9-]+))?"
    r"(?:-unsharded|-mix-.+)?",
    r"step-(?P<step>COUNT)-(?P<tokens>COUNT)",  # FineWeb's ablations
    r".+-step-(?P<step>COUNT)-(?:token-)?(?P<tokens>COUNT)",  # TinyLlama's repositories
    r"ckpt_(?P<step>[0-9]+)",  # Amber, K2: an index
    r"base_(?P<step>[0-9]+)",  # K2-V2
    r"CrystalCoder_phase(?P<stage>[0-9]+)_checkpoint_(?P<step>[0-9]+)",
    r"(?P<first>pretrain)_iter_(?P<step>[0-9]+)",  # OpenCoder
    r"(?P<second>anneal)_iter_(?P<step>[0-9]+)",
    r"(?P<tokens>COUNT)_tokens",  # RedPajama-INCITE
    r"chck_(?P<step>COUNT)",  # BabyLM: words
    r"(?:checkpoint-|global_step|iter_)?(?P<step>[0-9]+)",  # B-GPT; what trainers write
)
"""Forms of names, of which the first that fits a whole name counts.

COUNT stands for a number; upper and lower case are one. What a suite's names do not say is in
suites.yaml.
"""
NUMBERS = {"stage", "ingredient", "step", "tokens"}
STAGES = {"first": 1, "second": 2}
"""Stages that have a word for a name."""


@dataclass(frozen=True)
class Place:
    """A place in a pretraining; what a name does not say is None.

    `step` is a suite's own count (of a stage, where there are stages): optimizer steps, an index of
    its checkpoints (Amber), or words (BabyLM). `ingredient` is one of several runs of a stage that
    differ in the data's order; `tokens` are those that were read, of the stage where there are
    stages.
    """

    stage: int | None = None
    ingredient: int | None = None
    step: int | None = None
    tokens: int | None = None
    seed: str | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        """By which places of one suite are sorted: stage, then step (or tokens), then ingredient.

        A stage that is not said is the first.
        """
        count = self.tokens if self.step is None else self.step
        return self.stage or 1, count or 0, self.ingredient or 0

    def __str__(self) -> str:
        said = {name: value for name, value in vars(self).items() if value is not None}
        return ", ".join(
            f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
            for name, value in said.items()
        )


@checked
def read_branch(name: str) -> Place:
    """The place that the name of a branch, or of a checkpoint's folder, says.

    >>> read_branch("stage2-ingredient1-step23852-tokens51B")
    Place(stage=2, ingredient=1, step=23852, tokens=51000000000, seed=None)
    >>> read_branch("main") == Place()
    True

    A name of no known form says nothing: `Place()`.
    """
    for form in FORMS:
        if match := _compile(form).fullmatch(name):
            said = {key: value for key, value in match.groupdict().items() if value is not None}
            stage = next((STAGES[key] for key in STAGES if key in said), None)
            numbers = {key: read_count(said[key]) for key in said.keys() & NUMBERS}
            return Place(**{"stage": stage, "seed": said.get("seed")} | numbers)
    return Place()


@cache
def _compile(form: str) -> re.Pattern:
    return re.compile(form.replace("COUNT", COUNT), re.IGNORECASE | re.ASCII)


def add_up(places: Mapping[str, Place]) -> dict[str, int]:
    """Tokens that were read from the start of pretraining on, of each branch where it is known.

    A stage counts on from the last branch of the stage before, unless the suite's own counts do
    (no branch of the later stage has fewer). From a stage on where a branch says none, none is
    known. Branches without a stage are those of the first.
    """
    stages, totals, before = {}, {}, 0
    for branch, place in places.items():
        stages.setdefault(place.stage or 1, {})[branch] = place.tokens
    for _, said in sorted(stages.items()):
        if None in said.values():
            break
        start = before if min(said.values()) < before else 0
        totals |= {branch: start + tokens for branch, tokens in said.items()}
        before = max(totals.values())
    return totals


def count_tokens(revision: Mapping[str, object]) -> int | None:
    """Tokens that a checkpoint had read, by its revision; None where nothing says them.

    The book's own models read as many in each step as their recipe says.
    """
    if recipe := OWN.get(revision["repository"]):
        return revision["step"] * recipe.batch * recipe.length
    return revision.get("tokens")


def tabulate_places(places: Mapping[str, Place]) -> list[list[str | int]]:
    """Rows with each branch and its place, under a header; what no branch says has no column."""
    found = [vars(place) for place in places.values()]
    known = [key for key in vars(Place()) if any(each[key] is not None for each in found)]
    rows = [["" if each[key] is None else each[key] for key in known] for each in found]
    return [["branch", *known], *([name, *row] for name, row in zip(places, rows, strict=True))]


def read_count(written: str) -> int:
    """The number that a count such as 010000, 480k or 4001B stands for.

    >>> read_count("1.5T")
    1500000000000
    """
    digits, unit = re.fullmatch(r"([0-9.]+)([a-z]*)", written.lower()).groups()
    return round(float(digits) * UNITS[unit]) if "." in digits else int(digits) * UNITS[unit]
