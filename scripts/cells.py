"""Cells of a notebook, as its JSON has them: read, changed, made."""

import hashlib
import json
import re
from collections.abc import Callable

PICTURES = ("image/svg+xml", "image/png")
TEXTS = ("text/markdown", "text/html")
HEADING = re.compile(r"(?m)^(#{1,5} )")


def source_of(cell: dict) -> str:
    return "".join(cell["source"])


def tags_of(cell: dict) -> set[str]:
    return set(cell["metadata"].get("tags", []))


def has_picture(cell: dict) -> bool:
    return any(kind in each.get("data", {}) for each in _outputs(cell) for kind in PICTURES)


def collect(cells: list[dict], key: str) -> list:
    """What the outputs of cells keep under a key of their metadata."""
    kept = [each.get("metadata", {}) for cell in cells for each in _outputs(cell)]
    return [metadata[key] for metadata in kept if key in metadata]


def _outputs(cell: dict) -> list[dict]:
    return cell.get("outputs", [])


def make_text(text: str) -> dict:
    """A Markdown cell, with an id that follows from its text."""
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def hold(value: object) -> str:
    """HTML that holds JSON for a page's scripts, and shows nothing."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'


def show_output(cell: dict) -> dict:
    """A code cell that shows only its outputs."""
    return _retag(cell, tags_of(cell) - {"hide-input"} | {"remove-input"})


def show_code(cell: dict) -> dict:
    """The code of a cell whose outputs stand elsewhere, under another id."""
    kept = {key: each for key, each in cell["metadata"].items() if key != "mystnb"}
    shown = {**cell, "id": f"{cell.get('id', '')}-code", "metadata": kept, "outputs": []}
    return unfold(shown)


def unfold(cell: dict) -> dict:
    """A cell that hides nothing."""
    return _retag(cell, {tag for tag in tags_of(cell) if not tag.startswith("hide-")})


def bind_errors(cell: dict) -> dict:
    """A cell whose tables do not break a line within "value ± error"."""
    outputs = [
        {**each, "data": each["data"] | {"text/html": _bind(each["data"]["text/html"])}}
        if "text/html" in each.get("data", {})
        else each
        for each in _outputs(cell)
    ]
    return {**cell, "outputs": outputs} if outputs else cell


def _bind(text: str | list[str]) -> str:
    return "".join(text).replace(" ± ", "\u00a0±\u00a0")


def _retag(cell: dict, tags: set[str]) -> dict:
    return {**cell, "metadata": {**cell["metadata"], "tags": sorted(tags)}}


def heading_of(cell: dict) -> str | None:
    """The words of the section heading (##) that a cell opens with."""
    found = re.match(r"## (.+)", source_of(cell)) if cell["cell_type"] == "markdown" else None
    return found[1].strip() if found else None


def change_text(cell: dict, change: Callable[[str], str]) -> dict:
    """A Markdown cell with its text changed, but for what stands in blocks of code."""
    if cell["cell_type"] != "markdown":
        return cell
    parts = re.split(r"(?ms)(^```.*?^```)", source_of(cell))
    return {**cell, "source": "".join(p if p.startswith("```") else change(p) for p in parts)}


def change_shown(cell: dict, change: Callable[[str], str]) -> dict:
    """A cell with the text changed that it shows: its own, or that of its outputs."""
    if cell["cell_type"] == "markdown":
        return change_text(cell, change)
    return {**cell, "outputs": [_change_output(each, change) for each in _outputs(cell)]}


def _change_output(output: dict, change: Callable[[str], str]) -> dict:
    data = output.get("data", {})
    changed = {kind: change("".join(data[kind])) for kind in TEXTS if kind in data}
    return {**output, "data": data | changed} if changed else output


def lower_headings(cell: dict) -> dict:
    """Every heading one level lower."""
    return change_text(cell, lambda text: HEADING.sub(r"#\1", text))


def embolden_headings(cell: dict) -> dict:
    """Every heading as a bold line: a block that is folded away can hold no sections."""
    return change_text(cell, lambda text: re.sub(r"(?m)^#{1,6} (.+)$", r"**\1**", text))
