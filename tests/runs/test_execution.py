"""Records and folders of the cache that are not whole are set aside and made again; steps of the
same weights."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hub import make_byte_tokenizer
from learner import make_model
from safetensors import safe_open
from safetensors.torch import save_file
from sizes import LESSON, SMALL

from kent.errors import DamagedError
from kent.learning.outcomes import Outcome
from kent.measure import familiarity, profiles
from kent.models import pretraining
from kent.records import cache_folder, hash_tensors, load_tensors, save_tensors
from kent.runs import definitions, execution


def flip(place: int):
    def damage(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place:][1:])

    return damage


def drop_provenance(path: Path) -> None:
    with safe_open(path, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(
        tensors,
        path,
        metadata={name: text for name, text in header.items() if name != "provenance"},
    )


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_records_a_file(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("a file")


DAMAGES = {  # how a record is damaged, and the kind of run whose record it is
    "header": (flip(40), "profile"),
    "data": (flip(-3), "familiarity"),
    "no provenance": (drop_provenance, "gradients"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:100]), "learning"),
    "empty": (lambda path: path.write_bytes(b""), "profile"),
    "scores": (flip(-3), "probing"),
    "a folder": (become_a_folder, "profile"),
    "records is a file": (make_records_a_file, "profile"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_record_that_is_not_whole_is_set_aside_and_measured_again(finished, caplog, kind):
    damage, owner = DAMAGES[kind]
    run = finished[owner]
    before = hash_of(run.path)
    damage(run.path)
    with caplog.at_level(logging.WARNING):
        execution.fetch(run)
    assert hash_of(run.path) == before
    aside = run.path.parent if kind == "records is a file" else run.path
    assert aside.with_name(f"{aside.name}.broken").exists() and caplog.text.count("kept as") == 1
    caplog.clear()
    execution.fetch(run)
    assert not caplog.text


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        ("profile", "sizes"),
        ("profile", "coefficients.0"),
        ("familiarity", "perplexities"),
        ("familiarity", "revision"),
        ("profile", "weights_sha256"),
        ("profile", "step"),
    ],
)
def test_a_record_with_a_right_checksum_and_a_part_missing_is_measured_again(
    finished, caplog, kind, lost
):
    run = finished[kind]
    format = profiles.FORMAT if kind == "profile" else familiarity.FORMAT
    tensors, provenance = load_tensors(run.path, format)
    revision = dict(provenance["revision"])
    owner = next(each for each in (tensors, provenance, provenance["revision"]) if lost in each)
    del owner[lost]
    save_tensors(tensors, run.path, format=format, provenance=provenance)
    again = execution.fetch(run)
    assert caplog.text.count("kept as") == 1 and again.provenance["revision"] == revision


def hash_of(path: Path) -> str:
    with safe_open(path, "pt") as file:
        return hash_tensors({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def test_a_learning_that_is_not_whole_is_set_aside_and_learnt_anew(pretrained, monkeypatch, caplog):
    run, calls = definitions.plan_learning("tiny", 4, **LESSON), []
    out = cache_folder() / "learning" / run.path.stem
    learn = execution.learn

    def find_damage(*arguments, **settings) -> Outcome:
        calls.append(hash_tensors(arguments[0].state_dict()))
        if len(calls) == 1:
            (out / "recipe.json").write_text("half")
            arguments[0].lm_head.weight.data.zero_()
            raise DamagedError(out / "model", "it has no weights")
        return learn(*arguments, **settings)

    monkeypatch.setattr(execution, "learn", find_damage)
    with caplog.at_level(logging.WARNING):
        outcome = execution.fetch(run)
    assert len(calls) == 2 and calls[0] == calls[1] == outcome.provenance["weights_sha256"], (
        "loaded afresh"
    )
    assert (out.with_name(f"{out.name}.broken") / "recipe.json").read_text() == "half"
    assert f"kept as {out.name}.broken, and learning again" in caplog.text
    monkeypatch.setenv("WORLD_SIZE", "2")
    calls.clear()
    shutil.rmtree(out)
    with pytest.raises(
        DamagedError
    ):  # the processes of torchrun cannot each move the folder of all
        execution.do(run)


@pytest.mark.parametrize(
    ("damage", "gone"),
    [
        ("recipe.json", True),
        ("recipe.json", False),
        ("outcome.safetensors", False),
        ("model/model.safetensors", False),
    ],
)
def test_a_finished_learning_that_is_damaged_and_whose_record_is_gone_is_learnt_again(
    finished, damage, gone
):
    run = finished["learning"]
    before = execution.fetch(run)
    damaged = cache_folder() / "learning" / run.path.stem / damage
    damaged.unlink() if gone else damaged.write_bytes(damaged.read_bytes()[:-20])
    run.path.unlink()
    assert torch.equal(execution.fetch(run).curve, before.curve)
    assert (cache_folder() / "learning" / run.path.stem / "model/model.safetensors").is_file()


@pytest.mark.parametrize("place", ["learning", "out", "lock"])
def test_what_is_in_the_way_of_a_learning_is_set_aside(finished, monkeypatch, place):
    run, learnt = finished["learning"], []
    outcome = execution.fetch(run)
    out = cache_folder() / "learning" / run.path.stem
    wrong = {"learning": out.parent, "out": out, "lock": out.with_name(f"{out.name}.lock")}[place]
    run.path.unlink()
    shutil.rmtree(out.parent)
    wrong.parent.mkdir(parents=True, exist_ok=True)
    wrong.mkdir() if place == "lock" else wrong.write_text("a file")

    def learn(*arguments, **_) -> Outcome:
        folder = arguments[-1]
        assert folder == out and folder.is_dir() and out.with_name(f"{out.name}.lock").is_file()
        learnt.append(folder)
        return outcome

    monkeypatch.setattr(execution, "learn", learn)
    assert execution.fetch(run).steps[-1] == 10 and learnt == [out]
    assert wrong.with_name(f"{wrong.name}.broken").exists()


def test_a_cache_that_cannot_be_written_is_said_before_the_work(pretrained, monkeypatch):
    run = definitions.plan_profile("tiny", 4, **SMALL)

    def refuse(path: Path) -> None:
        raise OSError(f"{path} is read-only")

    monkeypatch.setattr(execution, "check_writable", refuse)
    monkeypatch.setattr(execution, "_measure", pytest.fail)
    with pytest.raises(OSError, match="is read-only"):
        execution.do(run)


def test_a_result_that_cannot_be_written_after_all_is_kept_elsewhere(pretrained, monkeypatch):
    run = definitions.plan_profile("tiny", 4, **SMALL)
    save, read = execution.Profile.save, execution.Profile.load

    def fill(self, path) -> None:
        if Path(path) == run.path:
            raise OSError(28, "No space left on device")
        save(self, path)

    monkeypatch.setattr(execution.Profile, "save", fill)
    with pytest.raises(OSError, match=r"No space left on device.*; the result is in ") as raised:
        execution.fetch(run)
    kept = Path(str(raised.value).rpartition(" ")[2])
    assert read(kept).provenance["revision"]["step"] == 4


@pytest.fixture
def alike(tmp_path) -> str:
    """Steps 0 and 1 of the same weights, and a step 5 of others."""
    for step, scale in ((0, 1), (1, 1), (5, 3)):
        torch.manual_seed(0)
        model = make_model()
        model.lm_head.weight.data *= scale
        model.save_pretrained(tmp_path / "suite" / f"step{step}")
        make_byte_tokenizer().save_pretrained(tmp_path / "suite" / f"step{step}")
    return str(tmp_path / "suite")


def test_steps_of_the_same_weights_are_said_once(micro, alike, caplog):
    found = [
        execution.fetch(definitions.plan_profile(alike, step, **SMALL)) for step in (0, 1, 5, 1, 0)
    ]
    assert caplog.text.count("steps 0 and 1 of") == caplog.text.count("have the same weights") == 1
    weights = [each.provenance["weights_sha256"] for each in found]
    assert weights[0] == weights[1] != weights[2]


def test_one_step_measured_twice_is_no_repetition(micro, alike, caplog):
    for limit in (2, 3):
        for step in (0, 5):
            execution.fetch(definitions.plan_profile(alike, step, **SMALL | {"limit": limit}))
    assert "same weights" not in caplog.text


def test_entities_are_read_before_the_model_is_loaded(micro, tmp_path, monkeypatch):
    spans = tmp_path / "spans.jsonl"
    spans.write_text('{"text": "A name.", "entities": [[2, 99]]}\n' * 4)
    run = definitions.plan_familiarity("tiny", 4, **SMALL | {"corpus": str(spans)})
    monkeypatch.setattr(execution, "load", pytest.fail)
    with pytest.raises(ValueError, match=r"an entity is two integers \[start, end\)"):
        execution.do(run)


def test_familiarity_passes_over_as_many_documents_as_it_is_told(finished, lessons):
    whole, settings = finished["familiarity"], lessons["familiarity"]
    other = definitions.plan_familiarity("tiny", 4, **settings | {"limit": 1, "skip": 1})
    found, both = execution.fetch(other), execution.fetch(whole)
    assert found.surprisals.tolist() == pytest.approx(both.surprisals[1:].tolist())
    assert definitions.plan_familiarity("tiny", 4, **settings, skip=0).path == whole.path


def test_a_planned_run_takes_the_memory_beside_the_checkpoint(micro, monkeypatch):
    monkeypatch.setitem(pretraining.RECIPES, "tiny", replace(micro, moments=(4,)))
    plain, memory = (
        definitions.plan_learning("tiny", 4, **LESSON, memory=each) for each in (False, True)
    )
    assert plain.path != memory.path and "memory" not in plain.config
    assert definitions.from_config(memory.config).path == memory.path
    afresh, went_on = map(execution.fetch, (plain, memory))
    assert went_on.curve[0, 0] == afresh.curve[0, 0]
    assert not torch.equal(went_on.curve[2:, 0], afresh.curve[2:, 0])
    with pytest.raises(ValueError, match="holds no memory of its optimizer"):
        execution.fetch(definitions.plan_learning("tiny", 1, **LESSON, memory=True))
    change = {"method": "shrink", "measured": {"corpus": "world", "length": 16, "limit": 4}}
    with pytest.raises(ValueError, match="without a change"):
        definitions.plan_learning("tiny", 4, **LESSON, memory=True, change=change)
