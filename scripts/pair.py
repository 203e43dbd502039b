"""Make each notebooks/NAME.ipynb from notebooks/NAME.py, without outputs.

The .py file is the source. A cell's id is a hash of its text, so that making a notebook again
changes nothing, and editing one cell changes one cell.

    python scripts/pair.py            write the notebooks that differ from their source
    python scripts/pair.py --check    only say which differ, and fail when one does
"""

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path

import jupytext
import nbformat

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(source: Path) -> str:
    """The .ipynb text made from a percent-format source."""
    made = jupytext.read(source, fmt="py:percent")
    seen = Counter()
    for cell in made.cells:
        text = cell.cell_type + cell.source
        cell.id = hashlib.sha256(f"{text}{seen[text]}".encode()).hexdigest()[:8]
        seen[text] += 1
    made.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    return nbformat.writes(made) + "\n"


def differing(folder: Path = NOTEBOOKS) -> dict[Path, str]:
    """Notebooks that are missing or differ from their source, with the text they should have."""
    differ = {}
    for source in sorted(folder.glob("*.py")):
        path, text = source.with_suffix(".ipynb"), notebook(source)
        if not path.exists() or path.read_text("utf8") != text:
            differ[path] = text
    return differ


def edited(path: Path, text: str) -> bool:
    """Whether a notebook holds cells that its older source lacks, which would be lost."""
    if not path.exists() or path.stat().st_mtime <= path.with_suffix(".py").stat().st_mtime:
        return False
    there, wanted = nbformat.read(path, as_version=4), nbformat.reads(text, as_version=4)
    return [cell.source for cell in there.cells] != [cell.source for cell in wanted.cells]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when one differs")
    differ = differing()
    if parser.parse_args().check:
        for path in differ:
            print(f"notebooks/{path.name} differs from its .py source: run `make notebooks`")
        return 1 if differ else 0
    lost = [path for path in NOTEBOOKS.glob("*.ipynb") if not path.with_suffix(".py").exists()]
    lost += [path for path, text in differ.items() if edited(path, text)]
    for path in lost:
        name = f"notebooks/{path.name}"
        print(f"{name} holds what its .py source lacks. Either keep it, or remove that file:")
        print(f"`jupytext --to py:percent {name}`, or `rm {name}`; then `make notebooks`.")
    for path in differ.keys() - set(lost):
        path.write_text(differ[path], "utf8")
        print(f"notebooks/{path.name} made from its .py source")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
