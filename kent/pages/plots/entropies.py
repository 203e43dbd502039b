"""Tables of entropies and other measures over pretraining to axes (section 3, appendix A).

A table has (value, standard error) by measure and checkpoint: see `kent.pages.measures`.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.pages.axes import PLACE, STEP, Key, locate, name_checkpoint, name_key
from kent.pages.measures import ENTROPY, GAP, HEADINGS, SHUFFLED
from kent.pages.plots.panels import (
    GREY,
    ORANGE,
    PURPLE,
    draw_seeds,
    make_panels,
    name_lines,
    name_places,
    styled,
)
from kent.pages.seeds import Seed, pool_table
from kent.paper import ENTROPIES, find_gaps


def _list_keys(table: pd.DataFrame) -> list[Key]:
    """The columns that are checkpoints, not the shuffled baseline."""
    return [column for column in table if not str(column).endswith(SHUFFLED)]


def _find_axis(tables: Iterable[pd.DataFrame]) -> str:
    """What the columns of all tables are; places where they differ."""
    names = {table.columns.name for table in tables}
    return names.pop() if len(names) == 1 else PLACE


def _scale(axes: Axes, *tables: pd.DataFrame) -> None:
    """A logarithmic axis of steps or tokens; a plain one of places, with branches' names."""
    axis, keys = _find_axis(tables), [_list_keys(table) for table in tables]
    if axis != PLACE:
        return _scale_counts(axes, axis, [each for listed in keys for each in listed])
    longest = max(keys, key=len)
    named = isinstance(longest[0], str) and all(each == longest for each in keys)
    name_places(axes, longest) if named else axes.set_xticks(range(len(longest)))
    axes.set_xlabel(PLACE if named else f"{PLACE}, in the order given")


def _scale_counts(axes: Axes, axis: str, counts: Sequence[int]) -> None:
    """An axis that has room for the untrained model: always of steps, of tokens where it is one."""
    first = 1 if axis == STEP else min(filter(None, counts), default=1)
    if axis == STEP or 0 in counts:
        axes.set_xscale("symlog", linthresh=first, linscale=0.5)
        axes.set_xlim(left=-0.2 * first, right=max(*counts, first) * 1.4)
        axes.set_xlabel(f"{axis} (logarithmic from {name_key(axis, first)})")
    else:
        axes.set(xscale="log", xlabel=f"{axis} (logarithmic)")


def _draw_row(
    axes: Axes,
    table: pd.DataFrame,
    row: str,
    seeds: Sequence[Seed] = (),
    number: int = 0,
    label: str = "",
    axis: str = "",
) -> None:
    """A row of a table over its checkpoints; over seeds where they kept it.

    `label` is the line's name, and what stands before the row's name in what seeds kept; `axis`
    is the figure's, where it may be another than the table's.
    """
    keys = _list_keys(table)
    kept = ", ".join(filter(None, [label, row]))
    others = [seed.list_values(kept, keys) for seed in seeds]
    x = range(len(keys)) if axis == PLACE else locate(keys)
    draw_seeds(axes, x, [*table.loc[row, keys]], others, number, label)


def _mark_shuffled(axes: Axes, pooled: pd.DataFrame, row: str, label: str = "") -> None:
    """The last checkpoint on shuffled tokens, as a diamond."""
    value, _ = pooled[_find_shuffled(pooled)][row]
    axes.plot(locate(_list_keys(pooled))[-1], value, "D", color=ORANGE, markersize=6, label=label)


def _find_shuffled(table: pd.DataFrame) -> str:
    """The column of the shuffled baseline."""
    return next(column for column in table if str(column).endswith(SHUFFLED))


def mark_published(axes: Axes, *figures: str) -> None:
    """Bands where published axes of knowledge entropy lie, as distance to the bound per layer."""
    ranges = [
        (f"{model} ({each.replace('figure', 'fig.')})", edges)
        for each in figures
        for model, edges in find_gaps(each).items()
    ]
    for (name, edges), color in zip(ranges, (ORANGE, GREY, PURPLE), strict=False):
        axes.axhspan(*edges, color=color, alpha=0.25, label=f"paper: {name}")


