"""Which runs a page on continual learning needs: of models as they are, and of changed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product

from kent.learning.knowledge import INJECTIONS
from kent.learning.recipes import Recipe
from kent.models.suites import OWN
from kent.paper import STAGES, TABLES, Setting
from kent.runs.configurations import SETTINGS, make_recipe
from kent.runs.definitions import plan_learning, plan_profile
from kent.runs.names import Run
from kent.runs.plans import (
    Checkpoints,
    Corpus,
    Plan,
    Steps,
    find_suite,
    list_corpora,
    list_stages,
    measure_progress,
    pick_stages,
    sweep_architectures,
    vary,
)
from kent.settings import Count, Percent, Positive, ShareBelowOne, Whole, checked

Changes = Mapping[str, Mapping[str, object]]
"""By label a `method` with its settings (`kent.change.resuscitation.METHODS`), or a `temperature`
of the attention, which may say by `cooling` whether it is lowered while the model learns."""
Settings = Mapping[str, object]

UNCHANGED = "unchanged"
BEFORE, LEARNING, LEARNED = "before", "learning", "learned"
"""What the label of a run ends with: a profile before learning, the learning, one after it."""
NOT_REPEATED = ("run", "name", "step")
"""Settings of a run of learning that a run which measures what has learned does not repeat."""


def _choose_recipe(checkpoints: Checkpoints, recipe: Settings | None) -> dict:
    """The suite's own setting, or for other checkpoints the paper's, as `recipe` changes it.

    Raises `ValueError` for a setting that is not of its type, for facts, which a page names beside
    its recipe, and for no tasks: pages compare P.
    """
    suite = find_suite(checkpoints)
    chosen = (suite.learning if suite else {}) | dict(recipe or {})
    if facts := {"knowledge", "control"} & chosen.keys():
        raise ValueError(f"{' and '.join(sorted(facts))} stand beside a recipe, not in it")
    make_recipe({key: value for key, value in chosen.items() if key in SETTINGS})
    if not chosen.get("tasks", True):
        wanted = "its recipe needs tasks, paper or world or a task's name"
        raise ValueError(f"a page compares what models can: {wanted}")
    return chosen


@checked
def learn_stages(
    checkpoints: Checkpoints,
    *,
    steps: Steps = (),
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """Checkpoints nearest to the paper's four stages: profiled "before", and "learning" (figure 4).

    `recipe` changes the suite's own setting, or for other checkpoints the paper's: settings as for
    `plan_learning`.
    """
    stages = list_stages(checkpoints, steps, tuple(STAGES))
    learning = {"learning": {"knowledge": knowledge, "control": control}}
    setting = _choose_recipe(checkpoints, recipe)
    before = vary(stages, {"before": {}}, **measured)
    return before | vary(stages, learning, plan_learning, **setting)


@checked
def learn_corpora(
    checkpoints: Checkpoints,
    *,
    others: Sequence[Corpus] = (),
    recipe: Settings | None = None,
    **settings,
) -> Plan:
    """`learn_stages` on the recipe's corpus and on `others` (figure 13).

    `others` are as for `kent.runs.plans.sweep_corpora`; by default the suite's second corpus.
    """
    if not others and (suite := find_suite(checkpoints)):
        others = [suite.corpora[1]]
    if not others:
        raise ValueError("nothing to compare with: name a further corpus in others")
    own = {"corpus": "pubmed", "column": "text"} | _choose_recipe(checkpoints, recipe)
    texts = list_corpora(checkpoints, own["corpus"], others, own["column"])
    plan = {}
    for name, text in texts.items():
        learnt = learn_stages(checkpoints, recipe=dict(recipe or {}) | text, **settings)
        plan |= {name: learnt["learning"]} if plan else learnt
    return plan


def vary_recipe(recipe: Settings, setting: Setting) -> dict:
    """A recipe changed as a row of table 1 changes the paper's baseline, over the same rows.

    Rates and epochs change by the paper's factor; so does the batch, as far as its steps can hold
    ten injections.
    """
    baseline, own = TABLES["baseline"], asdict(Recipe()) | dict(recipe)
    factors = range(1, setting.batch // baseline.batch + 1)
    larger = max(each for each in factors if own["steps"] % (each * INJECTIONS) == 0)
    changed = {
        "batch": own["batch"] * larger,
        "steps": own["steps"] // larger,
        "learning_rate": own["learning_rate"] * (setting.rate / baseline.rate),
        "epochs": own["epochs"] * (setting.epochs // baseline.epochs),
    }
    return dict(recipe) | {name: value for name, value in changed.items() if value != own[name]}


@checked
def learn_settings(checkpoints: Checkpoints, *, recipe: Settings | None = None, **settings) -> Plan:
    """`learn_stages` under every setting of table 1, by its name."""
    own = _choose_recipe(checkpoints, recipe)
    return {
        name: learn_stages(checkpoints, recipe=vary_recipe(own, row), **settings)["learning"]
        for name, row in TABLES.items()
    }


@checked
def learn_architectures(
    checkpoints: Checkpoints,
    *,
    other_architecture: Checkpoints = "",
    steps: Steps = (),
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """Every checkpoint from 16 % of the run on, of both architectures (figure 14, footnote 11).

    Profiled under the model's name, and learning on under "NAME, learning"; `other_architecture` as
    for `sweep_architectures`.
    """
    both = {"other_architecture": other_architecture, "steps": steps}
    plan, facts = {}, {"knowledge": knowledge, "control": control}
    for name, sweep in sweep_architectures(checkpoints, **both, **measured).items():
        listed = [(run.config["name"], run.config["step"]) for run in sweep]
        progress = measure_progress(listed)
        first = 0 if progress is None else pick_stages(progress)["118k"]
        learning, setting = {f"{name}, learning": facts}, _choose_recipe(name, recipe)
        plan[name] = sweep[first:]
        plan |= vary(listed[first:], learning, plan_learning, **setting)
    return plan


def _vary_changes(changes: Changes, measured: Settings) -> dict[str, dict]:
    """By label the arguments of a run that changes a model; "unchanged" first."""
    return {"unchanged": {}} | {
        label: {"change": {**change, "measured": measured}} if "method" in change else {**change}
        for label, change in changes.items()
    }


@checked
def change_models(
    checkpoints: Checkpoints,
    *,
    changes: Changes,
    stages: Sequence[str] = ("738k",),
    steps: Steps = (),
    **measured,
) -> Plan:
    """Checkpoints nearest to stages of the paper, profiled "unchanged" and changed in each way."""
    varied = _vary_changes(changes, measured)
    for change in varied.values():
        change.pop("cooling", None)  # a profile is taken before the model learns
    return vary(list_stages(checkpoints, steps, stages), varied, **measured)


@checked
def learn_changed(
    checkpoints: Checkpoints,
    *,
    changes: Changes,
    stages: Sequence[str] = ("738k",),
    steps: Steps = (),
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """`change_models`, and under "LABEL, learning" each of them learning on.

    `recipe` as for `learn_stages`. Raises `ValueError` for a recipe with a temperature of its own:
    a temperature is a change here.
    """
    if unwanted := sorted({"temperature", "cooling"} & dict(recipe or {}).keys()):
        rule = "a temperature is a change"
        raise ValueError(f"the recipe of changed models has no {', '.join(unwanted)}: {rule}")
    profiled = change_models(checkpoints, changes=changes, stages=stages, steps=steps, **measured)
    facts = {"knowledge": knowledge, "control": control}
    learning = {
        f"{label}, learning": facts | own for label, own in _vary_changes(changes, measured).items()
    }
    listed, setting = list_stages(checkpoints, steps, stages), _choose_recipe(checkpoints, recipe)
    return profiled | vary(listed, learning, plan_learning, **setting)


def _name_changes(varied: str, values: Sequence[float], **same: float | str) -> dict[str, dict]:
    """A change for each value of the one setting that is varied, under a label such as "q = 2"."""
    same = {"method": "resuscitate"} | same
    return {f"{varied} = {value:g}": {**same, varied: float(value)} for value in values}


@checked
def vary_q(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (0.5, 1.0, 2.0, 3.0),
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `q` (figures 5, 16 and 17)."""
    return learn_changed(checkpoints, changes=_name_changes("q", q, p=float(p)), **settings)


