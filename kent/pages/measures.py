"""What was measured of checkpoints as tables of (value, standard error), and how it changed.

A table has a row per measure and a column per checkpoint, so that other seeds find their rows.
"""

import json
from collections.abc import Mapping, Sequence
from math import hypot

import numpy as np
import pandas as pd

from kent.measure.familiarity import Familiarity
from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.models.suites import RECIPES
from kent.pages.evidence import ONE_SEED, label_steps, name_direction, pick_results
from kent.pages.seeds import Seed, format_interval, pool
from kent.paper import is_effect
from kent.runs.execution import Result

STEP, PLACE = "pretraining step", "checkpoint"
"""What the columns of a table are: where checkpoints name no step, their places in the list."""
ENTROPY, GAP = "H (nats)", "ln m − H, mean of layers (nats)"
HEADINGS = {
    "knowledge": ENTROPY,
    "gap": GAP,
    "contribution": "contribution entropy (nats)",
    "attention": "attention entropy (nats)",
    "token": "next-token entropy (nats)",
    "loss": "loss (nats)",
}
"""Rows of measures; those of `kent.measure.entropy.MEASURES` are called as they are there."""
UPDATES = {"gradients": "gradient", "sgd": "SGD update", "adamw": "AdamW update"}
"""Rows of appendix A.1: what a memory vector's coefficient is compared with."""

Pair = tuple[float, float]


def place_checkpoints(results: Sequence[Result]) -> dict[int, Result]:
    """Each checkpoint once, by its step; by its place where one names none or two are alike."""
    keyed = {json.dumps(each.provenance["revision"], sort_keys=True): each for each in results}
    once = [*keyed.values()]
    steps = label_steps(once)
    return dict(zip(steps if name_axis(once) == STEP else range(len(once)), once, strict=True))


def name_axis(results: Sequence[Result]) -> str:
    """`STEP` where checkpoints (each once) name their steps and no two are alike, else `PLACE`."""
    steps = [each.provenance["revision"]["step"] for each in results]
    return STEP if None not in steps and len(set(steps)) == len(steps) else PLACE


def name_checkpoint(axis: str, key: int) -> str:
    """A column as figures call it.

    >>> name_checkpoint(STEP, 1000), name_checkpoint(PLACE, 0)
    ('step 1,000', 'checkpoint 0')
    """
    return f"{axis.split()[-1]} {key:,}"


def tabulate(
    profiles: Sequence[Profile], measures: Sequence[str], shuffled: Profile | None = None
) -> pd.DataFrame:
    """A column per checkpoint with (value, standard error) of each measure.

    Measures as for `Profile.estimate`, and "gap", the distance to the bound. `shuffled` is the last
    checkpoint on shuffled tokens, a column of its own.
    """
    shown = place_checkpoints(profiles)
    table = {key: _measure(each, measures) for key, each in shown.items()}
    if shuffled:
        table[f"{[*shown][-1]}, shuffled"] = _measure(shuffled, measures)
    return _make(table, shown)


def _measure(profile: Profile, measures: Sequence[str]) -> dict[str, Pair]:
    return {
        HEADINGS.get(name, name): measure_gap(profile) if name == "gap" else profile.estimate(name)
        for name in measures
    }


def _make(table: Mapping[object, Mapping[str, Pair]], shown: Mapping[int, Result]) -> pd.DataFrame:
    return pd.DataFrame(table).rename_axis(columns=name_axis([*shown.values()]))


def measure_gap(profile: Profile) -> Pair:
    """How far knowledge entropy is below its bound, mean of layers, and its error, in nats."""
    layers, gap = len(profile.coefficients), profile.entropy_bound - profile.knowledge_entropy
    return gap / layers, profile.standard_error / layers


def tabulate_layers(profiles: Sequence[Profile]) -> pd.DataFrame:
    """A column per checkpoint with each layer's distance to its bound, ln m − H(θˡ), in nats."""
    shown, table = place_checkpoints(profiles), {}
    for key, profile in shown.items():
        values, errors = (each.numpy() for each in profile.by_layer())
        gaps = np.log([len(each) for each in profile.coefficients]) - values
        pairs = zip(gaps.tolist(), errors.tolist(), strict=True)
        table[key] = {f"layer {layer}, ln m − H (nats)": pair for layer, pair in enumerate(pairs)}
    return _make(table, shown)


