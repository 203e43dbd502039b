"""The scorecard: every claim in a line, how many could be judged, the numbers to download."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from math import nan
from pathlib import Path

import pandas as pd

from kent.models.suites import SEEDS, SUITES
from kent.pages.correlations import find_ends
from kent.pages.evidence import ONE_MODEL, SLUGS, chip, format_statistic, name_slug
from kent.pages.plots.claims import draw_claim
from kent.pages.seeds import (
    ESTIMATES,
    READINGS,
    RECORDED,
    collect_outputs,
    format_interval,
    pool_seeds,
    recall_table,
)
from kent.paper import CLAIMS

JUDGED = ("agrees", "disagrees at this scale", "too small to tell")
"""The verdicts that count: what was measured could have decided the claim."""


def list_recorded(folder: Path = RECORDED) -> list[Path]:
    """The pages recorded of other models than the small one, which the book shows.

    What was recorded of a suite's other seeds shows in that suite's own pages.
    """
    paths = sorted(folder.glob("*/*.ipynb"))
    return [path for path in paths if path.parent.name not in SEEDS | {"tiny"}]


def list_pages(built: Path, recorded: Path = RECORDED) -> list[Path]:
    """Executed pages, a folder per suite in each folder: built here, then recorded; no seeds'."""
    here = [path for path in sorted(built.glob("*/*.ipynb")) if path.parent.name not in SEEDS]
    return [*here, *list_recorded(recorded)]


def find_page(built: Path, name: str) -> Path:
    """A page of the book: built here, or as it is kept to be shown where it did not run."""
    here = built / "tiny" / f"{name}.ipynb"
    return here if here.exists() else RECORDED.parent / "book" / here.name


def collect_readings(paths: Iterable[Path]) -> list[dict]:
    """Every row of the verdicts in executed pages, each in the folder of its suite.

    Beside what `kent.pages.evidence.Verdicts.list_rows` says: `suite` and `page`.
    """
    return [
        {**row, "suite": path.parent.name, "page": path.stem}
        for path in paths
        for reading in collect_outputs(path, READINGS)
        for row in reading
    ]


def line_up(readings: Sequence[dict], first: str = "tiny") -> list[dict]:
    """What was found for every claim, in the paper's order; "not run" on the first suite otherwise.

    The other suites add a line where they have something to say.
    """
    found = {(row["claim"], row["suite"]): row for row in readings}
    suites = [*dict.fromkeys([first, *(row["suite"] for row in readings)])]
    lines = []
    for claim in CLAIMS:
        missing = {"claim": claim, "suite": suites[0], "verdict": "not run"}
        lines.append(found.get((claim, suites[0]), missing))
        lines += [found[claim, suite] for suite in suites[1:] if (claim, suite) in found]
    return lines


def flatten(line: dict) -> dict:
    """A line as one row of plain values: the claim, its statistic with its interval, the verdict.

    `value`, `low` and `high` are of the seeds together where there are any, `within` is the
    standard error within the first seed.
    """
    claim, pooled = CLAIMS[line["claim"]], line.get("seeds", line)
    value, error = pooled.get("value", nan), pooled.get("error", nan)
    plain = (value - 2 * error, value + 2 * error)
    low, high = find_ends(value, error) if claim.unit == "r" else plain
    each = pooled.get("values", [value] if "value" in line else [])
    kept = {"claim": claim.key, "statement": claim.statement, "suite": line["suite"]}
    kept |= {"verdict": line["verdict"], "value": value, "low": low, "high": high}
    kept |= {"unit": claim.unit, "sign in the paper": claim.sign, "published": claim.published}
    kept |= {"seeds": [*each], "within": line.get("error", nan), "statistic": claim.statistic}
    kept |= {"setting": claim.setting, "source": claim.source, "page": claim.page}
    return kept | {"model": line.get("model", ""), "text": line.get("text", "")}


def count_verdicts(lines: Sequence[dict]) -> str:
    """How many claims could be judged and how, and why the rest was not: two sentences."""
    counts = _count(lines)
    number = sum(counts[word] for word in JUDGED)
    said = f"Of {len(lines)} claims, **{number} could be judged**"
    judged = ", ".join(f"{counts[word]} *{word}*" for word in JUDGED if counts[word])
    rest = ", ".join(f"{counts[word]} *{word}*" for word in counts if word not in JUDGED)
    return said + f": {judged}" * bool(judged) + "." + f" Not counted: {rest}." * bool(rest)


def count_by_suite(lines: Sequence[dict]) -> dict[str, str]:
    """By suite what `count_verdicts` says of its lines, with the model's name but for the small."""
    by_suite = {}
    for line in lines:
        by_suite.setdefault(line["suite"], []).append(line)
    said = {suite: count_verdicts(each) for suite, each in by_suite.items()}
    return {
        suite: each if suite == "tiny" else f"{describe_model(suite)}: {each[0].lower()}{each[1:]}"
        for suite, each in said.items()
    }


