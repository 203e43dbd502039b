"""Pretrain a suite whose weights kent brings along: python scripts/pretrain.py NAME

`make suite` calls it. The run takes hours, goes on where it was cut short, and works in
_build/suites/NAME; at its end its checkpoints are packed, in bfloat16, into
kent/models/weights/NAME.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoConfig

from kent.models import trainer
from kent.models.suites import KEPT, WEIGHTS
from kent.records import hash_file, save_json

ROOT = Path(__file__).parents[1]
EVERY = 500
"""Steps after which the state of a run is kept."""


def pack(source: Path, target: Path) -> None:
    """Bring a suite's checkpoints into kent, with a manifest that has a hash of every file."""
    shutil.rmtree(target, ignore_errors=True)
    for step in sorted(source.glob("step*")):
        shutil.copytree(step, target / step.name)
        for path in (target / step.name).glob("*.safetensors"):
            _shrink(path)
        configuration = AutoConfig.from_pretrained(step)
        configuration.dtype = torch.bfloat16
        configuration.save_pretrained(target / step.name)
    files = sorted(path for path in target.glob("step*/*"))
    manifest = json.loads((source / "manifest.json").read_text("utf-8"))
    hashes = {path.relative_to(target).as_posix(): hash_file(path) for path in files}
    save_json({**manifest, "dtype": "bfloat16", "files": hashes}, target / "manifest.json")


def _shrink(path: Path) -> None:
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key).bfloat16() for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata={"format": "pt"})


def main(name: str) -> None:
    """Pretrain, or go on, and pack. Raises `ValueError` for a suite that kent does not keep."""
    if name not in KEPT:
        known = ", ".join(KEPT)
        raise ValueError(f"{name!r} is no suite whose weights are kept; these are: {known}")
    source = ROOT / "_build" / "suites" / name
    trainer.train(KEPT[name], source, every=EVERY)
    pack(source, target := WEIGHTS / name)
    size = sum(path.stat().st_size for path in target.rglob("*"))
    print(f"{target.relative_to(ROOT)}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
