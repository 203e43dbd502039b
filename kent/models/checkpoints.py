"""Model and tokenizer of a checkpoint: loaded without running its code, or refused."""

import logging
import re
from collections.abc import Iterable
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

from kent.models.catalogue import describe_suite
from kent.models.devices import Map, map_devices, read_packing, settle_place
from kent.models.folders import check_folder
from kent.models.gguf_files import convert
from kent.models.older_olmo import is_older, read_older
from kent.models.revisions import Revision, find_checkpoint
from kent.models.suites import SUITES
from kent.precision import keep_precision
from kent.settings import Whole, checked
from kent.text.tokens import ADDED, find_bos

logger = logging.getLogger(__name__)

BUFFERS = re.compile(r"(.*\.)?(rotary_emb\.inv_freq|(attn|attention)\.(masked_)?bias)")
"""Tables beside the weights of older saves (GPT-2's, GPT-NeoX's masks); models make their own."""


@checked
def load(
    name: str | Path,
    step: Whole | None = None,
    *,
    branch: str | None = None,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device | None = None,
    device_map: Map | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model, ready to be measured, and tokenizer of a checkpoint at a pretraining step.

    `name` is a suite, a folder (a checkpoint, or one in each of its folders, `step{N}` and the
    like), a .gguf file (a `Path` is always one of the two) or a Hub repository ("owner/name").
    Without a step: the final model (the Hub's main branch, the last step of a folder or a suite
    pretrained on the spot, which is pretrained now if it is not there). The tokenizer is what
    tokenizer.json says, where there is one. The device is the GPU, if there is one, unless named.
    Code and pickled objects of a repository are never run. A token that the tokenizer puts in front
    of a text by its own default is noted in the model's configuration, for `kent.profile`. `branch`
    names any branch, or a checkpoint's folder in a folder, instead of a step.

    `device_map` lays a model over several devices, the CPU and the disk, as accelerate does it (the
    extra [learn]): "auto", "balanced", "balanced_low_0", "sequential", or the place of each part.
    What is quantised stays packed; only measuring takes such models, and those whose weights are
    kept on the CPU or the disk between calls.

    Raises what `resolve` raises, ImportError for a device map without accelerate, and ValueError
    for a device that is not here and a checkpoint that cannot be read: damaged, of two saves,
    without some weights or a tokenizer, with weights that its model has no place for or that are
    not floating-point, or in need of a package that is not here, which is named.
    """
    place = settle_place(device, device_map)
    if not dtype.is_floating_point:
        accepted = "a floating-point one (float32, bfloat16, float16)"
        raise ValueError(f"dtype must be {accepted}, not {dtype}")
    revision, folder = find_checkpoint(name, step, branch)
    try:
        with keep_precision():
            tokenizer, model = _read(revision, folder, dtype, place)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # all that goes wrong while a checkpoint is read is the checkpoint's
        plain = isinstance(error, OSError | ValueError)  # other errors' words alone say too little
        fault = str(error) if plain else f"{type(error).__name__}: {error}"
        raise ValueError(f"the checkpoint {revision} cannot be loaded: {fault}") from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        fault = "comes without a tokenizer: save one beside its weights"
        raise ValueError(f"the checkpoint {revision} {fault}")
    if isinstance(name, str) and name in SUITES and SUITES[name].end_of_text:
        tokenizer.eos_token = SUITES[name].end_of_text
    if (bos := find_bos(tokenizer)) is not None:
        setattr(model.config, ADDED, bos)
    elif describe_suite(revision.repository).bos:
        said = "%s was trained with a token that begins a text, and its tokenizer adds none"
        logger.warning(said, revision.repository)
    return model.eval(), tokenizer


def _read(
    revision: Revision, folder: Path | None, dtype: torch.dtype, place: torch.device | Map
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    if folder is None:
        source, options = revision.repository, {"revision": revision.commit}
        _check_repository(revision)
    else:
        source, options = convert(folder) if folder.is_file() else folder, {}
        check_folder(source)
    packing = read_packing(source, **options)
    if is_older(source, **options):
        if not isinstance(place, torch.device):
            raise ValueError("a checkpoint in the older format has no device_map: name a device")
        tokenizer = PreTrainedTokenizerFast.from_pretrained(source, **options)
        model, report = read_older(source, dtype, **options)
    else:
        tokenizer = _read_tokenizer(source, **options)
        options |= {"device_map": map_devices(place, packing), "dtype": dtype}
        model, report = AutoModelForCausalLM.from_pretrained(
            source, trust_remote_code=False, output_loading_info=True, **options
        )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"it lacks {len(missing)} weights, {missing[0]} among them")
    if not packing:
        _check_weights(folder and source, report["unexpected_keys"])
    model.config.name_or_path = str(folder or source)
    return tokenizer, model if options.get("device_map") else model.to(place)


def _check_repository(revision: Revision) -> None:
    if Path(revision.repository).is_dir():
        raise ValueError("a folder here has the repository's name and would be read for it")
    # Has the cache note the branch's commit, for when it is offline: loading by commit does not.
    hf_hub_download(revision.repository, "config.json", revision=revision.branch)
    if has_file(revision.repository, "adapter_config.json", revision=revision.commit):
        remedy = "merge it into them, and load the folder"
        raise ValueError(f"it is an adapter to weights that are elsewhere: {remedy}")


def _check_weights(folder: Path | None, unexpected: Iterable[str]) -> None:
    """Refuse weights that the model has no place for, and a folder's that are no real numbers."""
    if beyond := sorted(key for key in unexpected if not BUFFERS.fullmatch(key)):
        fault = f"it holds {len(beyond)} weights that the model of its configuration lacks"
        raise ValueError(f"{fault}, {beyond[0]} first")
    for path in sorted(folder.glob("model*.safetensors")) if folder else ():
        with safe_open(path, "pt") as file:
            kinds = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118 (no mapping)
        real = ("F", "BF")
        wrong = [k for k in kinds if not kinds[k].startswith(real) and not BUFFERS.fullmatch(k)]
        if wrong:
            first = f"{wrong[0]}: {kinds[wrong[0]]} first"
            raise ValueError(f"{len(wrong)} of its weights are not floating-point, {first}")


def _read_tokenizer(source: str | Path, **options: str) -> PreTrainedTokenizerBase:
    """The tokenizer as tokenizer.json has it, if there, with the special tokens of its class.

    Left to itself transformers builds some classes (GPTNeoXTokenizer, LlamaTokenizer) anew from the
    vocabulary, and they then cut a text by rules of their own (huggingface/transformers#45812).
    """
    built = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **options)
    if type(built) is PreTrainedTokenizerFast or not has_file(source, "tokenizer.json", **options):
        return built
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source, **options)
    known, special = tokenizer.get_vocab(), built.special_tokens_map
    open_roles = [r for r in tokenizer.SPECIAL_TOKENS_ATTRIBUTES if getattr(tokenizer, r) is None]
    added = {role: special[role] for role in open_roles if special.get(role) in known}
    tokenizer.add_special_tokens(added)
    return tokenizer
