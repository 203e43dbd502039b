"""Which checkpoint a name and a step mean, in a suite, a folder, or a repository on the Hub."""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from kent.files import expand
from kent.hub import list_branches
from kent.models import pretraining
from kent.models.folders import hash_folder
from kent.models.suites import SUITES
from kent.settings import Whole, checked

logger = logging.getLogger(__name__)

STEP = re.compile(r"step([0-9]+)(-tokens.*)?")
OTHER = re.compile(r".*[-_]step[-_]?([0-9]+).*")
"""A name of another form with a step in it, such as OLMo 2's stage1-step10000-tokens21B."""
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")

Branches = dict[str, str | None]
"""Names of branches with their commits, or of step folders with None."""


@dataclass(frozen=True)
class Revision:
    """Which checkpoint exactly: what a record stores.

    `repository` is a Hub repository, a folder, or a suite pretrained on the spot; `branch` the Hub
    branch or the step's folder in it (None where the folder itself is the checkpoint); `commit` the
    Hub commit or, for a folder, 16 hex digits of a hash of its configuration, weights and
    tokenizer; `step` is None for a model that does not name its step.
    """

    repository: str
    branch: str | None
    commit: str | None
    step: int | None

    def __str__(self) -> str:
        return "/".join(filter(None, [self.repository, self.branch]))


@checked
def resolve(name: str | Path, step: Whole | None = None) -> Revision:
    """Say which checkpoint `kent.load(name, step)` takes, without loading it.

    A step on the Hub is looked up in the list of branches (`step{N}` or `step{N}-tokens…`);
    offline, among those in the cache. Raises ValueError for a name that is no suite, folder or
    repository, and for a step that does not exist (naming the nearest) or has two branches;
    ConnectionError when the Hub does not answer and the cache does not hold the repository.
    """
    revision, folder = find_checkpoint(name, step)
    return revision if folder is None else replace(revision, commit=hash_folder(folder))


@checked
def list_steps(name: str | Path) -> list[int]:
    """Pretraining steps at which a suite, folder or Hub repository has a checkpoint, in order.

    Empty for a checkpoint that stands alone. Branches with a step that are called otherwise than
    `step{N}` are left out, which is said. Raises as `resolve`.
    """
    repository, _, branches = _look_up(name)
    steps, others = _read_steps(branches)
    if others:
        fault = "has branches that are not called step{N} and are left out"
        _say_once(f"{repository} {fault}: {_name_some(others)}")
    return sorted(steps)


def find_checkpoint(name: str | Path, step: int | None) -> tuple[Revision, Path | None]:
    """The checkpoint and, where it is on this machine (its commit is then left open), its folder.

    Raises what `resolve` raises.
    """
    repository, folder, branches = _look_up(name)
    steps, others = _read_steps(branches)
    if folder is not None and (folder / "config.json").is_file():
        match = STEP.fullmatch(folder.absolute().name)
        own = int(match[1]) if match else None
        if step in (None, own):
            return Revision(repository, None, None, own), folder
    elif folder is None and step is None:
        if "main" not in branches:
            known = ", ".join(sorted(branches)[:8])
            raise ValueError(f"{repository} has no branch main at hand; branches: {known}")
        return Revision(repository, "main", branches["main"], None), None
    step = max(steps) if step is None else step
    if step not in steps:
        known = _name_nearest(step, steps, others)
        raise ValueError(f"{repository} has no checkpoint of step {step}; {known}")
    if len(steps[step]) > 1:
        found = ", ".join(steps[step])
        raise ValueError(f"{repository} has more than one checkpoint of step {step}: {found}")
    branch = steps[step][0]
    return Revision(repository, branch, branches[branch], step), folder and folder / branch


def _look_up(name: str | Path) -> tuple[str, Path | None, Branches]:
    """Repository, its folder if it is on this machine, and its branches or step folders."""
    if isinstance(name, str) and name in SUITES:
        if Path(name).is_dir():
            _say_once(f"{name} is taken for the suite, not for the folder here, which is ./{name}")
        if repository := SUITES[name].repository:
            return repository, None, list_branches(repository)
        return name, *_list(name, pretraining.pretrain(name))
    folder = expand(name)
    if name and folder.is_dir():
        # A `Path` that is called like a suite is spelt ./pythia, which is that folder as a str too.
        named = isinstance(name, Path) and str(name) in SUITES
        repository = os.path.join(".", name) if named else str(name)  # noqa: PTH118 (drops the .)
        return repository, *_list(repository, folder)
    if isinstance(name, str) and HUB_NAME.fullmatch(name):
        return name, None, list_branches(name)
    accepted = f"a suite ({', '.join(SUITES)}), nor a folder here, nor like a repository on the Hub"
    raise ValueError(f"{str(name)!r} is neither {accepted} (owner/name, a str)")


def _list(repository: str, folder: Path) -> tuple[Path, Branches]:
    """The folder and the step folders in it; ValueError where it holds no checkpoint at all."""
    configurations = filter(Path.is_file, sorted(folder.glob("*step*/config.json")))
    branches = {path.parent.name: None for path in configurations}
    if not (_read_steps(branches)[0] or (folder / "config.json").is_file()):
        fault = f"the folder {repository} is no checkpoint: it holds neither config.json nor"
        other = f"; there is {_name_some(branches)}" if branches else ""
        raise ValueError(f"{fault} step{{N}}/{other}")
    return folder, branches


def _read_steps(names: Iterable[str]) -> tuple[dict[int, list[str]], dict[str, int]]:
    """Each step with the branches called by it; each other branch with the step in its name."""
    steps, others = {}, {}
    for name in names:
        if match := STEP.fullmatch(name):
            steps.setdefault(int(match[1]), []).append(name)
        elif match := OTHER.fullmatch(name):
            others[name] = int(match[1])
    return steps, others


def _name_nearest(step: int, steps: Iterable[int], others: dict[str, int]) -> str:
    """What there is instead of a step, in words."""
    nearest = sorted(sorted(steps, key=lambda other: abs(other - step))[:4])
    known = f"the nearest steps are {', '.join(map(str, nearest))}"
    known = known if steps else "it holds no step{N} at all"
    if others:
        near = sorted(others, key=lambda name: abs(others[name] - step))
        known += f", and branches of other names are not read: {_name_some(near)}"
    return known


def _name_some(names: Iterable[str]) -> str:
    """The first four names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


_say_once = cache(logger.warning)
