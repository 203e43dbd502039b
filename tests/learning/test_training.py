"""Continual learning: what is fed, what is kept; runs killed, refused, stopped, shared out."""

import json
import logging
import math
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from architectures import make
from hub import make_byte_tokenizer
from learner import RECIPE, ROWS, die_at, keep_what_is_fed, make_knowledge, make_model, run
from safetensors.torch import load_file
from torch.nn.utils import parametrizations, prune
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from kent.change.temperature import set_temperature
from kent.errors import DamagedError
from kent.learning import training
from kent.learning.folder import RunFolder
from kent.learning.injection import InjectedRows
from kent.learning.outcomes import Outcome
from kent.learning.probes import probe
from kent.learning.recipes import Recipe, arrange
from kent.runs import definitions
from kent.runs.execution import complete

LEARNER = Path(__file__).parents[1] / "learner.py"
ROOT = LEARNER.parents[1]
SHORT = replace(RECIPE, steps=10)
EXPLODING = replace(SHORT, learning_rate=1e12, clip=1e30, warmup=0.0)
PAIR = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone")


def start(*command: str, **environment: str) -> subprocess.CompletedProcess:
    """Run learner.py in a process of its own, or in a pair of them."""
    paths = os.pathsep.join([str(ROOT), str(LEARNER.parent)])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, *command], env=environment, **pipes) as process:
        try:
            said = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun then ends its processes; a kill would leave them behind
            raise
    return subprocess.CompletedProcess(command, process.returncode, *said)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a run that nothing interrupted; beside it what the model was fed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        keep_what_is_fed(out.parent, patch.setattr)
        run(out)
    return out


def list_kept(out: Path) -> set[str]:
    """The checkpoints of a run that has no outcome yet."""
    assert not (out / "outcome.safetensors").exists()
    return {path.name for path in out.glob("checkpoint-*")}


def read(out: Path) -> tuple[dict, Outcome]:
    return load_file(out / "model/model.safetensors"), Outcome.load(out / "outcome.safetensors")


def assert_same(out: Path, other: Path) -> None:
    """Weights, scores and losses of two runs are the same, bit for bit."""
    (weights, outcome), (others, expected) = read(out), read(other)
    assert all(torch.equal(weights[name], others[name]) for name in weights | others)
    assert torch.equal(outcome.steps, expected.steps) and torch.equal(outcome.curve, expected.curve)
    for name in ("knowledge", "control"):
        found, wanted = getattr(outcome, name), getattr(expected, name)
        assert all(torch.equal(found[measure], wanted[measure]) for measure in wanted)


