"""Results of measuring to axes, and the published tables; what the figures of all pages share."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import log

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from kent.measure.entropy import MEASURES
from kent.measure.familiarity import Familiarity
from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.pages.evidence import label_steps
from kent.paper import AXES, ENTROPIES

# Loaded for the first time inside `rc_context`, a notebook's backend would show that figure and no
# other.
plt.switch_backend(plt.get_backend())

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00")
MARKERS = ("o", "s", "^", "D", "v")
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 120,
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
FLOOR = -12
"""The lowest acquisition that is drawn, in %: table 1 has one of −92.2."""
GAP = "ln m − H, mean of layers (nats)"

Series = Mapping[str, Sequence[Profile]]


def make_panels(
    rows: int, columns: int = 1, height: float = 3.3, sharex: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of rows × columns panels, the width of a page, each `height` inches high; the panels
    row by row."""
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(7, height * rows),
        sharex=sharex,
        layout="constrained",
        squeeze=False,
    )
    return figure, list(axes.flat)


def _scale_steps(axes: Axes, steps: Sequence[int]) -> None:
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(left=-0.2, right=max(max(steps), 1) * 1.4)
    axes.set_xlabel("pretraining step (logarithmic from 1)")


def draw_line(
    axes: Axes,
    x: Sequence,
    pairs: Sequence[tuple[float, float]],
    number: int = 0,
    label: str = "",
    linestyle: str = "-",
) -> None:
    """One line of (value, standard error) pairs with error bars of two standard errors, in the
    style of its number.

    A standard error that is NaN has no bar.
    """
    values, errors = np.array(pairs, dtype=float).T
    color, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
    style = {
        "color": color,
        "marker": marker,
        "markersize": 4,
        "capsize": 2,
        "linestyle": linestyle,
    }
    axes.errorbar(x, values, 2 * errors, label=label, **style)


def name_lines(figure: Figure, panels: Sequence[Axes], columns: int = 4) -> None:
    """One legend over the figure, with every label once."""
    handles = {
        label: line
        for axes in panels
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=columns, fontsize=9)


def label_decades(*axes: Axis) -> None:
    """Numbers at 1, 2 and 5 of every power of ten of logarithmic axes, as they are written
    elsewhere."""
    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def measure_gap(profile: Profile) -> tuple[float, float]:
    """Distance of the knowledge entropy to its bound, mean of layers, and its standard error, in
    nats."""
    layers = len(profile.coefficients)
    return (
        profile.entropy_bound - profile.knowledge_entropy
    ) / layers, profile.standard_error / layers


def _draw_gaps(axes: Axes, series: Series) -> None:
    for number, (label, profiles) in enumerate(series.items()):
        draw_line(
            axes, label_steps(profiles), [measure_gap(each) for each in profiles], number, label
        )
    axes.set_ylabel(GAP)
    axes.set_yscale("log")


def _mark_published(axes: Axes, *figures: str) -> None:
    """Bands where published axes of knowledge entropy lie, as distance to the bound per layer, in
    nats."""
    ranges = {
        f"published, {model} ({each})": axis
        for each in figures
        for model, axis in AXES[each].items()
    }
    for (label, (low, high, layers, neurons)), color in zip(
        ranges.items(), (ORANGE, GREY, PURPLE), strict=False
    ):
        edges = [log(neurons) - end / layers for end in (high, low)]
        axes.axhspan(*edges, color=color, alpha=0.25, label=label)


def _label_all(profiles: Sequence[Profile], first: Profile) -> list[str]:
    """A label for each profile and for the first of all, by its step, or its number where it names
    none."""
    *steps, baseline = label_steps([*profiles, first])
    named = first.provenance["revision"]["step"] is not None
    return [f"step {step:,}" for step in steps] + [
        f"step {baseline:,} (first)" if named else "first"
    ]


