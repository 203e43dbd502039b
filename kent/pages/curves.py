"""K along a run of continual learning: tables of (value, standard error), and what they say.

A first injection comes with the first steps at a new rate on new text: K of everything may fall
before anything is learned. What an injection then does to one fact is a difference within a run.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64

from kent.learning.outcomes import Outcome, estimate, summarize_paragraphs
from kent.pages.axes import label_checkpoints
from kent.pages.seeds import Seed, pool_table
from kent.pages.summaries import KINDS, name_models
from kent.paper import is_effect

CURVES = ("injected", *KINDS, "control", "net of the control")
"""What is followed along a run: facts by setting, those never injected, and the difference."""
JUMP = "gain over its own injection minus that over others (nats)"


def name_curve(name: str, start: str) -> str:
    """The row of `tabulate_curves` for one of `CURVES`, and the initial model's name."""
    return f"{name}, K since the start (nats), from {start}"


def name_injection(start: str) -> str:
    """The row of `tabulate_injections` for an initial model."""
    return f"left of an injection (nats), from {start}"


def _find_recorded(table: pd.DataFrame, seeds: Sequence[Seed]) -> list[Seed]:
    """The seeds that kept every row of a table."""
    steps, rows = [*table.columns], [*table.index]
    return [seed for seed in seeds if all(seed.list_values(row, steps) for row in rows)]


def tabulate_curves(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """K minus K before learning, a row for each of `CURVES` and initial model.

    A column per scoring, by its optimizer step; NaN after a run was stopped.
    """
    longest = max((each.steps.tolist() for each in outcomes), key=len)
    rows = {}
    for start, outcome in zip(name_models(outcomes), outcomes, strict=True):
        for name, samples in _follow(outcome).items():
            pairs = [estimate(each) for each in samples - samples[0]]
            rest = [(np.nan, np.nan)] * (len(longest) - len(pairs))
            rows[name_curve(name, start)] = [*pairs, *rest]
    return pd.DataFrame.from_dict(rows, orient="index", columns=longest)


def _follow(outcome: Outcome) -> dict[str, Float64[np.ndarray, "evaluation sample"]]:
    settings = {"injected": "all"} | KINDS
    facts = {name: outcome.performance(what) for name, what in settings.items()}
    control = outcome.performance(of="control")
    net = {"net of the control": facts["injected"] - control}
    return facts | {"control": control} | net


def tabulate_injections(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """What is left of a single injection, a row per initial model, by the injections since.

    As `Outcome.follow_injections`, over the control, with errors over paragraphs.
    """
    rows = {
        name_injection(start): [summarize_paragraphs(each) for each in outcome.follow_injections()]
        for start, outcome in zip(name_models(outcomes), outcomes, strict=True)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def tabulate_jumps(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """What one injection does to a fact injected once, a column per initial model.

    As `Outcome.compare_injections`, with errors over paragraphs.
    """
    found = [summarize_paragraphs(each.compare_injections()) for each in outcomes]
    keys = label_checkpoints(outcomes)
    return pd.DataFrame({key: [pair] for key, pair in zip(keys, found, strict=True)}, [JUMP])


def describe_jumps(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> str:
    """What one injection does, over the initial models: a sentence.

    `table` is that of `tabulate_jumps`. One seed says how large it is, and no more.
    """
    seeds = _find_recorded(table, seeds)
    pairs = [*pool_table(table, seeds).loc[JUMP]]
    ends = [f"{end(value for value, _ in pairs):+.2f}".replace("-", "−") for end in (min, max)]
    found = sum(value > 0 and is_effect(value, error) for value, error in pairs)
    of = f"in {found} of {len(pairs)} models more than nothing, beyond its interval"
    said = f"{of} (means of {1 + len(seeds)} seeds)" if seeds else "one seed, so no verdict"
    gain = "Over its own injection a fact injected once gains"
    return f"{gain} {' to '.join(ends)} nats more than over another one: {said}."


def describe_dip(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> str:
    """Whether K falls in the first steps, how far, and when it is back: sentences.

    `table` is that of `tabulate_curves`; means over seeds where they were recorded.
    """
    seeds = _find_recorded(table, seeds)
    values = pool_table(table, seeds).map(lambda pair: pair[0])
    first, starts = values.columns[1], [*dict.fromkeys(map(_read_start, values.index))]
    facts, control = (
        values.loc[[name_curve(name, start) for start in starts]].rename(_read_start)
        for name in ("injected", "control")
    )
    falls = [_describe_fall(rows[first]) for rows in (facts, control)]
    whose = f" (means of {1 + len(seeds)} seeds)" if seeds else ""
    return (
        f"After {first} steps and one injection, K of the injected facts is {falls[0]}, K of the "
        f"control {falls[1]}{whose}. The injected facts are back at their start "
        f"{_describe_return(facts)}, the control {_describe_return(control)}."
    )


def _read_start(row: str) -> str:
    """The initial model's name in one of `name_curve`."""
    return row.rsplit(", from ", 1)[-1]


def _describe_fall(changes: pd.Series) -> str:
    """How far K is below its start, over the initial models."""
    falls = -changes[changes < 0]
    if falls.empty:
        return "not below its start"
    ends = dict.fromkeys(f"{size:.1f}" for size in (falls.min(), falls.max()))  # one, if alike
    some = f" in {len(falls)} of {len(changes)} models" if len(falls) < len(changes) else ""
    return f"{' to '.join(ends)} nats below its start{some}"


def _describe_return(rows: pd.DataFrame) -> str:
    """After how many injections K is back at its start, over the initial models."""
    found = {start: _find_return(values) for start, values in rows.iterrows()}
    back = [count for count in found.values() if count is not None]
    never = ", ".join(start for start, count in found.items() if count is None)
    if not back:
        return "never"
    counts = " to ".join(dict.fromkeys(f"{count}" for count in (min(back), max(back))))
    return f"after {counts} injections" + (f" (from {never} never)" if never else "")


def _find_return(values: pd.Series) -> int | None:
    """The first scoring (0: before learning) from which K stays at its start or above."""
    below = np.flatnonzero(~(values.to_numpy() >= 0))
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(values) else None
