"""Runs, then pages. `make book` drives this file; a cluster may do so too: snakemake --executor slurm --config suite=olmo-1b"""

import ast
import json
import re
from pathlib import Path

import yaml
from kent import runs

SUITE = config.get("suite", "tiny")
PAGES = sorted(path.stem for path in Path("notebooks").glob("*.ipynb"))
LEDGER = "status"  # reads the executed copies of all other pages


def declared(page):
    """The names and defaults in a page's parameters cell; none for a page without such a cell."""
    cells = json.loads(Path(f"notebooks/{page}.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return {line.targets[0].id: ast.literal_eval(line.value) for cell in code for line in ast.parse(cell).body}


def with_needs(run):
    return [run, *(below for need in run.needs for below in with_needs(need))]


def described(run):
    """The file that describes a run to `python -m kent run`."""
    path = Path("_build/plan", "-".join(run.path.parts[-2:]) + ".yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(run.config, sort_keys=False))
    return path


PARAMETERS = {page: declared(page) for page in PAGES}
CHOSEN = yaml.safe_load(Path(f"params/{SUITE}.yaml").read_text())
PLAN = {page: runs.plan(page, PARAMETERS[page] | CHOSEN) for page in PAGES if PARAMETERS[page]}
RUNS = {str(each.path): each for plan in PLAN.values() for run in plan for each in with_needs(run)}


rule pages:
    input:
        [f"_build/pages/{SUITE}/{page}.ipynb" for page in PAGES],


rule run:
    # A record's name is the hash of all that decides it: an existing one is never out of date, whatever its date.
    output:
        "{record}",
    wildcard_constraints:
        record="|".join(map(re.escape, RUNS)) or "(?!)",
    input:
        lambda wildcards: ancient([str(need.path) for need in RUNS[wildcards.record].needs]),
    params:
        config=lambda wildcards: described(RUNS[wildcards.record]),
    threads: lambda wildcards: RUNS[wildcards.record].threads
    shell:
        "OMP_NUM_THREADS={threads} OMP_WAIT_POLICY=passive python -m kent run {params.config}"


rule page:
    input:
        notebook="notebooks/{page}.ipynb",
        parameters="params/{suite}.yaml",
        sources=sorted([*Path("kent").glob("*.py"), *Path("kent").glob("*.yaml")]),
        results=sorted(path for path in Path("results").rglob("*") if path.is_file()),
        records=lambda wildcards: [str(run.path) for run in PLAN.get(wildcards.page, [])],
        pages=lambda wildcards: [
            f"_build/pages/{SUITE}/{page}.ipynb" for page in PAGES if wildcards.page == LEDGER != page
        ],
    output:
        "_build/pages/{suite}/{page}.ipynb",
    log:
        "_build/logs/{suite}/{page}.ipynb",
    params:
        # a page whose defaults are the suite already is run as it stands, without a second cell that says the same
        parameters=lambda wildcards, input: (
            f"-f {input.parameters}" if PARAMETERS[wildcards.page] not in ({}, CHOSEN) else ""
        ),
    shell:
        "OMP_NUM_THREADS={threads} OMP_WAIT_POLICY=passive papermill {input.notebook} {log} {params.parameters} && mv {log} {output}"


onerror:
    for log in (log for log in sorted(Path(f"_build/logs/{SUITE}").glob("*.ipynb")) if log.stat().st_size):
        outputs = [output for cell in json.loads(log.read_text())["cells"] for output in cell.get("outputs", [])]
        errors = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
        print(f"\nPage {log.stem} failed: {(errors or ['it did not run to its end'])[0]}\nWhat it did until then: {log}")
