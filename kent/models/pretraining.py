"""Suites pretrained on the spot, in kent's cache: whole, or pretrained now."""

import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from kent.errors import require
from kent.models.suites import RECIPES, Pretraining
from kent.records import cache_folder, digest, hash_code, hash_file, make_room, set_aside
from kent.settings import checked

logger = logging.getLogger(__name__)

WHOLE = ("config.json", "model.safetensors", "tokenizer.json")
"""What every checkpoint holds, beside other files."""
TEXT = ("corpora.py", "documents.py", "templates.py", "tokens.py", "world.py", "world.yaml")
CODE = (
    "precision.py",
    "models/schedules.py",
    "models/trainer.py",
    *(f"text/{name}" for name in TEXT),
)


@checked
def identify(suite: str) -> str:
    """Hash of a suite's recipe and of the code that carries it out: the commit of its checkpoints.

    Raises `ValueError` for a suite that is not pretrained on the spot.
    """
    if suite not in RECIPES:
        known = ", ".join(RECIPES)
        raise ValueError(f"{suite!r} is not pretrained on the spot; these are: {known}")
    return digest({"recipe": asdict(RECIPES[suite]), "code": hash_code(*CODE)})


def locate_manifest(suite: str) -> Path:
    """Where the cache keeps the list of a suite's files, written last."""
    return cache_folder() / "suites" / f"{suite}-{identify(suite)}" / "manifest.json"


@checked
def pretrain(suite: str) -> Path:
    """Folder of a suite's checkpoints `step{N}/`, pretrained now where missing or damaged.

    One process works while others wait for it; the folder appears whole or not at all; every file
    is compared with its hash when read. Raises `ValueError` for a suite that is not pretrained on
    the spot, and where torchrun has several processes and the suite is not there; `ImportError`
    where it is not there and neither is what the extra [learn] brings.
    """
    manifest = locate_manifest(suite)
    folder = manifest.parent
    with FileLock(make_room(folder.with_suffix(".lock"))):
        if (damage := _find_damage(manifest, RECIPES[suite])) is None:
            return folder
        if os.environ.get("WORLD_SIZE", "1") != "1":
            remedy = "is pretrained by one process, not by torchrun's"
            raise ValueError(f"the suite {suite} is not there yet, and {remedy}")
        require("learn", "accelerate")
        from kent.models import trainer

        if folder.exists():
            message = (
                "the suite %s in the cache is damaged (%s): kept as %s, and pretraining it again"
            )
            logger.warning(message, suite, damage, set_aside(folder).name)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{suite}-") as scratch:
            trainer.train(RECIPES[suite], Path(scratch))
            Path(scratch).rename(folder)
            Path(scratch).mkdir()  # for the context to remove
    return folder


def _find_damage(manifest: Path, recipe: Pretraining) -> str | None:
    """What is wrong with the checkpoints on disk; None when every file is as it was written."""
    try:
        hashes = dict(json.loads(manifest.read_text("utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"{manifest.name} is missing or unreadable"
    needed = {f"step{step}/{name}" for step in recipe.steps for name in WHOLE}
    if missing := sorted(needed - hashes.keys()):
        return f"{manifest.name} does not list {missing[0]}"
    for name, expected in hashes.items():
        path = manifest.parent / name
        if not path.is_file() or hash_file(path) != expected:
            return f"{name} is missing or changed"
    return None
