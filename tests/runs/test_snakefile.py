"""What the Snakefile plans for a suite, asked of snakemake itself in a folder of its own; the Hub
is the stand-in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hub import Hub

from kent.models.suites import SUITES
from kent.runs import contents
from kent.text.corpora import HUB

ROOT = Path(__file__).parents[2]
PAGES = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.fixture
def folder(tmp_path):
    """What the Snakefile reads; params/ is a copy, for tests to write to."""
    for name in ("Snakefile", "kent", "notebooks", "results"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "params", tmp_path / "params")
    return tmp_path


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Branches of every step of the Hub suites and of the datasets; planning reads no weights and
    no text."""
    empty = tmp_path_factory.mktemp("hub")
    (empty / "urls").mkdir()
    (empty / HUB["dolma"][1][0]).write_text("https://example.org/a.json.gz\n")
    suites = [suite for suite in SUITES.values() if suite.repository]
    repositories = {suite.repository: [f"step{step}" for step in suite.steps] for suite in suites}
    repositories |= {f"datasets/{dataset}": ["main"] for dataset, _ in HUB.values()}
    with Hub(
        {name: dict.fromkeys(branches, empty) for name, branches in repositories.items()}
    ) as hub:
        yield hub


def dry_run(folder: Path, hub: Hub, suite: str, *options: str) -> tuple[int, str]:
    """Exit status of `snakemake --dry-run`, and all it said."""
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--dry-run",
            "--cores",
            "1",
            *options,
            "--config",
            f"suite={suite}",
        ],
        cwd=folder,
        env=os.environ
        | {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(folder / "hub"),
            "KENT_CACHE": str(folder / "cache"),
            "XDG_CACHE_HOME": str(folder / "snakemake"),
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    return ran.returncode, ran.stdout + ran.stderr


def planned(said: str, suite: str) -> set[str]:
    return set(re.findall(rf"output: _build/pages/{suite}/(\w+)\.ipynb", said))


def test_a_page_that_a_suite_does_not_fit_is_left_out_and_the_reason_given(folder, hub):
    status, said = dry_run(folder, hub, "olmo-1b")
    assert status == 0, said[-3000:]
    out = {"fig10_familiarity", "real_knowledge", "optimizer_memory", "forks"}
    assert planned(said, "olmo-1b") == PAGES - out
    left_out = re.findall(r"(?m)^Page (\w+) is left out of the suite olmo-1b: (.+)$", said)
    known = "it may be world, world-near, world-far, pydoc or"
    assert {
        page: re.split(r" the path|; known|; these", reason)[0] for page, reason in left_out
    } == {
        "forks": "'olmo-1b' has no branches",
        "optimizer_memory": "the learning rates of 'olmo-1b' are not known",
        "fig10_familiarity": f"'dolma' is no source of entities: {known}",
        "real_knowledge": f"'pubmed' is no source of entities: {known}",
    }


def test_every_run_is_done_in_one_job_after_what_it_needs_with_parameters_as_they_are_meant(
    folder, hub
):
    (folder / "params/tiny.yaml").write_text("length: 0128\nrecipe:\n  learning_rate: 4e-4\n")
    status, said = dry_run(folder, hub, "tiny", "--printshellcmds")
    assert status == 0, said[-3000:]
    [given] = set(re.findall(r"papermill notebooks/fig04_\S+ \S+ -f (\S+)", said))
    parameters = yaml.safe_load((folder / given).read_text("utf8"))
    assert parameters == {"length": 128, "recipe": {"learning_rate": 4e-4}}
    assert planned(said, "tiny").isdisjoint(contents.RECORDED)
    refused = "is left out of the suite tiny: it has no parameter recipe"
    assert f"Page fig02_knowledge_entropy {refused}" in said
    rule = re.compile(
        r"rule run:\n(?: +input: (.+)\n)? +output: (.+)\n(?:.+\n)*?\n?.*python -m kent run (.+)"
    )
    jobs = [
        (set((needed or "").split(", ")), stamp, paths.split())
        for needed, stamp, paths in rule.findall(said)
    ]
    configs = {
        path: yaml.safe_load((folder / path).read_text("utf8"))
        for *_, paths in jobs
        for path in paths
    }
    assert len(configs) == sum(len(paths) for *_, paths in jobs) > 100, "no run twice"
    assert all(sum(configs[path]["run"] == "learning" for path in paths) <= 6 for *_, paths in jobs)
    found = [(needed, stamp, paths, path) for needed, stamp, paths in jobs for path in paths]
    changed = [each for each in found if configs[each[-1]].get("change")]
    assert len(changed) > 20
    for needed, stamp, paths, path in changed:
        decides = describe_source(configs[path])
        [(home, source)] = [
            (other, source)
            for _, other, _, source in found
            if decides.items() <= configs[source].items()
            and {"change", "learned"}.isdisjoint(configs[source])
        ]
        assert paths.index(source) < paths.index(path) if home == stamp else home in needed, (
            "coefficients come first"
        )


def describe_source(config: dict) -> dict:
    """The settings of the profile whose coefficients decide a change."""
    own = {"run": "profile", "activation": "abs", "shuffled": False, "temperature": 1.0}
    return own | {key: config[key] for key in ("name", "step")} | config["change"]["measured"]


def copy_page(folder: Path, name: str) -> Path:
    """Leave one page of the notebooks, as a copy."""
    (folder / "notebooks").unlink()
    (folder / "notebooks").mkdir()
    return Path(shutil.copy(ROOT / "notebooks" / name, folder / "notebooks"))


def test_a_lock_that_outlives_its_run_is_removed_by_the_command_that_the_book_names(folder, hub):
    copy_page(folder, "fig02_knowledge_entropy.ipynb")
    locks = folder / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("notebooks/fig02_knowledge_entropy.ipynb\n")
    status, said = dry_run(folder, hub, "tiny", "--unlock")
    assert status == 0 and not [*locks.glob("*")], said[-3000:]


def plan(suite: str) -> dict:
    """What the Snakefile plans, which is plain Python until its first rule: run without
    snakemake."""
    found = {"config": {"suite": suite}}
    exec(Path("Snakefile").read_text("utf8").partition("\nrule ")[0], found)
    return found


def test_parameters_that_fit_no_page_are_an_error(folder, micro, monkeypatch):
    monkeypatch.chdir(folder)
    Path("step0").mkdir()
    Path("step0/config.json").write_text("{}")
    Path("params/wrong.yaml").write_text(yaml.safe_dump({"checkpoints": ".", "steps": [5]}))
    with pytest.raises(ValueError, match="has no checkpoint of step 5"):
        plan("wrong")


def test_a_page_that_refuses_its_own_defaults_is_an_error(folder, micro, monkeypatch):
    monkeypatch.chdir(folder)
    page = copy_page(folder, "fig10_familiarity.ipynb")
    text = page.read_text("utf8").replace('corpus = \\"world\\"', 'corpus = \\"nonsense\\"')
    page.write_text(text, "utf8")
    Path("params/tiny.yaml").write_text("limit: 256\n")
    with pytest.raises(ValueError, match="'nonsense' is no source of entities"):
        plan("tiny")
