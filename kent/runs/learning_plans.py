"""Which runs a page on continual learning needs: of models as they are, and of changed ones
(section 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from kent.learning.knowledge import INJECTIONS
from kent.learning.recipes import Recipe
from kent.models.suites import SUITES
from kent.paper import STAGES, TABLES, Setting
from kent.runs.definitions import make_recipe, plan_learning, plan_profile
from kent.runs.plans import (
    Checkpoints,
    Corpus,
    Plan,
    Steps,
    list_corpora,
    list_stages,
    pick_stages,
    sweep_architectures,
)
from kent.settings import Percent, Positive, Whole, checked

SETTINGS = {field.name for field in fields(Recipe)}


def _choose_recipe(checkpoints: Checkpoints, recipe: Mapping[str, object] | None) -> dict:
    """The suite's own setting of continual learning, or for other checkpoints the paper's, as
    `recipe` changes it.

    Raises `ValueError` for a setting that is not of its type, and for no tasks: every page compares
    P.
    """
    suite = SUITES.get(checkpoints) if isinstance(checkpoints, str) else None
    chosen = (suite.learning if suite else {}) | dict(recipe or {})
    make_recipe({key: value for key, value in chosen.items() if key in SETTINGS})
    if not chosen.get("tasks", True):
        raise ValueError(
            "a page compares what models can: its recipe needs tasks, paper or world or a task's "
            "name"
        )
    return chosen


@checked
def learn_stages(
    checkpoints: Checkpoints,
    *,
    steps: Steps = (),
    recipe: Mapping[str, object] | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """The checkpoints nearest to the paper's four stages: each profiled as it is, and learning on
    (figure 4).

    `recipe` changes the suite's own setting, or for other checkpoints the paper's: settings as for
    `plan_learning`.
    """
    stages = list_stages(checkpoints, steps, tuple(STAGES))
    facts = {"knowledge": knowledge, "control": control}
    setting = _choose_recipe(checkpoints, recipe)
    return {
        "before": [plan_profile(*each, **measured) for each in stages],
        "learning": [plan_learning(*each, **facts, **setting) for each in stages],
    }


@checked
def learn_corpora(
    checkpoints: Checkpoints, *, others: Sequence[Corpus] = (), recipe=None, **settings
) -> Plan:
    """`learn_stages` on the recipe's corpus and on `others` (default: the suite's second corpus;
    figure 13).

    `others` are names, files, or {corpus: FILE, column: NAME}.
    """
    if not others and isinstance(checkpoints, str) and checkpoints in SUITES:
        others = [SUITES[checkpoints].corpora[1]]
    if not others:
        raise ValueError("nothing to compare with: name a further corpus in others")
    own = {"corpus": "pubmed", "column": "text"} | _choose_recipe(checkpoints, recipe)
    texts = list_corpora(checkpoints, own["corpus"], others, own["column"])
    plans = [
        learn_stages(checkpoints, recipe={**(recipe or {}), **text}, **settings)
        for text in texts.values()
    ]
    return plans[0] | {
        name: plan["learning"] for name, plan in zip([*texts][1:], plans[1:], strict=True)
    }


def vary_recipe(recipe: Mapping[str, object], setting: Setting) -> dict:
    """A recipe changed as a row of table 1 changes the paper's baseline, over the same rows.

    Rates and epochs change by the paper's factor; so does the batch, as far as its steps can hold
    ten injections.
    """
    baseline, own = (
        TABLES["baseline"],
        {field.name: field.default for field in fields(Recipe)} | dict(recipe),
    )
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
def learn_settings(
    checkpoints: Checkpoints, *, recipe: Mapping[str, object] | None = None, **settings
) -> Plan:
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
    recipe: Mapping[str, object] | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """Every checkpoint from 16 % of the run on, of `checkpoints` and of `other_architecture` (as
    for `sweep_architectures`): profiled, under the model's name, and learning on, under "NAME,
    learning" (figure 14, footnote 11)."""
    plan, facts = {}, {"knowledge": knowledge, "control": control}
    for name, sweep in sweep_architectures(
        checkpoints, other_architecture=other_architecture, steps=steps, **measured
    ).items():
        listed = [(run.config["name"], run.config["step"]) for run in sweep]
        known = all(step is not None for _, step in listed)
        first = pick_stages([step for _, step in listed])["118k"] if known else 0
        setting = _choose_recipe(name, recipe)
        plan[name] = sweep[first:]
        plan[f"{name}, learning"] = [
            plan_learning(*each, **facts, **setting) for each in listed[first:]
        ]
    return plan


def _set_change(change: Mapping[str, object], measured: Mapping[str, object]) -> dict:
    """The arguments of a run that changes a model by a method, or sets a temperature; none for no
    change."""
    return (
        {"change": {**change, "measured": dict(measured)}} if "method" in change else dict(change)
    )


