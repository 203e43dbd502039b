"""Runs, then pages. `make book` drives this file; a cluster may do so too: snakemake --executor slurm --config suite=olmo-1b

A page that the suite's parameters do not fit is left out, which is said with the reason before any work; the scorecard says
"not run" of its claim.
"""

import ast
import json
import re
import sys
from collections import Counter
from pathlib import Path

from kent import records
from kent.models.suites import SUITES
from kent.runs import configurations, contents

BOOK = "tiny"  # the suite whose pages the book shows
SUITE = config.get("suite", BOOK)
PAGES = sorted(path.stem for path in Path("notebooks").glob("*.ipynb"))
TOGETHER = 6  # runs of a job in which a model learns on; checkpoints of a job that measures a small suite
LEDGERS = {"scorecard": 1, "status": 2}  # these read the executed copies of the pages before them


def declared(page):
    """The names and defaults in a page's parameters cell; none for a page without such a cell."""
    cells = json.loads(Path(f"notebooks/{page}.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return {line.targets[0].id: ast.literal_eval(line.value) for cell in code for line in ast.parse(cell).body}


def described(settings, name):
    """A file that sets a run for `python -m kent run`, or a page's parameters for papermill.

    In JSON, which every version of YAML reads alike: papermill's, of 1.1, takes 4e-4 for a word and 010 for eight.
    """
    path = Path("_build/plan", f"{name}.yaml")
    records.save_json(settings, path)
    return str(path)


def gathered(planned):
    """The stamp file of every job, with its runs: all that measure a checkpoint, which is loaded once (a few checkpoints,
    of a small suite); a few in which one learns on; or one pretraining. Runs that others need come first.
    """
    runs = {run.path: run for plan in planned for listed in plan.values() for run in listed}
    runs = {need.path: need for run in runs.values() for need in run.needs} | runs
    jobs, steps, learning, packaged = {}, {}, Counter(), Counter()
    for run in runs.values():
        name, step = run.config.get("name"), run.config.get("step")
        known = steps.setdefault(name, [])
        known += [step] if step not in known else []
        if run.config["run"] == "learning":
            job = (name, step, learning[name, step] // TOGETHER)
            learning[name, step] += 1
        elif "learned" in run.config:  # after the learning, which comes after what is measured
            job = (name, step, "learned")
        elif name in SUITES and SUITES[name].package:
            job = (name, step, f"measured {packaged[name] // TOGETHER}")
            packaged[name] += 1
        elif name in SUITES and not SUITES[name].repository:
            job = (name, known.index(step) // TOGETHER)
        else:
            job = (name, step, run.path if name is None else "measured")
        jobs.setdefault(job, []).append(run)
    return {f"_build/runs/{records.digest([str(run.path) for run in job])}.done": job for job in jobs.values()}


def chosen_for(page):
    """What the suite's parameters set of a page; the book shows a page on another suite as it stands."""
    own = PARAMETERS[page].get("checkpoints", BOOK)
    return {} if SUITE == BOOK != own and own in SUITES else CHOSEN


def planned():
    """The plan of every page that the parameters fit, and for every other page why they do not.

    A page must fit its own defaults, and parameters some page: else what a plan raises is an error here too. A page
    whose model comes in a package that is not installed is left out.
    """
    found, refused = {}, {}
    for page in filter(PARAMETERS.get, PAGES):
        chosen = chosen_for(page)
        try:
            if unknown := sorted(chosen.keys() - PARAMETERS[page].keys()):
                raise ValueError(f"it has no parameter {', '.join(unknown)}")
            found[page] = contents.plan(page, PARAMETERS[page] | chosen)
        except ImportError as reason:
            refused[page] = reason
        except ValueError as reason:
            if PARAMETERS[page] | chosen == PARAMETERS[page]:
                raise
            refused[page] = reason
    if not found:
        raise next(iter(refused.values()))
    return found, refused


PARAMETERS = {page: declared(page) for page in PAGES}
CHOSEN = configurations.read_config(f"params/{SUITE}.yaml")
PLAN, REFUSED = planned()
LEFT_OUT = "".join(f"\nPage {page} is left out of the suite {SUITE}: {reason}\n" for page, reason in REFUSED.items())
print(LEFT_OUT, end="", file=sys.stderr)
RUNNING = [page for page in PAGES if page not in REFUSED and (SUITE != BOOK or page not in contents.RECORDED)]
JOBS = gathered(PLAN.values())
STAMP = {run.path: stamp for stamp, job in JOBS.items() for run in job}
for stamp, job in JOBS.items():
    if not all(run.done for run in job):
        Path(stamp).unlink(missing_ok=True)


rule pages:
    input:
        [f"_build/pages/{SUITE}/{page}.ipynb" for page in RUNNING],


rule run:
    # Records are named by the hash of all that decides them, written atomically and never made twice, so an interrupted
    # job goes on where it stopped; the stamp says that a job's records are there.
    output:
        touch("{stamp}"),
    wildcard_constraints:
        stamp="|".join(map(re.escape, JOBS)) or "(?!)",
    input:
        lambda wildcards: ancient(
            sorted({STAMP[need.path] for run in JOBS[wildcards.stamp] for need in run.needs} - {wildcards.stamp})
        ),
    params:
        configs=lambda wildcards: [described(run.config, "-".join(run.path.parts[-2:])) for run in JOBS[wildcards.stamp]],
    shell:
        "OMP_NUM_THREADS={threads} OMP_WAIT_POLICY=passive python -m kent run {params.configs}"


rule page:
    input:
        notebook="notebooks/{page}.ipynb",
        parameters="params/{suite}.yaml",
        sources=sorted([*Path("kent").rglob("*.py"), *Path("kent").rglob("*.yaml")]),
        results=sorted(path for path in Path("results").rglob("*") if path.is_file()),
        records=lambda wildcards: sorted({STAMP[run.path] for listed in PLAN.get(wildcards.page, {}).values() for run in listed}),
        pages=lambda wildcards: [
            f"_build/pages/{SUITE}/{page}.ipynb"
            for page in RUNNING
            if LEDGERS.get(page, 0) < LEDGERS.get(wildcards.page, 0)
        ],
    output:
        "_build/pages/{suite}/{page}.ipynb",
    log:
        "_build/logs/{suite}/{page}.ipynb",
    params:
        # a page whose defaults are the suite already is run as it stands, without a second cell that says the same
        parameters=lambda wildcards: (
            f"-f {described(CHOSEN, f'parameters-{SUITE}')}"
            if PARAMETERS[wildcards.page] and PARAMETERS[wildcards.page] | chosen_for(wildcards.page) != PARAMETERS[wildcards.page]
            else ""
        ),
    shell:
        "OMP_NUM_THREADS={threads} OMP_WAIT_POLICY=passive papermill {input.notebook} {log} {params.parameters} && mv {log} {output}"


onsuccess:
    print(LEFT_OUT, end="", file=sys.stderr)


onerror:
    for log in (log for log in sorted(Path(f"_build/logs/{SUITE}").glob("*.ipynb")) if log.stat().st_size):
        outputs = [output for cell in json.loads(log.read_text())["cells"] for output in cell.get("outputs", [])]
        errors = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
        print(f"\nPage {log.stem} failed: {(errors or ['it did not run to its end'])[0]}\nWhat it did until then: {log}")