def assert_every_text_is_fed_once(
    folder: Path, recipe: Recipe = RECIPE, processes: int = 1
) -> None:
    """Every injected text, to its last token and its end, stands at the head of one row fed."""
    tokenizer, knowledge = make_byte_tokenizer(), make_knowledge(0)
    found = [load_file(path)["rows"] for path in sorted(folder.glob("fed*.safetensors"))]
    assert [len(rows) for rows in found] == [recipe.steps * recipe.batch // processes] * processes
    rows = [tokenizer.decode(row).split(tokenizer.eos_token)[:-1] for row in torch.cat(found)]
    texts = Counter(text for k in range(1, 11) for text in knowledge.injections(k))
    assert Counter(text for row in rows for text in row) == texts


def test_the_model_is_fed_every_text_once(whole):
    assert_every_text_is_fed_once(whole.parent)


def test_the_recipe_is_the_papers():
    recipe = Recipe()
    assert (recipe.learning_rate, recipe.batch, recipe.steps, recipe.epochs, recipe.seed) == (
        4e-4,
        128,
        1600,
        1,
        6198,
    )
    assert (recipe.betas, recipe.weight_decay, recipe.clip) == ((0.9, 0.95), 0.1, 1.0)
    assert round(recipe.warmup * recipe.steps) == 80 and recipe.min_rate == 0.1


def test_a_run_keeps_its_curve_weights_and_scores(whole):
    weights, outcome = read(whole)
    assert outcome.steps.tolist() == list(range(0, 21, 2))
    assert outcome.knowledge["per_target_token"].shape == (11, 12 * 3)
    rates = outcome.curve[:, 1]
    assert len(rates) == 20 and rates.max() <= 1e-2 and rates[-1] < 0.12 * 1e-2
    assert not torch.equal(weights["lm_head.weight"], make_model().lm_head.weight)
    assert {path.name for path in whole.iterdir()} == {
        "evaluations",
        "model",
        "outcome.safetensors",
        "recipe.json",
    }


def test_learning_rises_with_the_facts(whole):
    _, outcome = read(whole)
    assert outcome.acquisition()[0] > 0


def test_a_finished_run_is_loaded_into_the_model(whole):
    model, before = make_model(), (whole / "outcome.safetensors").stat().st_mtime_ns
    run(whole, model=model)
    assert (whole / "outcome.safetensors").stat().st_mtime_ns == before
    assert all(
        torch.equal(model.state_dict()[name], tensor) for name, tensor in read(whole)[0].items()
    )


def test_a_killed_run_goes_on_and_ends_the_same(whole, tmp_path):
    """Killed while it writes its third checkpoint, and again when all is learnt."""
    out = tmp_path / "run"
    for moment, left in (("save 3", [2, 4, 6]), ("finish 1", [18, 20])):
        assert start(str(LEARNER), str(out), DIE_AT=moment).returncode == -9
        assert list_kept(out) == {f"checkpoint-{step}" for step in left}
    run(out)
    assert_same(out, whole)


def stop(*_) -> None:
    raise KeyboardInterrupt


def test_a_run_that_ends_in_an_evaluation_goes_on_and_ends_the_same(whole, tmp_path, monkeypatch):
    """In the first one, and then in a later one."""
    out = tmp_path / "run"
    for moment, left in (("probe 1", set()), ("probe 9", {"checkpoint-4", "checkpoint-6"})):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            die_at(moment, stop, patch.setattr)
            run(out)
        assert list_kept(out) == left
    run(out)
    assert_same(out, whole)


def test_probes_may_be_scored_after_some_injections_only(whole, tmp_path, monkeypatch):
    """After the third, sixth and ninth of ten, and at the end; interrupted after the fourth."""
    out, rare = tmp_path / "run", replace(RECIPE, probes_every=3)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        die_at("probe 5", stop, patch.setattr)  # two of each: the facts' and the control's
        run(out, rare)
    assert list_kept(out) == {"checkpoint-8", "checkpoint-10"}
    found, expected = run(out, rare), read(whole)[1]
    assert found.steps.tolist() == [0, 6, 12, 18, 20]
    chosen = [expected.steps.tolist().index(step) for step in found.steps]
    for name in ("knowledge", "control"):
        for measure, scores in getattr(expected, name).items():
            assert torch.equal(getattr(found, name)[measure], scores[chosen])
    with pytest.raises(ValueError, match="every 3 injections"):
        found.compare_injections()


def test_two_processes_come_to_what_one_does(tmp_path, monkeypatch):
    """Started as on the command line, by a run's configuration."""
    for part in (make_model(), make_byte_tokenizer()):
        part.save_pretrained(tmp_path / "model")
    (tmp_path / "text.txt").write_text("what is read beside the facts\n" * 800)
    settings = {
        "length": 400,
        "batch": 4,
        "rows": 2,
        "steps": 10,
        "learning_rate": 1e-2,
        "tasks": "",
    }
    settings |= {"corpus": str(tmp_path / "text.txt"), "once": 10, "paraphrase": 2}
    plan = definitions.plan_learning(str(tmp_path / "model"), None, **settings)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(plan.config))
    caches = {name: tmp_path / name for name in ("one", "two")}
    places = {"KENT_CACHE": str(caches["two"]), "KEEP_FED": str(tmp_path)}
    done = start(*PAIR, str(LEARNER), str(tmp_path / "run.yaml"), **places)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("KENT_CACHE", str(caches["one"]))
    complete(definitions.from_config(plan.config))
    (others, expected), (weights, outcome) = (
        read(folder / "learning" / plan.path.stem) for folder in caches.values()
    )
    for name, tensor in weights.items():
        assert torch.allclose(tensor, others[name], atol=1e-5), name
    assert torch.allclose(outcome.curve[:, 0], expected.curve[:, 0], atol=1e-5)
    scores, wanted = (each.knowledge["per_target_token"] for each in (outcome, expected))
    assert torch.allclose(scores, wanted, atol=1e-5)
    record = Outcome.load(caches["two"] / "records" / plan.path.name)
    assert record.provenance["processes"] == 2 and record.provenance["corpus"]["sequences"] == 40
    assert record.steps.tolist() == list(range(11)) and record.acquisition()[0] > 0
    assert_every_text_is_fed_once(tmp_path, SHORT, processes=2)