@checked
def vary_p(
    checkpoints: Checkpoints,
    *,
    p: Sequence[Percent] = (25.0, 50.0, 75.0, 90.0),
    q: Positive = 1.0,
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `p` in percent (figure 15)."""
    return learn_changed(checkpoints, changes=_name_changes("p", p, q=float(q)), **settings)


@checked
def show_algorithm(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (0.5, 1.0, 2.0, 3.0),
    layer: Whole = 0,
    **measured,
) -> Plan:
    """`change_models` by Algorithm 1 with each `q`: the final model measured, before any learning.

    All layers are measured; `layer` is the one that the page shows.
    """
    return change_models(checkpoints, changes=_name_changes("q", q, p=float(p)), **measured)


@checked
def vary_temperature(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (1.0, 2.0, 3.0),
    cooled: Sequence[Positive] = (1.5, 2.0, 3.0),
    constant: Sequence[Positive] = (1.5, 0.67),
    **settings,
) -> Plan:
    """`learn_changed` by temperatures of the attention, and by Algorithm 1 (figure 18).

    Temperatures are lowered to 1 over the run (`cooled`) or `constant`; Algorithm 1 has each `q`.
    """
    changes = {f"T = {T:g}, cooled": {"temperature": float(T)} for T in cooled}
    changes |= {f"T = {T:g}": {"temperature": float(T), "cooling": False} for T in constant}
    changes |= _name_changes("q", q, p=float(p))
    return learn_changed(checkpoints, changes=changes, **settings)


@checked
def compare_methods(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (0.5, 1.0, 2.0, 3.0),
    controls: Sequence[str] = ("random", "rescale", "shrink"),
    controlled: Sequence[Positive] = (1.0, 2.0),
    cooled: Sequence[Positive] = (1.5, 2.0, 3.0),
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `q`, and by what it is compared with.

    These are its `controls`, with each q of `controlled` (shrink and perturb has no q), and
    temperatures of the attention that are lowered over the run (`cooled`). A suite of plain models
    is not rescaled: only gated ones have a rescale that changes nothing.
    """
    suite, changes = find_suite(checkpoints), {}
    plain = suite and not suite.gated
    for method, values in [("resuscitate", q), *((each, controlled) for each in controls)]:
        if method == "shrink":
            changes["shrink"] = {"method": "shrink"}
        elif method != "rescale" or not plain:
            named = _name_changes("q", values, p=float(p), method=method)
            changes |= {f"{method}, {label}": change for label, change in named.items()}
    changes |= {f"temperature, T = {T:g}": {"temperature": float(T)} for T in cooled}
    return learn_changed(checkpoints, changes=changes, **settings)


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
    own, facts = _choose_recipe(checkpoints, recipe), {"knowledge": knowledge, "control": control}
    runs = {FRESH: [], OWN_RATE: [], MEMORY: []}
    for name, step in stages:
        constant = {"learning_rate": OWN[name].follow_rate(step), "min_rate": 1.0}
        constant |= {"warmup": 0.0, "warmup_from": 0.0}
        varied = {FRESH: {}, OWN_RATE: constant, MEMORY: constant | {"memory": True}}
        for label, settings in varied.items():
            runs[label].append(plan_learning(name, step, **own | settings, **facts))
    plan = vary(stages, {BEFORE: {}}, **measured)
    for label, learning in runs.items():
        plan[f"{label}, {LEARNING}"] = learning
        plan[f"{label}, {LEARNED}"] = [_measure_learned(run, measured) for run in learning]
    return plan


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
    last, own = list_stages(checkpoints, steps, ("738k",)), _choose_recipe(checkpoints, recipe)
    facts, old = {"knowledge": knowledge, "control": control}, measured["corpus"]
    plan = vary(last, {BEFORE: {}}, **measured)
    for point in product([*corpora] or [own["corpus"]], shares, rates, epochs):
        corpus, share, rate, count = point
        settings = own | {"corpus": corpus, "learning_rate": rate, "epochs": count}
        settings["mix"] = {old: share} if share else {}
        [run] = vary(last, {LEARNING: facts}, plan_learning, **settings)[LEARNING]
        name = name_point(*point)
        plan[f"{name}, {LEARNING}"] = [run]
        plan[f"{name}, {LEARNED}"] = [_measure_learned(run, measured)]
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
    learning = {label: runs for label, runs in plan.items() if label.endswith(LEARNING)}
    return plan | {
        label.removesuffix(LEARNING) + LEARNED: [_measure_learned(run, measured) for run in runs]
        for label, runs in learning.items()
    }


def _measure_learned(run: Run, measured: Settings) -> Run:
    """The profile of what a run of learning leaves."""
    checkpoint = (run.config["name"], run.config["step"])
    return plan_profile(*checkpoint, **measured, learned=list_settings(run))


def list_settings(learning: Run) -> dict:
    """What a run of learning was planned with, but for its checkpoint."""
    return {key: value for key, value in learning.config.items() if key not in NOT_REPEATED}
