"""What runs cost, announced before they are done: time, memory, and what is to be downloaded."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path

import pandas as pd
import torch
from huggingface_hub import get_safetensors_metadata
from huggingface_hub.errors import NotASafetensorsRepoError
from safetensors import safe_open

from kent.files import expand
from kent.hub import UNREACHABLE
from kent.learning.recipes import Recipe
from kent.models.suites import SUITES
from kent.pages.seeds import collect_outputs
from kent.runs import times
from kent.runs.names import Run
from kent.runs.plans import Plan

COST, RUNS = "kent-cost", "kent-runs"
"""Keys of an output's metadata: there an executed page keeps what its runs were to take
(`estimate_cost`), and how many it shows and what they took (`kent.pages.page.describe_runs`)."""
NEAR = 1.5
"""The factor within which an estimate is to lie on the machine that recorded like runs."""
RATES = {"float32": 67e12, "bfloat16": 989e12}
"""Operations per second of matrix products, by dtype, as published for NVIDIA's H100 and H200
(SXM, dense, no TF32)."""
PAPER_LENGTH = 1024
"""Tokens of a row that the paper's models learn from (section 4.1)."""
SHARE = 0.4
"""Share of `RATES` that a pass is assumed to reach."""


@dataclass(frozen=True)
class Noted:
    """Markdown that a page shows, and what it keeps in the output's metadata."""

    data: str
    noted: dict = field(default_factory=dict)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        return {"text/markdown": self.data, "text/plain": self.data}, self.noted


@dataclass(frozen=True)
class Estimate:
    """Seconds of one run, and what they rest on: `like` records here, or the `basis` in words."""

    seconds: float
    like: Sequence[Path] = ()
    basis: str = ""


def count_parameters(name: str) -> int | None:
    """A checkpoint's parameters: its suite's, or as safetensors files say; None when not known."""
    if name in SUITES:
        return SUITES[name].parameters
    folder, counts = expand(name), Counter()
    if not folder.is_dir():
        try:
            return sum(get_safetensors_metadata(name).parameter_count.values())
        except (*UNREACHABLE, NotASafetensorsRepoError):
            return None
    for path in folder.glob("**/*.safetensors"):
        with safe_open(path, "pt") as file:
            counts[path.parent] += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return max(counts.values(), default=None)


def estimate_cost(plan: Plan) -> Noted:
    """What the runs that are not in the cache will take, or all of them anew.

    That is time, memory and download. Time is that of like runs whose records are in the cache (a
    run's own does not count), else that of the runs that kent brings along, scaled to this machine;
    of a model or a device that is not like theirs it is a lower bound. A suite that is not
    pretrained yet counts. The output's metadata holds, under "kent-cost", the `runs` of
    the page, their estimated `seconds` and the `basis`, and under `recorded` the seconds that the
    records of all of them hold (None where one is missing).
    """
    runs = list({run.path: run for listed in plan.values() for run in listed}.values())
    first = _list_pretrainings(runs)
    sizes = {name: count_parameters(name) for name in dict.fromkeys(map(_name, first + runs))}
    if unknown := [name for name, size in sizes.items() if size is None]:
        return Noted(f"**Cost.** The size of {unknown[0]} is not known before it is loaded.")
    timed = times.list_timed(sizes)
    found = {run.path: _estimate(run, sizes[_name(run)], timed) for run in first + runs}
    missing = [run for run in runs if not run.done]
    chosen = first + missing if missing else runs
    said = f"{_introduce(runs, missing, first)} {_describe(chosen, found)}"
    note = _note(runs, first, found, timed)
    return Noted(f"**Cost.** {said}; {_weigh(chosen, sizes)}.", {COST: note})


def _name(run: Run) -> str:
    """What a run's model is called: the suite's name, of a pretraining."""
    return run.config["suite"] if run.config["run"] == "pretrain" else run.config["name"]


def _list_pretrainings(runs: Iterable[Run]) -> list[Run]:
    """The pretrainings that have to be done before what is missing."""
    needs = {need.path: need for run in runs if not run.done for need in run.needs}
    return [need for need in needs.values() if need.config["run"] == "pretrain" and not need.done]


def _introduce(runs: Sequence[Run], missing: Sequence[Run], first: Sequence[Run]) -> str:
    if not missing:
        return f"All {len(runs)} runs of this page are in the cache. Done anew, they would take"
    suites = ", ".join(map(_name, first))
    pretrained = f", after pretraining {suites}" if suites else ""
    return f"{len(missing)} of {len(runs)} runs to do{pretrained}:"


def _estimate(run: Run, size: int, timed: Iterable[times.Timed]) -> Estimate:
    """The seconds of a run by what is at hand, its own record left out."""
    work = times.count_work(run.config, size)
    others = [each for each in timed if each.path != run.path]
    if like := times.pick_like(work, others):
        return Estimate(times.predict(work, like), [each.path for each in like])
    shipped = times.read_shipped()
    like = times.pick_like(work, shipped["runs"])
    if like and times.name_device() == "cpu":
        seconds = times.predict(work, like) * times.compare_machines(others)
        return Estimate(seconds, basis=f"scaled from kent's own timings ({shipped['machine']})")
    seconds = work.operations / times.time_products(run.config.get("dtype", "float32"))
    return Estimate(seconds, basis="a lower bound from operations")


