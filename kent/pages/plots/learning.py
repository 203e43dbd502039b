"""Outcomes of continual learning to axes (section 4), and the published tables."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from kent.learning.downstream import find_chance
from kent.learning.outcomes import Outcome, estimate, summarize_paragraphs
from kent.pages.evidence import label_steps
from kent.pages.plots.panels import (
    GREY,
    MARKERS,
    THIN,
    draw_line,
    draw_seeds,
    make_panels,
    name_lines,
    pick_color,
    styled,
)
from kent.pages.seeds import Seed
from kent.paper import TABLES, infer_before

KINDS = {
    "paraphrased": ("paraphrase", "knowledge"),
    "injected once": ("once", "knowledge"),
    "control": ("all", "control"),
}
"""What figure 11 compares: under its name the setting, and whether the facts were injected."""
STAGE = "initial model (pretraining step)"
FLOOR = -12
"""The lowest acquisition that is drawn, in %: table 1 has one of −92.2."""


def _place(outcomes: Sequence[Outcome]) -> list[int]:
    """Where initial models stand on an axis: at their steps; side by side where two are alike."""
    steps = label_steps(outcomes)
    return steps if len(set(steps)) == len(steps) else [*range(len(steps))]


def _draw_stages(
    axes: Axes,
    name: str,
    outcomes: Sequence[Outcome],
    lines: Mapping[str, Sequence[np.ndarray]],
    seeds: Sequence[Seed] = (),
    rows: Sequence[str] = (),
) -> None:
    """Bootstrapped values with two standard errors, one place per initial model.

    `rows` are those that `seeds` kept of the same lines, drawn thin.
    """
    places = _place(outcomes)
    for number, (label, samples) in enumerate(lines.items()):
        draw_line(axes, places, [estimate(each) for each in samples], number, label)
    for number, row in enumerate(rows):
        draw_seeds(axes, places, seeds, row, number, linewidth=0.8, zorder=1)
    axes.set_xticks(places, labels=[f"{step:,}" for step in label_steps(outcomes)])
    axes.set(xlabel=STAGE, ylabel=name)


def _mark_baseline(
    axes: Axes,
    outcomes: Sequence[Outcome],
    published: Mapping[str, float],
    style: str = "--",
    when: str = "",
) -> None:
    """The paper's values by stage, where there is an outcome for every stage."""
    if len(outcomes) == len(published):
        values, label = [*published.values()], f"paper: OLMo-1B{when}"
        axes.plot(_place(outcomes), values, color=GREY, linestyle=style, label=label)


def _find_chance(outcomes: Sequence[Outcome]) -> float:
    """What P would be by guessing, in %."""
    return 100 * float(np.mean([find_chance(task) for task in outcomes[0].answers]))


