"""Which runs a page that measures needs, by its parameters: labelled lists of runs.

One shape is behind all of them (`vary`): checkpoints × variations of a setting, under labels.
"""

from collections.abc import Callable, Mapping, Sequence

from kent.models.revisions import choose_count, find_checkpoint, list_places, list_steps, spell
from kent.models.suites import SUITES, Suite
from kent.paper import STAGES
from kent.records import digest
from kent.runs.definitions import Dtype, plan_familiarity, plan_gradients, plan_profile
from kent.runs.names import Run
from kent.settings import Count, Whole, checked

Checkpoints = str | Sequence[str]
Steps = Sequence[Whole | str]  # steps, or names of branches
Corpus = str | dict[str, str]
Checkpoint = tuple[str, int | str | None]
Plan = dict[str, list[Run]]

UPDATES = 16
"""Optimizer steps whose updates appendix A.1's page measures."""


def find_suite(checkpoints: Checkpoints) -> Suite | None:
    """The suite of this name; None for other checkpoints."""
    return SUITES.get(checkpoints) if isinstance(checkpoints, str) else None


def list_checkpoints(checkpoints: Checkpoints, steps: Steps) -> list[Checkpoint]:
    """Name and step (or branch) of every checkpoint, by name in the order of steps.

    `steps` are those wanted; else a suite's own, else all that there are. Where branches are among
    them, they are in the order of their places; as given, where one says none. Raises `ValueError`
    for no checkpoints.
    """
    names = [checkpoints] if isinstance(checkpoints, str) else list(checkpoints)
    if not names:
        accepted = "a suite, a Hub repository, a folder, or a list of these"
        raise ValueError(f"no checkpoints: name {accepted}")
    own = {name: SUITES[name].steps if name in SUITES else () for name in names}
    known = {name: steps or own[name] or _list_all(name) for name in names}
    return [(name, step) for name in names for step in _sort(name, known[name]) or [None]]


def _list_all(name: str) -> Steps:
    """All checkpoints: by their branches where steps repeat, or there are several stages."""
    places = list_places(name)
    steps = {place.step for place in places.values()}
    stages = {place.stage or 1 for place in places.values()}
    return [*places] if len(stages) > 1 or len(steps) < len(places) else list_steps(name)


def _sort(name: str, steps: Steps) -> Steps:
    """Each step once, in order."""
    if not any(isinstance(step, str) for step in steps):
        return sorted(set(steps))
    places, steps = [*list_places(name)], [*dict.fromkeys(steps)]
    return sorted(steps, key=places.index) if {*steps} <= {*places} else steps


def measure_progress(listed: Sequence[Checkpoint]) -> list[int] | None:
    """How far in their pretraining checkpoints are: steps or, where those do not compare, tokens.

    None where neither is known of all.
    """
    steps = [step for _, step in listed]
    if any(isinstance(step, str) for step in steps):
        found = [vars(find_checkpoint(name, **spell(step))[0]) for name, step in listed]
        count = choose_count(found)
        steps = [revision.get(count) for revision in found]
    return None if None in steps else steps


def pick_stages(steps: Sequence[int]) -> dict[str, int]:
    """For each stage of the paper (16, 50, 75 and 100 % of the run) the index of the nearest step.

    `steps` ascend.
    """
    places = range(len(steps))
    return {
        stage: min(places, key=lambda index: abs(steps[index] - share * steps[-1]))
        for stage, share in STAGES.items()
    }


def list_stages(
    checkpoints: Checkpoints, steps: Steps, wanted: Sequence[str] = ("118k", "369k", "738k")
) -> list[Checkpoint]:
    """The checkpoints nearest to stages of the paper, each once.

    Where it is not known how far they are, it is all of them, or the last where one stage is
    wanted.
    """
    listed = list_checkpoints(checkpoints, steps)
    progress = measure_progress(listed)
    if progress is None:
        return listed if len(wanted) > 1 else listed[-1:]
    stages = pick_stages(progress)
    return [listed[index] for index in sorted({stages[stage] for stage in wanted})]


def vary(
    listed: Sequence[Checkpoint],
    variations: Mapping[str, Mapping[str, object]],
    plan_run: Callable[..., Run] = plan_profile,
    **settings,
) -> Plan:
    """Under each label a run of every checkpoint listed, with the settings and the label's own."""
    return {
        label: [plan_run(*each, **settings, **own) for each in listed]
        for label, own in variations.items()
    }


