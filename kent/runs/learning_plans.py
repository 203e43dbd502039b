"""Which runs a page on continual learning needs: of models as they are, and of changed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from kent.change.gradual import GRADUAL
from kent.learning.knowledge import INJECTIONS
from kent.learning.recipes import Recipe
from kent.paper import STAGES, TABLES, Setting
from kent.runs.configurations import SETTINGS, make_recipe
from kent.runs.definitions import plan_learning
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
from kent.settings import Percent, Positive, Whole, checked

Changes = Mapping[str, Mapping[str, object]]
"""By label a `method` with its settings (`kent.change.resuscitation.METHODS`), or a `temperature`
of the attention, which may say by `cooling` whether it is lowered while the model learns."""
Settings = Mapping[str, object]

UNCHANGED, LEARNING = "unchanged", "learning"
"""The label of a model as it is; what the label of a run of learning ends with."""


def choose_recipe(checkpoints: Checkpoints, recipe: Settings | None) -> dict:
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
    setting = choose_recipe(checkpoints, recipe)
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
    own = {"corpus": "pubmed", "column": "text"} | choose_recipe(checkpoints, recipe)
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
    own = choose_recipe(checkpoints, recipe)
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
        learning, setting = {f"{name}, learning": facts}, choose_recipe(name, recipe)
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
        if change.get("change", {}).get("method") in GRADUAL:
            del change["change"]
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
    listed, setting = list_stages(checkpoints, steps, stages), choose_recipe(checkpoints, recipe)
    return profiled | vary(listed, learning, plan_learning, **setting)


def name_changes(varied: str, values: Sequence[float], **same: float | str) -> dict[str, dict]:
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
    return learn_changed(checkpoints, changes=name_changes("q", q, p=float(p)), **settings)


@checked
def vary_p(
    checkpoints: Checkpoints,
    *,
    p: Sequence[Percent] = (25.0, 50.0, 75.0, 90.0),
    q: Positive = 1.0,
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `p` in percent (figure 15)."""
    return learn_changed(checkpoints, changes=name_changes("p", p, q=float(q)), **settings)


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
    return change_models(checkpoints, changes=name_changes("q", q, p=float(p)), **measured)


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
    changes |= name_changes("q", q, p=float(p))
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
            named = name_changes("q", values, p=float(p), method=method)
            changes |= {f"{method}, {label}": change for label, change in named.items()}
    changes |= {f"temperature, T = {T:g}": {"temperature": float(T)} for T in cooled}
    return learn_changed(checkpoints, changes=changes, **settings)
