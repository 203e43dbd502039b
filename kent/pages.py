"""What every page needs beside its own question: checked parameters, cost, stamp, verdict, numbers for the prose."""

import ast
import time
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import torch
from IPython import get_ipython
from IPython.display import Markdown
from tqdm.auto import tqdm

from kent.paper import Claim
from kent.profiles import Profile
from kent.runs import Run, fetch
from kent.suites import SUITES

SECONDS_WORTH_SAYING = 60


def _assigned(cell: str) -> dict[str, object]:
    """The names a cell of plain `NAME = literal` lines assigns, and their values."""
    lines = [line for line in ast.parse(cell).body if isinstance(line, ast.Assign)]
    return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}


def check_parameters(history: Sequence[str] | None = None) -> None:
    """Refuse parameters that the page does not have: call it in the cell after the parameters cell.

    papermill puts what it was given into a cell headed `# Parameters` behind the page's own, known name or not.
    `history` holds the sources of the cells run so far (default: this notebook's). Raises `ValueError` for a name that
    the page does not declare, with the nearest, and for a value of another type than the default's.
    """
    history = (get_ipython().user_ns["In"] if get_ipython() else []) if history is None else history
    injected = [index for index, cell in enumerate(history) if cell.startswith("# Parameters\n")]
    if not injected:
        return
    declared, given = _assigned(history[injected[0] - 1]), _assigned(history[injected[0]])
    for name, value in given.items():
        if name not in declared:
            near = get_close_matches(name, declared, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"this page has no parameter {name!r}: {hint}It has: {', '.join(declared)}")
        expected = type(declared[name])
        if not isinstance(value, expected) and not (isinstance(value, list) and expected is str):
            raise ValueError(f"parameter {name} must be of type {expected.__name__}, not {value!r}")


def _matrix_rate() -> float:
    """Floating-point operations per second of a float32 matrix product on the device that will be used."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    left = torch.randn(1024, 1024, device=device)
    left @ left
    start = time.perf_counter()
    for _ in range(5):
        product = left @ left
    product.sum().item()
    return 5 * 2 * 1024**3 / (time.perf_counter() - start)


def _count_parameters(name: str) -> int | None:
    """Number of a checkpoint's parameters: of its suite, or by the size of float32 weights; None when not known."""
    if name in SUITES:
        return SUITES[name].parameters
    sizes = Counter()
    for path in Path(name).glob("**/*.safetensors"):
        sizes[path.parent] += path.stat().st_size
    return max(sizes.values()) // 4 if sizes else None


def estimate_cost(runs: Sequence[Run]) -> Markdown:
    """What the runs that are not in the cache will take: time, memory and download, from the size of the model.

    Two operations per parameter and token, at the rate of a matrix product timed now; a lower bound in practice.
    """
    missing = [run for run in runs if not run.done]
    if not missing:
        return Markdown(f"**Cost.** All {len(runs)} runs of this page are in the cache: nothing to compute.")
    config = missing[0].config
    tokens, parameters = config["length"] * config["limit"], _count_parameters(config["name"])
    said = f"**Cost.** {len(missing)} of {len(runs)} runs to do, {tokens:,} tokens each"
    if parameters is None:
        return Markdown(f"{said}; the size of {config['name']} is not known before it is loaded.")
    width = torch.empty(0, dtype=getattr(torch, config["dtype"])).element_size()
    seconds = len(missing) * 2 * parameters * tokens / _matrix_rate()
    said += f"; at least {seconds / 60:.1f} min on this device and {parameters * width / 1e9:.2f} GB for the weights"
    if config["name"] in SUITES and SUITES[config["name"]].repository:
        said += f"; up to {(len(missing) - 1) * parameters * 4 / 1e9:.0f} GB to download"
    return Markdown(said + ".")


def fetch_all(runs: Sequence[Run]) -> list[Profile]:
    """Every run's profile, from the cache or measured now, with a progress bar."""
    return [fetch(run) for run in tqdm(runs, desc="runs", unit="run")]


def stamp(profiles: Sequence[Profile]) -> Markdown:
    """Table of what the reader is seeing: model, revisions, text, dtype, device, seed, commit, date."""
    first, last = profiles[0].provenance, profiles[-1].provenance
    revision, corpus = last["revision"], last["corpus"]
    text = corpus.get("corpus") or ", ".join(file["name"] for file in corpus.get("files", ())) or corpus["kind"]
    rows = {
        "model": f"{Path(revision['repository']).name}, {last['architecture']}",
        "checkpoints": f"{_label(first)} to {_label(last)}",
        "text": f"{text}: {last['instances']:,} sequences of {last['length']:,} tokens (`{corpus['sha256'][:10]}`)",
        "dtype, device": f"{last['dtype']}, {last['device']} ({last['machine']})",
        "time": f"{sum(each.provenance['seconds'] for each in profiles):.0f} s for {len(profiles)} checkpoints",
        "seed": last["seed"],
        "measured": f"{min(profile.provenance['date'] for profile in profiles)} by commit `{last['commit']}`",
        "versions": f"torch {last['torch']}, transformers {last['transformers']}",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return Markdown("\n".join(["| stamp | |", "|---|---|", *lines]))


def _label(provenance: dict) -> str:
    revision = provenance["revision"]
    return f"{revision['branch'] or Path(revision['repository']).name} (`{(revision['commit'] or 'unknown')[:10]}`)"


def read(claim: Claim, published: str, value: float, error: float) -> Markdown:
    """The reading of a page: published value, value measured here with its interval, and the verdict."""
    return Markdown(
        f"| | |\n|---|---|\n| claim | {claim.statement} ({claim.source}) |\n| statistic | {claim.statistic} |\n"
        f"| published | {published} ({claim.setting}) |\n| measured here | {value:+.4f} ± {2 * error:.4f} |\n"
        f"| verdict | **{claim.judge(value, error)}** |"
    )


def share(**texts: str) -> None:
    """Give texts to the book's prose pages through myst-nb's glue; nothing happens where myst-nb is not installed."""
    try:
        from myst_nb import glue
    except ImportError:
        return
    for name, text in texts.items():
        glue(name, text, display=False)
