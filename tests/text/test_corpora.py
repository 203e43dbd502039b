"""Token sequences from files, texts, the world and Hub datasets, against tokens counted by hand:
one a byte."""

import csv
import gzip
import hashlib
import json
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import zstandard
from hub import BOS, END, Hub, ask, make_bos_tokenizer, make_byte_tokenizer, silence
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE, WordPiece
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from kent import describe, sequences
from kent.text.corpora import HELD_OUT_SEED, PRETRAINING_SEED
from kent.text.tokens import find_bos
from kent.text.topics import read_topics
from kent.text.world import World

DATA = Path(__file__).parents[3] / "shared" / "data"
TEXTS = ["alpha beta", "gamma", "delta epsilon zeta"]


@pytest.fixture(scope="module")
def tokenizer():
    return make_byte_tokenizer()


def spell(rows, tokenizer) -> list[str]:
    """Each sequence as text, with | for the end of a document."""
    return [tokenizer.decode(row).replace(END, "|") for row in rows]


def write_jsonl(path: Path, records) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


# Cutting


def test_documents_are_joined_by_the_end_of_text_token_and_cut(tokenizer):
    rows = sequences(TEXTS, tokenizer, length=7)
    assert rows.dtype == torch.int64
    assert spell(rows, tokenizer) == ["alpha b", "eta|gam", "ma|delt", "a epsil", "on zeta"]


def test_a_sequence_may_end_with_the_last_end_of_text_token(tokenizer):
    assert spell(sequences(["abc", "de"], tokenizer, length=7), tokenizer) == ["abc|de|"]


def test_limit_takes_the_first_sequences(tokenizer):
    assert spell(sequences(TEXTS, tokenizer, length=7, limit=2), tokenizer) == [
        "alpha b",
        "eta|gam",
    ]


def test_the_tokenizer_adds_no_token_that_does_not_begin_a_text():
    tokenizer = make_byte_tokenizer()
    template = TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 256)])
    tokenizer.backend_tokenizer.post_processor = template
    assert tokenizer.eos_token_id in tokenizer("ab")["input_ids"]
    assert spell(sequences(["ab", "c"], tokenizer, length=5), tokenizer) == ["ab|c|"]


def test_every_sequence_begins_with_the_token_that_the_tokenizer_puts_there_once():
    tokenizer = make_bos_tokenizer()
    assert tokenizer("ab").input_ids[0] == find_bos(tokenizer) == 257
    rows = sequences(TEXTS, tokenizer, length=8)
    texts = [text.replace(BOS, ">") for text in spell(rows, tokenizer)]
    assert texts == [">alpha b", ">eta|gam", ">ma|delt", ">a epsil", ">on zeta"]
    assert torch.equal(sequences(TEXTS, tokenizer, length=8, limit=2), rows[:2])
    with pytest.raises(ValueError, match="length must be 2 or more"):
        sequences(TEXTS, tokenizer, length=1)
    with pytest.raises(ValueError, match="make 5 sequences of 8; 6 wanted"):
        sequences(TEXTS, tokenizer, length=8, limit=6)


def test_a_tokenizer_that_begins_a_text_with_its_end_of_text_token_is_heard():
    tokenizer = make_byte_tokenizer(bos_token=END)
    template = TemplateProcessing(single=f"{END} $A {END}", special_tokens=[(END, 256)])
    tokenizer.backend_tokenizer.post_processor = template
    assert spell(sequences(["ab", "c"], tokenizer, length=5), tokenizer) == ["|ab|c"]


@pytest.mark.parametrize("options", [{}, {"bos_token": END}])
def test_a_token_that_is_only_named_begins_no_text(options):
    assert find_bos(make_byte_tokenizer(**options)) is None


def test_texts_without_words_are_passed_over(tokenizer):
    assert spell(sequences(["ab", "", " \n", "c"], tokenizer, length=5), tokenizer) == ["ab|c|"]


@pytest.fixture(scope="module")
def subword_tokenizer():
    model = Tokenizer(BPE())
    model.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[END],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(
        [document.text for document in islice(World().documents(), 200)], trainer
    )
    return PreTrainedTokenizerFast(tokenizer_object=model, eos_token=END)


