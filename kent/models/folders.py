"""The files of a checkpoint in a folder: which decide, their hash, whether they are of one save."""

import json
from functools import cache
from pathlib import Path

from kent.records import digest, hash_file

PARTS = (
    *("config.json", "*.safetensors", "*.safetensors.index.json"),
    *("pytorch_model*.bin", "pytorch_model.bin.index.json"),
    *("adapter_config.json", "adapter_model*.bin"),
    *("tokenizer*", "vocab*", "merges*", "special_tokens_map.json", "added_tokens.json"),
    *("*.model", "tekken.json"),
)
"""What a checkpoint is made of: configuration, weights, an adapter to them, and tokenizer."""
SINGLE = ("model.safetensors", "pytorch_model.bin")
"""Weights in one file; in shards, the name with `.index.json` says which shard holds what."""


def hash_checkpoint(path: Path) -> str:
    """16 hexadecimal digits that a folder's (`hash_folder`) or a file's content decides."""
    if path.is_dir():
        return hash_folder(path)
    state = path.stat()
    return _hash_once(path, state.st_mtime_ns, state.st_ctime_ns, state.st_size)[:16]


def hash_folder(folder: Path) -> str:
    """16 hexadecimal digits of the hash of all that decides what a checkpoint computes."""
    hashes = {}
    for path in {path for pattern in PARTS for path in folder.glob(pattern) if path.is_file()}:
        state = path.stat()
        hashes[path.name] = _hash_once(path, state.st_mtime_ns, state.st_ctime_ns, state.st_size)
    return digest(hashes)


@cache
def _hash_once(path: Path, modified: int, changed: int, size: int) -> str:
    """A file's hash, taken again where the file was written again."""
    return hash_file(path)


def check_folder(folder: Path) -> None:
    """Refuse a checkpoint whose weights are not those of one save, all in its folder.

    Raises `ValueError` for weights that are there in one file and in shards (which of them is
    loaded would be chance), for shards that are missing or elsewhere, and for a list of shards that
    is none.
    """
    for single in SINGLE:
        index = folder / f"{single}.index.json"
        whole, sharded = (folder / single).is_file(), index.is_file()
        if whole and sharded:
            both = f"{single} and {index.name} with its shards"
            raise ValueError(f"{folder} holds two saves, {both}: remove one of them")
        shards = _read_shards(index) if sharded else ()
        if missing := sorted(name for name in shards if not (folder / name).is_file()):
            lost = f"lacks {len(missing)} of the shards that {index.name} lists"
            raise ValueError(f"{folder} {lost}, {missing[0]} first")
        if whole or sharded:  # safetensors come first, and nothing else is then read
            return


def _read_shards(index: Path) -> set[str]:
    """The files in which an index says that the weights are."""
    try:
        shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} does not say which shard holds what: {error!r:.100}") from error
    if not shards or any(not isinstance(name, str) or Path(name).name != name for name in shards):
        found = sorted(map(repr, shards))[:3]
        raise ValueError(f"{index} lists what is no file beside it: {found}")
    return shards
