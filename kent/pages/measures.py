"""What was measured of checkpoints as tables of (value, standard error).

A table has a row per measure and a column per checkpoint, so that other seeds find their rows.
"""

from collections.abc import Mapping, Sequence
from math import hypot

import numpy as np
import pandas as pd

from kent.measure.familiarity import Familiarity
from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.pages.axes import Key, name_axis, place_checkpoints
from kent.runs.execution import Result

SHUFFLED = ", shuffled"
"""What a column's name ends with that is the baseline of shuffled tokens."""
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
        table[f"{[*shown][-1]}{SHUFFLED}"] = _measure(shuffled, measures)
    return _make(table, shown)


def tabulate_series(
    series: Mapping[str, Sequence[Profile]], measures: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """`tabulate` for every series, under its label."""
    return {label: tabulate(profiles, measures) for label, profiles in series.items()}


def _measure(profile: Profile, measures: Sequence[str]) -> dict[str, Pair]:
    return {
        HEADINGS.get(name, name): measure_gap(profile) if name == "gap" else profile.estimate(name)
        for name in measures
    }


def _make(table: Mapping[object, Mapping[str, Pair]], shown: Mapping[Key, Result]) -> pd.DataFrame:
    return pd.DataFrame(table).rename_axis(columns=name_axis([*shown.values()]))


def measure_gap(profile: Profile) -> Pair:
    """How far knowledge entropy is below its bound, mean of layers, and its error, in nats."""
    layers, gap = len(profile.coefficients), profile.entropy_bound - profile.knowledge_entropy
    return gap / layers, profile.standard_error / layers


def measure_layer_gaps(profile: Profile) -> dict[str, Pair]:
    """Each layer's distance to its bound, ln m − H(θˡ), and its error, in nats."""
    values, errors = (each.numpy() for each in profile.by_layer())
    gaps = np.log([len(each) for each in profile.coefficients]) - values
    pairs = zip(gaps.tolist(), errors.tolist(), strict=True)
    return {f"layer {layer}, ln m − H (nats)": pair for layer, pair in enumerate(pairs)}


def tabulate_layers(profiles: Sequence[Profile]) -> pd.DataFrame:
    """A column per checkpoint with `measure_layer_gaps`."""
    shown = place_checkpoints(profiles)
    return _make({key: measure_layer_gaps(each) for key, each in shown.items()}, shown)


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


def tabulate_copies(whole: Profile, copies: Mapping[str, Profile]) -> pd.DataFrame:
    """A row per changed copy of a model: H, loss, and what they are moved by, in nats.

    The copies read the same sequences as `whole`, so that the errors of what is moved are paired.
    """
    rows = {}
    for name, profile in copies.items():
        for measure, title in (("knowledge", "H"), ("loss", "loss")):
            row = rows.setdefault(name, {})
            row[f"{title} (nats)"] = profile.estimate(measure)
            row[f"{title}, moved (nats)"] = profile.change_since(whole, measure)
    return pd.DataFrame(rows).T


def name_architectures(series: Mapping[str, Sequence[Profile]]) -> dict[str, str]:
    """The architecture of each series, which seeds share; its own name where two are alike."""
    kinds = {
        name: profiles[0].provenance["architecture"].removesuffix("ForCausalLM")
        for name, profiles in series.items()
    }
    return kinds if len(set(kinds.values())) == len(kinds) else {name: name for name in kinds}
