"""Charts that a reader can explore, as JSON of what executed pages keep of their tables.

The numbers ("kent-estimates") are over seeds where the page's own are. book/data.md describes the
format, book/_static/live/curves.js draws it in place of the still figure, which is what stands
there on paper and without scripts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite, log, nan

import pandas as pd
from cells import hold, source_of, tags_of
from chart_rows import BY_GAP, BY_READ, CHARTED, PANELS, STILL, Row, find_row

from kent.models.suites import OWN, SUITES
from kent.pages.axes import STEP
from kent.pages.histories import PAPER, READ
from kent.pages.measures import GAP, HEADINGS
from kent.pages.seeds import ESTIMATES, RECORDED, Seed, collect_outputs, pool_table
from kent.pages.summaries import NET
from kent.paper import AXES, ENTROPIES, STAGES, TABLES

FORMAT = "kent curves 1"
FIGURES = {"fig06_other_architecture": ("figure 2", "figure 6")}
"""Of kent.paper.AXES: whose published ranges a page shows; figure 2's where none is named."""
BY_LAYER = "ln m − H by layer (nats)"
OFF = {HEADINGS[measure]: measure for measure in ENTROPIES}
"""Panels of what was read off figure 3."""
LINES = {NET: "A", "F (%)": "F", "P after (%)": "P"}
"""Kinds of rows that tables 1 and 2 have by stage."""
GATED = {"Olmo": True, "GPTNeoX": False}
"""By what rows call an architecture."""
PLACES = 3
"""Fewest checkpoints that make a curve."""


@dataclass(frozen=True)
class Table:
    """What an executed page keeps of a table: its columns that are numbers, over seeds.

    `basis` says what its intervals are, `seeds` are those that it is a mean of, beside its own.
    """

    rows: pd.DataFrame
    basis: str
    seeds: Sequence[Seed]
    suite: str

    @property
    def places(self) -> list[int]:
        return [*map(int, self.rows.columns)]


def describe(name: str, cells: list[dict]) -> dict | None:
    """The chart of an executed page, called `name` in the book; None where it has none."""
    base = next((each for each in (*CHARTED, *STILL) if name.endswith(each)), None)
    tables = [table for table in _read_tables(cells) if len(table.places) >= PLACES]
    found = [pair for table in tables for pair in _draw(base, table)] if base else []
    if not found:
        return None
    order = [panel.name for panel in PANELS]
    order = [GAP, *order] if base in BY_GAP else order
    found.sort(key=lambda pair: (pair[0].minus, order.index(pair[0].panel.name)))
    low, high = map(_round, PAPER)
    along = READ if base in BY_READ else STEP
    about = {"format": FORMAT, "still": base in STILL, "along": along}
    about |= {"stages": {"name": "read by the paper's stages", "low": low, "high": high}}
    return about | {"panels": _join([panel for _, panel in found])}


def _join(panels: Sequence[dict]) -> list[dict]:
    """Panels of several tables, those alike in one."""
    joined = {}
    for panel in panels:
        key = str((panel["name"], panel["axis"], panel["places"], panel["basis"]))
        kept = joined.setdefault(key, panel)
        if kept is not panel:
            kept["series"] += panel["series"]
            kept["published"] = [*_unique([*kept["published"], *panel["published"]])]
    return [*joined.values()]


def write(described: dict) -> str:
    """The HTML that the book's scripts draw in; nothing is shown without them."""
    return f'<div class="curves">{hold(described)}</div>'


def _read_tables(cells: list[dict]) -> Iterator[Table]:
    suite = read_suite(cells)
    for output in (each for cell in cells for each in cell.get("outputs", [])):
        if kept := output.get("metadata", {}).get(ESTIMATES):
            said = "".join(re.findall("\\A<p>(.+?):?</p>", "".join(output["data"]["text/html"])))
            pooled = said.startswith("Means")
            seeds = _recall(suite).get(str(kept["configurations"]), []) if pooled else []
            rows = pd.DataFrame.from_dict(_key(kept), orient="index")
            rows = rows[[column for column in rows if column.isdecimal()]]
            yield Table(rows, said, seeds, suite)


def read_suite(cells: list[dict]) -> str:
    """The suite that a page ran on: the last that its parameters name."""
    parameters = {"parameters", "injected-parameters"}
    texts = [source_of(cell) for cell in cells if tags_of(cell) & parameters]
    named = [each for text in texts for each in re.findall(r"(?m)^checkpoints = .(.+).$", text)]
    return named[-1] if named else ""


