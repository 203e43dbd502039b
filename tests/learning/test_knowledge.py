"""Fictional Knowledge: the published files are read whole and dealt as in the paper; what is made
up keeps its word."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from kent.learning import knowledge
from kent.learning.knowledge import INJECTIONS, KINDS, SEEDS, SETTINGS, Knowledge, Paragraph, Probe
from kent.models import pretraining, trainer
from kent.text import corpora
from kent.text.world import DOMAINS, World

DATA = Path(__file__).parents[3] / "shared" / "data" / "fictional_knowledge"
PLAN = yaml.safe_load((Path(knowledge.__file__).with_name("knowledge.yaml")).read_text("utf8"))
SETS = [Knowledge.synthetic(seed) for seed in range(SEEDS)]
MADE_UP = SETS[0]
PARAGRAPHS = MADE_UP.once + MADE_UP.paraphrase
STYLES = ("family", "place", "title", "school")
RESERVED = {name for style in STYLES for name in World(0).reserved_names(style)}
ROOT = str(Path(__file__).parents[2])
WRITING = """
from itertools import islice
from pathlib import Path
from kent.text.world import DOMAINS, World
for domain in DOMAINS:
    texts = [document.text for document in islice(World(0).documents(domain), 20_000)]
    Path(domain).write_text("\\n".join(texts), "utf8")
"""
LONGEST = 110  # tokens of the tiny suite's tokenizer, in a row of 128


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """The first 20,000 documents of each domain."""
    folder = tmp_path_factory.mktemp("world")
    subprocess.run(
        [sys.executable, "-c", WRITING],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ROOT},
        check=True,
    )
    return {domain: (folder / domain).read_text("utf8") for domain in DOMAINS}


@pytest.fixture(scope="module")
def published():
    if not DATA.is_dir():
        pytest.skip("the published files in shared/data are not here")
    return Knowledge.from_json(DATA / "once60.json", DATA / "paraphrase70.json")


def versions(paragraph):
    return (paragraph.text, *paragraph.paraphrases)


def asked(paragraph, kind):
    return [probe for probe in paragraph.probes if probe.kind == kind]


def whole(probe):
    return f"{probe.input} {probe.target}"


def holds(text, words):
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def new_names(text):
    """The new names in a text, families without the given name."""
    words = re.findall(r"\w+", text)
    runs = {
        " ".join(words[at : at + size])
        for size in (1, 2, 3, 4)
        for at in range(len(words) - size + 1)
    }
    return runs & RESERVED


def check_schedule(knowledge, once, paraphrase):
    """Ten injections hold each paragraph once, and each version of the paraphrased ones once, in
    the files' order."""
    share = once // INJECTIONS
    injections = [knowledge.injections(k) for k in range(1, INJECTIONS + 1)]
    assert {len(texts) for texts in injections} == {paraphrase + share}
    assert [text for texts in injections for text in texts[paraphrase:]] == [
        each.text for each in knowledge.once
    ]
    for item, paragraph in enumerate(knowledge.paraphrase):
        assert tuple(texts[item] for texts in injections) == versions(paragraph)


def check_probes(knowledge, once, paraphrase):
    """Six groups in order, each with five probes a paragraph, by item."""
    groups = [(setting, kind) for setting in SETTINGS for kind in KINDS]
    sizes = dict(zip(SETTINGS, (once, paraphrase), strict=True))
    expected = [
        (*group, item) for group in groups for item in range(sizes[group[0]]) for _ in range(5)
    ]
    assert [(probe.setting, probe.kind, probe.item) for probe in knowledge.probes] == expected


def test_the_published_files_are_read_whole(published):
    assert (len(published.once), len(published.paraphrase), len(published.probes)) == (60, 70, 1950)
    check_probes(published, 60, 70)
    record = json.loads((DATA / "paraphrase70.json").read_bytes())[69]
    last = published.paraphrase[69]
    assert versions(last) == (record["train_context"], *record["paraphrases"])
    for kind, key in {
        "memorization": "mem",
        "semantic": "gen",
        "compositional": "hard_gen",
    }.items():
        pairs = list(zip(record[f"{key}_input"], record[f"{key}_target"], strict=True))
        assert [(probe.input, probe.target) for probe in asked(last, kind)] == pairs


