"""A page as published: its question and answers first, how it was made folded away at its end.

What a source's cells say of themselves decides: the tags `figure`, `answer`, `live` (a picture to
play with), `made` and `parameters`, the section headings, and what outputs keep in their metadata
("kent", "kent-runs").
"""

import re
from dataclasses import dataclass, field

import charts
import openings
import predictions
from cells import (
    collect,
    embolden_headings,
    has_picture,
    heading_of,
    lower_headings,
    make_text,
    show_code,
    show_output,
    source_of,
    tags_of,
    unfold,
)

MADE = {"made", "parameters", "injected-parameters"}
BYLINE = "*A page of the"
HOW = '<details class="how">\n<summary>How this was made: parameters, code, checks</summary>'


@dataclass
class Page:
    """An executed page, taken apart: texts in Markdown, the rest as cells and what they keep.

    `recorded` says that it ran elsewhere.
    """

    name: str
    title: str
    question: str
    intro: str
    figure: dict | None
    answer: dict | None
    live: dict | None
    chart: dict | None
    rows: list[dict]
    runs: dict | None
    has_parameters: bool
    recorded: bool = False
    body: list[dict] = field(default_factory=list)
    how: list[dict] = field(default_factory=list)

    @property
    def verdicts(self) -> list[str]:
        return [row["verdict"] for row in self.rows]


def read_opening(text: str) -> tuple[str, str, str]:
    """Title, question and the rest of a page's first cell; the byline is left out.

    A paragraph that goes on behind its question is cut there.
    """
    first, *paragraphs = re.split(r"\n\s*\n", text.strip())
    title, _, under = first.partition("\n")
    paragraphs = [each for each in [under, *paragraphs] if each.strip()]
    paragraphs = [each for each in paragraphs if not each.startswith(BYLINE)]
    if not paragraphs:
        return title.lstrip("# "), "", ""
    asked = re.match(
        r"(?s)(?:[^.?]|\.(?!\s))*\?(?:\s+(?:[^.?]|\.(?!\s))*\?)*(?=\s|$)", paragraphs[0]
    )
    question = asked[0] if asked else paragraphs[0]
    rest = [paragraphs[0][len(question) :].strip(), *paragraphs[1:]]
    return title.lstrip("# "), question, "\n\n".join(each for each in rest if each)


def _pick(cells: list[dict], tag: str) -> dict | None:
    return next((cell for cell in cells if tag in tags_of(cell)), None)


def take_apart(name: str, cells: list[dict], recorded: bool = False) -> Page:
    """Read an executed page; where it has no tags, the figure is the first picture."""
    first, *rest = cells
    figure = _pick(rest, "figure") or next(filter(has_picture, rest), None)
    rows = [row for found in collect(rest, "kent") for row in found]
    runs = next(iter(collect(rest, "kent-runs")), None)
    has_parameters = _pick(rest, "parameters") is not None
    said = read_opening(source_of(first))
    shown = figure, _pick(rest, "answer"), _pick(rest, "live"), charts.describe(name, rest)
    page = Page(name, *said, *shown, rows, runs, has_parameters, recorded)
    _sort(page, rest)
    return page


def _sort(page: Page, cells: list[dict]) -> None:
    """Put every cell behind the opening into the body or with how the page was made."""
    section = None
    for cell in cells:
        section = heading_of(cell) or section
        if any(cell is each for each in (page.figure, page.answer, page.live)):
            page.how.append(show_code(cell))
        elif tags_of(cell) & MADE or section == "Check":
            page.how.append(embolden_headings(unfold(cell)))
        else:
            page.body.append(cell)
    page.body = _drop_empty(page.body)


def _drop_empty(cells: list[dict]) -> list[dict]:
    """The cells without headings that nothing follows; what is left of the figure is behind it."""
    kept = []
    for cell, following in zip(cells, [*cells[1:], None], strict=False):
        alone = heading_of(cell) is not None and "\n" not in source_of(cell).strip()
        if alone and (following is None or heading_of(following)):
            continue
        text = re.sub(r"\A## Figure\n", "## Behind the figure\n", f"{source_of(cell)}\n").rstrip()
        kept.append({**cell, "source": text} if heading_of(cell) == "Figure" else cell)
    return kept


def compose(page: Page, kinds: list[str], level: int = 1) -> list[dict]:
    """The page's cells as published, its title on a level; `kinds` are the files it offers."""
    body = page.body
    for _ in range(level - 1):
        body = [lower_headings(cell) for cell in body]
    return [*_open(page, kinds, level), *body, *_fold(page.how)]


def _open(page: Page, kinds: list[str], level: int) -> list[dict]:
    """The opening; on a page that asks for a prediction it is folded up behind the question."""
    before, behind = openings.divide(page.rows)
    asked = predictions.describe(page.name, page.title, page.rows) if level == 1 else None
    texts = [openings.title(page.title, f"page-{page.name}", page.verdicts, level)]
    texts += [openings.question(page.question)] if page.question else []
    texts += [predictions.fold(asked)] if asked else []
    texts += [openings.answers(before)] if before else []
    shown = [show_output(cell) for cell in (page.answer, page.live) if cell]
    shown += [make_text(charts.write(page.chart))] if page.chart else []
    shown += [show_output(page.figure)] if page.figure else []
    said = openings.badge(page.runs, page.has_parameters, page.recorded)
    under = [openings.answers(behind)] if behind else []
    under += [openings.sources(page.name, said, kinds), predictions.CLOSING if asked else ""]
    last = make_text("\n\n".join(each for each in [*under, page.intro] if each))
    return [make_text("\n\n".join(texts)), *shown, last]


def _fold(cells: list[dict]) -> list[dict]:
    return [make_text(HOW), *cells, make_text("</details>")] if cells else []
