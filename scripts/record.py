"""Keep what executed pages of a suite came to: python scripts/record.py SUITE PAGE ...

`make record` calls it. The copies under results/pages/SUITE/ hold a page's parameters and the
outputs that carry numbers: verdicts, tables, and how they were made.
"""

import json
import sys
from pathlib import Path

from kent.records import save_json

ROOT = Path(__file__).parents[1]
SHOWN = ("text/html", "image/", "application/")
"""What an output shows beside its numbers: not kept."""


def strip(page: dict) -> dict:
    """The page with its parameters and the outputs that carry numbers, and nothing else."""
    cells = []
    for cell in page["cells"]:
        kept = [*map(_strip, filter(_carries, cell.get("outputs", [])))]
        parameters = {"parameters", "injected-parameters"} & {*cell["metadata"].get("tags", [])}
        if kept or parameters:
            cells.append(cell | {"outputs": kept})
    page["metadata"].pop("widgets", None)
    return page | {"cells": cells}


def _carries(output: dict) -> bool:
    numbers = (key for key in output.get("metadata", {}) if key.startswith("kent"))
    return any(key != "kent-narrow" for key in numbers)


def _strip(output: dict) -> dict:
    data = {kind: each for kind, each in output["data"].items() if not kind.startswith(SHOWN)}
    if "text/markdown" in data:  # beside it the plain text is a repr with the other seeds in it
        data.pop("text/plain", None)
    return output | {"data": data}


if __name__ == "__main__":
    suite, *pages = sys.argv[1:]
    for page in pages:
        executed = ROOT / "_build" / "pages" / suite / f"{page}.ipynb"
        kept = strip(json.loads(executed.read_text("utf-8")))
        save_json(kept, ROOT / "results" / "pages" / suite / executed.name)