def test_rows_on_two_gpus_of_one_process_are_part_of_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingArguments, "n_gpu", 2)
    arguments = arrange(replace(RECIPE, batch=16, rows=4), tmp_path)
    assert (arguments.train_batch_size, arguments.gradient_accumulation_steps) == (8, 2)
    with pytest.raises(ValueError, match="a batch of 4 rows is not a multiple of 8"):
        arrange(replace(RECIPE, rows=4), tmp_path)


def test_another_recipe_in_the_same_folder_is_refused(whole):
    with pytest.raises(
        ValueError, match=r"holds another run, with {'learning_rate': 0.01}; asked for is .*0.02"
    ):
        run(whole, replace(RECIPE, learning_rate=2e-2))
    model = make_model()
    model.lm_head.weight.data += 1
    with pytest.raises(ValueError, match=r"'weights'.*Load it afresh"):
        run(whole, model=model)


def test_rows_that_do_not_divide_the_batch_are_refused(tmp_path):
    with pytest.raises(ValueError, match="a batch of 4 rows is not a multiple of 3"):
        run(tmp_path / "run", replace(RECIPE, rows=3))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_ends_the_run_and_is_said(tmp_path):
    model = make_model()
    model.model.layers[0].mlp.down_proj.weight.data.fill_(3e38)
    model.model.layers[0].input_layernorm = torch.nn.Identity()
    outcome = run(tmp_path / "run", replace(RECIPE, learning_rate=1e30, clip=1e30, warmup=0.0))
    assert outcome.provenance["stopped"]["step"] < 20
    assert outcome.provenance["stopped"]["learning_rate"] > 1e28
    assert outcome.acquisition()[0] != outcome.acquisition()[0]
    assert not outcome.curve[-1].isfinite().all()


