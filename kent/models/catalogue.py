"""Public suites of checkpoints as data: how a repository's branches are to be read.

The facts are in suites.yaml beside this file, and in the file that `$KENT_SUITES` names, which
comes first.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_type_hints

import yaml

from kent.files import expand
from kent.models.places import Place, read_branch
from kent.settings import Count, Whole, check

SECOND_HAND = "(At second hand; a file named by $KENT_SUITES corrects what is wrong.)"
NEEDED = ("name", "repositories", "example", "source")


@dataclass(frozen=True)
class Description:
    """What is known of a suite beside its branches' names; the keys of suites.yaml, said there."""

    name: str
    repositories: str
    example: list[str]
    source: Literal["card", "second-hand"]
    tokens_per_step: Count | dict[Whole, Count] | None = None
    places: dict[str, dict[str, int | str]] = field(default_factory=dict)
    ignore: str | None = None
    main: bool = True
    bos: bool | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        """Refuse places and regular expressions that are none."""
        known = {each.name for each in fields(Place)}
        for branch, place in self.places.items():
            if beyond := sorted(place.keys() - known):
                accepted = ", ".join(sorted(known))
                raise ValueError(f"{branch} has a place with {beyond[0]!r}; accepted: {accepted}")
        for pattern in filter(None, (self.repositories, self.ignore)):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error

    def __str__(self) -> str:
        hand = {"card": "", "second-hand": SECOND_HAND}[self.source]
        return " ".join(filter(None, [self.name and f"{self.name}.", self.notes, hand]))

    def covers(self, repository: str) -> bool:
        """Whether a Hub repository is one of this suite."""
        return re.fullmatch(self.repositories, repository, re.IGNORECASE) is not None

    def read(self, branch: str) -> Place | None:
        """The place of a branch, with tokens worked out from its step; None for one to ignore."""
        if self.ignore and re.fullmatch(self.ignore, branch):
            return None
        place = Place(**self.places[branch]) if branch in self.places else read_branch(branch)
        rate = self.tokens_per_step
        rate = rate.get(place.stage or 1) if isinstance(rate, Mapping) else rate
        if None in (rate, place.step) or place.tokens is not None:
            return place
        return replace(place, tokens=rate * place.step)


UNKNOWN = Description("", "", [], "card")
"""Of a repository that no suite covers: its branches' names are all there is."""


def describe_suite(repository: str) -> Description:
    """The first description that covers a Hub repository, or is called like it; else `UNKNOWN`."""
    for each in list_descriptions():
        if each.covers(repository) or each.name == repository:
            return each
    return UNKNOWN


def list_descriptions() -> list[Description]:
    """All suites that are described, a user's own first.

    Raises `ValueError`, naming file and entry, for one that is no description.
    """
    own = os.environ.get("KENT_SUITES")
    return [*(_read_own(own) if own else ()), *_read_packaged()]


@cache
def _read_packaged() -> list[Description]:
    text = files(__package__).joinpath("suites.yaml").read_text("utf-8")
    return _read(text, "suites.yaml")


def _read_own(path: str) -> Iterable[Description]:
    name = f"{path} ($KENT_SUITES)"
    try:
        return _read(Path(expand(path)).read_text("utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} cannot be read: {error}") from error


def _read(text: str, name: str) -> list[Description]:
    try:
        entries = yaml.safe_load(text) or []
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is not YAML: {error}") from error
    entries = check({name: list[dict[str, object]]}, {name: entries})[name]
    return [
        _describe(entry, f"{name}, {entry.get('name', 'an entry without name')}")
        for entry in entries
    ]


def _describe(entry: dict[str, object], place: str) -> Description:
    """An entry as a description; ValueError, naming its place, for what is none."""
    declared = get_type_hints(Description, include_extras=True)
    if beyond := sorted(entry.keys() - declared.keys()):
        raise ValueError(f"{place}: no key {beyond[0]!r} is known; accepted: {', '.join(declared)}")
    if missing := [key for key in NEEDED if key not in entry]:
        raise ValueError(f"{place}: the key {missing[0]!r} is missing")
    try:
        return Description(**check(declared, entry))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
