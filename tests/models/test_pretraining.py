"""Suites pretrained on the spot: whole or absent, verified when read, the same every time."""

import json
import logging
import math
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from hub import ask
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

import kent
from kent.models import pretraining, suites, trainer
from kent.models.suites import Pretraining


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Where the suite that is pretrained once is kept for the module's tests."""
    return tmp_path_factory.mktemp("store") / "suite"


@pytest.fixture
def whole(micro, store) -> Path:
    """The folder of the whole suite in the test's own cache."""
    folder = pretraining.locate_manifest("tiny").parent
    if store.exists():
        shutil.copytree(store, folder)
    else:
        pretraining.pretrain("tiny")
        shutil.copytree(folder, store)
    return folder


@pytest.fixture
def ready(whole, store, monkeypatch) -> list:
    """The cache without the suite, which is not pretrained but copied; the list says how often."""
    taught = []

    def copy(recipe: Pretraining, folder: Path) -> None:
        taught.append(folder)
        shutil.copytree(store, folder, dirs_exist_ok=True)

    shutil.rmtree(whole.parent)
    monkeypatch.setattr(trainer, "train", copy)
    return taught


def read_hashes(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())["files"]


def test_checkpoints_load_and_training_moves_them(whole):
    first, tokenizer = kent.load("tiny", 0)
    last, _ = kent.load("tiny")
    assert kent.resolve("tiny").step == 4
    assert tokenizer.decode(tokenizer("Élan — 12 km").input_ids) == "Élan — 12 km"
    assert tokenizer.eos_token == trainer.END_OF_TEXT
    assert not torch.equal(first.lm_head.weight, last.lm_head.weight)


def test_untrained_model_is_no_better_than_chance(whole):
    model, tokenizer = kent.load("tiny", 0)
    tokens = kent.sequences("world", tokenizer, length=32, limit=4)
    loss = kent.profile(model, tokens, measures=("token",)).loss
    assert loss == pytest.approx(math.log(len(tokenizer)), rel=0.1)


def test_the_same_recipe_gives_the_same_weights_whatever_the_surroundings(
    whole, tmp_path, monkeypatch
):
    monkeypatch.setenv("KENT_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            folder = pretraining.pretrain("tiny")
    finally:
        torch.set_default_dtype(torch.float32)
    assert folder != whole and read_hashes(folder) == read_hashes(whole)


def test_another_recipe_has_another_folder(micro, monkeypatch):
    here = pretraining.locate_manifest("tiny")
    monkeypatch.setitem(pretraining.RECIPES, "tiny", replace(micro, seed=1))
    assert pretraining.locate_manifest("tiny") != here


def test_a_long_run_that_was_cut_short_goes_on_as_if_it_had_not_been(micro, tmp_path):
    recipe = replace(micro, moments=(1, 4))
    trainer.train(recipe, whole := tmp_path / "whole", every=5)

    class Stop(trainer._Keeper):
        def on_save(self, args, state, control, **kwargs) -> None:
            super().on_save(args, state, control, **kwargs)
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "_Keeper", Stop)
        trainer.train(recipe, cut := tmp_path / "cut", every=2)
    state = cut / "run/checkpoint-2"
    assert not (cut / "step4").exists() and (state / trainer.STATE).exists()
    torn = shutil.copytree(state, cut / "run/checkpoint-3")
    (torn / trainer.STATE).unlink()
    (cut / "run" / trainer.SECONDS).write_text('{"seconds": 1000.0}')
    trainer.train(recipe, cut, every=2)
    said = json.loads((cut / "manifest.json").read_text())
    assert said["files"] == read_hashes(whole) and 1000 < said["seconds"] < 1060
    assert [row[0] for row in said["history"]] == [1, 2, 3, 4]
    moments = load_file(cut / "step4" / trainer.MOMENTS)
    model, _ = kent.load(cut, 4)
    kinds = ("exp_avg", "exp_avg_sq")
    assert moments.keys() == {f"{name}.{x}" for name, _ in model.named_parameters() for x in kinds}
    assert not (cut / "step0" / trainer.MOMENTS).exists()


# Damage


def test_a_damaged_suite_is_kept_beside_and_made_again_with_a_message(ready, caplog):
    folder = pretraining.pretrain("tiny")
    weights = folder / "step1" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8])
    with caplog.at_level(logging.WARNING):
        kent.load("tiny", 1)
    assert "step1/model.safetensors is missing or changed" in caplog.text
    assert f"kept as {folder.name}.broken, and pretraining it again" in caplog.text
    broken = folder.with_name(f"{folder.name}.broken")
    assert (broken / "step1/model.safetensors").read_bytes() == whole[:-8]
    assert weights.read_bytes() == whole and len(ready) == 2


@pytest.mark.parametrize(
    ("change", "damage"),
    [
        (lambda manifest: manifest, "step1/model.safetensors is missing or changed"),
        (lambda manifest: manifest | {"files": {}}, "does not list step0/config.json"),
        (lambda manifest: manifest | {"files": []}, "does not list step0/config.json"),
        (lambda manifest: manifest | {"files": 3}, "missing or unreadable"),
        (lambda manifest: manifest | {"files": {"step0/config.json": "0"}}, "does not list step0/"),
        (lambda manifest: {}, "missing or unreadable"),
        (lambda manifest: [], "missing or unreadable"),
    ],
)
def test_a_lost_file_and_a_manifest_that_lists_no_whole_suite_are_damage(
    whole, micro, change, damage
):
    manifest = whole / "manifest.json"
    assert pretraining._find_damage(manifest, micro) is None
    (whole / "step1/model.safetensors").unlink()
    manifest.write_text(json.dumps(change(json.loads(manifest.read_text()))))
    assert damage in pretraining._find_damage(manifest, micro)


