"""What every page needs beside its own question: parameters, results, their origin, verdicts."""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from IPython import get_ipython
from tqdm.auto import tqdm

from kent.learning.outcomes import Outcome
from kent.models.suites import OWN
from kent.pages.costs import RUNS, Noted
from kent.pages.costs import estimate_cost as estimate_cost  # pages call it here
from kent.pages.evidence import Verdicts, format_statistic
from kent.pages.seeds import Seed
from kent.paper import CLAIMS
from kent.runs.execution import Result, fetch
from kent.runs.plans import Plan
from kent.settings import check


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


def fetch_all(plan: Plan) -> dict[str, list[Result]]:
    """Every run's result under its label, from the cache or measured now, with a progress bar."""
    runs = [run for listed in plan.values() for run in listed]
    results = iter([fetch(run) for run in tqdm(runs, desc="runs", unit="run")])
    return {label: [next(results) for _ in listed] for label, listed in plan.items()}


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Assert what must hold of any run, and print which ones a loss that was not finite stopped.

    A log probability is not positive, a score lies between 0 and 1 (both NaN after a run was
    stopped), and probes are scored before learning and at the end.
    """
    for each in outcomes:
        stopped = each.provenance["stopped"] is not None
        for table in (*each.knowledge.values(), *each.control.values()):
            assert (stopped & table.isnan() | (table <= 0)).all()
        for table in each.answers.values():
            assert (stopped & table.isnan() | (table >= 0) & (table <= 1)).all()
        assert each.steps[0] == 0 and (stopped or each.steps[-1] == len(each.curve))
    stopped = [each.provenance["stopped"] for each in outcomes if each.provenance["stopped"]]
    print(stopped or "No run was stopped by a loss that was not finite.")


def describe_runs(results: Sequence[Result]) -> Noted:
    """Table of what the reader is seeing: models, text, dtype, device, seed, commit, date.

    The output's metadata holds `runs`, `seconds`, `machine`, `date` and `commit` under "kent-runs".
    """
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
    noted = _note_runs(runs)
    rows = {
        "model": _join(labels),
        "checkpoints": "; ".join(_join([each[0], each[-1]], " to ") for each in labels.values()),
        "text": f"{texts}: {last['instances']:,} sequences of up to {last['length']:,} tokens",
        "dtype": _join(each["dtype"] for each in runs),
        "device": noted["machine"],
        "time": f"{noted['seconds']:.0f} s for {noted['runs']} runs",
        "seed": last["seed"],
        "measured": f"{_join([dates[0], dates[-1]], ' to ')} by commit {commits}{changed}",
        "versions": f"torch {last['torch']}, transformers {last['transformers']}",
    }
    if recipes := [_name_recipe(each) for each in runs if "recipe" in each]:
        rows["recipe"] = _join(recipes, "; or ")
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    head = ["| how this was made | |", "|---|---|"]
    return Noted("\n".join([*head, *lines]), {RUNS: noted})


def _note_runs(runs: Sequence[dict]) -> dict:
    """What an executed page keeps of its runs."""
    dates = sorted(each["date"] for each in runs)
    return {
        "runs": len(runs),
        "seconds": round(sum(each["seconds"] for each in runs), 1),
        "machine": _join(f"{each['device']} ({each['machine']})" for each in runs),
        "date": _join([dates[0][:10], dates[-1][:10]], " to "),
        "commit": _join(each["commit"] for each in runs),
    }


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
    mixed = [f", {share:.0%} of {Path(name).name}" for name, share in corpus.get("mix", {}).items()]
    return "".join([corpus.get("corpus") or files or corpus["kind"], *mixed])


def _label(provenance: dict) -> str:
    revision = provenance["revision"]
    name = revision["branch"] or Path(revision["repository"]).name
    return f"{name} (`{(revision['commit'] or 'unknown')[:10]}`)"


def judge(
    measured: Mapping[str, tuple[float, float]],
    results: Sequence[Result],
    seeds: Sequence[Seed] = (),
    gates: Mapping[str, str | None] | None = None,
) -> Verdicts:
    """The reading of a page: value and standard error by claim, as measured on `results`.

    `seeds` are what `kent.pages.seeds.recall` found; `gates` name by claim the precondition that is
    not met, None where it is. Each claim's interval (of the seeds together, where recorded) and
    verdict go to the book's prose too, as `{key}_change` and `{key}_verdict`.
    """
    provenances = [result.provenance for result in results]
    model, text = (_join(map(name, provenances)) for name in (_name_model, _name_text))
    missed = {key: gate for key, gate in (gates or {}).items() if gate and key in measured}
    one_model = not {each["revision"]["repository"] for each in provenances} & OWN.keys()
    reading = Verdicts(measured, model, text, seeds, missed, one_model)
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
