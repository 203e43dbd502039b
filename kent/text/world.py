"""A seeded synthetic world: entities with facts, and endless text about them in three domains.

`world.yaml` describes it. A seed fixes every fact; documents are drawn without end, their subjects
by Zipf's law. All randomness is `random.Random` seeded with a string and read only through
`random()`, whose sequence Python guarantees, so neither hash seed, platform nor library version
moves a character.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import product
from random import Random
from zlib import crc32

import yaml

from kent.text import templates
from kent.text.templates import Chance, Document, Urn, Writer, choose, shuffle

DOMAINS = ("pretraining", "near", "far")


class Name(str):
    """A string that names an entity, so that a mention of it gets a span."""


@dataclass(frozen=True, eq=False)
class Entity:
    """A person, a city, a work, ...; its facts are words, numbers, names or other entities."""

    name: str
    kind: str
    facts: dict[str, object] = field(repr=False)
    said: dict[str, tuple[str, bool]] = field(default_factory=dict, init=False, repr=False)

    def __str__(self) -> str:
        return self.name

    def say(self, slot: str) -> tuple[str, bool]:
        """What a template's slot says of this entity, and whether it is a name (kept)."""
        if slot not in self.said:
            self.said[slot] = self._phrase(slot)
        return self.said[slot]

    def _phrase(self, slot: str) -> tuple[str, bool]:
        if slot[0].isupper():
            text, is_name = self.say(slot[0].lower() + slot[1:])
            return text[0].upper() + text[1:], is_name
        if slot.startswith("a "):
            text, _ = self.say(slot[2:])
            return f"{'an' if text[0] in 'aeiouAEIOU' else 'a'} {text}", False
        value = self.name if slot == "name" else _follow(self.facts, slot)
        value = value.name if isinstance(value, Entity) else value
        return str(value), isinstance(value, Name)


