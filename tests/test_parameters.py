"""What a page asks of its parameters, its cost and its verdict."""

import math

import pytest

from kent import pages
from kent.paper import AXES, CLAIMS

PAGE = 'checkpoints = "tiny"\nsteps = []\nlimit = 8'


def test_known_parameters_pass_and_a_page_run_by_hand_is_not_asked():
    pages.check_parameters(["", PAGE, '# Parameters\ncheckpoints = ["a", "b"]\nlimit = 9\n', "import kent"])
    pages.check_parameters(["", "x = 1", "import kent"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('chekpoints = "tiny"', "no parameter 'chekpoints': did you mean checkpoints"),
        ("zzz = 1", "no parameter 'zzz': It has: checkpoints, steps, limit"),
        ('limit = "many"', "limit must be of type int"),
    ],
)
def test_a_misspelt_or_mistyped_parameter_is_an_error(given, message):
    with pytest.raises(ValueError, match=message):
        pages.check_parameters(["", PAGE, f"# Parameters\n{given}\n"])


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (-1.0, 0.1, "agrees"),
        (1.0, 0.1, "disagrees at this scale"),
        (-0.1, 0.1, "too small to tell"),
        (math.nan, 0.1, "too small to tell"),
        (1.0, math.nan, "too small to tell"),
    ],
)
def test_verdicts(value, error, verdict):
    assert CLAIMS["fig02"].judge(value, error) == verdict


def test_published_axes_lie_below_the_bound():
    for figure in AXES.values():
        for low, high, layers, neurons in figure.values():
            assert low < high < layers * math.log(neurons)
