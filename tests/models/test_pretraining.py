"""Suites pretrained on the spot: whole or absent, verified when read, rebuilt when damaged, the
same every time."""

import json
import logging
import math
from dataclasses import replace
from multiprocessing import get_context
from unittest.mock import MagicMock

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

import kent
from kent.models import pretraining, suites
from kent.models.pretraining import Pretraining


def test_checkpoints_load_and_training_moves_them(micro):
    first, tokenizer = kent.load("tiny", 0)
    last, _ = kent.load("tiny")
    assert kent.resolve("tiny").step == 4
    assert tokenizer.decode(tokenizer("Élan — 12 km").input_ids) == "Élan — 12 km"
    assert tokenizer.eos_token == pretraining.END_OF_TEXT
    assert not torch.equal(first.lm_head.weight, last.lm_head.weight)


def test_untrained_model_is_no_better_than_chance(micro):
    model, tokenizer = kent.load("tiny", 0)
    tokens = kent.sequences("world", tokenizer, length=32, limit=4)
    assert kent.profile(model, tokens, measures=("token",)).loss == pytest.approx(
        math.log(len(tokenizer)), rel=0.1
    )


def test_the_same_recipe_gives_the_same_weights(micro, tmp_path, monkeypatch):
    first = json.loads((pretraining.pretrain("tiny") / "manifest.json").read_text())["files"]
    monkeypatch.setenv("KENT_CACHE", str(tmp_path / "elsewhere"))
    assert (
        json.loads((pretraining.pretrain("tiny") / "manifest.json").read_text())["files"] == first
    )


def test_another_recipe_has_another_folder(micro, monkeypatch):
    here = pretraining.locate_manifest("tiny")
    monkeypatch.setitem(pretraining.RECIPES, "tiny", replace(micro, seed=1))
    assert pretraining.locate_manifest("tiny") != here


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_file_is_found_and_rebuilt_with_a_message(micro, caplog, damage):
    weights = pretraining.pretrain("tiny") / "step1" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8]) if damage == "cut" else weights.unlink()
    with caplog.at_level(logging.WARNING):
        kent.load("tiny", 1)
    assert "step1/model.safetensors is missing or changed" in caplog.text
    assert weights.read_bytes() == whole


def test_an_interrupted_pretraining_leaves_nothing_that_looks_whole(micro, monkeypatch):
    monkeypatch.setattr(
        pretraining._Keeper,
        "on_step_end",
        lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        pretraining.pretrain("tiny")
    suites_folder = pretraining.locate_manifest("tiny").parent.parent
    assert [path.suffix for path in suites_folder.iterdir()] == [".lock"]


def _pretrain(recipe, results):
    pretraining.RECIPES["tiny"] = recipe
    folder = pretraining.pretrain("tiny")
    results.put(json.loads((folder / "manifest.json").read_text())["date"])


def test_two_processes_share_one_pretraining(micro):
    context = get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_pretrain, args=(micro, results)) for _ in range(2)]
    for process in processes:
        process.start()
    dates = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert dates[0] == dates[1]


def test_only_recipes_are_pretrained():
    with pytest.raises(ValueError, match="'pythia' is not pretrained on the spot; these are: tiny"):
        pretraining.pretrain("pythia")


def test_the_other_suite_differs_in_its_architecture_alone(micro, monkeypatch):
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
    configuration = pretraining._configure(recipe, tokenizer)
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


def test_what_the_surroundings_set_moves_no_weight(micro, tmp_path, monkeypatch):
    first = json.loads((pretraining.pretrain("tiny") / "manifest.json").read_text())["files"]
    monkeypatch.setenv("KENT_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            folder = pretraining.pretrain("tiny")
    finally:
        torch.set_default_dtype(torch.float32)
    assert json.loads((folder / "manifest.json").read_text())["files"] == first


def break_manifest(folder, change) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(change(manifest)))


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest | {"files": {}},
        lambda manifest: manifest | {"files": []},
        lambda manifest: manifest | {"files": 3},
        lambda manifest: manifest | {"files": {"step0/config.json": "0"}},
        lambda manifest: {},
        lambda manifest: [],
    ],
)
def test_a_manifest_that_lists_no_whole_suite_is_damage_and_kept_beside(micro, caplog, change):
    folder = pretraining.pretrain("tiny")
    whole = (folder / "step4/model.safetensors").read_bytes()
    break_manifest(folder, change)
    with caplog.at_level(logging.WARNING):
        assert pretraining.pretrain("tiny") == folder
    assert f"kept as {folder.name}.broken, and pretraining it again" in caplog.text
    assert (
        folder.with_name(f"{folder.name}.broken") / "step4/model.safetensors"
    ).read_bytes() == whole
    assert (folder / "step4/model.safetensors").read_bytes() == whole


@pytest.mark.parametrize("place", ["suites", "suite", "lock", "manifest"])
def test_what_is_in_the_way_in_the_cache_is_set_aside(micro, place):
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


def test_a_suite_that_is_none_is_refused_whoever_asks():
    for suite in ("pythia", 3, None):
        with pytest.raises(ValueError, match=r"not pretrained on the spot|suite must be"):
            pretraining.identify(suite)
