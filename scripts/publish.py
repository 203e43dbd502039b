"""Build the HTML book from executed pages, and from nothing else.

    python scripts/publish.py            the whole book, strictly: every page must have run
    python scripts/publish.py NAME       a draft of the prose and this one page, to look at

Pages come from _build/pages/tiny, those that _toc.yml names as results/pages/SUITE/NAME from there
(recorded.py; left out where there is no record yet), and prose from book/. A page that did not run,
because it takes long or the package with its model is missing, comes from its record in
results/book, and says so. The staging folder, which Sphinx reads, has them as published: the answer
first, how a page was made at its end (layout.py), pages that are nested in _toc.yml as sections of
their chapter (nesting.py).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nesting
import recorded
import yaml
from cells import source_of
from staging import compile_site

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "_build"
PAGES = BUILD / "pages" / "tiny"
RECORDS = ROOT / "results" / "book"
INJECTED = "injected-parameters"
"""papermill's tag of the cell that holds what it was given."""


def fault(executed: Path, notebook: Path | None = None) -> str | None:
    """Why a page must not be published; None when it ran to its end, and from today's `notebook`.

    A record, for which no notebook is given, may be of an older one.
    """
    if not executed.exists():
        return "it has not run"
    page = json.loads(executed.read_text("utf8"))
    code = [cell for cell in page["cells"] if cell["cell_type"] == "code"]
    code = [cell for cell in code if source_of(cell).strip()]
    errors = [each for cell in code for each in cell["outputs"] if each["output_type"] == "error"]
    record = page["metadata"].get("papermill", {})
    if errors:
        return f"{errors[0]['ename']}: {errors[0]['evalue']}"
    if record.get("exception") or not record.get("end_time"):
        return "papermill did not finish it"
    if any(cell["execution_count"] is None for cell in code):
        return "some of its cells have not run"
    if notebook is None:
        return None
    own = [each for each in page["cells"] if INJECTED not in each["metadata"].get("tags", [])]
    today = json.loads(notebook.read_text("utf8"))["cells"]
    if [*map(source_of, own)] != [*map(source_of, today)]:
        return "its notebook has changed since it ran"
    return None


def contents(only: str | None = None) -> dict:
    """The table of contents; with `only`, without the other notebooks.

    Recorded pages whose record is not there yet are left out, which is said.

    Raises:
        ValueError: when no page is called `only`.
    """
    table = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    table, lost = nesting.drop_missing(table, ROOT)
    for file in lost:
        print(f"{file} is not recorded yet: left out", file=sys.stderr)
    if only is None:
        return table
    if only not in pages(table):
        raise ValueError(f"no page is called {only!r}; there are: {', '.join(pages(table))}")
    return nesting.flatten(table, only)


def pages(table: dict) -> list[str]:
    """The names of the notebooks in a table of contents, each followed by its sections."""
    return [*nesting.list_notebooks(table)]


def read(table: dict) -> dict[str, dict]:
    """The executed pages of a table of contents by name.

    Raises:
        ValueError: naming each page that must not be published, and why.
    """
    executed, faults = {}, []
    for name, file in nesting.list_notebooks(table).items():
        notebook, elsewhere = ROOT / f"{file}.ipynb", nesting.is_recorded(file)
        executed[name] = notebook if elsewhere else find_executed(name, notebook)
        faults.append((name, fault(executed[name], None if elsewhere else notebook)))
    if faults := [f"page {name}: {why}" for name, why in faults if why]:
        raise ValueError("\n".join(faults))
    pages = {name: json.loads(path.read_text("utf8")) for name, path in executed.items()}
    kept = [name for name, path in executed.items() if path.parent == RECORDS]
    return pages | {name: recorded.mark(pages[name], name) for name in kept}


def find_executed(name: str, notebook: Path) -> Path:
    """Where a page is that ran here, or else was recorded whole from today's notebook."""
    built, kept = PAGES / f"{name}.ipynb", RECORDS / f"{name}.ipynb"
    return built if built.exists() or fault(kept, notebook) else kept


def stage(site: Path, table: dict) -> list[Path]:
    """Bring the staging folder in step with configuration, prose and executed pages.

    Returns:
        What differed and was written. The rest keeps its date: Sphinx does not read it again.

    Raises:
        ValueError: as `read`.
    """
    wanted = {site / name: each for name, each in compile_site(table, read(table)).items()}
    for path in [path for path in site.rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()
    differ = []
    for path, content in wanted.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            differ.append(path)
    return differ


def build(site: Path, output: Path, *options: str) -> int:
    """Run Jupyter Book; a failed build is forgotten, or Sphinx would not repeat its warnings."""
    own = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}  # where Sphinx finds declared_types.py
    command = ["jupyter-book", "build", str(site), "--path-output", str(output), *options]
    if status := subprocess.call(command, env=own):
        shutil.rmtree(output / "_build" / ".doctrees", ignore_errors=True)
    return status


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", nargs="?", help="build a draft with this page only")
    only = parser.parse_args().page
    site, output = (BUILD / "draft" / "site", BUILD / "draft") if only else (BUILD / "site", ROOT)
    try:
        written = stage(site, contents(only))
    except ValueError as error:
        print(f"Not published:\n{error}", file=sys.stderr)
        return 1
    options = [] if only else ["-W", "-n", "--keep-going"]
    options += ["--all"] if any(path.suffix not in (".md", ".ipynb") for path in written) else []
    if status := build(site, output, *options):
        return status
    html = output / "_build" / "html"
    print(f"\nOpen {(html / (f'notebooks/{only}.html' if only else 'index.html')).as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
