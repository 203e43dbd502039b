"""Outcomes of continual learning to axes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from kent.learning.downstream import find_chance
from kent.learning.outcomes import Outcome, estimate, summarize_paragraphs
from kent.measure.profiles import Profile
from kent.pages.evidence import label_steps
from kent.pages.plots.measuring import (
    CYCLE,
    FLOOR,
    GAP,
    GREY,
    STYLE,
    draw_line,
    make_panels,
    measure_gap,
    name_lines,
)
from kent.pages.seeds import Seed
from kent.pages.summaries import ENTROPY, correlate
from kent.paper import STAGES, TABLES, infer_before

KINDS = {
    "paraphrased": ("paraphrase", "knowledge"),
    "injected once": ("once", "knowledge"),
    "control": ("all", "control"),
}
"""What figure 11 compares: under its name the setting, and whether the facts were injected."""


def _place(outcomes: Sequence[Outcome]) -> list[int]:
    """Where initial models stand on an axis: at their steps, or one after the other where two have
    the same."""
    steps = label_steps(outcomes)
    return steps if len(set(steps)) == len(steps) else [*range(len(steps))]


def _draw_by_stage(
    axes: Axes, outcomes: Sequence[Outcome], lines: Mapping[str, Sequence[np.ndarray]]
) -> None:
    """Bootstrapped values with two standard errors, one place per initial model."""
    for number, (label, samples) in enumerate(lines.items()):
        draw_line(axes, _place(outcomes), [estimate(each) for each in samples], number, label)
    _name_stages(axes, outcomes)


def _name_stages(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    axes.set_xticks(_place(outcomes), labels=[f"{step:,}" for step in label_steps(outcomes)])
    axes.set_xlabel("initial model (pretraining step)")


def _mark_baseline(
    axes: Axes,
    outcomes: Sequence[Outcome],
    published: Mapping[str, float],
    style: str = "--",
    when: str = "",
) -> None:
    """The paper's values by stage, where there is an outcome for every stage."""
    if len(outcomes) == len(published):
        label = "paper: OLMo-1B" + when
        axes.plot(_place(outcomes), [*published.values()], color=GREY, linestyle=style, label=label)