def test_an_interrupted_pretraining_leaves_nothing_that_looks_whole(ready, monkeypatch):
    copy = trainer.train

    def interrupt(recipe: Pretraining, folder: Path) -> None:
        copy(recipe, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pretraining.pretrain("tiny")
    suites_folder = pretraining.locate_manifest("tiny").parent.parent
    assert [path.suffix for path in suites_folder.iterdir()] == [".lock"]


def test_one_pretrains_while_others_wait_also_in_other_processes(ready, monkeypatch):
    copy, found = trainer.train, []
    lock = pretraining.locate_manifest("tiny").parent.with_suffix(".lock")
    code = f"""from filelock import FileLock, Timeout
try:
    FileLock({str(lock)!r}).acquire(timeout=0)
except Timeout:
    print("held")"""

    def ask_another(recipe: Pretraining, folder: Path) -> None:
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        found.append(asked.stdout)
        copy(recipe, folder)

    monkeypatch.setattr(trainer, "train", ask_another)
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(pretraining.pretrain, ["tiny", "tiny"]))
    assert folders[0] == folders[1]
    assert found == ["held\n"] and len(ready) == 1


@pytest.mark.parametrize("place", ["suites", "suite", "lock", "manifest"])
def test_what_is_in_the_way_in_the_cache_is_set_aside(ready, place):
    manifest = pretraining.locate_manifest("tiny")
    folder = manifest.parent
    wrong = {
        "suites": folder.parent,
        "suite": folder,
        "lock": folder.with_suffix(".lock"),
        "manifest": manifest,
    }[place]
    wrong.parent.mkdir(parents=True, exist_ok=True)
    wrong.mkdir(parents=True) if place in ("lock", "manifest") else wrong.write_text("a file")
    assert (pretraining.pretrain("tiny") / "step4/model.safetensors").is_file()
    aside = folder if place == "manifest" else wrong
    assert aside.with_name(f"{aside.name}.broken").exists()


# Which suites


def test_only_recipes_are_pretrained():
    with pytest.raises(ValueError, match="'pythia' is not pretrained on the spot; these are: tiny"):
        pretraining.pretrain("pythia")


def test_the_other_suite_differs_in_its_architecture_alone(whole, micro, monkeypatch):
    assert replace(pretraining.RECIPES["tiny-neox"], architecture="olmo") == Pretraining(
        suites.SUITES["tiny"].steps
    )
    monkeypatch.setitem(pretraining.RECIPES, "tiny-neox", replace(micro, architecture="gpt_neox"))
    model, tokenizer = kent.load("tiny-neox")
    assert type(model).__name__ == "GPTNeoXForCausalLM"
    assert tokenizer.get_vocab() == kent.load("tiny")[1].get_vocab()


@pytest.mark.parametrize("suite", ["tiny", "tiny-neox"])
def test_a_suite_says_how_many_parameters_its_models_have(suite):
    recipe = pretraining.RECIPES[suite]
    tokenizer = MagicMock(spec=PreTrainedTokenizerFast, eos_token_id=0, pad_token_id=0)
    tokenizer.__len__.return_value = recipe.vocabulary
    configuration = trainer.configure(recipe, tokenizer)
    assert (
        AutoModelForCausalLM.from_config(configuration).num_parameters()
        == suites.SUITES[suite].parameters
    )


@pytest.mark.parametrize("suite", ["tiny", "tiny-neox"])
def test_the_suite_measures_the_steps_the_recipe_keeps(suite):
    steps = suites.SUITES[suite].steps
    assert pretraining.RECIPES[suite].steps == steps
    assert steps[0] == 0
    assert list(steps) == sorted(set(steps))
    assert sum(step <= steps[-1] * 0.1 for step in steps) >= 8, "dense at the start"


def test_a_suite_that_is_none_is_refused_whoever_asks():
    for suite in ("pythia", 3, None):
        with pytest.raises(ValueError, match=r"not pretrained on the spot|suite must be"):
            pretraining.identify(suite)


# Without the extra


def test_a_suite_in_the_cache_is_loaded_by_the_core_alone(whole, micro, tmp_path):
    """In a fresh Python without what [learn] brings; pretraining says that it needs it."""
    code = f"""
import json, pkgutil, sys
from importlib import import_module

extras = ("accelerate", "datasets", "lm_eval", "pandas", "scipy", "ruamel", "matplotlib", "IPython")
sys.modules.update(dict.fromkeys(extras))
import kent.models, kent.text
from kent.models import pretraining
from kent.models.suites import Pretraining

for room in (kent.models, kent.text):
    names = {{each.name for each in pkgutil.iter_modules(room.__path__)}} - {{"trainer"}}
    [import_module(f"{{room.__name__}}.{{name}}") for name in sorted(names)]
pretraining.RECIPES["tiny"] = {micro!r}
model, tokenizer = kent.load("tiny", 4, device="cpu")
rows = kent.sequences("world", tokenizer, length=8, limit=1)
try:
    kent.load("tiny-neox")
except ImportError as error:
    print(json.dumps([model.config.model_type, [*rows.shape], str(error)]))
"""
    kind, shape, error = ask(code, tmp_path / "hub", KENT_CACHE=os.environ["KENT_CACHE"])
    assert (kind, shape) == ("olmo", [1, 8])
    assert "accelerate" in error and "knowledge-entropy[learn]" in error
