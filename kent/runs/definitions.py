"""What a run is asked for: the settings of each kind, and the run that they name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from kent.change.gradual import GRADUAL
from kent.change.resuscitation import METHODS, check_method
from kent.measure.familiarity import check_source
from kent.runs.configurations import make_recipe, read_knowledge
from kent.runs.names import (
    LEARNING_CODE,
    Name,
    Run,
    Source,
    Step,
    Texts,
    describe_text,
    name_run,
    plan_pretraining,
)
from kent.runs.rows import place_rows
from kent.settings import Count, Seed, Several, ShareBelowOne, Temperature, Whole, check, checked

Dtype = Literal["float32", "bfloat16", "float16", "float64"]


@checked
def plan_profile(
    name: Name,
    step: Step,
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
    learned: Mapping[str, object] | None = None,
    temperature: Temperature = 1.0,
) -> Run:
    """The run that profiles one checkpoint on one corpus, its tokens in order or shuffled.

    Arguments as for `kent.load`, `kent.sequences` and `kent.profile`, but `step` may be a branch's
    name too; shuffled tokens are a null baseline. `change` has the checkpoint changed before it is
    measured: a `method` of `kent.change.resuscitation.METHODS` with its settings, and under
    `measured` the arguments of this function for the profile of the unchanged checkpoint whose
    coefficients decide (a run of its own, done before). `learned` are the arguments of
    `plan_learning` for the same checkpoint: what is measured is the model at the end of that run
    (done before, too). `temperature` is that of the attention's softmax
    (`kent.change.temperature.set_temperature`).

    Raises `ValueError` for a setting that is not of its type, for a change that is not one, and
    what `kent.resolve` and `kent.describe` raise.
    """
    read = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
    read |= {"activation": activation, "shuffled": shuffled, "temperature": float(temperature)}
    code = ("change/temperature.py",) if temperature != 1 else ()
    models = {"change": change, "learned": learned}
    return _plan("profile", name, step, read, {"batch_size": batch_size}, code, **models)


@checked
def plan_familiarity(
    name: Name,
    step: Step,
    *,
    corpus: str,
    column: str = "text",
    length: Several,
    limit: Count,
    dtype: Dtype = "float32",
    batch_size: Count = 8,
    skip: Whole = 0,
    learned: Mapping[str, object] | None = None,
) -> Run:
    """The run that measures how familiar a corpus's entities are to a checkpoint (figure 10).

    `corpus`, `column` and `skip` as for `kent.measure.familiarity.read_entities`, `learned` as for
    `plan_profile`. Raises as `plan_profile`, and `ValueError` for a corpus whose entities are not
    known.
    """
    check_source(corpus)
    read = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
    read |= {"skip": skip} if skip else {}
    code = ("measure/familiarity.py",)
    free = {"batch_size": batch_size}
    return _plan("familiarity", name, step, read, free, code, learned=learned)


@checked
def plan_gradients(
    name: Name,
    step: Step,
    *,
    corpus: Texts,
    column: str = "text",
    length: Several,
    limit: Count,
    dtype: Literal["float32"] = "float32",
    batch_size: Count = 8,
    updates: Count,
) -> Run:
    """The run that sets coefficients beside gradients and updates of memory vectors (appendix A.1).

    Arguments as for `kent.sequences` and `kent.measure.gradients.measure_gradients` (`updates`:
    optimizer steps). Raises as `plan_profile`.
    """
    read = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
    read |= {"batch_size": batch_size, "updates": updates}
    return _plan("gradients", name, step, read, {}, ("measure/gradients.py",))


@checked
def plan_learning(
    name: Name,
    step: Step,
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
    mix: Mapping[str, ShareBelowOne] | None = None,
    memory: bool = False,
    order: Seed | None = None,
    **recipe,
) -> Run:
    """The run in which a checkpoint learns on, with new facts injected (section 4).

    `knowledge` and `control` (never injected) are two files each, as for
    `kent.Knowledge.from_json`; without files, facts of the synthetic world, so many injected `once`
    and so many paraphrased. `recipe` as for `kent.learning.recipes.Recipe`; `corpus`, `column` and
    `length` as for `kent.sequences`. The defaults are the paper's. `change` (as for `plan_profile`)
    has the checkpoint changed before it learns, or while it does, by a method of
    `kent.change.gradual.GRADUAL`. `mix` has rows of further corpora among those of
    `corpus`, each with its share of all rows. With `memory` the optimizer goes on from the moments
    that lie beside the checkpoint (`kent.learning.moments`). `order` is a seed that shuffles the
    rows, which otherwise come in the order of the corpora. The weights at the end stay in the
    cache, in a folder of `learning/` named like the record.

    Raises `ValueError` for settings of the recipe that do not exist, for files that are not two,
    for shares that leave a corpus no row, for the memory of a changed model, and as `plan_profile`.
    """
    settings = asdict(taught := make_recipe(recipe)) | {"betas": list(taught.betas)}
    free = {"rows": settings.pop("rows")}
    settings |= {"corpus": corpus, "column": column, "length": length, "dtype": dtype, "once": once}
    settings |= {"knowledge": [*knowledge], "control": [*control], "paraphrase": paraphrase}
    more = {}
    if mix:
        settings["mix"] = dict(mix)
        place_rows(settings)
        more["mixed"] = [describe_text(source, column) for source in mix]
    if memory and change:
        raise ValueError("the optimizer's memory is of the checkpoint as it was: without a change")
    settings |= {"memory": True} if memory else {}
    facts = [each.describe() for each in read_knowledge(settings)]
    # Named, but not decisive: orders are seeds, and pages recorded before there was a choice of
    # when probes are scored asked for the same.
    kept = {} if order is None else {"order": order}
    if settings["probes_every"] == 1:
        kept["probes_every"] = settings.pop("probes_every")
    more |= {"facts": facts, **kept}
    return _plan("learning", name, step, settings, free | kept, LEARNING_CODE, change, **more)


@checked
def plan_probing(
    name: Name,
    step: Step,
    *,
    knowledge: Sequence[str] = (),
    once: Whole = 60,
    paraphrase: Whole = 70,
    dtype: Dtype = "float32",
    batch_size: Count = 64,
    change: Mapping[str, object] | None = None,
) -> Run:
    """The run that asks one checkpoint what it knows of facts, with nothing learned: K (`probe`).

    `knowledge`, `once` and `paraphrase` as for `plan_learning`, `change` as for `plan_profile`.
    Raises as `plan_learning`.
    """
    asked = {"knowledge": [*knowledge], "once": once, "paraphrase": paraphrase, "dtype": dtype}
    facts = read_knowledge(asked | {"control": []})[0].describe()
    free = {"batch_size": batch_size}
    return _plan("probing", name, step, asked, free, LEARNING_CODE, change, facts=facts)


def plan_coefficients(name: Name, step: Step, change: Mapping[str, object]) -> Run:
    """The profile of the unchanged checkpoint whose coefficients decide a `change`.

    Raises `ValueError` for a change (as for `plan_profile`) that does not say how it is measured,
    or by what method it is made, and for one measured on another checkpoint or on a changed one.
    """
    if not {"method", "measured"} <= change.keys():
        wanted = "a method, and what its coefficients are measured on"
        raise ValueError(f"a change needs {wanted}; it has {dict(change)}")
    measured = check({"measured": Mapping[str, object]}, change)["measured"]
    if others := sorted(measured.keys() & {"name", "step", "change", "temperature"}):
        own = "what a change is measured on is its own checkpoint, unchanged"
        raise ValueError(f"{own}: without {', '.join(others)}")
    settings = {key: value for key, value in change.items() if key != "measured"}
    methods = GRADUAL if change["method"] in GRADUAL else METHODS
    check_method(**settings, methods=methods)
    return _call(plan_profile, {"name": name, "step": step, **measured})


def plan_learned(name: Name, step: Step, learned: Mapping[str, object]) -> Run:
    """The run in which a checkpoint has `learned`, by the other arguments of `plan_learning`."""
    if others := sorted(learned.keys() & {"name", "step"}):
        raise ValueError(f"what has learned is the checkpoint itself: without {', '.join(others)}")
    return _call(plan_learning, {"name": name, "step": step, **learned})


def _plan(
    kind: str,
    name: Name,
    step: Step,
    decisive: dict,
    free: dict,
    code: tuple[str, ...],
    change: Mapping[str, object] | None = None,
    learned: Mapping[str, object] | None = None,
    **more: object,
) -> Run:
    """The run of these settings, with the runs before it that a change or a learning names."""
    if change and change.get("method") in GRADUAL and kind != "learning":
        raise ValueError(f"{change['method']} changes a model while it learns, not before")
    if change and learned:
        raise ValueError("a change before learning is one of the learning's settings")
    if change:
        more["change"] = Source(change, plan_coefficients(name, step, change))
    if learned:
        more["learned"] = Source(learned, plan_learned(name, step, learned))
    return name_run(kind, name, step, decisive, free, code, **more)


PLANS: dict[str, Callable[..., Run]] = {
    "pretrain": plan_pretraining,
    "profile": plan_profile,
    "familiarity": plan_familiarity,
    "gradients": plan_gradients,
    "learning": plan_learning,
    "probing": plan_probing,
}


def from_config(config: dict) -> Run:
    """The run that a configuration file describes (the keys of `Run.config`).

    Raises `ValueError` for an unknown kind of run, and for settings that are missing, unknown, or
    not of their type.
    """
    if words := [key for key in config if not isinstance(key, str)]:
        raise ValueError(f"a setting has a word for a name, not {words[0]!r}")
    kind = config.get("run")
    if kind not in [*PLANS]:
        known = " or ".join(PLANS)
        raise ValueError(f"a run's configuration needs run: {known}, not run: {kind!r}")
    return _call(PLANS[kind], {key: value for key, value in config.items() if key != "run"})


def _call(plan: Callable[..., Run], settings: Mapping[str, object]) -> Run:
    try:
        inspect.signature(plan).bind(**settings)
    except TypeError as error:
        raise ValueError(f"the settings of this run do not fit: {error}") from None
    return plan(**settings)
