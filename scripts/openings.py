"""The opening of a page: the question, the paper's answer and ours, what was run, what to take."""

from collections.abc import Sequence
from html import escape
from itertools import accumulate

from kent.pages.evidence import chip, format_statistic
from kent.paper import CLAIMS

LINES, WIDTH = 10, 60
"""Of answers before the figure, so that it stays on the first screen; in characters as shown."""
FILES = {
    "csv": "data (CSV)",
    "json": "verdicts (JSON)",
    "ipynb": "notebook (.ipynb)",
    "py": "source (.py)",
}


def title(words: str, label: str, verdicts: Sequence[str], level: int = 1) -> str:
    """Markdown of a page's title with its label, and the chip of its first verdict."""
    first = f'\n\n<p class="verdict">{_name(verdicts[0])}</p>' if verdicts else ""
    return f"({label})=\n{'#' * level} {words}{first}"


def _name(verdict: str) -> str:
    return chip(verdict).replace("<span ", f'<span data-verdict="{escape(verdict)}" ', 1)


def question(text: str) -> str:
    return f'<div class="question">\n\n{text}\n\n</div>'


def divide(rows: Sequence[dict]) -> tuple[list[dict], list[dict]]:
    """The answers that stand before the figure, at least one, and those behind it."""
    used = [*accumulate(_count_lines(row) for row in rows)]
    first = max(1, sum(lines <= LINES for lines in used))
    return [*rows[:first]], [*rows[first:]]


def _count_lines(row: dict) -> int:
    words = (CLAIMS[row["claim"]].statement, "".join(_say(row)))
    return sum(-(-len(each) // WIDTH) for each in words)


def answers(rows: Sequence[dict]) -> str:
    """A line per claim: its words, the paper's answer, ours with its interval, and the chip."""
    return '<ul class="answers">\n' + "\n".join(map(_answer, rows)) + "\n</ul>"


def _say(row: dict) -> tuple[str, str]:
    """The paper's answer to a claim, and ours."""
    claim, found = CLAIMS[row["claim"]], row.get("seeds", row)
    here = format_statistic(claim, found["value"], found["error"])
    pooled = row.get("seeds")
    seeds = f", mean of {len(pooled['values'])} {pooled['of']}" if pooled else ""
    ours = "here, net of the control" if "net of the control" in claim.statistic else "here"
    return f"paper: {claim.published}", f"{ours}: {here}{seeds}"


def _answer(row: dict) -> str:
    said = " · ".join(f"<span>{escape(each)}</span>" for each in _say(row))
    words = f"<b>{escape(CLAIMS[row['claim']].statement)}</b> {said}"
    return f"<li><div>{words}</div>{chip(row['verdict'])}</li>"


def badge(runs: dict | None, has_parameters: bool, recorded: bool = False) -> str:
    """What was run for this book, or elsewhere and when; nothing where the page does not say."""
    if not runs:
        return "recorded" if recorded else "" if has_parameters else "no runs of its own"
    days = dict.fromkeys(runs["date"].split(" to ")) if runs.get("date") else []
    number = f"{runs['runs']:,} run{'s' if runs['runs'] != 1 else ''}"
    said = [number, f"{runs['seconds']:,.0f} s", " to ".join(days)]
    if recorded:
        said += [runs.get("machine"), runs.get("commit") and f"commit {runs['commit']}"]
    return f"{'recorded' if recorded else 'built here'}: {', '.join(filter(None, said))}"


def sources(name: str, said: str, kinds: Sequence[str]) -> str:
    """The line behind the figure: the badge, and links to the files of the page."""
    links = [f'<a href="../files/{name}.{kind}" download>{FILES[kind]}</a>' for kind in kinds]
    parts = [f'<span class="badge-runs">{escape(said)}</span>'] if said else []
    return f'<p class="sources">{" ".join([*parts, *links])}</p>'
