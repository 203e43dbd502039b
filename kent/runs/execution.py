"""Do one run, or load what it left: from a configuration to a record, and back to the result."""

import copy
import logging
import os
import time
from contextlib import nullcontext
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from filelock import FileLock
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent.change.resuscitation import change_model
from kent.change.temperature import set_temperature
from kent.errors import DamagedError
from kent.files import check_writable
from kent.learning.folder import RECIPE
from kent.learning.outcomes import Outcome
from kent.learning.recipes import Recipe
from kent.learning.training import learn
from kent.measure.familiarity import Familiarity, measure_familiarity, read_entities
from kent.measure.gradients import Gradients, measure_gradients
from kent.measure.measurement import profile
from kent.measure.profiles import Profile
from kent.models import pretraining
from kent.models.checkpoints import load, resolve
from kent.records import cache_folder, expect_whole, hash_tensors, make_room, set_aside
from kent.runs.definitions import Run, from_config, make_recipe, plan_coefficients, read_knowledge
from kent.text.corpora import describe, sequences

logger = logging.getLogger(__name__)

SEED = 0
STATED = ("shuffled", "temperature", "change")
"""Settings of a profile that its record repeats."""

Result = Profile | Familiarity | Gradients | Outcome


def do(run: Run) -> None:
    """Carry out one run and leave its record; the runs it needs are done on the way.

    Raises OSError where the record cannot be written: before the work, or after it (the disk is
    full), naming where the result is instead.
    """
    kind = run.config["run"]
    if kind == "pretrain":
        pretraining.pretrain(run.config["suite"])
        return
    check_writable(make_room(run.path))
    start = time.perf_counter()
    result = MEASURED[kind][1](run.config)
    revision = asdict(resolve(run.config["name"], run.config["step"]))
    result.provenance.update(revision=revision, seconds=round(time.perf_counter() - start, 1))
    _save(result, run.path)


def fetch(run: Run) -> Result:
    """The result a run left in the cache; computed now when it is missing, or damaged (which is
    said)."""
    read = MEASURED[run.config["run"]][0].load
    if run.done:
        try:
            return _compare(run, read(run.path))
        except ValueError as error:
            logger.warning("%s; kept as %s, and measuring again", error, set_aside(run.path).name)
    do(run)
    return _compare(run, read(run.path))


def complete(run: Run) -> None:
    """Have what a run leaves in the cache, whole: as `fetch`, for a pretraining too."""
    if run.config["run"] == "pretrain":
        do(run)
    else:
        fetch(run)


def _save(result: Result, path: Path) -> None:
    try:
        result.save(path)
    except OSError as error:
        elsewhere = Path(mkdtemp(prefix="kent-"), path.name)
        result.save(elsewhere)
        raise OSError(
            f"{path} cannot be written ({error}); the result is in {elsewhere}"
        ) from error


def _compare(run: Run, result: Result) -> Result:
    """The result, having said so when another step of the model has the same weights."""
    name = run.config["name"]
    with expect_whole(run.path):
        step = result.provenance["revision"]["step"]
        steps = _SEEN.setdefault(
            (name, run.config["dtype"], result.provenance["weights_sha256"]), []
        )
    if step is not None and step not in steps:
        steps.append(step)
        if len(steps) > 1:
            said = " and ".join(map(str, steps))
            logger.warning(
                "steps %s of %s have the same weights: they are one checkpoint, not several",
                said,
                name,
            )
    return result


_SEEN: dict[tuple[str, str, str], list[int]] = {}
"""The steps at which a model's weights were met."""