def plot_coefficients(profiles: Sequence[Profile], first: Profile) -> Figure:
    """Figure 1 measured: how the mean coefficients of all layers are distributed, and what share
    the largest hold.

    `profiles` are early to late; `first` is the baseline. A coefficient is shown as a multiple of
    its layer's mean.
    """
    with plt.rc_context(STYLE):
        figure, (left, right) = make_panels(2, sharex=False)
        shown = (*profiles, first)
        for number, (profile, label) in enumerate(
            zip(shown, _label_all(profiles, first), strict=True)
        ):
            relative = np.concatenate(
                [(each / each.mean()).numpy() for each in profile.coefficients]
            )
            style = {
                "color": GREY if profile is first else CYCLE[number % len(CYCLE)],
                "linestyle": ":" if profile is first else "-",
            }
            left.hist(
                relative, bins=np.geomspace(0.1, 10, 80), histtype="step", label=label, **style
            )
            held = np.cumsum(np.sort(relative)[::-1]) / relative.sum()
            right.plot(np.linspace(0, 100, len(held)), 100 * held, label=label, **style)
        right.plot([0, 100], [0, 100], color="black", linewidth=0.8, label="all alike: H = ln m")
        left.set(
            xscale="log",
            xlabel="mean coefficient / mean of its layer",
            ylabel="memory vectors, all layers",
        )
        left.axvline(1, color="black", linewidth=0.8)
        right.set(xlabel="most used memory vectors (%)", ylabel="share of all coefficients (%)")
        right.legend(fontsize=9)
    return figure


def plot_knowledge_entropy(profiles: Sequence[Profile], shuffled: Profile) -> Figure:
    """Figure 2: knowledge entropy over pretraining, and its distance to the bound beside the
    published range.

    `shuffled` is the last checkpoint on shuffled tokens. Entropies in nats, error bars two
    jackknife standard errors.
    """
    steps = label_steps(profiles)
    with plt.rc_context(STYLE):
        figure, (top, bottom) = make_panels(2)
        draw_line(top, steps, [each.estimate() for each in profiles], label="text, in order")
        top.axhline(
            profiles[0].knowledge_entropy,
            color=GREY,
            linestyle=":",
            label=f"first checkpoint (step {steps[0]})",
        )
        top.plot(
            steps[-1],
            shuffled.knowledge_entropy,
            "D",
            color=ORANGE,
            label="last checkpoint, shuffled tokens",
        )
        top.set_ylabel("knowledge entropy H (nats)")
        draw_line(bottom, steps, [measure_gap(each) for each in profiles])
        bottom.plot(steps[-1], measure_gap(shuffled)[0], "D", color=ORANGE)
        _mark_published(bottom, "figure 2")
        bottom.set(ylabel=GAP, yscale="log")
        _scale_steps(bottom, steps)
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure


def plot_entropies(profiles: Sequence[Profile]) -> Figure:
    """Figure 3: attention entropy and next-token entropy over pretraining, in nats, with what the
    paper reports."""
    steps = label_steps(profiles)
    titles = {
        "attention": "attention entropy, sum of layers (nats)",
        "token": "next-token entropy (nats)",
    }
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2)
        for axes, (measure, title) in zip(panels, titles.items(), strict=True):
            draw_line(axes, steps, [each.estimate(measure) for each in profiles])
            early, late = ENTROPIES[measure]
            axes.text(
                0.02,
                0.05,
                f"published, OLMo-1B: about {early} early, {late} late",
                ha="left",
                va="bottom",
                transform=axes.transAxes,
                fontsize=9,
                color=ORANGE,
            )
            axes.set_ylabel(title)
        _scale_steps(panels[-1], steps)
    return figure


def plot_gaps(series: Series, *published: str) -> Figure:
    """Distance of the knowledge entropy to its bound over pretraining, one line per label, beside
    published axes.

    `published` are keys of `kent.paper.AXES`.
    """
    with plt.rc_context(STYLE):
        figure, (axes,) = make_panels(1, height=4)
        _draw_gaps(axes, series)
        _mark_published(axes, *published)
        _scale_steps(axes, [step for profiles in series.values() for step in label_steps(profiles)])
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure


