"""Other seeds: a page's executed copy keeps its numbers; its plan finds those of other seeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import floor, hypot, isclose, isfinite, isnan, log10, nan
from pathlib import Path
from statistics import mean, stdev

import pandas as pd
from scipy.stats import t as student

from kent.models.suites import OWN, SUITES
from kent.records import PACKAGE
from kent.runs.plans import Checkpoints, Plan, describe_plan

READINGS, ESTIMATES = "kent", "kent-estimates"
"""Keys of an output's metadata: there an executed page keeps the numbers of readings and tables."""
RECORDED = PACKAGE.parent / "results" / "pages"
"""Executed pages of the book's own seed, of other seeds and of larger runs: a folder per suite."""
CHANGED = "recorded by code that has changed since: "
SAME = "other seeds recorded by earlier code, which gave this seed the same numbers"
"""What is said of seeds that other code recorded: the numbers of now are others, or are not."""
Numbers = Mapping[tuple[str, ...], tuple[float, float]]
"""(Value, standard error) by (claim,) and by (row, column)."""


@dataclass(frozen=True)
class Estimates:
    """A page's table of (value, standard error); the page keeps them, for other seeds to be found.

    Shown with two errors; where `seeds` were recorded, their mean and this one's with its interval,
    and whether code has changed since. More than eight columns are shown as rows.
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
        if note := describe_code(self.seeds, key_numbers({}, _read_rows(kept))):
            said = f"{said.removesuffix(':')} ({note}):"
        both = {"text/html": f"<p>{said}</p>\n{shown.to_html()}"}
        return both | {"text/plain": f"{said}\n{shown.to_string()}"}, {ESTIMATES: kept}


def _describe_intervals(table: pd.DataFrame, seeds: "Sequence[Seed]") -> str:
    kept = {1 + sum(_name(row) in seed.estimates for seed in seeds) for row in table.index}
    if kept <= {1}:
        return "Values ± two standard errors within this model:"
    number = " or ".join(map(str, sorted(kept)))
    return f"Means of {number} {name_seeds(seeds)} ± half of their 95 % interval:"


def _name(label: object) -> str:
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)


def format_interval(value: float, error: float, sign: str = "-") -> str:
    """A value with two standard errors, of which two digits count; `sign` as in a format."""
    places = min(max(1 - floor(log10(2 * error)), 0), 6) if isfinite(error) and error > 0 else 4
    return f"{value:{sign}z.{places}f} ± {2 * error:.{places}f}".replace("-", "−")


def pool(values: Sequence[float], within: float = 0.0) -> tuple[float, float]:
    """Mean over seeds, and half the half-width of its 95 % interval (Student's t between seeds).

    Two of it are the interval, as of a standard error, which it is more than with few seeds: 1.6
    times for four. What is drawn within a seed (paragraphs, documents, blocks of text) is part of
    the spread only as far as it differs between seeds. `within` is the standard error of that,
    added in quadrature, where it is the same for all.
    """
    quantile = float(student.ppf(0.975, len(values) - 1))
    return mean(values), hypot(quantile * stdev(values) / len(values) ** 0.5 / 2, within)


def pool_seeds(
    own: tuple[float, float], others: Sequence[float], seeds: "Sequence[Seed]"
) -> tuple[float, float]:
    """`own` value and the `others` that `seeds` gave, as of `pool`; `own` where there are none.

    Orders of the rows of one model share its text and its probes: however alike their values are,
    the interval is not narrower than that of one of them.
    """
    value, error = own
    within = error if share_model(seeds) else 0.0
    return pool([value, *others], within) if others else own


def name_seeds(seeds: "Sequence[Seed]") -> str:
    """What these differ in, in the plural."""
    return "orders of rows" if share_model(seeds) else "seeds"


def share_model(seeds: "Sequence[Seed]") -> bool:
    """Whether these are one model that learned in several orders, not several models."""
    return any(seed.order for seed in seeds)


def pool_table(table: pd.DataFrame, seeds: "Sequence[Seed]") -> pd.DataFrame:
    """Each cell's mean over the seeds that have its row and column and this one, as of `pool`.

    The cell itself where none has.
    """
    pooled = table.copy()
    for row, column in product(table.index, table):
        found = [seed.estimates.get(_name(row), {}).get(_name(column)) for seed in seeds]
        others = [pair[0] for pair in found if pair]
        pooled.at[row, column] = pool_seeds(table.loc[row, column], others, seeds)
    return pooled


@dataclass(frozen=True)
class Seed:
    """What a page came to for another seed of the suite, as recorded under `results/pages/`.

    `readings` are (value, standard error) by claim, `estimates` by the name of a table's row, then
    of its column; `changed` says whether the code that decides the numbers is another one now.
    `own` is what the recording code gave the page's own seed; None where that was not recorded.
    `order` says that it is the page's own model, which learned its rows in another order.
    """

    suite: str
    readings: Mapping[str, tuple[float, float]]
    estimates: Mapping[str, Mapping[str, tuple[float, float]]]
    changed: bool
    own: "Seed | None" = field(default=None, repr=False)
    order: bool = False

    @property
    def numbers(self) -> Numbers:
        """All that was recorded."""
        return key_numbers(self.readings, self.estimates)

    def list_values(self, row: str, columns: Sequence[object]) -> list[float] | None:
        """Values of a table's row in these columns; None where one of them was not kept."""
        kept = self.estimates.get(row, {})
        names = [*map(_name, columns)]
        return [kept[name][0] for name in names] if kept.keys() >= {*names} else None


def key_numbers(
    readings: Mapping[str, tuple[float, float]],
    estimates: Mapping[str, Mapping[str, tuple[float, float]]],
) -> Numbers:
    """Readings by (claim,) and estimates by (row, column), in one."""
    kept = {(claim,): pair for claim, pair in readings.items()}
    for row, pairs in estimates.items():
        kept |= {(row, column): pair for column, pair in pairs.items()}
    return kept


def list_outdated(seeds: Sequence[Seed], now: Numbers) -> list[str]:
    """The seeds recorded by other code than now, under which the page's own numbers were others.

    Compared are those that the seed has too. One that the own record lacks counts as another.
    """
    return [seed.suite for seed in seeds if seed.changed and _has_moved(seed, now)]


def _has_moved(seed: Seed, now: Numbers) -> bool:
    then = seed.own.numbers if seed.own else {}
    shared = now.keys() & seed.numbers.keys()
    return any(key not in then or not is_same(now[key], then[key]) for key in shared)


def is_same(now: tuple[float, float], then: tuple[float, float]) -> bool:
    """Whether a value lies within a tenth of the standard error that it had.

    Within 1e-6 of itself where that error is zero or not finite. No value is the same as none.
    """
    (value, _), (old, error) = now, then
    if isnan(value) or isnan(old):
        return isnan(value) and isnan(old)
    known = isfinite(error) and error > 0
    return abs(value - old) <= error / 10 if known else isclose(value, old, rel_tol=1e-6)


def describe_code(seeds: Sequence[Seed], now: Numbers) -> str:
    """What is said of the code that recorded other seeds of these numbers, if it is not today's."""
    if outdated := list_outdated(seeds, now):
        return CHANGED + ", ".join(outdated)
    older = (seed.numbers.keys() & now.keys() for seed in seeds if seed.changed)
    return SAME if any(older) else ""


def recall(plan: Plan, checkpoints: Checkpoints, folder: Path = RECORDED) -> list[Seed]:
    """The recorded results of this plan for the suite's other seeds; none for other checkpoints.

    Each with those of the suite itself, if the same code made both.
    """
    known = isinstance(checkpoints, str) and checkpoints in SUITES
    return recall_table(describe_plan(plan), checkpoints, folder) if known else []


def recall_table(asked: Mapping, name: str, folder: Path = RECORDED) -> list[Seed]:
    """As `recall`, of a suite by its name and what an executed page kept of a table (`Estimates`).

    Raises KeyError for another name.
    """
    suite = SUITES[name]
    (own, code), *others = (_recall(asked, name, folder) for name in (suite.name, *suite.seeds))
    found = [replace(seed, own=own if code == made else None) for seed, made in others]
    return [seed for seed in found if seed.readings or seed.estimates]


def _recall(asked: Mapping, name: str, folder: Path) -> tuple[Seed, set[tuple[str, ...]]]:
    """What every page with this plan kept for one seed, and the code that decided it."""
    readings, estimates, code = {}, {}, set()
    for path in sorted((folder / name).glob("*.ipynb")):
        for table in collect_outputs(path, ESTIMATES):
            if table["configurations"] == asked["configurations"]:
                estimates |= _read_rows(table)
                rows = [row for found in collect_outputs(path, READINGS) for row in found]
                readings |= {row["claim"]: _read([row["value"], row["error"]]) for row in rows}
                code.add(tuple(table["code"]))
    changed, order = bool(code - {tuple(asked["code"])}), name not in OWN
    return Seed(name, readings, estimates, changed, order=order), code


def _read_rows(table: dict) -> dict[str, dict[str, tuple[float, float]]]:
    """The rows that a table of `Estimates` keeps, by name, then by column."""
    columns, rows = table["columns"], table["rows"].items()
    return {name: dict(zip(columns, map(_read, pairs), strict=True)) for name, pairs in rows}


def _read(pair: Sequence[float | None]) -> tuple[float, float]:
    """A pair as written: a record has null where a number is not finite."""
    value, error = (nan if each is None else each for each in pair)
    return value, error


def collect_outputs(path: Path, key: str) -> list:
    """What the outputs of an executed page keep under a key of their metadata."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output["metadata"][key] for output in outputs if key in output.get("metadata", {})]