@pytest.mark.parametrize("joined", [True, False], ids=["one long document", "many documents"])
def test_a_limit_changes_no_token(subword_tokenizer, joined, monkeypatch):
    monkeypatch.setattr("kent.text.tokens.MARGIN", 8)
    texts = [document.text for document in islice(World().documents(seed=5), 300)]
    texts = ["\n".join(texts)] if joined else texts
    everything = sequences(texts, subword_tokenizer, length=16)
    for limit in (1, 2, 7, 40):
        assert torch.equal(
            sequences(texts, subword_tokenizer, length=16, limit=limit), everything[:limit]
        )


def rewrite(normalizer=None, pre_tokenizer=None) -> PreTrainedTokenizerFast:
    """One token a byte, of a text that is rewritten or split before."""
    tokenizer = make_byte_tokenizer()
    if normalizer is not None:
        tokenizer.backend_tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        byte_level = ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizer, byte_level]
        )
    return tokenizer


def make_word_pieces() -> PreTrainedTokenizerFast:
    """A word is its letters, or unknown as a whole when it has more than a hundred of them."""
    vocabulary = {
        token: index
        for index, token in enumerate(["[UNK]", END, *"xy", *("##" + each for each in "xy")])
    }
    model = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    model.normalizer, model.pre_tokenizer = (
        normalizers.Replace("\u200b", ""),
        pre_tokenizers.Whitespace(),
    )
    return PreTrainedTokenizerFast(tokenizer_object=model, eos_token=END, unk_token="[UNK]")


def number_from_the_end() -> PreTrainedTokenizerFast:
    """Three digits are a token, counted from the end of a number, as in 1 234 567."""
    tokens = [
        *"0123456789",
        *(f"{number:02d}" for number in range(100)),
        *(f"{number:03d}" for number in range(1000)),
    ]
    model = Tokenizer(BPE({token: index for index, token in enumerate([END, " ", *tokens])}, []))
    model.model.ignore_merges = True
    digits = Regex(r"\d{1,3}(?=(?:\d{3})*(?!\d))")
    model.pre_tokenizer = pre_tokenizers.Split(digits, "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=model, eos_token=END)


HIDDEN, SPACES = "\u200b" * 30_000, " \n" * 20_000
WORDS = "a few words, and some more of them. " * 40


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (rewrite(normalizers.Replace("\u200b", "")), "start" + HIDDEN + WORDS),
        (rewrite(normalizers.Replace(Regex(r"\s+"), " ")), "start" + SPACES + WORDS),
        (rewrite(normalizers.Strip()), "start" + SPACES + WORDS),
        (rewrite(normalizers.NFKC()), "\ufdfa" * 3000 + "e" + "\u0301" * 5000 + WORDS),
        (rewrite(normalizers.NFC()), ("e" + "\u0323\u0301") * 3000 + "e" + "\u0301" * 5000 + WORDS),
        (
            rewrite(normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])),
            "e" + "\u0301" * 9000 + WORDS,
        ),
        (rewrite(pre_tokenizer=pre_tokenizers.Metaspace()), "start" + SPACES + WORDS),
        (make_word_pieces(), "x" * 90 + HIDDEN + "y" * 20 + " x" * 300),
        (make_word_pieces(), "x " + "y" * 9000 + " x" * 900),
        *(
            (number_from_the_end(), "7 " + "1234567890" * 600 + end + " 1" * 600)
            for end in ("", "1", "12")
        ),
    ],
    ids=[
        "hidden",
        "spaces",
        "strip",
        "nfkc",
        "nfc",
        "accents",
        "metaspace",
        "whole word",
        "unknown",
        "0",
        "1",
        "2",
    ],
)
def test_a_limit_changes_no_token_whatever_the_tokenizer_makes_of_a_text(tokenizer, text, tmp_path):
    (tmp_path / "a.txt").write_bytes(text.encode())
    everything = sequences([text, WORDS], tokenizer, length=4)
    for limit in (1, 3, 50):
        for source in ([text, WORDS], [tmp_path / "a.txt", tmp_path / "a.txt"]):
            if limit * 4 < len(everything):
                part = sequences(source, tokenizer, length=4, limit=limit)
                assert torch.equal(part, everything[:limit]), limit


