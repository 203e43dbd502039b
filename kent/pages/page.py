"""What every page needs beside its own question: parameters, cost, results, stamp, reading."""

import ast
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import product
from math import prod
from pathlib import Path

import pandas as pd
import torch
from huggingface_hub import get_safetensors_metadata
from huggingface_hub.errors import NotASafetensorsRepoError
from IPython import get_ipython
from IPython.display import Markdown
from safetensors import safe_open
from tqdm.auto import tqdm

from kent.files import expand
from kent.hub import UNREACHABLE
from kent.learning.knowledge import INJECTIONS
from kent.learning.outcomes import Outcome
from kent.models.suites import RECIPES, SUITES
from kent.pages.evidence import Reading, format_statistic
from kent.pages.seeds import Seed
from kent.paper import CLAIMS
from kent.runs.execution import Result, fetch
from kent.runs.plans import Plan
from kent.settings import check

RATES = {"float32": 67e12, "bfloat16": 989e12}
"""Operations per second of matrix products, by dtype, as published for NVIDIA's H100 and H200
(SXM, dense, no TF32)."""
SHARE = 0.4
"""Share of `RATES` that a pass is assumed to reach."""


def _assigned(cell: str) -> dict[str, object]:
    """What a cell of plain `NAME = literal` lines assigns; ValueError names another line."""
    found = {}
    for line in (line for line in ast.parse(cell).body if isinstance(line, ast.Assign)):
        try:
            found[line.targets[0].id] = ast.literal_eval(line.value)
        except (ValueError, AttributeError):
            said = f"a parameter is a plain value, not as in {ast.unparse(line)!r}"
            raise ValueError(said) from None
    return found


