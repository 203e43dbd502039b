"""Files that are whole or absent: written beside their place, then put there."""

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


def expand(path: str | Path) -> Path:
    """The path with ~ as the home folder; the ~ of no known user stays, as a file's name may be."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path's own raises RuntimeError for such a user)


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path, whose file is put at `path` when the block ends well, else removed.

    A reader, or a second process, sees the old file or the whole new one, never a part. A link is
    followed, and the file it names gets the content (another name of the same file, a hard link,
    keeps the old one). A file that was there keeps its mode and owner. A device, a pipe, and where
    this process's own output goes, are written to.

    Raises OSError, before the block, where `path` is a folder or cannot be written.
    """
    path = expand(path)
    if (state := _look(path)) and _is_stream(state):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, "record")
            _pour(Path(folder, "record"), Path(path), state)
        return
    target, temporary = _begin(path, state)
    wanted = state or temporary.stat()
    try:
        yield temporary
        with suppress(OSError):  # only root may give a file away
            os.chown(temporary, wanted.st_uid, wanted.st_gid)
        temporary.chmod(stat.S_IMODE(wanted.st_mode))  # last, since a change of owner clears bits
        _put(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Raise OSError where `write_atomically` could not write, found out by beginning to."""
    path = expand(path)
    state = _look(path)
    if not (state and _is_stream(state)):
        _begin(path, state)[1].unlink()
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written", str(path))


def _look(path: str | Path) -> os.stat_result | None:
    """What is at a path, links followed; None where nothing is."""
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None


def _is_stream(state: os.stat_result) -> bool:
    """Whether this is no file or folder, or the file that this process's output goes to."""
    plain = stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)
    return not plain or _find_output(state) is not None


def _find_output(state: os.stat_result) -> int | None:
    """The descriptor, standard output or error, by which this process writes to this very file."""
    for descriptor in (1, 2):
        with suppress(OSError):  # it may be closed
            if os.path.samestat(state, os.fstat(descriptor)):
                return descriptor
    return None


def _pour(source: Path, path: Path, state: os.stat_result) -> None:
    """Write a file's content into a stream; OSError for a pipe that nobody reads."""
    own = _find_output(state)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if own is None:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # else opening waits for a reader
        os.set_blocking(descriptor, True)
    else:
        descriptor = os.dup(own)
    with os.fdopen(descriptor, "wb") as stream, source.open("rb") as content:
        shutil.copyfileobj(content, stream)


def _begin(path: str | Path, state: os.stat_result | None) -> tuple[Path, Path]:
    """The file that a path names, links followed, and a new empty one beside it."""
    target = Path(os.path.realpath(path))
    if state and stat.S_ISDIR(state.st_mode):
        fault = "is a folder, and a file is to be written there"
        raise IsADirectoryError(errno.EISDIR, fault, str(path))
    if state and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written", str(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".kent-{uuid4().hex}")
    temporary.touch(exist_ok=False)
    return target, temporary


def _put(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        shutil.copyfile(temporary, target)  # a file mounted by itself (Docker) stays where it is