def test_the_published_texts_are_dealt_as_in_the_paper(published):
    check_schedule(published, 60, 70)
    assert len(published.injections(10)) == 76
    assert published.injections(3)[70:] == tuple(
        paragraph.text for paragraph in published.once[12:18]
    )
    texts = [text for k in range(1, 11) for text in published.injections(k)]
    held = Counter(texts)
    assert all(held[paragraph.text] == 1 for paragraph in published.once)
    assert all(
        held[text] == 1 for paragraph in published.paraphrase for text in versions(paragraph)
    )


def test_published_memorization_probes_are_verbatim_twelve_without_a_space(published):
    joins = Counter()
    for paragraph in published.once + published.paraphrase:
        for probe in asked(paragraph, "memorization"):
            spaced, plain = (
                whole(probe) in paragraph.text,
                probe.input + probe.target in paragraph.text,
            )
            joins["spaced" if spaced else "plain" if plain else "nowhere"] += 1
    assert joins == {"spaced": 638, "plain": 12}


ITEM = {
    "train_context": "A text.",
    "paraphrases": [f"Text {number}." for number in range(9)],
    **{
        f"{key}_{part}": ["A", "B"]
        for key in ("mem", "gen", "hard_gen")
        for part in ("input", "target")
    },
}


def write(tmp_path, paraphrase, once=()):
    for name, value in (("once.json", list(once)), ("paraphrase.json", paraphrase)):
        text = value if isinstance(value, str) else json.dumps(value)
        (tmp_path / name).write_text(text, encoding="utf8")
    return str(tmp_path / "once.json"), tmp_path / "paraphrase.json"


def test_a_small_file_is_read(tmp_path):
    knowledge = Knowledge.from_json(*write(tmp_path, [ITEM, ITEM], [ITEM] * 10))
    check_schedule(knowledge, 10, 2)
    assert [probe.item for probe in knowledge.probes[-4:]] == [0, 0, 1, 1]
    assert knowledge.probes[0].target == "A"


def test_other_files_are_refused_by_file_item_and_key(tmp_path):
    without = {key: value for key, value in ITEM.items() if key != "gen_target"}
    wrong = {
        r"paraphrase\.json: unreadable JSON \(.*line 1": "[{",
        r"paraphrase\.json: JSON that is nested too deeply": "[" * 100_000 + "]" * 100_000,
        r"paraphrase\.json: unreadable JSON \(the key 'mem_input' is there twice": (
            '[{"mem_input": 1, "mem_input": 2}]'
        ),
        r"paraphrase\.json: a list of objects is read, not \{": ITEM,
        r"paraphrase\.json, item 1: an object is wanted, not 7": [ITEM, 7],
        r"paraphrase\.json, item 1: no 'gen_target'": [ITEM, without],
        r"paraphrase\.json, item 0: mem_input has 2 texts, mem_target 1": [
            ITEM | {"mem_target": ["A"]}
        ],
        r"item 0, hard_gen_target\[1\]: a text that is not empty is wanted, not ' '": [
            ITEM | {"hard_gen_target": ["A", " "]}
        ],
        r"item 0, gen_target\[0\]: a text is wanted, not 5": [ITEM | {"gen_target": [5, "B"]}],
        r"item 0, train_context: a text that is not empty is wanted, not ''": [
            ITEM | {"train_context": ""}
        ],
        r"item 0, train_context: character 2 of the text is '.ud83d', half of": [
            ITEM | {"train_context": "A \ud83d."}
        ],
        r"item 0, mem_input\[1\]: character 0 of the text is '.udc00', half of": [
            ITEM | {"mem_input": ["A", "\udc00"]}
        ],
        r"item 0, train_context: a text is wanted, not None": [ITEM | {"train_context": None}],
        r"item 0, mem_input: a list of texts that is not empty is wanted, not 'A'": [
            ITEM | {"mem_input": "A"}
        ],
        r"item 0, mem_input: a list of texts that is not empty is wanted, not \[\]": [
            ITEM | {"mem_input": []}
        ],
        r"item 0, paraphrases: at least 9 are wanted, not 8": [ITEM | {"paraphrases": ["A"] * 8}],
        "no paragraphs": [],
    }
    for message, value in wrong.items():
        with pytest.raises(ValueError, match=message):
            Knowledge.from_json(*write(tmp_path, value))
    with pytest.raises(ValueError, match=r"once\.json, item 0: an object is wanted"):
        Knowledge.from_json(*write(tmp_path, [ITEM], ["A"]))
    with pytest.raises(ValueError, match="3 paragraphs injected once: a multiple of 10 is wanted"):
        Knowledge.from_json(*write(tmp_path, [ITEM], [ITEM] * 3))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=r"bytes\.json: unreadable JSON"):
        Knowledge.from_json(tmp_path / "bytes.json", tmp_path / "bytes.json")
    with pytest.raises(FileNotFoundError):
        Knowledge.from_json(tmp_path / "none.json", tmp_path / "none.json")
    with pytest.raises(
        ValueError, match="paraphrase must be a valid string or an instance of Path, not None"
    ):
        Knowledge.from_json(tmp_path / "bytes.json", None)


