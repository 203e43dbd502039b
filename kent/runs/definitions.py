"""What a run is: its configuration, and the record it leaves, named by all that decides its
numbers, code included."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML

from kent.change.resuscitation import check_method
from kent.files import expand
from kent.learning.knowledge import Knowledge
from kent.learning.recipes import Recipe
from kent.measure.familiarity import check_source
from kent.models import pretraining
from kent.models.revisions import resolve
from kent.records import cache_folder, digest, hash_code
from kent.settings import Count, Several, Temperature, Whole, check, checked
from kent.text.corpora import describe
from kent.text.documents import looks_like_path

CODE = (
    "precision.py",
    *(
        f"text/{name}"
        for name in (
            "corpora.py",
            "documents.py",
            "templates.py",
            "tokens.py",
            "world.py",
            "world.yaml",
        )
    ),
    "models/checkpoints.py",
    *(
        f"measure/{name}.py"
        for name in ("attention", "blocks", "copies", "entropy", "measurement", "memory")
    ),
    *("measure/rotations.py", "measure/streaming.py", "runs/execution.py"),
)
LEARNING_CODE = (
    "learning/*.py",
    "learning/knowledge.yaml",
    "learning/tasks/*.yaml",
    "change/temperature.py",
)
CHANGING_CODE = ("change/rescaling.py", "change/resuscitation.py")

Name = str | Path
Texts = str | Sequence[str]
Dtype = Literal["float32", "bfloat16", "float16", "float64"]


@dataclass(frozen=True)
class Run:
    """One unit of work: what to do, the record it leaves in the cache, the runs before it, what
    decides its numbers.

    That is, whatever the checkpoint is called, the `decisive` settings and the hash of the `code`.
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


@checked
def plan_profile(
    name: Name,
    step: Whole | None,
    *,
    corpus: Texts,
    column: str = "text",
    length: Several,
    limit: Count,
    dtype: Dtype = "float32",
    batch_size: Count = 8,
    activation: Literal["abs", "relu"] = "abs",
    shuffled: bool = False,
    change: Mapping[str, object] | None = None,
    temperature: Temperature = 1.0,
) -> Run:
    """The run that profiles one checkpoint on one corpus, with its tokens in order or shuffled (a
    null baseline).

    Arguments as for `kent.load`, `kent.sequences` and `kent.profile`. `change` has the checkpoint
    changed before it is measured: a `method` of `kent.change.resuscitation.METHODS` with its
    settings, and under `measured` the arguments of this function for the profile of the unchanged
    checkpoint whose coefficients decide (a run of its own, done before). `temperature` is that of
    the attention's softmax (`kent.change.temperature.set_temperature`).

    Raises `ValueError` for a setting that is not of its type, for a change that is not one, and
    what `kent.resolve` and `kent.describe` raise.
    """
    decisive = {
        "corpus": corpus,
        "column": column,
        "length": length,
        "limit": limit,
        "dtype": dtype,
        "activation": activation,
        "shuffled": shuffled,
        "temperature": float(temperature),
    }
    code = ("change/temperature.py",) if temperature != 1 else ()
    return _plan(
        "profile", name, step, decisive, {"batch_size": batch_size}, code=code, change=change
    )


@checked
def plan_familiarity(
    name: Name,
    step: Whole | None,
    *,
    corpus: str,
    column: str = "text",
    length: Several,
    limit: Count,
    dtype: Dtype = "float32",
    batch_size: Count = 8,
) -> Run:
    """The run that measures how familiar the entities of a corpus are to a checkpoint (figure 10).

    `corpus` and `column` as for `kent.measure.familiarity.read_entities`. Raises as `plan_profile`,
    and `ValueError` for a corpus whose entities are not known.
    """
    check_source(corpus)
    decisive = {
        "corpus": corpus,
        "column": column,
        "length": length,
        "limit": limit,
        "dtype": dtype,
    }
    return _plan(
        "familiarity",
        name,
        step,
        decisive,
        {"batch_size": batch_size},
        code=("measure/familiarity.py",),
    )


