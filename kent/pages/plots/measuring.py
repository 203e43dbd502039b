"""Results of measuring to axes (section 3, appendix A)."""

from collections.abc import Mapping, Sequence
from math import log

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kent.measure.entropy import MEASURES
from kent.measure.familiarity import Familiarity
from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.pages.evidence import label_steps
from kent.pages.plots.panels import (
    GAP,
    GREY,
    ORANGE,
    PURPLE,
    THIN,
    draw_line,
    label_decades,
    make_panels,
    measure_gap,
    name_lines,
    pick_color,
    styled,
)
from kent.paper import AXES, ENTROPIES

Series = Mapping[str, Sequence[Profile]]


def _scale_steps(axes: Axes, steps: Sequence[int]) -> None:
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(left=-0.2, right=max(*steps, 1) * 1.4)
    axes.set_xlabel("pretraining step (logarithmic from 1)")


def _draw_gaps(axes: Axes, series: Series, *published: str) -> None:
    """Distance to the bound over pretraining, a line per label, beside published ranges."""
    for number, (label, profiles) in enumerate(series.items()):
        gaps = [measure_gap(each) for each in profiles]
        draw_line(axes, label_steps(profiles), gaps, number, label)
    _mark_published(axes, *published)
    axes.set(ylabel=GAP, yscale="log")
    _scale_steps(axes, [step for profiles in series.values() for step in label_steps(profiles)])


def _mark_published(axes: Axes, *figures: str) -> None:
    """Bands where published axes of knowledge entropy lie, as distance to the bound per layer."""
    ranges = [(f"{model} ({each})", ends) for each in figures for model, ends in AXES[each].items()]
    for (name, (low, high, layers, neurons)), color in zip(
        ranges, (ORANGE, GREY, PURPLE), strict=False
    ):
        edges = [log(neurons) - end / layers for end in (high, low)]
        axes.axhspan(*edges, color=color, alpha=0.25, label=f"published, {name}")


def _label_all(profiles: Sequence[Profile], first: Profile) -> list[str]:
    """A label for each profile and for the first of all, by its step where it names one."""
    *steps, baseline = label_steps([*profiles, first])
    named = first.provenance["revision"]["step"] is not None
    last = f"step {baseline:,} (first)" if named else "first"
    return [*(f"step {step:,}" for step in steps), last]


@styled
def plot_coefficients(profiles: Sequence[Profile], first: Profile) -> Figure:
    """Figure 1 measured: how mean coefficients are distributed, and what share the largest hold.

    `profiles` are early to late; `first` is the baseline. A coefficient, of any layer, is shown as
    a multiple of its layer's mean.
    """
    figure, (top, bottom) = make_panels(2)
    labels = _label_all(profiles, first)
    for number, (profile, label) in enumerate(zip((*profiles, first), labels, strict=True)):
        relative = np.concatenate([(each / each.mean()).numpy() for each in profile.coefficients])
        baseline = {"color": GREY, "linestyle": ":"}
        style = baseline if profile is first else {"color": pick_color(number)}
        top.hist(relative, bins=np.geomspace(0.1, 10, 80), histtype="step", label=label, **style)
        held = np.cumsum(np.sort(relative)[::-1]) / relative.sum()
        bottom.plot(np.linspace(0, 100, len(held)), 100 * held, label=label, **style)
    bottom.plot([0, 100], [0, 100], **THIN, label="all alike: H = ln m")
    top.set(xscale="log", ylabel="memory vectors, all layers")
    top.set_xlabel("mean coefficient / mean of its layer")
    top.axvline(1, **THIN)
    bottom.set(xlabel="most used memory vectors (%)", ylabel="share of all coefficients (%)")
    bottom.legend()
    return figure


