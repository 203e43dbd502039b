"""What learning does to the log probability of entities, in documents that were read and others.

A table of rises has a row per document and order of rows: `ORDER` (its seed), `SHARE` (of the
document's tokens, that the run was fed), and under the label of each model by how much the log
probability of its entities (per token, mean over entities) rose from the unchanged model before
learning, in nats.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import hypot

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from kent.learning.outcomes import Outcome, estimate
from kent.measure.familiarity import Familiarity, read_entities
from kent.pages.evidence import ONE_SEED
from kent.pages.gates import NOT_ACQUIRED
from kent.pages.seeds import Seed, format_interval, pool_table
from kent.paper import is_effect
from kent.runs.execution import Result
from kent.runs.exposure import measure_exposure
from kent.runs.model_plans import LEARNING, READ, UNCHANGED, UNREAD
from kent.runs.plans import Plan
from kent.text.templates import Document

ORDER, SHARE, TEXT = "order", "share", "text"
GROUPS = ("read whole", "read in part", "not read")
"""Documents of which all tokens were fed, some, and none."""
RISES = {group: f"{group}, rise (nats)" for group in GROUPS}
GAIN = "read whole minus not read (nats)"
BESIDE = "read whole minus not read, minus unchanged (nats)"
FACTS = "fictional facts, rise net of the control (nats)"
Pair = tuple[float, float]


def list_models(plan: Plan) -> list[str]:
    """Labels of the models that learn on, "unchanged" first."""
    ending = f", {LEARNING}"
    return [label.removesuffix(ending) for label in plan if label.endswith(ending)]


def collect_rises(plan: Plan, results: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """The table of rises of `kent.runs.model_plans.learn_entities`.

    Which documents a run was fed is traced in its corpus, for every order; a text counts once.
    """
    documents = [each for name in (READ, UNREAD) for each in _read_documents(plan, name)]
    before, places = _join(results[READ][0], results[UNREAD][0])
    texts, tables = [documents[place].text for place in places], []
    for number, learning in enumerate(plan[f"{UNCHANGED}, {LEARNING}"]):
        shares = measure_exposure(learning, documents)[places]
        order = learning.config.get("order", "of the corpus")
        table = {ORDER: order, SHARE: shares, TEXT: texts}
        for label in list_models(plan):
            pair = (results[f"{label}, {name}"][number] for name in (READ, UNREAD))
            table[label] = before - _join(*pair)[0]
        tables.append(pd.DataFrame(table).drop_duplicates(TEXT).drop(columns=TEXT))
    return pd.concat(tables, ignore_index=True)


def _read_documents(plan: Plan, name: str) -> list[Document]:
    config = plan[name][0].config
    size = {"limit": config["limit"], "skip": config.get("skip", 0)}
    return read_entities(config["corpus"], **size, column=config["column"])


def _join(
    known: Familiarity, other: Familiarity
) -> tuple[Float64[Tensor, " instance"], Int64[Tensor, " instance"]]:
    """Surprisals of two texts, and the place of each document among those of both."""
    behind = known.provenance["documents"]
    places = torch.cat([known.documents, behind + other.documents])
    return torch.cat([known.surprisals, other.surprisals]), places


def divide(rises: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each group of documents."""
    whole, none = rises[SHARE] == 1, rises[SHARE] == 0
    parts = (whole, ~whole & ~none, none)
    return {group: rises[part] for group, part in zip(GROUPS, parts, strict=True)}


def count_groups(rises: pd.DataFrame) -> pd.DataFrame:
    """How many documents of each group there are: a row per order of rows."""
    counts = {group: part[ORDER].value_counts() for group, part in divide(rises).items()}
    return pd.DataFrame(counts).fillna(0).astype(int).sort_index().rename_axis(ORDER)


