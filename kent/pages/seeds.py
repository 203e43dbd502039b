"""Other seeds: a page's executed copy keeps its numbers; its plan finds those of other seeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import floor, isfinite, log10
from pathlib import Path
from statistics import mean, stdev

import pandas as pd
from scipy.stats import t as student

from kent.models.suites import SUITES
from kent.records import PACKAGE
from kent.runs.plans import Checkpoints, Plan, describe_plan

READINGS, ESTIMATES = "kent", "kent-estimates"
"""Keys of an output's metadata: there an executed page keeps the numbers of readings and tables."""
RECORDED = PACKAGE.parent / "results" / "pages"
"""Executed pages of other seeds and of larger runs: a folder per suite."""


@dataclass(frozen=True)
class Estimates:
    """A page's table of (value, standard error); the page keeps them, for other seeds to be found.

    Shown with two errors; where `seeds` were recorded, their mean and this one's with its interval.
    More than eight columns are shown as rows.
    """

    table: pd.DataFrame
    plan: Plan
    seeds: "Sequence[Seed]" = ()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        rows = {_name(row): [*map(list, self.table.loc[row])] for row in self.table.index}
        kept = {"columns": [*map(_name, self.table)], "rows": rows} | describe_plan(self.plan)
        table = pool_table(self.table, self.seeds)
        shown = table.map(lambda pair: format_interval(*pair))
        shown = shown.T if shown.shape[1] > 8 else shown
        said = _describe_intervals(self.table, self.seeds)
        both = {"text/html": f"<p>{said}</p>\n{shown.to_html()}"}
        return both | {"text/plain": f"{said}\n{shown.to_string()}"}, {ESTIMATES: kept}


def _describe_intervals(table: pd.DataFrame, seeds: "Sequence[Seed]") -> str:
    kept = {1 + sum(_name(row) in seed.estimates for seed in seeds) for row in table.index}
    if kept <= {1}:
        return "Values ± two standard errors within this model:"
    number = " or ".join(map(str, sorted(kept)))
    return f"Means of {number} seeds ± half of their 95 % interval:"


def _name(label: object) -> str:
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)


def format_interval(value: float, error: float, sign: str = "-") -> str:
    """A value with two standard errors, of which two digits count; `sign` as in a format."""
    places = min(max(1 - floor(log10(2 * error)), 0), 6) if isfinite(error) and error > 0 else 4
    return f"{value:{sign}z.{places}f} ± {2 * error:.{places}f}".replace("-", "−")


def pool(values: Sequence[float]) -> tuple[float, float]:
    """Mean over seeds, and half the half-width of its 95 % interval (Student's t between seeds).

    Two of it are the interval, as of a standard error, which it is more than with few seeds: 1.6
    times for four. What is drawn within a seed (paragraphs, documents, blocks of text) is part of
    the spread only as far as it differs between seeds.
    """
    quantile = float(student.ppf(0.975, len(values) - 1))
    return mean(values), quantile * stdev(values) / len(values) ** 0.5 / 2


def pool_table(table: pd.DataFrame, seeds: "Sequence[Seed]") -> pd.DataFrame:
    """Each cell's mean over the seeds that have its row and column and this one, as of `pool`.

    The cell itself where none has.
    """
    pooled = table.copy()
    for row, column in product(table.index, table):
        found = [seed.estimates.get(_name(row), {}).get(_name(column)) for seed in seeds]
        values = [table.loc[row, column][0], *(pair[0] for pair in found if pair)]
        if len(values) > 1:
            pooled.at[row, column] = pool(values)
    return pooled


@dataclass(frozen=True)
class Seed:
    """What a page came to for another seed of the suite, as recorded under `results/pages/`.

    `readings` are (value, standard error) by claim, `estimates` by the name of a table's row, then
    of its column; `changed` says whether the code that decides the numbers is another one now.
    """

    suite: str
    readings: Mapping[str, tuple[float, float]]
    estimates: Mapping[str, Mapping[str, tuple[float, float]]]
    changed: bool

    def list_values(self, row: str, columns: Sequence[object]) -> list[float] | None:
        """Values of a table's row in these columns; None where one of them was not kept."""
        kept = self.estimates.get(row, {})
        names = [*map(_name, columns)]
        return [kept[name][0] for name in names] if kept.keys() >= {*names} else None


def recall(plan: Plan, checkpoints: Checkpoints, folder: Path = RECORDED) -> list[Seed]:
    """The recorded results of this plan for the suite's other seeds; none for other checkpoints."""
    suite = SUITES.get(checkpoints) if isinstance(checkpoints, str) else None
    found = [_recall(describe_plan(plan), name, folder) for name in (suite.seeds if suite else ())]
    return [seed for seed in found if seed.readings or seed.estimates]


def _recall(asked: dict, name: str, folder: Path) -> Seed:
    """What every page with this plan kept for one seed."""
    readings, estimates, changed = {}, {}, False
    for path in sorted((folder / name).glob("*.ipynb")):
        for table in collect_outputs(path, ESTIMATES):
            if table["configurations"] == asked["configurations"]:
                for row, pairs in table["rows"].items():
                    estimates[row] = dict(zip(table["columns"], map(tuple, pairs), strict=True))
                rows = [row for found in collect_outputs(path, READINGS) for row in found]
                readings |= {row["claim"]: (row["value"], row["error"]) for row in rows}
                changed |= table["code"] != asked["code"]
    return Seed(name, readings, estimates, changed)


def collect_outputs(path: Path, key: str) -> list:
    """What the outputs of an executed page keep under a key of their metadata."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output["metadata"][key] for output in outputs if key in output.get("metadata", {})]
