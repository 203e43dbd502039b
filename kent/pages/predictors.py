"""Which number of a checkpoint predicts what it learns and forgets: rank correlations of records.

What pages recorded of the book's models is read; nothing is measured.
"""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd

from kent.models.suites import OWN, SUITES
from kent.pages.correlations import correlate
from kent.pages.forks import ENTROPY as H
from kent.pages.forks import LOST, SHAKEN
from kent.pages.losses import RISE
from kent.pages.measures import Pair
from kent.pages.seeds import ESTIMATES, RECORDED, collect_outputs, format_interval, pool
from kent.pages.summaries import ENTROPIES, ENTROPY, NET
from kent.runs.learned_plans import FRESH

STAGES, CHANGES, ENDINGS = "stages", "changed models", "endings"
"""Groups of models: of one pretraining, of its last checkpoint, and of its several endings."""
TARGETS = (NET, LOST, RISE)
"""What a good start is: much of the first, little of the others."""
STEP, RATE, LOSS = "step of pretraining", "own learning rate", "loss before (nats)"
SOURCES = {
    STAGES: {
        "correlations": {f"Olmo, {name}": name for name in (NET, LOST)},
        "fig04_acquisition_and_forgetting": {NET: NET, LOST: LOST},
        "held_out_loss": {RISE: RISE},
        "fig02_knowledge_entropy": {H: ENTROPY, "loss (nats)": LOSS},
        "fig03_other_entropies": {
            "attention entropy (nats)": "attention entropy before (nats)",
            "next-token entropy (nats)": "next-token entropy before (nats)",
        },
        "other_measures": {
            "contribution entropy (nats)": "contribution entropy before (nats)",
            "dormant fraction": "dormant fraction before",
            "Gini": "Gini coefficient before",
        },
    },
    CHANGES: {"entropy_or_not": {row: row for row in (NET, LOST, *ENTROPIES)}},
    ENDINGS: {
        "forks": {
            **{f"{FRESH}, {name}": name for name in TARGETS},
            **{H: ENTROPY, "loss (nats)": LOSS, SHAKEN: SHAKEN},
        }
    },
}
"""By group and page what the rows (or columns) of a record are called here."""
CHANGED = "as they are, "
"""What the rows of changed models begin with in their record."""
FEWEST = 4
"""Models of one suite that a rank correlation needs."""


def collect_models(folder: Path = RECORDED) -> pd.DataFrame:
    """A row per model that was recorded with what it learned, by (group, suite, model).

    Columns are `TARGETS`, then numbers of the model before learning; NaN where one was not
    recorded.
    """
    found = {}
    for suite in _list_suites(folder):
        for group, sources in SOURCES.items():
            table = pd.concat([_read(folder / suite, *each) for each in sources.items()], axis=1)
            table = table.T.groupby(level=0).first().T  # a number that two pages have
            targets = [name for name in TARGETS if name in table]
            if targets and len(table := table.dropna(subset=targets, how="all")):
                found[group, suite] = _place(suite, table) if group == STAGES else table
    joined = pd.concat(found, names=["group", "suite", "model"])
    return joined.reindex(columns=[*TARGETS, *sorted({*joined} - {*TARGETS})])


def _list_suites(folder: Path) -> list[str]:
    """The suites with records; of those that are one package's model, the first."""
    known = [name for name in reversed(SUITES) if (folder / name).is_dir()]
    return sorted({SUITES[name].package or name: name for name in known}.values())


def _read(folder: Path, page: str, names: Mapping[str, str]) -> pd.DataFrame:
    """A column per row (or column) of a page that has a name here, by checkpoint or model."""
    paths, found = [folder / f"{page}.ipynb"], {}
    if folder.name == "tiny":  # the book's own, where it is kept to be shown
        paths.append(folder.parents[1] / "book" / paths[0].name)
    tables = [each for path in paths if path.is_file() for each in collect_outputs(path, ESTIMATES)]
    for table in tables:
        for row, pairs in table["rows"].items():
            values = [nan if value is None else value for value, _ in pairs]
            series = pd.Series(values, index=table["columns"], dtype=float)
            if row in names:
                found[names[row]] = series.to_dict()
            elif row.startswith(CHANGED):
                for column in names.keys() & {*series.index}:
                    model = row.removeprefix(CHANGED)
                    found.setdefault(names[column], {})[model] = series[column]
    return pd.DataFrame(found)


def _place(suite: str, table: pd.DataFrame) -> pd.DataFrame:
    """With the step, and the rate that pretraining had there; only models that stand at a step."""
    steps = [step for step in table.index if step.isdecimal()]
    places = {STEP: [*map(float, steps)]}
    if suite in OWN:
        places[RATE] = [OWN[suite].follow_rate(int(step)) for step in steps]
    return table.loc[steps].assign(**places)


def score_predictors(models: pd.DataFrame, group: str, target: str) -> pd.DataFrame:
    """How well each number orders the models of a suite, its sign taken from the other suites.

    A row per predictor and a column per suite: Spearman's rank correlation with `target` there,
    times the sign that its mean over the others has; 1 is the right order, -1 the reverse. NaN
    where a suite has fewer than `FEWEST` models with both numbers, and no other suite.
    """
    names = [name for name in models if name not in TARGETS]
    listed = models[models.index.get_level_values("group") == group].groupby(level="suite")
    found = {suite: {name: _rank(each, name, target) for name in names} for suite, each in listed}
    ranks = pd.DataFrame(found, index=names)
    signs = {suite: np.sign(ranks.drop(columns=suite).mean(axis=1)) for suite in ranks}
    scored = ranks * pd.DataFrame(signs, index=names)
    return scored.dropna(how="all").dropna(axis="columns", how="all")


def _rank(models: pd.DataFrame, name: str, target: str) -> float:
    both = models[[name, target]].dropna()
    return correlate(both[name], both[target], "Spearman")[0] if len(both) >= FEWEST else nan


def pool_scores(scores: pd.DataFrame) -> dict[str, Pair]:
    """By predictor the mean score over suites and its error (`kent.pages.seeds.pool`), best first.

    Without predictors that fewer than two suites have.
    """
    several = {name: [*row.dropna()] for name, row in scores.iterrows()}
    pooled = {name: pool(values) for name, values in several.items() if len(values) > 1}
    return dict(sorted(pooled.items(), key=lambda item: -item[1][0]))


def find_best(pooled: Mapping[str, Pair]) -> Sequence[str]:
    """The predictors whose interval lies above 0: they order models they were not fitted to."""
    return [name for name, (value, error) in pooled.items() if value - 2 * error > 0]


def shorten(name: str) -> str:
    """A number's name without its unit, and without that it was taken before learning.

    >>> shorten("loss before (nats)")
    'loss'
    """
    return name.replace(" before", "").replace(" (nats)", "").replace(" (points)", "")


def describe_best(pooled: Mapping[str, Pair], most: int = 2) -> str:
    """The best of `find_best` with their scores, how many more there are, and knowledge entropy's.

    >>> describe_best({"loss before (nats)": (0.5, 0.1), "H before (nats)": (0.1, 0.2)})
    'loss 0.50 ± 0.20; knowledge entropy 0.10 ± 0.40'
    """
    best = find_best(pooled)
    said = [f"{shorten(name)} {format_interval(*pooled[name])}" for name in best[:most]]
    said += [f"{len(best) - most} more"] if len(best) > most else []
    own = f"; knowledge entropy {format_interval(*pooled[ENTROPY])}" if ENTROPY in pooled else ""
    return (", ".join(said) or "none") + own
