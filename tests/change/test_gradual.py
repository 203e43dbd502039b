"""Resuscitation while a model learns: what moves, by how much, and what does not."""

import json
from pathlib import Path

import pytest
import torch
from learner import RECIPE, ROWS, make_model, run
from transformers import AutoModelForCausalLM

import kent
from kent.change import gradual
from kent.change.gradual import Folding, Rates, Regulariser, make_gradual
from kent.change.resuscitation import find_multipliers
from kent.measure.memory import find_memories

FACTORS = torch.linspace(0.5, 4, 32)
SLOW = {"learning_rate": 1e-9, "weight_decay": 0.0}
"""A recipe that moves next to nothing."""


def read_keys(model) -> torch.Tensor:
    [memory] = find_memories(model)
    return memory.key_rows[0].detach().clone()


def learn(out: Path, acting: gradual.Gradual | None, **recipe) -> tuple:
    """The model after a short run, and its outcome."""
    changed = {key: recipe.get(key, value) for key, value in vars(RECIPE).items()}
    outcome = run(out, type(RECIPE)(**changed), gradual=acting)
    return AutoModelForCausalLM.from_pretrained(out / "model"), outcome


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The keys before, after plain learning, and what it came to."""
    model, outcome = learn(tmp_path_factory.mktemp("plain") / "run", None)
    return read_keys(make_model()), read_keys(model), outcome


def test_a_step_moves_each_key_by_its_own_rate():
    model, rates = make_model(), Rates([FACTORS])
    before = read_keys(model)
    rates.on_pre_optimizer_step(None, None, None, model=model)
    with torch.no_grad():
        find_memories(model)[0].keys.weight.add_(1.0)
    rates.on_optimizer_step(None, None, None, model=model)
    moved = read_keys(model) - before
    torch.testing.assert_close(moved, FACTORS[:, None].expand(moved.shape))


def test_rates_learn_otherwise_from_the_same_start(plain, tmp_path):
    _, keys, outcome = plain
    own, alike = learn(tmp_path / "ones", Rates([torch.ones(32)]))
    torch.testing.assert_close(read_keys(own), keys, atol=1e-4, rtol=1e-3)
    other, changed = learn(tmp_path / "rates", Rates([FACTORS]))
    assert not torch.allclose(read_keys(other), keys, atol=1e-3)
    for each in (alike, changed):
        first = each.knowledge["per_target_token"][0]
        torch.testing.assert_close(first, outcome.knowledge["per_target_token"][0])


def test_folded_multipliers_come_to_algorithm_1_at_the_end(tmp_path):
    before = read_keys(make_model())
    model, outcome = learn(tmp_path / "run", Folding([FACTORS]), **SLOW)
    torch.testing.assert_close(read_keys(model), before * FACTORS[:, None], atol=1e-6, rtol=1e-4)
    kept, _ = learn(tmp_path / "plain", None, **SLOW)
    first, last = outcome.knowledge["per_target_token"][[0, -1]]
    assert not torch.allclose(first, last, atol=1e-6), "the function changes along the way"
    torch.testing.assert_close(read_keys(kept), before, atol=1e-6, rtol=1e-4)


def test_a_regulariser_draws_entropy_its_way_and_is_gone_after(plain, tmp_path):
    entropies = {}
    for weight in (-0.5, 0.5):
        acting = Regulariser(weight)
        model, _ = learn(tmp_path / str(weight), acting, learning_rate=3e-3)
        profile = kent.profile(model, ROWS[:8, :64], measures=("knowledge",))
        entropies[weight] = profile.knowledge_entropy
        assert len(acting.hooks) == 2 and not acting.entropies
    model, _ = learn(tmp_path / "none", None, learning_rate=3e-3)
    own = kent.profile(model, ROWS[:8, :64], measures=("knowledge",)).knowledge_entropy
    assert entropies[-0.5] < own < entropies[0.5]
    assert not [each for module in model.modules() for each in module._forward_pre_hooks]


def test_the_term_is_the_batch_s_and_once_for_all_parts_of_it(tmp_path):
    """Rows go through in two parts, each with half of the weight."""
    _, plain = learn(tmp_path / "plain", None, **SLOW)
    _, drawn = learn(tmp_path / "drawn", Regulariser(0.25), **SLOW)
    difference = (plain.curve[:, 0] - drawn.curve[:, 0]) / 0.25
    bound = torch.log(torch.tensor(32.0))
    assert ((difference > 0.7 * bound) & (difference < bound + 1e-6)).all(), difference


def test_a_run_is_another_with_another_one(tmp_path):
    learn(tmp_path / "run", Regulariser(0.5), steps=10)
    noted = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert noted["gradual"] == "Regulariser" and noted["weight"] == 0.5
    with pytest.raises(ValueError, match="weight"):
        learn(tmp_path / "run", Regulariser(0.25), steps=10)


def test_what_does_not_fit_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="multipliers"):
        learn(tmp_path / "run", Rates([torch.ones(3)]))
    assert not (tmp_path / "run").exists()
    coefficients = [torch.ones(32)]
    with pytest.raises(ValueError, match="changed by rates, fold, entropy, not by 'halves'"):
        make_gradual(coefficients, method="halves")
    with pytest.raises(ValueError, match="entropy has no q; it has weight"):
        make_gradual(coefficients, method="entropy", q=1.0)
    with pytest.raises(ValueError, match="weight"):
        make_gradual(coefficients, method="entropy", weight=float("nan"))


def test_multipliers_are_those_of_algorithm_1():
    coefficients = [torch.tensor([1.0, 2.0, 3.0, 10.0])]
    expected = find_multipliers(coefficients, p=50, q=2.0)
    for method in ("rates", "fold"):
        acting = make_gradual(coefficients, method=method, p=50, q=2.0)
        assert torch.equal(acting.multipliers[0], expected[0])
