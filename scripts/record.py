"""Keep what executed pages of a suite came to: python scripts/record.py SUITE PAGE ...

`make record` calls it. Of the book's own suite and of other seeds of a suite, results/pages/SUITE/
holds a page's parameters and the outputs that carry numbers: verdicts, tables, and how they were
made. Of any other suite it holds the page, which the book shows where _toc.yml names it.
results/book/ holds pages of the book that ask for no other seeds or take long, to be shown where
they did not run.
"""

import json
import re
import sys
from pathlib import Path

from cells import source_of
from downloads import change_texts, clean_cell, hide_folders
from narrow import KEY
from publish import fault

from kent.models.suites import SEEDS
from kent.records import save_json
from kent.runs import contents

ROOT = Path(__file__).parents[1]
RECALLED = "seeds.recall"
"""What a page calls that asks for other seeds' numbers."""
SHOWN = ("text/html", "image/", "application/")
"""What an output shows beside its numbers: not kept of a page that the book does not show."""
PICTURE = "image/svg+xml"
FONTS = re.compile(r"font-family: ('DejaVu Sans'), [^;\"]+")
"""What matplotlib names in every word of a figure: the font, and thirteen others for it."""
FOLDERS = "|".join(re.escape(each.name) for each in Path("/").iterdir())
PATH = re.compile(rf"(?<![\w./~:<-])/(?:{FOLDERS})/(?:[\w.@+~-]+/)*(?=[\w.@+~-])")
"""The folders before a file, written from this machine's root."""


def keep(page: dict, suite: str, name: str = "") -> dict:
    """What is kept of an executed page: its numbers, or all that the book shows of it."""
    numbers = suite in SEEDS | {"tiny"} and not is_shown(page, suite, name)
    kept = strip(page) if numbers else keep_shown(page)
    return kept | {"metadata": _keep_metadata(page["metadata"])}


def is_shown(page: dict, suite: str, name: str) -> bool:
    """Whether the book shows what is kept of a page of its own where that did not run."""
    recalled = any(RECALLED in source_of(cell) for cell in page["cells"])
    return suite == "tiny" and (name in contents.RECORDED or not recalled)


def _keep_metadata(metadata: dict) -> dict:
    """Which kernel ran a page, that it ran to its end, and how long that took."""
    ran = metadata.get("papermill", {})
    times = {key: ran[key] for key in ("duration", "end_time", "exception") if key in ran}
    kept = {key: metadata[key] for key in ("kernelspec", "language_info") if key in metadata}
    return kept | {"papermill": times}


def strip(page: dict) -> dict:
    """The page with its parameters and the outputs that carry numbers, and nothing else."""
    cells = []
    for cell in page["cells"]:
        kept = [*map(_strip, filter(_carries, cell.get("outputs", [])))]
        parameters = {"parameters", "injected-parameters"} & {*cell["metadata"].get("tags", [])}
        if kept or parameters:
            cells.append(hide_machine(cell | {"outputs": kept}))
    return page | {"cells": cells}


def _carries(output: dict) -> bool:
    numbers = (key for key in output.get("metadata", {}) if key.startswith("kent"))
    return any(key != KEY for key in numbers)


def _strip(output: dict) -> dict:
    data = {kind: each for kind, each in output["data"].items() if not kind.startswith(SHOWN)}
    if "text/markdown" in data:  # beside it the plain text is a repr with the other seeds in it
        data.pop("text/plain", None)
    return output | {"data": data}


def keep_shown(page: dict) -> dict:
    """The page without progress bars, plain text beside what is shown, and folders of a machine."""
    cells = [clean_cell(cell) for cell in page["cells"]]
    return page | {"cells": [hide_machine(_shrink_cell(cell)) for cell in cells]}


def hide_machine(value: object) -> object:
    """JSON in which files are named without the folders that lead to them on this machine."""
    return hide_folders(change_texts(value, lambda text: PATH.sub("", text)))


def _shrink_cell(cell: dict) -> dict:
    shown = [_shrink(each) for each in cell.get("outputs", []) if not _is_progress(each)]
    return cell | {"outputs": shown} if "outputs" in cell else cell


def _is_progress(output: dict) -> bool:
    return any("widget" in kind for kind in output.get("data", {}))


def _shrink(output: dict) -> dict:
    """An output without what a reader does not see: the book shows the richest kind alone."""
    data, metadata = {**output.get("data", {})}, {**output.get("metadata", {})}
    if len(data) > 1:
        data.pop("text/plain", None)
    for kept, key in ((data, PICTURE), (metadata, KEY)):
        if key in kept:
            kept[key] = shrink_picture("".join(kept[key]))
    return output | {"data": data, "metadata": metadata} if "data" in output else output


def shrink_picture(text: str) -> str:
    """An SVG with lines not indented, one font in place of the list, paths to 0.01 point."""
    text = FONTS.sub(r"font-family: \1, sans-serif", re.sub(r"\n\s+", "\n", text))
    return re.sub(r'(?<= d=")[^"]+', lambda path: _round(path[0]), text)


def _round(path: str) -> str:
    return re.sub(r"\d+\.\d+", lambda number: f"{round(float(number[0]), 2):g}", path)


def main(suite: str, *pages: str) -> None:
    """Write the records. Raises `ValueError` for a page that did not run to its end."""
    for page in pages:
        executed = ROOT / "_build" / "pages" / suite / f"{page}.ipynb"
        if why := fault(executed):
            raise ValueError(f"page {page} is not recorded: {why}")
        ran = json.loads(executed.read_text("utf-8"))
        folder = "book" if is_shown(ran, suite, page) else f"pages/{suite}"
        target = ROOT / "results" / folder / executed.name
        save_json(keep(ran, suite, page), target)
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
