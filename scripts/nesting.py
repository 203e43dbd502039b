"""Pages nested in a chapter: sections of its page in the book, notebooks of their own outside it.

`_toc.yml` names them as the chapter's `sections`. Links to them lead to their section.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from cells import change_text

FOLDER = "notebooks"
TEXTS = ("text/markdown", "text/html")


def list_chapters(table: dict) -> dict[str, list[str]]:
    """By each notebook that is a page of the book, the notebooks that are its sections."""
    chapters = [each for part in table["parts"] for each in part["chapters"]]
    return {
        _name(each): [_name(section) for section in each.get("sections", [])]
        for each in chapters
        if Path(each["file"]).parent.name == FOLDER
    }


def _name(entry: dict) -> str:
    return Path(entry["file"]).name


def find_homes(table: dict) -> dict[str, str]:
    """The chapter of each nested notebook."""
    chapters = list_chapters(table).items()
    return {section: chapter for chapter, sections in chapters for section in sections}


def flatten(table: dict, only: str) -> dict:
    """The table with one notebook, as a chapter, beside the prose."""
    parts = []
    for part in table["parts"]:
        entries = [each for top in part["chapters"] for each in [top, *top.get("sections", [])]]
        kept = [each["file"] for each in entries if _name(each) == only or not _is_notebook(each)]
        parts.append({**part, "chapters": [{"file": file} for file in kept]})
    return {**table, "parts": [part for part in parts if part["chapters"]]}


def _is_notebook(entry: dict) -> bool:
    return Path(entry["file"]).parent.name == FOLDER


def drop_sections(table: dict) -> dict:
    """The table as Sphinx reads it: without what is folded into chapters."""
    parts = [
        {**part, "chapters": [{"file": each["file"]} for each in part["chapters"]]}
        for part in table["parts"]
    ]
    return {**table, "parts": parts}


def fold(chapter: list[dict], sections: Mapping[str, list[dict]]) -> list[dict]:
    """A chapter's cells with those of its sections behind them, each id once."""
    own = [
        {**cell, "id": f"{name[:24]}-{index}"}
        for name, cells in sections.items()
        for index, cell in enumerate(cells)
    ]
    return [*chapter, *own]


def anchor(name: str) -> str:
    """The id, in HTML, of a page's label `page-NAME`."""
    return f"page-{name}".replace("_", "-").lower()


def redirect(text: str, homes: Mapping[str, str]) -> str:
    """Markdown or HTML with every link to a nested page led to its section."""
    for name, home in homes.items():
        text = re.sub(rf"\]\([\w./]*\b{name}\.ipynb(?:#[\w-]+)?\)", f"](#page-{name})", text)
        text = re.sub(rf"{{doc}}`[\w./]*/{name}`", f"{{ref}}`page-{name}`", text)
        text = re.sub(rf"{{doc}}`([^`<]+)<[\w./]*/{name}>`", rf"{{ref}}`\1<page-{name}>`", text)
        text = text.replace(f"/{name}.ipynb::", f"/{home}.ipynb::")
        text = re.sub(
            rf'"([\w./]*)\b{name}\.html(?:#[\w-]+)?"', rf'"\1{home}.html#{anchor(name)}"', text
        )
    return text


def redirect_cell(cell: dict, homes: Mapping[str, str]) -> dict:
    """A cell with the links of its text, or of its outputs, led to sections."""
    if cell["cell_type"] == "markdown":
        return change_text(cell, lambda text: redirect(text, homes))
    return {**cell, "outputs": [_redirect_output(each, homes) for each in cell.get("outputs", [])]}


def _redirect_output(output: dict, homes: Mapping[str, str]) -> dict:
    changed = {
        kind: redirect("".join(output["data"][kind]), homes)
        for kind in TEXTS
        if kind in output.get("data", {})
    }
    return {**output, "data": output["data"] | changed} if changed else output


def forward(name: str, home: str) -> str:
    """The HTML that stands at a nested page's own address and leads to its section."""
    target = f"{home}.html#{anchor(name)}"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{name}</title>\n'
        f'<meta http-equiv="refresh" content="0; url={target}">\n'
        f'<p>This page is a section of <a href="{target}">{home}</a> now.</p>\n</html>\n'
    )
