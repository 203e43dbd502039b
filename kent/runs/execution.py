"""Do one run, or load what it left: from a configuration to a record, and back to the result."""

import copy
import logging
import os
import time
from contextlib import nullcontext
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from filelock import FileLock
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent.change.gradual import GRADUAL, Gradual, make_gradual
from kent.change.resuscitation import change_model
from kent.change.temperature import set_temperature
from kent.errors import DamagedError
from kent.files import check_writable
from kent.learning.folder import RECIPE
from kent.learning.moments import Moments, read_moments
from kent.learning.outcomes import Outcome
from kent.learning.probes import MEASURES as SCORES
from kent.learning.probes import probe
from kent.learning.training import learn
from kent.measure.decoders import describe_model
from kent.measure.familiarity import Familiarity, measure_familiarity, read_entities
from kent.measure.gradients import Gradients, measure_gradients
from kent.measure.measurement import profile
from kent.measure.profiles import Profile
from kent.models import pretraining
from kent.models.checkpoints import load
from kent.models.revisions import find_checkpoint, resolve, spell
from kent.records import (
    cache_folder,
    describe_run,
    expect_whole,
    hash_tensors,
    make_room,
    set_aside,
)
from kent.runs.configurations import SETTINGS, make_recipe, read_knowledge
from kent.runs.definitions import from_config, plan_coefficients, plan_learned
from kent.runs.names import Run
from kent.runs.rows import arrange_rows, read_rows
from kent.text.corpora import describe, sequences

logger = logging.getLogger(__name__)

SEED = 0
"""Of the order of shuffled tokens."""
STATED = ("shuffled", "temperature", "change", "learned")
"""Settings of a profile that its record repeats."""

Result = Profile | Familiarity | Gradients | Outcome
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


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
    result = (_learn if kind == "learning" else _measure)(run.config)
    revision = asdict(resolve(run.config["name"], **spell(run.config["step"])))
    result.provenance.update(revision=revision, seconds=round(time.perf_counter() - start, 1))
    _save(result, run.path)


def fetch(run: Run) -> Result:
    """The result a run left in the cache; computed now when missing, or damaged (which is said)."""
    read = RESULTS[run.config["run"]].load
    if run.done:
        try:
            return _compare(run, read(run.path))
        except ValueError as error:
            logger.warning("%s; kept as %s, and measuring again", error, set_aside(run.path).name)
    do(run)
    return _compare(run, read(run.path))


def complete(run: Run) -> None:
    """Have what a run leaves in the cache, whole: as `fetch`, for a pretraining too."""
    (do if run.config["run"] == "pretrain" else fetch)(run)


def _save(result: Result, path: Path) -> None:
    try:
        result.save(path)
    except OSError as error:
        elsewhere = Path(mkdtemp(prefix="kent-"), path.name)
        result.save(elsewhere)
        said = f"{path} cannot be written ({error}); the result is in {elsewhere}"
        raise OSError(said) from error


def _compare(run: Run, result: Result) -> Result:
    """The result, having said so when another step (or branch) of the model has its weights."""
    name, asked, dtype = (run.config[key] for key in ("name", "step", "dtype"))
    with expect_whole(run.path):
        step = result.provenance["revision"]["step"]
        steps = _SEEN.setdefault((name, dtype, result.provenance["weights_sha256"]), [])
    step = asked if isinstance(asked, str) else step
    if step is not None and step not in steps:
        steps.append(step)
        if len(steps) > 1:
            same = "have the same weights: they are one checkpoint, not several"
            logger.warning("steps %s of %s %s", " and ".join(map(str, steps)), name, same)
    return result


_SEEN: dict[tuple[str, str, str], list[int | str]] = {}
"""The steps (or branches) at which a model's weights were met."""


def _load(config: dict) -> Loaded:
    """A run's checkpoint; the last one is kept, since several runs in a row measure it."""
    name, step = config["name"], config["step"]
    return _keep(name, step, config["dtype"], resolve(name, **spell(step)).commit)


def _load_learned(config: dict) -> Loaded:
    """A run's checkpoint, or what it became in the run that it has learned in."""
    model, tokenizer = _load(config)
    if not config.get("learned"):
        return model, tokenizer
    complete(learning := plan_learned(config["name"], config["step"], config["learned"]))
    folder = _locate_folder(learning) / "model"
    return type(model).from_pretrained(folder, dtype=model.dtype).to(model.device), tokenizer


def _locate_folder(learning: Run) -> Path:
    """Where a run of learning keeps the weights at its end."""
    return cache_folder() / "learning" / learning.path.stem


@lru_cache(maxsize=1)
def _keep(name: str, step: int | str | None, dtype: str, commit: str | None) -> Loaded:
    """A checkpoint, while its `commit` says that it is what it was."""
    return load(name, **spell(step), dtype=getattr(torch, dtype))


@lru_cache(maxsize=1)
def _weigh(model: PreTrainedModel) -> str:
    """The hash of the weights of a checkpoint that is kept as it is."""
    return hash_tensors(model.state_dict())


def _draw(config: dict, tokenizer: PreTrainedTokenizerBase) -> tuple[Tensor, dict]:
    """The sequences of a run, and what its record says of them."""
    corpus, column = config["corpus"], config["column"]
    size = {"length": config["length"], "limit": config["limit"]}
    tokens = sequences(corpus, tokenizer, **size, column=column)
    if config.get("shuffled"):
        order = torch.randperm(tokens.numel(), generator=torch.Generator().manual_seed(SEED))
        tokens = tokens.flatten()[order].view_as(tokens)
    return tokens, describe(corpus, column=column, tokens=tokens)


def _change(model: PreTrainedModel, config: dict) -> PreTrainedModel:
    """The model as a run wants it: itself, or a copy changed by coefficients measured before."""
    if not config.get("change") or config["change"]["method"] in GRADUAL:
        return model
    return change_model(model, **_read_change(config))