@styled
def plot_knowledge_entropy(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 2: knowledge entropy over pretraining, and its distance to the bound, in nats.

    Bands are the published range, diamonds the last checkpoint on shuffled tokens.
    """
    pooled = pool_table(table, seeds)
    figure, (top, bottom) = make_panels(2, sharex=True)
    _draw_row(top, table, ENTROPY, seeds)
    first, *_ = _list_keys(table)
    style = {
        "color": GREY,
        "linestyle": ":",
        "label": f"{name_checkpoint(table.columns.name, first)} (first)",
    }
    top.axhline(pooled.loc[ENTROPY, first][0], **style)
    _mark_shuffled(top, pooled, ENTROPY, "last, shuffled tokens")
    top.set_ylabel("knowledge entropy H (nats)")
    _draw_row(bottom, table, GAP, seeds)
    _mark_shuffled(bottom, pooled, GAP)
    mark_published(bottom, "figure 2")
    bottom.set(ylabel=GAP, yscale="log")
    _scale(bottom, table)
    name_lines(figure, 2)
    return figure


@styled
def plot_entropies(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 3: attention entropy and next-token entropy over pretraining, in nats."""
    titles = {"attention": "attention entropy, sum of layers", "token": "next-token entropy"}
    figure, panels = make_panels(2, sharex=True)
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        _draw_row(axes, table, HEADINGS[measure], seeds)
        published = "published, OLMo-1B: about {} early, {} late".format(*ENTROPIES[measure])
        style = {"transform": axes.transAxes, "va": "bottom", "fontsize": 9, "color": ORANGE}
        axes.text(0.02, 0.05, published, **style)
        axes.set_ylabel(f"{title} (nats)")
    _scale(panels[-1], table)
    return figure


@styled
def plot_gaps(
    tables: Mapping[str, pd.DataFrame], seeds: Sequence[Seed] = (), *published: str
) -> Figure:
    """Distance of the knowledge entropy to its bound over pretraining, a line per label.

    `published` are keys of `kent.paper.AXES`, whose ranges are drawn beside it.
    """
    figure, (axes,) = make_panels(1, height=4.0)
    for number, (label, table) in enumerate(tables.items()):
        _draw_row(axes, table, GAP, seeds, number, label, _find_axis(tables.values()))
    mark_published(axes, *published)
    axes.set(ylabel=GAP, yscale="log")
    _scale(axes, *tables.values())
    name_lines(figure, 2)
    return figure


@styled
def plot_layers(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """Figure 8: distance of each layer's entropy to its bound ln m, early to late, in nats.

    The table's first checkpoint is the baseline, where there are others.
    """
    figure, (axes,) = make_panels(1, height=4.0)
    first, *stages = _list_keys(table)
    for number, step in enumerate(stages or [first]):
        kept = [[seed.list_values(row, [step]) for row in table.index] for seed in seeds]
        others = [[value for (value,) in rows] for rows in kept if None not in rows]
        pairs, label = [*table[step]], name_checkpoint(table.columns.name, step)
        draw_seeds(axes, range(len(pairs)), pairs, others, number, label)
    if stages:
        gaps = [value for value, _ in pool_table(table, seeds)[first]]
        axes.plot(
            gaps, ":", color=GREY, label=f"{name_checkpoint(table.columns.name, first)} (first)"
        )
    mark_published(axes, "figure 8")
    axes.set(xlabel="layer", ylabel="ln m − H(θˡ) (nats)", yscale="log")
    axes.set_xticks(range(len(table)))
    name_lines(figure, 2)
    return figure


@styled
def plot_other_measures(table: pd.DataFrame, seeds: Sequence[Seed] = ()) -> Figure:
    """Every row over pretraining, a panel each; diamonds: the last on shuffled tokens."""
    figure, panels = make_panels((len(table) + 1) // 2, 2, height=2.1, sharex=True)
    pooled = pool_table(table, seeds)
    for axes, row in zip(panels, table.index, strict=False):
        _draw_row(axes, table, row, seeds)
        _mark_shuffled(axes, pooled, row)
        axes.set_title(row if "nats" in row else f"{row}, mean of layers", fontsize=10)
        _scale(axes, table)
        axes.label_outer()
    return figure


@styled
def plot_sizes(tables: Mapping[str, pd.DataFrame], seeds: Sequence[Seed] = ()) -> Figure:
    """Knowledge entropy (nats) of one checkpoint against each size of what it read, a panel each.

    Each table has one row and a column per size.
    """
    figure, panels = make_panels(len(tables))
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        (row,), sizes = table.index, [*table]
        others = [seed.list_values(row, sizes) for seed in seeds]
        draw_seeds(axes, sizes, [*table.loc[row]], others)
        axes.axvline(2048, color=ORANGE, linestyle="--", label="the paper's 2,048")
        axes.set(xscale="log", xlabel=name, ylabel="knowledge entropy H (nats)")
        axes.set_xticks([*sizes, 2048], labels=[f"{size:,}" for size in (*sizes, 2048)])
        axes.minorticks_off()
    panels[0].legend()
    return figure