def _count(lines: Sequence[dict]) -> dict[str, int]:
    """Number of lines by verdict, in the order of `SLUGS`; 0 is said of those that count only."""
    found = Counter(line["verdict"].removesuffix(ONE_MODEL) for line in lines)
    return {word: found[word] for word in SLUGS if found[word] or word in JUDGED}


def offer_filter(lines: Sequence[dict]) -> str:
    """Radio buttons, all claims or those of one verdict; the book's style makes them work."""
    choices = {"all": f"all {len(lines)}"}
    for word, number in _count(lines).items():
        if number:
            choices[name_slug(word)] = f"{chip(word)} {number}"
    buttons = [
        f'<label><input type="radio" name="verdict" id="show-{slug}"{" checked" * (slug == "all")}>'
        f" {said}</label>"
        for slug, said in choices.items()
    ]
    return f'<fieldset class="verdicts"><legend>Show</legend>{"".join(buttons)}</fieldset>'


def list_claims(lines: Sequence[dict]) -> str:
    """Markdown list with a line per claim: chip, statement and link, drawing, number, details."""
    return "\n".join(['<ul class="scorecard">', *map(_write_line, lines), "</ul>"])


def _write_line(line: dict) -> str:
    claim, row, number = CLAIMS[line["claim"]], flatten(line), format_number(line)
    said = f"{number}; the paper's side is {'above' if claim.sign > 0 else 'below'} zero"
    drawn = draw_claim(row["value"], (row["low"], row["high"]), claim.sign, row["seeds"], said)
    linked = f"[{claim.statement}]({_find_page(line)})" if claim.page else claim.statement
    linked += f" (on {name_model(line['suite'])})" * (line["suite"] != "tiny")
    opened = f'<li class="is-{name_slug(line["verdict"])}" id="claim-{claim.key}">'
    parts = [opened + chip(line["verdict"]) + '<div class="claim">', linked]
    parts += [f'{_describe(row)}</div>{drawn}<span class="number">{number}</span></li>']
    return "\n\n".join(parts)


def name_model(suite: str) -> str:
    """What readers call the model of a suite."""
    return SUITES[suite].title or suite


def describe_model(suite: str) -> str:
    """The name of a suite's model, with what sets it apart from the paper's."""
    differs = SUITES[suite].differs
    return name_model(suite) + f" ({differs})" * bool(differs)


def _find_page(line: dict) -> str:
    """The notebook that a line leads to: where it is recorded its record, shown in the book too."""
    name = f"{CLAIMS[line['claim']].page}.ipynb"
    recorded = line["suite"] != "tiny" and (RECORDED / line["suite"] / name).exists()
    return f"../results/pages/{line['suite']}/{name}" if recorded else name


def format_number(line: dict) -> str:
    """The statistic of a line with its interval and unit, of the seeds together where there are."""
    found = line.get("seeds", line)
    if "value" not in found:
        return "–"
    return format_statistic(CLAIMS[line["claim"]], found["value"], found["error"])


def _describe(row: dict) -> str:
    """The rest of a line, folded under its source."""
    each = ", ".join(f"{value:+.3g}".replace("-", "−") for value in row["seeds"])
    said = {"statistic": row["statistic"], "published": row["published"], "setting": row["setting"]}
    said |= {"seeds": each, "model": row["model"], "text": row["text"]}
    listed = [f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in said.items() if text]
    return f"<details><summary>{row['source']}</summary><dl>{''.join(listed)}</dl></details>"


def offer_files(lines: Sequence[dict], name: str = "claims") -> str:
    """Links that hold the lines as CSV and as JSON: nothing is fetched to save them."""
    table = pd.DataFrame([flatten(line) for line in lines])
    joined = table.assign(seeds=[";".join(map(repr, each)) for each in table["seeds"]])
    texts = {
        "csv": ("text/csv", joined.to_csv(index=False)),
        "json": ("application/json", table.to_json(orient="records", force_ascii=False, indent=1)),
    }
    links = [
        f'<a download="{name}.{ending}" href="data:{kind};charset=utf-8;base64,'
        f'{b64encode(text.encode()).decode()}">{ending.upper()}</a>'
        for ending, (kind, text) in texts.items()
    ]
    return f"<p>Download these lines: {', '.join(links)}</p>"


def recall_estimate(page: Path | None, row: str, column: str, folder: Path = RECORDED) -> str:
    """A number of an executed page's table with its interval; "not run" without the page.

    Over the seeds that the `folder` has of the suite, whose name is that of the page's folder.
    Raises `ValueError` where the page has no such row or column.
    """
    if page is None or not page.exists():
        return "not run"
    for table in collect_outputs(page, ESTIMATES):
        if row in table["rows"] and column in table["columns"]:
            own = tuple(table["rows"][row][table["columns"].index(column)])
            suite = page.parent.name
            recorded = recall_table(table, suite, folder) if suite in SUITES else []
            found = [seed.list_values(row, [column]) for seed in recorded]
            others = [value for (value,) in filter(None, found)]
            return format_interval(*pool_seeds(own, others, recorded), "+")
    raise ValueError(f"{page.name} has no number for {row!r} and {column!r}")