@checked
def change_models(
    checkpoints: Checkpoints,
    *,
    changes: Mapping[str, Mapping[str, object]],
    stages: Sequence[str] = ("738k",),
    steps: Steps = (),
    **measured,
) -> Plan:
    """The checkpoints nearest to stages of the paper, profiled as they are ("unchanged") and
    changed in each way.

    `changes` holds by label a `method` with its settings (`kent.change.resuscitation.METHODS`), or
    a `temperature` of the attention, which may say whether it is lowered while the model learns, by
    `cooling`.
    """
    listed = list_stages(checkpoints, steps, stages)
    plan = {}
    for label, change in {"unchanged": {}, **changes}.items():
        own = {
            key: value for key, value in _set_change(change, measured).items() if key != "cooling"
        }
        plan[label] = [plan_profile(*each, **measured, **own) for each in listed]
    return plan


@checked
def learn_changed(
    checkpoints: Checkpoints,
    *,
    changes: Mapping[str, Mapping[str, object]],
    stages: Sequence[str] = ("738k",),
    steps: Steps = (),
    recipe: Mapping[str, object] | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """`change_models`, and under "LABEL, learning" each of them learning on (`recipe` as for
    `learn_stages`).

    Raises `ValueError` for a recipe with a temperature of its own: a temperature is a change here.
    """
    if unwanted := {"temperature", "cooling"} & dict(recipe or {}).keys():
        raise ValueError(
            f"the recipe of changed models has no {', '.join(sorted(unwanted))}: a temperature is "
            "a change"
        )
    plan = change_models(checkpoints, changes=changes, stages=stages, steps=steps, **measured)
    setting = {"knowledge": knowledge, "control": control, **_choose_recipe(checkpoints, recipe)}
    for label in [*plan]:
        own = _set_change(changes.get(label, {}), measured)
        learning = [
            plan_learning(run.config["name"], run.config["step"], **setting, **own)
            for run in plan[label]
        ]
        plan[f"{label}, learning"] = learning
    return plan


@checked
def vary_q(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (0.5, 1.0, 2.0, 3.0),
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `q` (figures 5, 16 and 17)."""
    return learn_changed(checkpoints, changes=_name_changes({"p": p}, q=q), **settings)


@checked
def resuscitate_stages(
    checkpoints: Checkpoints, *, q: Sequence[Positive] = (2.0,), **settings
) -> Plan:
    """`vary_q` at the paper's four stages (figure 16)."""
    return vary_q(checkpoints, q=q, stages=tuple(STAGES), **settings)


@checked
def vary_q_midway(checkpoints: Checkpoints, **settings) -> Plan:
    """`vary_q` at the second and the third of the paper's stages (figure 17)."""
    return vary_q(checkpoints, stages=("369k", "554k"), **settings)


@checked
def vary_p(
    checkpoints: Checkpoints,
    *,
    p: Sequence[Percent] = (25.0, 50.0, 75.0, 90.0),
    q: Positive = 1.0,
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `p` in percent (figure 15)."""
    return learn_changed(checkpoints, changes=_name_changes({"q": q}, p=p), **settings)


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
    return change_models(checkpoints, changes=_name_changes({"p": p}, q=q), **measured)


def _name_changes(
    fixed: Mapping[str, float | int], method: str = "resuscitate", **varied: Sequence[float | int]
) -> dict[str, dict]:
    """A change for each value of the one setting that is varied, under a label such as "q = 2"."""
    [(name, values)] = varied.items()
    same = {key: float(value) for key, value in fixed.items()}
    return {
        f"{name} = {value:g}": {"method": method, **same, name: float(value)} for value in values
    }


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
    """`learn_changed` by temperatures of the attention, lowered to 1 over the run or constant, and
    by Algorithm 1 with each `q` (figure 18)."""
    changes = {f"T = {each:g}, cooled": {"temperature": float(each)} for each in cooled}
    changes |= {
        f"T = {each:g}": {"temperature": float(each), "cooling": False} for each in constant
    }
    return learn_changed(checkpoints, changes=changes | _name_changes({"p": p}, q=q), **settings)


@checked
def compare_methods(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (0.5, 1.0, 2.0, 3.0),
    controls: Sequence[str] = ("random", "rescale"),
    controlled: Sequence[Positive] = (1.0, 2.0),
    cooled: Sequence[Positive] = (1.5, 2.0, 3.0),
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `q`, by its controls with each of `controlled`, by
    shrink and perturb, and by temperatures of the attention that are lowered over the run.

    A suite of plain models is not rescaled: only gated ones have a rescale that changes nothing.
    """
    plain = isinstance(checkpoints, str) and checkpoints in SUITES and not SUITES[checkpoints].gated
    changes = {
        f"resuscitate, {label}": change for label, change in _name_changes({"p": p}, q=q).items()
    }
    for method in (each for each in controls if each != "rescale" or not plain):
        named = _name_changes({"p": p}, method, q=controlled)
        changes |= {f"{method}, {label}": change for label, change in named.items()}
    changes |= {"shrink": {"method": "shrink"}}
    changes |= {f"temperature, T = {each:g}": {"temperature": float(each)} for each in cooled}
    return learn_changed(checkpoints, changes=changes, **settings)
