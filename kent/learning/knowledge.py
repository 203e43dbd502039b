"""Fictional Knowledge: paragraphs no model has seen, their probes, and their ten injections.

Pure data (section 4.1). `Knowledge.from_json` reads the published files; `Knowledge.synthetic`
writes the same from the world, by `knowledge.yaml`: new names that no document of the world has,
with facts made of what documents of it do say.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, InstanceOf

from kent.files import expand
from kent.learning.fiction import SEEDS, Writer
from kent.settings import Count, Whole, check_fields, check_text, checked
from kent.text.documents import parse_json

SETTINGS = ("once", "paraphrase")
KEYS = {"memorization": "mem", "semantic": "gen", "compositional": "hard_gen"}
KINDS = tuple(KEYS)
INJECTIONS = 10


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
        place = f"a {self.kind} probe, {self.setting} item {self.item}"
        for part in ("input", "target"):
            check_text(getattr(self, part), f"{part} of {place}")


@dataclass(frozen=True)
class Paragraph:
    """A text, its facts in other words (9 times or more), and their probes, kind after kind.

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
    """Paragraphs of two settings: injected once, or paraphrased in each of ten injections.

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
        return cls(tuple(_read(once, "once")), tuple(_read(paraphrase, "paraphrase")))

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
        writer, texts = Writer(seed), []
        for setting, count in zip(SETTINGS, (once, paraphrase), strict=True):
            records = (writer.write(item, INJECTIONS) for item in range(count))
            texts.append(tuple(_parse(records, setting, "synthetic knowledge")))
        return cls(*texts)

    @checked
    def injections(self, k: Annotated[Count, Field(le=INJECTIONS)]) -> tuple[str, ...]:
        """The texts of the k-th injection, k from 1 to 10, in the paper's order.

        First every paraphrased paragraph, for k = 1 its text, else its paraphrase k - 1; then the
        k-th tenth of those injected once. Raises ValueError for another k.
        """
        share = len(self.once) // INJECTIONS
        versions = [(each.text, *each.paraphrases)[k - 1] for each in self.paraphrase]
        return (*versions, *(each.text for each in self.once[share * (k - 1) : share * k]))

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Every probe: kinds of the first setting, then of the second, each by paragraph."""
        groups = product((self.once, self.paraphrase), KINDS)
        asked = ((kind, each.probes) for paragraphs, kind in groups for each in paragraphs)
        return tuple(probe for kind, probes in asked for probe in probes if probe.kind == kind)

    def describe(self) -> dict[str, int | str]:
        """What a record stores: how many paragraphs and probes, the SHA-256 of all they say."""
        numbers = {name: len(getattr(self, name)) for name in (*SETTINGS, "probes")}
        return numbers | {"sha256": hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()}


def _read(path: str | Path, setting: str) -> Iterator[Paragraph]:
    path = expand(path)
    records = parse_json(path.read_bytes(), str(path), "a list of objects, in UTF-8,")
    if not isinstance(records, list):
        raise ValueError(f"{path}: a list of objects is read, not {records!r:.80}")
    return _parse(records, setting, str(path))


def _parse(records: Iterable, setting: str, source: str) -> Iterator[Paragraph]:
    """Paragraphs out of records in the published form; ValueError naming source, item and key."""
    for item, record in enumerate(records):
        place, probes = f"{source}, item {item}", []
        if not isinstance(record, dict):
            raise ValueError(f"{place}: an object is wanted, not {record!r:.80}")
        text = _check_words(_find(record, "train_context", place), f"{place}, train_context")
        for kind, key in KEYS.items():
            pairs = [_find_texts(record, f"{key}_{part}", place) for part in ("input", "target")]
            inputs, targets = map(len, pairs)
            if inputs != targets:
                raise ValueError(f"{place}: {key}_input has {inputs} texts, {key}_target {targets}")
            probes += [Probe(item, setting, kind, *pair) for pair in zip(*pairs, strict=True)]
        paraphrases, least = _find_texts(record, "paraphrases", place), INJECTIONS - 1
        if (number := len(paraphrases)) < least:
            raise ValueError(f"{place}, paraphrases: at least {least} are wanted, not {number}")
        yield Paragraph(text, tuple(paraphrases), tuple(probes))


def _find(record: dict, key: str, place: str) -> object:
    if key not in record:
        raise ValueError(f"{place}: no {key!r}")
    return record[key]


def _find_texts(record: dict, key: str, place: str) -> list[str]:
    texts = _find(record, key, place)
    if not isinstance(texts, list) or not texts:
        wanted = "a list of texts that is not empty"
        raise ValueError(f"{place}, {key}: {wanted} is wanted, not {texts!r:.80}")
    return [_check_words(text, f"{place}, {key}[{index}]") for index, text in enumerate(texts)]


def _check_words(text: object, place: str) -> str:
    if not check_text(text, place).strip():
        raise ValueError(f"{place}: a text that is not empty is wanted, not {text!r:.80}")
    return text
