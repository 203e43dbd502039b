"""What every page needs beside its own question: checked parameters, cost, stamp, reading, numbers
for the prose."""

import ast
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
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
from kent.models.suites import SUITES
from kent.pages.evidence import Reading, format_statistic
from kent.pages.seeds import Seed
from kent.paper import CLAIMS
from kent.runs.definitions import Run
from kent.runs.execution import Result, fetch
from kent.runs.plans import Plan
from kent.settings import check

RATES = {"float32": 67e12, "bfloat16": 989e12}
"""Operations per second of matrix products as published for NVIDIA's H100 and H200 (SXM, dense, no
TF32), by dtype."""
SHARE = 0.4
"""Share of `RATES` that a pass is assumed to reach."""


def _assigned(cell: str) -> dict[str, object]:
    """The names a cell of plain `NAME = literal` lines assigns, and their values; ValueError names
    another line."""
    found = {}
    for line in (line for line in ast.parse(cell).body if isinstance(line, ast.Assign)):
        try:
            found[line.targets[0].id] = ast.literal_eval(line.value)
        except (ValueError, AttributeError):
            raise ValueError(
                f"a parameter is a plain value, not as in {ast.unparse(line)!r}"
            ) from None
    return found


def check_parameters(history: Sequence[str] | None = None) -> None:
    """Refuse parameters that the page does not have: call it in the cell after the parameters cell.

    papermill puts what it was given into a cell headed `# Parameters` behind the page's own, known
    name or not. `history` holds the sources of the cells run so far (default: this notebook's).
    Raises `ValueError` for a name that the page does not declare, with the nearest, and for a value
    of another type than the default's.
    """
    history = (get_ipython().user_ns["In"] if get_ipython() else []) if history is None else history
    injected = [index for index, cell in enumerate(history) if cell.startswith("# Parameters\n")]
    if not injected:
        return
    declared, given = _assigned(history[injected[0] - 1]), _assigned(history[injected[0]])
    for name in given.keys() - declared.keys():
        near = get_close_matches(name, declared, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(
            f"this page has no parameter {name!r}: {hint}It has: {', '.join(declared)}"
        )
    check({name: _widen(type(default)) for name, default in declared.items()}, given)


def _widen(kind: type) -> object:
    """What may stand for a parameter of this type: several names for one."""
    return str | list if kind is str else kind


def _matrix_rate() -> float:
    """Floating-point operations per second of a float32 matrix product on the device that will be
    used."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    left = torch.randn(1024, 1024, device=device)
    left @ left
    start = time.perf_counter()
    for _ in range(5):
        product = left @ left
    product.sum().item()
    return 5 * 2 * 1024**3 / (time.perf_counter() - start)


def _count_parameters(name: str) -> int | None:
    """Number of a checkpoint's parameters: of its suite, or as its safetensors files say; None when
    not known."""
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
    """What the runs that are not in the cache will take, or all of them anew: time, memory and
    download.

    Two operations per parameter and token, six where a model learns, at the rate of a matrix
    product timed now; a lower bound in practice.
    """
    runs = list({run.path: run for listed in plan.values() for run in listed}.values())
    missing = [run for run in runs if not run.done]
    if missing:
        said = f"{len(missing)} of {len(runs)} runs to do: {_estimate(missing)}."
    else:
        said = (
            f"All {len(runs)} runs of this page are in the cache. "
            f"Done anew, they would take {_estimate(runs)}."
        )
    return Markdown(f"**Cost.** {said}")


def _estimate(runs: Sequence[Run]) -> str:
    """Tokens, time, memory and download of these runs."""
    configs = [run.config for run in runs]
    learning = [config["run"] == "learning" for config in configs]
    tokens = [
        config["length"]
        * (config["batch"] * config["steps"] * config["epochs"] if learns else config["limit"])
        for config, learns in zip(configs, learning, strict=True)
    ]
    sizes = [_count_parameters(config["name"]) for config in configs]
    said = f"{sum(tokens):,} tokens"
    if None in sizes:
        name = configs[sizes.index(None)]["name"]
        return f"{said}; the size of {name} is not known before it is loaded"
    widths = [
        torch.empty(0, dtype=getattr(torch, config["dtype"])).element_size() for config in configs
    ]
    passes = [3 if learns else 1 for learns in learning]  # forward, and backward at twice its cost
    operations = sum(
        2 * size * count * each for size, count, each in zip(sizes, tokens, passes, strict=True)
    )
    copies = [
        4 if learns else 1 for learns in learning
    ]  # weights; gradients and AdamW's two moments
    weights = max(
        size * width * each for size, width, each in zip(sizes, widths, copies, strict=True)
    )
    minutes = operations / _matrix_rate() / 60
    time_needed = f"{minutes:.1f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"
    size_needed = f"{weights / 1e9:.1f} GB" if weights >= 1e8 else f"{weights / 1e6:.1f} MB"
    said += f"; at least {time_needed} on this device and {size_needed} for the weights"
    hub = {(config["name"], config["step"]) for config in configs
           if config["name"] in SUITES and SUITES[config["name"]].repository}  # fmt: skip
    if hub:
        size = sum(SUITES[name].parameters * 4 for name, _ in hub) / 1e9
        said += f"; up to {size:.0f} GB to download"
    return said


def estimate_full_runs(*, length: int = 2048, limit: int = 2048) -> pd.DataFrame:
    """What the Hub's suites would take on a large GPU: one pass over the text, and figure 2's page.

    An estimate, nothing measured: two operations per parameter and token, at `SHARE` of the card's
    `RATES`.
    """
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
        for suite in SUITES.values() if suite.repository for dtype, rate in RATES.items()
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index(["suite", "dtype"])


def fetch_all(plan: Plan) -> dict[str, list[Result]]:
    """Every run's result under its label, from the cache or measured now, with a progress bar."""
    with tqdm(total=sum(map(len, plan.values())), desc="runs", unit="run") as bar:

        def fetch_one(run) -> Result:
            """A run's result, and a step of the bar."""
            result = fetch(run)
            bar.update()
            return result

        return {label: [fetch_one(run) for run in runs] for label, runs in plan.items()}


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Assert what must hold of any run, and print which runs were stopped by a loss that was not
    finite.

    A log probability is not positive, a score lies between 0 and 1 (both NaN after a run was
    stopped), and probes are scored before learning and after every injection.
    """
    for each in outcomes:
        stopped = each.provenance["stopped"] is not None
        scores = [*each.knowledge.values(), *each.control.values()]
        assert all((stopped & table.isnan() | (table <= 0)).all() for table in scores)
        assert all(
            (stopped & table.isnan() | (table >= 0) & (table <= 1)).all()
            for table in each.answers.values()
        )
        assert each.steps[0] == 0 and (stopped or len(each.steps) % INJECTIONS == 1)
    stopped = [each.provenance["stopped"] for each in outcomes if each.provenance["stopped"]]
    print(stopped or "No run was stopped by a loss that was not finite.")


def stamp(results: Sequence[Result]) -> Markdown:
    """Table of what the reader is seeing: model, revisions, text, dtype, device, seed, commit,
    date."""
    runs = [
        *{json.dumps(each.provenance, sort_keys=True): each.provenance for each in results}.values()
    ]
    last, dates = runs[-1], sorted(each["date"] for each in runs)
    corpora = {each["corpus"]["sha256"][:10]: _name_text(each) for each in runs}
    texts = ", ".join(f"{name} (`{digest}`)" for digest, name in corpora.items())
    models = {
        name: [_label(each) for each in runs if _name_model(each) == name]
        for name in map(_name_model, runs)
    }
    commits = ", ".join(dict.fromkeys(f"`{each['commit']}`" for each in runs))
    rows = {
        "model": ", ".join(models),
        "checkpoints": "; ".join(
            " to ".join(dict.fromkeys([each[0], each[-1]])) for each in models.values()
        ),
        "text": f"{texts}: {last['instances']:,} sequences of up to {last['length']:,} tokens",
        "dtype": ", ".join(dict.fromkeys(each["dtype"] for each in runs)),
        "device": f"{last['device']} ({last['machine']})",
        "time": f"{sum(each['seconds'] for each in runs):.0f} s for {len(runs)} runs",
        "seed": last["seed"],
        "measured": f"{' to '.join(dict.fromkeys([dates[0], dates[-1]]))} by commit {commits}"
        + (" (+: and changes since)" if "+" in commits else ""),
        "versions": f"torch {last['torch']}, transformers {last['transformers']}",
    }
    recipes = [
        _name_recipe(each["recipe"], each["facts"]["knowledge"])
        for each in runs
        if "recipe" in each
    ]
    if recipes:
        rows["recipe"] = "; or ".join(dict.fromkeys(recipes))
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return Markdown("\n".join(["| stamp | |", "|---|---|", *lines]))


def _name_recipe(recipe: dict, facts: dict) -> str:
    steps = f"{recipe['epochs']} × {recipe['steps']:,} steps of {recipe['batch']} rows"
    said = "{paraphrase} facts paraphrased, {once} injected once, {probes:,} probes".format(**facts)
    return f"{steps}, peak rate {recipe['learning_rate']:g}; {said}"


def _name_model(provenance: dict) -> str:
    return f"{Path(provenance['revision']['repository']).name}, {provenance['architecture']}"


def _name_text(provenance: dict) -> str:
    corpus = provenance["corpus"]
    return (
        corpus.get("corpus")
        or ", ".join(file["name"] for file in corpus.get("files", ()))
        or corpus["kind"]
    )


def _label(provenance: dict) -> str:
    revision = provenance["revision"]
    name = revision["branch"] or Path(revision["repository"]).name
    return f"{name} (`{(revision['commit'] or 'unknown')[:10]}`)"


def read(
    measured: Mapping[str, tuple[float, float]],
    results: Sequence[Result],
    seeds: Sequence[Seed] = (),
) -> Reading:
    """The reading of a page: value and standard error by the key of their claim, measured on
    `results`.

    `seeds` are what `kent.pages.seeds.recall` found. Each claim's interval and verdict, and the
    verdict over all seeds, go to the book's prose too, as `{key}_change`, `{key}_verdict` and
    `{key}_seeds`.
    """
    provenances = [result.provenance for result in results]
    models, texts = ([name(each) for each in provenances] for name in (_name_model, _name_text))
    reading = Reading(
        measured, *(", ".join(dict.fromkeys(names)) for names in (models, texts)), seeds
    )
    for row in reading.list_rows():
        key, pooled = row["claim"], row.get("seeds", {"verdict": "one seed"})
        share(**{f"{key}_change": format_statistic(CLAIMS[key], row["value"], row["error"]),
                 f"{key}_verdict": row["verdict"], f"{key}_seeds": pooled["verdict"]})  # fmt: skip
    return reading


def share(**texts: str) -> None:
    """Give texts to the book's prose pages through myst-nb's glue; nothing happens where myst-nb is
    not installed."""
    try:
        from myst_nb import glue
    except ImportError:
        return
    for name, text in texts.items():
        glue(name, text, display=False)
