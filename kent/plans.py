"""Which runs a page needs: one function per kind of page, from the page's parameters to labelled lists of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from kent.checkpoints import list_steps
from kent.knowledge import INJECTIONS
from kent.learning import Recipe
from kent.paper import STAGES, TABLES, Setting
from kent.records import digest
from kent.runs import Run, plan_familiarity, plan_gradients, plan_learning, plan_profile
from kent.suites import SUITES

Checkpoints = str | Sequence[str]
Corpus = str | dict[str, str]
Plan = dict[str, list[Run]]

UPDATES = 16
"""Optimizer steps whose updates appendix A.1's page measures."""


def _list_checkpoints(checkpoints: Checkpoints, steps: Sequence[int]) -> list[tuple[str, int | None]]:
    """Name and step of every checkpoint in the order of steps; `steps` default to a suite's own, else to all."""
    names = [checkpoints] if isinstance(checkpoints, str) else list(checkpoints)
    if not names:
        raise ValueError("no checkpoints: name a suite, a Hub repository, a folder, or a list of these")
    known = {name: list(steps) or (list(SUITES[name].steps) if name in SUITES else list_steps(name)) for name in names}
    return [(name, step) for name in names for step in known[name] or [None]]


def pick_stages(steps: Sequence[int]) -> dict[str, int]:
    """For each stage of the paper (16, 50, 75 and 100 % of the run) the index of the nearest of `steps`."""
    return {
        stage: min(range(len(steps)), key=lambda index: abs(steps[index] - share * steps[-1]))
        for stage, share in STAGES.items()
    }


def _list_stages(
    checkpoints: Checkpoints, steps: Sequence[int], wanted: Sequence[str] = ("118k", "369k", "738k")
) -> list[tuple[str, int | None]]:
    """The checkpoints nearest to stages of the paper, each once; all, where they do not name their steps."""
    listed = _list_checkpoints(checkpoints, steps)
    if any(step is None for _, step in listed):
        return listed
    stages = pick_stages([step for _, step in listed])
    return [listed[index] for index in sorted({stages[stage] for stage in wanted})]


def sweep(checkpoints: Checkpoints, *, steps: Sequence[int] = (), **measured) -> Plan:
    """One profile per checkpoint in the order of steps.

    `checkpoints` is a suite, a Hub repository, a folder of `step{N}` folders, a checkpoint folder, or a list of these;
    `steps` are those wanted (default: a suite's own list, else all there are). `measured` as for `plan_profile`.
    """
    return {"in order": [plan_profile(*each, **measured) for each in _list_checkpoints(checkpoints, steps)]}


def sweep_stages(checkpoints: Checkpoints, *, steps: Sequence[int] = (), **measured) -> Plan:
    """The checkpoints of an early, a middle and the final stage (16, 50 and 100 %), and the first of all."""
    first = _list_checkpoints(checkpoints, steps)[0]
    stages = _list_stages(checkpoints, steps)
    return {"first": [plan_profile(*first, **measured)], "stages": [plan_profile(*each, **measured) for each in stages]}


def sweep_with_baseline(checkpoints: Checkpoints, *, steps: Sequence[int] = (), **measured) -> Plan:
    """`sweep`, and the last checkpoint on shuffled tokens."""
    last = _list_checkpoints(checkpoints, steps)[-1]
    return sweep(checkpoints, steps=steps, **measured) | {"shuffled": [plan_profile(*last, **measured, shuffled=True)]}


def sweep_twins(checkpoints: Checkpoints, *, twin: Checkpoints = "", steps: Sequence[int] = (), **measured) -> Plan:
    """`sweep` of `checkpoints` and of `twin` (default: the suite's own), each under its name."""
    twin = twin or (SUITES[checkpoints].twin if isinstance(checkpoints, str) and checkpoints in SUITES else "")
    listed = [checkpoints, twin] if twin else [checkpoints]
    names = [each if isinstance(each, str) else ", ".join(each) for each in listed]
    return {name: sweep(each, steps=steps, **measured)["in order"] for name, each in zip(names, listed, strict=True)}


