"""Which runs a page that measures needs: a function per kind of page, from its parameters to
labelled lists of runs."""

from collections.abc import Sequence

from kent.models.revisions import list_steps
from kent.models.suites import SUITES
from kent.paper import STAGES
from kent.records import digest
from kent.runs.definitions import Dtype, Run, plan_familiarity, plan_gradients, plan_profile
from kent.settings import Count, Whole, checked

Checkpoints = str | Sequence[str]
Steps = Sequence[Whole]
Corpus = str | dict[str, str]
Plan = dict[str, list[Run]]

UPDATES = 16
"""Optimizer steps whose updates appendix A.1's page measures."""


def _list_checkpoints(checkpoints: Checkpoints, steps: Steps) -> list[tuple[str, int | None]]:
    """Name and step of every checkpoint, by name in the order of steps; `steps`: else a suite's
    own, else all."""
    names = [checkpoints] if isinstance(checkpoints, str) else list(checkpoints)
    if not names:
        raise ValueError(
            "no checkpoints: name a suite, a Hub repository, a folder, or a list of these"
        )
    known = {
        name: steps or (SUITES[name].steps if name in SUITES else list_steps(name))
        for name in names
    }
    return [(name, step) for name in names for step in sorted(set(known[name])) or [None]]


def pick_stages(steps: Sequence[int]) -> dict[str, int]:
    """For each stage of the paper (16, 50, 75 and 100 % of the run) the index of the nearest of
    ascending `steps`."""
    return {
        stage: min(range(len(steps)), key=lambda index: abs(steps[index] - share * steps[-1]))
        for stage, share in STAGES.items()
    }


def list_stages(
    checkpoints: Checkpoints, steps: Steps, wanted: Sequence[str] = ("118k", "369k", "738k")
) -> list[tuple[str, int | None]]:
    """The checkpoints nearest to stages of the paper, each once.

    Where they do not name their steps, it is all of them, or the last where one stage is wanted.
    """
    listed = _list_checkpoints(checkpoints, steps)
    if any(step is None for _, step in listed):
        return listed if len(wanted) > 1 else listed[-1:]
    stages = pick_stages([step for _, step in listed])
    return [listed[index] for index in sorted({stages[stage] for stage in wanted})]


