"""The optimizer's memory: what goes on from it is what would not have stopped."""

from dataclasses import replace

import pytest
import torch
from learner import RECIPE, make_model, run
from safetensors.torch import save_file

from kent.learning.moments import Moments, read_moments
from kent.models import trainer


def step(model, optimizer, times: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for _ in range(times):
        rows = torch.randint(97, 122, (2, 16), generator=draw)
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def make_optimizer(model) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def collect(model, optimizer, steps: int = 5) -> Moments:
    return Moments(trainer._collect_moments(model, optimizer), steps)


def test_an_optimizer_that_goes_on_from_its_moments_makes_the_same_updates():
    model = make_model()
    step(model, optimizer := make_optimizer(model), 5, seed=0)
    other, kept = make_model(), collect(model, optimizer)
    other.load_state_dict(model.state_dict())
    afresh = make_model()
    afresh.load_state_dict(model.state_dict())
    kept.give(again := make_optimizer(other), other)
    for each, own in ((model, optimizer), (other, again), (afresh, make_optimizer(afresh))):
        step(each, own, 3, seed=1)
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    assert not torch.equal(model.lm_head.weight, afresh.lm_head.weight)


def test_a_run_begins_with_them_and_is_another_run_than_one_without(tmp_path):
    model = make_model()
    step(model, optimizer := make_optimizer(model), 5, seed=0)
    kept, recipe = collect(model, optimizer), replace(RECIPE, steps=10)
    plain = run(tmp_path / "plain", recipe)
    went_on = run(tmp_path / "memory", recipe, moments=kept)
    assert went_on.curve[0, 0] == plain.curve[0, 0], "the same model and the same rows"
    assert not torch.equal(went_on.curve[2:, 0], plain.curve[2:, 0])
    with pytest.raises(ValueError, match=r"holds another run, with \{.moments"):
        run(tmp_path / "memory", recipe, moments=replace(kept, steps=6))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda values: values.pop("model.embed_tokens.weight.exp_avg"), "lacks the exp_avg of"),
        (
            lambda values: values.update({"model.embed_tokens.weight.exp_avg_sq": torch.ones(1)}),
            "has in another shape the exp_avg_sq of",
        ),
    ],
)
def test_moments_of_another_model_are_refused(change, fault):
    model = make_model()
    step(model, optimizer := make_optimizer(model), 1, seed=0)
    values = dict(collect(model, optimizer).values)
    change(values)
    with pytest.raises(ValueError, match=f"{fault} model.embed_tokens.weight"):
        Moments(values, 1).give(make_optimizer(model), model)


def test_a_checkpoint_without_a_memory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no memory of its optimizer"):
        read_moments(tmp_path, 4)
    with pytest.raises(ValueError, match="which is not in a folder, holds no memory"):
        read_moments(None, 4)
    save_file({"a.exp_avg": torch.zeros(1)}, tmp_path / trainer.MOMENTS)
    assert read_moments(tmp_path, 4).steps == 4
    for wrong in (None, 0, "main"):
        with pytest.raises(ValueError, match="needs a step, 1 or more"):
            read_moments(tmp_path, wrong)
