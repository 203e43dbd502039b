"""The notebooks in `_toc.yml`: by which name, in which chapter, and where links to them lead.

A chapter's `sections` are sections of its page in the book, and notebooks of their own outside it.
A page recorded on another model, results/pages/SUITE/NAME, is called SUITE-NAME in the book.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from cells import change_shown

FOLDER = "notebooks"
RECORDS = Path("results/pages")


def list_chapters(table: dict) -> dict[str, list[str]]:
    """By each notebook that is a page of the book, the notebooks that are its sections."""
    chapters = [each for part in table["parts"] for each in part["chapters"]]
    return {
        _name(each): [_name(section) for section in each.get("sections", [])]
        for each in chapters
        if _is_notebook(each)
    }


def _name(entry: dict) -> str:
    path = Path(entry["file"])
    return f"{path.parent.name}-{path.name}" if _is_recorded(entry) else path.name


def is_recorded(file: str | Path) -> bool:
    """Whether a file of the table is a page recorded on another model."""
    return Path(file).parent.parent == RECORDS


def _is_recorded(entry: dict) -> bool:
    return is_recorded(entry["file"])


def _is_notebook(entry: dict) -> bool:
    return _is_recorded(entry) or Path(entry["file"]).parent.name == FOLDER


def _list_entries(table: dict) -> list[dict]:
    """Chapters, each followed by its sections."""
    chapters = [each for part in table["parts"] for each in part["chapters"]]
    return [entry for each in chapters for entry in [each, *each.get("sections", [])]]


def list_notebooks(table: dict) -> dict[str, Path]:
    """By its name in the book each notebook's path in the repository, without an ending."""
    return {_name(each): Path(each["file"]) for each in _list_entries(table) if _is_notebook(each)}


def find_suites(table: dict) -> dict[str, str]:
    """The suite of each recorded page."""
    recorded = filter(_is_recorded, _list_entries(table))
    return {_name(each): Path(each["file"]).parent.name for each in recorded}


def drop_missing(table: dict, root: Path) -> tuple[dict, list[str]]:
    """The table without recorded pages that have no record yet, and which these are."""
    recorded = [each["file"] for each in _list_entries(table) if _is_recorded(each)]
    lost = [file for file in recorded if not (root / f"{file}.ipynb").exists()]
    parts = [{**part, "chapters": _drop(part["chapters"], lost)} for part in table["parts"]]
    return {**table, "parts": [part for part in parts if part["chapters"]]}, lost


def _drop(entries: list[dict], lost: list[str]) -> list[dict]:
    kept = [each for each in entries if each["file"] not in lost]
    inner = [_drop(each.get("sections", []), lost) for each in kept]
    return [
        {"file": each["file"]} | ({"sections": under} if under else {})
        for each, under in zip(kept, inner, strict=True)
    ]


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


def drop_sections(table: dict) -> dict:
    """The table as Sphinx reads it: without what is folded into chapters."""
    parts = [
        {**part, "chapters": [{"file": _stage(each)} for each in part["chapters"]]}
        for part in table["parts"]
    ]
    return {**table, "parts": parts}


def _stage(entry: dict) -> str:
    return f"{FOLDER}/{_name(entry)}" if _is_notebook(entry) else entry["file"]


def fold(chapter: list[dict], sections: Mapping[str, list[dict]]) -> list[dict]:
    """A chapter's cells with those of its sections behind them, each id once."""
    own = [
        {**cell, "id": f"{name[:48]}-{index}"}
        for name, cells in sections.items()
        for index, cell in enumerate(cells)
    ]
    return [*chapter, *own]


def anchor(name: str) -> str:
    """The id, in HTML, of a page's label `page-NAME`."""
    return f"page-{name}".replace("_", "-").lower()


def redirect(text: str, homes: Mapping[str, str]) -> str:
    """Markdown or HTML with every link to a nested or recorded page led to where it is shown."""
    text = re.sub(rf"\]\([\w./]*{RECORDS}/([\w-]+)/(\w+\.ipynb)", rf"](../{FOLDER}/\1-\2", text)
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
    """A cell with the links of its text, or of its outputs, led to where pages are shown."""
    return change_shown(cell, lambda text: redirect(text, homes))


def forward(name: str, home: str) -> str:
    """The HTML that stands at a nested page's own address and leads to its section."""
    target = f"{home}.html#{anchor(name)}"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{name}</title>\n'
        f'<meta http-equiv="refresh" content="0; url={target}">\n'
        f'<p>This page is a section of <a href="{target}">{home}</a> now.</p>\n</html>\n'
    )