@checked
def sweep(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """One profile per checkpoint in the order of steps.

    `checkpoints` is a suite, a Hub repository, a folder of `step{N}` folders, a checkpoint folder,
    or a list of these; `steps` are those wanted (default: a suite's own list, else all there are).
    `measured` as for `plan_profile`.
    """
    return vary(list_checkpoints(checkpoints, steps), {"in order": {}}, **measured)


@checked
def sweep_stages(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """The first checkpoint, and those of an early, a middle and the final stage (16, 50, 100 %)."""
    first = list_checkpoints(checkpoints, steps)[:1]
    stages = list_stages(checkpoints, steps)
    return vary(first, {"first": {}}, **measured) | vary(stages, {"stages": {}}, **measured)


@checked
def sweep_with_baseline(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """`sweep`, and the last checkpoint on shuffled tokens."""
    last = list_checkpoints(checkpoints, steps)[-1:]
    shuffled = vary(last, {"shuffled": {"shuffled": True}}, **measured)
    return sweep(checkpoints, steps=steps, **measured) | shuffled


@checked
def sweep_activations(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """`sweep` with the magnitude of the coefficients and with their ReLU variant (figure 9)."""
    activations = {name: {"activation": name} for name in ("abs", "relu")}
    return vary(list_checkpoints(checkpoints, steps), activations, **measured)


@checked
def sweep_architectures(
    checkpoints: Checkpoints, *, other_architecture: Checkpoints = "", steps: Steps = (), **measured
) -> Plan:
    """`sweep` of `checkpoints` and of `other_architecture`, each under its name.

    The other architecture of a suite is by default its own.
    """
    suite = find_suite(checkpoints)
    other = other_architecture or (suite.other_architecture if suite else "")
    plan = {}
    for each in [checkpoints, other] if other else [checkpoints]:
        name = each if isinstance(each, str) else ", ".join(each)
        plan |= vary(list_checkpoints(each, steps), {name: {}}, **measured)
    return plan


def list_corpora(
    checkpoints: Checkpoints, corpus: str, others: Sequence[Corpus], column: str
) -> dict[str, dict]:
    """Corpus and column of each text, under its name; `others` default to those of the suite.

    Raises `ValueError` for a further corpus that is not one, and for two of the same name.
    """
    if not others and (suite := find_suite(checkpoints)):
        others = [each for each in suite.corpora if each != corpus]
    own = {"column": column}
    listed = [
        each if isinstance(each, dict) else {"corpus": each} | own for each in (corpus, *others)
    ]
    if wrong := [text for text in listed if text.keys() != {"corpus", "column"}]:
        accepted = "a name, a file, or {corpus: FILE, column: NAME}"
        raise ValueError(f"a further corpus is {accepted}, not {wrong[0]}")
    texts = {str(text["corpus"]).rsplit("/", 1)[-1]: text for text in listed}
    if len(texts) < len(listed):
        rule = "corpora are told apart by the last part of their names"
        raise ValueError(f"{rule}, and two are alike: {[*texts]}")
    return texts


@checked
def sweep_corpora(
    checkpoints: Checkpoints,
    *,
    corpus: str,
    column: str = "text",
    others: Sequence[Corpus] = (),
    steps: Steps = (),
    **measured,
) -> Plan:
    """`sweep` on `corpus` and on each of `others`: names, files, or {corpus: FILE, column: NAME}.

    `others` default to the suite's other corpora.
    """
    texts = list_corpora(checkpoints, corpus, others, column)
    return vary(list_checkpoints(checkpoints, steps), texts, **measured)


@checked
def compare_familiarity(
    checkpoints: Checkpoints,
    *,
    corpus: str,
    column: str = "text",
    others: Sequence[Corpus] = (),
    steps: Steps = (),
    **measured,
) -> Plan:
    """How familiar the last checkpoint is with the entities of each corpus (figure 10).

    Corpora as for `sweep_corpora`. Raises `ValueError` where there is one only.
    """
    last = list_checkpoints(checkpoints, steps)[-1:]
    texts = list_corpora(checkpoints, corpus, others, column)
    if len(texts) < 2:
        raise ValueError("nothing to compare with: name further corpora in others")
    return vary(last, texts, plan_familiarity, **measured)


@checked
def compare_gradients(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """Coefficients beside gradients and updates at an early, a middle and the final stage (A.1)."""
    stages = list_stages(checkpoints, steps)
    return vary(stages, {"stages": {"updates": UPDATES}}, plan_gradients, **measured)


@checked
def sweep_sizes(
    checkpoints: Checkpoints,
    *,
    steps: Steps = (),
    length: Count,
    limit: Count,
    dtype: Dtype = "float32",
    **measured,
) -> Plan:
    """The last checkpoint on ever fewer sequences, on ever shorter ones, and in other dtypes."""
    last = list_checkpoints(checkpoints, steps)[-1]
    usual = {"length": length, "limit": limit, "dtype": dtype}
    varied = {
        "sequences": ("limit", _divide(limit, 4)),
        "length": ("length", _divide(length, 2)),
        "dtype": ("dtype", ["float32", "bfloat16", "float16"]),
    }
    return {
        label: [plan_profile(*last, **usual | {name: value}, **measured) for value in values]
        for label, (name, values) in varied.items()
    }


def _divide(number: int, factor: int) -> list[int]:
    """A number divided by a factor again and again, down to 4 or more; ascending."""
    found = [number]
    while found[0] // factor >= 4:
        found.insert(0, found[0] // factor)
    return found


def describe_plan(plan: Plan) -> dict[str, list[str]]:
    """What a page asks for, whatever its checkpoints are called, and the code that does it.

    Under `configurations` a hash for every labelled list of runs, under `code` those of the code
    that decides them.
    """
    asked = [digest([run.decisive for run in runs]) for runs in plan.values()]
    code = {run.code for runs in plan.values() for run in runs}
    return {"configurations": asked, "code": sorted(code)}
