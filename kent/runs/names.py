"""What names a run's record: all that decides its numbers, and the code that works them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kent.change.gradual import GRADUAL
from kent.files import expand
from kent.models import pretraining
from kent.models.revisions import resolve, spell
from kent.records import cache_folder, digest, hash_code
from kent.settings import Whole, checked
from kent.text.corpora import describe
from kent.text.documents import looks_like_path

CODE = (
    *("precision.py", "text/*.py", "text/*.yaml", "models/checkpoints.py", "runs/execution.py"),
    *("models/gguf_files.py", "models/older_olmo.py"),
    *("measure/attention.py", "measure/blocks.py", "measure/collection.py", "measure/copies.py"),
    *("measure/decoders.py", "measure/entropy.py", "measure/experts.py", "measure/head.py"),
    *("measure/limits.py", "measure/masks.py", "measure/measurement.py", "measure/memory.py"),
    *("measure/rotations.py", "measure/sharing.py", "measure/streaming.py", "measure/trials.py"),
)
"""Sources that decide the numbers of every run; below, those of some."""
LEARNING_CODE = (
    *("learning/*.py", "learning/knowledge.yaml", "learning/tasks/*.yaml"),
    *("change/temperature.py", "runs/rows.py"),
)
CHANGING_CODE = ("change/rescaling.py", "change/resuscitation.py")
GRADUAL_CODE = ("change/gradual.py",)

Name = str | Path
Step = Whole | str | None
"""Which of a name's checkpoints: at a step, of a branch by its name, or the final one."""
Texts = str | Sequence[str]


@dataclass(frozen=True)
class Run:
    """One unit of work: what to do, the record it leaves in the cache, and the runs before it.

    What decides its numbers, whatever the checkpoint is called and in whatever order rows are
    learned, are the `decisive` settings and the `code` (its hash).
    """

    config: dict
    path: Path
    needs: list["Run"] = field(default_factory=list)
    decisive: dict = field(default_factory=dict)
    code: str = ""

    @property
    def done(self) -> bool:
        """Whether the record is there."""
        return self.path.is_file()


@checked
def plan_pretraining(suite: str) -> Run:
    """The run that pretrains a suite on the spot."""
    return Run({"run": "pretrain", "suite": suite}, pretraining.locate_manifest(suite))


@dataclass(frozen=True)
class Source:
    """What comes before a run and decides it: settings that name a run, and that run."""

    settings: Mapping[str, object]
    run: Run


def name_run(
    kind: str,
    name: Name,
    step: Step,
    decisive: dict,
    free: dict,
    code: tuple[str, ...],
    *,
    change: Source | None = None,
    learned: Source | None = None,
    **more: object,
) -> Run:
    """A run named by the hash of what moves its numbers, which `free` settings do not.

    That is `decisive`, checkpoint, text, code, `more`, the profile that decides a `change`, and the
    run that a model has `learned` in.
    """
    if isinstance(name, Path):  # a folder, also where a suite is called so
        name = str(name.absolute())
    local = name in pretraining.RECIPES
    needs = [plan_pretraining(name)] if local else []
    suite = {"suite": name, "commit": pretraining.identify(name)} if local else None
    decisive = {"run": kind, "step": step, **decisive}
    config = {"name": name, **decisive}
    key = config | {"revision": suite or resolve(name, **spell(step)).identify()} | more
    if "corpus" in decisive:
        key["text"] = describe_text(decisive["corpus"], decisive["column"])
    if change:
        needs, code = [*needs, change.run], (*code, *CHANGING_CODE)
        code += GRADUAL_CODE if change.settings["method"] in GRADUAL else ()
        config["change"] = dict(change.settings)
        # the profile's record is named by its text and code too, which its settings leave open
        key["change"] = {**change.settings, "measured": change.run.path.name}
        decisive["change"] = {**change.settings, "measured": change.run.decisive}
    if learned:
        needs, code = [*needs, learned.run], (*code, *LEARNING_CODE)
        config["learned"] = dict(learned.settings)
        key["learned"], decisive["learned"] = learned.run.path.name, learned.run.decisive
    key["code"] = hash_code(*CODE, *code)
    path = cache_folder() / "records" / f"{kind}-{digest(key)}.safetensors"
    return Run(config | free, path, needs, decisive, key["code"])


def describe_text(corpus: Texts, column: str) -> dict:
    """What a run reads; read again where a file was written since."""
    items = (corpus,) if isinstance(corpus, str) else tuple(corpus)
    files = [path for path in map(expand, filter(looks_like_path, items)) if path.is_file()]
    states = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _describe(corpus if isinstance(corpus, str) else items, column, states)


@cache
def _describe(corpus: str | tuple[str, ...], column: str, states: tuple) -> dict:
    """As `kent.describe`, once for each of the files' `states`: when written, and their bytes."""
    return describe(corpus, column=column)