def interrupt(monkeypatch, out: Path, recipe: Recipe = RECIPE) -> None:
    """A run to where all is learnt but nothing of it kept."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_finish", stop)
        run(out, recipe)


def test_weights_that_explode_at_an_injection_end_the_run_and_are_said(tmp_path, monkeypatch):
    """At the same step after an interruption."""
    interrupt(monkeypatch, tmp_path / "run", EXPLODING)
    outcome, whole = (run(tmp_path / name, EXPLODING) for name in ("run", "whole"))
    stopped, scores = whole.provenance["stopped"], whole.knowledge["per_target_token"]
    assert stopped == {"step": 1, "learning_rate": whole.curve[0, 1].item()}, (
        "the loss is not finite one step later"
    )
    assert (scores.isnan().all(dim=1) == (whole.steps >= stopped["step"])).all()
    assert scores[-1].isnan().all() and outcome.provenance["stopped"] == stopped
    assert torch.equal(outcome.steps, whole.steps) and outcome.curve.shape == whole.curve.shape


@pytest.mark.parametrize("step", [4, 10])
def test_a_stopped_run_that_is_interrupted_at_its_end_still_says_so(tmp_path, monkeypatch, step):
    own = Trainer.training_step

    def lose(trainer, *args, **kwargs):
        return own(trainer, *args, **kwargs) * (
            torch.nan if trainer.state.global_step == step - 1 else 1
        )

    monkeypatch.setattr(Trainer, "training_step", lose)
    interrupt(monkeypatch, tmp_path / "run", SHORT)
    outcome = run(tmp_path / "run", SHORT)
    assert outcome.provenance["stopped"]["step"] == step
    assert (
        outcome.knowledge["per_target_token"].isnan().all(dim=1) == (outcome.steps >= step)
    ).all()


def attention(model) -> torch.nn.Module:
    return model.model.layers[0].self_attn


@pytest.mark.parametrize(("cooling", "last"), [(True, 1.0), (False, 2.0)])
def test_a_warm_run_is_evaluated_at_the_temperature_of_the_moment(tmp_path, cooling, last):
    recipe, own = replace(SHORT, temperature=2.0, cooling=cooling), attention(make_model()).scaling
    first, final = make_model(), make_model()
    outcome = run(tmp_path / "run", recipe, model=final)
    for model, temperature, scores in ((first, 2.0, 0), (final, last, -1)):
        set_temperature(model, temperature)
        table = probe(model, make_byte_tokenizer(), make_knowledge(0))
        expected = torch.tensor(table["per_target_token"])
        assert torch.equal(outcome.knowledge["per_target_token"][scores], expected)
    loaded = make_model()
    run(tmp_path / "run", recipe, model=loaded)
    assert attention(loaded).scaling == attention(final).scaling == own / last


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"folder .*file/run cannot be"):
        run(tmp_path / "file" / "run")


def test_a_full_disk_leaves_nothing_half_written(tmp_path, whole):
    out, limits = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (40_000, 60_000, 100_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            with pytest.raises(OSError, match="cannot be written"):
                run(out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        for path in out.glob("checkpoint-*"):
            json.loads((path / "trainer_state.json").read_text())
    run(out)
    assert_same(out, whole)


def test_tasks_out_of_reach_are_not_called_a_full_disk(tmp_path, monkeypatch):
    def fail(*_, **__) -> None:
        raise ConnectionError("the task 'sciq' is on the Hub")

    monkeypatch.setattr("kent.learning.evaluations.evaluate", fail)
    with pytest.raises(ConnectionError, match="sciq"):
        run(tmp_path / "run", replace(RECIPE, tasks="paper"))


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory) -> Path:
    """The folder of a run that learned all its steps and kept nothing of it but its last two
    checkpoints."""
    out = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, out)
    assert {path.name for path in out.iterdir()} == {
        "recipe.json",
        "evaluations",
        "checkpoint-18",
        "checkpoint-20",
    }
    return out


def copy(folder: Path, place: Path) -> Path:
    return shutil.copytree(folder, place / "run")


def list_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "names", [["checkpoint-2/model.safetensors"], ["model/config.json"], ["a", "b", "c", "d", "e"]]
)
def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    said = {1: names[0].partition("/")[0], 5: "a, b, c, d and 1 more"}[len(names)]
    with pytest.raises(ValueError, match=f"holds {said}, and no recipe.json of a run"):
        run(tmp_path)
    assert list_files(tmp_path) == dict.fromkeys(names, b"mine")


@pytest.mark.parametrize("held", ["", "{", "[1, 2]", "null", "[" * 100_000, "\udcff"])
def test_a_recipe_that_cannot_be_read_is_named(tmp_path, held):
    (tmp_path / "recipe.json").write_bytes(held.encode("utf-8", "surrogateescape"))
    with pytest.raises(DamagedError, match=r"recipe.json is not whole: .*name another"):
        run(tmp_path)


def test_what_a_run_did_not_make_is_left_alone(interrupted, whole, tmp_path, caplog):
    out = copy(interrupted, tmp_path)
    mine = [
        "checkpoint-best/a",
        "checkpoint-5-copy/b",
        "checkpoint-7",
        "checkpoint-999/trainer_state.json",
    ]
    mine += [
        "notes.txt",
        "checkpoint-3/optimizer.pt",
        "evaluations/step3.safetensors",
        "evaluations/step-best",
    ]
    for name in mine:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    (out / "checkpoint-best2").symlink_to(tmp_path)
    run(out)
    assert_same(out, whole)
    assert all((out / name).read_text() == "mine" for name in mine) and not caplog.records
    assert not (out / "checkpoint-20").exists() and (out / "checkpoint-best2").is_symlink()


def test_what_stands_where_a_run_writes_is_set_aside(interrupted, whole, tmp_path, caplog):
    out = copy(interrupted, tmp_path)
    shutil.rmtree(out / "checkpoint-18")
    shutil.rmtree(out / "checkpoint-20")
    shutil.copytree(
        whole / "model", out / "checkpoint-20"
    )  # whole, and of this run, but no checkpoint
    (out / "checkpoint-4").write_text("mine")
    run(out)
    assert_same(out, whole)
    assert (out / "checkpoint-4.broken").read_text() == "mine"
    assert list_files(out / "checkpoint-20.broken") == list_files(whole / "model")
    assert "checkpoint-20 is passed over, it has no manifest.json of this run" in caplog.text
    assert (
        "checkpoint-4 is not of this run, which writes there: kept as checkpoint-4.broken"
        in caplog.text
    )


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "flipped": lambda path: path.write_bytes(
        path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
    ),
}
STATES = (
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "config.json",
)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*STATES, "manifest.json"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(interrupted, tmp_path, caplog, name, damage):
    out = copy(interrupted, tmp_path)
    DAMAGES[damage](out / "checkpoint-20" / name)
    folder = RunFolder(out, json.loads((out / "recipe.json").read_text()), range(2, 21, 2))
    assert folder.find_checkpoint(lambda step: None) == out / "checkpoint-18"
    fault = "it has no manifest.json of this run" if name == "manifest.json" else f"its {name} is "
    assert f"checkpoint-20 is passed over, {fault}" in caplog.text


@pytest.mark.parametrize(
    ("name", "kept"), [("optimizer.pt", []), ("manifest.json", ["checkpoint-20.broken"])]
)
def test_a_run_goes_on_from_the_newest_checkpoint_that_is_whole(
    interrupted, whole, tmp_path, caplog, name, kept
):
    out = copy(interrupted, tmp_path)
    DAMAGES["cut"](out / "checkpoint-20" / name)
    with caplog.at_level(logging.WARNING):
        run(out)
    assert "checkpoint-20 is passed over" in caplog.text
    assert "checkpoint-18 is passed over" not in caplog.text
    assert_same(out, whole)
    assert [path.name for path in out.glob("checkpoint-*")] == kept


def test_a_removal_that_is_cut_short_leaves_what_is_still_the_runs(
    interrupted, whole, tmp_path, monkeypatch
):
    out, unlink = copy(interrupted, tmp_path), Path.unlink

    def die(path: Path, **options) -> None:
        unlink(path, **options)
        if path.name == "optimizer.pt":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", die)
        run(out)
    assert (
        not (out / "checkpoint-18/optimizer.pt").exists()
        and (out / "checkpoint-18/manifest.json").exists()
    )
    run(out)
    assert_same(out, whole)
    assert not list(out.glob("checkpoint-*"))


def test_a_checkpoint_of_another_run_is_none_of_this(
    interrupted, whole, tmp_path, monkeypatch, caplog
):
    interrupt(monkeypatch, tmp_path / "other", replace(RECIPE, learning_rate=2e-2))
    out = copy(interrupted, tmp_path)
    shutil.rmtree(out / "checkpoint-20")
    shutil.copytree(tmp_path / "other/checkpoint-20", out / "checkpoint-20")
    shutil.copy(tmp_path / "other/checkpoint-18/trainer_state.json", out / "checkpoint-18")
    run(out)
    assert (
        "checkpoint-20 is passed over" in caplog.text
        and "checkpoint-18 is passed over" in caplog.text
    )
    assert_same(out, whole)


@pytest.mark.parametrize(
    ("step", "damage"), [(0, "gone"), (8, "gone"), (18, "cut"), (20, "flipped"), (20, "empty")]
)
def test_an_evaluation_that_is_missing_is_made_again(
    interrupted, whole, tmp_path, caplog, step, damage
):
    out = copy(interrupted, tmp_path)
    DAMAGES[damage](out / f"evaluations/step{step}.safetensors")
    run(out)
    assert (
        f"checkpoint-20 is passed over, {out}/evaluations/step{step}.safetensors is not whole"
        in caplog.text
    )
    assert_same(out, whole)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name", ["model/model.safetensors", "model/config.json", "outcome.safetensors"]
)
def test_a_finished_run_that_is_not_whole_says_what_it_lacks(whole, tmp_path, name, damage):
    out = copy(whole, tmp_path)
    DAMAGES[damage](out / name)
    if (name, damage) == ("outcome.safetensors", "gone"):
        run(out)  # it is not known to be finished
        assert_same(out, whole)
        return
    model, part = make_model(), name.partition("/")[0]
    with pytest.raises(
        DamagedError, match=f"run/{part} is not whole: .*Remove the folder .*/run to learn it again"
    ):
        run(out, model=model)
    assert all(
        torch.equal(tensor, make_model().state_dict()[key])
        for key, tensor in model.state_dict().items()
    )


def test_a_finished_run_without_its_model_says_so(whole, tmp_path):
    out = copy(whole, tmp_path)
    shutil.rmtree(out / "model")
    with pytest.raises(DamagedError, match=r"run/model is not whole: it has no manifest.json"):
        run(out)


WRONG = {
    "beyond": (
        {"sequences": ROWS.index_fill(1, torch.tensor([7]), 300)},
        "token ids of sequences must lie in 0 to 299",
    ),
    "below": (
        {"sequences": ROWS.index_fill(1, torch.tensor([7]), -1)},
        "token ids of sequences must lie in 0 to 299",
    ),
    "real": (
        {"sequences": ROWS.float()},
        r"sequences must be integer token ids \[n, length\] \(found: torch.float32",
    ),
    "flat": ({"sequences": ROWS[0]}, r"sequences must be integer token ids \[n, length\]"),
    "empty": ({"sequences": ROWS[:0]}, r"sequences must be integer token ids \[n, length\]"),
    "list": ({"sequences": ROWS.tolist()}, "sequences must be an instance of Tensor"),
    "long": (
        {"sequences": torch.cat([ROWS, ROWS], dim=1)},
        "sequences of 800 tokens: OlmoForCausalLM has positions for 512",
    ),
    "narrow": ({"model": make_model().half()}, "weights in torch.float16 cannot be learned with"),
    "frozen": ({"model": make_model().requires_grad_(False)}, "OlmoForCausalLM cannot learn"),
    "nowhere": ({"model": make_model().to("meta")}, "OlmoForCausalLM cannot learn"),
    "no model": ({"model": None}, "model must be an instance of PreTrainedModel, not None"),
    "no knowledge": ({"knowledge": None}, "knowledge must be an instance of Knowledge, not None"),
    "no control": ({"control": 3}, "control must be"),
    "no recipe": ({"recipe": {}}, "recipe must be an instance of Recipe"),
    "no tokenizer": (
        {"tokenizer": "gpt2"},
        "tokenizer must be an instance of PreTrainedTokenizerBase",
    ),
    "no folder": ({"out": None}, "out must be a valid string or an instance of Path, not None"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_model_cannot_learn_from_is_refused_before_any_work(tmp_path, wrong):
    changes, message = WRONG[wrong]
    with pytest.raises(ValueError, match=message):
        run(**{"out": tmp_path / "run"} | changes)
    assert not (tmp_path / "run").exists()


def test_injected_texts_in_another_models_tokens_are_refused(tmp_path):
    model = make_model()
    model.resize_token_embeddings(122)
    with pytest.raises(ValueError, match="token ids of injected texts must lie in 0 to 121"):
        run(tmp_path / "run", model=model)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
def test_sequences_may_be_numpys(whole, dtype):
    """They are the same to a run, which knows them by their hash."""
    assert torch.equal(run(whole, sequences=ROWS.numpy().astype(dtype)).curve, read(whole)[1].curve)


AMBIENT = {
    "ACCELERATE_MIXED_PRECISION": "bf16",
    "ACCELERATE_DYNAMO_BACKEND": "eager",
    "ACCELERATE_TORCH_DEVICE": "meta",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "3",
    "ACCELERATE_DOWNCAST_BF16": "1",
}


@pytest.mark.parametrize("bf16", [False, True])
def test_the_surroundings_do_not_set_the_precision(whole, tmp_path, monkeypatch, bf16):
    """And the recipe does: under autocast the curve is another one, whatever the surroundings."""
    recipe, plain = replace(RECIPE, bf16=bf16), read(whole)[1]
    expected = run(tmp_path / "calm", recipe) if bf16 else plain
    assert torch.equal(expected.curve, plain.curve) != bf16
    assert torch.allclose(expected.curve[:, 0], plain.curve[:, 0], atol=0.2)
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    model = make_model()
    try:
        torch.set_default_dtype(torch.bfloat16)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = run(tmp_path / "disturbed", recipe, model=model)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found.curve, expected.curve) and found.provenance["recipe"]["bf16"] is bf16
    assert torch.equal(found.knowledge["per_target_token"], expected.knowledge["per_target_token"])
    assert {name: os.environ[name] for name in AMBIENT} == AMBIENT


def test_accelerates_own_state_does_not_set_the_precision(whole, tmp_path, monkeypatch):
    AcceleratorState._reset_state(reset_partial_state=True)  # that of the tests before
    Accelerator(mixed_precision="bf16")
    assert torch.equal(
        run(tmp_path / "run", replace(RECIPE, bf16=False)).curve, read(whole)[1].curve
    )
    monkeypatch.setattr(Accelerator, "mixed_precision", "fp8")
    with pytest.raises(ValueError, match="in mixed precision 'fp8', and the recipe asks for 'no'"):
        run(tmp_path / "other", replace(RECIPE, bf16=False))


def work_out_rate(step: int, recipe: Recipe) -> float:
    """The learning rate of a step, from 1, by the paper's words."""
    warmup = round(recipe.warmup * recipe.steps)
    if step <= warmup:
        return recipe.learning_rate * (0.1 + 0.9 * (step - 1) / (warmup - 1))
    share = (step - warmup) / (recipe.steps - warmup)
    return recipe.learning_rate * (0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2)


