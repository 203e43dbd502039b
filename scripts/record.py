"""Keep executed pages of a suite as recorded results: python scripts/record.py SUITE PAGE ...,
which `make record` calls.

The copies under results/pages/SUITE/ hold everything but pictures: code, parameters, tables, and
the numbers that `kent.pages.seeds` and the scorecard read.
"""

import json
import sys
from pathlib import Path

from kent.records import save_json

ROOT = Path(__file__).parents[1]


def strip(page: dict) -> dict:
    """The page without pictures and progress bars."""
    for cell in page["cells"]:
        for output in cell.get("outputs", []):
            for kind in [
                kind
                for kind in output.get("data", {})
                if kind.startswith(("image/", "application/"))
            ]:
                del output["data"][kind]
        if "outputs" in cell:
            cell["outputs"] = [
                output for output in cell["outputs"] if output.get("name") != "stderr"
            ]
    return {
        **page,
        "metadata": {key: value for key, value in page["metadata"].items() if key != "widgets"},
    }


if __name__ == "__main__":
    suite, *pages = sys.argv[1:]
    for page in pages:
        executed = ROOT / "_build" / "pages" / suite / f"{page}.ipynb"
        save_json(
            strip(json.loads(executed.read_text("utf-8"))),
            ROOT / "results" / "pages" / suite / executed.name,
        )