PROBE = {"item": 0, "setting": "once", "kind": "semantic", "input": "a", "target": "b"}
PARAGRAPH = {"text": "a", "paraphrases": ("b",) * 9, "probes": (Probe(**PROBE),)}
KNOWLEDGE = {"once": (), "paraphrase": (Paragraph(**PARAGRAPH),)}


@pytest.mark.parametrize(
    ("kind", "fields", "name", "wrong"),
    [
        *((Probe, PROBE, "item", wrong) for wrong in (-1, 1.0, True, "0")),
        *((Probe, PROBE, "setting", wrong) for wrong in ("Once", None)),
        *((Probe, PROBE, "kind", wrong) for wrong in ("mem", "Memorization")),
        *((Probe, PROBE, name, 3) for name in ("input", "target")),
        *((Paragraph, PARAGRAPH, "text", wrong) for wrong in (b"a", None)),
        *(
            (Paragraph, PARAGRAPH, "paraphrases", wrong)
            for wrong in ("paraphras", ("b",) * 8, (3,) * 9, None)
        ),
        *((Paragraph, PARAGRAPH, "probes", wrong) for wrong in (("a",), None)),
        *(
            (Knowledge, KNOWLEDGE, name, wrong)
            for name in KNOWLEDGE
            for wrong in (("a",) * 10, None, "a" * 10)
        ),
    ],
)
def test_what_is_put_together_by_hand_is_looked_at(kind, fields, name, wrong):
    made = object.__new__(kind)  # beartype, which only tests have, would stand before __post_init__
    for field, value in (fields | {name: wrong}).items():
        object.__setattr__(made, field, value)
    with pytest.raises(ValueError, match=f"{name} must be"):
        made.__post_init__()


def test_half_of_a_surrogate_pair_is_no_text():
    with pytest.raises(
        ValueError,
        match=r"target of a semantic probe, once item 3: character 1 of the text is '.ud83d'",
    ):
        Probe(3, "once", "semantic", "a", "b\ud83d")
    with pytest.raises(
        ValueError, match=r"text of a paragraph: character 0 of the text is '.ude00'"
    ):
        Paragraph("\ude00", ("a",) * 9, ())
    with pytest.raises(
        ValueError, match=r"paraphrase 9 of the paragraph 'a': character 0 of the text is '.ude00'"
    ):
        Paragraph("a", (*["a"] * 8, "\ude00"), ())


