"""One model beside what it is compared with: untrained, on shuffled tokens, on other texts.

A table has (value, standard error) by measure and label. Axes: layer.
"""

from collections.abc import Mapping, Sequence
from math import hypot, log

import pandas as pd

from kent.measure.familiarity import Familiarity
from kent.measure.profiles import Profile
from kent.pages.measures import HEADINGS, Pair, measure_layer_gaps
from kent.pages.seeds import format_interval
from kent.paper import AXES, is_effect


def tabulate_labelled(models: Mapping[str, Profile], measures: Sequence[str]) -> pd.DataFrame:
    """A column per label with each measure, as for `Profile.estimate`."""
    return pd.DataFrame(
        {
            label: {HEADINGS.get(name, name): profile.estimate(name) for name in measures}
            for label, profile in models.items()
        }
    )


def tabulate_labelled_layers(models: Mapping[str, Profile]) -> pd.DataFrame:
    """A column per label with each layer's distance to its bound, ln m − H(θˡ), in nats."""
    return pd.DataFrame({label: measure_layer_gaps(each) for label, each in models.items()})


def subtract(later: Profile, earlier: Profile, measure: str) -> Pair:
    """A measure minus that of another profile, and its standard error.

    Over the same blocks of text where both read the same tokens; else the texts are taken as
    independent.
    """
    if later.provenance["text"] == earlier.provenance["text"]:
        return later.change_since(earlier, measure)
    (value, error), (other, own) = later.estimate(measure), earlier.estimate(measure)
    return value - other, hypot(error, own)


def compare_labelled(models: Mapping[str, Profile], measures: Sequence[str]) -> pd.DataFrame:
    """The first model's measures minus those of each of the others."""
    first, *others = models
    return pd.DataFrame(
        {
            f"{first} minus {label}": {
                HEADINGS.get(name, name): subtract(models[first], models[label], name)
                for name in measures
            }
            for label in others
        }
    )


def find_extent() -> tuple[float, float]:
    """The least and the largest ln m − H(θˡ) within the axes of the paper's figure 8, in nats."""
    ranges = AXES["figure 8"].values()
    gaps = [log(neurons) - end for low, high, _, neurons in ranges for end in (low, high)]
    return min(gaps), max(gaps)


def describe_layers(gaps: Sequence[Pair]) -> str:
    """A sentence: how many layers lie within figure 8's axes, and which is the least even."""
    low, high = find_extent()
    values = [value for value, _ in gaps]
    inside = sum(low <= value <= high for value in values)
    beyond = [f"{layer} ({value:.2g})" for layer, value in enumerate(values) if value > high]
    above = f"; farther from even are {', '.join(beyond)} nats" if beyond else ""
    last = "the last" if max(values) == values[-1] else f"layer {values.index(max(values))}"
    return (
        f"Of {len(values)} layers {inside} lie within the extent of figure 8's axes, "
        f"{low:.3f} to {high:.2f} nats below ln m{above}. The least even is {last}."
    )


def describe_models(models: Mapping[str, Profile]) -> str:
    """A sentence: knowledge entropy of the first model, and whether above that of each other."""
    first, *others = models
    whole, bound = format_interval(*models[first].estimate()), models[first].entropy_bound
    said = [_place(models[first], models[label], label) for label in others]
    return (
        f"Knowledge entropy of the {first} model is **{whole}** of at most {bound:.2f} nats: "
        f"{'; '.join(said)}."
    )


def _place(model: Profile, other: Profile, label: str) -> str:
    pair, value = subtract(model, other, "knowledge"), format_interval(*other.estimate())
    side = "below" if pair[0] < 0 else "above"
    word = f"{side} that of" if is_effect(*pair) else "not clearly different from that of"
    return f"{word} {label} ({value})"


def describe_texts(texts: Mapping[str, Profile], measures: Sequence[str]) -> str:
    """A sentence: how each measure moves from the first text to each other."""
    (first, own), *others = texts.items()
    said = []
    for name, profile in others:
        moves = [
            f"{HEADINGS[each].removesuffix(' (nats)')} by "
            f"{format_interval(*subtract(profile, own, each), '+')}"
            for each in measures
        ]
        said.append(f"from {first} to {name} {', '.join(moves)} nats")
    return f"The text moves them: {'; '.join(said)}." if said else ""


def describe_familiarity(names: Mapping[str, Familiarity]) -> str:
    """A sentence: how much less familiar the names of each other text are than the first's."""
    (first, own), *others = names.items()
    moves = [(name, each.difference_from(own)) for name, each in others]
    said = [f"{format_interval(*pair, '+')} nats in {name}" for name, pair in moves]
    return f"Ln perplexity of names, beside those in {first}: {', '.join(said)}." if said else ""