def plot_layers(profiles: Sequence[Profile], first: Profile) -> Figure:
    """Figure 8: distance of each layer's entropy to its bound ln m, early to late, in nats; `first`
    is the baseline."""
    with plt.rc_context(STYLE):
        figure, (axes,) = make_panels(1, height=4)
        *labels, baseline = _label_all(profiles, first)
        for number, (profile, label) in enumerate(zip(profiles, labels, strict=True)):
            values, errors = profile.by_layer()
            bounds = np.log([len(each) for each in profile.coefficients])
            pairs = list(zip(bounds - values.numpy(), errors.numpy(), strict=True))
            draw_line(axes, range(len(pairs)), pairs, number, label)
        gaps = [
            log(len(each)) for each in first.coefficients
        ] - first.knowledge_entropy_by_layer.numpy()
        axes.plot(range(len(gaps)), gaps, ":", color=GREY, label=baseline)
        _mark_published(axes, "figure 8")
        axes.set(
            xlabel="layer", ylabel="ln m − H(θˡ) (nats)", yscale="log", xticks=range(len(gaps))
        )
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure


def plot_familiarity(corpora: Mapping[str, Familiarity]) -> Figure:
    """Figure 10: histograms over instances of the mean perplexity of their entities, one per
    corpus."""
    logs = {name: found.perplexities.log().numpy() for name, found in corpora.items()}
    low, high = min(map(np.min, logs.values())), max(map(np.max, logs.values()))
    with plt.rc_context(STYLE):
        figure, (axes,) = make_panels(1, height=4)
        for number, (name, values) in enumerate(logs.items()):
            color, bins = CYCLE[number % len(CYCLE)], np.exp(np.linspace(low, high, 40))
            axes.hist(np.exp(values), bins=bins, color=color, alpha=0.5, label=name)
            axes.axvline(np.exp(values.mean()), color=color, linewidth=2)
        axes.set(
            xscale="log", xlabel="mean perplexity of an instance's entities", ylabel="instances"
        )
        figure.legend(
            loc="outside upper center", ncols=3, title="corpus (line: geometric mean)", fontsize=9
        )
    return figure


def plot_gradients(stages: Sequence[Gradients]) -> Figure:
    """Appendix A.1: coefficients beside gradient norms at the last stage, and rank correlations at
    every stage."""
    last, quantities = (
        stages[-1],
        {"gradients": "gradient", "sgd": "SGD update", "adamw": "AdamW update"},
    )
    with plt.rc_context(STYLE):
        figure, (left, right) = make_panels(2, sharex=False)
        for layer, (coefficients, norms) in enumerate(
            zip(last.coefficients, last.gradients, strict=True)
        ):
            left.loglog(
                coefficients,
                norms,
                ".",
                markersize=3,
                color=plt.cm.viridis(layer / len(last.coefficients)),
                label=f"layer {layer}",
            )
        left.set(xlabel="mean |coefficient|", ylabel="gradient norm of the memory vector")
        label_decades(left.xaxis, left.yaxis)
        left.legend(fontsize=8, markerscale=3)
        for number, (quantity, label) in enumerate(quantities.items()):
            pairs = [stage.average_correlation(quantity) for stage in stages]
            draw_line(right, np.arange(len(stages)) + 0.05 * number, pairs, number, label)
        right.axhline(0, color="black", linewidth=0.8)
        right.set(
            xlabel="checkpoint",
            ylabel="rank correlation with |coefficient|",
            xticks=range(len(stages)),
        )
        right.set_xticklabels([f"step {step}" for step in label_steps(stages)])
        right.legend(fontsize=9)
    return figure


def plot_other_measures(profiles: Sequence[Profile], shuffled: Profile) -> Figure:
    """Every measure of concentration over pretraining, one panel each, with the last checkpoint on
    shuffled tokens."""
    steps = label_steps(profiles)
    sums = {"knowledge": "knowledge entropy (nats)", "contribution": "contribution entropy (nats)"}
    with plt.rc_context(STYLE):
        figure, panels = make_panels(4, 2, height=2.1)
        for axes, measure in zip(panels, (*sums, *MEASURES), strict=True):
            draw_line(axes, steps, [each.estimate(measure) for each in profiles])
            axes.plot(steps[-1], shuffled.estimate(measure)[0], "D", color=ORANGE, markersize=5)
            axes.set_title(sums.get(measure, f"{measure}, mean of layers"), fontsize=10)
        for axes in panels[-2:]:
            _scale_steps(axes, steps)
    return figure


