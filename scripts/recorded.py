"""Pages that ran elsewhere on another model, as the book shows them beside the notebook's own page.

Such a page is kept under results/pages/SUITE/NAME and called SUITE-NAME in the book.
"""

import re
from collections.abc import Collection

from cells import change_shown, source_of

from kent.pages.scorecard import describe_model, name_model
from kent.runs import contents

RECORDED = "kent-recorded"
"""What a page's metadata has where it did not run when the book was built."""
LINK = re.compile(r"\]\((\w+)\.ipynb(?=[#)])")


def adapt(page: dict, name: str, suite: str, names: Collection[str]) -> dict:
    """The page `name` with a title that says on which model it ran, and figures named once.

    Its links lead to pages recorded on the same model where the book has them; `names` are those
    of all notebooks in the book.
    """

    def lead(link: re.Match) -> str:
        recorded = f"{suite}-{link[1]}"
        return f"]({recorded}.ipynb" if recorded in names else link[0]

    first, *rest = [change_shown(cell, lambda text: LINK.sub(lead, text)) for cell in page["cells"]]
    opening = {**first, "source": _introduce(source_of(first), name, suite)}
    return {**page, "cells": [opening, *(_rename_figure(cell, suite) for cell in rest)]}


def mark(page: dict, name: str) -> dict:
    """A page shown from its record, with the reason for it behind its question."""
    missing = "the package with its model was not installed"
    why = "it takes long" if name in contents.RECORDED else missing
    said = f"This page did not run when the book was built, since {why}: it is shown as recorded,"
    said += " when and on what stands at the end."
    first, *rest = page["cells"]
    opened = [{**first, "source": _say(source_of(first), said)}, *rest]
    return {**page, "cells": opened, "metadata": {**page["metadata"], RECORDED: True}}


def _introduce(text: str, name: str, suite: str) -> str:
    """A page's first cell with the model in its title, and what it is behind its question."""
    title, line, paragraphs = text.partition("\n\n")
    page = name.removeprefix(f"{suite}-")
    said = f"Recorded on {describe_model(suite)} by the notebook of [this page]({page}.ipynb)."
    said += " What the text says of the tiny suite is that notebook's default; the parameters used"
    said += " stand at the end."
    return _say(retitle(title, name_model(suite)) + line + paragraphs, said)


def _say(text: str, said: str) -> str:
    """A page's first cell with a paragraph behind its question."""
    title, *paragraphs = text.split("\n\n")
    asked = 1 + next((place for place, each in enumerate(paragraphs) if "?" in each), -1)
    return "\n\n".join([title, *paragraphs[:asked], said, *paragraphs[asked:]])


def retitle(title: str, model: str) -> str:
    """A title that names the model: before its colon, in brackets where it has none."""
    head, colon, rest = title.partition(": ")
    return f"{head} on {model}: {rest}" if colon else f"{title} ({model})"


def _rename_figure(cell: dict, suite: str) -> dict:
    shown = cell["metadata"].get("mystnb", {})
    if "name" not in shown.get("figure", {}):
        return cell
    figure = {**shown["figure"], "name": f"{suite}-{shown['figure']['name']}"}
    return {**cell, "metadata": {**cell["metadata"], "mystnb": {**shown, "figure": figure}}}