class World:
    """One world, whose entities have the same facts in every document and domain.

    `entities`: kind ("person", "city", "work", "event", ...) to entities, most frequent first.
    """

    def __init__(self, seed: int = 0):
        self.seed = seed
        self.entities: dict[str, tuple[Entity, ...]] = {}
        self._names = {style: iter(self._stems(style, False)) for style in _plan()["names"]}
        for kind, plan in _plan()["kinds"].items():
            self.entities[kind] = tuple(self._populate(kind, plan))
        self._related = _relate(self.entities)
        self._forms = {domain: self._compile(_plan()["forms"][domain]) for domain in DOMAINS}

    def documents(self, domain: str = "pretraining", seed: int = 0) -> Iterator[Document]:
        """Documents without end; another seed has other documents of the same world (held out).

        Raises ValueError for a domain that is not in DOMAINS.
        """
        if domain not in DOMAINS:
            raise ValueError(f"unknown domain {domain!r}; accepted: {', '.join(DOMAINS)}")
        random = Random(f"world {self.seed}, {domain} {seed}").random
        return templates.write(self._forms[domain], random)

    def reserved_names(self, style: str) -> Iterator[str]:
        """Names of a style ("family", "place", ...) that no world uses, each once: for new facts.

        Raises ValueError for a style that `world.yaml` does not have.
        """
        if style not in (styles := _plan()["names"]):
            raise ValueError(f"unknown style of names {style!r}; accepted: {', '.join(styles)}")
        return iter(self._stems(style, reserved=True))

    def _stems(self, style: str, reserved: bool) -> list[str]:
        stems = map("".join, product(*_plan()["names"][style]))
        taken = (stem for stem in stems if (crc32(stem.encode()) % 4 == 0) == reserved)
        return shuffle(taken, Random(f"world {self.seed}, names {style}").random)

    def _populate(self, kind: str, plan: dict) -> list[Entity]:
        if "rows" in plan:
            return [Entity(name, kind, facts) for name, facts in plan["rows"].items()]
        random, made = Random(f"world {self.seed}, {kind}").random, {}
        while len(made) < plan["count"]:
            facts = {}
            for fact, rule in plan["facts"].items():
                facts[fact] = self._draw(rule, facts, len(made), random)
            name = Name(plan["name"].format(**facts))
            made.setdefault(name, Entity(name, kind, facts))
        population = list(made.values())
        for fact, first in plan.get("firsts", {}).items():
            for entity in population:
                entity.facts[fact].facts.setdefault(first, entity)
        for fact in plan.get("pairs", []):
            for one, other in zip(population[::2], population[1::2], strict=True):
                one.facts[fact], other.facts[fact] = other, one
        return population

    def _draw(self, rule: dict, facts: dict, index: int, random: Chance) -> object:
        """One fact by its rule; never the same entity twice, and the early ones most often."""
        words = _plan()["words"]
        match rule:
            case {"name": style}:
                return Name(next(self._names[style]))
            case {"word": choices}:
                return choose(words[choices], random)
            case {"look": [fact, table]}:
                found = words[table][_follow(facts, fact)]
                return choose(found, random) if isinstance(found, list) else found
            case {"number": [least, most, step]}:
                return choose(range(least, most + 1, step), random)
            case {"after": [fact, least, most]}:
                return _follow(facts, fact) + choose(range(least, most + 1), random)
            case {"spread": kind}:
                return self.entities[kind][index % len(self.entities[kind])]
            case {"among": [kind, shared]}:
                others, same = self.entities[kind], facts[shared]
                return choose([other for other in others if other.facts[shared] is same], random)
            case {"entity": kind}:
                others = [other for other in self.entities[kind] if other not in facts.values()]
                return others[int(len(others) * random() ** 2)]
        raise ValueError(f"world.yaml has no such rule for a fact: {rule}")

    def _compile(self, forms: list[dict]) -> Urn:
        """A domain's forms by weight, each with the subjects that have enough to tell (Zipf)."""

        def has_enough(subject: Entity, form: dict) -> bool:
            needs = [need for need in form["parts"] if "whose" in need]
            related = [self._related[subject, need["each"], need["whose"]] for need in needs]
            return all(len(r) >= need["count"][0] for r, need in zip(related, needs, strict=True))

        def make(form: dict) -> tuple[Urn, list[Writer]]:
            ranked = enumerate(self.entities[form["about"]], 1)
            subjects = Urn(
                (entity, 1 / rank) for rank, entity in ranked if has_enough(entity, form)
            )
            return subjects, [self._writer(part) for part in form["parts"]]

        return Urn((make(form), form["weight"]) for form in forms)

    def _writer(self, part: list | dict) -> Writer:
        match part:
            case [*alternatives]:
                return templates.write_one(alternatives, _plan()["words"])
            case {"pick": bounds, "from": parts}:
                return templates.write_some(bounds, [self._writer(one) for one in parts])
            case {"each": kind, "say": parts, **how}:
                writers = [self._writer(one) for one in parts]
                return templates.write_each(self._finder(kind, **how), writers)
        raise ValueError(f"world.yaml has no such part of a form: {part}")

    def _finder(self, kind: str, count: list[int], whose: str = "", order: str = "") -> Callable:
        """Finds others of the kind: those whose fact is the subject, or any, by Zipf's law."""
        urn = Urn((entity, 1 / rank) for rank, entity in enumerate(self.entities[kind], 1))
        counts = range(count[0], count[1] + 1)

        def find(subject: Entity, random: Chance) -> list[Entity]:
            wanted = choose(counts, random)
            if not whose:
                return urn.draw_distinct(wanted, random)
            found = shuffle(self._related[subject, kind, whose], random)[:wanted]
            return sorted(found, key=lambda entity: entity.facts[order]) if order else found

        return find


def _relate(entities: dict[str, tuple[Entity, ...]]) -> dict[tuple[Entity, str, str], list[Entity]]:
    """(entity, kind, fact): all of that kind whose fact is the entity."""
    related = defaultdict(list)
    for kind, population in entities.items():
        for entity in population:
            for fact, value in entity.facts.items():
                if isinstance(value, Entity):
                    related[value, kind, fact].append(entity)
    return related


def _follow(facts: dict[str, object], path: str) -> object:
    *steps, last = path.split(".")
    for step in steps:
        facts = facts[step].facts
    return facts[last]


@cache
def _plan() -> dict:
    return yaml.safe_load(files(__package__).joinpath("world.yaml").read_text(encoding="utf-8"))
