"""Tables 1 and 2 as regressions: what describes A and F over their cells, and what cannot be told
apart there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

from kent.paper import STAGES, TABLES

PEAK, FLOOR = 4e-4, 0.1
"""Peak learning rate of OLMo-1B's pretraining, and the part of it that is left at the end."""
SEQUENCES = 204_800
"""Sequences of one epoch of continual learning (section 4.1)."""
CLOSE = 0.1
"""By what part of one another two ratios of rates may differ and still count as about the same."""
SCHEDULES = {
    "cosine": lambda progress: (1 + np.cos(np.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
}
"""Shapes of the decay, from 1 to 0 as progress goes from 0 to 1."""


def anneal(progress: float, schedule: str = "cosine") -> float:
    """Learning rate of OLMo-1B at a fraction of its run, its warm-up aside: from `PEAK` down to
    `FLOOR` of it.

    `allenai/OLMo` gives a cosine (configs/official/OLMo-1B.yaml); this is an assumption about the
    released checkpoints. Raises ValueError for another schedule or a progress outside 0 to 1.
    """
    if schedule not in SCHEDULES or not 0 <= progress <= 1:
        raise ValueError(
            f"a progress from 0 to 1 under {' or '.join(SCHEDULES)}, not {progress} under "
            f"{schedule!r}"
        )
    return float(PEAK * (FLOOR + (1 - FLOOR) * SCHEDULES[schedule](progress)))


def tabulate_cells(schedule: str = "cosine") -> pd.DataFrame:
    """The 20 cells of tables 1 and 2, a row for each setting and initial model: A, F, P in %, K in
    nats, predictors.

    `stage` is the fraction of pretraining done, `rate` the peak learning rate, `own` the
    checkpoint's own rate under `schedule`, `ratio` rate / own, `updates` the number of optimizer
    steps; the last four as base-2 logarithms too, so that a coefficient is points per doubling.
    """
    index = pd.MultiIndex.from_product([TABLES, STAGES], names=["setting", "initial"])
    rows = [(TABLES[name], initial) for name, initial in index]
    cells = pd.DataFrame(
        {key: [getattr(row, key)[initial] for row, initial in rows] for key in "AFKP"}, index
    )
    cells["stage"] = [STAGES[initial] for _, initial in rows]
    cells["rate"] = [row.rate for row, _ in rows]
    cells["own"] = [anneal(progress, schedule) for progress in cells["stage"]]
    cells["ratio"] = cells["rate"] / cells["own"]
    cells["updates"] = [row.epochs * SEQUENCES / row.batch for row, _ in rows]
    logarithms = {
        f"log {name}": np.log2(cells[name]) for name in ("rate", "own", "ratio", "updates")
    }
    return cells.assign(**logarithms)


@dataclass(frozen=True)
class Fit:
    """A linear law by least squares: `terms` (estimate, 95 % interval, variance inflation) and how
    well it describes.

    `r_squared` is the share of variance described, `residual` the standard deviation of what is
    left, in the units of the outcome. The intervals take cells as independent; they tell lack of
    fit, not the noise of a repeated run.
    """

    terms: pd.DataFrame
    r_squared: float
    residual: float

    def describe(self) -> dict[str, str]:
        """Every term's estimate with its interval, and how well the law describes, as texts for a
        row of a table."""
        said = {
            name: f"{row.estimate:+.1f} [{row.low:+.1f}, {row.high:+.1f}]"
            for name, row in self.terms.iterrows()
        }
        return said | {"R²": f"{self.r_squared:.3f}", "residual": f"{self.residual:.2f}"}


def regress(cells: pd.DataFrame, outcome: str, terms: Sequence[str]) -> Fit:
    """Least squares of an outcome on predictors (columns of `tabulate_cells`) and a constant.

    Raises ValueError where the cells cannot tell the terms apart at all: one is a combination of
    the others, or there are not more cells than coefficients; and for a name that is no column.
    """
    if unknown := {outcome, *terms} - {*cells}:
        raise ValueError(f"no column {', '.join(sorted(unknown))}; there are: {', '.join(cells)}")
    predictors = cells[[*terms]].to_numpy(float)
    centred, target = predictors - predictors.mean(0), cells[outcome].to_numpy(float)
    rank, freedom = int(np.linalg.matrix_rank(centred)), len(cells) - len(terms) - 1
    if rank < len(terms) or freedom < 1:
        raise ValueError(
            f"{len(cells)} cells cannot tell {', '.join(terms)} apart: {rank} of {len(terms)} "
            "independent"
        )
    estimates = np.linalg.lstsq(centred, target - target.mean())[0]
    left = target - target.mean() - centred @ estimates
    inverse = np.linalg.inv(centred.T @ centred)
    half = student.ppf(0.975, freedom) * np.sqrt(left @ left / freedom * np.diag(inverse))
    columns = {"estimate": estimates, "low": estimates - half, "high": estimates + half,
               "inflation": np.diag(inverse) * (centred**2).sum(0)}  # fmt: skip
    table = pd.DataFrame(columns, index=[*terms])
    return Fit(table, 1 - left @ left / (target.var() * len(cells)), np.sqrt(left @ left / freedom))


def match_ratios(cells: pd.DataFrame) -> pd.DataFrame:
    """Pairs of cells of different initial models and equally many updates whose ratios differ by at
    most `CLOSE`.

    A row per pair: ratio, A and F of both, the cell of the lower rate first.
    """
    ordered = cells.sort_values("rate", kind="stable")
    pairs = [
        (one, other)
        for number, one in enumerate(ordered.index)
        for other in ordered.index[number + 1 :]
        if ordered.updates[one] == ordered.updates[other]
        and one[1] != other[1]
        and abs(np.log(ordered.ratio[one] / ordered.ratio[other])) <= np.log1p(CLOSE)
    ]
    rows = [
        [value for key in ("ratio", "A", "F") for value in cells.loc[[*pair], key]]
        for pair in pairs
    ]
    columns = pd.MultiIndex.from_product([["ratio", "A", "F"], ["lower rate", "higher rate"]])
    index = pd.MultiIndex.from_tuples([(", ".join(one), ", ".join(other)) for one, other in pairs],
                                      names=["lower rate", "higher rate"])  # fmt: skip
    return pd.DataFrame(rows, index, columns)
