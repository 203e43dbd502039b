"""Pages that ask for a prediction before their answers, figure and sections open; its tally.

Which pages ask, and what, is said here alone. What a reader picks stays in the reader's browser:
book/_static/predict. Without scripts the question is the summary of what it folds away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from cells import collect, heading_of, hold, make_text

from kent.pages.evidence import ONE_MODEL, format_statistic
from kent.paper import CLAIMS

SCORECARD, ENTRY = "scorecard", "Every claim"
"""The page that has the tally, and the section of it that the tally stands before."""
SIDES = {"agrees": 1, "disagrees at this scale": -1}
"""The verdicts that say on which side of zero a claim's statistic is: the paper's, or the other."""
CLOSING = "</details>"


@dataclass(frozen=True)
class Question:
    """A claim whose direction is asked for; the words for below zero, zero and above."""

    claim: str
    text: str
    options: tuple[str, str, str] = ("falls", "stays", "rises")


AMOUNTS = ("less", "as much", "more")
ASKED = {
    "fig02_knowledge_entropy": Question(
        "fig02", "From 16 % of pretraining to its end: does knowledge entropy fall, stay or rise?"
    ),
    "fig03_other_entropies": Question(
        "fig03-attention",
        "From 16 % of pretraining to its end: does attention entropy fall, stay or rise?",
    ),
    "appendix_a1_gradients": Question(
        "a1-update",
        "The larger the coefficient of a memory vector: is the update that AdamW makes of the "
        "vector smaller, the same or larger?",
        ("smaller", "the same", "larger"),
    ),
    "fig04_acquisition_and_forgetting": Question(
        "fig04-acquisition",
        "Does a model from the end of pretraining acquire less new knowledge than one from an "
        "early stage, as much, or more?",
        AMOUNTS,
    ),
    "fig11_once_and_paraphrased": Question(
        "fig11",
        "Of facts injected ten times in paraphrases: does the model acquire less than of facts "
        "injected once, as much, or more?",
        AMOUNTS,
    ),
    "fig05_resuscitation": Question(
        "fig05",
        "With the inactive half of its memory vectors resuscitated (q = 2): does the final model "
        "acquire less than unchanged, as much, or more?",
        AMOUNTS,
    ),
}
"""By page, in the book's order."""


def describe(name: str, title: str, rows: Sequence[dict]) -> dict | None:
    """What a page asks and what is said then, as its scripts read it; None where it asks nothing.

    `paper` and `here` are -1 or 1; `here` is null where the verdict on what was measured is neither
    that it agrees nor that it disagrees. `rows` are those of the page's verdicts.
    """
    asked = ASKED.get(name)
    row = next((row for row in rows if asked and row["claim"] == asked.claim), None)
    if row is None:
        return None
    sign, side = CLAIMS[asked.claim].sign, SIDES.get(row["verdict"].removesuffix(ONE_MODEL))
    here = side and side * sign
    found = f"this book measured {_say(row, here and asked.options[here + 1])}"
    said = f"the paper says “{asked.options[sign + 1]}”, and {found}"
    about = {"page": name, "title": title, "question": asked.text, "options": [*asked.options]}
    return about | {"paper": sign, "here": here, "verdict": row["verdict"], "said": said}


def _say(row: dict, option: str | None) -> str:
    """What was measured, with its verdict."""
    found = row.get("seeds", row)
    number = format_statistic(CLAIMS[row["claim"]], found["value"], found["error"])
    if option:
        return f"“{option}” ({number}: {row['verdict']})."
    return f"{number}: {row['verdict']}, so by that no pick is right or wrong."


def fold(described: dict) -> str:
    """The HTML that opens what a page shows later, which ends with `CLOSING`."""
    summary = f"<summary>{escape(described['question'])}</summary>"
    return f'<details class="predict">\n{summary}\n{hold(described)}'


def add_tally(cells: list[dict], executed: Mapping[str, dict]) -> list[dict]:
    """The scorecard's cells with what a reader predicted on the `executed` pages, by name."""
    asked = [describe(name, *_read(executed[name])) for name in ASKED if name in executed]
    if not (asked := [each for each in asked if each]):
        return cells
    place = next((at for at, cell in enumerate(cells) if heading_of(cell) == ENTRY), len(cells))
    return [*cells[:place], make_text(_tally(asked)), *cells[place:]]


def _read(page: dict) -> tuple[str, list[dict]]:
    """The title of an executed page, up to its colon, and the rows of its verdicts."""
    title = "".join(page["cells"][0]["source"]).splitlines()[0].lstrip("# ").split(": ")[0]
    return title, [row for rows in collect(page["cells"], "kent") for row in rows]


def _tally(asked: Sequence[dict]) -> str:
    """Markdown: which pages ask, and the place where scripts count what was picked."""
    links = ", ".join(f"[{each['title']}]({each['page']}.ipynb)" for each in asked)
    said = f"Some pages ask what you expect before they show what was found: {links}."
    return f'## Your predictions\n\n{said}\n\n<div class="tally">{hold(asked)}</div>'
