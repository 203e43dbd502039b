"""The synthetic world: the same everywhere, true to its facts, long-tailed, readable, its three
domains well apart."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from kent.text.templates import Document
from kent.text.world import DOMAINS, World

WORLD = World(0)


def read(domain="pretraining", seed=0, count=200, world=WORLD):
    return list(islice(world.documents(domain, seed), count))


@pytest.fixture(scope="module")
def shelf() -> dict[str, list[Document]]:
    """Four thousand documents a domain, as a fresh Python with another hash seed writes them.

    (And sooner than this one, whose every call is checked for its types.)
    """
    code = """
import json
from itertools import islice
from kent.text.world import DOMAINS, World
told = {domain: islice(World(0).documents(domain), 4000) for domain in DOMAINS}
print(json.dumps({domain: [[d.text, d.entities] for d in told[domain]] for domain in DOMAINS}))
"""
    settings = os.environ | {"PYTHONHASHSEED": "4711"}
    written = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=True
    )
    return {
        domain: [Document(text, tuple(map(tuple, spans))) for text, spans in told]
        for domain, told in json.loads(written.stdout).items()
    }


def names_of(world):
    """Every string that may be mentioned as a name: those of the entities and those among their
    facts."""
    entities = [
        entity
        for population in world.entities.values()
        for entity in population
        if entity.kind != "product"
    ]
    stems = ("family", "language")
    return {entity.name for entity in entities} | {
        str(entity.facts[fact]) for entity in entities for fact in stems if fact in entity.facts
    }


def mentions(documents):
    return Counter(
        document.text[start:end] for document in documents for start, end in document.entities
    )


def words(documents):
    """Distinct words of letters, without names."""
    found = set()
    for document in documents:
        text = document.text
        for start, end in reversed(document.entities):
            text = text[:start] + " " + text[end:]
        found |= set(re.findall("[a-z]{2,}", text.lower()))
    return found


@pytest.mark.parametrize("domain", DOMAINS)
def test_another_process_with_another_hash_seed_writes_the_same(shelf, domain):
    assert read(domain, count=200) == shelf[domain][:200]


def test_documents_do_not_depend_on_what_was_read_before():
    assert read("near", 5, 50) == read("near", 5, 50)
    assert read("near", 5, 50, World(0)) == read("near", 5, 100)[:50]


def test_another_document_seed_is_held_out_text_of_the_same_world():
    first, second = read(seed=1, count=500), read(seed=2, count=500)
    shared = {document.text for document in first} & {document.text for document in second}
    assert len(shared) < 25
    assert set(mentions(first)) & set(mentions(second))
    assert set(mentions(first)) | set(mentions(second)) <= names_of(WORLD)


def test_another_world_seed_is_another_world():
    here, there = (
        Counter(person.name for person in world.entities["person"]) for world in (WORLD, World(1))
    )
    assert (here & there).total() < 10


def test_answers_and_sentences_agree_with_the_facts(shelf):
    people = {person.name: person for person in WORLD.entities["person"]}
    patterns = {
        r"Question: (?:Where|In which city) was (.+) born\?\nAnswer: (.+)": "birthplace",
        r"Question: (?:When|In which year) was (.+) born\?\nAnswer: (.+)": "born",
        r"Question: (?:Where|In which city) did (.+) live\?\nAnswer: (.+)": "residence",
        r"Question: (?:Where did|Which school did) (.+) (?:study|attend)\?\nAnswer: (.+)": "school",
        r"Born in (\w+) in \d+, (?P<name>[\w ]+) became": "birthplace",
        r"(\w+ \w+) was an? \w+ born in (\w+) in \d": "birthplace",
        r"(\w+ \w+) lived in which city\? We were looking for (\w+)\.": "residence",
    }
    for pattern, fact in patterns.items():
        told = [
            match
            for domain in ("pretraining", "near")
            for document in shelf[domain]
            for match in re.finditer(pattern, document.text)
        ]
        assert len(told) > 20, pattern
        for match in told:
            name, value = match.groups() if "(?P<name>" not in pattern else reversed(match.groups())
            assert str(people[name].facts[fact]) == value, match[0]


def test_facts_make_sense():
    for person in WORLD.entities["person"]:
        assert person.facts["birthplace"] is not person.facts["residence"]
        assert person.facts["friend"].facts["friend"] is person
        assert 55 <= person.facts["died"] - person.facts["born"] <= 85
    for city in WORLD.entities["city"]:
        assert city.facts["river"].facts["country"] is city.facts["country"]
    for country in WORLD.entities["country"]:
        assert country.facts["capital"].facts["country"] is country
    for work in WORLD.entities["work"]:
        author = work.facts["author"].facts
        assert author["born"] < work.facts["year"] < author["died"]
    for event in WORLD.entities["event"]:
        assert event.name.endswith(event.facts["place"].name)
        assert (
            event.facts["leader"].facts["born"]
            < event.facts["year"]
            < event.facts["leader"].facts["died"]
        )


@pytest.mark.parametrize("domain", DOMAINS)
def test_spans_are_ordered_and_point_at_names_exactly(shelf, domain):
    names = names_of(WORLD)
    for document in shelf[domain]:
        end_before = 0
        for start, end in document.entities:
            assert end_before <= start < end <= len(document.text)
            assert document.text[start:end] in names
            end_before = end
    assert sum(not document.entities for document in shelf[domain]) < 0.05 * len(shelf[domain])


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_name_is_told_without_a_span(shelf, domain):
    name = re.compile(
        r"\b(?:" + "|".join(sorted(map(re.escape, names_of(WORLD)), key=len, reverse=True)) + r")\b"
    )
    for document in shelf[domain][:1000]:
        found = [match.span() for match in name.finditer(document.text)]
        assert found == list(document.entities), document.text


def test_the_tail_is_long(shelf):
    counts = sorted(mentions(shelf["pretraining"]).values(), reverse=True)
    assert 700 < len(counts) < 1100
    assert 0.10 < sum(counts[: len(counts) // 100]) / sum(counts) < 0.25
    assert sum(counts[: len(counts) // 10]) > 0.5 * sum(counts)
    assert counts[0] > 50 * counts[len(counts) // 2]


def test_near_speaks_the_words_of_pretraining_and_far_does_not(shelf):
    pretraining, near, far = (words(shelf[domain]) for domain in DOMAINS)
    assert len(near & pretraining) / len(near) > 0.7
    assert len(far & pretraining) / len(far) < 0.15
    assert len(pretraining) < 1000


def test_near_tells_of_the_same_entities_in_other_sentences(shelf):
    assert set(mentions(shelf["near"])) <= names_of(WORLD)
    assert len(set(mentions(shelf["near"])) & set(mentions(shelf["pretraining"]))) > 600

    def sentences(documents):
        return {
            sentence
            for document in documents
            for sentence in re.split(r"(?<=[.?!])\s", document.text)
        }

    near, pretraining = sentences(shelf["near"]), sentences(shelf["pretraining"])
    assert len(near & pretraining) / len(near) < 0.01


@pytest.mark.parametrize("domain", ["pretraining", "near"])
def test_far_shares_no_name_with_the_other_domains(shelf, domain):
    names = re.compile(r"\b(?:" + "|".join(map(re.escape, mentions(shelf[domain]))) + r")\b")
    assert not any(names.search(document.text) for document in shelf["far"])
    assert set(mentions(shelf["far"])).isdisjoint(mentions(shelf[domain]))


def test_reserved_names_are_never_told_in_any_world(shelf):
    styles = ["family", "place", "country", "river", "language", "school", "title"]
    styles += ["compound", "genus", "protein"]
    reserved, again = set(), World(0)
    for style in styles:
        named = list(WORLD.reserved_names(style))
        reserved |= {*named}
        assert len(named) == len(set(named)) >= 10, style
        assert named == list(again.reserved_names(style))
    for world in (again, World(1), World(2)):
        assert names_of(world).isdisjoint(reserved)
    text = " ".join(document.text for domain in DOMAINS for document in shelf[domain])
    assert set(re.findall(r"\w+", text)).isdisjoint(reserved)


@pytest.mark.parametrize("domain", DOMAINS)
def test_documents_read_well(shelf, domain):
    slips = {
        "an unfilled slot": r"[{}]",
        "two spaces, or one before a stop": r"  | [,.;?!]|\n ",
        "a doubled word or stop": r"\b([a-z]+) \1\b|\.\.",
        "a before a vowel": r"\b[Aa] [aeiouAEIOU]",
        "an before a consonant": r"\b[Aa]n (?!hour|[Hh]onest)[^aeiouAEIOU]",
        "a small letter after a full stop": r"[a-z]{2}[.!?] [a-z]",
        "an unnamed object": r"None|<|Entity",
    }
    for document in shelf[domain]:
        for slip, pattern in slips.items():
            assert not re.search(pattern, document.text), f"{slip}: {document.text}"
        assert document.text[0].isupper() or document.text[0] in '"1'
        assert document.text == document.text.strip()
        assert 25 <= len(document.text.split()) <= 125, document.text


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_document_repeats_a_sentence(shelf, domain):
    for document in shelf[domain]:
        sentences = [
            sentence
            for sentence in re.split(r"(?<=[.?!])\s|\n", document.text)
            if sentence and "Answer" not in sentence
        ]
        assert len(sentences) == len(set(sentences)), document.text


@pytest.mark.parametrize("domain", DOMAINS)
def test_documents_are_varied(shelf, domain):
    assert len({document.text for document in shelf[domain][:2000]}) > 1800


def test_unknown_domains_and_styles_are_refused_before_anything_is_written():
    with pytest.raises(
        ValueError, match="unknown domain 'middle'; accepted: pretraining, near, far"
    ):
        WORLD.documents("middle")
    with pytest.raises(ValueError, match="unknown style of names 'star'; accepted: family, place"):
        WORLD.reserved_names("star")


def test_the_samples_on_the_data_page_are_what_the_world_tells():
    page = (Path(__file__).parents[2] / "book" / "data.md").read_text("utf-8")
    shown = [" ".join(block.split()) for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL)]
    told = [read(domain, seed=1, count=1)[0] for domain in DOMAINS]
    assert shown == [" ".join(document.text.split()) for document in told]
