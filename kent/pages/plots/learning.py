"""Outcomes of continual learning to axes, by the initial model (section 4).

Net acquisition is bold, over seeds; what all injected facts gain is dashed and what the control
gains dotted, both thin.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.learning.outcomes import Outcome
from kent.pages.axes import STEP, locate, name_key
from kent.pages.gates import find_guessing
from kent.pages.plots.panels import (
    GREY,
    THIN,
    draw_seeds,
    make_panels,
    name_lines,
    name_places,
    pick_color,
    styled,
)
from kent.pages.seeds import Seed, pool_table, share_model
from kent.pages.summaries import FALL, KINDS, NET, join_tables, tabulate_kinds, tabulate_learning
from kent.paper import TABLES, infer_before

STAGE = f"initial model ({STEP})"
GROSS, CONTROL = "injected facts", "control"
THINNER = {GROSS: "--", CONTROL: ":"}
"""How a thin line is drawn: what all of the injected facts gain, and what the control gains."""


def draw_row(
    axes: Axes,
    table: pd.DataFrame,
    row: str,
    seeds: Sequence[Seed],
    number: int = 0,
    label: str = "",
) -> None:
    """A row of (value, standard error) against the columns, which are checkpoints, over seeds."""
    others = [seed.list_values(row, [*table.columns]) for seed in seeds]
    pairs, within = [*table.loc[row]], share_model(seeds)
    draw_seeds(axes, locate(table.columns), pairs, others, number, label, within=within)


def draw_mean(
    axes: Axes,
    table: pd.DataFrame,
    row: str,
    seeds: Sequence[Seed],
    number: int,
    style: str,
    label: str = "",
) -> None:
    """A row's values alone as a thin line: their means where other seeds were recorded."""
    values = [value for value, _ in pool_table(table.loc[[row]], seeds).loc[row]]
    thin = {"color": pick_color(number), "linestyle": style, "linewidth": 1}
    axes.plot(locate(table.columns), values, label=label, **thin)


def draw_acquisition(
    axes: Axes,
    table: pd.DataFrame,
    seeds: Sequence[Seed],
    number: int = 0,
    label: str = "",
    prefix: str = "",
) -> None:
    """A net of the control, bold, beside A of the injected facts and of the control, thin."""
    draw_row(axes, table, f"{prefix}{NET}", seeds, number, label)
    for row, style in zip(("A (%)", "control: A (%)"), THINNER.values(), strict=True):
        draw_mean(axes, table, f"{prefix}{row}", seeds, number, style)


def name_styles(axes: Axes, color: str = GREY) -> None:
    """Say in the legend what is thin in a panel of acquisition."""
    for name, style in THINNER.items():
        axes.plot([], [], color=color, linestyle=style, linewidth=1, label=f"{name} (A)")


GUESSING = THIN | {"marker": "x", "linestyle": ":", "label": "F of a fall to guessing"}
"""The style of what F of a model is that ends where guessing begins."""


def mark_fall(
    axes: Axes, table: pd.DataFrame, seeds: Sequence[Seed] = (), prefix: str = ""
) -> None:
    """F (%) of models that end where guessing begins: no parameter of it is free."""
    row = f"{prefix}{FALL}"
    values = [value for value, _ in pool_table(table.loc[[row]], seeds).loc[row]]
    axes.plot(locate(table.columns), values, **GUESSING)


