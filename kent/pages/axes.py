"""Along which axis checkpoints stand in tables and figures, and what they are called there.

Steps, where they compare; else tokens; else checkpoints stand in order, under the names of their
branches, or under their places where they have none.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from kent.models.revisions import choose_count
from kent.runs.execution import Result

STEP, TOKENS, PLACE = "pretraining step", "tokens of pretraining", "checkpoint"
"""What the columns of a table are."""
AXES = {"step": STEP, "tokens": TOKENS, None: PLACE}
GIVEN = {STEP: "ln step", TOKENS: "ln tokens", PLACE: "place"}
"""What a correlation is freed of, as `measure_progress` has it."""
UNITS = {10**12: "T", 10**9: "B", 10**6: "M", 1: ""}

Key = int | str
"""A checkpoint's column: its step, its tokens, its place, or its branch."""


def name_axis(results: Sequence[Result]) -> str:
    """What tells checkpoints (each once) apart: `STEP`, `TOKENS` or `PLACE`."""
    return AXES[choose_count([each.provenance["revision"] for each in results])]


def label_checkpoints(results: Sequence[Result]) -> list[Key]:
    """The column of each checkpoint (each once), as `name_axis` says."""
    revisions = [each.provenance["revision"] for each in results]
    labels = [each.get(choose_count(revisions) or "branch") for each in revisions]
    alike = None in labels or len({*labels}) < len(labels)
    return [*range(len(labels))] if alike else labels


def place_checkpoints(results: Sequence[Result]) -> dict[Key, Result]:
    """Each checkpoint once, by its column."""
    keyed = {}
    for each in results:
        about = {**each.provenance["revision"], "tokens": None}  # older records do not say them
        keyed[json.dumps(about, sort_keys=True)] = each
    once = [*keyed.values()]
    return dict(zip(label_checkpoints(once), once, strict=True))


def locate(columns: Iterable[Key]) -> list[int]:
    """Where columns stand on their axis; branches stand in order."""
    columns = [*columns]
    named = any(isinstance(key, str) for key in columns)
    return [*range(len(columns))] if named else columns


def name_key(axis: str, key: Key) -> str:
    """A column without what it counts, as at a tick.

    >>> name_key(STEP, 1000), name_key(TOKENS, 3_000_000_000), name_key(PLACE, "kestrel")
    ('1,000', '3B', 'kestrel')
    """
    if isinstance(key, str) or axis != TOKENS:
        return key if isinstance(key, str) else f"{key:,}"
    size = next((size for size in UNITS if key >= size), 1)
    return f"{key / size:.4g}{UNITS[size]}"


def name_checkpoint(axis: str, key: Key) -> str:
    """A column as figures call it.

    >>> name_checkpoint(STEP, 1000), name_checkpoint(PLACE, 0), name_checkpoint(TOKENS, 21 * 10**9)
    ('step 1,000', 'checkpoint 0', '21B tokens')
    """
    if isinstance(key, str):
        return key
    name = name_key(axis, key)
    return f"{name} tokens" if axis == TOKENS else f"{axis.split()[-1]} {name}"


def measure_progress(columns: pd.Index) -> np.ndarray:
    """How far each checkpoint is: ln of its step or tokens; its place where neither compares.

    The untrained model counts as step 1, or as the first that has read tokens. Columns without a
    name are steps.
    """
    places = np.array(locate(columns), float)
    if columns.name == PLACE:
        return places
    first = min(places[places > 0], default=1) if columns.name == TOKENS else 1
    return np.log(np.maximum(places, first))


def name_progress(columns: pd.Index) -> str:
    """What `measure_progress` measures.

    >>> name_progress(pd.Index([1, 2], name=TOKENS))
    'ln tokens'
    """
    return GIVEN[columns.name or STEP]
