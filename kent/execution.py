"""Do one run, or load what it left: from a configuration to a record, and back to the result."""

import copy
import logging
import os
import time
from contextlib import nullcontext
from dataclasses import asdict, fields
from functools import lru_cache

import torch
from filelock import FileLock
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent import pretraining
from kent.checkpoints import load, resolve
from kent.corpora import describe, sequences
from kent.familiarity import Familiarity, measure_familiarity, read_entities
from kent.gradients import Gradients, measure_gradients
from kent.learning import learn
from kent.measurement import profile
from kent.outcomes import Outcome
from kent.profiles import Profile
from kent.recipes import Recipe
from kent.records import cache_folder
from kent.resuscitation import change_model
from kent.runs import Run, from_config, make_recipe, plan_coefficients, read_knowledge
from kent.temperature import set_temperature

logger = logging.getLogger(__name__)

SEED = 0
STATED = ("shuffled", "temperature", "change")
"""Settings of a profile that its record repeats."""

Result = Profile | Familiarity | Gradients | Outcome


def do(run: Run) -> None:
    """Carry out one run and leave its record; the runs it needs are done on the way."""
    kind = run.config["run"]
    if kind == "pretrain":
        pretraining.pretrain(run.config["suite"])
        return
    start = time.perf_counter()
    result = MEASURED[kind][1](run.config)
    revision = asdict(resolve(run.config["name"], run.config["step"]))
    result.provenance.update(revision=revision, seconds=round(time.perf_counter() - start, 1))
    result.save(run.path)


def fetch(run: Run) -> Result:
    """The result a run left in the cache; computed now when it is missing, or damaged (which is said)."""
    read = MEASURED[run.config["run"]][0].load
    if run.done:
        try:
            return read(run.path)
        except ValueError as error:
            logger.warning("%s; measuring again", error)
    do(run)
    return read(run.path)


def _load(config: dict) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A run's checkpoint; the last one is kept while it is what it was, since several runs in a row measure it."""
    name, step = config["name"], config["step"]
    return _keep(name, step, config["dtype"], resolve(name, step).commit)


@lru_cache(maxsize=1)
def _keep(
    name: str, step: int | None, dtype: str, commit: str | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load(name, step, dtype=getattr(torch, dtype))


def _draw(config: dict, tokenizer) -> tuple[Tensor, dict]:
    """The sequences of a run, and what its record says of them."""
    corpus, column = config["corpus"], config["column"]
    tokens = sequences(corpus, tokenizer, length=config["length"], limit=config["limit"], column=column)
    if config.get("shuffled"):
        order = torch.randperm(tokens.numel(), generator=torch.Generator().manual_seed(SEED))
        tokens = tokens.flatten()[order].view_as(tokens)
    return tokens, describe(corpus, column=column, tokens=tokens)


def _change(model: PreTrainedModel, config: dict) -> PreTrainedModel:
    """The model as a run wants it: itself, or a copy changed by the coefficients that were measured before."""
    if not config.get("change"):
        return model
    measured = fetch(plan_coefficients(config["name"], config["step"], config["change"]))
    settings = {key: value for key, value in config["change"].items() if key != "measured"}
    return change_model(model, measured.coefficients, **settings)


def _profile(config: dict) -> Profile:
    model, tokenizer = _load(config)
    model = _change(model, config)
    if config["temperature"] != 1:
        model = copy.deepcopy(model)
        set_temperature(model, config["temperature"])
    tokens, text = _draw(config, tokenizer)
    measures = ("knowledge", "attention", "token") if config["activation"] == "abs" else ("knowledge",)
    measured = profile(
        model, tokens, batch_size=config["batch_size"], measures=measures, activation=config["activation"]
    )
    measured.provenance.update(corpus=text, seed=SEED, **{key: config[key] for key in STATED if key in config})
    return measured


def _familiarity(config: dict) -> Familiarity:
    model, tokenizer = _load(config)
    documents = read_entities(config["corpus"], limit=config["limit"], column=config["column"])
    found = measure_familiarity(model, tokenizer, documents, length=config["length"], batch_size=config["batch_size"])
    found.provenance.update(corpus=describe(config["corpus"], column=config["column"]), seed=SEED)
    return found


def _gradients(config: dict) -> Gradients:
    model, tokenizer = _load(config)
    tokens, text = _draw(config, tokenizer)
    found = measure_gradients(model, tokens, batch_size=config["batch_size"], steps=config["updates"])
    found.provenance.update(corpus=text, seed=SEED)
    return found


def _learning(config: dict) -> Outcome:
    model, tokenizer = load(config["name"], config["step"], dtype=getattr(torch, config["dtype"]))
    model = _change(model, config)
    tokens, text = _draw(config | {"limit": config["steps"] * config["batch"]}, tokenizer)
    knowledge, control = read_knowledge(config)
    recipe = make_recipe({field.name: config[field.name] for field in fields(Recipe)})
    out = cache_folder() / "learning" / from_config(config).path.stem
    out.parent.mkdir(exist_ok=True)
    first = int(os.environ.get("RANK", "0")) == 0  # of the processes of torchrun, which go on together
    with FileLock(f"{out}.lock") if first else nullcontext():
        outcome = learn(model, tokenizer, tokens, knowledge, recipe, out, control=control)
    outcome.provenance.update(corpus=text, seed=recipe.seed, change=config.get("change"))
    return outcome


MEASURED = {
    "profile": (Profile, _profile),
    "familiarity": (Familiarity, _familiarity),
    "gradients": (Gradients, _gradients),
    "learning": (Outcome, _learning),
}
"""For each kind of run the class of its result, and the function that makes it."""
