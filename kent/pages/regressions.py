"""Tables 1 and 2 as regressions: what describes A and F there, and what cannot be told apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from statsmodels.api import OLS, add_constant
from statsmodels.stats.outliers_influence import variance_inflation_factor

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
    """Learning rate of OLMo-1B at a fraction of its run: from `PEAK` down to `FLOOR` of it.

    `allenai/OLMo` gives a cosine (configs/official/OLMo-1B.yaml); this is an assumption about the
    released checkpoints, and the warm-up is left out. Raises ValueError for another schedule or a
    progress outside 0 to 1.

    >>> round(anneal(0.5), 8), round(anneal(1.0), 8)
    (0.00022, 4e-05)
    """
    if schedule not in SCHEDULES or not 0 <= progress <= 1:
        accepted = f"a progress from 0 to 1 under {' or '.join(SCHEDULES)}"
        raise ValueError(f"{accepted}, not {progress} under {schedule!r}")
    return float(PEAK * (FLOOR + (1 - FLOOR) * SCHEDULES[schedule](progress)))


def tabulate_cells(schedule: str = "cosine") -> pd.DataFrame:
    """The 20 cells of tables 1 and 2, a row each: A, F, P in %, K in nats, and predictors.

    `stage` is the fraction of pretraining done, `rate` the peak learning rate, `own` the
    checkpoint's own rate under `schedule`, `ratio` rate / own, `updates` the number of optimizer
    steps; the last four as base-2 logarithms too, so that a coefficient is points per doubling.

    >>> tabulate_cells().loc[("baseline", "738k"), ["A", "rate", "own", "ratio"]].round(5).to_dict()
    {'A': 18.8, 'rate': 0.0004, 'own': 4e-05, 'ratio': 10.0}
    """
    index = pd.MultiIndex.from_product([TABLES, STAGES], names=["setting", "initial"])
    rows = [(TABLES[name], initial) for name, initial in index]
    published = {key: [getattr(row, key)[initial] for row, initial in rows] for key in "AFKP"}
    cells = pd.DataFrame(published, index)
    cells["stage"] = [STAGES[initial] for _, initial in rows]
    cells["rate"] = [row.rate for row, _ in rows]
    cells["own"] = [anneal(progress, schedule) for progress in cells["stage"]]
    cells["ratio"] = cells["rate"] / cells["own"]
    cells["updates"] = [row.epochs * SEQUENCES / row.batch for row, _ in rows]
    logarithms = np.log2(cells[["rate", "own", "ratio", "updates"]])
    return cells.join(logarithms.add_prefix("log "))


@dataclass(frozen=True)
class Fit:
    """A linear law by least squares: `terms` (estimate, 95 % interval, variance inflation).

    `r_squared` is the share of variance described, `residual` the standard deviation of what is
    left, in the units of the outcome. The intervals take cells as independent; they say how badly
    the law fits, not how much a repeated run would vary.
    """

    terms: pd.DataFrame
    r_squared: float
    residual: float

    def describe(self) -> dict[str, str]:
        """Every term's estimate and interval, and how well the law describes: a row of texts.

        >>> regress(tabulate_cells().loc["baseline"], "F", ["stage"]).describe()["stage"]
        '+11.1 [+5.7, +16.5]'
        """
        said = {
            name: f"{row.estimate:+.1f} [{row.low:+.1f}, {row.high:+.1f}]"
            for name, row in self.terms.iterrows()
        }
        return said | {"R²": f"{self.r_squared:.3f}", "residual": f"{self.residual:.2f}"}


def regress(cells: pd.DataFrame, outcome: str, terms: Sequence[str]) -> Fit:
    """Least squares of an outcome on predictors (columns of `tabulate_cells`) and a constant.

    Raises ValueError where the cells cannot tell the terms apart at all: one is a combination of
    the others, or there are not more cells than coefficients; and for a name that is no column.

    >>> regress(tabulate_cells(), "F", ["log rate", "stage"]).terms["estimate"].round(1).to_dict()
    {'log rate': 5.1, 'stage': 16.0}
    """
    if unknown := {outcome, *terms} - {*cells}:
        raise ValueError(f"no column {', '.join(sorted(unknown))}; there are: {', '.join(cells)}")
    model = OLS(cells[outcome], add_constant(cells[[*terms]]))
    if model.df_model < len(terms) or model.df_resid < 1:
        found = f"{model.df_model:g} of {len(terms)} independent"
        raise ValueError(f"{len(cells)} cells cannot tell {', '.join(terms)} apart: {found}")
    fit = model.fit()
    table = pd.concat([fit.params, fit.conf_int()], axis=1).loc[[*terms]]
    table.columns = ["estimate", "low", "high"]
    places = map(model.exog_names.index, terms)
    table["inflation"] = [variance_inflation_factor(model.exog, place) for place in places]
    return Fit(table, fit.rsquared, fit.mse_resid**0.5)


def compare_laws(cells: pd.DataFrame, laws: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Every law's terms for A and F, with their intervals, and how well it describes: texts.

    Laws are lists of terms, by name; a row per law and term.
    """
    described = {
        key: {law: regress(cells, key, terms).describe() for law, terms in laws.items()}
        for key in "AF"
    }
    columns = {
        key: {(law, term): said for law, fit in fits.items() for term, said in fit.items()}
        for key, fits in described.items()
    }
    return pd.DataFrame(columns)


