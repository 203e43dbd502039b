"""A run's folder: which run it holds, which of its parts are the run's, and which are whole.

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
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
CLOSED = (errno.EACCES, errno.EPERM, errno.ENOTDIR)
"""Errors of a disk that takes no more, and of a folder that cannot be written."""
TORN = ("PytorchStreamWriter", "inline_container")
"""What torch.save names in its RuntimeError where it could not write on."""

logger = logging.getLogger(__name__)


class RunFolder(TrainerCallback):
    """The folder of a run; as the Trainer's callback it seals checkpoints and drops older ones.

    `identity` is what makes the run the run it is, JSON-able; `steps` are those after which it
    saves.
    """

    def __init__(self, path: Path, identity: dict, steps: Sequence[int]):
        self.path, self.identity, self.steps, self.run = path, identity, steps, digest(identity)

    def claim(self) -> None:
        """Have the folder say which run it holds.

        Raises ValueError where it holds another run (naming what differs) or things that no run
        left (naming some of them), DamagedError where it does not say which run, and OSError where
        it cannot be read or written. Names that begin with a dot do not count.
        """
        try:
            held = _read_object(self.path / RECIPE)
            others = _list(self.path) if held is None and self.path.exists() else []
        except OSError as error:
            raise OSError(f"the folder {self.path} cannot be used for a run: {error}") from error
        if others:
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            raise ValueError(
                f"the folder {self.path} holds {', '.join(others[:NAMED])}{more}, and no "
                f"{RECIPE} of a run: name a folder that is new or empty"
            )
        if held is not None:
            self._compare(held)
            return
        with self.nothing_half_written():
            save_json(self.identity, self.path / RECIPE)

    def _compare(self, held: dict) -> None:
        differing = [key for key, value in self.identity.items() if held.get(key) != value]
        if not differing:
            return
        found, asked = ({key: run.get(key) for key in differing} for run in (held, self.identity))
        learned = differing == ["weights"]
        hint = ". Has the model learned since it was loaded? Load it afresh" if learned else ""
        raise ValueError(
            f"the folder {self.path} holds another run, with {found}; asked for is {asked}{hint}"
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
        """The newest checkpoint that is whole and whose step lacks nothing else.

        `find_gap` says in words what does. Newer ones that are passed over are named in a warning.
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
        """A part written within the block: the run's from the start, but whole only at its end."""
        self._begin(part)
        yield
        self._seal(part)

    def _begin(self, part: Path) -> None:
        """Mark a part as the run's; what it had left there goes, anything else is set aside."""
        if self._owns(part):
            _discard(part)
        elif os.path.lexists(part) and not (part.is_dir() and not _list(part)):
            logger.warning(
                "%s is not of this run, which writes there: kept as %s", part, set_aside(part).name
            )
        part.mkdir(parents=True, exist_ok=True)
        self._sign(part, None)

    def _seal(self, part: Path) -> None:
        files = sorted(path for path in part.rglob("*") if path.is_file())
        hashes = {path.relative_to(part).as_posix(): hash_file(path) for path in files}
        self._sign(part, {name: found for name, found in hashes.items() if name != MANIFEST})

    def _sign(self, part: Path, files: dict[str, str] | None) -> None:
        save_json({"run": self.run, "part": part.name, "files": files}, part / MANIFEST)

    @contextmanager
    def nothing_half_written(self) -> Iterator[None]:
        """On a full or read-only disk: remove what was begun, and say which folder it was."""
        try:
            yield
        except (OSError, SafetensorError, RuntimeError) as error:
            full = isinstance(error, OSError) and error.errno in FULL + CLOSED
            torn = any(writer in str(error) for writer in TORN)
            if not (full or torn or isinstance(error, SafetensorError)):
                raise
            parts = [*map(self._locate, self.steps), self.path / "model"]
            manifests = {part: self._find_manifest(part) or {} for part in parts}
            self._remove(part for part, held in manifests.items() if held.get("files", {}) is None)
            raise OSError(f"the folder {self.path} cannot be written: {error}") from error

    def remove_checkpoints(self) -> None:
        """Let go of what only an interrupted run needs."""
        self._remove(map(self._locate, self.steps))

    def _remove(self, parts: Iterable[Path]) -> None:
        for part in filter(self._owns, parts):
            with suppress(OSError):
                _discard(part)

    def _locate(self, step: int) -> Path:
        return self.path / f"checkpoint-{step}"

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
        """When all processes have written a checkpoint: seal it, and drop all but the last two."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            self._seal(self._locate(state.global_step))
            past = [step for step in self.steps if step <= state.global_step]
            self._remove(map(self._locate, past[:-KEPT]))


def _discard(part: Path) -> None:
    """Remove a part, its manifest last: what is left where this is cut short is still the run's."""
    for path in part.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != MANIFEST:
            path.unlink()
    shutil.rmtree(part)


def _list(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _read_object(path: Path) -> dict | None:
    """A JSON object out of a file, None where there is no file; DamagedError for anything else."""
    hint = "Remove the folder to begin anew, or name another"
    try:
        held = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"{error}. {hint}") from error
    if not isinstance(held, dict):
        raise DamagedError(path, f"it holds no JSON object. {hint}")
    return held
