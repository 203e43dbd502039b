"""The suites whose checkpoints kent brings along: as their manifest says, and packed small."""

import json
from dataclasses import replace

import pretrain
import pytest
import torch
from safetensors import safe_open

import kent
from kent.learning.moments import read_moments
from kent.models import suites, trainer
from kent.models.revisions import list_steps
from kent.models.suites import KEPT, SUITES, WEIGHTS, Pretraining
from kent.records import hash_file

HERE = [name for name in KEPT if (WEIGHTS / name).is_dir()]


def read_manifest(suite: str) -> dict:
    return json.loads((WEIGHTS / suite / "manifest.json").read_text("utf-8"))


@pytest.mark.parametrize("suite", HERE)
def test_every_file_is_the_one_that_was_made(suite):
    found = {
        path.relative_to(WEIGHTS / suite).as_posix(): hash_file(path)
        for path in (WEIGHTS / suite).glob("step*/*")
    }
    manifest = read_manifest(suite)
    assert found == manifest["files"]
    defaults = vars(Pretraining(KEPT[suite].steps))  # fields that came later stand at them
    assert json.dumps(defaults | manifest["recipe"]) == json.dumps(vars(KEPT[suite]))


@pytest.mark.parametrize("suite", HERE)
def test_a_suite_is_what_its_data_say(suite):
    assert tuple(list_steps(suite)) == SUITES[suite].steps == KEPT[suite].steps
    model, tokenizer = kent.load(suite)
    assert model.num_parameters() == SUITES[suite].parameters == read_manifest(suite)["parameters"]
    assert model.dtype == torch.float32 and len(tokenizer) == KEPT[suite].vocabulary
    assert read_manifest(suite)["tokens"] > 1000 * SUITES[suite].parameters
    assert kent.resolve(suite, 8000).commit != kent.resolve(suite).commit


@pytest.mark.parametrize("suite", HERE)
def test_it_has_learned_its_world_and_keeps_the_optimizers_memory_at_the_papers_stages(suite):
    losses = []
    for step in (0, 1000, KEPT[suite].steps[-1]):
        model, tokenizer = kent.load(suite, step)
        tokens = kent.sequences("world", tokenizer, length=64, limit=8)
        losses.append(kent.profile(model, tokens, measures=("token",)).loss)
    assert losses[0] > 6 > losses[1] > losses[2]
    for step in KEPT[suite].moments:
        read_moments(WEIGHTS / suite / f"step{step}", step).give(
            torch.optim.AdamW(model.parameters()), model
        )


def test_a_suite_that_is_not_here_says_how_it_is_made(monkeypatch):
    monkeypatch.setattr("kent.models.revisions.WEIGHTS", WEIGHTS / "nowhere")
    with pytest.raises(ValueError, match="the suite small is not here: make suite NAME=small"):
        kent.load("small")


def test_a_suite_is_packed_into_half_the_bytes_with_a_hash_of_every_file(micro, tmp_path):
    trainer.train(replace(micro, moments=(4,)), source := tmp_path / "source", every=2)
    (target := tmp_path / "target").mkdir()
    (target / "left_over.json").touch()
    pretrain.pack(source, target)
    manifest = json.loads((target / "manifest.json").read_text())
    files = [path for path in target.rglob("*") if path.is_file() and path.parent != target]
    assert {path.relative_to(target).as_posix() for path in files} == {*manifest["files"]}
    assert {path.name for path in target.iterdir()} == {"manifest.json", "step0", "step1", "step4"}
    with safe_open(target / "step4" / trainer.MOMENTS, "pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert kinds == {torch.bfloat16}
    whole, packed = (kent.load(folder, 4)[0] for folder in (source, target))
    for one, other in zip(whole.parameters(), packed.parameters(), strict=True):
        assert torch.equal(one.bfloat16().float(), other)


def test_only_kept_suites_are_packed():
    assert not {*KEPT} & {*suites.RECIPES}
    with pytest.raises(ValueError, match="'tiny' is no suite whose weights are kept"):
        pretrain.main("tiny")
