"""What Algorithm 1 does to one model before it learns: tables of (value, standard error).

`profiles` and `known` have the same labels, the unchanged model first. Axes: layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log

import pandas as pd

from kent.change.resuscitation import find_multipliers
from kent.learning.outcomes import Outcome, estimate
from kent.measure.profiles import Profile
from kent.pages.measures import ENTROPY, HEADINGS, Pair
from kent.pages.seeds import format_interval
from kent.paper import is_effect
from kent.runs.model_plans import FACTS, UNCHANGED, name_change

MEASURED = ("knowledge", "contribution", "token", "loss")
"""Without attention: of a model that a change has broken it cannot be measured."""
LOSS, KNOWN = HEADINGS["loss"], "K of unread facts (nats)"
BROKEN = log(2)
"""Nats that the loss rises by where a change is said to break a model: its perplexity doubles."""


def multiply(profile: Profile, p: float | int, q: float | int) -> Profile:
    """The profile with Algorithm 1's multipliers on its coefficients.

    That is what a changed model would have if every layer read what it did before, as it does after
    the rescale. Of the measures only those of coefficients are then meant.
    """
    multipliers = find_multipliers(profile.coefficients, p=p, q=q)
    pairs = zip(profile.coefficient_blocks, multipliers, strict=True)
    return replace(profile, coefficient_blocks=[blocks * factor for blocks, factor in pairs])


def find_even_end(p: float | int, q: float | int) -> float:
    """Where Algorithm 1 takes a layer that was perfectly even: ln m − H afterwards, in nats.

    A share of p percent of its coefficients becomes q times the others.

    >>> find_even_end(50, 1), round(find_even_end(50, 2), 4)
    (0.0, 0.0566)
    """
    share = p / 100
    total = share * q + 1 - share
    return share * q * log(q) / total - log(total)


def group_edits(results: Mapping[str, Sequence]) -> tuple[dict, dict]:
    """Profiles and what each model knows by label, of `model_plans.resuscitate_model`."""
    labels = [label for label in results if f"{label}, {FACTS}" in results]
    profiles = {label: results[label][0] for label in labels}
    return profiles, {label: results[f"{label}, {FACTS}"][0] for label in labels}


def group_models(
    results: Mapping[str, Sequence[Profile]], p: float | int, q: Sequence[float | int]
) -> tuple[dict[str, Sequence[Profile]], dict[str, dict[str, Profile]]]:
    """Of `picture_plans.show_edits` the models' checkpoints, and by model its changed ones."""
    labels = [name_change(p, each) for each in q]
    changed = {
        model: {label: results[f"{model}, {label}"][0] for label in labels}
        for model in results
        if all(f"{model}, {label}" in results for label in labels)
    }
    names = {f"{model}, {label}" for model in changed for label in labels}
    return {label: each for label, each in results.items() if label not in names}, changed


def tabulate_edits(profiles: Mapping[str, Profile], known: Mapping[str, Outcome]) -> pd.DataFrame:
    """A column per label: entropies, loss, and K of facts that the model never read."""
    return pd.DataFrame(
        {
            label: {HEADINGS[name]: profile.estimate(name) for name in MEASURED}
            | {KNOWN: estimate(known[label].performance()[0])}
            for label, profile in profiles.items()
        }
    )


def compare_edits(profiles: Mapping[str, Profile], known: Mapping[str, Outcome]) -> pd.DataFrame:
    """The rows of `tabulate_edits` minus the unchanged model's, over the same text and facts."""
    before, start = profiles[UNCHANGED], known[UNCHANGED].performance()[0]
    return pd.DataFrame(
        {
            label: {HEADINGS[name]: profile.change_since(before, name) for name in MEASURED}
            | {KNOWN: estimate(known[label].performance()[0] - start)}
            for label, profile in profiles.items()
            if label != UNCHANGED
        }
    )


def tabulate_layer_changes(profiles: Mapping[str, Profile], before: Profile) -> pd.DataFrame:
    """A column per label with the change of each layer's knowledge entropy since `before`."""
    table = {}
    for label, profile in profiles.items():
        pairs = zip(*(each.tolist() for each in profile.change_by_layer(before)), strict=True)
        table[label] = {f"ΔH of layer {layer} (nats)": pair for layer, pair in enumerate(pairs)}
    return pd.DataFrame(table)


