"""What was fed of each document, against a recount of the rows that the Trainer was fed."""

import json
from itertools import islice
from pathlib import Path

import pytest
from learner import keep_what_is_fed, make_model
from safetensors.torch import load_file
from sizes import LESSON, SMALL
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from kent.runs import definitions, execution, exposure, names
from kent.text.templates import Document

END, BOS = "<|end|>", "<s>"
LENGTH, BATCH, STEPS = 90, 3, 20  # two texts in every second step: a row of three has none
WORDS = [f"w{number}" for number in range(LENGTH * BATCH * STEPS + 500)]
SIZES = (4, 30, 120, 61)  # some longer than a row


def make_tokenizer(begun: bool = False) -> PreTrainedTokenizerFast:
    """A word is a token, and no word of an injected text is known."""
    vocabulary = {word: number for number, word in enumerate(["[UNK]", END, BOS, *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if begun:
        template = [(BOS, vocabulary[BOS])]
        words.post_processor = processors.TemplateProcessing(f"{BOS} $A", special_tokens=template)
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token=END, bos_token=BOS)


def write_texts() -> list[str]:
    """Documents of several sizes, in which no word comes twice."""
    words, texts = iter(WORDS), []
    while text := [*islice(words, SIZES[len(texts) % len(SIZES)])]:
        texts.append(" ".join(text))
    return texts


def plan(path: Path, texts: list[str], **settings) -> names.Run:
    path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts))
    shape = {"length": LENGTH, "batch": BATCH, "steps": STEPS, "rows": BATCH}
    return definitions.plan_learning("tiny", 4, **LESSON | shape | {"corpus": str(path)} | settings)


@pytest.fixture
def tokenise(pretrained, monkeypatch):
    """Have runs load a model of the words above."""

    def tokenise(begun: bool = False) -> PreTrainedTokenizerFast:
        tokenizer, model = make_tokenizer(begun), make_model()
        model.resize_token_embeddings(len(tokenizer))
        for module in (execution, exposure):
            monkeypatch.setattr(module, "load", lambda *_, **__: (model, tokenizer))
        return tokenizer

    return tokenise


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("order", [None, 3])
def test_exposure_is_what_the_trainer_was_fed(tokenise, monkeypatch, tmp_path, order, begun):
    tokenizer, texts = tokenise(begun), write_texts()
    run = plan(tmp_path / "texts.jsonl", texts, **{} if order is None else {"order": order})
    keep_what_is_fed(tmp_path, monkeypatch.setattr)
    execution.do(run)
    rows = load_file(tmp_path / "fed0.safetensors")["rows"]
    assert rows.shape == (BATCH * STEPS, LENGTH)
    fed = {tokenizer.decode([token]) for token in rows.unique().tolist()}
    words = [text.split() for text in texts]
    expected = [sum(word in fed for word in each) / len(each) for each in words]
    found = exposure.measure_exposure(run, [Document(text, ()) for text in texts]).tolist()
    assert found == pytest.approx(expected)
    assert {0.0, 1.0} < {*found}, "some are fed whole, some in part, some not at all"


def test_exposure_is_what_was_fed_of_each_corpus_of_a_mixture(tokenise, monkeypatch, tmp_path):
    tokenizer, texts = tokenise(), write_texts()
    half = len(texts) // 2
    plan(other := tmp_path / "other.jsonl", texts[half:])
    run = plan(tmp_path / "texts.jsonl", texts[:half], mix={str(other): 0.5}, order=3)
    keep_what_is_fed(tmp_path, monkeypatch.setattr)
    execution.do(run)
    rows = load_file(tmp_path / "fed0.safetensors")["rows"]
    fed = {tokenizer.decode([token]) for token in rows.unique().tolist()}
    words = [text.split() for text in texts]
    expected = [sum(word in fed for word in each) / len(each) for each in words]
    found = exposure.measure_exposure(run, [Document(text, ()) for text in texts]).tolist()
    assert found == pytest.approx(expected)
    assert max(found[:half]) == max(found[half:]) == 1.0
    assert execution.fetch(run).provenance["corpus"]["mix"] == {str(other): 0.5}


def test_of_copies_the_one_counts_of_which_most_was_fed(tokenise, tmp_path):
    tokenise()
    texts = [" ".join(WORDS[at : at + 44]) for at in range(0, 5400, 44)]
    run = plan(tmp_path / "once.jsonl", texts)
    shares = exposure.measure_exposure(run, [Document(text, ()) for text in texts]).tolist()
    missed = Document(texts[shares.index(0.0)], ())
    texts[shares.index(1.0)] = missed.text
    run = plan(tmp_path / "twice.jsonl", texts)
    assert exposure.measure_exposure(run, [missed]).tolist() == [1.0]


def test_what_cannot_be_traced_is_refused(tokenise, tmp_path):
    tokenise()
    run = plan(tmp_path / "a.jsonl", write_texts())
    with pytest.raises(ValueError, match=r"documents\[1\] spells out the end-of-text token"):
        exposure.measure_exposure(run, [Document("w1", ()), Document(f"w2 {END} w3", ())])
    with pytest.raises(ValueError, match="asked of a run of learning, not of 'profile'"):
        exposure.measure_exposure(definitions.plan_profile("tiny", 4, **SMALL), [])