def _list_corpora(checkpoints: Checkpoints, corpus: str, others: Sequence[Corpus], column: str) -> dict[str, dict]:
    """Corpus and column of each text, under its name; `others` default to those of the suite."""
    if not others and isinstance(checkpoints, str) and checkpoints in SUITES:
        others = [each for each in SUITES[checkpoints].corpora if each != corpus]
    texts = [{"corpus": corpus, "column": column}]
    texts += [each if isinstance(each, dict) else {"corpus": each, "column": column} for each in others]
    if wrong := [text for text in texts if text.keys() != {"corpus", "column"}]:
        raise ValueError(f"a further corpus is a name, a file, or {{corpus: FILE, column: NAME}}, not {wrong[0]}")
    named = {str(text["corpus"]).rsplit("/", 1)[-1]: text for text in texts}
    if len(named) < len(texts):
        raise ValueError(f"corpora are told apart by the last part of their names, and two are alike: {[*named]}")
    return named


def sweep_corpora(
    checkpoints: Checkpoints,
    *,
    corpus: str,
    column: str = "text",
    others: Sequence[Corpus] = (),
    steps: Sequence[int] = (),
    **measured,
) -> Plan:
    """`sweep` on `corpus` and on each of `others`: names, files, or {corpus: FILE, column: NAME}.

    `others` default to the suite's other corpora.
    """
    texts = _list_corpora(checkpoints, corpus, others, column)
    return {name: sweep(checkpoints, steps=steps, **measured, **text)["in order"] for name, text in texts.items()}


def sweep_activations(checkpoints: Checkpoints, *, steps: Sequence[int] = (), **measured) -> Plan:
    """`sweep` with the magnitude of the coefficients and with their ReLU variant (figure 9)."""
    return {
        activation: sweep(checkpoints, steps=steps, **measured, activation=activation)["in order"]
        for activation in ("abs", "relu")
    }


def sweep_sizes(
    checkpoints: Checkpoints,
    *,
    steps: Sequence[int] = (),
    length: int,
    limit: int,
    dtype: str = "float32",
    **measured,
) -> Plan:
    """The last checkpoint on ever fewer sequences, on ever shorter ones, and in the other dtypes."""
    last = _list_checkpoints(checkpoints, steps)[-1]
    settings = {
        "sequences": [{"limit": number, "length": length, "dtype": dtype} for number in _divide(limit, 4)],
        "length": [{"limit": limit, "length": tokens, "dtype": dtype} for tokens in _divide(length, 2)],
        "dtype": [{"limit": limit, "length": length, "dtype": each} for each in ("float32", "bfloat16", "float16")],
    }
    return {what: [plan_profile(*last, **each, **measured) for each in listed] for what, listed in settings.items()}


