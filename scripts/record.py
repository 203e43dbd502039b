"""Keep executed pages of a suite as recorded results: python scripts/record.py SUITE PAGE ...

`make record` calls it. The copies under results/pages/SUITE/ hold everything but pictures: code,
parameters, tables, and the numbers that `kent.pages.seeds` and the scorecard read.
"""

import json
import sys
from pathlib import Path

from kent.records import save_json

ROOT = Path(__file__).parents[1]
PICTURES = ("image/", "application/")


def strip(page: dict) -> dict:
    """The page without pictures and progress bars."""
    for cell in page["cells"]:
        if "outputs" in cell:
            cell["outputs"] = [each for each in cell["outputs"] if each.get("name") != "stderr"]
        for output in (each for each in cell.get("outputs", []) if "data" in each):
            data = output["data"].items()
            output["data"] = {kind: each for kind, each in data if not kind.startswith(PICTURES)}
    page["metadata"].pop("widgets", None)
    return page


if __name__ == "__main__":
    suite, *pages = sys.argv[1:]
    for page in pages:
        executed = ROOT / "_build" / "pages" / suite / f"{page}.ipynb"
        kept = strip(json.loads(executed.read_text("utf-8")))
        save_json(kept, ROOT / "results" / "pages" / suite / executed.name)
