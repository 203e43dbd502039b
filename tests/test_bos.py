"""The record of what a token that begins a text does: its ways, and what it says of itself."""

import json

import bos
import pytest
import torch
from architectures import build, draw_tokens, make
from hub import make_bos_tokenizer
from learner import make_model

import kent
from kent.text.tokens import ADDED


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    drawn = draw_tokens(6, 20)
    drawn[:, 0] = 1
    return drawn


@pytest.fixture(scope="module")
def model():
    built = make("Llama")  # not the one that all tests share
    setattr(built.config, ADDED, 1)
    return built


def test_the_ways_are_those_they_are_called(model, tokens):
    ways, provenance = bos.compare(model, tokens)
    asked = {"measures": ["knowledge", "token"]}
    expected = {
        bos.USUAL: kent.profile(model, tokens, **asked, skip=1),
        bos.COUNTED: kent.profile(model, tokens, **asked, skip=0),
        bos.WITHOUT: kent.profile(model, tokens[:, 1:], **asked, skip=0),
    }
    assert [*ways] == [*expected] and provenance["skip"] == 1
    usual = expected[bos.USUAL]
    for name, profile in expected.items():
        way = ways[name]
        assert way["knowledge_entropy"] == profile.estimate()
        assert way["loss"] == profile.estimate("loss")
        value, _ = way["moved"]["knowledge_entropy"]
        assert value == pytest.approx(profile.knowledge_entropy - usual.knowledge_entropy)
        assert (way["length"], way["skip"]) == tuple(
            profile.provenance[key] for key in ("length", "skip")
        )
    assert ways[bos.COUNTED]["loss"] == ways[bos.USUAL]["loss"]
    assert ways[bos.WITHOUT]["loss"] != ways[bos.USUAL]["loss"]


def test_the_error_of_a_difference_is_that_of_paired_sequences(model, tokens):
    asked = {"measures": ["knowledge"], "skip": 0}
    one, other = (kent.profile(each, tokens, **asked) for each in (model, build("Mistral")))
    assert bos.subtract(one, other, "knowledge") == pytest.approx(one.change_since(other))


def test_a_model_without_such_a_token_is_refused(tokens):
    with pytest.raises(ValueError, match="puts no token in front"):
        bos.compare(build("Llama"), tokens)


def test_the_record_says_how_it_was_made(tmp_path, monkeypatch):
    model, tokenizer = make_model(), make_bos_tokenizer()
    setattr(model.config, ADDED, tokenizer.bos_token_id)
    monkeypatch.setattr(kent, "load", lambda path: (model, tokenizer))
    path = tmp_path / "small.gguf"
    path.write_bytes(b"a model")
    out = tmp_path / "bos.json"
    bos.main([str(path), "--length", "16", "--limit", "4", "--out", str(out)])
    record = json.loads(out.read_text("utf8"))
    assert record["command"] == "python scripts/bos.py small.gguf --length 16 --limit 4"
    assert record["model"]["file"] == record["provenance"]["name"] == "small.gguf"
    assert len(record["model"]["sha256"]) == 64 and len(record["text"]["tokens_sha256"]) == 64
    assert str(tmp_path) not in out.read_text("utf8")
    assert {"commit", "date", "machine", "torch", "device", "gguf"} <= record["provenance"].keys()
    lengths = [(way["length"], way["skip"]) for way in record["ways"].values()]
    assert lengths == [(16, 1), (16, 0), (15, 0)]
