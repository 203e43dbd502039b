"""Figures of continual learning draw what the tables have: net in bold, over seeds, beside
guessing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from kent.measure.profiles import Profile
from kent.pages.plots import correlations, curves, learning, tables
from kent.pages.regressions import tabulate_cells
from kent.pages.seeds import Seed
from kent.pages.summaries import FALL, NET, join_tables, tabulate_kinds, tabulate_learning

STEPS = (128, 384, 512, 768)
FACTS = [[[-4.0, -4.0], [-3 - place, -2 - place / 2]] for place in (0, 0.2, 0.4, 0.6)]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def outcomes(learn) -> list:
    return [learn(step, facts) for step, facts in zip(STEPS, FACTS, strict=True)]


def keep(*found: pd.DataFrame, shift: float) -> Seed:
    """A recorded seed with the values of tables, all moved."""
    rows = {}
    for table in found:
        for row in table.index:
            rows[row] = {str(at): (pair[0] + shift, 9.0) for at, pair in table.loc[row].items()}
    return Seed("tiny-1", {}, rows, False)


def find_lines(axes, label: str) -> list[float]:
    """What is drawn under a label of the legend."""
    handles, labels = axes.get_legend_handles_labels()
    handle = handles[labels.index(label)]
    return np.asarray(getattr(handle, "lines", [handle])[0].get_ydata()).tolist()


def list_values(table: pd.DataFrame, row: str) -> list[float]:
    return [value for value, _ in table.loc[row]]


def test_net_acquisition_is_bold_and_both_sides_of_it_thin(outcomes):
    table = tabulate_learning(outcomes)
    panel = learning.plot_learning(outcomes).figure.axes[0]
    assert find_lines(panel, "A net of the control") == list_values(table, NET)
    thin = [line.get_ydata().tolist() for line in panel.lines if line.get_linewidth() == 1]
    assert [list_values(table, row) for row in ("A (%)", "control: A (%)")] == thin[:2]


def test_the_bold_line_is_the_mean_over_the_recorded_seeds(outcomes):
    table = tabulate_learning(outcomes)
    panel = learning.plot_learning(outcomes, [keep(table, shift=4.0)]).figure.axes[0]
    own = np.array(list_values(table, NET))
    assert find_lines(panel, "A net of the control") == pytest.approx((own + 2).tolist())
    thin = [line.get_ydata() for line in panel.lines if line.get_linewidth() == 0.7]
    assert np.allclose(thin, [own, own + 4])


def test_the_fall_to_guessing_has_no_free_parameter(outcomes):
    """Of 75 % answered before, a chance of 25 % is left: one task of four choices."""
    fall = [pytest.approx(100 * (1 - 0.25 / 0.75))] * 4
    for figure in (
        learning.plot_learning(outcomes).figure,
        learning.plot_learning_corpora({"far": outcomes, "near": outcomes}).figure,
        tables.plot_hyperparameters({"baseline": outcomes}, tabulate_cells()).figure,
    ):
        assert find_lines(figure.axes[1], "F of a fall to guessing") == fall


def test_published_forgetting_stands_beside_the_fall_to_guessing_too():
    """P before is P after / (1 - F), so 54.0 / 0.895 first and 52.0 / 0.805 last; guessing 33.3."""
    _, panel, *_ = tables.plot_tables(tabulate_cells()).figure.axes
    first, *_, last = find_lines(panel, "F of a fall to guessing")
    assert (first, last) == pytest.approx((100 - 89.5 / 1.62, 100 - 80.5 / 1.56), abs=0.2)


def test_every_setting_is_drawn_with_its_own_net(outcomes):
    table = tabulate_kinds(outcomes)
    left, right = learning.plot_settings(outcomes).figure.axes
    for label in ("paraphrased", "injected once"):
        assert find_lines(left, f"{label}, net") == list_values(table, f"{label}, {NET}")
        assert find_lines(right, f"{label} (K)") == list_values(table, f"{label}, K after (nats)")


def test_before_and_after_stand_beside_the_papers(outcomes):
    table = tabulate_learning(outcomes)
    left, right = learning.plot_before_and_after(outcomes).figure.axes
    assert find_lines(left, "after learning") == list_values(table, "K after (nats)")
    assert find_lines(left, "control after") == list_values(table, "control: K after (nats)")
    assert find_lines(right, "paper: OLMo-1B, after") == [54.0, 54.6, 52.8, 52.0]
    assert find_lines(right, "guessing") == [25, 25]


def test_other_seeds_are_found_under_the_name_of_a_series(outcomes):
    series = {"far": outcomes, "near": outcomes}
    table = join_tables({name: tabulate_learning(each) for name, each in series.items()})
    seed = keep(table.drop(index=f"near, {NET}"), shift=4.0)
    panel = learning.plot_learning_corpora(series, [seed]).figure.axes[0]
    own = np.array(list_values(table, f"far, {NET}"))
    assert find_lines(panel, "far") == pytest.approx((own + 2).tolist())
    assert find_lines(panel, "near") == own.tolist(), "that seed did not keep the row"


def test_the_first_steps_are_marked_in_every_panel_of_curves(learn):
    falling = [[-4, -4], [-6, -6], [-3, -3]]
    panels = curves.plot_learning_curves([learn(128, falling, falling)]).figure.axes
    assert len(panels) == 4
    for axes in panels:
        [marked] = [patch for patch in axes.patches if "first scoring" in patch.get_label()]
        assert marked.get_width() == 5
    assert find_lines(panels[2], "from step 128") == [0, -2, 1]


@pytest.fixture
def models(outcomes) -> dict:
    """One architecture whose coefficients fall off the less, the later the checkpoint."""
    profiles = [
        Profile(
            sizes=torch.full((4,), 2),
            coefficient_blocks=[torch.exp(-slope * torch.arange(8.0).double()).repeat(4, 1)],
            vector_norms=[torch.ones(8).double()],
            provenance={"revision": {"step": step}, "architecture": "OlmoForCausalLM"},
        )
        for slope, step in zip((0.5, 0.3, 0.2, 0.15), STEPS, strict=True)
    ]
    return {"Olmo": (profiles, outcomes)}


def test_entropys_distance_to_its_bound_is_found_for_other_seeds_too(models):
    profiles, outcomes = models["Olmo"]
    table = join_tables({"Olmo": tabulate_learning(outcomes, profiles)})
    top, bottom = correlations.plot_architectures(models, [keep(table, shift=-0.5)]).figure.axes
    gaps = np.array([each.entropy_bound - each.knowledge_entropy for each in profiles])
    assert find_lines(top, "Olmo") == pytest.approx((gaps + 0.25).tolist())
    assert find_lines(bottom, "Olmo") == pytest.approx(
        [value - 0.25 for value in list_values(table, f"Olmo, {NET}")]
    )


def test_a_correlation_stands_beside_the_fall_to_guessing(models):
    profiles, outcomes = models["Olmo"]
    table = tabulate_learning(outcomes, profiles)
    left, right = correlations.plot_correlations(models).figure.axes
    assert find_lines(right, "F of a fall to guessing") == list_values(table, FALL)
    assert find_lines(left, "Olmo") == list_values(table, NET)
    assert left.get_title("right") == "r given ln step: not known", "four points are too few"


def test_models_without_comparable_steps_stand_in_order_under_their_branches(models):
    names = ["kestrel", "ocelot", "jellyfish", "phoenix"]
    for listed in models["Olmo"]:
        for each, name in zip(listed, names, strict=True):
            each.provenance["revision"] = {"step": None, "branch": name}
    outcomes, line = models["Olmo"][1], "A net of the control"
    panel = learning.plot_learning(outcomes).figure.axes[0]
    assert [each.get_text() for each in panel.get_xticklabels()] == names
    assert panel.get_xlabel() == "initial model (checkpoint)" and len(find_lines(panel, line)) == 4
    _, bottom = correlations.plot_architectures(models).figure.axes
    assert [each.get_text() for each in bottom.get_xticklabels()] == names
    left, _ = correlations.plot_correlations(models).figure.axes
    assert left.get_title("right").startswith("r given place: ")
    assert {each.get_text() for each in left.texts} == {names[0], names[-1]}
    followed = curves.plot_learning_curves(outcomes).figure.axes[0]
    assert "from kestrel" in followed.get_legend_handles_labels()[1]
