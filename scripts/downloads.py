"""The files that a page offers: the figure's data, its verdicts, the notebook, the source."""

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from cells import collect
from narrow import drop_variant

from kent.paper import CLAIMS
from kent.records import cache_folder

ROOT = Path(__file__).parents[1]
COLUMNS = ("table", "row", "column", "value", "standard_error")


def write_data(tables: Sequence[dict]) -> str:
    """CSV of tables of estimates: a line per number, with its standard error."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, table in enumerate(tables, 1):
        for row, pairs in table["rows"].items():
            for column, pair in zip(table["columns"], pairs, strict=True):
                writer.writerow([number, row, column, *pair])
    return file.getvalue()


def write_verdicts(rows: Sequence[dict]) -> str:
    """JSON of the rows of a page's verdicts, each with the claim as the paper makes it."""
    return json.dumps([asdict(CLAIMS[row["claim"]]) | row for row in rows], indent=1) + "\n"


@cache
def local_folders() -> dict[str, str]:
    """What stands in a published notebook for each folder of this machine."""
    folders = {str(cache_folder()): "CACHE", str(ROOT): ".", str(Path.home()): "~"}
    folders[tempfile.gettempdir()] = "TMP"
    return {path: folders[path] for path in sorted(folders, key=len, reverse=True) if path != "/"}


def clean(page: dict) -> dict:
    """The executed notebook without what only this machine means: times, progress, folders."""
    cells = [_hide_machine(clean_cell(cell)) for cell in page["cells"]]
    kept = {key: page["metadata"][key] for key in ("kernelspec",) if key in page["metadata"]}
    return {**page, "cells": cells, "metadata": kept}


def clean_cell(cell: dict) -> dict:
    """A cell without times, progress and what it gave to the book's prose."""
    dropped = ("papermill", "execution")
    metadata = {key: each for key, each in cell["metadata"].items() if key not in dropped}
    if not metadata.get("tags"):
        metadata.pop("tags", None)
    cell = {**cell, "metadata": metadata}
    if "outputs" in cell:
        shown = [each for each in cell["outputs"] if each.get("name") != "stderr"]
        shown = [each for each in shown if "scrapbook" not in each.get("metadata", {})]
        cell["outputs"] = shown
    return cell


def _hide_machine(cell: dict) -> dict:
    outputs = [hide_folders(drop_variant(each)) for each in cell.get("outputs", [])]
    return {**cell, "outputs": outputs} if "outputs" in cell else cell


def hide_folders(value: object) -> object:
    """JSON with the names of this machine's folders replaced in every text."""
    return change_texts(value, _hide)


def _hide(text: str) -> str:
    for path, name in local_folders().items():
        text = re.sub(rf"(?<![\w.-]){re.escape(path)}(?![\w-])", name, text)
    return text


def change_texts(value: object, change: Callable[[str], str]) -> object:
    """JSON with every text changed, but for keys."""
    if isinstance(value, dict):
        return {key: change_texts(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [change_texts(each, change) for each in value]
    return change(value) if isinstance(value, str) else value


def list_files(name: str, page: dict) -> dict[str, str]:
    """The files of a page by their kind: csv and json where the page keeps such numbers.

    A recorded page has no source of its own: its notebook may have changed since.
    """
    tables = collect(page["cells"], "kent-estimates")
    rows = [row for found in collect(page["cells"], "kent") for row in found]
    files = {"csv": write_data(tables)} if tables else {}
    files |= {"json": write_verdicts(rows)} if rows else {}
    files["ipynb"] = json.dumps(clean(page), indent=1, ensure_ascii=False) + "\n"
    source = ROOT / "notebooks" / f"{name}.py"
    return files | ({"py": source.read_text("utf8")} if source.exists() else {})