def test_the_rate_warms_up_from_a_tenth_to_the_peak_and_falls_to_a_tenth(tmp_path):
    recipe = replace(RECIPE, warmup=0.25)
    rates = run(tmp_path / "run", recipe).curve[:, 1]
    expected = torch.tensor(
        [work_out_rate(step, recipe) for step in range(1, 21)], dtype=torch.float64
    )
    assert torch.allclose(rates, expected, rtol=1e-12, atol=0)
    assert rates[[0, 4, 19]].tolist() == pytest.approx([1e-3, 1e-2, 1e-3], rel=1e-12)


def test_the_rate_may_warm_up_from_nothing(tmp_path):
    """As the Trainer's older schedule does, whose first step learns nothing."""
    rates = run(tmp_path / "run", replace(RECIPE, warmup=0.2, warmup_from=0.0)).curve[:, 1]
    cosine = [
        1e-2 * (0.1 + 0.9 * (1 + math.cos(math.pi * (step - 4) / 16)) / 2) for step in range(4, 20)
    ]
    assert rates.tolist() == pytest.approx([0.0, 0.0025, 0.005, 0.0075, *cosine], rel=1e-12)


def test_embeddings_decay_where_the_recipe_says_so(tmp_path):
    """A token that is in no row has no gradient, so its embedding changes by the decay alone: rate
    · weight decay."""
    steps, recipe = 10, replace(RECIPE, steps=10)
    found = {}
    for decayed in (False, True):
        model = make_model()
        outcome = run(
            tmp_path / str(decayed), replace(recipe, decay_embeddings=decayed), model=model
        )
        found[decayed] = model.state_dict()
    before, absent = make_model().state_dict(), 290
    rows = "model.embed_tokens.weight"
    shrunk = before[rows][absent].double() * (1 - outcome.curve[:, 1] * recipe.weight_decay).prod()
    assert len(outcome.curve) == steps and not torch.equal(before[rows][absent], shrunk.float())
    assert torch.equal(found[False][rows][absent], before[rows][absent])
    assert torch.allclose(found[True][rows][absent].double(), shrunk, rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match=r"another run, with {'decay_embeddings': True}"):
        run(tmp_path / "True", recipe)


