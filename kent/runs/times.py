"""How long runs take: seconds that records hold, and from them those of another run like it."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations
from math import ceil, isfinite
from pathlib import Path
from statistics import median

import torch
import yaml

from kent.learning.knowledge import INJECTIONS
from kent.models.costs import time_products
from kent.models.devices import choose_device
from kent.models.suites import RECIPES, SUITES
from kent.records import cache_folder, describe_run, read_provenance
from kent.runs.configurations import read_knowledge

logger = logging.getLogger(__name__)

PROBE = 12
"""Tokens of a probe of the synthetic knowledge, by the tiny suite's tokenizer."""
TASKS = {"": 0, "world": 113_992, "rare": 113_992, "english": 38_540, "paper": 4_690_820}
"""Tokens of a round of tasks (the paper's are assumed: `benchmarks/README.md`)."""
ALIKE, NEAR = 2, 10
"""Factors within which models are of like size, and runs of like length."""
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Work:
    """What a run computes: its kind, the model's parameters, and operations.

    Two operations per parameter and token; backward costs twice as much as forward.
    """

    kind: str
    size: int
    operations: float


@dataclass(frozen=True)
class Timed:
    """Work that was done, its seconds, and the record that says so."""

    work: Work
    seconds: float
    path: Path


def count_tokens(config: Mapping) -> int:
    """The tokens of a run's text, without those of probes and tasks."""
    if config["run"] == "pretrain":
        recipe = RECIPES[config["suite"]]
        return recipe.steps[-1] * recipe.batch * recipe.length
    if config["run"] == "learning":
        return config["length"] * config["batch"] * config["steps"] * config["epochs"]
    if config["run"] == "probing":
        return PROBE * len(read_knowledge({**config, "control": []})[0].probes)
    return config["length"] * config["limit"]


def count_work(config: Mapping, size: int) -> Work:
    """The work of a run (the keys of `Run.config`) on a model of `size` parameters."""
    probes = 0
    if config["run"] == "learning":
        probes = sum(len(facts.probes) for facts in read_knowledge(config))
    return _count(config["run"], count_tokens(config), config, size, probes)


def _count(kind: str, tokens: int, settings: Mapping, size: int, probes: int) -> Work:
    if kind == "pretrain":
        return Work(kind, size, 6.0 * size * tokens)
    if kind == "learning":
        every = settings.get("probes_every", 1)  # older records do not say it
        probings = ceil(INJECTIONS * settings["epochs"] / every) + 1
        rounds = probings if settings["tasks_along"] else 2
        asked = TASKS.get(settings["tasks"], TASKS["world"] // 6)  # one task is about a sixth
        tokens = 3 * tokens + PROBE * probes * probings + asked * rounds
    elif kind == "gradients":
        updated = settings["updates"] * settings["batch_size"] * settings["length"]
        tokens = 3 * (tokens + updated)
    named = f"{kind} {settings['activation'] if kind == 'profile' else ''} {settings['dtype']}"
    return Work(" ".join(named.split()), size, 2.0 * size * tokens)


def list_timed(sizes: Mapping[str, int]) -> list[Timed]:
    """What the cache says of runs on this machine and device, on models of known `sizes`.

    Those of suites are known. A file that is no record, or says less than one, is passed over.
    """
    known = {suite.repository or suite.name: suite.parameters for suite in SUITES.values()}
    here, device = describe_run()["machine"], name_device()
    found, folder = [], cache_folder()
    for path in [*folder.glob("suites/*/manifest.json"), *folder.glob("records/*.safetensors")]:
        try:
            said = _read(path)
            alone = said.get("processes", 1) == 1 and not said.get("stopped")
            if alone and (said["machine"], said.get("device", device)) == (here, device):
                found.append(Timed(_recount(said, known | sizes), _check(said["seconds"]), path))
        except UNREADABLE as error:
            logger.debug("%s says nothing of time: %r", path, error)
    return found


def _read(path: Path) -> dict:
    """What a record or a suite's manifest says, under `run` the kind of run."""
    if path.suffix == ".json":
        return {**json.loads(path.read_text("utf-8")), "run": "pretrain"}
    return {**read_provenance(path), "run": path.stem.rpartition("-")[0]}


def _check(seconds: float | int) -> float:
    if not (isfinite(seconds) and seconds > 0):
        raise ValueError(f"a run takes some time, not {seconds!r} s")
    return float(seconds)


def _recount(said: Mapping, sizes: Mapping[str, int]) -> Work:
    """The work of a run by its record."""
    if said["run"] == "pretrain":
        return _count("pretrain", said["tokens"], {}, said["parameters"], 0)
    probes = sum(facts["probes"] for facts in said.get("facts", {}).values())
    length = PROBE if said["run"] == "probing" else said["length"]
    tokens, size = said["instances"] * length, sizes[said["revision"]["repository"]]
    settings = {"updates": said.get("steps"), **said, **said.get("recipe", {})}
    return _count(said["run"], tokens, settings, size, probes)


def pick_like(work: Work, timed: Iterable[Timed]) -> list[Timed]:
    """Runs of the same kind, on models of like size, and of like length (`ALIKE`, `NEAR`)."""
    return [
        each
        for each in timed
        if each.work.kind == work.kind
        and 1 / ALIKE <= each.work.size / work.size <= ALIKE
        and 1 / NEAR <= each.work.operations / work.operations <= NEAR
    ]


def predict(work: Work, like: Sequence[Timed]) -> float:
    """Seconds of a run, by one or more others like it.

    The median of those that compute as much; else on a line through the medians of each amount of
    work, with a start that costs the same whatever follows. Where the amounts lie within a factor
    of 2 of each other, in proportion.
    """
    grouped = defaultdict(list)
    for each in like:
        grouped[each.work.operations].append(each.seconds)
    medians = {operations: median(seconds) for operations, seconds in sorted(grouped.items())}
    if work.operations in medians:
        return medians[work.operations]
    start, slope = _draw_line(medians)
    return start + slope * work.operations


def _draw_line(seconds: Mapping[float, float]) -> tuple[float, float]:
    """Start and slope of the line through seconds by operations, medians over pairs of points."""
    far = [(a, b) for a, b in combinations(seconds, 2) if b >= 2 * a]
    slope = median((seconds[b] - seconds[a]) / (b - a) for a, b in far) if far else 0
    start = median(each - slope * operations for operations, each in seconds.items())
    if slope > 0 and start > 0:
        return start, slope
    return 0.0, median(each / operations for operations, each in seconds.items())


@cache
def read_shipped() -> dict:
    """Runs of the suite tiny that kent brings along: `times.yaml`, from benchmarks/costing.py.

    Under `machine` where, under `products` the operations per second of a matrix product there, and
    under `runs` what was timed.
    """
    shipped = yaml.safe_load(files("kent.runs").joinpath("times.yaml").read_text("utf-8"))
    runs = []
    for row in shipped["runs"]:
        work = Work(row["kind"], row["size"], row["operations"])
        runs.append(Timed(work, row["seconds"], Path()))
    return {**shipped, "runs": runs}


def compare_machines(timed: Iterable[Timed]) -> float:
    """How many times as long a run takes here as where the shipped ones were timed.

    By the runs here that are like shipped ones; without any, by a matrix product timed now.
    """
    shipped, factors = read_shipped(), []
    for each in timed:
        if like := pick_like(each.work, shipped["runs"]):
            factors.append(each.seconds / predict(each.work, like))
    return median(factors) if factors else shipped["products"] / time_products("float32")


def name_device() -> str:
    """The device that a run takes, as records call it."""
    device = choose_device(None)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
