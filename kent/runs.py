"""Do one run, or load it. A run is found by its configuration and by the code that decides its numbers."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import torch
from torch import Tensor

from kent import pretraining
from kent.checkpoints import load, resolve
from kent.corpora import describe, sequences
from kent.familiarity import Familiarity, measure_familiarity, read_entities
from kent.gradients import Gradients, measure_gradients
from kent.measurement import profile
from kent.profiles import Profile
from kent.records import cache_folder, digest, hash_code

logger = logging.getLogger(__name__)

CODE = (
    *("measurement.py", "attention.py", "memory.py", "blocks.py", "entropy.py", "checkpoints.py"),
    *("corpora.py", "texts.py", "world.py", "templates.py", "world.yaml"),
)
SEED = 0

Result = Profile | Familiarity | Gradients


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
    activation: str = "abs",
    shuffled: bool = False,
) -> Run:
    """The run that profiles one checkpoint on one corpus, with its tokens in order or shuffled (a null baseline).

    Arguments as for `kent.load`, `kent.sequences` and `kent.profile`. Raises `ValueError` for an unknown dtype, and
    what `kent.resolve` and `kent.describe` raise.
    """
    decisive = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype,
                "activation": activation, "shuffled": shuffled}  # fmt: skip
    return _plan("profile", name, step, decisive, {"batch_size": batch_size})


def plan_familiarity(
    name: str,
    step: int | None,
    *,
    corpus: str,
    column: str = "text",
    length: int,
    limit: int,
    dtype: str = "float32",
    batch_size: int = 8,
) -> Run:
    """The run that measures how familiar the entities of a corpus are to a checkpoint (figure 10).

    `corpus` and `column` as for `kent.familiarity.read_entities`. Raises as `plan_profile`.
    """
    decisive = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
    return _plan("familiarity", name, step, decisive, {"batch_size": batch_size}, code=("familiarity.py",))


def plan_gradients(
    name: str,
    step: int | None,
    *,
    corpus: str | Sequence[str],
    column: str = "text",
    length: int,
    limit: int,
    dtype: str = "float32",
    batch_size: int = 8,
    updates: int,
) -> Run:
    """The run that compares coefficients with gradients and updates of memory vectors (appendix A.1).

    Arguments as for `kent.sequences` and `kent.gradients.measure_gradients` (`updates`: optimizer steps).
    """
    decisive = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype,
                "batch_size": batch_size, "updates": updates}  # fmt: skip
    return _plan("gradients", name, step, decisive, {}, code=("gradients.py",))


def _plan(kind: str, name: str, step: int | None, decisive: dict, free: dict, code: tuple[str, ...] = ()) -> Run:
    """A run named by the hash of `decisive`, the checkpoint, the text and the code; `free` settings move no number."""
    if not isinstance(getattr(torch, decisive["dtype"], None), torch.dtype):
        raise ValueError(f"dtype must name a torch dtype (float32, bfloat16, float16), not {decisive['dtype']!r}")
    local = name in pretraining.RECIPES
    revision = {"suite": name, "commit": pretraining.identify(name)} if local else asdict(resolve(name, step))
    corpus = decisive["corpus"]
    text = _describe(corpus if isinstance(corpus, str) else tuple(corpus), decisive["column"])
    config = {"run": kind, "name": name, "step": step, **decisive}
    key = digest({**config, "revision": revision, "text": text, "code": hash_code(*CODE, *code)})
    path = cache_folder() / "records" / f"{kind}-{key}.safetensors"
    return Run(config | free, path, [plan_pretraining(name)] if local else [])


@cache
def _describe(corpus: str | tuple[str, ...], column: str) -> dict:
    return describe(corpus if isinstance(corpus, str) else list(corpus), column=column)


PLANS: dict[str, Callable[..., Run]] = {
    "pretrain": plan_pretraining,
    "profile": plan_profile,
    "familiarity": plan_familiarity,
    "gradients": plan_gradients,
}


def from_config(config: dict) -> Run:
    """The run that a configuration file describes (the keys of `Run.config`).

    Raises `ValueError` for an unknown kind of run, and for settings that are missing or unknown.
    """
    settings = {key: value for key, value in config.items() if key != "run"}
    if config.get("run") not in PLANS:
        raise ValueError(f"a run's configuration needs run: {' or '.join(PLANS)}, not run: {config.get('run')!r}")
    try:
        return PLANS[config["run"]](**settings)
    except TypeError as error:
        raise ValueError(f"the settings of this run do not fit: {error}") from None


def do(run: Run) -> None:
    """Carry out one run and leave its record; the runs it needs are done on the way."""
    kind = run.config["run"]
    if kind == "pretrain":
        pretraining.pretrain(run.config["suite"])
        return
    start = time.perf_counter()
    result = {"profile": _profile, "familiarity": _familiarity, "gradients": _gradients}[kind](run.config)
    revision = asdict(resolve(run.config["name"], run.config["step"]))
    result.provenance.update(revision=revision, seconds=round(time.perf_counter() - start, 1))
    result.save(run.path)


def fetch(run: Run) -> Result:
    """The result a run left in the cache; computed now when it is missing, or damaged (which is said)."""
    read = {"profile": Profile, "familiarity": Familiarity, "gradients": Gradients}[run.config["run"]].load
    if run.done:
        try:
            return read(run.path)
        except ValueError as error:
            logger.warning("%s; measuring again", error)
    do(run)
    return read(run.path)


@lru_cache(maxsize=1)
def _load(name: str, step: int | None, dtype: str):
    """A checkpoint; the last one is kept, since several runs in a row measure it."""
    return load(name, step, dtype=getattr(torch, dtype))


def _draw(config: dict, tokenizer) -> tuple[Tensor, dict]:
    """The sequences of a run, and what its record says of them."""
    corpus, column = config["corpus"], config["column"]
    tokens = sequences(corpus, tokenizer, length=config["length"], limit=config["limit"], column=column)
    if config.get("shuffled"):
        order = torch.randperm(tokens.numel(), generator=torch.Generator().manual_seed(SEED))
        tokens = tokens.flatten()[order].view_as(tokens)
    return tokens, describe(corpus, column=column, tokens=tokens)


def _profile(config: dict) -> Profile:
    model, tokenizer = _load(config["name"], config["step"], config["dtype"])
    tokens, text = _draw(config, tokenizer)
    measures = ("knowledge", "attention", "token") if config["activation"] == "abs" else ("knowledge",)
    measured = profile(
        model, tokens, batch_size=config["batch_size"], measures=measures, activation=config["activation"]
    )
    measured.provenance.update(corpus=text, shuffled=config["shuffled"], seed=SEED)
    return measured


def _familiarity(config: dict) -> Familiarity:
    model, tokenizer = _load(config["name"], config["step"], config["dtype"])
    documents = read_entities(config["corpus"], limit=config["limit"], column=config["column"])
    found = measure_familiarity(model, tokenizer, documents, length=config["length"], batch_size=config["batch_size"])
    found.provenance.update(corpus=describe(config["corpus"], column=config["column"]), seed=SEED)
    return found


def _gradients(config: dict) -> Gradients:
    model, tokenizer = _load(config["name"], config["step"], config["dtype"])
    tokens, text = _draw(config, tokenizer)
    found = measure_gradients(model, tokens, batch_size=config["batch_size"], steps=config["updates"])
    found.provenance.update(corpus=text, seed=SEED)
    return found