def tabulate_updates(stages: Sequence[Gradients]) -> pd.DataFrame:
    """A column per checkpoint with rank correlations with |coefficient|, mean over layers."""
    shown = place_checkpoints(stages)
    table = {
        key: {row: stage.average_correlation(quantity) for quantity, row in UPDATES.items()}
        for key, stage in shown.items()
    }
    return _make(table, shown)


def tabulate_update_layers(stage: Gradients) -> pd.DataFrame:
    """A row per layer with the rank correlations of `tabulate_updates` at one checkpoint."""
    table = {}
    for quantity, name in UPDATES.items():
        pairs = zip(*(each.tolist() for each in stage.correlate(quantity)), strict=True)
        table[name] = {f"layer {layer}": pair for layer, pair in enumerate(pairs)}
    return pd.DataFrame(table)


def tabulate_familiarity(corpora: Mapping[str, Familiarity]) -> pd.DataFrame:
    """A row per corpus with the mean ln perplexity of its entities, in nats."""
    found = {
        name: (each.mean_log_perplexity, each.standard_error) for name, each in corpora.items()
    }
    return pd.DataFrame({"mean ln perplexity (nats)": found})


def tabulate_sizes(profiles: Sequence[Profile], key: str, name: str) -> pd.DataFrame:
    """One row, H of one checkpoint, and a column per size of what was read.

    `key` is what provenance calls the size, `name` what the row does.
    """
    found = {
        profile.provenance[key]: {f"H by {name} (nats)": profile.estimate()} for profile in profiles
    }
    return pd.DataFrame(found).rename_axis(columns=name)


def tabulate_ways(whole: Profile, ways: Mapping[str, Profile]) -> pd.DataFrame:
    """A row per way of measuring one checkpoint: H, and what it is moved by from `whole`, in nats.

    Texts tokenised in another way are taken as independent of those of `whole`.
    """
    H, error = whole.estimate()
    rows = {}
    for name, profile in ways.items():
        value, own = profile.estimate()
        alike = profile.provenance["text"] == whole.provenance["text"]
        rows[name] = {"H (nats)": (value, own), "moved (nats)": (value - H, hypot(own, error))}
        if alike:
            rows[name]["moved (nats)"] = profile.change_since(whole)
    return pd.DataFrame(rows).T


def pick_ends(profiles: Sequence[Profile]) -> tuple[Profile, Profile]:
    """The last checkpoint and the one nearest to 16 % of the run, the paper's earliest stage."""
    stages = pick_results(profiles)
    return stages["738k"], stages["118k"]


def pool_change(
    late: Profile,
    early: Profile,
    measure: str = "knowledge",
    seeds: Sequence[Seed] = (),
    label: str = "",
) -> Pair:
    """Change of a measure between two checkpoints, and its standard error: over recorded `seeds`.

    Their mean with this one and the interval of `kent.pages.seeds.pool`; without them as
    `Profile.change_since`. `label` is what stands before the measure in the tables' rows.
    """
    value, error = late.change_since(early, measure)
    row = ", ".join(filter(None, [label, HEADINGS.get(measure, measure)]))
    found = [seed.list_values(row, label_steps([early, late])) for seed in seeds]
    others = [end - start for start, end in filter(None, found)]
    return pool([value, *others]) if others else (value, error)


def name_basis(results: Sequence[Result], seeds: Sequence[Seed] = ()) -> str:
    """What a page's numbers stand on, as its sentences say it."""
    if seeds:
        return f"mean of {1 + len(seeds)} seeds"
    return "one seed" if _has_seeds(results) else "one model"


def _has_seeds(results: Sequence[Result]) -> bool:
    """Whether other seeds of these models can be made: suites pretrained on the spot."""
    return any(each.provenance["revision"]["repository"] in RECIPES for each in results)