def plot_sizes(by_number: Sequence[Profile], by_length: Sequence[Profile]) -> Figure:
    """Knowledge entropy of one checkpoint against the number of sequences and against their length,
    in nats."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, sharex=False)
        for axes, profiles, key in zip(
            panels, (by_number, by_length), ("instances", "length"), strict=True
        ):
            sizes = [each.provenance[key] for each in profiles]
            draw_line(axes, sizes, [each.estimate() for each in profiles])
            axes.axvline(2048, color=ORANGE, linestyle="--", label="the paper's 2,048")
            axes.set(xscale="log", ylabel="knowledge entropy H (nats)")
            axes.set_xticks([*sizes, 2048], labels=[f"{size:,}" for size in (*sizes, 2048)])
            axes.minorticks_off()
        panels[0].set_xlabel(f"sequences of {by_number[-1].provenance['length']:,} tokens")
        panels[1].set_xlabel(
            f"tokens per sequence, {by_length[-1].provenance['instances']:,} sequences"
        )
        panels[0].legend(fontsize=9)
    return figure


def tabulate_measures(
    profiles: Sequence[Profile], measures: Mapping[str, str], shuffled: Profile | None = None
) -> pd.DataFrame:
    """A figure's numbers: a row per checkpoint, and for each measure (with its heading) value and
    standard error."""
    names = [
        *map(str, label_steps(profiles)),
        *([f"{label_steps(profiles)[-1]}, shuffled"] if shuffled else []),
    ]
    rows = [
        [number for measure in measures for number in each.estimate(measure)]
        for each in (*profiles, *([shuffled] if shuffled else []))
    ]
    columns = [column for heading in measures.values() for column in (heading, f"{heading}, s.e.")]
    return pd.DataFrame(rows, index=pd.Index(names, name="step"), columns=columns).round(4)


def plot_tables(cells: pd.DataFrame) -> Figure:
    """Published A and F (%) against the stage, and against the ratio of peak rate to the
    checkpoint's own.

    `cells` are those of `kent.pages.regressions.tabulate_cells`; a value too low to draw is written
    where its line leaves.
    """
    ratios = [0.3, 1, 3, 10, 30]
    stages = dict(zip(cells["stage"], cells.index.get_level_values("initial"), strict=True))
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, 2, height=2.9, sharex=False)
        for axes, (x, y) in zip(panels, product(("stage", "ratio"), "AF"), strict=True):
            rows = zip(cells.groupby("setting", sort=False), CYCLE, MARKERS, strict=True)
            for (setting, row), color, marker in rows:
                axes.plot(row[x], row[y], color=color, marker=marker, markersize=4, label=setting)
                for place, value in row.loc[row[y] < FLOOR, [x, y]].itertuples(index=False):
                    side = "right" if x == "stage" else "center"
                    axes.text(
                        place,
                        FLOOR,
                        f"↓ −{-value:g}",
                        ha=side,
                        va="bottom",
                        fontsize=9,
                        color=color,
                    )
            axes.set_ylabel({"A": "acquisition A (%)", "F": "forgetting F (%)"}[y])
            axes.set_ylim(bottom=FLOOR if y == "A" else 0)
        for axes in panels[:2]:
            axes.set_xticks([*stages], labels=stages.values())
            axes.set_xlabel("initial model (pretraining steps)")
        for axes in panels[2:]:
            axes.set(
                xscale="log",
                xlabel="peak rate / checkpoint's own rate",
                xticks=ratios,
                xticklabels=ratios,
            )
            axes.minorticks_off()
        name_lines(figure, panels, 5)
    return figure