def _divide(number: int, factor: int) -> list[int]:
    """`number` and what is left of it after dividing by `factor` again and again, down to 4 or more; ascending."""
    found = [number]
    while found[0] // factor >= 4:
        found.insert(0, found[0] // factor)
    return found


def compare_familiarity(
    checkpoints: Checkpoints,
    *,
    corpus: str,
    column: str = "text",
    others: Sequence[Corpus] = (),
    steps: Sequence[int] = (),
    **measured,
) -> Plan:
    """How familiar the entities of each corpus (as for `sweep_corpora`) are to the last checkpoint (figure 10)."""
    last = _list_checkpoints(checkpoints, steps)[-1]
    texts = _list_corpora(checkpoints, corpus, others, column)
    if len(texts) < 2:
        raise ValueError("nothing to compare with: name further corpora in others")
    return {name: [plan_familiarity(*last, **measured, **text)] for name, text in texts.items()}


def compare_gradients(checkpoints: Checkpoints, *, steps: Sequence[int] = (), **measured) -> Plan:
    """Coefficients beside gradients and updates at the early, middle and final stage (appendix A.1)."""
    stages = _list_stages(checkpoints, steps)
    return {"stages": [plan_gradients(*each, **measured, updates=UPDATES) for each in stages]}


def _choose_recipe(checkpoints: Checkpoints, recipe: Mapping[str, object] | None) -> dict:
    """The suite's own setting of continual learning, or for other checkpoints the paper's, as `recipe` changes it."""
    suite = SUITES.get(checkpoints) if isinstance(checkpoints, str) else None
    return (suite.learning if suite else {}) | dict(recipe or {})


def learn_stages(
    checkpoints: Checkpoints,
    *,
    steps: Sequence[int] = (),
    recipe: Mapping[str, object] | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """The checkpoints nearest to the paper's four stages: each profiled as it is, and learning on (figure 4).

    `recipe` changes the suite's own setting, or for other checkpoints the paper's: settings as for `plan_learning`.
    """
    stages = _list_stages(checkpoints, steps, tuple(STAGES))
    facts = {"knowledge": knowledge, "control": control}
    setting = _choose_recipe(checkpoints, recipe)
    return {
        "before": [plan_profile(*each, **measured) for each in stages],
        "learning": [plan_learning(*each, **facts, **setting) for each in stages],
    }


def learn_corpora(checkpoints: Checkpoints, *, others: Sequence[Corpus] = (), recipe=None, **settings) -> Plan:
    """`learn_stages` on the recipe's corpus and on `others` (default: the suite's second corpus; figure 13).

    `others` are names, files, or {corpus: FILE, column: NAME}.
    """
    if not others and isinstance(checkpoints, str) and checkpoints in SUITES:
        others = [SUITES[checkpoints].corpora[1]]
    if not others:
        raise ValueError("nothing to compare with: name a further corpus in others")
    plan = learn_stages(checkpoints, recipe=recipe, **settings)
    for other in others:
        text = other if isinstance(other, dict) else {"corpus": other}
        name = str(text["corpus"]).rsplit("/", 1)[-1]
        plan[name] = learn_stages(checkpoints, recipe={**(recipe or {}), **text}, **settings)["learning"]
    return plan


def vary_recipe(recipe: Mapping[str, object], setting: Setting) -> dict:
    """A recipe changed as a row of table 1 changes the paper's baseline, over the same rows.

    Rates and epochs change by the paper's factor; so does the batch, as far as a step for every injection is left.
    """
    baseline, own = TABLES["baseline"], {field.name: field.default for field in fields(Recipe)} | dict(recipe)
    larger = min(setting.batch // baseline.batch, own["steps"] // INJECTIONS)
    changed = {
        "batch": own["batch"] * larger,
        "steps": own["steps"] // larger,
        "learning_rate": own["learning_rate"] * (setting.rate / baseline.rate),
        "epochs": own["epochs"] * (setting.epochs // baseline.epochs),
    }
    return dict(recipe) | {name: value for name, value in changed.items() if value != own[name]}


def learn_settings(checkpoints: Checkpoints, *, recipe: Mapping[str, object] | None = None, **settings) -> Plan:
    """`learn_stages` under every setting of table 1, by its name."""
    own = _choose_recipe(checkpoints, recipe)
    return {
        name: learn_stages(checkpoints, recipe=vary_recipe(own, row), **settings)["learning"]
        for name, row in TABLES.items()
    }


def learn_twins(
    checkpoints: Checkpoints,
    *,
    twin: Checkpoints = "",
    steps: Sequence[int] = (),
    recipe: Mapping[str, object] | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """Every checkpoint from 16 % of the run on, of `checkpoints` and of `twin` (as for `sweep_twins`): profiled, under
    the model's name, and learning on, under "NAME, learning" (figure 14, footnote 11).
    """
    plan, facts = {}, {"knowledge": knowledge, "control": control}
    for name, sweep in sweep_twins(checkpoints, twin=twin, steps=steps, **measured).items():
        listed = [(run.config["name"], run.config["step"]) for run in sweep]
        known = all(step is not None for _, step in listed)
        first = pick_stages([step for _, step in listed])["118k"] if known else 0
        setting = _choose_recipe(name, recipe)
        plan[name] = sweep[first:]
        plan[f"{name}, learning"] = [plan_learning(*each, **facts, **setting) for each in listed[first:]]
    return plan


def _set_change(change: Mapping[str, object], measured: Mapping[str, object]) -> dict:
    """The arguments of a run that changes a model by a method, or sets a temperature; none for no change."""
    return {"change": {**change, "measured": dict(measured)}} if "method" in change else dict(change)


def change_models(
    checkpoints: Checkpoints,
    *,
    changes: Mapping[str, Mapping[str, object]],
    stages: Sequence[str] = ("738k",),
    steps: Sequence[int] = (),
    **measured,
) -> Plan:
    """The checkpoints nearest to stages of the paper, profiled as they are ("unchanged") and changed in each way.

    `changes` holds by label a `method` with its settings (`kent.resuscitation.METHODS`), or a `temperature` of the
    attention.
    """
    stages = _list_stages(checkpoints, steps, stages)
    settings = {label: _set_change(change, measured) for label, change in {"unchanged": {}, **changes}.items()}
    return {label: [plan_profile(*each, **measured, **own) for each in stages] for label, own in settings.items()}


def learn_changed(
    checkpoints: Checkpoints,
    *,
    changes: Mapping[str, Mapping[str, object]],
    stages: Sequence[str] = ("738k",),
    steps: Sequence[int] = (),
    recipe: Mapping[str, object] | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """`change_models`, and under "LABEL, learning" each of them learning on.

    A temperature is lowered to 1 over the run, or stays where `changes` sets `cooling` false.
    """
    without = {
        label: {key: value for key, value in change.items() if key != "cooling"} for label, change in changes.items()
    }
    plan = change_models(checkpoints, changes=without, stages=stages, steps=steps, **measured)
    setting = {"knowledge": knowledge, "control": control, **_choose_recipe(checkpoints, recipe)}
    for label in [*plan]:
        own = _set_change(changes.get(label, {}), measured)
        learning = [plan_learning(run.config["name"], run.config["step"], **setting, **own) for run in plan[label]]
        plan[f"{label}, learning"] = learning
    return plan


def vary_q(checkpoints: Checkpoints, *, p: float = 50.0, q: Sequence[float] = (0.5, 1.0, 2.0, 3.0), **settings) -> Plan:
    """`learn_changed` by Algorithm 1 with each `q` (figures 5, 16 and 17)."""
    return learn_changed(checkpoints, changes=_name_changes({"p": p}, q=q), **settings)


def wake_stages(checkpoints: Checkpoints, *, q: Sequence[float] = (2.0,), **settings) -> Plan:
    """`vary_q` at the paper's four stages (figure 16)."""
    return vary_q(checkpoints, q=q, stages=tuple(STAGES), **settings)


def vary_q_midway(checkpoints: Checkpoints, **settings) -> Plan:
    """`vary_q` at the second and the third of the paper's stages (figure 17)."""
    return vary_q(checkpoints, stages=("369k", "554k"), **settings)


def vary_p(
    checkpoints: Checkpoints, *, p: Sequence[float] = (25.0, 50.0, 75.0, 90.0), q: float = 1.0, **settings
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `p` in percent (figure 15)."""
    return learn_changed(checkpoints, changes=_name_changes({"q": q}, p=p), **settings)


def show_algorithm(
    checkpoints: Checkpoints,
    *,
    p: float = 50.0,
    q: Sequence[float] = (0.5, 1.0, 2.0, 3.0),
    layer: int = 0,
    **measured,
) -> Plan:
    """`change_models` by Algorithm 1 with each `q`: the final model measured, before any learning.

    All layers are measured; `layer` is the one that the page shows.
    """
    return change_models(checkpoints, changes=_name_changes({"p": p}, q=q), **measured)


def _name_changes(
    fixed: Mapping[str, float], method: str = "resuscitate", **varied: Sequence[float]
) -> dict[str, dict]:
    """A change for each value of the one setting that is varied, under a label such as "q = 2"."""
    [(name, values)] = varied.items()
    return {f"{name} = {value:g}": {"method": method, **fixed, name: value} for value in values}


def vary_temperature(
    checkpoints: Checkpoints,
    *,
    p: float = 50.0,
    q: Sequence[float] = (1.0, 2.0),
    cooled: Sequence[float] = (1.5, 2.0, 3.0),
    constant: Sequence[float] = (1.5, 0.67),
    **settings,
) -> Plan:
    """`learn_changed` by temperatures of the attention, lowered to 1 over the run or constant, and by Algorithm 1 with
    each `q` (figure 18).
    """
    changes = {f"T = {each:g}, cooled": {"temperature": float(each)} for each in cooled}
    changes |= {f"T = {each:g}": {"temperature": float(each), "cooling": False} for each in constant}
    return learn_changed(checkpoints, changes=changes | _name_changes({"p": p}, q=q), **settings)


def compare_methods(
    checkpoints: Checkpoints,
    *,
    p: float = 50.0,
    q: Sequence[float] = (0.5, 1.0, 2.0, 3.0),
    controls: Sequence[str] = ("random", "rescale"),
    controlled: Sequence[float] = (1.0, 2.0),
    cooled: Sequence[float] = (1.5, 2.0, 3.0),
    **settings,
) -> Plan:
    """`learn_changed` by Algorithm 1 with each `q`, by its controls with each of `controlled`, by shrink and perturb,
    and by temperatures of the attention that are lowered over the run.

    A suite of plain models is not rescaled: only gated ones have a rescale that changes nothing.
    """
    plain = isinstance(checkpoints, str) and checkpoints in SUITES and not SUITES[checkpoints].gated
    changes = {f"resuscitate, {label}": change for label, change in _name_changes({"p": p}, q=q).items()}
    for method in (each for each in controls if each != "rescale" or not plain):
        named = _name_changes({"p": p}, method, q=controlled)
        changes |= {f"{method}, {label}": change for label, change in named.items()}
    changes |= {"shrink": {"method": "shrink"}}
    changes |= {f"temperature, T = {each:g}": {"temperature": float(each)} for each in cooled}
    return learn_changed(checkpoints, changes=changes, **settings)


def describe_plan(plan: Plan) -> dict[str, list[str]]:
    """What a page asks for, whatever its checkpoints are called, and the code that does it.

    Under `configurations` a hash for every labelled list of runs, under `code` those of the code that decides them.
    """
    asked = [digest([{**run.config, "name": None} for run in runs]) for runs in plan.values()]
    return {"configurations": asked, "code": sorted({run.code for runs in plan.values() for run in runs})}


PAGES = {
    "fig01_memory_coefficients": sweep_stages,
    "fig02_knowledge_entropy": sweep_with_baseline,
    "fig03_other_entropies": sweep,
    "fig04_acquisition_and_forgetting": learn_stages,
    "fig06_other_architecture": sweep_twins,
    "fig07_other_corpora": sweep_corpora,
    "fig08_layers": sweep_stages,
    "fig09_activation": sweep_activations,
    "fig10_familiarity": compare_familiarity,
    "fig11_once_and_paraphrased": learn_stages,
    "fig12_before_and_after": learn_stages,
    "fig13_learning_corpora": learn_corpora,
    "fig14_two_architectures": learn_twins,
    "algorithm1_resuscitation": show_algorithm,
    "fig05_resuscitation": vary_q,
    "fig15_share_of_vectors": vary_p,
    "fig16_resuscitation_by_stage": wake_stages,
    "fig17_amplification_by_stage": vary_q_midway,
    "fig18_attention_temperature": vary_temperature,
    "entropy_or_not": compare_methods,
    "table1_hyperparameters": learn_settings,
    "correlations": learn_twins,
    "learning_curves": learn_stages,
    "appendix_a1_gradients": compare_gradients,
    "yardsticks": sweep_with_baseline,
    "exactness": sweep_sizes,
}


def plan(page: str, parameters: dict) -> Plan:
    """The runs a page asks for with these parameters; none for a page that measures nothing."""
    return PAGES[page](**parameters) if page in PAGES else {}