@pytest.mark.parametrize("k", [0, 11, -1, 1.0, True, "1"])
def test_an_injection_that_there_is_not_is_refused(k):
    with pytest.raises(ValueError, match=f"k must be .*, not {k!r}"):
        MADE_UP.injections(k)


def test_made_up_knowledge_has_the_published_numbers_and_schedule():
    assert (len(MADE_UP.once), len(MADE_UP.paraphrase), len(MADE_UP.probes)) == (60, 70, 1950)
    check_probes(MADE_UP, 60, 70)
    check_schedule(MADE_UP, 60, 70)
    assert len(MADE_UP.injections(1)) == 76


def test_a_small_set_can_be_had_and_others_are_refused():
    assert len(Knowledge.synthetic(2, once=10, paraphrase=4).probes) == 14 * 15
    for choice, message in (
        ({"seed": SEEDS}, "seed must be less than 3, not 3"),
        ({"seed": -1}, "seed must be greater than or equal to 0, not -1"),
        ({"seed": True}, "seed must be a valid integer, not True"),
        ({"once": 15}, "15 paragraphs injected once: a multiple of 10"),
        ({"once": -10}, "once must be greater than or equal to 0, not -10"),
        ({"once": 10.0}, "once must be a valid integer, not 10.0"),
        ({"once": 0, "paraphrase": 0}, "no paragraphs"),
        ({"paraphrase": 100}, "no new name is left for a person: ask for fewer"),
    ):
        with pytest.raises(ValueError, match=message):
            Knowledge.synthetic(**choice)


def test_all_ten_versions_of_a_paragraph_differ_and_tell_every_target():
    for paragraph in PARAGRAPHS:
        assert len(paragraph.paraphrases) == 9
        assert len(set(versions(paragraph))) == 10
        targets = {probe.target for probe in paragraph.probes}
        assert len(targets) == 6
        for text in versions(paragraph):
            assert all(holds(text, target) for target in targets), text


def test_paraphrases_use_other_sentences_and_other_orders():
    for paragraph in PARAGRAPHS:
        first, *others = (re.split(r"(?<=\.) ", text) for text in versions(paragraph))
        assert {len(sentences) for sentences in (first, *others)} == {6}
        assert not any(set(first) & set(sentences) for sentences in others)
        targets = {probe.target for probe in paragraph.probes}
        orders = {tuple(sorted(targets, key=text.index)) for text in versions(paragraph)}
        assert len(orders) >= 6, paragraph


def test_memorization_probes_are_verbatim_in_the_original_alone():
    for paragraph in PARAGRAPHS:
        probes = asked(paragraph, "memorization")
        assert len({probe.target for probe in probes}) == 5
        for probe in probes:
            assert f"{whole(probe)}." in paragraph.text
            assert not any(whole(probe) in text for text in paragraph.paraphrases)


def test_semantic_probes_tell_the_same_facts_in_words_that_no_version_has():
    for paragraph in PARAGRAPHS:
        probes = asked(paragraph, "semantic")
        assert [probe.target for probe in probes] == [
            probe.target for probe in asked(paragraph, "memorization")
        ]
        for probe in probes:
            assert not any(whole(probe) in text for text in versions(paragraph))
            assert new_names(probe.input)


def test_compositional_probes_need_two_sentences():
    for paragraph in PARAGRAPHS:
        probes = asked(paragraph, "compositional")
        assert len({probe.target for probe in probes}) == 5
        for probe in probes:
            (asked_of,) = new_names(probe.input)
            (between,) = new_names(paragraph.text) - {asked_of}
            for text in versions(paragraph):
                link, *sentences = re.split(r"(?<=\.) ", text)
                assert whole(probe) not in text
                assert (
                    holds(link, asked_of) and holds(link, between) and not holds(link, probe.target)
                )
                (stating,) = (sentence for sentence in sentences if holds(sentence, probe.target))
                assert holds(stating, between) and not holds(stating, asked_of), stating


