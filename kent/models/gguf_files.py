"""GGUF files, as llama.cpp has them, converted once into folders of kent's cache.

transformers reads such a file three times, and through a memory map each of whose slices runs code
in Python (two for each of 100,000 strings of a vocabulary and its merges), and makes its table of
names anew for every module: minutes for 135M weights, most of them on a busy machine. Read once,
and as a plain array, it is seconds; from the cache, as quick as any checkpoint.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
from filelock import FileLock
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils.quantization_config import GgufConfig

from kent.errors import require
from kent.models.folders import hash_checkpoint
from kent.records import cache_folder, digest, hash_code, make_room

logger = logging.getLogger(__name__)


def convert(path: Path) -> Path:
    """Folder of a GGUF file's checkpoint in kent's cache: weights in float32, and tokenizer.

    The same weights as in the file, which packs them: each is what it stands for there. Made now
    where it is missing, by one process while others wait. Raises `ImportError` without the extra
    [gguf], `ValueError` for a file that lacks weights, and what transformers raises for an
    architecture that it does not read.
    """
    require("gguf", "gguf")
    versions = {name: version(name) for name in ("gguf", "transformers")}
    decisive = {"file": hash_checkpoint(path), "code": hash_code("models/gguf_files.py")}
    folder = cache_folder() / "gguf" / digest(decisive | versions)
    with FileLock(make_room(folder.with_suffix(".lock"))):
        if not folder.is_dir():
            with TemporaryDirectory(dir=folder.parent, prefix=".gguf-") as scratch:
                _write(path, Path(scratch, "checkpoint"))
                Path(scratch, "checkpoint").rename(folder)
    return folder


def _write(path: Path, folder: Path) -> None:
    with _read_once():
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        model = _read_model(path)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _read_model(path: Path) -> PreTrainedModel:
    model, report = AutoModelForCausalLM.from_pretrained(
        path.parent,
        gguf_file=path.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
        output_loading_info=True,
    )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"it lacks {len(missing)} weights, {missing[0]} among them")
    return model


@contextmanager
def _read_once() -> Iterator[None]:
    """Within the block the package gguf reads a file once, and makes a table of names once."""
    import gguf

    class Reader(gguf.GGUFReader):
        """Holds the file's bytes as a plain array, whose slices cost no call of Python's."""

        @property
        def data(self) -> np.ndarray:
            return self._data

        @data.setter
        def data(self, mapped: np.memmap) -> None:
            self._data = mapped.view(np.ndarray)

    known = {"GGUFReader": cache(Reader), "get_tensor_name_map": cache(gguf.get_tensor_name_map)}
    with patch.multiple(gguf, **known):
        yield
