"""Where a tokenizer puts a token in front of a text by its own default, all that is read has it.

Once, at position 0; tokenizers without one are what the other tests use.
"""

import numpy as np
import pytest
import torch
from architectures import make
from hub import make_bos_tokenizer, make_byte_tokenizer
from learner import make_knowledge

import kent
from kent.learning.downstream import evaluate
from kent.learning.injection import InjectedRows
from kent.learning.probes import probe
from kent.measure.familiarity import measure_familiarity, read_entities
from kent.measure.gradients import measure_gradients

PLAIN, BOS = make_byte_tokenizer(), make_bos_tokenizer()
TEXT = "A text of some words that goes on. " * 40
FRONT = 257


@pytest.fixture(scope="module")
def model():
    return make("OLMo", vocab_size=264, max_position_embeddings=1024)


@torch.no_grad()
def score(model, tokens) -> torch.Tensor:
    """Log probabilities of each token after the first, from the whole logits of one sequence."""
    tokens = torch.as_tensor(tokens)[None]
    chances = model(tokens).logits[0].double().log_softmax(dim=-1)
    return chances[:-1].gather(1, tokens[0, 1:, None])[:, 0]


@pytest.mark.parametrize("tokenizer", [PLAIN, BOS])
def test_probes_begin_with_it_and_it_counts_in_the_padded_length(model, tokenizer):
    facts = make_knowledge(0)
    found = probe(model, tokenizer, facts)
    lines = [tokenizer(f"{each.input} {each.target}").input_ids for each in facts.probes]
    assert all(line.count(FRONT) == (tokenizer is BOS) for line in lines)
    sums = []
    for line, each in zip(lines, facts.probes, strict=True):
        target = len(f" {each.target}".encode())
        sums.append(score(model, line)[-target:].sum().item())
        assert found.per_target_token[len(sums) - 1] == pytest.approx(sums[-1] / target, abs=1e-5)
    groups = found.groupby(["setting", "kind"]).indices
    for rows in groups.values():  # fewer than 16 of each: one batch of the public code
        longest = max(len(lines[row]) for row in rows)
        expected = np.array(sums)[rows] / (longest - 1)
        assert found.padded_mean.to_numpy()[rows] == pytest.approx(expected, abs=1e-5)


def test_injected_rows_begin_with_it_once():
    rows = kent.sequences([TEXT * 40], BOS, length=600, limit=80)
    assert (rows[:, 0] == FRONT).all() and (rows[:, 1:] != FRONT).all()
    facts = make_knowledge(0)
    injected = InjectedRows(rows, BOS, facts, batch=8, steps=10)
    text = [*BOS(facts.injections(2)[1]).input_ids, BOS.eos_token_id]
    expected = [*text, *rows[9, 1:].tolist()][:600]
    assert injected[9]["input_ids"].tolist() == expected
    bare = rows.clone()
    bare[:, 0] = 5
    again = InjectedRows(bare, BOS, facts, batch=8, steps=10)[9]["input_ids"]
    assert again.tolist() == [*text, *bare[9].tolist()][:600]


def test_familiarity_reads_it_instead_of_the_end_of_text_token(model):
    documents = read_entities("world-near", limit=3)
    found = measure_familiarity(model, BOS, documents, length=300)
    assert found.provenance["bos"] == FRONT
    for document, perplexity in zip(documents, found.perplexities, strict=True):
        chances = score(model, BOS(document.text).input_ids[:300])
        entities = [
            (-chances[[at for at in range(*span) if document.text[at] != " "]].mean()).exp()
            for span in document.entities
            if span[1] < 300
        ]
        assert perplexity.item() == pytest.approx(torch.stack(entities).mean().item(), rel=1e-4)
    assert measure_familiarity(model, PLAIN, documents, length=300).provenance["bos"] is None