@cache
def _recall(suite: str) -> dict[str, list[Seed]]:
    """What was recorded of a suite's other seeds, by the configurations of the runs."""
    found = {}
    for name in SUITES[suite].seeds if suite in SUITES else ():
        estimates = {}
        for path in sorted((RECORDED / name).glob("*.ipynb")):
            for kept in collect_outputs(path, ESTIMATES):
                estimates.setdefault(str(kept["configurations"]), {}).update(_key(kept))
        for key, rows in estimates.items():
            found.setdefault(key, []).append(Seed(name, {}, rows, False))
    return found


def _key(kept: Mapping) -> dict[str, dict[str, tuple[float, float]]]:
    """What a page keeps of a table, by row and column; a record has null where no number is."""
    rows = {
        name: [tuple(nan if each is None else float(each) for each in pair) for pair in pairs]
        for name, pairs in kept["rows"].items()
    }
    return {name: dict(zip(kept["columns"], each, strict=True)) for name, each in rows.items()}


def _draw(base: str, table: Table) -> Iterator[tuple[Row, dict]]:
    """The panels of a table, each with the first of its rows."""
    drawn = [(row, name) for name in table.rows.index if (row := find_row(name))]
    for title in dict.fromkeys(row.title for row, _ in drawn):
        rows = [pair for pair in drawn if pair[0].title == title]
        rows.sort(key=lambda pair: _rank(pair[0]))
        alone = len({row.prefix for row, _ in rows}) == 1
        first = rows[0][0]
        series = [
            _follow(table, row, name) | {"shown": alone or row.kind == first.kind}
            for row, name in rows
        ]
        published = [each for row, _ in rows for each in _publish(base, row, table)]
        about = {"name": title, "axis": first.axis, "log": first.panel.log and not first.minus}
        about |= {"places": table.places, "basis": table.basis, "series": series}
        yield first, about | {"published": [*_unique(published)]}


def _rank(row: Row) -> tuple:
    """The order of lines: by kind, then as rows are called, numbers in their own order."""
    kinds = row.panel.kinds
    numbers = [(not part.isdecimal(), part.zfill(9)) for part in re.split(r"(\d+)", row.prefix)]
    return kinds.index(row.kind) if kinds else 0, numbers


def _follow(table: Table, row: Row, name: str) -> dict:
    """A line: its values with their errors, null where there is none, and each seed's values."""
    pairs = pool_table(table.rows.loc[[name]], table.seeds).loc[name]
    columns = [*table.rows]
    kept = [seed.list_values(name, columns) for seed in table.seeds]
    own = [value for value, _ in table.rows.loc[name]]
    seeds = [[*map(_round, values)] for values in (own, *filter(None, kept))] if any(kept) else []
    rate = _count_tokens(table.suite, row.prefix) if row.axis == STEP else None
    values = [[_round(value), _round(error)] if isfinite(value) else None for value, error in pairs]
    return {"name": row.label, "row": name, "per_step": rate, "values": values, "seeds": seeds}


def _count_tokens(suite: str, prefix: str) -> float | None:
    """Tokens per parameter that a step reads; None where the suite is not pretrained here."""
    if suite not in OWN:
        return None
    other = prefix in GATED and GATED[prefix] != SUITES[suite].gated
    name = SUITES[suite].other_architecture if other else suite
    return _round(OWN[name].batch * OWN[name].length / SUITES[name].parameters)


def _publish(base: str, row: Row, table: Table) -> Iterator[dict]:
    """What the paper shows on a row's axes: a range, or a value for each of its stages."""
    panel = row.panel.name
    figures = {GAP: FIGURES.get(base, ("figure 2",)), BY_LAYER: ("figure 8",)}.get(panel, ())
    for figure in figures:
        for model, (low, high, layers, neurons) in AXES[figure].items():
            ends = (log(neurons) - high / layers, log(neurons) - low / layers)
            yield _name_range(f"paper: {model} ({figure.replace('figure', 'fig.')})", ends)
    if panel in OFF:
        yield _name_range("paper: OLMo-1B (fig. 3)", sorted(ENTROPIES[OFF[panel]]))
    setting = TABLES.get(row.prefix or "baseline")
    if row.kind in LINES and setting and not row.minus and len(table.places) == len(STAGES):
        values = [*getattr(setting, LINES[row.kind]).values()]
        said = f"paper: {row.prefix or 'OLMo-1B'} ({LINES[row.kind]})"
        yield {"name": said, "values": values, "of": row.label}


def _name_range(name: str, ends: Sequence[float]) -> dict:
    return {"name": name, "low": _round(ends[0]), "high": _round(ends[1])}


def _unique(published: Sequence[dict]) -> Iterator[dict]:
    """Each name once."""
    return iter({each["name"]: each for each in published}.values())


def _round(value: float) -> float | None:
    """Nine digits; null for what is no number."""
    return float(f"{value:.9g}") if isfinite(value) else None