@pytest.mark.parametrize("tied", [True, False])
def test_only_embeddings_and_what_is_tied_to_them_are_spared(tmp_path, tied):
    config = GPT2Config(
        vocab_size=300, n_embd=8, n_layer=1, n_head=2, n_positions=16, tie_word_embeddings=tied
    )
    names = {}
    for decayed in (False, True):
        settings = {"args": arrange(RECIPE, tmp_path), "decay_embeddings": decayed}
        trainer = training.Trainer(model=GPT2LMHeadModel(config), **settings)
        groups, own = (
            trainer.create_optimizer().param_groups,
            dict(trainer.model.named_parameters()),
        )
        chosen = {id(each) for each in groups[0]["params"]}
        assert groups[0]["weight_decay"] == RECIPE.weight_decay and groups[1]["weight_decay"] == 0
        names[decayed] = {name for name, parameter in own.items() if id(parameter) in chosen}
    assert names[True] - names[False] == {"transformer.wte.weight", "transformer.wpe.weight"}
    assert ("lm_head.weight" in names[False]) is not tied
    assert not any("bias" in name or "ln_" in name for name in names[True])


@pytest.mark.parametrize("name", ["GPT-2", "Llama", "GPT-NeoX"])
def test_the_first_loss_is_the_models_own(name, tmp_path):
    plain = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0} if name == "GPT-2" else {}
    longest = "n_positions" if name == "GPT-2" else "max_position_embeddings"
    model = make(name, **plain, vocab_size=300, **{longest: 512})
    rows = InjectedRows(ROWS[:40], make_byte_tokenizer(), make_knowledge(0), batch=4, steps=10)
    batch = torch.stack([rows[row]["input_ids"] for row in range(4)])
    with torch.no_grad():  # also of the surroundings, which learning does not mind
        expected = model(batch, labels=batch).loss.item()
        outcome = run(tmp_path / "run", SHORT, model=model, sequences=ROWS[:40], control=None)
    assert outcome.curve[0, 0].item() == pytest.approx(expected, rel=1e-5)