def _mark_chance(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    """What P would be by guessing, in %."""
    chance = np.mean([find_chance(task) for task in outcomes[0].answers])
    axes.axhline(100 * chance, color="black", linewidth=0.8, linestyle=":", label="guessing")


def _draw_seeds(
    axes: Axes, outcomes: Sequence[Outcome], seeds: Sequence[Seed], row: str, number: int = 0
) -> None:
    """What the row of a table came to for other seeds, as thin lines without errors, in the colour
    of its number."""
    kept = [seed.estimates[row].values() for seed in seeds if row in seed.estimates]
    for place, pairs in enumerate(kept):
        style = {"color": CYCLE[number % len(CYCLE)], "linewidth": 0.8, "alpha": 0.5, "zorder": 1}
        label = "_" if place or number else "other seeds"
        axes.plot(_place(outcomes), [value for value, _ in pairs], label=label, **style)


def plot_learning(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """A and F (%), and K (nats) and P (%) after learning, against the initial model, beside the
    control."""
    baseline = TABLES["baseline"]
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, 2, height=2.9, sharex=False)
        for axes, measure in zip(panels[::2], ("acquisition", "performance"), strict=True):
            lines = {}
            for label, of in {"injected": "knowledge", "control": "control"}.items():
                found = [getattr(each, measure)(of=of) for each in outcomes]
                lines[label] = [samples if samples.ndim == 1 else samples[-1] for samples in found]
            _draw_by_stage(axes, outcomes, lines)
        _draw_by_stage(panels[1], outcomes, {"six tasks": [each.forgetting() for each in outcomes]})
        _draw_by_stage(
            panels[3], outcomes, {"six tasks": [100 * each.downstream()[-1] for each in outcomes]}
        )
        for axes, published in (
            (panels[0], baseline.A),
            (panels[1], baseline.F),
            (panels[3], baseline.P),
        ):
            _mark_baseline(axes, outcomes, published)
        rows = ("A (%)", "F (%)", "K after (nats)", "P after (%)")
        names = (
            "acquisition A (%)",
            "forgetting F (%)",
            "K after learning (nats)",
            "P after learning (%)",
        )
        for axes, name, row in zip(panels, names, rows, strict=True):
            axes.set_ylabel(name)
            _draw_seeds(axes, outcomes, seeds, row)
        _mark_chance(panels[3], outcomes)
        name_lines(figure, panels, 5)
    return figure


def plot_settings(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """A (%) and K after learning (nats) of facts injected once, of paraphrased ones and of the
    control (figure 11)."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(1, 2, sharex=False)
        rise = {
            label: [each.acquisition(what, of=of) for each in outcomes]
            for label, (what, of) in KINDS.items()
        }
        last = {
            label: [each.performance(what, of=of)[-1] for each in outcomes]
            for label, (what, of) in KINDS.items()
        }
        for axes, lines, name in zip(
            panels, (rise, last), ("acquisition A (%)", "K after (nats)"), strict=True
        ):
            _draw_by_stage(axes, outcomes, lines)
            axes.set_ylabel(name)
            for number, label in enumerate(KINDS):
                _draw_seeds(
                    axes, outcomes, seeds, f"{label}, {name.removeprefix('acquisition ')}", number
                )
        name_lines(figure, panels)
    return figure


def plot_before_and_after(outcomes: Sequence[Outcome], seeds: Sequence[Seed] = ()) -> Figure:
    """K (nats) and P (%) of each initial model, before learning and after it (figure 12)."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(1, 2, sharex=False)
        measured = {
            "K (nats)": Outcome.performance,
            "P (%)": lambda outcome: 100 * outcome.downstream(),
        }
        for axes, (name, measure) in zip(panels, measured.items(), strict=True):
            found = [measure(each) for each in outcomes]
            _draw_by_stage(
                axes,
                outcomes,
                {"before": [each[0] for each in found], "after": [each[-1] for each in found]},
            )
            axes.set_ylabel(name)
            for number, when in enumerate(("before", "after")):
                _draw_seeds(axes, outcomes, seeds, name.replace(" ", f" {when} "), number)
        before = {stage: sum(bounds) / 2 for stage, bounds in infer_before("P").items()}
        for published, style, when in (
            (before, ":", ", before"),
            (TABLES["baseline"].P, "--", ", after"),
        ):
            _mark_baseline(panels[1], outcomes, published, style, when)
        _mark_chance(panels[1], outcomes)
        name_lines(figure, panels, 3)
    return figure


def plot_learning_curves(outcomes: Sequence[Outcome]) -> Figure:
    """K (nats) at every evaluation of a run, of facts injected once, paraphrased, and never
    injected; a line per model."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(3, height=2.3)
        for axes, (label, (what, of)) in zip(panels, KINDS.items(), strict=True):
            for number, (step, each) in enumerate(
                zip(label_steps(outcomes), outcomes, strict=True)
            ):
                pairs = [estimate(samples) for samples in each.performance(what, of=of)]
                draw_line(
                    axes, each.steps.tolist(), pairs, number % len(CYCLE), f"from step {step:,}"
                )
            axes.set_ylabel(f"K, {label} (nats)")
        panels[-1].set_xlabel(
            "step of continual learning (an injection before every mark but the first)"
        )
        name_lines(figure, panels)
    return figure


def plot_injections(followed: Mapping[str, Float64[Tensor, "lag paragraph"]]) -> Figure:
    """What is left of a single injection, in nats, by the injections since (0: its own); a line per
    label.

    `followed` are as `Outcome.follow_injections` returns them; bars are two standard errors over
    paragraphs.
    """
    with plt.rc_context(STYLE):
        figure, (axes,) = make_panels(1, height=3)
        axes.axhline(0, color="black", linewidth=0.8)
        for number, (label, found) in enumerate(followed.items()):
            pairs = [summarize_paragraphs(each) for each in found]
            draw_line(axes, np.arange(len(pairs)) + 0.05 * number, pairs, number, label)
        axes.set(xlabel="injections since its own", ylabel="K gained over the control (nats)")
        name_lines(figure, [axes])
    return figure


def plot_learning_corpora(corpora: Mapping[str, Sequence[Outcome]]) -> Figure:
    """A and F (%) against the initial model, a line for each text that was learnt on (figure
    13)."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(1, 2, sharex=False)
        for axes, name, measure in zip(
            panels, "AF", (Outcome.acquisition, Outcome.forgetting), strict=True
        ):
            lines = {
                label: [measure(each) for each in outcomes] for label, outcomes in corpora.items()
            }
            _draw_by_stage(axes, next(iter(corpora.values())), lines)
            axes.set_ylabel({"A": "acquisition A (%)", "F": "forgetting F (%)"}[name])
        name_lines(figure, panels, 3)
    return figure


def plot_hyperparameters(settings: Mapping[str, Sequence[Outcome]]) -> Figure:
    """A and F (%) against the initial model, a line per setting of table 1: measured above,
    published below."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, 2, height=2.9, sharex=False)
        for axes, key, name in zip(
            panels, "AFAF", ("measured",) * 2 + ("published",) * 2, strict=True
        ):
            axes.set_ylabel(f"{key} (%), {name}")
        for number, (label, outcomes) in enumerate(settings.items()):
            for axes, measure in zip(
                panels[:2], (Outcome.acquisition, Outcome.forgetting), strict=True
            ):
                draw_line(
                    axes,
                    _place(outcomes),
                    [estimate(measure(each)) for each in outcomes],
                    number,
                    label,
                )
                _name_stages(axes, outcomes)
            for axes, key in zip(panels[2:], "AF", strict=True):
                published = getattr(TABLES[label], key)
                places = [STAGES[stage] for stage in published]
                draw_line(axes, places, [(value, 0) for value in published.values()], number)
                axes.set_xticks(places, labels=[*published])
                axes.set_xlabel("initial model (pretraining step)")
                if min(published.values()) < FLOOR:
                    style = {"ha": "right", "va": "bottom", "fontsize": 9, "color": CYCLE[number]}
                    axes.text(places[-1], FLOOR, f"↓ −{-min(published.values()):g}", **style)
        panels[2].set_ylim(bottom=FLOOR)
        name_lines(figure, panels, 5)
    return figure


def plot_architectures(models: Mapping[str, tuple[Sequence[Profile], Sequence[Outcome]]]) -> Figure:
    """Distance of knowledge entropy to its bound (nats), and A (%), over pretraining, a line per
    model (figure 14)."""
    with plt.rc_context(STYLE):
        figure, panels = make_panels(2, height=2.6)
        for number, (label, (profiles, outcomes)) in enumerate(models.items()):
            steps = label_steps(profiles)
            draw_line(panels[0], steps, [measure_gap(each) for each in profiles], number, label)
            draw_line(panels[1], steps, [estimate(each.acquisition()) for each in outcomes], number)
            control = [estimate(each.acquisition(of="control"))[0] for each in outcomes]
            panels[1].plot(
                steps,
                control,
                color=CYCLE[number % len(CYCLE)],
                linestyle=":",
                label=f"{label}, control",
            )
        for axes, name in zip(panels, (GAP, "acquisition A (%)"), strict=True):
            axes.set_ylabel(name)
        name_lines(figure, panels)
        panels[1].set_xlabel("initial model (pretraining step)")
    return figure


def plot_correlations(models: Mapping[str, pd.DataFrame], seeds: Sequence[Seed] = ()) -> Figure:
    """A and F (%) against knowledge entropy (nats), a row of panels per model, a mark per initial
    model.

    `models` holds tables as of `kent.pages.summaries.tabulate_learning`; small marks are other
    seeds of the first model.
    """
    with plt.rc_context(STYLE):
        figure, panels = make_panels(len(models), 2, height=2.9, sharex=False)
        cells = [
            (label, table, row) for label, table in models.items() for row in ("A (%)", "F (%)")
        ]
        for number, (axes, (label, table, row)) in enumerate(zip(panels, cells, strict=True)):
            (entropies, spread), (values, errors) = (
                np.array([*table.loc[name]]).T for name in (ENTROPY, row)
            )
            color = CYCLE[number // 2 % len(CYCLE)]
            axes.errorbar(
                entropies, values, 2 * errors, 2 * spread, color=color, marker="o", capsize=2
            )
            for end in (0, -1):
                place, right = (entropies[end], values[end]), entropies[end] == min(entropies)
                style = {
                    "textcoords": "offset points",
                    "fontsize": 8,
                    "ha": "left" if right else "right",
                }
                axes.annotate(
                    f"step {table.columns[end]:,}", place, xytext=(5 if right else -5, 6), **style
                )
            r, _ = correlate(entropies, values)
            axes.set_title(f"r = {r:+.2f}".replace("-", "−"), fontsize=9, loc="right")
            axes.set(xlabel=f"H of {label} before learning (nats)", ylabel=row)
            for seed in seeds if number < 2 else ():
                pairs = [
                    seed.estimates.get(f"{seed.suite}, {name}", {}).values()
                    for name in (ENTROPY, row)
                ]
                axes.plot(
                    *([value for value, _ in each] for each in pairs), ".", color=GREY, markersize=4
                )
    return figure
