"""A model as it was at a step of its pretraining: from a suite, a folder, or a repository on the Hub."""

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from pickle import UnpicklingError

import torch
from huggingface_hub import hf_hub_download
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from kent import pretraining
from kent.hub import list_branches
from kent.records import digest, hash_file
from kent.suites import SUITES

STEP = re.compile(r"step(\d+)(-tokens.*)?")
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
PARTS = (
    *("config.json", "*.safetensors", "pytorch_model*.bin"),
    *("tokenizer*", "vocab*", "merges*", "special_tokens_map.json", "added_tokens.json", "*.model"),
)
"""What a checkpoint in a folder is made of: configuration, weights and tokenizer."""


@dataclass(frozen=True)
class Revision:
    """Which checkpoint exactly: what a record stores.

    `repository` is a Hub repository, a folder, or a suite pretrained on the spot; `branch` the Hub branch or the
    step's folder in it (None where the folder itself is the checkpoint); `commit` the Hub commit or, for a folder, 16
    hex digits of a hash of its configuration, weights and tokenizer; `step` is None for a model that does not name its
    step.
    """

    repository: str
    branch: str | None
    commit: str | None
    step: int | None


def load(
    name: str | Path,
    step: int | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model in evaluation mode and tokenizer of a suite, folder or Hub repository ("owner/name") at a pretraining step.

    A folder is a checkpoint, or holds one in each of its folders `step{N}`. Without a step: the final model (the Hub's
    main branch, the last step of a folder or a suite pretrained on the spot, which is pretrained now if it is not
    there). The device is the GPU, if there is one, unless named. Code and pickled objects of a repository are never
    run. Raises what `resolve` raises, and ValueError for a checkpoint that is damaged, or lacks weights or a tokenizer,
    and for a GPU that is not there.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device is {device}, and torch finds no GPU here")
    revision, folder = _find(name, step)
    source, options = folder, {}
    if folder is None:
        _remember_branch(revision)
        source, options = revision.repository, {"revision": revision.commit}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **options)
        model, report = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, trust_remote_code=False, output_loading_info=True, **options
        )
    except (OSError, RuntimeError, ValueError, SafetensorError, UnpicklingError) as error:
        raise ValueError(f"the checkpoint {_label(revision)} cannot be loaded: {error}") from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise ValueError(f"the checkpoint {_label(revision)} comes without a tokenizer: save one beside its weights")
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ValueError(f"the checkpoint {_label(revision)} lacks {len(missing)} weights, {missing[0]} among them")
    return model.to(device).eval(), tokenizer


def resolve(name: str | Path, step: int | None = None) -> Revision:
    """Say which checkpoint `load(name, step)` takes, without loading it.

    A step on the Hub is looked up in the list of branches (`step{N}` or `step{N}-tokens…`); offline, among those in
    the cache. Raises ValueError for a name that is no suite, folder or repository, and for a step that does not exist
    (naming the nearest); ConnectionError when the Hub does not answer and the cache does not hold the repository.
    """
    revision, folder = _find(name, step)
    return revision if folder is None else replace(revision, commit=_hash_folder(folder))


def list_steps(name: str | Path) -> list[int]:
    """Pretraining steps at which a suite, folder or Hub repository has a checkpoint, in order.

    Empty for a checkpoint that stands alone. Raises as `resolve`.
    """
    _, _, branches = _look_up(name)
    return sorted(_read_steps(branches))


def _find(name: str | Path, step: int | None) -> tuple[Revision, Path | None]:
    """The checkpoint and, where it is one of this machine's (its commit then left open), its folder."""
    repository, folder, branches = _look_up(name)
    steps = _read_steps(branches)
    alone = folder is not None and (folder / "config.json").is_file()
    own = _read_step(folder.name) if alone else None
    if alone and step in (None, own):
        return Revision(repository, None, None, own), folder
    if step is None and folder is None:
        return Revision(repository, "main", _check_main(repository, branches), None), None
    step = max(steps) if step is None else step
    if step not in steps:
        nearest = sorted(sorted(steps, key=lambda other: abs(other - step))[:4])
        known = f"the nearest steps are {', '.join(map(str, nearest))}" if steps else "it holds no step{N} at all"
        raise ValueError(f"{repository} has no checkpoint of step {step}; {known}")
    branch = steps[step]
    return Revision(repository, branch, branches[branch], step), folder and folder / branch


def _look_up(name: str | Path) -> tuple[str, Path | None, dict[str, str | None]]:
    """Repository, its folder if it is on this machine, and its branches (or step folders) with their commits."""
    repository = str(name)
    if repository in SUITES and SUITES[repository].repository is None:
        folder = pretraining.pretrain(repository)
    elif repository in SUITES:
        repository, folder = SUITES[repository].repository, None
    else:
        folder = Path(name).expanduser()
    if folder is not None and folder.is_dir():
        branches = {path.parent.name: None for path in sorted(folder.glob("step*/config.json"))}
        if not (_read_steps(branches) or (folder / "config.json").is_file()):
            raise ValueError(f"the folder {repository} is no checkpoint: it holds neither config.json nor step{{N}}/")
        return repository, folder, branches
    if not HUB_NAME.fullmatch(repository):
        raise ValueError(
            f"{repository!r} is neither a suite ({', '.join(SUITES)}), nor a folder here, nor like a repository on the "
            "Hub (owner/name)"
        )
    return repository, None, list_branches(repository)


def _read_steps(branches: dict[str, str | None]) -> dict[int, str]:
    steps = {branch: _read_step(branch) for branch in branches}
    return {step: branch for branch, step in steps.items() if step is not None}


def _read_step(branch: str) -> int | None:
    match = STEP.fullmatch(branch)
    return int(match[1]) if match else None


def _check_main(repository: str, branches: dict[str, str | None]) -> str | None:
    if "main" not in branches:
        raise ValueError(f"{repository} has no branch main at hand; branches: {', '.join(sorted(branches)[:8])}")
    return branches["main"]


def _remember_branch(revision: Revision) -> None:
    """Have the cache note which commit the branch is at (loading by commit alone would not), for when it is offline."""
    hf_hub_download(revision.repository, "config.json", revision=revision.branch)


def _hash_folder(folder: Path) -> str:
    paths = sorted({path for pattern in PARTS for path in folder.glob(pattern)})
    states = [(path, path.stat()) for path in paths]
    return digest({path.name: _hash_once(path, state.st_mtime_ns, state.st_size) for path, state in states})


@cache
def _hash_once(path: Path, modified: int, size: int) -> str:
    """A file's hash, taken again where the file was written again."""
    return hash_file(path)


def _label(revision: Revision) -> str:
    return "/".join(filter(None, [revision.repository, revision.branch]))