def change(model, how):
    layer = model.model.layers[0]
    if how == "embed_tokens":
        model.lm_head.weight = model.model.embed_tokens.weight
    if how == "no model.layers.0.mlp.up_proj.weight":
        prune.l1_unstructured(layer.mlp.up_proj, "weight", 0.3)
    if how == "parametrizations":
        parametrizations.spectral_norm(layer.mlp.up_proj)
    if how == "_orig_mod":
        model.model.layers[0] = torch.compile(layer, backend="eager")
    return model


@pytest.mark.parametrize(
    "name",
    ["embed_tokens", "no model.layers.0.mlp.up_proj.weight", "parametrizations", "_orig_mod"],
)
def test_a_model_that_could_not_be_loaded_again_is_refused_before_any_work(name, tmp_path):
    with pytest.raises(ValueError, match=f"{name}.*(merge its adapter|set tie_word_embeddings)"):
        run(tmp_path / "run", model=change(make_model(), name))
    assert not (tmp_path / "run").exists()


def test_a_module_without_a_parameter_has_none_that_decays(tmp_path):
    model = make_model()
    model.model.layers[0].mlp.register_parameter("absent", None)
    trainer = training.Trainer(model=model, args=arrange(RECIPE, tmp_path), decay_embeddings=False)
    assert "model.layers.0.mlp.up_proj.weight" in trainer.get_decay_parameter_names(model)