def describe_direction(
    profiles: Sequence[Profile], measure: str, seeds: Sequence[Seed] = ()
) -> str:
    """What a measure's change from 16 % of the run to its end says of evenness.

    Over seeds; or why it says nothing: there is one checkpoint, or one seed.
    """
    late, early = pick_ends(profiles)
    change, error = pool_change(late, early, measure, seeds)
    if late is early:
        return "no value"
    if change == error == 0:
        return "no change"
    unseen = not seeds and _has_seeds(profiles)
    return ONE_SEED if unseen else name_direction(measure, change, error)


def compare_measures(
    profiles: Sequence[Profile], measures: Sequence[str], seeds: Sequence[Seed] = ()
) -> pd.DataFrame:
    """A row per measure: its change from 16 % of the run to its end, and what that says."""
    late, early = pick_ends(profiles)
    rows = {}
    for name in measures:
        change = format_interval(*pool_change(late, early, name, seeds), "+")
        rows[HEADINGS.get(name, name)] = (change, describe_direction(profiles, name, seeds))
    columns = [f"change ({name_basis(profiles, seeds)})", "coefficients grew"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def count_directions(compared: pd.DataFrame) -> str:
    """A sentence: how many measures of `compare_measures` say what of evenness."""
    change, grew = compared
    counts = compared[grew].value_counts()
    said = ", ".join(f"{count} {direction}" for direction, count in counts.items())
    basis = change.removeprefix("change (").removesuffix(")")
    start = f"From 16 % of the run to its end, of {len(compared)} measures of concentration"
    return f"{start} say of the coefficients: {said} ({basis})."


def describe_share(profiles: Sequence[Profile], measure: str, seeds: Sequence[Seed] = ()) -> str:
    """Sentences on a share that the most used memory vectors hold: its change, and what it says."""
    late, early = pick_ends(profiles)
    moved, direction = compare_measures(profiles, [measure], seeds).iloc[0]
    change, error = pool_change(late, early, measure, seeds)
    moved = format_interval(100 * change, 100 * error, "+")
    start = (
        f"From 16 % of the run to its end the {measure} of coefficients changes by {moved} points"
    )
    end = " The paper's drawing shows the opposite." if direction == "more even" else ""
    return f"{start} ({name_basis(profiles, seeds)}): **{direction}**.{end}"


def describe_changes(series: Mapping[str, Sequence[Profile]], seeds: Sequence[Seed] = ()) -> str:
    """A sentence with the change of H from 16 % of the run to its end in every series."""
    everything = [profile for profiles in series.values() for profile in profiles]
    if all(late is early for late, early in map(pick_ends, series.values())):
        return "There is one checkpoint, so nothing to compare it with: no value."
    changes = {
        label: format_interval(*pool_change(*pick_ends(profiles), seeds=seeds, label=label), "+")
        for label, profiles in series.items()
    }
    said = "; ".join(f"{label} {change} nats" for label, change in changes.items())
    return (
        f"From 16 % of the run to its end H changes by: {said} ({name_basis(everything, seeds)})."
    )


def name_architectures(series: Mapping[str, Sequence[Profile]]) -> dict[str, str]:
    """The architecture of each series, which seeds share; its own name where two are alike."""
    kinds = {
        name: profiles[0].provenance["architecture"].removesuffix("ForCausalLM")
        for name, profiles in series.items()
    }
    return kinds if len(set(kinds.values())) == len(kinds) else {name: name for name in kinds}


def describe_updates(
    stages: Sequence[Gradients], table: pd.DataFrame, seeds: Sequence[Seed] = ()
) -> str:
    """Sentences: whether AdamW's update follows the coefficient, beside the gradient and SGD.

    `table` is `tabulate_updates`, over seeds (`kent.pages.seeds.pool_table`).
    """
    last = table.iloc[:, -1]
    gradient, sgd, adamw = (last[row] for row in UPDATES.values())
    does = "follows" if adamw[0] > 0 and is_effect(*adamw) else "does not follow"
    said = [format_interval(*pair, "+") for pair in (adamw, gradient, sgd)]
    return (
        f"Under AdamW the update of a memory vector **{does}** its coefficient: their rank "
        f"correlation is {said[0]}, where the gradient's is {said[1]} and that of SGD's update "
        f"{said[2]} ({name_basis(stages, seeds)})."
    )
