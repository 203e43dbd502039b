"""Fictional Knowledge: paragraphs that no model has seen, what is asked about them, and when each
is injected (section 4).

Pure data. `Knowledge.from_json` reads the published files; `Knowledge.synthetic` writes the same
from the world, by `knowledge.yaml`: new names that the world never tells, with facts made of what
it does tell.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from itertools import islice, permutations
from pathlib import Path
from random import Random
from typing import Annotated, Literal

import yaml
from pydantic import Field, InstanceOf

from kent.files import expand
from kent.settings import Count, Whole, check_fields, check_text, checked
from kent.text.documents import parse_json
from kent.text.templates import choose, fill, shuffle
from kent.text.world import Entity, World

SETTINGS = ("once", "paraphrase")
KEYS = {"memorization": "mem", "semantic": "gen", "compositional": "hard_gen"}
KINDS = tuple(KEYS)
INJECTIONS = 10
SEEDS = 3  # the reserved names reach for as many sets
CHOSEN = (3, 2)  # facts chosen of a paragraph's two new entities


@dataclass(frozen=True)
class Probe:
    """What is asked about a paragraph: how likely `target` is after `input` and a space.

    White space where the two meet and after the target does not count: `probe` leaves it out.
    `item` counts the paragraphs of a setting from 0. The target of a memorization probe follows its
    input in the paragraph, a semantic probe says the same in other words, a compositional one needs
    two sentences together.

    Raises ValueError for a field that is not of its type, and an input or target that is no text.
    """

    item: Whole
    setting: Literal[*SETTINGS]
    kind: Literal[*KINDS]
    input: str
    target: str

    def __post_init__(self):
        check_fields(self)
        for part in ("input", "target"):
            check_text(
                getattr(self, part),
                f"{part} of a {self.kind} probe, {self.setting} item {self.item}",
            )


@dataclass(frozen=True)
class Paragraph:
    """A text, the same facts in other words (at least 9 times), and the probes about them, kind
    after kind.

    Raises ValueError for a field that is not of its type, and for a text that is none.
    """

    text: str
    paraphrases: Annotated[tuple[str, ...], Field(min_length=INJECTIONS - 1)]
    probes: tuple[InstanceOf[Probe], ...]

    def __post_init__(self):
        check_fields(self)
        check_text(self.text, "text of a paragraph")
        for number, text in enumerate(self.paraphrases, start=1):
            check_text(text, f"paraphrase {number} of the paragraph {self.text!r:.60}")


@dataclass(frozen=True)
class Knowledge:
    """Paragraphs of two settings: injected once in all ten injections, or in every one, each time
    in other words.

    Raises ValueError for what is no tuple of paragraphs, when there are none, or when those
    injected once cannot be dealt evenly over ten injections.
    """

    once: tuple[InstanceOf[Paragraph], ...]
    paraphrase: tuple[InstanceOf[Paragraph], ...]

    def __post_init__(self):
        check_fields(self)
        if len(self.once) % INJECTIONS:
            raise ValueError(
                f"{len(self.once)} paragraphs injected once: a multiple of {INJECTIONS} is wanted, "
                "so that every injection has as many"
            )
        if not self.once + self.paraphrase:
            raise ValueError("no paragraphs: at least one is wanted, injected once or paraphrased")

    @classmethod
    @checked
    def from_json(cls, once: str | Path, paraphrase: str | Path) -> "Knowledge":
        """Read the two files of Fictional Knowledge in their published form.

        Each is a list of objects with `train_context`, a text, `paraphrases`, at least 9 texts, and
        for mem (memorization), gen (semantic) and hard_gen (compositional) the lists `…_input` and
        `…_target`, of one length.

        Raises ValueError naming file, item (from 0) and key for what is otherwise;
        FileNotFoundError for no file.
        """
        return cls(tuple(_read(Path(once), "once")), tuple(_read(Path(paraphrase), "paraphrase")))

    @classmethod
    @checked
    def synthetic(
        cls,
        seed: Annotated[Whole, Field(lt=SEEDS)] = 0,
        *,
        once: Whole = 60,
        paraphrase: Whole = 70,
    ) -> "Knowledge":
        """Write fictional knowledge for models of the tiny suites, from the world that they were
        pretrained on.

        A paragraph joins two new entities and states five facts of them: six short sentences. No
        two seeds share a new name, so that one seed can be the control, never injected, of another.

        Raises ValueError for a seed other than 0 to 2, a number below 0, or more paragraphs than
        there are names for.
        """
        writer = _Writer(seed)
        counts = zip(SETTINGS, (once, paraphrase), strict=True)
        return cls(
            *(
                tuple(writer.write(setting, item) for item in range(count))
                for setting, count in counts
            )
        )

    @checked
    def injections(self, k: Annotated[Count, Field(le=INJECTIONS)]) -> tuple[str, ...]:
        """The texts of the k-th injection, k from 1 to 10, in the paper's order.

        First every paraphrased paragraph, for k = 1 its text, else its paraphrase k - 1; then the
        k-th tenth of those injected once. Raises ValueError for another k.
        """
        share = len(self.once) // INJECTIONS
        versions = [
            (paragraph.text, *paragraph.paraphrases)[k - 1] for paragraph in self.paraphrase
        ]
        return (
            *versions,
            *(paragraph.text for paragraph in self.once[share * (k - 1) : share * k]),
        )

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Every probe, in six groups: the kinds of the first setting, then of the second; within
        each by paragraph."""
        settings = (self.once, self.paraphrase)
        groups = ((paragraphs, kind) for paragraphs in settings for kind in KINDS)
        return tuple(
            probe
            for paragraphs, kind in groups
            for paragraph in paragraphs
            for probe in paragraph.probes
            if probe.kind == kind
        )

    def describe(self) -> dict[str, int | str]:
        """What a record stores: the numbers of paragraphs and probes, and the SHA-256 of all texts
        and probes."""
        numbers = {
            "once": len(self.once),
            "paraphrase": len(self.paraphrase),
            "probes": len(self.probes),
        }
        return {**numbers, "sha256": hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()}