def test_a_long_document_may_stand_behind_short_ones_and_before_others(subword_tokenizer):
    told = [document.text for document in islice(World().documents(seed=5), 400)]
    texts = [*told[:3], "\n".join(told[3:300]), *told[300:]]
    everything = sequences(texts, subword_tokenizer, length=16)
    for limit in (5, 30, 100, len(everything)):
        assert torch.equal(
            sequences(texts, subword_tokenizer, length=16, limit=limit), everything[:limit]
        )


def test_whoever_waits_sees_how_far_it_is(tokenizer, monkeypatch, capsys):
    sequences(TEXTS, tokenizer, length=7)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("kent.text.tokens.PATIENCE", 0)
    with pytest.raises(ValueError, match="too little text"):
        sequences(["word " * 100] * 100, tokenizer, length=7, limit=10**9)
    assert "sequences:" in capsys.readouterr().err


class CountingTokenizer(PreTrainedTokenizerFast):
    characters = 0

    def __call__(self, texts, **options):
        type(self).characters += sum(map(len, texts))
        return super().__call__(texts, **options)


@pytest.mark.parametrize(
    "texts", [["word " * 200_000], ["word " * 20] * 10_000], ids=["one document", "many"]
)
def test_no_more_is_tokenised_than_a_limit_takes(texts, monkeypatch):
    monkeypatch.setattr(CountingTokenizer, "characters", 0)
    tokenizer = CountingTokenizer(
        tokenizer_object=make_byte_tokenizer().backend_tokenizer, eos_token=END
    )
    sequences(texts, tokenizer, length=10, limit=5)
    assert 50 <= CountingTokenizer.characters < 10_000


def test_no_more_is_read_than_a_limit_takes(tokenizer, tmp_path):
    """The damage at the end of the file is never reached."""
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "x" * 99}] * 1000)
    path.write_bytes(path.read_bytes() + b"\xff not JSON\n")
    assert sequences(path, tokenizer, length=10, limit=10).shape == (10, 10)
    with pytest.raises(ValueError, match="line 1001"):
        sequences(path, tokenizer, length=10)


# Files


def read_back(source, tokenizer, **options) -> str:
    rows = sequences(source, tokenizer, length=1, **options)
    return tokenizer.decode(rows.flatten()).replace(END, "|")


def test_a_text_file_is_one_document(tokenizer, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("one\n\ntwo\r\nthrée".encode())
    assert read_back(path, tokenizer) == read_back(str(path), tokenizer) == "one\n\ntwo\r\nthrée|"


def test_a_byte_order_mark_is_not_text(tokenizer, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone")
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext\none\n")
    assert (
        read_back(tmp_path / "a.txt", tokenizer)
        == read_back(tmp_path / "a.csv", tokenizer)
        == "one|"
    )


def test_json_lines_packed_or_not(tokenizer, tmp_path):
    records = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
    plain = write_jsonl(tmp_path / "a.jsonl", records)
    content = plain.read_bytes()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(content))
    frames = [zstandard.compress(line) for line in content.splitlines(keepends=True)]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(frames))
    for name in ("a.jsonl", "a.jsonl.gz", "a.json.gz", "a.jsonl.zst"):
        assert read_back(tmp_path / name, tokenizer) == "alpha beta|gamma|delta epsilon zeta|", name


