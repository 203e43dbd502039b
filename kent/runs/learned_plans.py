"""Which runs a page needs that measures what learning left: stages, changes, settings, starts."""

from collections.abc import Mapping, Sequence
from itertools import product

from kent.models.suites import OWN
from kent.paper import STAGES
from kent.runs.definitions import plan_learning, plan_profile
from kent.runs.learning_plans import (
    LEARNING,
    choose_recipe,
    compare_methods,
    learn_changed,
    learn_stages,
    name_changes,
)
from kent.runs.names import Run
from kent.runs.plans import Checkpoints, Plan, Steps, list_stages, vary
from kent.settings import Count, Finite, Percent, Positive, ShareBelowOne, checked

Settings = Mapping[str, object]
BEFORE, LEARNED = "before", "learned"
"""The label of a profile before learning, and what that of one after it ends with."""
NOT_REPEATED = ("run", "name", "step")
"""Settings of a run of learning that a run which measures what has learned does not repeat."""
FRESH, OWN_RATE, MEMORY = "fresh start", "own rate", "own rate and memory"
"""How learning begins: as in the paper; at the rate that pretraining had, constant; and so with the
optimizer's moments too."""


@checked
def compare_starts(
    checkpoints: Checkpoints,
    *,
    steps: Steps = (),
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """The four stages learning on from each start, profiled "before" and at the end of each.

    Under "START, learning" and "START, learned". Raises `ValueError` for checkpoints that are not
    the book's own, whose rates are not known.
    """
    if not isinstance(checkpoints, str) or checkpoints not in OWN:
        fault = f"the learning rates of {checkpoints!r} are not known"
        raise ValueError(f"{fault}; known are those of {', '.join(OWN)}")
    stages = list_stages(checkpoints, steps, tuple(STAGES))
    stages = [(name, step) for name, step in stages if step]  # the untrained has no rate
    own, facts = choose_recipe(checkpoints, recipe), {"knowledge": knowledge, "control": control}
    runs = {FRESH: [], OWN_RATE: [], MEMORY: []}
    for name, step in stages:
        constant = hold_rate(OWN[name].follow_rate(step))
        varied = {FRESH: {}, OWN_RATE: constant, MEMORY: constant | {"memory": True}}
        for label, settings in varied.items():
            runs[label].append(plan_learning(name, step, **own | settings, **facts))
    plan = vary(stages, {BEFORE: {}}, **measured)
    for label, learning in runs.items():
        plan[f"{label}, {LEARNING}"] = learning
        plan[f"{label}, {LEARNED}"] = [profile_learned(run, measured) for run in learning]
    return plan


def hold_rate(rate: float) -> dict[str, float]:
    """Settings of a recipe that learns at one rate from the first step to the last."""
    return {"learning_rate": rate, "min_rate": 1.0, "warmup": 0.0, "warmup_from": 0.0}


def name_point(corpus: str, share: float, rate: float, epochs: int) -> str:
    """What a setting of continual learning is called.

    >>> name_point("world-far", 0.5, 1e-3, 3)
    'world-far, half old text, peak rate 0.001, 3 epochs'
    """
    old = {0: "", 0.5: ", half old text"}.get(share, f", {share:.0%} old text")
    return f"{corpus}{old}, peak rate {rate:g}, {epochs} epoch{'s' * (epochs > 1)}"


@checked
def search_points(
    checkpoints: Checkpoints,
    *,
    corpora: Sequence[str] = (),
    shares: Sequence[ShareBelowOne] = (0.0, 0.5),
    rates: Sequence[Positive] = (1e-3, 3e-3),
    epochs: Sequence[Count] = (1,),
    steps: Steps = (),
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """The last checkpoint learning on at every setting, and profiled "before" and at its end.

    Under "SETTING, learning" and "SETTING, learned", for each of the `corpora` (by default the
    recipe's), each share of rows from the page's own corpus among its rows, each peak rate, and
    each number of epochs.
    """
    last, own = list_stages(checkpoints, steps, ("738k",)), choose_recipe(checkpoints, recipe)
    facts, old = {"knowledge": knowledge, "control": control}, measured["corpus"]
    plan = vary(last, {BEFORE: {}}, **measured)
    for point in product([*corpora] or [own["corpus"]], shares, rates, epochs):
        corpus, share, rate, count = point
        settings = own | {"corpus": corpus, "learning_rate": rate, "epochs": count}
        settings["mix"] = {old: share} if share else {}
        [run] = vary(last, {LEARNING: facts}, plan_learning, **settings)[LEARNING]
        name = name_point(*point)
        plan[f"{name}, {LEARNING}"] = [run]
        plan[f"{name}, {LEARNED}"] = [profile_learned(run, measured)]
    return plan


@checked
def measure_learned(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (1.0, 2.0),
    controls: Sequence[str] = ("random", "rescale"),
    controlled: Sequence[Positive] = (1.0,),
    steps: Steps = (),
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """`learn_stages` and `compare_methods` without temperatures, each run profiled at its end too.

    Under "learned" what stages came to, under "LABEL, learned" what changed models did.
    """
    taught = {"steps": steps, "recipe": recipe, "knowledge": knowledge, "control": control}
    varied = {"p": p, "q": q, "controls": controls, "controlled": controlled, "cooled": ()}
    plan = learn_stages(checkpoints, **taught, **measured)
    plan |= compare_methods(checkpoints, **varied, **taught, **measured)
    return plan | _profile_ends(plan, measured)


@checked
def compare_gentler(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Positive = 1.0,
    weights: Sequence[Finite] = (0.1, -0.1),
    steps: Steps = (),
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """`learn_changed` by what acts on the memory while a model learns, profiled at its end too.

    That are learning rates by neuron, multipliers folded in over the run, and an entropy term of
    each of the `weights` (`kent.change.gradual`). Beside them stand Algorithm 1 before learning and
    its controls, with the same multipliers. Under "LABEL, learned" what each came to.
    """
    changes = {}
    for method in ("resuscitate", "random", "rescale", "rates", "fold"):
        named = name_changes("q", [q], p=float(p), method=method)
        changes |= {f"{method}, {label}": change for label, change in named.items()}
    for weight in weights:
        changes[f"entropy, weight {weight:g}"] = {"method": "entropy", "weight": float(weight)}
    taught = {"steps": steps, "recipe": recipe, "knowledge": knowledge, "control": control}
    plan = learn_changed(checkpoints, changes=changes, **taught, **measured)
    return plan | _profile_ends(plan, measured)


def _profile_ends(plan: Plan, measured: Settings) -> Plan:
    """Under "LABEL, learned" the profile of what each run of learning in a plan leaves."""
    learning = {label: runs for label, runs in plan.items() if label.endswith(LEARNING)}
    return {
        label.removesuffix(LEARNING) + LEARNED: [profile_learned(run, measured) for run in runs]
        for label, runs in learning.items()
    }


def profile_learned(run: Run, measured: Settings) -> Run:
    """The profile of what a run of learning leaves."""
    checkpoint = (run.config["name"], run.config["step"])
    return plan_profile(*checkpoint, **measured, learned=list_settings(run))


def list_settings(learning: Run) -> dict:
    """What a run of learning was planned with, but for its checkpoint."""
    return {key: value for key, value in learning.config.items() if key not in NOT_REPEATED}
