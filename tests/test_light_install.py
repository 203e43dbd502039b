"""Without extras kent measures and changes a checkpoint, and says what learning needs."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from hub import make_byte_tokenizer
from learner import make_model
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CORE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["dependencies"]

ALONE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

blocked = set(sys.argv[2].split(","))


class Core(PathFinder):
    \"\"\"Finds what lies on the path, but for what only an extra installs.\"\"\"

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in blocked
        return None if hidden else super().find_spec(name, path, target)


sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Core]
import kent
from kent.__main__ import main

folder = sys.argv[1]
model, tokenizer = kent.load(f"{folder}/checkpoint")
tokens = kent.sequences(f"{folder}/text.txt", tokenizer, length=16, limit=8)
before = kent.profile(model, tokens)
changed = kent.resuscitate(model, before.coefficients, p=50, q=2.0)
after = kent.profile(changed, tokens)
assert kent.knowledge_entropy(after.coefficients) == after.knowledge_entropy
assert after.knowledge_entropy != before.knowledge_entropy
said = ["--corpus", f"{folder}/text.txt", "--length", "16", "--limit", "8"]
assert main(["profile", f"{folder}/checkpoint", *said, "--record", f"{folder}/record.json"]) == 0
assert main(["run", f"{folder}/run.yaml"]) == 2
for name in ("learn", "Knowledge", "Recipe", "probe"):
    try:
        getattr(kent, name)
    except ImportError as error:
        print(name, "says:", error)
print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules} & blocked))
"""


def collect(requirements: list[str], extra: str = "") -> set[str]:
    """Names of the distributions that requirements bring, theirs included."""
    found, open_ = set(), [(Requirement(each), extra) for each in requirements]
    while open_:
        requirement, extra = open_.pop()
        name = canonicalize_name(requirement.name)
        wanted = not requirement.marker or requirement.marker.evaluate({"extra": extra})
        if not wanted or name in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(each) for each in requires(name) or []]
        except PackageNotFoundError:
            continue
        open_ += [(each, extra) for each in needed for extra in requirement.extras or [""]]
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> subprocess.CompletedProcess:
    """A process in which only what the core requires can be imported."""
    folder = tmp_path_factory.mktemp("light")
    make_model().save_pretrained(folder / "checkpoint")
    make_byte_tokenizer().save_pretrained(folder / "checkpoint")
    (folder / "text.txt").write_text("A text of some words, which a model reads. " * 20)
    (folder / "run.yaml").write_text("run: pretrain\nsuite: tiny")
    core = collect(CORE)
    blocked = {
        name
        for name, owners in packages_distributions().items()
        if not core & {canonicalize_name(owner) for owner in owners}
    } - {"kent"}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ALONE, str(folder), ",".join(sorted(blocked))]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_core_is_light():
    heavy = {
        "accelerate",
        "datasets",
        "ipython",
        "lm-eval",
        "matplotlib",
        "pandas",
        "ruamel-yaml",
        "scipy",
    }
    assert {"torch", "transformers"} <= collect(CORE) and not collect(CORE) & heavy


def test_measuring_and_resuscitation_need_the_core_alone(alone):
    assert alone.returncode == 0, alone.stderr
    assert "knowledge entropy" in alone.stdout and "bound minus knowledge" in alone.stdout
    assert "loaded:\n" in alone.stdout


@pytest.mark.parametrize("name", ["learn", "Knowledge", "Recipe", "probe"])
def test_what_needs_an_extra_says_which_in_one_line(alone, name):
    (line,) = [line for line in alone.stdout.splitlines() if line.startswith(f"{name} says: ")]
    assert "accelerate, datasets, lm_eval, pandas" in line
    assert "pip install 'knowledge-entropy[learn]'" in line


def test_a_command_that_needs_an_extra_says_which_in_one_line(alone):
    (line,) = [line for line in alone.stderr.splitlines() if line.startswith("error: ")]
    assert line.endswith("pip install 'knowledge-entropy[learn]'")
