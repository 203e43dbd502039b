"""What measuring a suite's checkpoints takes: download, operations, time on this device."""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import torch
from huggingface_hub import HfApi
from transformers import AutoConfig, AutoModelForCausalLM

from kent.hub import UNREACHABLE
from kent.models.devices import choose_device
from kent.models.older_olmo import is_older, read_config
from kent.models.revisions import Revision

WEIGHTS = (".safetensors", ".bin")
"""Endings of files with weights, of which those of the first kind there are read."""


@dataclass(frozen=True)
class Cost:
    """Of one checkpoint: bytes to download (0 in a folder, None where the Hub does not say), and
    parameters (None where its configuration cannot be read)."""

    download: int | None
    parameters: int | None

    def say(self, checkpoints: int, tokens: int, rate: float) -> str:
        """What so many checkpoints take on so many tokens each, at `rate` operations a second.

        Two operations per parameter and token: a lower bound in practice.
        """
        said = ["1 checkpoint" if checkpoints == 1 else f"{checkpoints:,} checkpoints"]
        if self.parameters is not None:
            said[0] += f" of {self.parameters:,} parameters"
            seconds = 2 * self.parameters * tokens * checkpoints / rate
            needed = f"{seconds / 60:,.0f} min" if seconds > 99 else f"{seconds:.1f} s"
            said.append(f"to measure on {tokens:,} tokens each, at least {needed} on this device")
        if self.download is None:
            said.append("a download of a size that the Hub does not say")
        elif self.download:
            said.append(f"{self.download * checkpoints / 1e9:,.3f} GB to download, if not here")
        return "; ".join(said)


def estimate_cost(revision: Revision, path: Path | None) -> Cost:
    """What reading a checkpoint takes, from its configuration and the Hub's list of its files."""
    options = {} if path else {"revision": revision.commit}
    try:
        parameters = _count_parameters(path or revision.repository, **options)
    except Exception:  # whatever is wrong with it, loading will say
        parameters = None
    return Cost(0 if path else _sum_files(revision), parameters)


def _count_parameters(source: str | Path, **options: str) -> int:
    if is_older(source, **options):
        config = read_config(source, **options)
    else:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **options)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config).num_parameters()


def _sum_files(revision: Revision) -> int | None:
    """Bytes of the weights that would be downloaded: safetensors, or pickles where there are none.

    What else a checkpoint has is small.
    """
    commit = {"revision": revision.commit, "files_metadata": True}
    try:
        listed = HfApi().model_info(revision.repository, **commit).siblings
    except UNREACHABLE:
        return None
    sizes = {each.rfilename: each.size for each in listed if "/" not in each.rfilename}
    for ending in WEIGHTS:
        if found := [size for name, size in sizes.items() if name.endswith(ending)]:
            return None if None in found else sum(found)
    return None


@cache
def time_products(dtype: str = "float32", device: str | torch.device | None = None) -> float:
    """Operations per second of a matrix product, timed now; by default where models are loaded."""
    device = choose_device(device)
    size = 8192 if device.type == "cuda" else 1024
    left = torch.randn(size, size, device=device).to(getattr(torch, dtype))
    (left @ left).sum().item()  # the first also sets the device up
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        (left @ left)[0, 0].item()  # waits for a GPU to be done
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / median(seconds)