def _make_gradual(config: dict) -> Gradual | None:
    """What changes the model of a run while it learns."""
    if not config.get("change") or config["change"]["method"] not in GRADUAL:
        return None
    return make_gradual(**_read_change(config))


def _read_change(config: dict) -> dict:
    """The settings of a change, and the coefficients measured before."""
    measured = fetch(plan_coefficients(config["name"], config["step"], config["change"]))
    settings = {key: value for key, value in config["change"].items() if key != "measured"}
    return settings | {"coefficients": measured.coefficients}


def _measure(config: dict) -> Result:
    """What a run measures on a checkpoint, which stays as it is, and what it was measured on."""
    result, text = MEASURES[config["run"]](config)
    weights = _weigh(_load(config)[0])
    stated = {key: config[key] for key in STATED if key in config}
    result.provenance.update(corpus=text, seed=SEED, weights_sha256=weights, **stated)
    return result


def _profile(config: dict) -> tuple[Profile, dict]:
    model, tokenizer = _load_learned(config)
    model = _change(model, config)
    if config["temperature"] != 1:
        model = copy.deepcopy(model)
        set_temperature(model, config["temperature"])
    tokens, text = _draw(config, tokenizer)
    settings = {"activation": config["activation"], "batch_size": config["batch_size"]}
    if config["activation"] == "relu":  # nothing else depends on it
        settings["measures"] = ("knowledge",)
    return profile(model, tokens, **settings), text


def _familiarity(config: dict) -> tuple[Familiarity, dict]:
    corpus, column = config["corpus"], config["column"]
    chosen = {"limit": config["limit"], "skip": config.get("skip", 0)}
    documents = read_entities(corpus, **chosen, column=column)
    model, tokenizer = _load_learned(config)
    size = {"length": config["length"], "batch_size": config["batch_size"]}
    found = measure_familiarity(model, tokenizer, documents, **size)
    return found, describe(corpus, column=column)


def _gradients(config: dict) -> tuple[Gradients, dict]:
    model, tokenizer = _load(config)
    tokens, text = _draw(config, tokenizer)
    size = {"batch_size": config["batch_size"], "steps": config["updates"]}
    return measure_gradients(model, tokens, **size), text


def _probing(config: dict) -> tuple[Outcome, dict]:
    """K of a model that learns nothing: an outcome of no steps, without tasks or control."""
    model, tokenizer = _load(config)
    model = _change(model, config)
    facts, _ = read_knowledge(config | {"control": []})
    table = probe(model, tokenizer, facts, batch_size=config["batch_size"])
    asked, known = {key: [*table[key]] for key in ("setting", "item")}, facts.describe()
    said = {"instances": len(table), "facts": {"knowledge": known}, "probes": {"knowledge": asked}}
    provenance = describe_model(model) | describe_run() | said | {"tasks": [], "stopped": None}
    scores = {key: torch.tensor(table[key].to_numpy())[None] for key in SCORES}
    nothing = {"control": {}, "answers": {}, "curve": torch.zeros(0, 3, dtype=torch.float64)}
    found = Outcome(torch.zeros(1, dtype=torch.int64), scores, **nothing, provenance=provenance)
    return found, {"kind": "facts", **known}


def _learn(config: dict) -> Outcome:
    """What a checkpoint learns; the folder of a learning that is not whole is set aside."""
    out = _locate_folder(from_config(config))
    make_room(out / "outcome.safetensors")
    # of torchrun's processes, which go on together, the first holds the lock for all
    first = os.environ.get("RANK", "0") == "0"
    with FileLock(make_room(out.with_name(f"{out.name}.lock"))) if first else nullcontext():
        try:
            if any(out.iterdir()) and not (out / RECIPE).is_file():
                raise DamagedError(out, f"it has no {RECIPE}")
            return _learn_in(out, config)
        except DamagedError as error:
            if os.environ.get("WORLD_SIZE", "1") != "1":
                raise
            logger.warning("%s; kept as %s, and learning again", error, set_aside(out).name)
            return _learn_in(out, config)


def _learn_in(out: Path, config: dict) -> Outcome:
    # loaded afresh: learning changes the weights in place
    dtype = getattr(torch, config["dtype"])
    model, tokenizer = load(config["name"], **spell(config["step"]), dtype=dtype)
    stated = {"change": config.get("change"), "weights_sha256": hash_tensors(model.state_dict())}
    model = _change(model, config)
    rows = read_rows(config, tokenizer)
    text = describe(config["corpus"], column=config["column"], tokens=rows[0])
    text |= {"mix": dict(config["mix"])} if "mix" in config else {}
    tokens = arrange_rows(config, rows)
    knowledge, control = read_knowledge(config)
    recipe = make_recipe({name: config[name] for name in SETTINGS})
    more = {"control": control, "moments": _remember(config), "gradual": _make_gradual(config)}
    outcome = learn(model, tokenizer, tokens, knowledge, recipe, out, **more)
    outcome.provenance.update(corpus=text, seed=recipe.seed, **stated)
    return outcome


def _remember(config: dict) -> Moments | None:
    """The optimizer's memory of a checkpoint, where a run begins with it."""
    if not config.get("memory"):
        return None
    _, folder = find_checkpoint(config["name"], **spell(config["step"]))
    return read_moments(folder, config["step"])


MEASURES = {
    "profile": _profile,
    "familiarity": _familiarity,
    "gradients": _gradients,
    "probing": _probing,
}
RESULTS = {
    "profile": Profile,
    "familiarity": Familiarity,
    "gradients": Gradients,
    "learning": Outcome,
    "probing": Outcome,
}
"""For each kind of run the class of its result."""
