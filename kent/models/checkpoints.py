"""A model as it was at a step of its pretraining: from a suite, a folder, or a repository on the
Hub."""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils.hub import has_file

from kent.files import expand
from kent.hub import list_branches
from kent.models import pretraining
from kent.models.folders import check_folder, hash_folder
from kent.models.steps import name_nearest, name_some, read_others, read_step, read_steps
from kent.models.suites import SUITES
from kent.precision import keep_precision
from kent.settings import Whole, checked

logger = logging.getLogger(__name__)

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
BUFFERS = re.compile(r"(.*\.)?(rotary_emb\.inv_freq|(attn|attention)\.(masked_)?bias)")
"""Tables that older saves hold beside the weights (GPT-2's and GPT-NeoX's masks); the model makes
its own."""


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


@checked
def load(
    name: str | Path,
    step: Whole | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model in evaluation mode and tokenizer of a suite, folder or Hub repository ("owner/name") at
    a pretraining step.

    A folder is a checkpoint, or holds one in each of its folders `step{N}`; a `Path` is always a
    folder. Without a step: the final model (the Hub's main branch, the last step of a folder or a
    suite pretrained on the spot, which is pretrained now if it is not there). The tokenizer is what
    tokenizer.json says, where there is one. The device is the GPU, if there is one, unless named.
    Code and pickled objects of a repository are never run. Raises what `resolve` raises, and
    ValueError for a device that is not here and a checkpoint that cannot be read: damaged, of two
    saves, without some weights or a tokenizer, with weights that its model has no place for or that
    are not floating-point, or in need of a package that is not here.
    """
    device = find_device(device)
    if not dtype.is_floating_point:
        raise ValueError(
            f"dtype must be a floating-point one (float32, bfloat16, float16), not {dtype}"
        )
    revision, folder = _find(name, step)
    try:
        with keep_precision():
            tokenizer, model = _read(revision, folder, dtype)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # all that goes wrong while a checkpoint is read is the checkpoint's
        raise ValueError(
            f"the checkpoint {_label(revision)} cannot be loaded: {_say(error)}"
        ) from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise ValueError(
            f"the checkpoint {_label(revision)} comes without a tokenizer: save one beside its "
            "weights"
        )
    return model.to(device).eval(), tokenizer


def find_device(device: str | torch.device | None) -> torch.device:
    """The device of that name, or the GPU if there is one, else the CPU; `ValueError` for one that
    is not here."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name, here = "cpu" if str(device) == "cpu:0" else str(device), ["cpu"]
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator().type
        here += [kind, *(f"{kind}:{index}" for index in range(torch.accelerator.device_count()))]
    if name not in here:
        raise ValueError(f"device is {name!r}, and torch finds {', '.join(here)} here, no other")
    return torch.device(name)


@checked
def resolve(name: str | Path, step: Whole | None = None) -> Revision:
    """Say which checkpoint `load(name, step)` takes, without loading it.

    A step on the Hub is looked up in the list of branches (`step{N}` or `step{N}-tokens…`);
    offline, among those in the cache. Raises ValueError for a name that is no suite, folder or
    repository, and for a step that does not exist (naming the nearest) or has two branches;
    ConnectionError when the Hub does not answer and the cache does not hold the repository.
    """
    revision, folder = _find(name, step)
    return revision if folder is None else replace(revision, commit=hash_folder(folder))


@checked
def list_steps(name: str | Path) -> list[int]:
    """Pretraining steps at which a suite, folder or Hub repository has a checkpoint, in order.

    Empty for a checkpoint that stands alone. Branches with a step that are called otherwise than
    `step{N}` are left out, which is said. Raises as `resolve`.
    """
    repository, _, branches = _look_up(name)
    if others := read_others(branches):
        _say_once(
            f"{repository} has branches that are not called step{{N}} and are left out: "
            f"{name_some(others)}"
        )
    return sorted(read_steps(branches))


def _spell(name: str | Path) -> str:
    """A folder's name as a word that means the same: a `Path` that is called like a suite becomes
    ./pythia."""
    return os.path.join(".", name) if isinstance(name, Path) and str(name) in SUITES else str(name)  # noqa: PTH118


def _find(name: str | Path, step: int | None) -> tuple[Revision, Path | None]:
    """The checkpoint and, where it is one of this machine's (its commit then left open), its
    folder."""
    repository, folder, branches = _look_up(name)
    steps = read_steps(branches)
    alone = folder is not None and (folder / "config.json").is_file()
    own = read_step(folder.absolute().name) if alone else None
    if alone and step in (None, own):
        return Revision(repository, None, None, own), folder
    if step is None and folder is None:
        return Revision(repository, "main", _check_main(repository, branches), None), None
    step = max(steps) if step is None else step
    if step not in steps:
        raise ValueError(
            f"{repository} has no checkpoint of step {step}; {name_nearest(step, branches)}"
        )
    if len(steps[step]) > 1:
        raise ValueError(
            f"{repository} has more than one checkpoint of step {step}: {', '.join(steps[step])}"
        )
    branch = steps[step][0]
    return Revision(repository, branch, branches[branch], step), folder and folder / branch


def _look_up(name: str | Path) -> tuple[str, Path | None, dict[str, str | None]]:
    """Repository, its folder if it is on this machine, and its branches (or step folders) with
    their commits."""
    if isinstance(name, str) and name in SUITES:
        if Path(name).is_dir():
            _say_once(
                f"{name} is taken for the suite of that name, not for the folder here, which is "
                f"./{name}"
            )
        repository = SUITES[name].repository
        return (
            (repository, None, list_branches(repository))
            if repository
            else _list(name, pretraining.pretrain(name))
        )
    folder = expand(name)
    if name and folder.is_dir():
        return _list(_spell(name), folder)
    if isinstance(name, str) and HUB_NAME.fullmatch(name):
        return name, None, list_branches(name)
    raise ValueError(
        f"{str(name)!r} is neither a suite ({', '.join(SUITES)}), nor a folder here, nor like a "
        "repository on the Hub (owner/name, a str)"
    )


def _list(repository: str, folder: Path) -> tuple[str, Path, dict[str, str | None]]:
    branches = {
        path.parent.name: None
        for path in sorted(folder.glob("*step*/config.json"))
        if path.is_file()
    }
    if not (read_steps(branches) or (folder / "config.json").is_file()):
        other = f"; there is {name_some(branches)}" if branches else ""
        raise ValueError(
            f"the folder {repository} is no checkpoint: it holds neither config.json nor "
            f"step{{N}}/{other}"
        )
    return repository, folder, branches


def _read(
    revision: Revision, folder: Path | None, dtype: torch.dtype
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    source, options = folder, {}
    if folder is None:
        source, options = revision.repository, {"revision": revision.commit}
        if Path(source).is_dir():
            raise ValueError("a folder here has the repository's name and would be read for it")
        _remember_branch(revision)
        if has_file(source, "adapter_config.json", **options):
            raise ValueError(
                "it is an adapter to weights that are elsewhere: merge it into them, and load the "
                "folder"
            )
    else:
        check_folder(folder)
    tokenizer = _read_tokenizer(source, **options)
    model, report = AutoModelForCausalLM.from_pretrained(
        source, dtype=dtype, trust_remote_code=False, output_loading_info=True, **options
    )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"it lacks {len(missing)} weights, {missing[0]} among them")
    if not hasattr(model.config, "quantization_config"):
        _check_weights(folder, report["unexpected_keys"])
    return tokenizer, model


def _check_weights(folder: Path | None, unexpected: Iterable[str]) -> None:
    """Refuse weights that the model has no place for, and, of a folder, those that are no real
    numbers."""
    if beyond := sorted(key for key in unexpected if not BUFFERS.fullmatch(key)):
        raise ValueError(
            f"it holds {len(beyond)} weights that the model of its configuration lacks, "
            f"{beyond[0]} first"
        )
    for path in sorted(folder.glob("model*.safetensors")) if folder else ():
        with safe_open(path, "pt") as file:
            kinds = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118 (no mapping)
        wrong = [
            key
            for key in kinds
            if not kinds[key].startswith(("F", "BF")) and not BUFFERS.fullmatch(key)
        ]
        if wrong:
            raise ValueError(
                f"{len(wrong)} of its weights are not floating-point, {wrong[0]}: "
                f"{kinds[wrong[0]]} first"
            )


def _read_tokenizer(source: str | Path, **options: str) -> PreTrainedTokenizerBase:
    """The tokenizer as tokenizer.json has it, where there is one, with the special tokens that its
    class knows besides.

    Left to itself transformers builds some classes (GPTNeoXTokenizer, LlamaTokenizer) anew from the
    vocabulary, and they then cut a text by rules of their own (huggingface/transformers#45812).
    """
    built = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **options)
    if type(built) is PreTrainedTokenizerFast or not has_file(source, "tokenizer.json", **options):
        return built
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source, **options)
    known, special = tokenizer.get_vocab(), built.special_tokens_map
    roles = {
        role: special[role]
        for role in tokenizer.SPECIAL_TOKENS_ATTRIBUTES
        if special.get(role) in known
    }
    tokenizer.add_special_tokens(
        {role: token for role, token in roles.items() if getattr(tokenizer, role) is None}
    )
    return tokenizer


def _say(error: Exception) -> str:
    """What was wrong, with the kind of an error whose words do not say it (a KeyError's, for
    one)."""
    return (
        str(error)
        if isinstance(error, OSError | ValueError)
        else f"{type(error).__name__}: {error}"
    )


@cache
def _say_once(message: str) -> None:
    logger.warning(message)


def _check_main(repository: str, branches: dict[str, str | None]) -> str | None:
    if "main" not in branches:
        raise ValueError(
            f"{repository} has no branch main at hand; branches: {', '.join(sorted(branches)[:8])}"
        )
    return branches["main"]


def _remember_branch(revision: Revision) -> None:
    """Have the cache note which commit the branch is at (loading by commit alone would not), for
    when it is offline."""
    hf_hub_download(revision.repository, "config.json", revision=revision.branch)


def _label(revision: Revision) -> str:
    return "/".join(filter(None, [revision.repository, revision.branch]))
