"""Probes are scored as one at a time from whole logits; `padded_mean` is the public code's."""

import copy
import json
import math
import runpy
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from architectures import LONGEST, describe_state, make
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerFast

from kent.learning.knowledge import KEYS, KINDS, SETTINGS, Knowledge, Paragraph, Probe
from kent.learning.probes import probe
from kent.text.world import World

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "probing.py"
DATA = Path(__file__).parents[3] / "shared" / "data" / "fictional_knowledge"
VOCABULARY = 400
KNOWLEDGE = Knowledge.synthetic(once=10, paraphrase=7)  # 50 and 35 of a kind: not 16 times a number
FEW = Knowledge(
    *(
        tuple(replace(each, probes=each.probes[::5]) for each in paragraphs)
        for paragraphs in (KNOWLEDGE.once, KNOWLEDGE.paraphrase)
    )
)
MEASURES = ["per_target_token", "padded_mean"]


def train_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level pairs of world text, without any special token; with 256 tokens, every byte is
    one."""
    words = ByteLevelBPETokenizer()
    texts = (document.text for document in islice(World(0).documents(), 200))
    words.train_from_iterator(texts, vocab_size=vocabulary, show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(words.to_str()))


BPE, BYTES = train_tokenizer(VOCABULARY), train_tokenizer(256)


@pytest.fixture(scope="module")
def model():
    return make("OLMo", vocab_size=VOCABULARY)


def know(*pairs: tuple[str, str]) -> Knowledge:
    """Knowledge of one paragraph with a memorization probe for each pair of input and target."""
    probes = tuple(Probe(0, "paraphrase", "memorization", *pair) for pair in pairs)
    return Knowledge((), (Paragraph("", ("",) * 9, probes),))


@torch.no_grad()
def score_singly(model, tokens: list[int], start: int) -> float:
    """Mean log probability of tokens[start:], each given all before it, from the whole logits of
    one sequence."""
    chances = model(torch.tensor([tokens])).logits[0].double().log_softmax(dim=-1)
    return chances[range(start - 1, len(tokens) - 1), tokens[start:]].mean().item()


def encode(tokenizer, each: Probe) -> tuple[list[int], int]:
    start = len(tokenizer(each.input)["input_ids"])
    return tokenizer(f"{each.input} {each.target}")["input_ids"], start


@torch.no_grad()
def imitate_public(model, tokenizer, knowledge: Knowledge) -> list[float]:
    """The public code's value of each probe: 16 padded on the right, the mean over all places but
    the first, where every place outside the target counts as zero."""
    found = []
    for setting in SETTINGS:
        for kind in KINDS:
            lines = [
                encode(tokenizer, each)
                for paragraph in getattr(knowledge, setting)
                for each in paragraph.probes
                if each.kind == kind
            ]
            for at in range(0, len(lines), 16):
                tokens, starts = zip(*lines[at : at + 16], strict=True)
                ids = pad_sequence(
                    [torch.tensor(each) for each in tokens], batch_first=True, padding_value=1
                )
                labels = pad_sequence(
                    [torch.tensor(each) for each in tokens], batch_first=True, padding_value=-100
                )
                for row, start in zip(labels, starts, strict=True):
                    row[:start] = -100
                logits = model(ids, attention_mask=(labels.new_ones(ids.shape))).logits[:, :-1]
                losses = cross_entropy(
                    logits.mT, labels[:, 1:], ignore_index=-100, reduction="none"
                )
                found += (-losses.mean(dim=-1)).tolist()
    return found


# By hand


@pytest.mark.parametrize("name", ["OLMo", "GPT-NeoX", "GPT-2", "Gemma 2", "OPT"])
def test_values_are_those_of_one_probe_at_a_time(name):
    model = make(name, vocab_size=VOCABULARY)
    table = probe(model, BPE, FEW)
    expected = [score_singly(model, *encode(BPE, each)) for each in FEW.probes]
    np.testing.assert_allclose(table["per_target_token"], expected, rtol=1e-5)
    columns = table[["item", "setting", "kind"]].itertuples(index=False)
    assert [tuple(row) for row in columns] == [
        (each.item, each.setting, each.kind) for each in FEW.probes
    ]
    assert table[MEASURES].dtypes.tolist() == [np.float64] * 2


def test_padded_means_are_the_public_codes(model):
    expected = imitate_public(model, BPE, KNOWLEDGE)
    np.testing.assert_allclose(probe(model, BPE, KNOWLEDGE)["padded_mean"], expected, rtol=1e-5)


@pytest.mark.skipif(
    not DATA.is_dir(), reason="the published Fictional Knowledge is not beside this checkout"
)
def test_the_published_probes(model):
    model = make("OLMo", vocab_size=VOCABULARY, max_position_embeddings=512)
    knowledge = Knowledge.from_json(DATA / "once60.json", DATA / "paraphrase70.json")
    table = probe(model, BPE, knowledge)
    assert table.groupby(["setting", "kind"]).size().tolist() == [300] * 3 + [350] * 3
    np.testing.assert_allclose(
        table["padded_mean"], imitate_public(model, BPE, knowledge), rtol=1e-5
    )


def test_batch_size_changes_nothing(model):
    expected = probe(model, BPE, FEW)
    for size in (1, 7):
        pd.testing.assert_frame_equal(probe(model, BPE, FEW, batch_size=size), expected, rtol=1e-5)


def test_bfloat16_stays_near_float32(model):
    exact = probe(model, BPE, FEW).per_target_token.mean()
    rounded = probe(copy.deepcopy(model).bfloat16(), BPE, FEW).per_target_token.mean()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = probe(model, BPE, FEW).per_target_token.mean()
    assert cast == exact != rounded
    assert rounded == pytest.approx(exact, rel=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
def test_a_gpu_gives_the_same(model):
    result = probe(copy.deepcopy(model).cuda(), BPE, KNOWLEDGE)
    pd.testing.assert_frame_equal(result, probe(model, BPE, KNOWLEDGE), rtol=1e-3)


# Which tokens are the target's


def test_the_target_begins_with_its_space(model):
    table = probe(model, BYTES, know(("Ada met", "Bo"), ("Ada", "met Bo")))
    tokens = list(BYTES("Ada met Bo")["input_ids"])
    expected = [score_singly(model, tokens, 7), score_singly(model, tokens, 3)]
    np.testing.assert_allclose(table["per_target_token"], expected, rtol=1e-5)
    np.testing.assert_allclose(table["padded_mean"] * 9, np.multiply(expected, [3, 7]), rtol=1e-5)


def merge(*pairs: tuple[str, str]) -> PreTrainedTokenizerFast:
    """A tokenizer that splits no text beforehand, so that its pairs may reach over the border
    before a target."""
    tokens = [*" abcx", *map("".join, pairs)]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE(vocab=vocabulary, merges=[*pairs]))
    )


def test_pairs_over_the_border_are_counted_as_the_paper_does(model):
    tokenizer = merge(("a", " "), ("a ", "b"))
    tokens = tokenizer("xa bc")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(tokens) == ["x", "a b", "c"]
    result = probe(model, tokenizer, know(("xa", "bc")))["per_target_token"].item()
    assert result == pytest.approx(score_singly(model, tokens, start=2), rel=1e-5)


@pytest.mark.parametrize(
    ("tokenizer", "pair", "counts"),
    [
        (merge(("a", " "), ("a ", "b")), ("xa", "b"), "of 2 tokens, 2 are the input's"),
        (merge(), ("", "b"), "of 2 tokens, 0 are the input's"),
        (merge(), (" ", "b"), "of 2 tokens, 0 are the input's"),
        (merge(), ("b", " "), "of 1 tokens, 1 are the input's"),
    ],
)
def test_a_probe_without_input_or_target_is_named(model, tokenizer, pair, counts):
    with pytest.raises(
        ValueError, match=rf"memorization probe '{pair[0]}' of paraphrase item 0: {counts}"
    ):
        probe(model, tokenizer, know(("x", "a"), pair))


@pytest.mark.parametrize("tokenizer", [BPE, BYTES], ids=["pairs", "bytes"])
@pytest.mark.parametrize("white", [" ", "   ", "\t", "\n", "\r\n", "\u00a0", " \n\u2003"])
def test_white_space_where_input_and_target_meet_counts_once(model, tokenizer, white):
    expected = probe(model, tokenizer, know(("Ada met", "Bo in")))
    pairs = [
        ("Ada met" + white, "Bo in"),
        ("Ada met", white + "Bo in"),
        ("Ada met", "Bo in" + white),
    ]
    pairs.append(("Ada met" + white, white + "Bo in" + white))
    found = probe(model, tokenizer, know(*pairs), batch_size=1)
    for row in range(4):
        one = found[row : row + 1].reset_index(drop=True)
        pd.testing.assert_frame_equal(one, expected, check_exact=True)
    start, whole = len(tokenizer("Ada met")["input_ids"]), tokenizer("Ada met Bo in")["input_ids"]
    assert expected["per_target_token"].item() == pytest.approx(
        score_singly(model, whole, start), rel=1e-5
    )


def test_white_space_elsewhere_is_text(model):
    inside, before = (probe(model, BYTES, know(pair)) for pair in (("a  b", "c  d"), (" a", "b")))
    expected = [
        score_singly(model, BYTES("a  b c  d")["input_ids"], 4),
        score_singly(model, BYTES(" a b")["input_ids"], 2),
    ]
    found = [table["per_target_token"].item() for table in (inside, before)]
    assert found == pytest.approx(expected, rel=1e-5)


def test_white_space_of_the_files_counts_once_too(model, tmp_path):
    texts = {"train_context": "Ada met Bo.", "paraphrases": ["Bo met Ada."] * 9}

    def read(start: str, end: str) -> Knowledge:
        asked = {
            f"{key}_{part}": [text]
            for key in KEYS.values()
            for part, text in (("input", start), ("target", end))
        }
        (tmp_path / "facts.json").write_text(json.dumps([texts | asked]))
        (tmp_path / "none.json").write_text("[]")
        return Knowledge.from_json(tmp_path / "none.json", tmp_path / "facts.json")

    plain, spaced = (
        probe(model, BPE, read("Ada met", "Bo")),
        probe(model, BPE, read("Ada met ", " Bo\n")),
    )
    pd.testing.assert_frame_equal(plain, spaced, check_exact=True)


@torch.no_grad()
def score_without_last(model, tokens: list[int], start: int) -> float:
    """As `score_singly`, but the model never sees the last token, which is only predicted."""
    chances = model(torch.tensor([tokens[:-1]])).logits[0].double().log_softmax(dim=-1)
    return chances[range(start - 1, len(tokens) - 1), tokens[start:]].mean().item()


LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [1.0, 2.0, 6.0, 20.0],
}
LONGROPE |= {"original_max_position_embeddings": 16, "factor": 20.0}


def test_batch_size_changes_nothing_where_positions_depend_on_the_longest_row():
    changes = {"rope_parameters": LONGROPE, "original_max_position_embeddings": 16}
    model = make("Phi-3", vocab_size=VOCABULARY, **changes)
    lines = [encode(BPE, each) for each in KNOWLEDGE.probes]
    expected = [score_without_last(model, *line) for line in lines]
    assert (
        min(len(tokens) for tokens, _ in lines) <= 16 < max(len(tokens) for tokens, _ in lines) - 1
    )
    for size in (1, 64):
        found = probe(model, BPE, KNOWLEDGE, batch_size=size)["per_target_token"]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


# The model is left as found, and asked for little


def test_the_model_is_left_as_found(model):
    model = copy.deepcopy(model).train()
    model.get_decoder().layers[0].eval()
    next(model.parameters()).requires_grad_(False)

    before = describe_state(model)
    probe(model, BPE, FEW)
    assert describe_state(model) == before


def test_only_what_predicts_a_target_is_projected(model):
    rows = []
    handle = model.get_output_embeddings().register_forward_hook(
        lambda _, inputs, output: rows.append(output.shape[:-1].numel())
    )
    knowledge = know(("a", "b" * 299), ("a", "c" * 299))
    probe(model, BYTES, knowledge)
    handle.remove()
    assert rows == [16, 16, 256, 256, 88]  # the first two on trial


# Refusals


@pytest.mark.parametrize(
    ("tokenizer", "knowledge", "options", "message"),
    [
        (BPE, KNOWLEDGE, {"batch_size": 0}, "batch_size must be greater than or equal to 1, not 0"),
        (BPE, KNOWLEDGE, {"batch_size": 8.0}, "batch_size must be a valid integer, not 8.0"),
        (BPE, KNOWLEDGE, {"batch_size": True}, "batch_size must be a valid integer, not True"),
        (BPE, None, {}, "knowledge must be an instance of Knowledge, not None"),
        (BPE, KNOWLEDGE.probes, {}, "knowledge must be an instance of Knowledge"),
        (None, KNOWLEDGE, {}, "tokenizer must be an instance of PreTrainedTokenizerBase, not None"),
        (BPE, know(), {}, "the knowledge has no probes"),
        (
            BYTES,
            know(("a" * 319, "b")),
            {},
            rf"probe 'a+ of paraphrase item 0 of 321 tokens: OlmoForCausalLM .* {LONGEST}",
        ),
    ],
)
def test_bad_input_is_refused(model, tokenizer, knowledge, options, message):
    with pytest.raises(ValueError, match=message):
        probe(model, tokenizer, knowledge, **options)


def test_as_long_as_the_model_is_fine(model):
    assert len(probe(model, BYTES, know(("a" * 318, "b")))) == 1


def test_another_models_tokenizer_is_refused():
    with pytest.raises(ValueError, match="0 to 210: do they come from another model's tokenizer"):
        probe(make("OLMo"), BPE, KNOWLEDGE)


def test_what_is_not_finite_is_refused(model):
    model = copy.deepcopy(model)
    model.get_input_embeddings().weight.data[1:] *= math.nan
    with pytest.raises(ValueError, match="is not finite: are the weights whole"):
        probe(model, BPE, KNOWLEDGE)


# The benchmark


def test_the_benchmark_writes_a_record(tmp_path, monkeypatch):
    """In this process, and on few probes."""
    out = tmp_path / "record.json"
    options = ["--shape", "debug", "--repetitions", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *options])
    monkeypatch.setattr(Knowledge, "synthetic", lambda: FEW)
    monkeypatch.syspath_prepend(SCRIPT.parent)
    runpy.run_path(str(SCRIPT), run_name="__main__")
    record = json.loads(out.read_text("utf-8"))
    assert record["probes"] == len(FEW.probes) < record["tokens"]
    times = {name: len(each) for name, each in record["seconds"].items()}
    assert times == {"singly": 1, "probe": 1}
    (ratio,) = record["ratios"]
    assert (ratio["over"], ratio["under"]) == ("singly", "probe") and ratio["ratio"] > 0
    assert record["largest_difference"] < 1e-5
    assert record["device"]["threads"] >= 1 and {"commit", "torch"} <= record["provenance"].keys()