def _read(path: Path, setting: str) -> Iterator[Paragraph]:
    path = expand(path)
    records = parse_json(path.read_bytes(), str(path), "a list of objects, in UTF-8,")
    if not isinstance(records, list):
        raise ValueError(f"{path}: a list of objects is read, not {records!r:.80}")
    for item, record in enumerate(records):
        yield _parse(record, setting, item, f"{path}, item {item}")


def _parse(record: object, setting: str, item: int, place: str) -> Paragraph:
    if not isinstance(record, dict):
        raise ValueError(f"{place}: an object is wanted, not {record!r:.80}")
    text, probes = (
        _check_words(_find(record, "train_context", place), f"{place}, train_context"),
        [],
    )
    for kind, key in KEYS.items():
        inputs, targets = (
            _find_texts(record, f"{key}_input", place),
            _find_texts(record, f"{key}_target", place),
        )
        if len(inputs) != len(targets):
            raise ValueError(
                f"{place}: {key}_input has {len(inputs)} texts, {key}_target {len(targets)}"
            )
        probes += [Probe(item, setting, kind, *pair) for pair in zip(inputs, targets, strict=True)]
    paraphrases = _find_texts(record, "paraphrases", place)
    if len(paraphrases) < INJECTIONS - 1:
        raise ValueError(
            f"{place}, paraphrases: at least {INJECTIONS - 1} are wanted, not {len(paraphrases)}"
        )
    return Paragraph(text, tuple(paraphrases), tuple(probes))


def _find(record: dict, key: str, place: str) -> object:
    if key not in record:
        raise ValueError(f"{place}: no {key!r}")
    return record[key]


def _find_texts(record: dict, key: str, place: str) -> list[str]:
    texts = _find(record, key, place)
    if not isinstance(texts, list) or not texts:
        raise ValueError(
            f"{place}, {key}: a list of texts that is not empty is wanted, not {texts!r:.80}"
        )
    return [_check_words(text, f"{place}, {key}[{index}]") for index, text in enumerate(texts)]


def _check_words(text: object, place: str) -> str:
    if not check_text(text, place).strip():
        raise ValueError(f"{place}: a text that is not empty is wanted, not {text!r:.80}")
    return text


@dataclass(frozen=True)
class _Fact:
    """A fact of a paragraph: the sentences that state it, the first of which ends with it, and two
    probes with it."""

    target: str
    sentences: list[str]
    semantic: str
    compositional: str