@styled
def plot_knowledge_entropy(profiles: Sequence[Profile], shuffled: Profile) -> Figure:
    """Figure 2: knowledge entropy over pretraining, and its distance to the bound, in nats.

    `shuffled` is the last checkpoint on shuffled tokens; bands are the published range.
    """
    steps, initial = label_steps(profiles), profiles[0].knowledge_entropy
    figure, (top, bottom) = make_panels(2, sharex=True)
    draw_line(top, steps, [each.estimate() for each in profiles], label="text, in order")
    label = f"first checkpoint (step {steps[0]})"
    top.axhline(initial, color=GREY, linestyle=":", label=label)
    mark, label = {"color": ORANGE, "markersize": 6}, "last checkpoint, shuffled tokens"
    top.plot(steps[-1], shuffled.knowledge_entropy, "D", label=label, **mark)
    top.set_ylabel("knowledge entropy H (nats)")
    bottom.plot(steps[-1], measure_gap(shuffled)[0], "D", **mark)
    _draw_gaps(bottom, {"": profiles}, "figure 2")
    name_lines(figure, 2)
    return figure


@styled
def plot_entropies(profiles: Sequence[Profile]) -> Figure:
    """Figure 3: attention entropy and next-token entropy over pretraining, in nats."""
    titles = {"attention": "attention entropy, sum of layers", "token": "next-token entropy"}
    figure, panels = make_panels(2, sharex=True)
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        draw_line(axes, label_steps(profiles), [each.estimate(measure) for each in profiles])
        published = "published, OLMo-1B: about {} early, {} late".format(*ENTROPIES[measure])
        style = {"transform": axes.transAxes, "va": "bottom", "fontsize": 9, "color": ORANGE}
        axes.text(0.02, 0.05, published, **style)
        axes.set_ylabel(f"{title} (nats)")
    _scale_steps(panels[-1], label_steps(profiles))
    return figure


@styled
def plot_gaps(series: Series, *published: str) -> Figure:
    """Distance of the knowledge entropy to its bound over pretraining, a line per label.

    `published` are keys of `kent.paper.AXES`, whose ranges are drawn beside it.
    """
    figure, (axes,) = make_panels(1, height=4.0)
    _draw_gaps(axes, series, *published)
    name_lines(figure, 2)
    return figure


def _measure_gaps(profile: Profile) -> list[tuple[float, float]]:
    """As `measure_gap`, layer by layer."""
    values, errors = profile.by_layer()
    bounds = np.log([len(each) for each in profile.coefficients])
    return list(zip(bounds - values.numpy(), errors.numpy(), strict=True))


@styled
def plot_layers(profiles: Sequence[Profile], first: Profile) -> Figure:
    """Figure 8: distance of each layer's entropy to its bound ln m, early to late, in nats.

    `first` is the baseline.
    """
    figure, (axes,) = make_panels(1, height=4.0)
    *labels, baseline = _label_all(profiles, first)
    for number, (profile, label) in enumerate(zip(profiles, labels, strict=True)):
        pairs = _measure_gaps(profile)
        draw_line(axes, range(len(pairs)), pairs, number, label)
    axes.plot([gap for gap, _ in _measure_gaps(first)], ":", color=GREY, label=baseline)
    _mark_published(axes, "figure 8")
    axes.set(xlabel="layer", ylabel="ln m − H(θˡ) (nats)", yscale="log")
    axes.set_xticks(range(len(first.coefficients)))
    name_lines(figure, 2)
    return figure


@styled
def plot_familiarity(corpora: Mapping[str, Familiarity]) -> Figure:
    """Figure 10: histograms over instances of the mean perplexity of their entities, by corpus."""
    figure, (axes,) = make_panels(1, height=4.0)
    found = {name: each.perplexities.numpy() for name, each in corpora.items()}
    bins = np.geomspace(min(map(np.min, found.values())), max(map(np.max, found.values())), 40)
    for number, (name, values) in enumerate(found.items()):
        axes.hist(values, bins=bins, color=pick_color(number), alpha=0.5, label=name)
        axes.axvline(np.exp(np.log(values).mean()), color=pick_color(number), linewidth=2)
    axes.set(xscale="log", ylabel="instances", xlabel="mean perplexity of an instance's entities")
    name_lines(figure, 3, title="corpus (line: geometric mean)")
    return figure


