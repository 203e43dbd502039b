"""Claims against evidence: what a page measured for a claim and keeps; the scorecard reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import isnan

from kent.measure.profiles import Profile
from kent.pages.axes import label_checkpoints, locate
from kent.pages.correlations import format_correlation, pool_correlations
from kent.pages.gates import BY_CONSTRUCTION, FLOOR, NO_FALL, NOT_ACQUIRED, ONE_POINT
from kent.pages.seeds import (
    CHANGED,
    READINGS,
    Seed,
    format_interval,
    key_numbers,
    list_outdated,
    name_seeds,
    pool_seeds,
)
from kent.paper import CLAIMS, Claim, is_effect
from kent.runs.execution import Result
from kent.runs.plans import pick_stages

ONE_SEED, ONE_MODEL = "one seed (no verdict)", " (one model)"
"""Of a suite whose other seeds were not recorded; behind a verdict on a model that has none."""
SLUGS = {
    "agrees": "agrees",
    "disagrees at this scale": "disagrees",
    "too small to tell": "small",
    FLOOR: "floor",
    NO_FALL: "nofall",
    NOT_ACQUIRED: "noacquisition",
    ONE_POINT: "onepoint",
    BY_CONSTRUCTION: "construction",
    ONE_SEED: "oneseed",
    "no value": "novalue",
    "not run": "notrun",
}
"""A short name for every verdict, and for none: what its chip and its line are styled by."""
UNEVEN = ("Gini", "top 1 % share", "top 10 % share", "dormant fraction")
"""Measures of concentration that grow as coefficients grow more uneven; the others fall."""


def pick_results(results: Sequence[Result]) -> dict[str, Result]:
    """For each stage of the paper (`kent.paper.STAGES`) the result of the nearest checkpoint."""
    stages = pick_stages(locate(label_checkpoints(results)))
    return {stage: results[index] for stage, index in stages.items()}


def measure_change(profiles: Sequence[Profile], measure: str = "knowledge") -> tuple[float, float]:
    """Change of a measure from 16 % of the run to its end, and its standard error.

    16 % is the paper's earliest stage. Measures as for `kent.Profile.estimate`.
    """
    stages = pick_results(profiles)
    return stages["738k"].change_since(stages["118k"], measure)


def compare_last_layer(late: Profile, early: Profile) -> tuple[float, float]:
    """Change of the last layer's knowledge entropy minus the others' mean, and its standard error.

    In nats; both are 0 for a model of one layer.
    """
    others = len(late.coefficients) - 1
    # one weighted sum over layers, so that the error knows how their entropies go together
    return late.change_since(early, weights=[-1 / others] * others + [1]) if others else (0.0, 0.0)


@dataclass(frozen=True)
class Verdicts:
    """A page's reading: by claim the published value, the one measured here, and the verdict.

    `measured` holds (value, standard error) by claim. Seeds of pretraining differ more than an
    interval within one says, so the verdict is that of the `seeds` recorded and this one together:
    without them there is none, but for a model that has no other seeds (`one_model`), only orders
    in which it may learn. `gates` name by claim the precondition that is not met, which then stands
    in the verdict's place. Shown as a table; the page keeps the numbers.
    """

    measured: Mapping[str, tuple[float, float]]
    model: str
    text: str
    seeds: Sequence[Seed] = ()
    gates: Mapping[str, str] = field(default_factory=dict)
    one_model: bool = False

    def list_rows(self) -> list[dict]:
        """What was found for each claim, as JSON-able rows."""
        about, rows = {"model": self.model, "text": self.text}, []
        for key, (value, error) in self.measured.items():
            row = {"claim": key, "value": value, "error": error, **about, **self._pool(key)}
            rows.append(row | {"verdict": self._judge(row)})
        return rows

    def _pool(self, key: str) -> dict:
        """Mean of a claim's statistic over this seed and the recorded ones."""
        others = [seed.readings[key][0] for seed in self.seeds if key in seed.readings]
        own, claim = self.measured[key], CLAIMS[key]
        # nothing of a run that was stopped, nor of a checkpoint beside itself
        if not others or isnan(own[0]) or claim.judge(*own) == "no value":
            return {}
        values = [own[0], *others]
        if claim.unit == "r":
            mean, error = pool_correlations(values)
        else:
            mean, error = pool_seeds(own, others, self.seeds)
        of = name_seeds(self.seeds)
        return {"seeds": {"values": values, "value": mean, "error": error, "of": of}}

    def _judge(self, row: dict) -> str:
        """The verdict on what was found for a claim, or why there is none."""
        claim, found = CLAIMS[row["claim"]], row.get("seeds", row)
        verdict = claim.judge(found["value"], found["error"])
        if verdict == "no value":
            return verdict
        if row["claim"] in self.gates:
            return self.gates[row["claim"]]
        if self.one_model:
            return verdict + ONE_MODEL
        return verdict if "seeds" in row else ONE_SEED

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        rows = self.list_rows()
        outdated = list_outdated(self.seeds, key_numbers(self.measured, {}))
        tables = [_tabulate(CLAIMS[row["claim"]], row, outdated) for row in rows]
        return {"text/markdown": "\n\n".join(tables)}, {READINGS: rows}


def _tabulate(claim: Claim, found: dict, outdated: Sequence[str]) -> str:
    rows = {
        "claim": f"{claim.statement} ({claim.source})",
        "statistic": claim.statistic,
        "published": f"{claim.published}; {claim.setting}",
        "measured here": format_statistic(claim, found["value"], found["error"]),
    }
    if seeds := found.get("seeds"):
        rows |= {f"mean of {len(seeds['values'])} {seeds['of']}": format_seeds(claim, seeds)}
    rows |= {"verdict": f"**{found['verdict']}**"}
    if seeds and outdated:
        rows |= {"note": CHANGED + ", ".join(outdated)}
    return _table(["", ""], list(rows.items()))


def format_seeds(claim: Claim, seeds: dict) -> str:
    """The mean over seeds with its interval, and each seed's value."""
    each = ", ".join(f"{value:+.3g}".replace("-", "−") for value in seeds["values"])
    return f"{format_statistic(claim, seeds['value'], seeds['error'])} (each: {each})"


def format_statistic(claim: Claim, value: float, error: float) -> str:
    """A claim's statistic with two standard errors and its unit; correlations have an interval.

    A dash where there is no value (`Claim.judge`).
    """
    if claim.judge(value, error) == "no value":
        return "–"
    if claim.unit == "r":
        return format_correlation(value, error)
    return f"{format_interval(value, error, '+')} {claim.unit}".rstrip()


def name_slug(verdict: str) -> str:
    """The short name of a verdict, of one model or of several seeds; ValueError for another."""
    words = verdict.removesuffix(ONE_MODEL)
    if words not in SLUGS:
        raise ValueError(f"{verdict!r} is no verdict; known: {', '.join(SLUGS)}")
    return SLUGS[words]


def chip(verdict: str) -> str:
    """A verdict as a small label: a piece of HTML with a class of its own, for a page's style."""
    return f'<span class="chip chip-{name_slug(verdict)}">{escape(verdict)}</span>'


def name_direction(measure: str, change: float, error: float) -> str:
    """Whether a change beyond two standard errors makes coefficients more even or more uneven."""
    if not is_effect(change, error):
        return "too small to tell"
    return "more even" if (change > 0) != (measure in UNEVEN) else "more uneven"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in cells] for cells in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)
