"""The machinery around the package: files that must agree with each other, and commands that must
exist."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import address
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
RUNTIME = [Requirement(each) for each in PROJECT["dependencies"]]
EXTRAS = {
    extra: [Requirement(each) for each in listed if not each.startswith(PROJECT["name"])]
    for extra, listed in PROJECT["optional-dependencies"].items()
}
EXTRA = [requirement for listed in EXTRAS.values() for requirement in listed]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text("utf8").splitlines()
    if "==" in line
)
PINS = {canonicalize_name(name): version for name, version in PINS.items()}
TARGETS = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf8")))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.citation-file-format", "CITATION.cff"),
        ("vendor.github-workflows", ".github/workflows/book.yml"),
        ("custom.github-workflows-require-timeout", ".github/workflows/book.yml"),
    ],
)
def test_a_file_fits_its_schema(schema, file):
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        schema,
        str(ROOT / file),
    ]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("requirement", RUNTIME + EXTRA, ids=str)
def test_every_requirement_is_pinned_to_a_version_it_allows(requirement):
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_pins_are_exact_and_without_build_labels():
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text("utf8").splitlines()
        if not line.startswith("#")
    ]
    assert not [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)]


def test_only_jupyter_book_has_an_upper_bound():
    capped = {
        each.name
        for each in RUNTIME + EXTRA
        if any(part.operator in ("<", "<=", "==") for part in each.specifier)
    }
    assert capped == {"jupyter-book"}


def find_owners(nodes: Iterable[ast.AST]) -> set[str]:
    """The packages that import statements among the nodes need."""
    names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"kent", "myst_nb"}
    return {canonicalize_name(OWNERS[root][0]) for root in roots}


OWNERS = packages_distributions()
BROUGHT = {
    "learning": EXTRAS["learn"],
    "runs": EXTRAS["learn"],
    "pages": EXTRAS["learn"] + EXTRAS["book"],
}
SOURCES = sorted((ROOT / "kent").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_module_imports_comes_with_its_room(path):
    """At its top; within a function an import may need an extra, which `errors.require` names."""
    tree = ast.parse(path.read_text("utf8"))
    brought = RUNTIME + BROUGHT.get(path.relative_to(ROOT / "kent").parts[0], [])
    assert find_owners(tree.body) <= {canonicalize_name(each.name) for each in brought}
    declared = {canonicalize_name(each.name) for each in RUNTIME + EXTRA}
    assert find_owners([*ast.walk(tree)]) <= declared


def test_conda_users_get_the_same_set():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf8"))
    [pip] = [each["pip"] for each in environment["dependencies"] if isinstance(each, dict)]
    assert pip == ["--constraint constraints.txt", "--editable .[book,dev]"]


@pytest.mark.parametrize(
    "file", ["README.md", "CONTRIBUTING.md", ".ci/run", ".pre-commit-config.yaml"]
)
def test_every_make_command_that_is_named_exists(file):
    named = set(
        re.findall(r"(?m)(?:^|[`&]\s*|entry: )make ([a-z]+)", (ROOT / file).read_text("utf8"))
    )
    assert named <= TARGETS


def test_ci_runs_the_readmes_commands():
    commands = re.findall(r"(?m)^make [a-z]+$", (ROOT / ".ci/run").read_text("utf8"))
    assert commands == ["make book", "make test", "make wheel"]
    readme = (ROOT / "README.md").read_text("utf8")
    assert all(re.search(rf"(?m)^{command}\b", readme) for command in commands[:2])
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text("utf8"))
    assert {"run": "bash .ci/run"} in workflow["jobs"]["build"]["steps"]


def test_the_paper_and_the_licences_are_said():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert "2410.01380" in str(citation["references"])
    assert set(PROJECT["license-files"]) == {"LICENSE", "LICENSE-text"}
    assert "CC BY 4.0" in CONFIG["html"]["extra_footer"] and "CC BY 4.0" in (
        ROOT / "README.md"
    ).read_text("utf8")


def test_one_address_is_used_everywhere():
    repository = CONFIG["repository"]["url"]
    assert PROJECT["urls"] == {"Repository": repository, "Book": address.book_address(repository)}
    assert (
        yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))["repository-code"] == repository
    )
    assert CONFIG["html"]["baseurl"] == address.book_address(repository)
    for page in (ROOT / "notebooks").glob("*.py"):
        assert set(re.findall(r"git\+(https://[^@\s\"]+)", page.read_text("utf8"))) <= {repository}


def test_setting_the_address_changes_repository_book_and_revision():
    old, new = "https://github.com/-address-not-set-/kent", "https://github.com/Someone/entropy"
    page = "https://-address-not-set-.github.io/kent/book"
    text = f"pip install git+{old}@main; {old}/issues; {page}; {old}-other"
    assert address.readdressed(text, old, new, "v1.0") == (
        f"pip install git+{new}@v1.0; {new}/issues; https://someone.github.io/entropy/book; "
        f"{old}-other"
    )
    assert address.readdressed(address.readdressed(text, old, new), new, old) == text


@pytest.mark.parametrize(
    "wrong", ["https://example.org/a/b", "https://github.com/only", "git@github.com:a/b.git", ""]
)
def test_an_address_outside_github_is_refused(wrong):
    with pytest.raises(ValueError, match="not a GitHub repository"):
        address.book_address(wrong)


@pytest.fixture
def drive(tmp_path):
    """The Makefile in a folder with a space in its path; programs that say how they are called."""
    folder = tmp_path / "My Drive" / "kent"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", ".venv/.kent-installed"):
        (folder / name).touch()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "cache" / "suites").mkdir(parents=True)
    asked = f'test "$1" != -c || {{ echo "{folder}/cache"; exit; }}'  # where the cache is
    for name in ("python", "snakemake", "ruff", "pytest"):
        program = folder / ".venv" / "bin" / name
        said = f'echo "{name} of $0, cache $KENT_CACHE"'
        program.write_text(f"#!/bin/sh\n{asked}\n{said}\ntest ! -e fail-{name}\n")
        program.chmod(0o755)
    return folder


def make(folder: Path, target: str) -> tuple[int, str]:
    """Exit status of a make command, and all it said."""
    ran = subprocess.run(["make", target], cwd=folder, capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


def test_make_works_in_a_folder_whose_path_has_a_space(drive):
    status, said = make(drive, "test")
    assert status == 0, said
    assert f"pytest of {drive}/.venv/bin/pytest, cache {drive}/_build/fresh-cache" in said
    assert (drive / "_build" / "fresh-cache" / "suites").is_dir()


def test_a_lock_that_outlives_its_run_is_named_with_the_command_that_removes_it(drive):
    status, said = make(drive, "pages")
    assert status == 0 and "unlock" not in said
    (drive / "fail-snakemake").touch()
    status, said = make(drive, "pages")
    assert status != 0 and "unlock" not in said, "snakemake failed at something else"
    (drive / ".snakemake" / "locks").mkdir(parents=True)
    (drive / ".snakemake" / "locks" / "0.input.lock").touch()
    for target in ("pages", "book"):
        status, said = make(drive, target)
        assert status != 0 and "make unlock" in said
