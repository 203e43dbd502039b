"""The opening of a page: the question, the paper's answer and ours, what was run, what to take."""

from collections.abc import Sequence
from html import escape

from chips import chip

from kent.pages.evidence import format_statistic
from kent.paper import CLAIMS

FIRST = 4
"""Answers that stand before the figure; more would push it off the first screen."""
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


def answers(rows: Sequence[dict]) -> str:
    """A line per claim: its words, the paper's answer, ours with its interval, and the chip."""
    return '<ul class="answers">\n' + "\n".join(map(_answer, rows)) + "\n</ul>"


def _answer(row: dict) -> str:
    claim, found = CLAIMS[row["claim"]], row.get("seeds", row)
    here = format_statistic(claim, found["value"], found["error"])
    seeds = f", mean of {len(row['seeds']['values'])} seeds" if "seeds" in row else ""
    said = f"<em>paper:</em> {escape(claim.published)} · <em>here:</em> {escape(here + seeds)}"
    return f"<li><b>{escape(claim.statement)}</b> {said} · {chip(row['verdict'])}</li>"


def badge(runs: dict | None, has_parameters: bool) -> str:
    """What was run for this book; nothing where the page does not say."""
    if runs:
        date = f", {runs['date']}" if runs.get("date") else ""
        return f"built here: {runs['runs']:,} runs, {runs['seconds']:,.0f} s{date}"
    return "" if has_parameters else "no runs of its own"


def sources(name: str, said: str, kinds: Sequence[str]) -> str:
    """The line behind the figure: the badge, and links to the files of the page."""
    links = [f'<a href="../files/{name}.{kind}" download>{FILES[kind]}</a>' for kind in kinds]
    parts = [f'<span class="badge-runs">{escape(said)}</span>'] if said else []
    return f'<p class="sources">{" · ".join([*parts, *links])}</p>'