def check_parameters(history: Sequence[str] | None = None) -> None:
    """Refuse parameters that the page does not have: call it in the cell after the parameters cell.

    papermill puts what it was given into a cell headed `# Parameters` behind the page's own, known
    name or not. `history` holds the sources of the cells run so far (default: this notebook's).
    Raises `ValueError` for a name that the page does not declare, with the nearest, and for a value
    of another type than the default's.
    """
    if history is None:
        history = get_ipython().user_ns["In"] if get_ipython() else []
    injected = [index for index, cell in enumerate(history) if cell.startswith("# Parameters\n")]
    if not injected:
        return
    declared, given = _assigned(history[injected[0] - 1]), _assigned(history[injected[0]])
    for name in given.keys() - declared.keys():
        near = get_close_matches(name, declared, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        known = ", ".join(declared)
        raise ValueError(f"this page has no parameter {name!r}: {hint}It has: {known}")
    kinds = {str: str | list}  # several names may stand for one
    check({name: kinds.get(type(each), type(each)) for name, each in declared.items()}, given)


def _time_products() -> float:
    """Operations per second of a float32 matrix product on the device that will be used."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    left = torch.randn(1024, 1024, device=device)
    left @ left  # the first product also sets the device up
    start = time.perf_counter()
    for _ in range(5):
        product = left @ left
    product.sum().item()  # waits for a GPU to be done
    return 5 * 2 * 1024**3 / (time.perf_counter() - start)


def _count_parameters(name: str) -> int | None:
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


def estimate_cost(plan: Plan) -> Markdown:
    """What the runs that are not in the cache will take, or all of them anew.

    That is time, memory and download: two operations per parameter and token, six where a model
    learns, at the rate of a matrix product timed now; a lower bound in practice.
    """
    runs = list({run.path: run for listed in plan.values() for run in listed}.values())
    missing = [run for run in runs if not run.done]
    if missing:
        said = f"{len(missing)} of {len(runs)} runs to do:"
    else:
        said = f"All {len(runs)} runs of this page are in the cache. Done anew, they would take"
    return Markdown(f"**Cost.** {said} {_estimate([run.config for run in missing or runs])}.")


def _estimate(configs: Sequence[dict]) -> str:
    """Tokens, time, memory and download of runs."""
    tokens = sum(map(_count_tokens, configs))
    names = dict.fromkeys(config["name"] for config in configs)
    sizes = {name: _count_parameters(name) for name in names}
    if unknown := [name for name, size in sizes.items() if size is None]:
        return f"{tokens:,} tokens; the size of {unknown[0]} is not known before it is loaded"
    operations, weights = 0, 0
    for config in configs:
        size, learns = sizes[config["name"]], config["run"] == "learning"
        # forward; to learn also backward, at twice its cost, and gradients and AdamW's two moments
        operations += 2 * size * _count_tokens(config) * (3 if learns else 1)
        width = getattr(torch, config["dtype"]).itemsize
        weights = max(weights, size * width * (4 if learns else 1))
    minutes = operations / _time_products() / 60
    time_needed = f"{minutes:.1f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"
    memory = f"{weights / 1e9:.1f} GB" if weights >= 1e8 else f"{weights / 1e6:.1f} MB"
    said = f"{tokens:,} tokens; at least {time_needed} on this device and {memory} for the weights"
    pairs = {(config["name"], config["step"]) for config in configs}
    known = [SUITES[name] for name, _ in pairs if name in SUITES]
    download = sum(4 * suite.parameters for suite in known if suite.repository) / 1e9
    return said + (f"; up to {download:.0f} GB to download" if download else "")


def _count_tokens(config: dict) -> int:
    """The tokens that a run reads."""
    if config["run"] == "learning":
        return config["length"] * config["batch"] * config["steps"] * config["epochs"]
    return config["length"] * config["limit"]


def estimate_full_runs(*, length: int = 2048, limit: int = 2048) -> pd.DataFrame:
    """What the Hub's suites would take on a large GPU: one pass over the text, and figure 2's page.

    Nothing is measured: two operations per parameter and token, at `SHARE` of the card's `RATES`.
    """
    hub = [suite for suite in SUITES.values() if suite.repository]
    rows = [
        {
            "suite": suite.name,
            "dtype": dtype,
            "checkpoints": len(suite.steps),
            "download (GB, at most)": 4 * suite.parameters * len(suite.steps) / 1e9,
            "weights in memory (GB)": getattr(torch, dtype).itemsize * suite.parameters / 1e9,
            "one pass (s)": (seconds := 2 * suite.parameters * length * limit / (SHARE * rate)),
            "figure 2 (min)": (len(suite.steps) + 1) * seconds / 60,
        }
        for suite, (dtype, rate) in product(hub, RATES.items())
    ]
    return pd.DataFrame(rows).set_index(["suite", "dtype"])


def fetch_all(plan: Plan) -> dict[str, list[Result]]:
    """Every run's result under its label, from the cache or measured now, with a progress bar."""
    runs = [run for listed in plan.values() for run in listed]
    results = iter([fetch(run) for run in tqdm(runs, desc="runs", unit="run")])
    return {label: [next(results) for _ in listed] for label, listed in plan.items()}


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Assert what must hold of any run, and print which ones a loss that was not finite stopped.

    A log probability is not positive, a score lies between 0 and 1 (both NaN after a run was
    stopped), and probes are scored before learning and after every injection.
    """
    for each in outcomes:
        stopped = each.provenance["stopped"] is not None
        for table in (*each.knowledge.values(), *each.control.values()):
            assert (stopped & table.isnan() | (table <= 0)).all()
        for table in each.answers.values():
            assert (stopped & table.isnan() | (table >= 0) & (table <= 1)).all()
        assert each.steps[0] == 0 and (stopped or len(each.steps) % INJECTIONS == 1)
    stopped = [each.provenance["stopped"] for each in outcomes if each.provenance["stopped"]]
    print(stopped or "No run was stopped by a loss that was not finite.")


def stamp(results: Sequence[Result]) -> Markdown:
    """Table of what the reader is seeing: models, text, dtype, device, seed, commit, date."""
    found = [each.provenance for each in results]
    runs = list({json.dumps(each, sort_keys=True): each for each in found}.values())
    last, dates = runs[-1], sorted(each["date"] for each in runs)
    corpora = {each["corpus"]["sha256"][:10]: _name_text(each) for each in runs}
    texts = _join(f"{name} (`{digest}`)" for digest, name in corpora.items())
    labels = {}
    for each in runs:
        labels.setdefault(_name_model(each), []).append(_label(each))
    commits = _join(f"`{each['commit']}`" for each in runs)
    changed = " (+: and changes since)" if "+" in commits else ""
    rows = {
        "model": _join(labels),
        "checkpoints": "; ".join(_join([each[0], each[-1]], " to ") for each in labels.values()),
        "text": f"{texts}: {last['instances']:,} sequences of up to {last['length']:,} tokens",
        "dtype": _join(each["dtype"] for each in runs),
        "device": f"{last['device']} ({last['machine']})",
        "time": f"{sum(each['seconds'] for each in runs):.0f} s for {len(runs)} runs",
        "seed": last["seed"],
        "measured": f"{_join([dates[0], dates[-1]], ' to ')} by commit {commits}{changed}",
        "versions": f"torch {last['torch']}, transformers {last['transformers']}",
    }
    if recipes := [_name_recipe(each) for each in runs if "recipe" in each]:
        rows["recipe"] = _join(recipes, "; or ")
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return Markdown("\n".join(["| stamp | |", "|---|---|", *lines]))


def _join(names: Iterable[str], word: str = ", ") -> str:
    """Names, each once."""
    return word.join(dict.fromkeys(names))


def _name_recipe(provenance: dict) -> str:
    recipe, facts = provenance["recipe"], provenance["facts"]["knowledge"]
    steps = f"{recipe['epochs']} × {recipe['steps']:,} steps of {recipe['batch']} rows"
    said = "{paraphrase} facts paraphrased, {once} injected once, {probes:,} probes".format(**facts)
    return f"{steps}, peak rate {recipe['learning_rate']:g}; {said}"


def _name_model(provenance: dict) -> str:
    return f"{Path(provenance['revision']['repository']).name}, {provenance['architecture']}"


def _name_text(provenance: dict) -> str:
    corpus = provenance["corpus"]
    files = ", ".join(file["name"] for file in corpus.get("files", ()))
    return corpus.get("corpus") or files or corpus["kind"]


def _label(provenance: dict) -> str:
    revision = provenance["revision"]
    name = revision["branch"] or Path(revision["repository"]).name
    return f"{name} (`{(revision['commit'] or 'unknown')[:10]}`)"


def read(
    measured: Mapping[str, tuple[float, float]],
    results: Sequence[Result],
    seeds: Sequence[Seed] = (),
    gates: Mapping[str, str | None] | None = None,
) -> Reading:
    """The reading of a page: value and standard error by claim, as measured on `results`.

    `seeds` are what `kent.pages.seeds.recall` found; `gates` name by claim the precondition that is
    not met, None where it is. Each claim's interval (of the seeds together, where recorded) and
    verdict go to the book's prose too, as `{key}_change` and `{key}_verdict`.
    """
    provenances = [result.provenance for result in results]
    model, text = (_join(map(name, provenances)) for name in (_name_model, _name_text))
    missed = {key: gate for key, gate in (gates or {}).items() if gate and key in measured}
    one_model = not {each["revision"]["repository"] for each in provenances} & RECIPES.keys()
    reading = Reading(measured, model, text, seeds, missed, one_model)
    for row in reading.list_rows():
        key, found = row["claim"], row.get("seeds", row)
        change = format_statistic(CLAIMS[key], found["value"], found["error"])
        share(**{f"{key}_change": change, f"{key}_verdict": row["verdict"]})
    return reading


def share(**texts: str) -> None:
    """Give texts to the book's prose pages through myst-nb's glue, where that is installed."""
    try:
        from myst_nb import glue
    except ImportError:
        return
    for name, text in texts.items():
        glue(name, text, display=False)