def name_stages(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """The axes of a panel by initial model; `name` is the vertical one's."""
    labels = [name_key(table.columns.name, key) for key in table.columns]
    axes.set_xticks(locate(table.columns), labels=labels)
    axes.set(ylabel=name)
    name_initial(axes, table.columns)


def name_initial(axes: Axes, columns: pd.Index) -> None:
    """The horizontal axis by initial model; at each tick a branch, where these tell them apart."""
    axes.set_xlabel(f"initial model ({columns.name})")
    if isinstance(columns[0], str):
        name_places(axes, [*columns])


def _mark_baseline(
    axes: Axes,
    table: pd.DataFrame,
    published: Mapping[str, float],
    style: str = "--",
    when: str = "",
) -> None:
    """The paper's values by stage, where there is an outcome for every stage."""
    if table.shape[1] == len(published):
        values, label = [*published.values()], f"paper: OLMo-1B{when}"
        axes.plot(locate(table.columns), values, color=GREY, linestyle=style, label=label)


def _mark_chance(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    axes.axhline(find_guessing(outcomes[0]), **THIN, label="guessing")


@styled
def plot_learning(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 4: A and F (%), and K (nats) and P (%) after learning, by initial model."""
    table, baseline = tabulate_learning(outcomes), TABLES["baseline"]
    figure, (top, forgetting, knowledge, skills) = make_panels(2, 2, height=2.9)
    draw_acquisition(top, table, seeds, 0, "A net of the control")
    name_styles(top, pick_color(0))
    for number, (row, label) in enumerate({"": GROSS, "control: ": CONTROL}.items(), 1):
        draw_row(knowledge, table, f"{row}K after (nats)", seeds, number, f"{label} (K)")
    for axes, row in ((forgetting, "F (%)"), (skills, "P after (%)")):
        draw_row(axes, table, row, seeds, 3, "six tasks")
    for axes, key in ((top, "A"), (forgetting, "F"), (skills, "P")):
        _mark_baseline(axes, table, getattr(baseline, key))
    mark_fall(forgetting, table, seeds)
    _mark_chance(skills, outcomes)
    names = ("acquisition A (%)", "forgetting F (%)", "K after learning (nats)")
    for axes, name in zip(figure.axes, (*names, "P after learning (%)"), strict=True):
        name_stages(axes, table, name)
    name_lines(figure, 3)
    return figure


@styled
def plot_settings(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 11: A (%) and K after learning (nats) of `kent.pages.summaries.KINDS`."""
    table = tabulate_kinds(outcomes)
    figure, (left, right) = make_panels(1, 2)
    for number, label in enumerate(KINDS):
        draw_acquisition(left, table, seeds, number, f"{label}, net", f"{label}, ")
        draw_row(right, table, f"{label}, K after (nats)", seeds, number, f"{label} (K)")
        draw_mean(right, table, f"{label}, control: K after (nats)", seeds, number, ":")
    name_styles(left)
    name_stages(left, table, "acquisition A (%)")
    name_stages(right, table, "K after learning (nats)")
    name_lines(figure, 3)
    return figure


@styled
def plot_before_and_after(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 12: K (nats) and P (%) of each initial model, before learning and after it."""
    table = tabulate_learning(outcomes)
    implied = {stage: sum(ends) / 2 for stage, ends in infer_before("P").items()}
    figure, panels = make_panels(1, 2)
    _mark_baseline(panels[1], table, implied, "-.", ", before")
    _mark_baseline(panels[1], table, TABLES["baseline"].P, "--", ", after")
    for axes, unit in zip(panels, ("K {} (nats)", "P {} (%)"), strict=True):
        for number, when in enumerate(("before", "after")):
            draw_row(axes, table, unit.format(when), seeds, number, f"{when} learning")
        name_stages(axes, table, unit.replace(" {}", ""))
    for number, when in enumerate(("before", "after")):
        row, said = f"control: K {when} (nats)", f"control {when}"
        draw_mean(panels[0], table, row, seeds, number, ":", said)
    _mark_chance(panels[1], outcomes)
    name_lines(figure, 3)
    return figure


def draw_series(
    panels: Sequence[Axes], series: Mapping[str, Sequence[Outcome]], seeds: Sequence[Seed]
) -> pd.DataFrame:
    """Net A and F (%) by initial model, a line per label; all start from the same models.

    The table that was drawn, whose rows begin with the label.
    """
    table = join_tables({label: tabulate_learning(each) for label, each in series.items()})
    for number, label in enumerate(series):
        draw_row(panels[0], table, f"{label}, {NET}", seeds, number, label)
        draw_row(panels[1], table, f"{label}, F (%)", seeds, number, label)
    mark_fall(panels[1], table, seeds, f"{label}, ")  # P before is the same in every series
    return table


@styled
def plot_learning_corpora(
    corpora: Mapping[str, Sequence[Outcome]], seeds: Sequence[Seed] = ()
) -> Figure:
    """Figure 13: A and F (%) against the initial model, a line for each text learnt on."""
    figure, panels = make_panels(1, 2)
    table = draw_series(panels, corpora, seeds)
    for number, label in enumerate(corpora):
        for row, style in zip(("A (%)", "control: A (%)"), THINNER.values(), strict=True):
            draw_mean(panels[0], table, f"{label}, {row}", seeds, number, style)
    name_styles(panels[0])
    for axes, name in zip(panels, ("acquisition A (%)", "forgetting F (%)"), strict=True):
        name_stages(axes, table, name)
    name_lines(figure, 3)
    return figure