@checked
def plan_gradients(
    name: Name,
    step: Whole | None,
    *,
    corpus: Texts,
    column: str = "text",
    length: Several,
    limit: Count,
    dtype: Literal["float32"] = "float32",
    batch_size: Count = 8,
    updates: Count,
) -> Run:
    """The run that compares coefficients with gradients and updates of memory vectors (appendix
    A.1).

    Arguments as for `kent.sequences` and `kent.measure.gradients.measure_gradients` (`updates`:
    optimizer steps).
    """
    decisive = {
        "corpus": corpus,
        "column": column,
        "length": length,
        "limit": limit,
        "dtype": dtype,
        "batch_size": batch_size,
        "updates": updates,
    }
    return _plan("gradients", name, step, decisive, {}, code=("measure/gradients.py",))


@checked
def plan_learning(
    name: Name,
    step: Whole | None,
    *,
    corpus: Texts = "pubmed",
    column: str = "text",
    length: Several = 1024,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    once: Whole = 60,
    paraphrase: Whole = 70,
    dtype: Literal["float32", "bfloat16", "float64"] = "float32",
    change: Mapping[str, object] | None = None,
    **recipe,
) -> Run:
    """The run in which a checkpoint learns on, with new facts injected (section 4).

    `knowledge` and `control` (never injected) are two files each, as for
    `kent.Knowledge.from_json`; without files, facts of the synthetic world, so many injected `once`
    and so many paraphrased. `recipe` as for `kent.learning.recipes.Recipe`; `corpus`, `column` and
    `length` as for `kent.sequences`. The defaults are the paper's. `change` (as for `plan_profile`)
    has the checkpoint changed before it learns. The weights at the end stay in the cache, in a
    folder of `learning/` named like the record.

    Raises `ValueError` for settings of the recipe that do not exist, for files that are not two,
    and as `plan_profile`.
    """
    taught = make_recipe(recipe)
    facts = {
        "knowledge": list(knowledge),
        "control": list(control),
        "once": once,
        "paraphrase": paraphrase,
    }
    decisive = {
        "corpus": corpus,
        "column": column,
        "length": length,
        "dtype": dtype,
        **facts,
        **asdict(taught),
        "betas": list(taught.betas),
    }
    facts = [each.describe() for each in read_knowledge(decisive)]
    free = {"rows": decisive.pop("rows")}
    return _plan(
        "learning", name, step, decisive, free, code=LEARNING_CODE, change=change, facts=facts
    )


def plan_coefficients(name: Name, step: int | None, change: Mapping[str, object]) -> Run:
    """The profile of the unchanged checkpoint whose coefficients decide a `change` (as for
    `plan_profile`).

    Raises `ValueError` for a change that does not say how it is measured, or by what method it is
    made, and for one that would be measured on another checkpoint or on a changed one.
    """
    settings = dict(change)
    if not {"method", "measured"} <= settings.keys():
        raise ValueError(
            f"a change needs a method, and what its coefficients are measured on; it has {settings}"
        )
    measured = check({"measured": Mapping[str, object]}, settings)["measured"]
    if others := sorted(measured.keys() & {"name", "step", "change", "temperature"}):
        raise ValueError(
            "what a change is measured on is its own checkpoint, unchanged: without "
            f"{', '.join(others)}"
        )
    check_method(**{key: value for key, value in settings.items() if key != "measured"})
    return _call(plan_profile, {"name": name, "step": step, **measured})