class _Writer:
    """Writes one paragraph after another about new entities, each with the next of the seed's
    reserved names."""

    def __init__(self, seed: int):
        self.world, self.random = World(0), Random(f"knowledge {seed}").random
        styles = {
            style for entity in _plan()["entities"].values() for style in entity["new"].values()
        }
        self.names = {
            style: islice(self.world.reserved_names(style), seed, None, SEEDS) for style in styles
        }

    def write(self, setting: str, item: int) -> Paragraph:
        """The next paragraph: a link between two new entities and five facts. Its kind goes by the
        item."""
        facts = self._gather(_plan()["turns"][item % len(_plan()["turns"])])
        text, *paraphrases = self._tell(facts)
        asked = [
            ("memorization", fact.sentences[0].removesuffix("."), fact.target)
            for fact in facts[:-1]
        ]
        asked += [("semantic", fact.semantic, fact.target) for fact in facts[:-1]]
        asked += [("compositional", fact.compositional, fact.target) for fact in facts[1:]]
        probes = (
            Probe(item, setting, kind, said.removesuffix(end).rstrip(), end)
            for kind, said, end in asked
        )
        return Paragraph(text, tuple(paraphrases), tuple(probes))

    def _tell(self, facts: list[_Fact]) -> list[str]:
        """Ten texts: the first sentence of every fact, then nine times others, in another order
        behind the link."""
        texts = [" ".join(fact.sentences[0] for fact in facts)]
        while len(texts) < INJECTIONS:
            link, *others = [choose(fact.sentences[1:], self.random) for fact in facts]
            text = " ".join([link, *shuffle(others, self.random)])
            texts += [] if text in texts else [text]
        return texts

    def _gather(self, kind: str) -> list[_Fact]:
        """The link between two new entities and, in random order, three facts of the first and two
        of the other.

        What they borrow is drawn until no name and no target is part of another (bread, baking
        bread).
        """
        plan, entities = _plan()["paragraphs"][kind], _plan()["entities"]
        kinds = (kind, plan["other"])
        names = [self._name(each) for each in kinds]
        while True:
            main, other = (self._invent(*each) for each in zip(kinds, names, strict=True))
            main.facts[plan["by"]] = other
            main.facts["it"], other.facts["it"] = (
                fill(description, main) for description in plan["known_as"]
            )
            chosen = [
                shuffle(facts, self.random)[:count]
                for facts, count in zip(plan["chosen"], CHOSEN, strict=True)
            ]
            pairs = [
                (entity, fact)
                for entity, facts in zip((main, other), chosen, strict=True)
                for fact in facts
            ]
            facts = [
                self._express(entity, fact, entities[entity.kind]["facts"][fact])
                for entity, fact in pairs
            ]
            words = [main.name, other.name, *(fact.target for fact in facts)]
            if not any(one in another for one, another in permutations(words, 2)):
                return [self._express(main, plan["by"], plan), *shuffle(facts, self.random)]

    def _name(self, kind: str) -> dict[str, str]:
        new = _plan()["entities"][kind]["new"]
        drawn = {fact: next(self.names[style], None) for fact, style in new.items()}
        if None in drawn.values():
            raise ValueError(
                f"no new name is left for a {kind}: ask for fewer paragraphs (60 and 70 can be had)"
            )
        return drawn

    def _invent(self, kind: str, names: dict[str, str]) -> Entity:
        """A new entity; each group of its other facts is taken from one known entity of its
        kind."""
        plan, facts = _plan()["entities"][kind], dict(names)
        for group in plan["borrowed"]:
            known = choose(self.world.entities[kind], self.random)
            facts |= {fact: known.facts[fact] for fact in group}
        return Entity(plan["name"].format(**facts), kind, facts)

    def _express(self, entity: Entity, fact: str, plan: dict) -> _Fact:
        """All that is said of a fact; any sentence that ends with it may come first."""
        target = entity.say(fact)[0]
        sentences = [fill(template, entity) for template in plan["sentences"]]
        first = choose(
            [at for at, sentence in enumerate(sentences) if sentence.endswith(f"{target}.")],
            self.random,
        )
        probes = (fill(plan.get(kind, ""), entity) for kind in ("semantic", "compositional"))
        return _Fact(target, [sentences.pop(first), *sentences], *probes)


@cache
def _plan() -> dict:
    return yaml.safe_load(files(__package__).joinpath("knowledge.yaml").read_text(encoding="utf-8"))