def _total(found: Sequence[Estimate]) -> tuple[float, str]:
    """Seconds of estimates together, and what these rest on, in words."""
    counts = Counter(each.basis for each in found)
    like = {path for each in found for path in each.like}
    here = f"from {len(like)} like run{'s' * (len(like) > 1)} on this machine"
    bases = {basis or here: count for basis, count in counts.items()}
    if len(bases) == 1:
        return sum(each.seconds for each in found), next(iter(bases))
    said = [f"{count} run{'s' * (count > 1)} {basis}" for basis, count in bases.items()]
    return sum(each.seconds for each in found), "; ".join(said)


def _describe(runs: Sequence[Run], found: dict[Path, Estimate]) -> str:
    """Time and tokens of runs."""
    tokens = sum(times.count_tokens(run.config) for run in runs)
    seconds, basis = _total([found[run.path] for run in runs])
    word = "at least" if "lower bound" in basis else "about"
    return f"{word} {format_time(seconds)}, {basis}; {tokens:,} tokens"


def _note(
    runs: Sequence[Run],
    first: Sequence[Run],
    found: dict[Path, Estimate],
    timed: Iterable[times.Timed],
) -> dict:
    """What an executed page keeps of its cost."""
    seconds, basis = _total([found[run.path] for run in [*first, *runs]])
    spent = {each.path: each.seconds for each in timed}
    whole = all(run.path in spent for run in runs)
    recorded = round(sum(spent[run.path] for run in runs), 1) if whole else None
    return {"runs": len(runs), "seconds": round(seconds, 1), "basis": basis, "recorded": recorded}


def format_time(seconds: float) -> str:
    """Seconds, minutes or hours, whichever is read easily."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _weigh(runs: Sequence[Run], sizes: dict[str, int]) -> str:
    """Memory and download of runs; to learn takes gradients and AdamW's two moments as well."""
    weights = 0
    for run in runs:
        width = getattr(torch, run.config.get("dtype", "float32")).itemsize
        copies = 4 if run.config["run"] in ("learning", "pretrain") else 1
        weights = max(weights, copies * width * sizes[_name(run)])
    memory = f"{weights / 1e9:.1f} GB" if weights >= 1e8 else f"{weights / 1e6:.1f} MB"
    pairs = {(_name(run), run.config.get("step")) for run in runs}
    known = [SUITES[name] for name, _ in pairs if name in SUITES]
    download = sum(4 * suite.parameters for suite in known if suite.repository) / 1e9
    loaded = f"; up to {download:.0f} GB to download" if download else ""
    return f"{memory} for the weights{loaded}"


def compare_costs(executed: Iterable[Path]) -> pd.DataFrame:
    """What executed pages announced beside what their runs took, and their own seconds.

    Empty where a page has no runs, or where not all of them have a record that says it.
    """
    rows = {path.stem: _read_cost(path) for path in executed}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[*_COLUMNS])
    return table.astype({"runs": "Int64"}).rename_axis("page")


_COLUMNS = ("factor", "estimated (s)", "recorded (s)", "runs", "page itself (s)", "finished (UTC)")
_COLUMNS += ("estimate",)


def _read_cost(path: Path) -> dict:
    """A row of `compare_costs`."""
    run = json.loads(path.read_text("utf-8"))["metadata"].get("papermill", {})
    ended = (run.get("end_time") or "")[:19].replace("T", " ")
    row = {"page itself (s)": run.get("duration"), "finished (UTC)": ended}
    for cost in collect_outputs(path, COST):
        shown = [each["seconds"] for each in collect_outputs(path, RUNS)
                 if each["runs"] == cost["runs"]]  # fmt: skip
        spent = next(iter(shown), None) if cost["recorded"] is None else cost["recorded"]
        row |= {"estimated (s)": cost["seconds"], "recorded (s)": spent, "runs": cost["runs"]}
        row |= {"factor": spent and cost["seconds"] / spent, "estimate": cost["basis"]}
    return row


def describe_costs(table: pd.DataFrame) -> str:
    """How near estimates are to what runs took, in a sentence."""
    factors = table["factor"].dropna()
    if factors.empty:
        return "No page of this build has runs whose seconds are recorded."
    near = factors.between(1 / NEAR, NEAR).sum()
    low, high = factors.min(), factors.max()
    return (
        f"Of {len(factors)} pages with runs, {near} announce a cost within a factor of {NEAR} of "
        f"what the records say; estimated over recorded is {low:.2f} to {high:.2f}, "
        f"{factors.median():.2f} in the median."
    )


def estimate_full_runs(*, length: int = 2048, limit: int = 2048) -> pd.DataFrame:
    """What real models would take on a large GPU: a pass over the text, figure 2's page, learning.

    Nothing is measured: two operations per parameter and token, three times as many to learn, at
    `SHARE` of the card's `RATES`. Learning is one run of the paper's recipe, without probes and
    tasks.
    """
    recipe, read = Recipe(), length * limit
    taught = recipe.steps * recipe.epochs * recipe.batch * PAPER_LENGTH
    sources = {suite.repository or suite.package: suite for suite in reversed(SUITES.values())}
    real = [suite for source, suite in reversed(sources.items()) if source]
    rows = [
        {
            "suite": suite.name,
            "dtype": dtype,
            "checkpoints": (count := len(suite.steps) or 1),
            "download (GB, at most)": 4e-9 * suite.parameters * count if suite.repository else 0.0,
            "weights in memory (GB)": getattr(torch, dtype).itemsize * suite.parameters / 1e9,
            "one pass (s)": (seconds := 2 * suite.parameters * read / (SHARE * rate)),
            "figure 2 (min)": (count + 1) * seconds / 60,
            "learning (h)": 6 * suite.parameters * taught / (SHARE * rate) / 3600,
        }
        for suite, (dtype, rate) in product(real, RATES.items())
    ]
    return pd.DataFrame(rows).set_index(["suite", "dtype"])
