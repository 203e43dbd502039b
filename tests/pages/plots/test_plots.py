"""Figures of what models learn."""

import matplotlib.pyplot as plt
import pytest
import torch

from kent.learning.outcomes import Outcome
from kent.pages.plots import learning


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_fall_to_guessing_has_no_free_parameter():
    """Of 75 % answered before, a chance of 25 % is left: one task of four choices."""
    answers = {"exam": torch.tensor([[1, 1, 1, 0], [0, 0, 0, 1]]).double()}
    about = {"revision": {"step": 128}}
    rest = {"knowledge": {}, "control": {}, "curve": torch.zeros(1, 3).double()}
    outcome = Outcome(torch.tensor([0, 1]), **rest, answers=answers, provenance=about)
    (axes := plt.figure().add_subplot()).set_ylim(0, 100)
    learning._mark_fall(axes, [outcome])
    [line] = axes.lines
    assert line.get_xydata().tolist() == [[128, pytest.approx(100 * (1 - 0.25 / 0.75))]]