def test_csv_with_quotes_newlines_and_words_that_look_like_nothing(tokenizer, tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(
            [["label", "abstract"], [1, 'a "b", c\nd'], [2, "NA"], [3, "1.50"]]
        )
    assert read_back(path, tokenizer, column="abstract") == 'a "b", c\nd|NA|1.50|'


def test_csv_fields_may_be_long(tokenizer, tmp_path):
    (tmp_path / "a.csv").write_text("text\n" + "x" * 200_000 + "\n")
    assert sequences(tmp_path / "a.csv", tokenizer, length=1000).shape == (200, 1000)


def test_files_follow_one_another(tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    write_jsonl(tmp_path / "b.jsonl", [{"text": "two"}])
    paths = [tmp_path / "a.txt", tmp_path / "b.jsonl"]
    assert (
        read_back(paths, tokenizer)
        == read_back([str(path) for path in paths], tokenizer)
        == "one|two|"
    )


def test_texts_that_merely_mention_files_are_texts(tokenizer):
    assert read_back(["see notes.txt", "and more"], tokenizer) == "see notes.txt|and more|"
    assert read_back(["first line\nnotes.txt"], tokenizer) == "first line\nnotes.txt|"


def test_texts_may_come_in_any_order_that_stays(tokenizer):
    expected = sequences(TEXTS, tokenizer, length=7)
    for source in (tuple(TEXTS), np.array(TEXTS), pd.Series(TEXTS)):
        assert torch.equal(sequences(source, tokenizer, length=7), expected)
        assert describe(source) == describe(TEXTS)


def test_a_special_token_that_is_spelled_out_is_that_token(tokenizer):
    assert sequences([f"a{END}b"], tokenizer, length=4)[0, 1] == tokenizer.eos_token_id


# Errors


@pytest.mark.parametrize(
    "source",
    [
        *(
            None,
            5,
            2.5,
            True,
            b"text",
            {"text": "a"},
            {"a"},
            (text for text in TEXTS),
            iter(TEXTS),
            range(3),
        ),
        *(
            ["a", None],
            ["a", b"b"],
            [["a"]],
            np.arange(3),
            pd.DataFrame({"text": TEXTS}),
            pd.Series(["a", None]),
        ),
    ],
    ids=lambda source: type(source).__name__,
)
def test_a_source_of_another_kind(source, tokenizer):
    message = (
        r"source must be a corpus name \(world, .*, a path or a list of paths .*, or a list of "
    )
    with pytest.raises(ValueError, match=message):
        sequences(source, tokenizer, length=4)
    with pytest.raises(ValueError, match=message):
        describe(source)


def test_an_item_of_another_kind_is_named(tokenizer):
    with pytest.raises(ValueError, match=r"a list of texts \(item 700 is None\)"):
        sequences(["a"] * 700 + [None], tokenizer, length=4)


def test_half_of_a_surrogate_pair_is_named(tokenizer):
    texts = ["whole 😀", "one \ud83d two"]
    for read in (lambda: sequences(texts, tokenizer, length=4), lambda: describe(texts)):
        with pytest.raises(
            ValueError,
            match=r"source\[1\]: character 4 of the text is '.ud83d', half of a surrogate",
        ):
            read()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": 5}, "column must be a valid string, not 5"),
        ({"tokenizer": None}, "tokenizer must be an instance of"),
    ]
    + [({"length": number}, "length must be a valid integer") for number in (4.0, "4", True, None)]
    + [({"limit": number}, "limit must be a valid integer") for number in (4.0, "4", True)],
)
def test_arguments_of_another_kind(options, message, tokenizer):
    with pytest.raises(ValueError, match=message):
        sequences(TEXTS, **({"tokenizer": tokenizer, "length": 4} | options))


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (
            "wikipedia",
            ValueError,
            r"'wikipedia' is no source.*world.*dolma.*\.jsonl.*list of texts",
        ),
        ("A sentence, meant as text.", ValueError, "is no source that is known"),
        ("book.pdf", ValueError, "'book.pdf' is no source"),
        ("missing.txt", FileNotFoundError, r"no file 'missing\.txt'"),
        (["missing.txt", "gone.csv"], FileNotFoundError, r"no file 'missing\.txt'"),
        ([], ValueError, "an empty list holds no text"),
        ([Path("a.txt"), "a text"], ValueError, "either paths or texts"),
        (["", "  "], ValueError, "too little text: 0 tokens"),
    ],
)
def test_a_source_that_is_nothing(source, error, message, tokenizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        sequences(source, tokenizer, length=4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "a.txt is empty"),
        ("a.txt", b"\n \n", "a.txt is empty"),
        ("a.jsonl", b"\n", "a.jsonl is empty"),
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"text\n", "a.csv is empty"),
        ("a.jsonl.gz", gzip.compress(b""), "a.jsonl.gz is empty"),
        ("a.txt", "one\ncafé".encode("latin-1"), "a.txt, line 2: not UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "caf\xe9"}\n', "a.jsonl, line 2: not UTF-8"),
        ("a.csv", "text\ncafé\n".encode("latin-1"), "a.csv, line 2: not UTF-8"),
        (
            "a.jsonl",
            b'{"body": "a", "id": 1}\n',
            r"line 1: no column 'text' \(found: columns body, id\)",
        ),
        (
            "a.jsonl",
            b'{"text": "a"}\n{"body": "b"}\n',
            r"line 2: no column 'text' \(found: columns body\)",
        ),
        ("a.csv", b"label,abstract\n1,a\n", r"no column 'text' \(found: columns label, abstract\)"),
        ("a.jsonl", b'{"text": 5}\n', "line 1, column 'text': a text is wanted, not 5"),
        ("a.jsonl", b'{"text": null}\n', "line 1, column 'text': a text is wanted, not None"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2: unreadable JSON"),
        ("a.jsonl", b'["a", "b"]\n', r"line 1: no column 'text' \(found: list\)"),
        ("a.csv", b"id,text\n1,a\n2\n", "line 3: 1 fields where the header has 2"),
        ("a.csv", b'id,text\n1,"never closed\n', "not CSV"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 999)[:-20], "is damaged"),
        ("a.jsonl.gz", b'{"text": "a"}\n', "is damaged after line 0"),
        ("a.jsonl.zst", b'{"text": "a"}\n', "is damaged after line 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_read(name, content, message, tokenizer, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        sequences(tmp_path / name, tokenizer, length=1)
    with pytest.raises(ValueError, match=message):
        describe(tmp_path / name)


def test_too_little_text_says_how_much_there_is(tokenizer):
    with pytest.raises(
        ValueError, match="too little text: 36 tokens make 0 sequences of 40; 1 wanted"
    ):
        sequences(TEXTS, tokenizer, length=40)
    with pytest.raises(
        ValueError, match="too little text: 36 tokens make 3 sequences of 10; 4 wanted"
    ):
        sequences(TEXTS, tokenizer, length=10, limit=4)


def test_a_tokenizer_without_an_end_of_text_token(tokenizer):
    bare = make_byte_tokenizer(eos_token=None)
    with pytest.raises(ValueError, match="no end-of-text token"):
        sequences(TEXTS, bare, length=4)


@pytest.mark.parametrize("options", [{"length": 0}, {"length": -1}, {"length": 4, "limit": 0}])
def test_numbers_below_one(options, tokenizer):
    with pytest.raises(ValueError, match=r"(length|limit) must be greater than or equal to 1"):
        sequences(TEXTS, tokenizer, **options)


def test_pydoc_is_pythons_reference_topic_by_topic(tokenizer):
    from pydoc_data.topics import topics

    texts = [topics[name] for name in sorted(topics)]
    assert torch.equal(
        sequences("pydoc", tokenizer, length=64, limit=9),
        sequences(texts, tokenizer, length=64, limit=9),
    )
    said = describe("pydoc")
    assert (said["kind"], said["rows"]) == ("python", len(topics)) and said["python"]
    assert said["sha256"] == describe(texts)["sha256"]


def test_names_in_code_are_the_entities_of_pydoc():
    documents = read_topics()
    names = {each.text[slice(*span)] for each in documents for span in each.entities}
    assert {"None", "__getitem__()", "__new__()"} <= names
    assert not [name for name in names if set(name) & set(' "`,')]


@pytest.mark.parametrize("name", ["world", "world-near", "world-far", "dolma", "c4", "pubmed"])
def test_corpora_without_end_need_a_limit(name, tokenizer):
    with pytest.raises(ValueError, match="needs a limit"):
        sequences(name, tokenizer, length=4)


# The world


@pytest.mark.parametrize(
    ("name", "domain"), [("world", "pretraining"), ("world-near", "near"), ("world-far", "far")]
)
def test_the_world_is_measured_on_documents_held_out_from_pretraining(name, domain, tokenizer):
    seeds, world = (HELD_OUT_SEED, PRETRAINING_SEED), World(seed=0)
    held_out, seen = (world.documents(domain=domain, seed=seed) for seed in seeds)
    expected = "".join(document.text + "|" for document in islice(held_out, 20)).encode()
    rows = sequences(name, tokenizer, length=100, limit=4)
    assert "".join(spell(rows, tokenizer)).encode() == expected[:400]
    assert next(seen).text.encode() != expected[: len(next(seen).text)]


# Records


def test_a_file_is_described_by_name_size_rows_and_hash(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "one"}, {"text": ""}, {"text": "two"}])
    record = describe(path)
    assert json.loads(json.dumps(record)) == record
    assert (record["kind"], record["rows"], record["column"]) == ("files", 2, "text")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["files"] == [{"name": "a.jsonl", "bytes": path.stat().st_size, "sha256": digest}]
    assert str(tmp_path) not in json.dumps(record)