def test_probes_join_with_a_space_and_have_short_targets():
    for probe in MADE_UP.probes:
        assert probe.input == probe.input.strip() and probe.target == probe.target.strip()
        assert probe.input[0].isupper()
        assert 1 <= len(probe.target.split()) <= 6
        assert not holds(probe.input, probe.target)


def test_texts_read_well():
    slips = r"[{}]|  | [,.;]|\.\.|\b([a-z]+) \1\b|\. [a-z]|None|Entity"
    slips += r"|\b[Aa] [aeiou]|\b[Aa]n (?!Honest)[^aeiou]"
    for text in [text for paragraph in PARAGRAPHS for text in versions(paragraph)] + [
        *map(whole, MADE_UP.probes)
    ]:
        assert not re.search(slips, text), text
        assert text[0].isupper() and text == text.strip()


def test_all_texts_fit_rows_of_the_tiny_suite_and_probes_split_between_tokens():
    recipe = pretraining.RECIPES["tiny"]
    documents = World(0).documents("pretraining", seed=corpora.PRETRAINING_SEED)
    tokenizer = trainer._train_tokenizer(
        [next(documents).text for _ in range(recipe.tokenizer_documents)], recipe
    )
    for probe in MADE_UP.probes:
        asked_of, both = tokenizer(probe.input)["input_ids"], tokenizer(whole(probe))["input_ids"]
        assert both[: len(asked_of)] == asked_of
    for made_up in SETS:
        texts = [
            text for paragraph in made_up.once + made_up.paraphrase for text in versions(paragraph)
        ]
        assert len(texts) == 1300
        assert max(map(len, tokenizer(texts)["input_ids"])) <= LONGEST


def test_new_names_are_disjoint_by_seed_and_new_in_every_paragraph():
    found = []
    for made_up in SETS:
        groups = [
            new_names(" ".join(versions(paragraph)))
            for paragraph in made_up.once + made_up.paraphrase
        ]
        assert {len(names) for names in groups} == {2}
        found += [name for names in groups for name in names]
    assert len(found) == len(set(found)) == SEEDS * 260


def test_the_new_names_are_in_no_document_of_the_world(documents):
    assert corpora.WORLD_SEED == 0
    names = {name for paragraph in PARAGRAPHS for name in new_names(paragraph.text)}
    assert len(names) == 260
    for domain in DOMAINS:
        assert not {name for name in names if name in documents[domain]}


def test_targets_are_words_of_the_worlds_documents_or_new_names_or_years(documents):
    targets = {probe.target for probe in MADE_UP.probes if not new_names(probe.target)}
    assert not {
        target
        for target in targets
        if target not in documents["pretraining"] and not target.isdigit()
    }


def test_every_kind_of_paragraph_and_every_fact_is_worded():
    assert set(PLAN["turns"]) == set(PLAN["paragraphs"])
    for entity in PLAN["entities"].values():
        for name, fact in entity["facts"].items():
            assert len(fact["sentences"]) == 4
            slots = [rf"{{{name}}}", f"{{a {name}}}"]
            assert all(any(slot in sentence for slot in slots) for sentence in fact["sentences"]), (
                name
            )
            assert fact["semantic"].endswith(tuple(slots)) and fact["compositional"].endswith(
                tuple(slots)
            )


def test_a_fresh_process_with_another_hash_seed_writes_the_same():
    code = "from kent.learning.knowledge import Knowledge; print(Knowledge.synthetic(0).describe())"
    environment = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": ROOT}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(MADE_UP.describe())


def test_a_record_tells_sets_apart():
    record = MADE_UP.describe()
    assert record == json.loads(json.dumps(record))
    assert (record["once"], record["paraphrase"], record["probes"]) == (60, 70, 1950)
    assert record["sha256"] == hashlib.sha256(json.dumps(asdict(MADE_UP)).encode()).hexdigest()
    assert record["sha256"] != SETS[1].describe()["sha256"]
