"""What a page says of its measures: how they changed, over seeds where recorded, in sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.models.suites import OWN
from kent.pages.evidence import ONE_SEED, name_direction, pick_results
from kent.pages.measures import HEADINGS, UPDATES, Pair
from kent.pages.seeds import Seed, format_interval, pool_seeds
from kent.paper import is_effect
from kent.runs.execution import Result

SPAN = "From 16 % of the run to its end"
NO_VALUE = "There is one checkpoint, and nothing to compare it with: **no value**."


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

    Their mean with this one and the interval of `kent.pages.seeds.pool_seeds`; without them as
    `Profile.change_since`. `label` is what stands before the measure in the tables' rows.
    """
    found = [_find_ends(seed, late, early, measure, label) for seed in seeds]
    others = [end - start for start, end in filter(None, found)]
    return pool_seeds(late.change_since(early, measure), others, seeds)


def _find_ends(
    seed: Seed, late: Profile, early: Profile, measure: str = "knowledge", label: str = ""
) -> list[float] | None:
    """A measure at the same two checkpoints of another seed, where it kept them."""
    row = ", ".join(filter(None, [label, HEADINGS.get(measure, measure)]))
    return seed.list_values(row, [each.provenance["revision"]["step"] for each in (early, late)])


def _select(
    seeds: Sequence[Seed], profiles: Sequence[Profile], measures: Sequence[str]
) -> list[Seed]:
    """The seeds that kept all these measures, so that no mean is said to be over more."""
    ends = pick_ends(profiles)
    return [seed for seed in seeds if all(_find_ends(seed, *ends, name) for name in measures)]


def format_change(
    late: Profile, early: Profile, seeds: Sequence[Seed] = (), label: str = ""
) -> str:
    """The change of H as of `pool_change`; "no value" of a checkpoint compared with itself."""
    if late is early:
        return "no value"
    return f"{format_interval(*pool_change(late, early, 'knowledge', seeds, label), '+')} nats"


def name_basis(results: Sequence[Result], seeds: Sequence[Seed] = ()) -> str:
    """What a page's numbers stand on, as its sentences say it."""
    if seeds:
        return f"mean of {1 + len(seeds)} seeds"
    names = {each.provenance["revision"]["repository"] for each in results}
    return "one seed" if names & OWN.keys() else "one model"


def name_change(profiles: Sequence[Profile], measure: str, seeds: Sequence[Seed] = ()) -> str:
    """What a measure's change from 16 % of the run to its end says of evenness.

    Over seeds; or why it says nothing: there is one checkpoint, or one seed.
    """
    late, early = pick_ends(profiles)
    seeds = _select(seeds, profiles, [measure])
    change, error = pool_change(late, early, measure, seeds)
    if late is early:
        return "no value"
    if change == error == 0:
        return "no change"
    alone = name_basis(profiles, seeds) == "one seed"
    return ONE_SEED if alone else name_direction(measure, change, error)


def compare_measures(
    profiles: Sequence[Profile], measures: Sequence[str], seeds: Sequence[Seed] = ()
) -> pd.DataFrame:
    """A row per measure: its change from 16 % of the run to its end, and what that says."""
    late, early = pick_ends(profiles)
    seeds, rows = _select(seeds, profiles, measures), {}
    for name in measures:
        change = format_interval(*pool_change(late, early, name, seeds), "+")
        rows[HEADINGS.get(name, name)] = (change, name_change(profiles, name, seeds))
    columns = [f"change ({name_basis(profiles, seeds)})", "coefficients grew"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def count_changes(
    profiles: Sequence[Profile], measures: Sequence[str], seeds: Sequence[Seed] = ()
) -> str:
    """A sentence: how many measures say that coefficients grew more even, and more uneven."""
    seeds = _select(seeds, profiles, measures)
    found = Counter(name_change(profiles, name, seeds) for name in measures)
    if found["no value"]:
        return NO_VALUE
    if found[ONE_SEED]:
        return f"{SPAN} {found[ONE_SEED]} of {len(measures)} measures move: **{ONE_SEED}**."
    even, uneven = found.pop("more even", 0), found.pop("more uneven", 0)
    others = "".join(f", {count} {said}" for said, count in found.items())
    said = f"of {len(measures)} measures **{even} say that coefficients grew more even**"
    return f"{SPAN} {said}, {uneven} more uneven{others} ({name_basis(profiles, seeds)})."


def describe_share(profiles: Sequence[Profile], measure: str, seeds: Sequence[Seed] = ()) -> str:
    """Sentences on a share that the most used memory vectors hold: its change, what it says."""
    late, early = pick_ends(profiles)
    seeds = _select(seeds, profiles, [measure])
    direction = name_change(profiles, measure, seeds)
    if direction == "no value":
        return NO_VALUE
    change, error = pool_change(late, early, measure, seeds)
    moved = format_interval(100 * change, 100 * error, "+")
    said = f"{SPAN} the {measure} of coefficients changes by {moved} points"
    if direction == ONE_SEED:
        return f"{said}: **{ONE_SEED}**."
    end = " The paper's drawing shows the opposite." if direction == "more even" else ""
    return f"{said} ({name_basis(profiles, seeds)}): **{direction}**.{end}"


def describe_changes(series: Mapping[str, Sequence[Profile]], seeds: Sequence[Seed] = ()) -> str:
    """A sentence with the change of H from 16 % of the run to its end in every series."""
    ends = {label: pick_ends(profiles) for label, profiles in series.items()}
    seeds = [
        seed
        for seed in seeds
        if all(_find_ends(seed, *pair, label=label) for label, pair in ends.items())
    ]
    if all(late is early for late, early in ends.values()):
        return NO_VALUE
    changes = {label: format_change(*pair, seeds, label) for label, pair in ends.items()}
    said = "; ".join(f"{label} {change}" for label, change in changes.items())
    basis = name_basis([profile for pair in ends.values() for profile in pair], seeds)
    return f"{SPAN} H changes by: {said} ({basis})."


def describe_updates(
    stages: Sequence[Gradients], table: pd.DataFrame, seeds: Sequence[Seed] = ()
) -> str:
    """A sentence: whether AdamW's update follows the coefficient, beside the gradient and SGD.

    At the last of the stages. `table` is `kent.pages.measures.tabulate_updates`, over seeds.
    """
    last = table.iloc[:, -1]
    gradient, sgd, adamw = (last[row] for row in UPDATES.values())
    said = [format_interval(*pair, "+") for pair in (adamw, gradient, sgd)]
    return (
        f"The update that AdamW makes of a memory vector **{_follow(adamw, gradient)}** its "
        f"coefficient: their rank correlation is {said[0]}, where the gradient's is {said[1]} and "
        f"that of SGD's update {said[2]} ({name_basis(stages, seeds)})."
    )


def _follow(update: Pair, gradient: Pair) -> str:
    """Not to follow, an update must also fall clearly behind the gradient."""
    if update[0] > 0 and is_effect(*update):
        return "follows"
    behind = update[0] + 2 * update[1] < gradient[0] - 2 * gradient[1]
    return "does not follow" if behind else "cannot be told to follow"
