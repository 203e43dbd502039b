"""Which runs a page needs; do one, or load it. A run is found by its configuration and by the code that decides it."""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import torch

from kent import pretraining
from kent.checkpoints import list_steps, load, resolve
from kent.corpora import describe, sequences
from kent.measurement import profile
from kent.profiles import Profile
from kent.records import cache_folder, digest, hash_code
from kent.suites import SUITES

logger = logging.getLogger(__name__)

CODE = (
    *("measurement.py", "attention.py", "memory.py", "blocks.py", "entropy.py", "checkpoints.py"),
    *("corpora.py", "texts.py", "world.py", "templates.py", "world.yaml"),
)
SEED = 0


@dataclass(frozen=True)
class Run:
    """One unit of work: what to do, the record it leaves in the cache, the runs before it, and its threads."""

    config: dict
    path: Path
    needs: list["Run"] = field(default_factory=list)
    threads: int = 1

    @property
    def done(self) -> bool:
        """Whether the record is there."""
        return self.path.is_file()


@cache
def _describe(corpus: str | tuple[str, ...], column: str) -> dict:
    return describe(corpus if isinstance(corpus, str) else list(corpus), column=column)


def plan_pretraining(suite: str) -> Run:
    """The run that pretrains a suite on the spot; it has two threads."""
    return Run({"run": "pretrain", "suite": suite}, pretraining.locate_manifest(suite), threads=2)


def plan_profile(
    name: str,
    step: int | None,
    *,
    corpus: str | Sequence[str],
    column: str = "text",
    length: int,
    limit: int,
    dtype: str = "float32",
    batch_size: int = 8,
    shuffled: bool = False,
) -> Run:
    """The run that profiles one checkpoint on one corpus, with its tokens in order or shuffled (a null baseline).

    Arguments as for `kent.load`, `kent.sequences` and `kent.profile`. Raises `ValueError` for an unknown dtype, and
    what `kent.resolve` and `kent.describe` raise.
    """
    if not isinstance(getattr(torch, dtype, None), torch.dtype):
        raise ValueError(f"dtype must name a torch dtype (float32, bfloat16, float16), not {dtype!r}")
    local = name in pretraining.RECIPES
    revision = {"suite": name, "commit": pretraining.identify(name)} if local else asdict(resolve(name, step))
    corpus = corpus if isinstance(corpus, str) else tuple(corpus)
    decisive = {"run": "profile", "name": name, "step": step, "corpus": corpus, "column": column, "length": length,
                "limit": limit, "dtype": dtype, "shuffled": shuffled}  # fmt: skip
    key = digest({**decisive, "revision": revision, "text": _describe(corpus, column), "code": hash_code(*CODE)})
    path = cache_folder() / "records" / f"profile-{key}.safetensors"
    config = {**decisive, "corpus": corpus if isinstance(corpus, str) else list(corpus), "batch_size": batch_size}
    return Run(config, path, [plan_pretraining(name)] if local else [])


def sweep(checkpoints: str | Iterable[str], *, steps: Sequence[int] = (), **measured) -> list[Run]:
    """One profile run per checkpoint in the order of steps; last, one of the final checkpoint on shuffled tokens.

    `checkpoints` is a suite, a Hub repository, a folder of `step{N}` folders, a checkpoint folder, or a list of these;
    `steps` are those wanted (default: a suite's own list, else all there are). `measured` as for `plan_profile`.
    """
    names = [checkpoints] if isinstance(checkpoints, str) else list(checkpoints)
    if not names:
        raise ValueError("no checkpoints: name a suite, a Hub repository, a folder, or a list of these")
    known = {name: list(steps) or (list(SUITES[name].steps) if name in SUITES else list_steps(name)) for name in names}
    chosen = [(name, step) for name in names for step in known[name] or [None]]
    shuffled = plan_profile(*chosen[-1], **measured, shuffled=True)
    return [*(plan_profile(name, step, **measured) for name, step in chosen), shuffled]


PAGES = {"fig02_knowledge_entropy": sweep}


def plan(page: str, parameters: dict) -> list[Run]:
    """The runs a page asks for with these parameters; none for a page that measures nothing."""
    return PAGES[page](**parameters) if page in PAGES else []


def do(run: Run) -> None:
    """Carry out one run and leave its record; the runs it needs are done on the way."""
    match run.config:
        case {"run": "pretrain", "suite": suite}:
            pretraining.pretrain(suite)
        case {"run": "profile"}:
            _measure(run.config).save(run.path)
        case _:
            raise ValueError(f"a run's configuration starts with run: pretrain or run: profile, not {run.config}")


def from_config(config: dict) -> Run:
    """The run that a configuration file describes (the keys of `Run.config`).

    Raises `ValueError` for an unknown kind of run, and for settings that are missing or unknown.
    """
    settings = {key: value for key, value in config.items() if key != "run"}
    plans = {"profile": plan_profile, "pretrain": plan_pretraining}
    if config.get("run") not in plans:
        raise ValueError(f"a run's configuration needs run: profile or run: pretrain, not run: {config.get('run')!r}")
    try:
        return plans[config["run"]](**settings)
    except TypeError as error:
        raise ValueError(f"the settings of this run do not fit: {error}") from None


def fetch(run: Run) -> Profile:
    """The profile a run left in the cache; computed now when it is missing, or damaged (which is said)."""
    if run.done:
        try:
            return Profile.load(run.path)
        except ValueError as error:
            logger.warning("%s; measuring again", error)
    do(run)
    return Profile.load(run.path)


def _measure(config: dict) -> Profile:
    model, tokenizer = load(config["name"], config["step"], dtype=getattr(torch, config["dtype"]))
    corpus, column = config["corpus"], config["column"]
    tokens = sequences(corpus, tokenizer, length=config["length"], limit=config["limit"], column=column)
    if config["shuffled"]:
        order = torch.randperm(tokens.numel(), generator=torch.Generator().manual_seed(SEED))
        tokens = tokens.flatten()[order].view_as(tokens)
    start = time.perf_counter()
    measured = profile(model, tokens, batch_size=config["batch_size"])
    seconds = round(time.perf_counter() - start, 1)
    revision, text = asdict(resolve(config["name"], config["step"])), describe(corpus, column=column, tokens=tokens)
    measured.provenance.update(revision=revision, corpus=text, shuffled=config["shuffled"], seed=SEED, seconds=seconds)
    return measured