def test_the_hash_follows_content_not_place(tmp_path):
    for folder, text in [("a", "one"), ("b", "one"), ("c", "two")]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.txt").write_text(text)
    a, b, c = (describe(tmp_path / folder / "same.txt") for folder in "abc")
    assert a == b
    assert a["sha256"] != c["sha256"]


def test_texts_are_described_by_number_and_hash():
    assert describe(["ab", "c"])["rows"] == 2
    assert describe(["ab", "c"])["sha256"] != describe(["a", "bc"])["sha256"]


def test_a_world_is_described_by_its_seeds_and_first_documents():
    record = describe("world-far")
    assert (record["corpus"], record["rows"], record["document_seed"]) == (
        "world-far",
        None,
        HELD_OUT_SEED,
    )
    again, near = describe("world-far"), describe("world-near")
    assert record == again and record["sha256"] != near["sha256"]


def test_the_sequences_cut_can_be_part_of_the_record(tokenizer):
    rows = sequences(TEXTS, tokenizer, length=7)
    record = describe(TEXTS, tokens=rows)
    assert (record["sequences"], record["length"], record["tokens"]) == (5, 7, 35)
    assert record["tokens_sha256"] == describe(TEXTS, tokens=rows.clone())["tokens_sha256"]
    assert record["tokens_sha256"] != describe(TEXTS, tokens=rows.flip(0))["tokens_sha256"]
    assert record == describe(TEXTS, tokens=rows.numpy())
    for wrong, message in (
        (rows.tolist(), "tokens must be an instance of Tensor"),
        (rows[0], r"\[n, length\]"),
    ):
        with pytest.raises(ValueError, match=message):
            describe(TEXTS, tokens=wrong)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real texts in shared/data are not here")