RIVALS = {"stage": "the stage", "log own": "the checkpoint's own rate"}
"""Terms that move together over the table, and what they stand for."""


def find_clear(cells: pd.DataFrame, outcome: str, controls: Sequence[str]) -> list[str]:
    """Those of `RIVALS` whose interval is clear of 0, both beside the controls in one law."""
    terms = regress(cells, outcome, [*controls, *RIVALS]).terms.loc[[*RIVALS]]
    return [*terms.index[terms["low"] * terms["high"] > 0]]


def describe_rivals(schedules: Mapping[str, pd.DataFrame], controls: Sequence[str]) -> str:
    """Whether the cells tell `RIVALS` apart: sentences.

    They do where one alone is clear of 0 for A or F, the same under every schedule. `schedules`
    holds the cells under each, the one that is believed first.
    """
    clear = {
        key: [find_clear(cells, key, controls) for cells in schedules.values()] for key in "AF"
    }
    told = any(len(one) == 1 and one == other for one, other in clear.values())
    verdict = f"{'can' if told else 'cannot'} tell {' from '.join(RIVALS.values())}"
    cells, *_ = schedules.values()
    fits = ", ".join(_describe_fits(cells, key, controls) for key in "AF")
    alone = f"Beside peak rate and updates, either describes {len(cells)} cells ({fits})"
    return f"**The tables {verdict}.** {alone}. {_describe_clear(schedules, clear)}"


def _describe_fits(cells: pd.DataFrame, outcome: str, controls: Sequence[str]) -> str:
    fits = [regress(cells, outcome, [*controls, each]).r_squared for each in RIVALS]
    return f"R² {' and '.join(f'{fit:.2f}' for fit in fits)} for {outcome}"


def _describe_clear(schedules: Iterable[str], clear: Mapping[str, Sequence[list[str]]]) -> str:
    """What is clear of 0 with both in the law, by schedule."""
    lines = []
    for place, name in enumerate(schedules):
        pairs = [(RIVALS[term], key) for key, found in clear.items() for term in found[place]]
        said = " and ".join(f"{term} for {key}" for term, key in pairs) or "neither"
        lines.append(f"{said} ({name} schedule)")
    return f"With both in the law, clear of 0 is: {'; '.join(lines)}."


def match_ratios(cells: pd.DataFrame) -> pd.DataFrame:
    """Pairs of cells of different initial models whose ratios differ by at most `CLOSE`.

    Both have equally many updates. A row per pair: ratio, A and F of both, the cell of the lower
    rate first.

    >>> match_ratios(tabulate_cells("linear"))["A"].to_dict("split")["data"]
    [[21.4, 17.3]]
    """
    ordered = cells.sort_values("rate", kind="stable")
    pairs = [
        (one, other)
        for one, other in combinations(ordered.index, 2)
        if ordered.updates[one] == ordered.updates[other]
        and one[1] != other[1]
        and abs(np.log(ordered.ratio[one] / ordered.ratio[other])) <= np.log1p(CLOSE)
    ]
    sides = ["lower rate", "higher rate"]
    columns = pd.MultiIndex.from_product([["ratio", "A", "F"], sides])
    rows = [[cells[key][cell] for key in ("ratio", "A", "F") for cell in pair] for pair in pairs]
    names = [tuple(map(", ".join, pair)) for pair in pairs]
    return pd.DataFrame(rows, pd.MultiIndex.from_tuples(names, names=sides), columns)