def count_layers(pairs: Sequence[Pair]) -> tuple[int, int]:
    """How many layers' entropies a change raises, and lowers, beyond two standard errors."""
    signs = [value for value, error in pairs if is_effect(value, error)]
    return sum(value > 0 for value in signs), sum(value < 0 for value in signs)


def compare_layers(
    measured: Mapping[str, Profile], multiplied: Mapping[str, Profile], before: Profile
) -> pd.DataFrame:
    """By label the change of H and the layers raised and lowered: measured, and multiplied only."""
    rows = {}
    for label in multiplied:
        for way, profile in (("measured", measured[label]), ("multiplied", multiplied[label])):
            layers = tabulate_layer_changes({label: profile}, before)[label]
            raised, lowered = count_layers([*layers])
            change = format_interval(*profile.change_since(before), "+")
            found = {"ΔH (nats)": change, "layers raised": raised, "lowered": lowered}
            rows[label] = rows.get(label, {}) | {(way, key): each for key, each in found.items()}
    return pd.DataFrame(rows).T


def tabulate_ways(
    models: Mapping[str, Sequence[Profile]],
    changed: Mapping[str, Mapping[str, Profile]],
    p: float | int,
    q: Sequence[float | int],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of each model's last checkpoint, coefficients multiplied, and what was measured again.

    The change of H by model and way (rows) and by change (columns), and the table of
    `compare_layers`; `models` and `changed` as `group_models` returns them.
    """
    moved, compared = {}, {}
    for model, measured in changed.items():
        before = models[model][-1]
        multiplied = {name: multiply(before, p, x) for name, x in zip(measured, q, strict=True)}
        for way, profiles in (("multiplied", multiplied), ("measured again", measured)):
            found = {name: each.change_since(before) for name, each in profiles.items()}
            moved[model, way] = found
        compared[model] = compare_layers(measured, multiplied, before)
    return pd.DataFrame(moved).T, pd.concat(compared)


def describe_again(compared: pd.DataFrame, model: str, layers: int) -> str:
    """How many of a model's layers each change raises, measured again, of `tabulate_ways`."""
    raised = compared.loc[model, ("measured", "layers raised")]
    names = [label.rpartition(", ")[-1] for label in raised.index]
    said = ", ".join(f"{number} with {name}" for name, number in zip(names, raised, strict=True))
    return f"Of {layers} layers of {model}, measured again, are raised {said}."


def describe_edit(label: str, moved: pd.DataFrame, layers: pd.DataFrame) -> str:
    """A clause on one change: of H, layers raised and lowered, loss."""
    H, loss = (format_interval(*moved.loc[row, label], "+") for row in (ENTROPY, LOSS))
    raised, lowered = count_layers([*layers[label]])
    count = f"{raised} of {len(layers)} layers raised, {lowered} lowered"
    return f"with {label} H moves by {H} nats ({count}) and the loss by {loss}"


def find_broken(moved: pd.DataFrame) -> list[str]:
    """The changes that raise the loss by more than `BROKEN`, whatever the error."""
    return [label for label in moved if moved.loc[LOSS, label][0] > BROKEN]


def describe_harm(moved: pd.DataFrame) -> str:
    """Two sentences: which changes lower knowledge entropy, and which break the model."""
    pairs = moved.loc[ENTROPY].items()
    lowered = [label for label, (value, error) in pairs if value < -2 * error]
    said = {"Knowledge entropy falls": lowered, "Perplexity more than doubles": find_broken(moved)}
    return " ".join(f"{what} with {'; '.join(labels) or 'none'}." for what, labels in said.items())


def describe_rescale(moved: pd.DataFrame) -> str:
    """A sentence on the function-preserving changes; nothing where there is none."""
    said = []
    for label in (each for each in moved if each.startswith("rescale")):
        H = format_interval(*moved.loc[ENTROPY, label], "+")
        loss = f"{abs(moved.loc[LOSS, label][0]):.1g}"
        said.append(f"{H} nats, and the loss by {loss} ({label.removeprefix('rescale, ')})")
    return f"The rescale moves H by {'; by '.join(said)}." if said else ""