@pytest.mark.parametrize(
    ("name", "column", "rows"),
    [
        ("wikitext2-valid.txt", "text", 1),
        ("c4-sample.jsonl", "text", 30),
        ("medical_abstracts.csv", "medical_abstract", 2888),
    ],
)
def test_real_text_at_hand(name, column, rows, tokenizer):
    assert describe(DATA / name, column=column)["rows"] == rows
    text = "".join(
        spell(sequences(DATA / name, tokenizer, length=100, limit=100, column=column), tokenizer)
    )
    raw = (DATA / name).read_text(encoding="utf-8")
    start = json.loads(raw.splitlines()[0])["text"] if name.endswith("jsonl") else raw
    start = start.split('"')[1] if name.endswith("csv") else start
    assert text.startswith(start[:500])


# The Hub

CORPORA = {
    "c4": "allenai/c4",
    "pubmed": "casinca/PUBMED_title_abstracts_2019_baseline",
    "dolma": "allenai/dolma",
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    files = folder / "files"
    for path in (folder / "c4" / "en", folder / "pubmed", folder / "dolma" / "urls", files):
        path.mkdir(parents=True)

    def lines(name: str) -> bytes:
        return "".join(
            json.dumps({"id": i, "text": f"{name} {i}."}) + "\n" for i in range(50)
        ).encode()

    for shard in range(2):
        packed = gzip.compress(lines(f"c4 {shard}"))
        (folder / "c4" / "en" / f"c4-train.{shard:05d}-of-01024.json.gz").write_bytes(packed)
        (files / f"dolma-{shard}.json.gz").write_bytes(gzip.compress(lines(f"dolma {shard}")))
    packed = zstandard.compress(lines("pubmed"))
    (folder / "pubmed" / "PUBMED_title_abstracts_2019_baseline.jsonl.zst").write_bytes(packed)
    with Hub(
        {f"datasets/{name}": {"main": folder / key} for key, name in CORPORA.items()}, files
    ) as hub:
        urls = "".join(f"{hub.address}/files/dolma-{shard}.json.gz\n" for shard in range(2))
        (folder / "dolma" / "urls" / "v1_6-sample.txt").write_text(urls)
        yield hub


QUESTIONS = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from hub import make_byte_tokenizer
from kent import describe, sequences

tokenizer = make_byte_tokenizer()

def spell(name, limit):
    rows = sequences(name, tokenizer, length=20, limit=limit)
    return [tokenizer.decode(row).replace("<|endoftext|>", "|") for row in rows]

def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"
"""


@pytest.fixture(scope="module")
def streamed(hub, tmp_path_factory) -> dict:
    code = QUESTIONS + """print(json.dumps({
        name: {"first": spell(name, 2), "record": describe(name), "most": attempt(spell, name, 100)}
        for name in ("pubmed", "c4", "dolma")
    }))"""  # fmt: skip
    return ask(code, tmp_path_factory.mktemp("cache"), HF_ENDPOINT=hub.address)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("c4", ["c4 0 0.|c4 0 1.|c4 0", " 2.|c4 0 3.|c4 0 4.|"]),
        ("dolma", ["dolma 0 0.|dolma 0 1", ".|dolma 0 2.|dolma 0"]),
        ("pubmed", ["pubmed 0.|pubmed 1.|", "pubmed 2.|pubmed 3.|"]),
    ],
)
def test_hub_corpora_are_streamed(name, rows, streamed):
    assert streamed[name]["first"] == rows


def test_one_file_is_followed_by_the_next(streamed):
    assert streamed["dolma"]["most"].startswith(
        "ValueError: too little text: 1180 tokens make 59 sequences"
    )


def test_hub_corpora_are_described_by_revision_and_files(hub, streamed):
    for name, dataset in CORPORA.items():
        record, commit = streamed[name]["record"], hub.commit(f"datasets/{dataset}", "main")
        assert (record["kind"], record["corpus"], record["dataset"]) == ("hub", name, dataset)
        assert (record["revision"], record["rows"]) == (commit, None)
    assert streamed["dolma"]["record"]["files"] == [
        f"{hub.address}/files/dolma-{shard}.json.gz" for shard in range(2)
    ]
    assert streamed["c4"]["record"]["files"][1].endswith("en/c4-train.00001-of-01024.json.gz")


def test_a_hub_out_of_reach_is_said_to_be(tokenizer, tmp_path, monkeypatch):
    silence(monkeypatch, tmp_path)
    message = "the corpus .* out of reach now; a file can be given instead"
    with pytest.raises(ConnectionError, match=message):
        sequences("c4", tokenizer, length=4, limit=2)
    with pytest.raises(ConnectionError, match=message):
        describe("dolma")


@pytest.mark.parametrize(
    "source", [["c.txt", "world"], ["dolma", "c4"], ["world"], ("a text", "pubmed")]
)
def test_a_corpus_name_in_a_list_is_no_text(source):
    with pytest.raises(ValueError, match="a corpus name stands alone, and this list holds"):
        sequences(source, make_byte_tokenizer(), length=4)


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64, torch.float32, "meta"])
def test_tokens_that_are_none_are_not_described(dtype):
    tokens = (
        torch.ones(2, 3, dtype=torch.int64, device="meta")
        if dtype == "meta"
        else torch.ones(2, 3, dtype=dtype)
    )
    with pytest.raises(ValueError, match="tokens must be"):
        describe(["a text"], tokens=tokens)