@pytest.mark.parametrize("tokenizer", [PLAIN, BOS])
def test_tasks_begin_with_it(model, tokenizer, monkeypatch):
    from lm_eval.models.huggingface import HFLM

    read, call = [], HFLM._model_call

    def keep(self, inps, *arguments, **named):
        read.extend(inps.tolist())
        return call(self, inps, *arguments, **named)

    monkeypatch.setattr(HFLM, "_model_call", keep)
    evaluate(model, tokenizer, ["facts"], limit=3)
    assert read and all(row.count(FRONT) == (tokenizer is BOS) for row in read)
    assert tokenizer is PLAIN or all(row[0] == FRONT for row in read)


def test_its_coefficients_are_left_out_of_the_mean_unless_asked_for(model, tmp_path):
    model.save_pretrained(tmp_path)
    BOS.save_pretrained(tmp_path)
    loaded, tokenizer = kent.load(tmp_path, device="cpu")
    tokens = kent.sequences([TEXT], tokenizer, length=24, limit=5)
    found = kent.profile(loaded, tokens)
    whole = kent.profile(loaded, tokens, skip=0)
    assert [each.provenance["skip"] for each in (found, whole)] == [1, 0]
    read = []
    handle = loaded.model.layers[1].mlp.down_proj.register_forward_pre_hook(
        lambda _, inputs: read.append(inputs[0].detach())
    )
    loaded(tokens)
    handle.remove()
    magnitudes = read[0].abs().double()
    for profile, start in ((found, 1), (whole, 0)):
        expected = magnitudes[:, start:].mean(dim=(0, 1))
        torch.testing.assert_close(profile.coefficients[1], expected, rtol=1e-5, atol=1e-7)
    assert found.loss == whole.loss and found.attention_entropy == whole.attention_entropy
    with pytest.raises(ValueError, match="measured other tokens left out: skip 0 and 1"):
        found.change_since(whole)


def test_gradients_are_set_beside_coefficients_without_it(model, tmp_path):
    model.save_pretrained(tmp_path)
    BOS.save_pretrained(tmp_path)
    loaded, tokenizer = kent.load(tmp_path, device="cpu")
    tokens = kent.sequences([TEXT], tokenizer, length=24, limit=2)
    found = measure_gradients(loaded, tokens, steps=1)
    alone = kent.profile(loaded, tokens, measures=["knowledge"])
    assert found.provenance["skip"] == 1
    for one, other in zip(found.coefficients, alone.coefficients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    names = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in range(len(found.gradients))]
    loaded(tokens, labels=tokens).loss.backward()
    weights = dict(loaded.named_parameters())
    for name, gradients in zip(names, found.gradients, strict=True):  # of all tokens, it too
        torch.testing.assert_close(
            weights[name].grad.norm(dim=0).double(), gradients, rtol=1e-4, atol=1e-7
        )


def test_padding_in_front_does_not_hide_it(model, tmp_path):
    model.save_pretrained(tmp_path)
    BOS.save_pretrained(tmp_path)
    loaded, tokenizer = kent.load(tmp_path, device="cpu")
    tokens = kent.sequences([TEXT], tokenizer, length=24, limit=4)
    padded = torch.cat([torch.zeros(4, 3, dtype=torch.long), tokens], dim=1)
    mask = torch.cat([torch.zeros(4, 3), torch.ones(4, 24)], dim=1).long()
    expected = kent.profile(loaded, tokens)
    found = kent.profile(loaded, padded, attention_mask=mask)
    assert found.provenance["skip"] == 1
    for one, other in zip(found.coefficients, expected.coefficients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="instance 0 has no more than the 24 tokens that are left"):
        kent.profile(loaded, padded, attention_mask=mask, skip=24)


def test_without_one_nothing_is_left_out(model, tmp_path):
    model.save_pretrained(tmp_path)
    PLAIN.save_pretrained(tmp_path)
    loaded, tokenizer = kent.load(tmp_path, device="cpu")
    tokens = kent.sequences([TEXT], tokenizer, length=24, limit=4)
    assert kent.profile(loaded, tokens).provenance["skip"] == 0
    tokens[:, 0] = FRONT
    assert kent.profile(loaded, tokens).provenance["skip"] == 0
