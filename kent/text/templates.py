"""Documents written from templates: a writer puts a part about a subject onto a page.

A template is text with slots in braces; the subject says what a slot stands for and whether that
names an entity. Chance comes only from calls of `random()`, so that a seed fixes every character.
"""

import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, runtime_checkable

Chance = Callable[[], float]


@runtime_checkable
class Subject(Protocol):
    """What a document can be about."""

    def say(self, slot: str) -> tuple[str, bool]:
        """What the slot stands for, and whether that names an entity."""


@dataclass(frozen=True)
class Document:
    """A text and the character spans [start, end) of the entity names in it, in order."""

    text: str
    entities: tuple[tuple[int, int], ...]


class Page:
    """A document being written; `turns` remembers which alternative of a sentence comes next."""

    def __init__(self, random: Chance):
        self.random, self.turns = random, {}
        self.pieces, self.length, self.spans = [], 0, []

    def put(self, text: str, is_name: bool = False) -> None:
        """Appends text; a name gets a span."""
        if is_name:
            self.spans.append((self.length, self.length + len(text)))
        self.pieces.append(text)
        self.length += len(text)


Writer = Callable[[Page, Subject], None]


class Urn:
    """Weighted choice among items."""

    def __init__(self, weighted: Iterable[tuple[object, int | float]]):
        self.items, weights = zip(*weighted, strict=True)
        *self.edges, self.total = accumulate(weights)

    def draw(self, random: Chance) -> object:
        """One item, with a probability proportional to its weight."""
        return self.items[bisect(self.edges, random() * self.total)]

    def draw_distinct(self, count: int, random: Chance) -> list:
        """`count` different items, in the order they came."""
        found = {}
        while len(found) < count:
            found[self.draw(random)] = None
        return list(found)


def choose(items: Sequence, random: Chance) -> object:
    """One of the items, all equally likely."""
    return items[int(len(items) * random())]


def fill(template: str, subject: Subject) -> str:
    """A template with every slot replaced by what the subject says of it."""
    return re.sub(r"{(.+?)}", lambda slot: subject.say(slot[1])[0], template)


def shuffle(items: Iterable, random: Chance) -> list:
    """The items in random order."""
    return sorted(items, key=lambda _: random())


def write_one(alternatives: list[str], words: dict[str, list[str]]) -> Writer:
    """Writes one of the alternatives, another one the next time; "" is silence.

    A line break needs no space before it. The slot {any weather} stands for any of
    `words["weather"]`, {Any weather} for the same with a capital.
    """
    templates = [re.split(r"[{}]", alternative) for alternative in alternatives]

    def write_part(page: Page, subject: Subject) -> None:
        turn = page.turns.setdefault(write_part, int(len(templates) * page.random()))
        page.turns[write_part] = turn + 1
        first, *rest = templates[turn % len(templates)]
        if page.length and (first or rest) and not first.startswith("\n"):
            page.put(" ")
        page.put(first if page.length else first.lstrip("\n"))
        for slot, text in zip(rest[::2], rest[1::2], strict=True):
            if slot[:4] in ("any ", "Any "):
                word = choose(words[slot[4:]], page.random)
                page.put(word if slot[0] == "a" else word[0].upper() + word[1:])
            else:
                page.put(*subject.say(slot))
            page.put(text)

    return write_part


def write_some(bounds: Sequence[int], writers: list[Writer]) -> Writer:
    """Writes between bounds[0] and bounds[1] of the parts, in any order."""
    counts = range(bounds[0], bounds[1] + 1)

    def write_part(page: Page, subject: Subject) -> None:
        for writer in shuffle(writers, page.random)[: choose(counts, page.random)]:
            writer(page, subject)

    return write_part


def write_each(find: Callable[[Subject, Chance], list], writers: list[Writer]) -> Writer:
    """Writes the parts about each of the others that `find` finds for the subject."""

    def write_part(page: Page, subject: Subject) -> None:
        for other in find(subject, page.random):
            for writer in writers:
                writer(page, other)

    return write_part


def write(forms: Urn, random: Chance) -> Iterator[Document]:
    """Documents without end, each of a form drawn from `forms`: an urn of subjects, and writers."""
    while True:
        subjects, writers = forms.draw(random)
        page, subject = Page(random), subjects.draw(random)
        for writer in writers:
            writer(page, subject)
        yield Document("".join(page.pieces), tuple(page.spans))
