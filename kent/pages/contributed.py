"""Records of measured checkpoints (`kent.measure.contributions`) beside a page's own and the paper.

A curve is the records of one model on one text. In the book it is drawn by book/_static/live/,
with what a reader drops there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import pandas as pd

from kent.measure import contributions
from kent.measure.profiles import Profile
from kent.models.places import count_tokens
from kent.models.suites import SUITES
from kent.pages import live
from kent.pages.histories import PAPER
from kent.pages.measures import HEADINGS
from kent.pages.seeds import format_interval
from kent.paper import find_gaps
from kent.records import PACKAGE
from kent.runs.picture_plans import name_suites

FORMAT = "kent compare 1"
FOLDER = PACKAGE.parent / "results" / "contributed"
"""Records that came by pull request, and the book's own of models that its pages do not measure."""
SHARED = ("gap", "loss", "token")
"""Measures that models of other sizes share, of which the page's other charts draw a reader's."""
Record = dict
Curves = Mapping[str, Sequence[Record]]
"""Records by the name of their curve, in the order of pretraining."""


def make_records(name: str, profiles: Sequence[Profile]) -> list[Record]:
    """The records of a page's own profiles; the size of a model is that of its suite, if any."""
    records = []
    for each in profiles:
        revision = each.provenance["revision"]
        found = (x for x in SUITES.values() if revision["repository"] in (x.name, x.repository))
        size = next((suite.parameters for suite in found), None)
        about = {"parameters": size, "tokens": count_tokens(revision)}
        records.append(contributions.make(each, name=name, **about))
    return records


def read_kept() -> list[Record]:
    """The records under results/contributed; none where a notebook runs without the repository."""
    return contributions.read(FOLDER) if any(FOLDER.glob("*.json")) else []


def read_given(given: str | Sequence[str]) -> list[Record]:
    """The records of a page's parameter: a file or folder, or several. Raises as `read` does."""
    sources = [given] if isinstance(given, str) else given
    return [record for source in filter(None, sources) for record in contributions.read(source)]


def collect(
    checkpoints: str | Sequence[str], profiles: Sequence[Profile], given: str | Sequence[str] = ""
) -> dict[str, list[Record]]:
    """The curves of a page: its own model, those kept in the repository, and the `given` files.

    A kept model that has the name of the page's own is left out.
    """
    names = [checkpoints] if isinstance(checkpoints, str) else checkpoints
    name = ", ".join(name_suites([Path(each).name for each in names]))
    kept = [each for each in read_kept() if each["model"]["name"] != name]
    return group([*make_records(name, profiles), *kept, *read_given(given)])


def group(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records as curves; one is named by its model, by its text too where a model has several."""
    groups: dict[tuple, list[Record]] = {}
    for each in records:
        text = tuple(each["text"][key] for key in ("name", "sha256", "length"))
        known = groups.setdefault((each["model"]["name"], *text), [])
        known += [each] if each not in known else []
    names = [name for name, *_ in groups]
    return {
        name_curve(*key, alone=names.count(key[0]) == 1): sorted(listed, key=_find_order)
        for key, listed in groups.items()
    }


def name_curve(name: str, text: str, sha256: str, length: int, *, alone: bool) -> str:
    """What a curve is called.

    >>> name_curve("mine", "world", "ea0e8bf765", 128, alone=False)
    'mine (world ea0e8b, 128 tokens)'
    """
    return name if alone else f"{name} ({text} {sha256[:6]}, {length:,} tokens)"


def _find_order(record: Record) -> tuple[float | int, float | int]:
    """By tokens, then by steps; what is not known is last."""
    places = record["model"]["tokens"], record["model"]["step"]
    return tuple(float("inf") if each is None else each for each in places)


def find_place(record: Record) -> float | None:
    """Tokens per parameter that a checkpoint had read; None where they are not known."""
    tokens, size = record["model"]["tokens"], record["model"]["parameters"]
    return tokens / size if tokens is not None and size else None


def find_bound(record: Record) -> float:
    """The largest knowledge entropy that the layers can have, in nats."""
    return sum(map(log, record["model"]["neurons"]))


def measure_gap(record: Record) -> tuple[float, float]:
    """Distance of knowledge entropy to its bound, mean of layers, and its error (NaN), in nats."""
    layers, entropy = len(record["model"]["neurons"]), record["knowledge_entropy"]
    error = entropy["standard_error"]
    gap = (find_bound(record) - entropy["value"]) / layers
    return gap, float("nan") if error is None else error / layers


def tabulate_records(curves: Curves) -> pd.DataFrame:
    """A row per record, in words: which model, where in its pretraining, what was measured."""
    return pd.DataFrame(
        [_describe(name, each) for name, records in curves.items() for each in records]
    )


def sum_up(curves: Curves) -> str:
    """A sentence: how many records of which models, measured when; which is the least even."""
    records = [each for listed in curves.values() for each in listed]
    dates = sorted(each["provenance"]["date"][:10] for each in records)
    last = {name: measure_gap(listed[-1]) for name, listed in curves.items()}
    least = max(last, key=lambda name: last[name][0])
    span = " to ".join(dict.fromkeys([dates[0], dates[-1]]))
    said = f"{len(records)} records of {len(curves)} models, measured {span}: {', '.join(curves)}."
    gap = f"{format_interval(*last[least])} nats below its bound per layer"
    return f"{said} The least even at its last checkpoint is {least}, {gap}."


def _describe(name: str, record: Record) -> dict[str, str]:
    model, text, made = record["model"], record["text"], record["provenance"]
    place, entropy = find_place(record), record["knowledge_entropy"]["value"]
    return {
        "model": name,
        "step": "" if model["step"] is None else f"{model['step']:,}",
        "tokens per parameter": "" if place is None else f"{place:,.4g}",
        "text": f"{text['name']}, {text['sequences']:,} × {text['length']:,}",
        "H (nats)": f"{entropy:.4f}",
        "share of ln m": f"{entropy / find_bound(record):.2%}",
        "ln m − H, mean of layers (nats)": format_interval(*measure_gap(record)),
        "dtype": made["dtype"],
        "measured": f"{made['date'][:10]}, kent {made['commit']}",
    }


@dataclass(frozen=True)
class Picture:
    """Curves that a reader may add records to; where scripts do not run, `drawn` stands there.

    `drawn` is the same as an SVG.
    """

    curves: Curves
    drawn: str

    def describe(self) -> dict:
        """What the page holds: curves, the paper's ranges, and the schema of what may be added."""
        curves = [
            {"name": name, "records": [*map(_shorten, listed)]}
            for name, listed in self.curves.items()
        ]
        said = {"format": FORMAT, "kind": "compare", "schema": contributions.load_schema()}
        said |= {"published": find_gaps("figure 2"), "read": PAPER}
        return said | {"rows": {name: HEADINGS[name] for name in SHARED}, "curves": curves}

    def _repr_mimebundle_(self, **_: object) -> dict:
        picture = live.stand_in(live.write(self.describe()), self.drawn)
        return {"text/plain": "Curves of several models.", "text/html": picture}


def _shorten(record: Record) -> Record:
    """What is drawn of a record."""
    kept = {key: record[key] for key in ("model", "text", "knowledge_entropy")}
    model = {key: each for key, each in record["model"].items() if key != "architecture"}
    return kept | {"model": model}
