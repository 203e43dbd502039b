"""What a run leaves in its folder: whose the folder is, which of its parts are the run's, and
whether they are whole.

A folder is a run's where its recipe.json says so. A part of it (a checkpoint, the model at the end)
is the run's where its manifest says so, which is there before all else in it, and whole where the
manifest lists the files, which is done after all else. What bears no manifest of the run is
somebody else's: it is never read, and never removed.
"""

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from accelerate import PartialState
from safetensors import SafetensorError
from transformers import TrainerCallback

from kent.errors import DamagedError
from kent.records import digest, hash_file, save_json, set_aside

RECIPE, MANIFEST = "recipe.json", "manifest.json"
KEPT = 2
"""Checkpoints that are kept while a run lasts: the newest and the one before it."""
NAMED = 4
"""Things in somebody else's folder that an error names."""
FULL = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EIO,
)
"""Errors of a disk that takes no more, or of a folder that cannot be written."""

logger = logging.getLogger(__name__)


class Keeper(TrainerCallback):
    """Keeps the folder of a run; as a callback of the Trainer it seals every checkpoint, and lets
    the older ones go.

    `identity` is what makes the run the run it is, JSON-able; `steps` are those after which it
    saves.
    """

    def __init__(self, folder: Path, identity: dict, steps: Sequence[int]):
        self.folder, self.identity, self.steps, self.run = folder, identity, steps, digest(identity)

    def claim(self) -> None:
        """Have the folder say which run it holds.

        Raises ValueError where it holds another run (naming what differs) or things that no run
        left (naming some of them), DamagedError where it does not say which run, and OSError where
        it cannot be read or written. Names that begin with a dot do not count.
        """
        try:
            held = _read_object(self.folder / RECIPE)
            others = _list(self.folder) if held is None and self.folder.exists() else []
        except OSError as error:
            raise OSError(f"the folder {self.folder} cannot be used for a run: {error}") from error
        if others:
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            raise ValueError(
                f"the folder {self.folder} holds {', '.join(others[:NAMED])}{more}, and no "
                f"{RECIPE} of a run: name a folder that is new or empty"
            )
        if held is not None:
            self._compare(held)
            return
        with self.nothing_half_written():
            save_json(self.identity, self.folder / RECIPE)

    def _compare(self, held: dict) -> None:
        differing = [key for key, value in self.identity.items() if held.get(key) != value]
        if differing:
            held, asked = (
                {key: run.get(key) for key in differing} for run in (held, self.identity)
            )
            hint = (
                ". Has the model learned since it was loaded? Load it afresh"
                if differing == ["weights"]
                else ""
            )
            raise ValueError(
                f"the folder {self.folder} holds another run, with {held}; asked for is "
                f"{asked}{hint}"
            )

    def find_fault(self, part: Path) -> str | None:
        """What a part of the run lacks to be whole, in words; None for one that is whole."""
        if (manifest := self._find_manifest(part)) is None:
            return f"it has no {MANIFEST} of this run"
        if not isinstance(files := manifest.get("files"), dict):
            return "it was not written to its end"
        for name, hashed in files.items():
            if not (part / name).is_file():
                return f"its {name} is missing"
            if hash_file(part / name) != hashed:
                return f"its {name} is cut short or changed"
        return None

    def find_checkpoint(self, find_gap: Callable[[int], str | None]) -> Path | None:
        """The newest checkpoint that is whole and whose step lacks nothing else (`find_gap` says
        what, in words).

        Newer ones that are passed over are named in a warning.
        """
        for step in reversed(self.steps):
            part = self._locate(step)
            if not os.path.lexists(part):
                continue
            if not (fault := self.find_fault(part) or find_gap(step)):
                return part
            if PartialState().is_main_process:
                logger.warning(
                    "%s is passed over, %s: the run goes on from an older one, or anew", part, fault
                )
        return None

    @contextmanager
    def writing(self, part: Path) -> Iterator[None]:
        """A part that is written within the block is the run's from its beginning on, and whole
        only at its end."""
        self._begin(part)
        yield
        self._seal(part)

    def _begin(self, part: Path) -> None:
        """Mark a part as the run's; what the run had left there goes, and what it did not make is
        set aside."""
        if self._owns(part):
            _discard(part)
        elif os.path.lexists(part) and not (part.is_dir() and not _list(part)):
            logger.warning(
                "%s is not of this run, which writes there: kept as %s", part, set_aside(part).name
            )
        part.mkdir(parents=True, exist_ok=True)
        self._sign(part, None)

    def _seal(self, part: Path) -> None:
        files = sorted(
            path for path in part.rglob("*") if path.is_file() and path != part / MANIFEST
        )
        hashes = {path.relative_to(part).as_posix(): hash_file(path) for path in files}
        self._sign(part, hashes)

    def _sign(self, part: Path, files: dict[str, str] | None) -> None:
        save_json({"run": self.run, "part": part.name, "files": files}, part / MANIFEST)

    @contextmanager
    def nothing_half_written(self) -> Iterator[None]:
        """Where the disk is full or read-only: remove what was begun, and say which folder could
        not be written."""
        try:
            yield
        except (OSError, SafetensorError, RuntimeError) as error:
            full = isinstance(error, OSError) and error.errno in FULL
            torn = any(
                writer in str(error) for writer in ("PytorchStreamWriter", "inline_container")
            )  # of torch.save
            if not (full or isinstance(error, SafetensorError) or torn):
                raise
            parts = [*map(self._locate, self.steps), self.folder / "model"]
            self._remove(
                part for part in parts if (self._find_manifest(part) or {}).get("files", {}) is None
            )
            raise OSError(f"the folder {self.folder} cannot be written: {error}") from error

    def remove_checkpoints(self) -> None:
        """Let go of what only an interrupted run needs."""
        self._remove(map(self._locate, self.steps))

    def _remove(self, parts: Iterable[Path]) -> None:
        for part in parts:
            if self._owns(part):
                with suppress(OSError):
                    _discard(part)

    def _locate(self, step: int) -> Path:
        return self.folder / f"checkpoint-{step}"

    def _owns(self, part: Path) -> bool:
        return self._find_manifest(part) is not None and not part.is_symlink()

    def _find_manifest(self, part: Path) -> dict | None:
        try:
            manifest = _read_object(part / MANIFEST)
        except (DamagedError, OSError):
            return None
        own = manifest and (manifest.get("run"), manifest.get("part")) == (self.run, part.name)
        return manifest if own else None

    def on_log(self, args, state, control, **kwargs) -> None:
        """Before a checkpoint is written: say whose it is."""
        if control.should_save:
            if state.is_world_process_zero:
                self._begin(self._locate(state.global_step))
            PartialState().wait_for_everyone()

    def on_save(self, args, state, control, **kwargs) -> None:
        """When all processes have written a checkpoint: seal it, and let go of those before the
        last two."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            self._seal(self._locate(state.global_step))
            past = [step for step in self.steps if step <= state.global_step]
            self._remove(map(self._locate, past[:-KEPT]))


def _discard(part: Path) -> None:
    """Remove a part, its manifest last: what a process that is killed meanwhile leaves behind is
    still the run's."""
    for path in part.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != MANIFEST:
            path.unlink()
    shutil.rmtree(part)


def _list(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _read_object(path: Path) -> dict | None:
    """A JSON object out of a file, None where there is no such file; DamagedError for one that
    holds something else."""
    try:
        held = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise DamagedError(
            path, f"{error}. Remove the folder to begin anew, or name another"
        ) from error
    if not isinstance(held, dict):
        raise DamagedError(
            path, "it holds no JSON object. Remove the folder to begin anew, or name another"
        )
    return held
