"""What a result is kept with: the cache, what is whole in it, what a number was made from."""

import ast
import errno
import hashlib
import json
import logging
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from math import isfinite
from pathlib import Path

import torch
from platformdirs import user_cache_dir
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from kent.errors import DamagedError
from kent.files import expand, write_atomically
from kent.settings import check_text

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).parent


def cache_folder() -> Path:
    """The folder of kent's cache: `$KENT_CACHE`, else the user's cache folder. Made when missing.

    Raises OSError where it is a file or cannot be made, ValueError for a path that is not UTF-8.
    """
    name = "kent's cache ($KENT_CACHE)"
    folder = expand(os.environ.get("KENT_CACHE") or user_cache_dir("kent"))
    check_text(str(folder), name)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{name} must be a folder", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def set_aside(path: Path) -> Path:
    """Move what is not whole in kent's cache to a name beside it that nothing has; the new path.

    Another process may have done it already.
    """
    names = (path.with_name(f"{path.name}.broken{number or ''}") for number in count())
    aside = next(name for name in names if not os.path.lexists(name))
    with suppress(FileNotFoundError):
        path.rename(aside)
    return aside


def make_room(path: Path) -> Path:
    """Have kent's cache take a file at a path, which is returned.

    What is where a folder belongs and is none, or where the file does (a link to nowhere), is set
    aside, which is said.
    """
    top = cache_folder()
    for each in [*(each for each in reversed(path.parents) if top in each.parents), path]:
        wanted, right = ("file", each.is_file) if each == path else ("folder", each.is_dir)
        if os.path.lexists(each) and not right():
            aside = set_aside(each).name
            said = "%s in the cache is no %s, where one belongs: kept as %s"
            logger.warning(said, each, wanted, aside)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def save_json(value: object, path: str | Path) -> None:
    """Write a JSON-able value to `path`, atomically; a number that is not finite becomes null."""
    with write_atomically(path) as temporary:
        text = json.dumps(_clean(value), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def save_tensors(
    tensors: dict[str, Tensor], path: str | Path, *, format: str, provenance: dict
) -> None:
    """Write tensors to a safetensors file, atomically.

    Its header holds their format's name, the provenance, and a checksum of all this.
    """
    header = {"format": format, "provenance": json.dumps(provenance)}
    header["checksum"] = _sum(tensors, header)
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with write_atomically(path) as temporary:
        save_file(whole, temporary, metadata=header)


def load_tensors(path: str | Path, format: str) -> tuple[dict[str, Tensor], dict]:
    """Tensors and provenance that `save_tensors` wrote.

    Raises `DamagedError` (a ValueError) when the file is not as it was written, `ValueError` when
    it is of another format, OSError when it cannot be read.
    """
    path = expand(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError(errno.EISDIR if path.is_dir() else errno.EINVAL, "is no file", str(path))
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            # clones, since what is read shares the file's own bytes, which may change
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except OSError:
        raise
    except Exception as error:  # a header may be wrong in many ways
        raise DamagedError(path, f"it is no safetensors file: {error}") from error
    if "format" in header and header["format"] != format:
        found = f"its format is {header['format']!r}, not {format!r}"
        raise ValueError(f"{path} holds something else: {found}")
    if not {"format", "provenance", "checksum"} <= header.keys():
        raise DamagedError(path, "its header has no checksum (or it is an older kent's)")
    if header["checksum"] != _sum(tensors, header):
        raise DamagedError(path, "its content has changed since it was written")
    if not isinstance(provenance := json.loads(header["provenance"]), dict):
        raise DamagedError(path, "its provenance is no object")
    return tensors, provenance


def read_provenance(path: Path) -> dict:
    """The provenance in the header of a file that `save_tensors` wrote; the rest is not read.

    Raises `DamagedError` where there is none, OSError where the file cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            provenance = json.loads((file.metadata() or {})["provenance"])
    except OSError:
        raise
    except Exception as error:  # a header may be wrong in many ways
        raise DamagedError(path, f"its header has no provenance: {error!r:.200}") from error
    if not isinstance(provenance, dict):
        raise DamagedError(path, "its provenance is no object")
    return provenance


@contextmanager
def expect_whole(path: str | Path) -> Iterator[None]:
    """Make a `DamagedError` of the error that what is missing in a record leads to."""
    try:
        yield
    except (LookupError, TypeError, AttributeError) as error:
        raise DamagedError(path, f"it does not hold what it should: {error!r:.200}") from error


def _sum(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    return digest([hash_tensors(tensors), header["format"], header["provenance"]])


def digest(value: object) -> str:
    """Hash of a JSON-able value: 16 hexadecimal digits of the SHA-256 of its canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


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


def hash_code(*patterns: str) -> str:
    """Hash of kent's own sources, which decide a run's numbers; patterns relative to the package.

    A source that only moves to another place, or gets other comments, docstrings or imports, keeps
    its hash.
    """
    found = {pattern: set(filter(Path.is_file, PACKAGE.glob(pattern))) for pattern in patterns}
    if missing := [pattern for pattern, paths in found.items() if not paths]:
        raise ValueError(f"kent has no source {', '.join(missing)}")
    hashes = [
        _hash_source(path.read_text("utf-8")) if path.suffix == ".py" else hash_file(path)
        for path in set().union(*found.values())
    ]
    return digest(sorted(hashes))


@cache
def _hash_source(source: str) -> str:
    return digest(_outline(ast.parse(source)))


def _outline(node: object) -> object:
    """A syntax tree as plain lists, without plain imports, docstrings, places, and empty fields.

    Which empty fields there are, and with them what `ast.dump` says, depends on Python's version.
    """
    if isinstance(node, list):
        return [_outline(each) for each in node if not _is_mute(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    outlines = {name: _outline(value) for name, value in fields.items()}
    return {"node": type(node).__name__, **outlines}


def _is_mute(statement: object) -> bool:
    """Whether a statement computes nothing: an import, or a text that stands alone."""
    alone = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    imported = isinstance(statement, ast.Import | ast.ImportFrom)
    return alone or (imported and not any(name.asname for name in statement.names))


@cache
def _commit() -> str:
    """The commit of the checkout kent runs from, or its version when installed.

    "+" says that the checkout holds changes.
    """
    try:
        commit = _ask_git("rev-parse", "--short=10", "HEAD")
        _ask_git("ls-files", "--error-unmatch", __file__)  # fails in another's checkout
        return commit + ("+" if _ask_git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return f"knowledge-entropy {version('knowledge-entropy')}"


def _ask_git(*question: str) -> str:
    git = ["git", "-C", str(PACKAGE), "-c", "safe.directory=*", *question]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def describe_run() -> dict[str, str]:
    """Provenance of what is computed now: commit, date (UTC), machine, versions that matter."""
    versions = {}
    for package in ("torch", "transformers", "datasets", "numpy"):
        with suppress(PackageNotFoundError):  # datasets comes with an extra
            versions[package] = version(package)
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        "python": platform.python_version(),
        **versions,
    }
