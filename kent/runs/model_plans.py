"""Which runs the pages on one trained model need: what it is compared with, and how it is changed.

Its checkpoint is the last of those named, and need not name a step.
"""

from collections.abc import Mapping, Sequence

from kent.measure.familiarity import check_source
from kent.runs.definitions import plan_familiarity, plan_probing
from kent.runs.learned_plans import list_settings
from kent.runs.learning_plans import LEARNING, UNCHANGED, change_models, compare_methods
from kent.runs.plans import (
    Checkpoints,
    Corpus,
    Plan,
    Steps,
    find_suite,
    list_checkpoints,
    list_corpora,
    list_stages,
    vary,
)
from kent.settings import Count, Percent, Positive, Seed, Whole, checked

TRAINED, SHUFFLED, UNTRAINED = "trained", "shuffled tokens", "untrained"
"""The model on text, on the same tokens in another order, and its architecture as initialised."""
RELU = "ReLU variant"
FRESH = {"method": "shrink", "shrink": 0.0, "perturb": 1.0}
"""The change that leaves a fresh initialisation, by the model's own configuration and a seed."""
FACTS = "facts"
READ, UNREAD = "read", "unread"


@checked
def compare_baselines(
    checkpoints: Checkpoints,
    *,
    corpus: str,
    column: str = "text",
    others: Sequence[Corpus] = (),
    entities: Count = 24,
    steps: Steps = (),
    **measured,
) -> Plan:
    """One model beside `SHUFFLED`, `UNTRAINED` and `RELU`, and on each of `others`.

    `others` as for `kent.runs.plans.sweep_corpora`. Under "NAME, names" is how familiar the
    entities of so many documents are, of each text whose entities are known.
    """
    last = list_checkpoints(checkpoints, steps)[-1:]
    texts = list_corpora(checkpoints, corpus, others, column)
    own = {"corpus": corpus, "column": column}
    fresh = {**FRESH, "measured": own | measured}
    varied = {TRAINED: own, SHUFFLED: own | {"shuffled": True}, UNTRAINED: own | {"change": fresh}}
    varied |= {RELU: own | {"activation": "relu"}}
    named = {f"{name}, names": text for name, text in texts.items() if _has_entities(text)}
    plan = vary(last, varied | dict([*texts.items()][1:]), **measured)
    return plan | vary(last, named, plan_familiarity, **measured | {"limit": entities})


def _has_entities(text: dict) -> bool:
    try:
        check_source(text["corpus"])
    except ValueError:
        return False
    return True


def name_change(p: float | int, q: float | int, method: str = "resuscitate") -> str:
    """What a change is called.

    >>> name_change(50, 1), name_change(50, 1, "random")
    ('p = 50, q = 1', 'random, p = 50, q = 1')
    """
    label = f"p = {p:g}, q = {q:g}"
    return label if method == "resuscitate" else f"{method}, {label}"


@checked
def resuscitate_model(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (0.5, 1.0, 2.0, 3.0),
    shares: Sequence[Percent] = (25.0, 75.0, 90.0),
    controls: Sequence[str] = ("rescale", "random"),
    controlled: Sequence[Positive] = (1.0,),
    steps: Steps = (),
    knowledge: Sequence[str] = (),
    once: Whole = 0,
    paraphrase: Whole = 12,
    **measured,
) -> Plan:
    """One model unchanged and changed by Algorithm 1, and under "LABEL, facts" what each knows.

    `p` in percent with each `q`, further `shares` with q = 1, and `controls` with p and each q of
    `controlled` (a suite of plain models is not rescaled). The facts are those of
    `kent.runs.definitions.plan_probing`.
    """
    suite = find_suite(checkpoints)
    if suite and not suite.gated:
        controls = [each for each in controls if each != "rescale"]
    pairs = [("resuscitate", p, each) for each in q]
    pairs += [("resuscitate", each, 1.0) for each in shares]
    pairs += [(method, p, each) for method in controls for each in controlled]
    changes = {
        name_change(share, factor, method): {
            "method": method,
            "p": float(share),
            "q": float(factor),
        }
        for method, share, factor in pairs
    }
    plan = change_models(checkpoints, changes=changes, steps=steps, **measured)
    asked = {"knowledge": knowledge, "once": once, "paraphrase": paraphrase}
    asked |= {"dtype": measured.get("dtype", "float32")}
    last, facts = list_stages(checkpoints, steps, ("738k",)), {}
    for label in plan:
        change = {"change": {**changes[label], "measured": measured}} if label in changes else {}
        facts[f"{label}, {FACTS}"] = change
    return plan | vary(last, facts, plan_probing, **asked)


@checked
def learn_entities(
    checkpoints: Checkpoints,
    *,
    read: str = "",
    unread: str = "",
    skip: Whole = 0,
    documents: Count = 200,
    orders: Sequence[Seed] = (),
    recipe: Mapping[str, object] | None = None,
    q: Sequence[Positive] = (1.0, 2.0),
    controlled: Sequence[Positive] = (1.0,),
    **settings,
) -> Plan:
    """One model learning on, unchanged and changed, and how familiar entities are before and after.

    Under "LABEL, learning" the runs of `kent.runs.learning_plans.compare_methods` (without shrink
    and temperatures; `settings` are its own), one for each seed of `orders`. Under "read" and
    "unread" is how familiar the model is with the entities of so many `documents` of each text, and
    under "LABEL, read" and "LABEL, unread" what has learned. `read` is by default the recipe's
    corpus, `unread` the same text as `read`, behind `skip` documents.
    """
    plan: Plan = {}
    for order in [*orders] or [None]:
        own = dict(recipe or {}) | ({} if order is None else {"order": order})
        methods = {"q": q, "controlled": controlled, "cooled": ()}
        learnt = compare_methods(checkpoints, recipe=own, **methods, **settings)
        for label, (run, *_) in learnt.items():
            if label.endswith(f", {LEARNING}") and not label.startswith("shrink"):
                plan.setdefault(label, []).append(run)
    first, *_ = plan[f"{UNCHANGED}, {LEARNING}"]
    same = {key: settings[key] for key in ("length", "dtype", "batch_size") if key in settings}
    same |= {"column": first.config["column"], "limit": documents}
    known = {"corpus": read or first.config["corpus"]} | same
    other = known | {"corpus": unread or known["corpus"], "skip": skip}
    return plan | _measure_learned(plan, READ, known) | _measure_learned(plan, UNREAD, other)


def _measure_learned(learning: Plan, name: str, text: Mapping[str, object]) -> Plan:
    """Familiarity with a text before learning, and after each of the runs of learning."""
    first, *_ = learning[f"{UNCHANGED}, {LEARNING}"]
    checkpoint = (first.config["name"], first.config["step"])
    found = {name: [plan_familiarity(*checkpoint, **text)]}
    for label, runs in learning.items():
        after = f"{label.removesuffix(f', {LEARNING}')}, {name}"
        learnt = map(list_settings, runs)
        found[after] = [plan_familiarity(*checkpoint, **text, learned=each) for each in learnt]
    return found
