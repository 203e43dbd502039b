"""What had been read at a checkpoint, and where knowledge entropy turns, by hand."""

from math import cos, pi

import pytest
import torch

from kent.measure.profiles import Profile
from kent.models.suites import OWN
from kent.pages import histories
from kent.pages.histories import LENGTH, RATE, READ
from kent.pages.plots.histories import plot_history

NOISE = torch.tensor([[0.0, 0.01], [0.01, 0.0], [0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)


def make_profile(uneven: float, step: int = 0, name: str = "tiny", noise=NOISE) -> Profile:
    """Two layers of two memory vectors, of which one is used more than the other by `uneven`."""
    coefficients = torch.tensor([1.0, 1.0 + uneven], dtype=torch.float64) + noise
    return Profile(
        sizes=torch.ones(4, dtype=torch.int64),
        coefficient_blocks=[coefficients, coefficients],
        vector_norms=[torch.tensor([1.0, 3.0]).double(), torch.tensor([3.0, 3.0]).double()],
        loss_blocks=torch.arange(4.0).double(),
        provenance={"text": "a", "revision": {"repository": name, "step": step, "tokens": None}},
    )


def make_run(*uneven: float) -> list[Profile]:
    return [make_profile(each, 2**place) for place, each in enumerate(uneven)]


def find(*uneven: float) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in histories.find_phases(make_run(*uneven))]


def test_phases_end_where_entropy_turns():
    assert find(0.0, 1.0, 2.0, 0.5, 0.2, 3.0) == [(0, 2), (2, 4), (4, 5)]
    assert find(2.0, 1.0, 0.5) == [(0, 2)]
    falls, rises, last = histories.find_phases(make_run(0.0, 1.0, 2.0, 0.5, 0.2, 3.0))
    assert falls.change < 0 < rises.change and last.change < 0


def test_what_lies_within_the_error_is_no_turn():
    assert find(1.0, 1.0, 1.0) == [] and find(1.0) == []
    run = make_run(0.0, 2.0, 1.999, 3.0)
    assert len(histories.find_phases(run)) == 3, "the same noise in all: any change counts"
    run[2] = make_profile(1.999, 4, noise=NOISE.flip(1))
    assert [(each.start, each.end) for each in histories.find_phases(run)] == [(0, 3)]


def test_what_has_been_read_is_known_of_the_books_own_models_and_where_branches_say_it():
    assert histories.count_read(make_profile(0, 768)) == pytest.approx(768 * 16 * 128 / 786_432)
    small = histories.count_read(make_profile(0, 50_000, "small"))
    assert small == pytest.approx(50_000 * 32 * 128 / 196_608) and small > 1000
    hub = make_profile(0, 1000, "allenai/OLMo-1B-hf")
    assert histories.count_read(hub) is None
    hub.provenance["revision"]["tokens"] = 4 * 10**9
    assert histories.count_read(hub) == pytest.approx(4e9 / 1.177e9)
    assert histories.count_read(make_profile(0, 8, "a/b")) is None


def test_the_rate_is_that_of_the_schedule():
    recipe = OWN["tiny"]
    rates = [recipe.follow_rate(step) for step in (0, 32, 64, 416, 768)]
    shares = [0, 0.5, 1, 0.1 + 0.9 * (1 + cos(pi / 2)) / 2, 0.1]
    assert rates == pytest.approx([recipe.learning_rate * share for share in shares])
    assert histories.find_rate(make_profile(0, 32)) == pytest.approx(0.5)


def test_what_is_not_known_of_all_is_left_out():
    table = histories.tabulate_history(make_run(0.0, 1.0))
    assert {READ, RATE, LENGTH} <= {*table.index} and table.loc[LENGTH, 1] == (2.5, 0.0)
    table = histories.tabulate_history([make_profile(0, 1), make_profile(1, 2, "a/b")])
    assert {READ, RATE}.isdisjoint(table.index) and LENGTH in table.index


def test_the_last_phase_stands_beside_the_papers_stretch():
    run = make_run(0.0, 1.0, 0.5)
    said = histories.describe_phases(histories.find_phases(run), histories.tabulate_history(run))
    assert "knowledge entropy falls by" in said and ", rises by" in said
    assert said.endswith("It ends before the paper's first stage, at about 421.")
    steps = (0, 16, 8_000, 50_000)
    run = [make_profile(x, step, "small") for x, step in zip((0, 1, 0.5, 2), steps, strict=True)]
    said = histories.describe_phases(histories.find_phases(run), histories.tabulate_history(run))
    assert "The last fall begins at 167; the paper's models are between 421 and 2,630" in said
    one = histories.describe_phases([], histories.tabulate_history(run[:1]))
    assert one == "Knowledge entropy does not move by more than two standard errors."


def test_the_figure_has_a_panel_for_what_is_known():
    figure = plot_history(histories.tabulate_history(make_run(0.0, 1.0, 0.5))).figure
    assert len(figure.axes) == 6 and len(figure.axes[1].containers) == 2
    other = [make_profile(0, 1, "a/b"), make_profile(1, 2, "a/b")]
    assert len(plot_history(histories.tabulate_history(other)).figure.axes) == 5
