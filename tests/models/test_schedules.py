"""Learning rates over pretraining: each shape by hand, and what the Trainer does with them."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import get_scheduler

from kent.models import trainer
from kent.models.schedules import Schedule
from kent.models.suites import BRANCHES, FORKS, RECIPES

HALF = 0.1 + 0.9 / 2
"""A cosine to 10 % of the peak, half way between warm-up and end."""


@pytest.mark.parametrize(
    ("phases", "rates"),
    [
        ([(0, "cosine")], {0: 0, 5: 0.5, 10: 1, 60: HALF, 110: 0.1}),
        ([(0, "constant")], {5: 0.5, 10: 1, 60: 1, 110: 1}),
        ([(0, "constant"), (60, "linear")], {59: 1, 60: 1, 85: 0.5, 110: 0}),
        ([(0, "cosine"), (60, "constant")], {60: HALF, 61: HALF, 110: HALF}),
        ([(0, "cosine"), (60, "linear")], {60: HALF, 85: HALF / 2, 110: 0}),
        ([(0, "cosine"), (60, "rewarm")], {60: HALF, 65: (1 + HALF) / 2, 70: 1, 110: 1}),
    ],
)
def test_the_rate_goes_through_its_phases(phases, rates):
    schedule = Schedule(warmup=10, phases=phases, planned=110, last=110)
    assert {step: schedule.follow(step) for step in rates} == pytest.approx(rates)


def test_a_cosine_ends_where_it_was_planned_to():
    schedule = Schedule(10, [(0, "cosine"), (110, "rewarm")], planned=110, last=200)
    assert [schedule.follow(step) for step in (60, 110, 115, 200)] == pytest.approx(
        [HALF, 0.1, 0.55, 1]
    )


def test_the_cosine_is_that_of_transformers_to_the_bit():
    """The weights that pages have recorded came of it."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3e-3)
    settings = {"num_warmup_steps": 64, "num_training_steps": 768}
    theirs = get_scheduler(
        "cosine_with_min_lr", optimizer, **settings, scheduler_specific_kwargs={"min_lr_rate": 0.1}
    )
    ours = RECIPES["tiny"].schedule
    assert [theirs.lr_lambdas[0](step) for step in range(769)] == [*map(ours.follow, range(769))]


@pytest.fixture(scope="module")
def whole(use_micro, tmp_path_factory):
    """The micro recipe with one more step kept, and the folder of its run."""
    with pytest.MonkeyPatch.context() as patch:
        recipe = replace(use_micro(patch, tmp_path_factory.mktemp("cache")), steps=(1, 2, 3, 4))
    trainer.train(recipe, folder := tmp_path_factory.mktemp("whole"))
    return recipe, folder


def read(folder, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / f"step{step}" / "model.safetensors")


def is_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_branch_has_the_first_part_of_the_run_and_goes_on_otherwise(whole, tmp_path):
    """It sees the same rows after the fork too: at the same rate, the weights are the same."""
    recipe, folder = whole
    branch = replace(recipe, phases=((0, "cosine"), (2, "constant")))
    trainer.train(branch, tmp_path / "branch")
    assert is_same(read(tmp_path / "branch", 2), read(folder, 2))
    # the third step is still at the rate of the second
    assert is_same(read(tmp_path / "branch", 3), read(folder, 3))
    assert not is_same(read(tmp_path / "branch", 4), read(folder, 4))


def test_a_longer_run_begins_with_the_whole_of_the_shorter_and_reads_on(whole, tmp_path):
    recipe, folder = whole
    longer = replace(recipe, steps=(4, 6), planned=4, phases=((0, "cosine"), (4, "rewarm")))
    trainer.train(longer, tmp_path / "longer")
    assert is_same(read(tmp_path / "longer", 4), read(folder, 4))
    rows = trainer.Rows(torch.arange(24).view(12, 2), shuffled=8)
    assert len(rows) == 8
    read_on = [rows[index]["input_ids"][0].item() for index in (*range(7, -1, -1), 0, 1)]
    assert read_on == [14, 12, 10, 8, 6, 4, 2, 0, 16, 18]


def test_the_last_checkpoint_can_be_the_mean_of_those_kept(whole, tmp_path):
    recipe, folder = whole
    trainer.train(replace(recipe, averaged=2), tmp_path / "mean")
    third, last = read(folder, 3), read(folder, 4)
    mean = read(tmp_path / "mean", 4)
    assert is_same(read(tmp_path / "mean", 3), third)
    for name in mean:
        torch.testing.assert_close(mean[name], (third[name] + last[name]) / 2)


def test_weight_decay_is_the_recipe_s(whole, tmp_path):
    recipe, folder = whole
    trainer.train(replace(recipe, weight_decay=0.5), tmp_path / "decayed")
    norms = [
        math.sqrt(sum(float((each**2).sum()) for each in read(place, 4).values()))
        for place in (tmp_path / "decayed", folder)
    ]
    assert norms[0] < norms[1]


def test_branches_of_a_seed_have_its_recipe_but_for_the_schedule():
    for name, branches in FORKS.items():
        for branch, fork in branches.items():
            shared = ("seed", "layers", "width", "neurons", "batch", "learning_rate", "warmup")
            own, base = RECIPES[fork], RECIPES[name]
            assert [getattr(own, key) for key in shared] == [getattr(base, key) for key in shared]
            assert replace(own, seed=0) == BRANCHES[branch]
            assert own.schedule.planned == base.steps[-1]
            assert all(own.follow_rate(step) == base.follow_rate(step) for step in range(385))