def tabulate_rises(rises: pd.DataFrame, facts: Mapping[str, Pair]) -> pd.DataFrame:
    """A column per model: rises by group, `GAIN`, `BESIDE`, and the `facts` by label, as `FACTS`.

    Documents are the units of the errors. Values and errors are means over orders: all have the
    same documents, so that their errors do not average out. Of several orders each has a row with
    its own `GAIN`. Raises ValueError for fewer than two documents read whole, or not read.
    """
    parts = {order: _compare(part) for order, part in rises.groupby(ORDER)}
    table = next(iter(parts.values())).copy()
    for row, label in product(table.index, table):
        pairs = [part.loc[row, label] for part in parts.values()]
        table.at[row, label] = tuple(np.mean(pairs, axis=0).tolist())
    for order, part in parts.items() if len(parts) > 1 else ():
        table.loc[f"order {order}, {GAIN}"] = part.loc[GAIN]
    table.loc[FACTS] = pd.Series(facts)
    return table


def _compare(rises: pd.DataFrame) -> pd.DataFrame:
    """Rises by group and their differences, over one order of rows."""
    groups = divide(rises)
    whole, _, none = groups.values()
    if min(len(whole), len(none)) < 2:
        found = f"{len(whole)} of {len(rises)} documents were read whole, {len(none)} not at all"
        raise ValueError(f"{found}: two of each are needed. Give more documents, or other texts")
    table = {}
    for label in rises.columns.drop([ORDER, SHARE]):
        found = {RISES[name]: _average(part[label]) for name, part in groups.items()}
        found[GAIN] = _subtract(whole[label], none[label])
        # both models read the same documents: their difference is taken in each
        found[BESIDE] = _subtract(*(part[label] - part[UNCHANGED] for part in (whole, none)))
        table[label] = found
    return pd.DataFrame(table)


def _average(values: pd.Series) -> Pair:
    """Mean over documents, and its standard error."""
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


def _subtract(values: pd.Series, others: pd.Series) -> Pair:
    """Difference of the means of two groups of documents, and its standard error."""
    (value, error), (other, beside) = map(_average, (values, others))
    return value - other, hypot(error, beside)


def measure_facts(plan: Plan, results: Mapping[str, Sequence[Outcome]]) -> dict[str, Pair]:
    """By label the rise of K (nats) of injected facts minus that of the control, mean over orders.

    From the unchanged model before learning, as for entities.
    """
    starts, found = results[f"{UNCHANGED}, {LEARNING}"], {}
    for label in list_models(plan):
        pairs = zip(results[f"{label}, {LEARNING}"], starts, strict=True)
        # the samples are the same paragraphs in every order
        found[label] = estimate(np.mean([_acquire(*pair) for pair in pairs], axis=0))
    return found


def _acquire(outcome: Outcome, start: Outcome) -> Float64[np.ndarray, " sample"]:
    facts, control = (
        outcome.acquisition(of=of, relative=False, since=start) for of in ("knowledge", "control")
    )
    return facts - control


def judge_rises(
    table: pd.DataFrame, seeds: Sequence[Seed] = (), one_model: bool = False
) -> pd.DataFrame:
    """A row per model: `GAIN` and `BESIDE` with their intervals, and whether it learned more.

    Over the `seeds` recorded and this one; without others there is no word on it, but for a model
    that has none (`one_model`). Where no model learned of what it read, beyond two standard errors,
    none can have learned more: `NOT_ACQUIRED`.
    """
    pooled = pool_table(table, seeds)
    words = pooled.loc[BESIDE].map(_compare_gains)
    if not one_model and not any(BESIDE in seed.estimates for seed in seeds):
        words[:] = ONE_SEED
    if not any(value > 2 * error for value, error in pooled.loc[GAIN]):
        words[:] = NOT_ACQUIRED
    words[UNCHANGED] = ""
    shown = pooled.loc[[GAIN, BESIDE]].map(lambda pair: format_interval(*pair, "+")).T
    return shown.assign(**{"beside the unchanged model it learned": words})


def _compare_gains(pair: Pair) -> str:
    if not is_effect(*pair):
        return "too small to tell"
    return "more" if pair[0] > 0 else "less"
