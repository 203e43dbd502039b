"""Continual learning: what is fed, what is kept, and a run that is killed, refused, stopped or shared out."""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hub import make_byte_tokenizer
from learner import RECIPE, make_model, run
from safetensors.torch import load_file
from transformers import Trainer, TrainingArguments

from kent import learning, runs
from kent.knowledge import Knowledge
from kent.outcomes import Outcome
from kent.probes import probe
from kent.recipes import Recipe
from kent.temperature import set_temperature

LEARNER = Path(__file__).with_name("learner.py")
ROOT = LEARNER.parents[1]
EXPLODING = replace(RECIPE, learning_rate=1e12, clip=1e30, warmup=0.0, steps=10)


PAIR = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone")


def start(*command: str, **environment: str) -> subprocess.CompletedProcess:
    """Run Python in a process of its own, learner.py as a rule."""
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
    """The folder of a run that nothing interrupted, in a process of its own; beside it what the model was fed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = start(str(LEARNER), str(out), KEEP_FED=str(out.parent))
    assert done.returncode == 0, done.stderr
    return out


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


def assert_every_text_is_fed_once(folder: Path, processes: int) -> None:
    """Every injected text, to its last token and its end, stands at the head of one row that some process was fed."""
    tokenizer, knowledge = make_byte_tokenizer(), Knowledge.synthetic(0, once=10, paraphrase=2)
    found = [load_file(path)["rows"] for path in sorted(folder.glob("fed*.safetensors"))]
    assert [len(rows) for rows in found] == [RECIPE.steps * RECIPE.batch // processes] * processes
    told = [text for row in torch.cat(found) for text in tokenizer.decode(row).split(tokenizer.eos_token)[:-1]]
    assert Counter(told) == Counter(text for k in range(1, 11) for text in knowledge.injections(k))


def test_the_model_is_fed_every_text_once(whole):
    assert_every_text_is_fed_once(whole.parent, processes=1)


def test_the_recipe_is_the_papers():
    recipe = Recipe()
    assert (recipe.learning_rate, recipe.batch, recipe.steps, recipe.epochs, recipe.seed) == (4e-4, 128, 1600, 1, 6198)
    assert (recipe.betas, recipe.weight_decay, recipe.clip) == ((0.9, 0.95), 0.1, 1.0)
    assert round(recipe.warmup * recipe.steps) == 80 and recipe.min_rate == 0.1


def test_a_run_keeps_its_curve_weights_and_scores(whole):
    weights, outcome = read(whole)
    assert outcome.steps.tolist() == list(range(0, 21, 2))
    assert outcome.knowledge["per_target_token"].shape == (11, 12 * 15)
    rates = outcome.curve[:, 1]
    assert len(rates) == 20 and rates.max() <= 1e-2 and rates[-1] < 0.12 * 1e-2
    assert not torch.equal(weights["lm_head.weight"], make_model().lm_head.weight)
    assert {path.name for path in whole.iterdir()} == {"evaluations", "model", "outcome.safetensors", "recipe.json"}


def test_learning_rises_with_the_facts(whole):
    _, outcome = read(whole)
    assert outcome.acquisition()[0] > 0


def test_a_finished_run_is_loaded_into_the_model(whole):
    model, before = make_model(), (whole / "outcome.safetensors").stat().st_mtime_ns
    run(whole, model=model)
    assert (whole / "outcome.safetensors").stat().st_mtime_ns == before
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in read(whole)[0].items())


@pytest.mark.parametrize(
    ("moment", "left"), [("probe 1", []), ("probe 9", [4, 6]), ("save 3", [2, 4, 6]), ("finish 1", [18, 20])]
)
def test_a_killed_run_goes_on_and_ends_the_same(whole, tmp_path, moment, left):
    """Killed at the first evaluation, at a later one, while it writes its third checkpoint, and when all is learnt."""
    out = tmp_path / "run"
    assert start(str(LEARNER), str(out), DIE_AT=moment).returncode == -9
    assert not (out / "outcome.safetensors").exists()
    assert {path.name for path in out.glob("checkpoint-*")} == {f"checkpoint-{step}" for step in left}
    again = start(str(LEARNER), str(out))
    assert again.returncode == 0, again.stderr
    assert_same(out, whole)


def test_two_processes_come_to_what_one_does(whole, tmp_path):
    out = tmp_path / "run"
    done = start(*PAIR, str(LEARNER), str(out), KEEP_FED=str(tmp_path))
    assert done.returncode == 0, done.stderr
    (weights, outcome), (others, expected) = read(out), read(whole)
    assert outcome.provenance["processes"] == 2
    for name, tensor in weights.items():
        assert torch.allclose(tensor, others[name], atol=1e-5), name
    assert torch.allclose(outcome.curve[:, 0], expected.curve[:, 0], atol=1e-5)
    scores, wanted = (each.knowledge["per_target_token"] for each in (outcome, expected))
    assert torch.allclose(scores, wanted, atol=1e-5)
    assert_every_text_is_fed_once(tmp_path, processes=2)


def test_two_processes_do_a_run_of_the_command_line(tmp_path):
    for part in (make_model(), make_byte_tokenizer()):
        part.save_pretrained(tmp_path / "model")
    (tmp_path / "text.txt").write_text("what is read beside the facts\n" * 800)
    lesson = {"corpus": str(tmp_path / "text.txt"), "length": 400, "batch": 4, "rows": 2, "steps": 10}
    run = runs.plan_learning(str(tmp_path / "model"), None, **lesson, once=10, paraphrase=2, tasks="")
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run.config))
    done = start(*PAIR, "-m", "kent", "run", str(tmp_path / "run.yaml"))
    assert done.returncode == 0, done.stderr
    outcome = Outcome.load(run.path)
    assert outcome.provenance["processes"] == 2 and outcome.provenance["corpus"]["sequences"] == 40
    assert outcome.steps.tolist() == list(range(11)) and outcome.acquisition()[0] > 0


def test_rows_on_two_gpus_of_one_process_are_part_of_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingArguments, "n_gpu", 2)
    arguments = learning._arrange(replace(RECIPE, batch=16, rows=4), tmp_path)
    assert (arguments.train_batch_size, arguments.gradient_accumulation_steps) == (8, 2)
    with pytest.raises(ValueError, match="a batch of 4 rows is not a multiple of 8"):
        learning._arrange(replace(RECIPE, rows=4), tmp_path)


def test_another_recipe_in_the_same_folder_is_refused(whole):
    with pytest.raises(ValueError, match=r"holds another run, with {'learning_rate': 0.01}; asked for is .*0.02"):
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


def test_weights_that_explode_at_an_injection_end_the_run_and_are_said(tmp_path):
    outcome = run(tmp_path / "run", EXPLODING)
    stopped = outcome.provenance["stopped"]
    assert stopped == {"step": 1, "learning_rate": 1e12}, "the loss is not finite one step later"
    scores = outcome.knowledge["per_target_token"]
    assert (scores.isnan().all(dim=1) == (outcome.steps >= stopped["step"])).all() and scores[-1].isnan().all()


def interrupt(monkeypatch, out: Path, recipe: Recipe = RECIPE) -> None:
    """A run to where all is learnt but nothing of it kept."""

    def stop(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(learning, "_finish", stop)
        run(out, recipe)


def test_exploded_weights_are_said_at_the_same_step_after_an_interruption(tmp_path, monkeypatch):
    interrupt(monkeypatch, tmp_path / "run", EXPLODING)
    outcome, whole = (run(tmp_path / name, EXPLODING) for name in ("run", "whole"))
    assert outcome.provenance["stopped"] == whole.provenance["stopped"]
    assert torch.equal(outcome.steps, whole.steps) and outcome.curve.shape == whole.curve.shape


@pytest.mark.parametrize("step", [8, 20])
def test_a_stopped_run_that_is_interrupted_at_its_end_still_says_so(tmp_path, monkeypatch, step):
    own = Trainer.training_step

    def lose(trainer, *args, **kwargs):
        return own(trainer, *args, **kwargs) * (torch.nan if trainer.state.global_step == step - 1 else 1)

    monkeypatch.setattr(Trainer, "training_step", lose)
    interrupt(monkeypatch, tmp_path / "run")
    outcome = run(tmp_path / "run")
    assert outcome.provenance["stopped"]["step"] == step
    assert (outcome.knowledge["per_target_token"].isnan().all(dim=1) == (outcome.steps >= step)).all()


@pytest.mark.parametrize(("cooling", "last"), [(True, 1.0), (False, 2.0)])
def test_a_warm_run_is_evaluated_at_the_temperature_of_the_moment(tmp_path, cooling, last):
    recipe, facts = replace(RECIPE, temperature=2.0, cooling=cooling), Knowledge.synthetic(0, once=10, paraphrase=2)
    first, final, own = make_model(), make_model(), make_model().model.layers[0].self_attn.scaling
    outcome = run(tmp_path / "run", recipe, model=final)
    for model, temperature, scores in ((first, 2.0, 0), (final, last, -1)):
        set_temperature(model, temperature)
        table = probe(model, make_byte_tokenizer(), facts)
        assert torch.equal(outcome.knowledge["per_target_token"][scores], torch.tensor(table["per_target_token"]))
    loaded = make_model()
    run(tmp_path / "run", recipe, model=loaded)
    assert loaded.model.layers[0].self_attn.scaling == final.model.layers[0].self_attn.scaling == own / last


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"folder .*file/run cannot be"):
        run(tmp_path / "file" / "run")


@pytest.mark.parametrize("limit", [40_000, 60_000, 100_000])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, whole, limit):
    out, limits = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
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

    monkeypatch.setattr("kent.evaluations.evaluate", fail)
    with pytest.raises(ConnectionError, match="sciq"):
        run(tmp_path / "run", replace(RECIPE, tasks="paper"))