def _load(config: dict) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A run's checkpoint; the last one is kept while it is what it was, since several runs in a row
    measure it."""
    name, step = config["name"], config["step"]
    return _keep(name, step, config["dtype"], resolve(name, step).commit)


@lru_cache(maxsize=1)
def _keep(
    name: str, step: int | None, dtype: str, commit: str | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load(name, step, dtype=getattr(torch, dtype))


@lru_cache(maxsize=1)
def _weigh(model: PreTrainedModel) -> str:
    """The hash of the weights of a checkpoint that is kept as it is."""
    return hash_tensors(model.state_dict())


def _draw(config: dict, tokenizer) -> tuple[Tensor, dict]:
    """The sequences of a run, and what its record says of them."""
    corpus, column = config["corpus"], config["column"]
    tokens = sequences(
        corpus, tokenizer, length=config["length"], limit=config["limit"], column=column
    )
    if config.get("shuffled"):
        order = torch.randperm(tokens.numel(), generator=torch.Generator().manual_seed(SEED))
        tokens = tokens.flatten()[order].view_as(tokens)
    return tokens, describe(corpus, column=column, tokens=tokens)


def _change(model: PreTrainedModel, config: dict) -> PreTrainedModel:
    """The model as a run wants it: itself, or a copy changed by the coefficients that were measured
    before."""
    if not config.get("change"):
        return model
    measured = fetch(plan_coefficients(config["name"], config["step"], config["change"]))
    settings = {key: value for key, value in config["change"].items() if key != "measured"}
    return change_model(model, measured.coefficients, **settings)


def _profile(config: dict) -> Profile:
    model, tokenizer = _load(config)
    weights = _weigh(model)
    model = _change(model, config)
    if config["temperature"] != 1:
        model = copy.deepcopy(model)
        set_temperature(model, config["temperature"])
    tokens, text = _draw(config, tokenizer)
    measures = (
        ("knowledge", "attention", "token") if config["activation"] == "abs" else ("knowledge",)
    )
    measured = profile(
        model,
        tokens,
        batch_size=config["batch_size"],
        measures=measures,
        activation=config["activation"],
    )
    stated = {key: config[key] for key in STATED if key in config}
    measured.provenance.update(corpus=text, seed=SEED, weights_sha256=weights, **stated)
    return measured


def _familiarity(config: dict) -> Familiarity:
    documents = read_entities(config["corpus"], limit=config["limit"], column=config["column"])
    model, tokenizer = _load(config)
    found = measure_familiarity(
        model, tokenizer, documents, length=config["length"], batch_size=config["batch_size"]
    )
    text = describe(config["corpus"], column=config["column"])
    found.provenance.update(corpus=text, seed=SEED, weights_sha256=_weigh(model))
    return found


def _gradients(config: dict) -> Gradients:
    model, tokenizer = _load(config)
    tokens, text = _draw(config, tokenizer)
    found = measure_gradients(
        model, tokens, batch_size=config["batch_size"], steps=config["updates"]
    )
    found.provenance.update(corpus=text, seed=SEED, weights_sha256=_weigh(model))
    return found


def _learning(config: dict) -> Outcome:
    out = cache_folder() / "learning" / from_config(config).path.stem
    make_room(out / "outcome.safetensors")
    first = (
        int(os.environ.get("RANK", "0")) == 0
    )  # of the processes of torchrun, which go on together
    with FileLock(make_room(out.with_name(f"{out.name}.lock"))) if first else nullcontext():
        try:
            if any(out.iterdir()) and not (out / RECIPE).is_file():
                raise DamagedError(out, f"it has no {RECIPE}")
            return _learn(config, out)
        except DamagedError as error:
            if os.environ.get("WORLD_SIZE", "1") != "1":
                raise
            logger.warning("%s; kept as %s, and learning again", error, set_aside(out).name)
            return _learn(config, out)


def _learn(config: dict, out: Path) -> Outcome:
    model, tokenizer = load(config["name"], config["step"], dtype=getattr(torch, config["dtype"]))
    weights = hash_tensors(model.state_dict())
    model = _change(model, config)
    tokens, text = _draw(config | {"limit": config["steps"] * config["batch"]}, tokenizer)
    knowledge, control = read_knowledge(config)
    recipe = make_recipe({field.name: config[field.name] for field in fields(Recipe)})
    outcome = learn(model, tokenizer, tokens, knowledge, recipe, out, control=control)
    outcome.provenance.update(
        corpus=text, seed=recipe.seed, change=config.get("change"), weights_sha256=weights
    )
    return outcome


MEASURED = {
    "profile": (Profile, _profile),
    "familiarity": (Familiarity, _familiarity),
    "gradients": (Gradients, _gradients),
    "learning": (Outcome, _learning),
}
"""For each kind of run the class of its result, and the function that makes it."""