@styled
def plot_gradients(stages: Sequence[Gradients]) -> Figure:
    """Appendix A.1: coefficients beside gradient norms at the last stage, and rank correlations."""
    names = {"gradients": "gradient", "sgd": "SGD update", "adamw": "AdamW update"}
    last = stages[-1]
    figure, (top, bottom) = make_panels(2)
    for layer, pair in enumerate(zip(last.coefficients, last.gradients, strict=True)):
        color = plt.cm.viridis(layer / len(last.coefficients))
        top.loglog(*pair, ".", markersize=3, color=color, label=f"layer {layer}")
    top.set(xlabel="mean |coefficient|", ylabel="gradient norm of the memory vector")
    label_decades(top.xaxis, top.yaxis)
    top.legend(fontsize=8, markerscale=3)
    for number, (quantity, label) in enumerate(names.items()):
        pairs = [stage.average_correlation(quantity) for stage in stages]
        draw_line(bottom, np.arange(len(stages)) + 0.05 * number, pairs, number, label)
    bottom.axhline(0, **THIN)
    bottom.set(xlabel="checkpoint", ylabel="rank correlation with |coefficient|")
    steps = [f"step {step}" for step in label_steps(stages)]
    bottom.set_xticks(range(len(stages)), labels=steps)
    bottom.legend()
    return figure


@styled
def plot_other_measures(profiles: Sequence[Profile], shuffled: Profile) -> Figure:
    """Every measure of concentration over pretraining; diamonds: the last on shuffled tokens."""
    steps = label_steps(profiles)
    sums = {"knowledge": "knowledge entropy (nats)", "contribution": "contribution entropy (nats)"}
    figure, panels = make_panels(4, 2, height=2.1, sharex=True)
    for axes, measure in zip(panels, (*sums, *MEASURES), strict=True):
        draw_line(axes, steps, [each.estimate(measure) for each in profiles])
        axes.plot(steps[-1], shuffled.estimate(measure)[0], "D", color=ORANGE, markersize=5)
        axes.set_title(sums.get(measure, f"{measure}, mean of layers"), fontsize=10)
    for axes in panels[-2:]:
        _scale_steps(axes, steps)
    return figure


@styled
def plot_sizes(by_number: Sequence[Profile], by_length: Sequence[Profile]) -> Figure:
    """Knowledge entropy (nats) of one checkpoint against the sequences' number and length."""
    length, number = by_number[-1].provenance["length"], by_length[-1].provenance["instances"]
    names = (f"sequences of {length:,} tokens", f"tokens per sequence, {number:,} sequences")
    figure, panels = make_panels(2)
    for axes, profiles, key, name in zip(
        panels, (by_number, by_length), ("instances", "length"), names, strict=True
    ):
        sizes = [each.provenance[key] for each in profiles]
        draw_line(axes, sizes, [each.estimate() for each in profiles])
        axes.axvline(2048, color=ORANGE, linestyle="--", label="the paper's 2,048")
        axes.set(xscale="log", xlabel=name, ylabel="knowledge entropy H (nats)")
        axes.set_xticks([*sizes, 2048], labels=[f"{size:,}" for size in (*sizes, 2048)])
        axes.minorticks_off()
    panels[0].legend()
    return figure


def tabulate_measures(
    profiles: Sequence[Profile], measures: Mapping[str, str], shuffled: Profile | None = None
) -> pd.DataFrame:
    """A figure's numbers: a row per checkpoint; value and standard error by a measure's heading."""
    names, shown = [*map(str, label_steps(profiles))], [*profiles]
    if shuffled:
        names, shown = [*names, f"{names[-1]}, shuffled"], [*shown, shuffled]
    columns = [name for heading in measures.values() for name in (heading, f"{heading}, s.e.")]
    rows = [[number for key in measures for number in each.estimate(key)] for each in shown]
    return pd.DataFrame(rows, pd.Index(names, name="step"), columns).round(4)