def _mark_chance(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    axes.axhline(_find_chance(outcomes), **THIN, linestyle=":", label="guessing")


def _mark_fall(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    """F (%) of models that end where guessing begins: no parameter of it is free."""
    chance = _find_chance(outcomes)
    falls = [100 * (1 - chance / (100 * each.downstream()[0, 0])) for each in outcomes]
    axes.plot(_place(outcomes), falls, **THIN, linestyle=":", label="guessing")


@styled
def plot_learning(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 4: A and F (%), and K (nats) and P (%) after learning, by initial model."""
    facts, baseline = {"injected": "knowledge", "control": "control"}, TABLES["baseline"]
    A = {label: [each.acquisition(of=of) for each in outcomes] for label, of in facts.items()}
    K = {label: [each.performance(of=of)[-1] for each in outcomes] for label, of in facts.items()}
    F = {"six tasks": [each.forgetting() for each in outcomes]}
    P = {"six tasks": [100 * each.downstream()[-1] for each in outcomes]}
    shown = {
        "acquisition A (%)": (A, "A (%)", baseline.A),
        "forgetting F (%)": (F, "F (%)", baseline.F),
        "K after learning (nats)": (K, "K after (nats)", {}),
        "P after learning (%)": (P, "P after (%)", baseline.P),
    }
    figure, panels = make_panels(2, 2, height=2.9)
    for axes, (name, (lines, row, published)) in zip(panels, shown.items(), strict=True):
        _mark_baseline(axes, outcomes, published)
        _draw_stages(axes, name, outcomes, lines, seeds, [row])
    _mark_fall(panels[1], outcomes)
    _mark_chance(panels[3], outcomes)
    name_lines(figure, 5)
    return figure


@styled
def plot_settings(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 11: A (%) and K after learning (nats) of `KINDS`."""
    A, K = {}, {}
    for label, (what, of) in KINDS.items():
        A[label] = [each.acquisition(what, of=of) for each in outcomes]
        K[label] = [each.performance(what, of=of)[-1] for each in outcomes]
    figure, panels = make_panels(1, 2)
    for axes, lines, name in zip(panels, (A, K), ("A (%)", "K after (nats)"), strict=True):
        rows = [f"{label}, {name}" for label in KINDS]
        _draw_stages(axes, name.replace("A (", "acquisition A ("), outcomes, lines, seeds, rows)
    name_lines(figure)
    return figure


@styled
def plot_before_and_after(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 12: K (nats) and P (%) of each initial model, before learning and after it."""
    K = [each.performance() for each in outcomes]
    P = [100 * each.downstream() for each in outcomes]
    before = {stage: sum(ends) / 2 for stage, ends in infer_before("P").items()}
    figure, panels = make_panels(1, 2)
    _mark_baseline(panels[1], outcomes, before, ":", ", before")
    _mark_baseline(panels[1], outcomes, TABLES["baseline"].P, "--", ", after")
    for axes, name, found in zip(panels, ("K (nats)", "P (%)"), (K, P), strict=True):
        lines = {"before": [each[0] for each in found], "after": [each[-1] for each in found]}
        rows = [name.replace(" ", f" {when} ") for when in lines]
        _draw_stages(axes, name, outcomes, lines, seeds, rows)
    _mark_chance(panels[1], outcomes)
    name_lines(figure, 3)
    return figure


@styled
def plot_learning_curves(outcomes: Sequence[Outcome]) -> Figure:
    """K (nats) of `KINDS` at every evaluation of a run, a line per initial model."""
    figure, panels = make_panels(3, height=2.3, sharex=True)
    for axes, (label, (what, of)) in zip(panels, KINDS.items(), strict=True):
        for number, (step, each) in enumerate(zip(label_steps(outcomes), outcomes, strict=True)):
            pairs = [estimate(samples) for samples in each.performance(what, of=of)]
            draw_line(axes, each.steps.tolist(), pairs, number, f"from step {step:,}")
        axes.set_ylabel(f"K, {label} (nats)")
    axes.set_xlabel("step of continual learning (an injection before every mark but the first)")
    name_lines(figure)
    return figure


@styled
def plot_injections(followed: Mapping[str, Float64[Tensor, "lag paragraph"]]) -> Figure:
    """What is left of a single injection, in nats, by the injections since (0: its own).

    A line per label, with two standard errors over paragraphs; `followed` are as
    `Outcome.follow_injections` returns them.
    """
    figure, (axes,) = make_panels(1, height=3.0)
    axes.axhline(0, **THIN)
    for number, (label, found) in enumerate(followed.items()):
        pairs = [summarize_paragraphs(each) for each in found]
        draw_line(axes, np.arange(len(pairs)) + 0.05 * number, pairs, number, label)
    axes.set(xlabel="injections since its own", ylabel="K gained over the control (nats)")
    name_lines(figure)
    return figure


def _draw_rates(
    panels: Sequence[Axes], series: Mapping[str, Sequence[Outcome]], names: Sequence[str]
) -> None:
    """A and F (%) against the initial model, a line per label; all start from the same models."""
    first, *_ = series.values()
    measures = (Outcome.acquisition, Outcome.forgetting)
    for axes, measure, name in zip(panels, measures, names, strict=True):
        lines = {label: [measure(each) for each in found] for label, found in series.items()}
        _draw_stages(axes, name, first, lines)
    _mark_fall(panels[1], first)  # P before is the same in every series


@styled
def plot_learning_corpora(corpora: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Figure 13: A and F (%) against the initial model, a line for each text learnt on."""
    figure, panels = make_panels(1, 2)
    _draw_rates(panels, corpora, ("acquisition A (%)", "forgetting F (%)"))
    name_lines(figure, 3)
    return figure


def _draw_cells(axes: Axes, cells: pd.DataFrame, x: str, y: str) -> None:
    """Published values, a line per setting; one below `FLOOR` is written where its line leaves."""
    for number, (setting, row) in enumerate(cells.groupby("setting", sort=False)):
        color, marker = pick_color(number), MARKERS[number]
        axes.plot(row[x], row[y], color=color, marker=marker, label=setting)
        for place, value in row.loc[row[y] < FLOOR, [x, y]].itertuples(index=False):
            side = "right" if x == "stage" else "center"
            style = {"ha": side, "va": "bottom", "fontsize": 9, "color": color}
            axes.text(place, FLOOR, f"↓ −{-value:g}", **style)
    if y == "A":
        axes.set_ylim(bottom=FLOOR)
    if x == "stage":
        labels = cells.index.unique("initial")
        axes.set_xticks(cells["stage"].unique(), labels=labels)
        axes.set_xlabel(STAGE)


@styled
def plot_hyperparameters(settings: Mapping[str, Sequence[Outcome]], cells: pd.DataFrame) -> Figure:
    """Table 1: A and F (%) by initial model, a line per setting: measured above, published below.

    `cells` are those of `kent.pages.regressions.tabulate_cells`.
    """
    figure, panels = make_panels(2, 2, height=2.9)
    _draw_rates(panels[:2], settings, ("A (%), measured", "F (%), measured"))
    for axes, key in zip(panels[2:], "AF", strict=True):
        _draw_cells(axes, cells.loc[[*settings]], "stage", key)
        axes.set_ylabel(f"{key} (%), published")
    name_lines(figure, 5)
    return figure


@styled
def plot_tables(cells: pd.DataFrame) -> Figure:
    """Published A and F (%) by stage, and by the ratio of peak rate to the checkpoint's own.

    `cells` are those of `kent.pages.regressions.tabulate_cells`.
    """
    ratios, names = [0.3, 1, 3, 10, 30], {"A": "acquisition A (%)", "F": "forgetting F (%)"}
    figure, panels = make_panels(2, 2, height=2.9)
    for axes, (x, y) in zip(panels, product(("stage", "ratio"), names), strict=True):
        _draw_cells(axes, cells, x, y)
        axes.set(ylabel=names[y], ylim=(FLOOR if y == "A" else 0, None))
    for axes in panels[2:]:
        axes.set(xscale="log", xlabel="peak rate / checkpoint's own rate")
        axes.set_xticks(ratios, labels=ratios)
        axes.minorticks_off()
    name_lines(figure, 5)
    return figure
