"""What a result is kept with: where the cache is, how files are written, what a number was made from."""

import hashlib
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from math import isfinite
from pathlib import Path

import torch
from platformdirs import user_cache_dir
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

PACKAGE = Path(__file__).parent


def cache_folder() -> Path:
    """The folder of kent's cache: `$KENT_CACHE`, else the user's cache folder. Made when missing."""
    folder = Path(os.environ.get("KENT_CACHE") or user_cache_dir("kent"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` when the block ends well and is removed when not.

    A reader, or a second process, sees the old file or the whole new one, never a part.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_json(value: object, path: str | Path) -> None:
    """Write a JSON-able value to `path`, atomically, for people to read; a number that is not finite becomes null."""
    with write_atomically(path) as temporary:
        text = json.dumps(_clean(value), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def save_tensors(tensors: dict[str, Tensor], path: str | Path, *, format: str, provenance: dict) -> None:
    """Write tensors to a safetensors file, atomically, with their format's name and the provenance in its header."""
    header = {"format": format, "provenance": json.dumps(provenance)}
    with write_atomically(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata=header)


def load_tensors(path: str | Path, format: str) -> tuple[dict[str, Tensor], dict]:
    """Tensors and provenance that `save_tensors` wrote; `ValueError` when the file is damaged or of another format."""
    try:
        with safe_open(path, "pt") as file:
            header, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from None
    if header.get("format") != format:
        raise ValueError(f"{path} holds something else: its format is {header.get('format')!r}, not {format!r}")
    return tensors, json.loads(header["provenance"])


def digest(value: object) -> str:
    """Hash of a JSON-able value: 16 hexadecimal digits of the SHA-256 of its canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors by name, with their dtypes, shapes and bytes, in hexadecimal."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def hash_code(*files: str) -> str:
    """Hash of kent's own source files (names relative to the package): the code that decides a run's numbers."""
    return digest({name: hash_file(PACKAGE / name) for name in sorted(files)})


@cache
def _commit() -> str:
    """The commit of the checkout kent runs from ("+" when it holds changes), or its version when installed."""
    try:
        git = ["git", "-C", str(PACKAGE), "-c", "safe.directory=*"]
        commit = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
        tracked = subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, check=False)
        if tracked.returncode:
            raise FileNotFoundError("not a checkout of kent")
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
        return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return f"knowledge-entropy {version('knowledge-entropy')}"


def describe_run() -> dict[str, str]:
    """Provenance of what is computed now: commit, date (UTC), machine and the versions that matter."""
    packages = ("torch", "transformers", "datasets", "numpy")
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