@checked
def sweep(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """One profile per checkpoint in the order of steps.

    `checkpoints` is a suite, a Hub repository, a folder of `step{N}` folders, a checkpoint folder,
    or a list of these; `steps` are those wanted (default: a suite's own list, else all there are).
    `measured` as for `plan_profile`.
    """
    return {
        "in order": [
            plan_profile(*each, **measured) for each in _list_checkpoints(checkpoints, steps)
        ]
    }


@checked
def sweep_stages(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """The checkpoints of an early, a middle and the final stage (16, 50 and 100 %), and the first
    of all."""
    first = _list_checkpoints(checkpoints, steps)[0]
    stages = list_stages(checkpoints, steps)
    return {
        "first": [plan_profile(*first, **measured)],
        "stages": [plan_profile(*each, **measured) for each in stages],
    }


@checked
def sweep_with_baseline(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """`sweep`, and the last checkpoint on shuffled tokens."""
    last = _list_checkpoints(checkpoints, steps)[-1]
    return sweep(checkpoints, steps=steps, **measured) | {
        "shuffled": [plan_profile(*last, **measured, shuffled=True)]
    }


@checked
def sweep_architectures(
    checkpoints: Checkpoints, *, other_architecture: Checkpoints = "", steps: Steps = (), **measured
) -> Plan:
    """`sweep` of `checkpoints` and of `other_architecture` (default: the suite's own), each under
    its name."""
    other_architecture = other_architecture or (
        SUITES[checkpoints].other_architecture
        if isinstance(checkpoints, str) and checkpoints in SUITES
        else ""
    )
    listed = [checkpoints, other_architecture] if other_architecture else [checkpoints]
    names = [each if isinstance(each, str) else ", ".join(each) for each in listed]
    return {
        name: sweep(each, steps=steps, **measured)["in order"]
        for name, each in zip(names, listed, strict=True)
    }


def list_corpora(
    checkpoints: Checkpoints, corpus: str, others: Sequence[Corpus], column: str
) -> dict[str, dict]:
    """Corpus and column of each text, under its name; `others` default to those of the suite.

    Raises `ValueError` for a further corpus that is not one, and for two of the same name.
    """
    if not others and isinstance(checkpoints, str) and checkpoints in SUITES:
        others = [each for each in SUITES[checkpoints].corpora if each != corpus]
    texts = [{"corpus": corpus, "column": column}]
    texts += [
        each if isinstance(each, dict) else {"corpus": each, "column": column} for each in others
    ]
    if wrong := [text for text in texts if text.keys() != {"corpus", "column"}]:
        raise ValueError(
            f"a further corpus is a name, a file, or {{corpus: FILE, column: NAME}}, not {wrong[0]}"
        )
    named = {str(text["corpus"]).rsplit("/", 1)[-1]: text for text in texts}
    if len(named) < len(texts):
        raise ValueError(
            f"corpora are told apart by the last part of their names, and two are alike: {[*named]}"
        )
    return named


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
    return {
        name: sweep(checkpoints, steps=steps, **measured, **text)["in order"]
        for name, text in texts.items()
    }


@checked
def sweep_activations(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """`sweep` with the magnitude of the coefficients and with their ReLU variant (figure 9)."""
    return {
        activation: sweep(checkpoints, steps=steps, **measured, activation=activation)["in order"]
        for activation in ("abs", "relu")
    }


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
    """The last checkpoint on ever fewer sequences, on ever shorter ones, and in the other
    dtypes."""
    last = _list_checkpoints(checkpoints, steps)[-1]
    settings = {
        "sequences": [
            {"limit": number, "length": length, "dtype": dtype} for number in _divide(limit, 4)
        ],
        "length": [
            {"limit": limit, "length": tokens, "dtype": dtype} for tokens in _divide(length, 2)
        ],
        "dtype": [
            {"limit": limit, "length": length, "dtype": each}
            for each in ("float32", "bfloat16", "float16")
        ],
    }
    return {
        what: [plan_profile(*last, **each, **measured) for each in listed]
        for what, listed in settings.items()
    }


def _divide(number: int, factor: int) -> list[int]:
    """`number` and what is left of it after dividing by `factor` again and again, down to 4 or
    more; ascending."""
    found = [number]
    while found[0] // factor >= 4:
        found.insert(0, found[0] // factor)
    return found


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
    """How familiar the entities of each corpus (as for `sweep_corpora`) are to the last checkpoint
    (figure 10)."""
    last = _list_checkpoints(checkpoints, steps)[-1]
    texts = list_corpora(checkpoints, corpus, others, column)
    if len(texts) < 2:
        raise ValueError("nothing to compare with: name further corpora in others")
    return {name: [plan_familiarity(*last, **measured, **text)] for name, text in texts.items()}


@checked
def compare_gradients(checkpoints: Checkpoints, *, steps: Steps = (), **measured) -> Plan:
    """Coefficients beside gradients and updates at the early, middle and final stage (appendix
    A.1)."""
    stages = list_stages(checkpoints, steps)
    return {"stages": [plan_gradients(*each, **measured, updates=UPDATES) for each in stages]}


def describe_plan(plan: Plan) -> dict[str, list[str]]:
    """What a page asks for, whatever its checkpoints are called, and the code that does it.

    Under `configurations` a hash for every labelled list of runs, under `code` those of the code
    that decides them.
    """
    asked = [digest([run.decisive for run in runs]) for runs in plan.values()]
    return {
        "configurations": asked,
        "code": sorted({run.code for runs in plan.values() for run in runs}),
    }