def _plan(
    kind: str,
    name: Name,
    step: Whole | None,
    decisive: dict,
    free: dict,
    *,
    code: tuple[str, ...] = (),
    change: Mapping[str, object] | None = None,
    **more: object,
) -> Run:
    """A run named by the hash of `decisive`, checkpoint, text, code, `more` and what decides a
    change; `free` settings move no number."""
    name = (
        str(name.absolute()) if isinstance(name, Path) else name
    )  # a folder, also where a suite is called so
    local = name in pretraining.RECIPES
    revision = (
        {"suite": name, "commit": pretraining.identify(name)}
        if local
        else asdict(resolve(name, step))
    )
    corpus = decisive["corpus"]
    items = [corpus] if isinstance(corpus, str) else corpus
    paths = [expand(item) for item in items if looks_like_path(item)]
    states = tuple(
        (path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file()
    )
    text = _describe(
        corpus if isinstance(corpus, str) else tuple(corpus), decisive["column"], states
    )
    decisive = {"run": kind, "step": step, **decisive}
    config = {"name": name, **decisive}
    needs = [plan_pretraining(name)] if local else []
    if change:
        source = plan_coefficients(name, step, change)
        needs, code = [*needs, source], (*code, *CHANGING_CODE)
        free, more = (
            free | {"change": dict(change)},
            more | {"change": {**change, "measured": source.path.name}},
        )
        decisive["change"] = {**change, "measured": source.decisive}
    deciding = hash_code(*CODE, *code)
    key = digest({**config, "revision": revision, "text": text, "code": deciding, **more})
    path = cache_folder() / "records" / f"{kind}-{key}.safetensors"
    return Run(config | free, path, needs, decisive, deciding)


@cache
def _describe(
    corpus: str | tuple[str, ...], column: str, states: tuple[tuple[int, int], ...]
) -> dict:
    """What a run reads; read again where a file was written since (`states`: when, and its
    bytes)."""
    return describe(corpus if isinstance(corpus, str) else list(corpus), column=column)


PLANS: dict[str, Callable[..., Run]] = {
    "pretrain": plan_pretraining,
    "profile": plan_profile,
    "familiarity": plan_familiarity,
    "gradients": plan_gradients,
    "learning": plan_learning,
}


def read_config(path: str | Path) -> dict:
    """What a YAML file sets: one run, or a page's parameters. Words and numbers are read as YAML
    1.2 has them.

    There 4e-4 is a number, 010 is ten, and `no` is a word. Raises `ValueError`, naming the file,
    for what is not YAML, sets a name twice, or holds no settings; OSError for a file that cannot be
    read.
    """
    text = Path(path).read_bytes()
    try:
        config = YAML(typ="safe", pure=True).load(text)
    except (
        Exception
    ) as error:  # its reader also lets LookupError, RecursionError and others through
        raise ValueError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds no settings: it needs lines such as `name: value`")
    return config


def from_config(config: dict) -> Run:
    """The run that a configuration file describes (the keys of `Run.config`).

    Raises `ValueError` for an unknown kind of run, and for settings that are missing, unknown, or
    not of their type.
    """
    if words := [key for key in config if not isinstance(key, str)]:
        raise ValueError(f"a setting has a word for a name, not {words[0]!r}")
    settings = {key: value for key, value in config.items() if key != "run"}
    if config.get("run") not in [*PLANS]:
        raise ValueError(
            f"a run's configuration needs run: {' or '.join(PLANS)}, not run: {config.get('run')!r}"
        )
    return _call(PLANS[config["run"]], settings)


def _call(plan: Callable[..., Run], settings: Mapping[str, object]) -> Run:
    try:
        inspect.signature(plan).bind(**settings)
    except TypeError as error:
        raise ValueError(f"the settings of this run do not fit: {error}") from None
    return plan(**settings)


def make_recipe(settings: Mapping[str, object]) -> Recipe:
    """A recipe from a configuration, where JSON and YAML know lists only.

    Raises `ValueError` for settings that a recipe does not have, and as `Recipe` does.
    """
    known = [field.name for field in fields(Recipe)]
    if unknown := sorted(settings.keys() - set(known)):
        raise ValueError(f"a recipe has no {', '.join(unknown)}; it has {', '.join(known)}")
    lists = {key: tuple(value) for key, value in settings.items() if isinstance(value, list)}
    return Recipe(**{**settings, **lists})


def read_knowledge(config: dict) -> list[Knowledge]:
    """The facts that a run injects, and those that it never does."""
    for name in ("knowledge", "control"):
        if len(config[name]) not in (0, 2):
            raise ValueError(
                f"{name} is two files, what is injected once and what is paraphrased, not "
                f"{config[name]!r}"
            )
    return [
        Knowledge.from_json(*config[name])
        if config[name]
        else _invent(seed, config["once"], config["paraphrase"])
        for seed, name in enumerate(("knowledge", "control"))
    ]


@cache
def _invent(seed: int, once: int, paraphrase: int) -> Knowledge:
    """Facts of the synthetic world, written once for all the runs of a plan."""
    return Knowledge.synthetic(seed, once=once, paraphrase=paraphrase)
