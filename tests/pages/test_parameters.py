"""What a page asks of its parameters and its verdict."""

import math

import pytest

from kent.pages import page
from kent.paper import AXES, CLAIMS

PAGE = 'checkpoints = "tiny"\nsteps = []\nlimit = 8\nshare = 0.5'


def test_known_parameters_pass_and_a_page_run_by_hand_is_not_asked():
    page.check_parameters(
        ["", PAGE, '# Parameters\ncheckpoints = ["a", "b"]\nlimit = 9\nshare = 1\n', "import kent"]
    )
    page.check_parameters(["", "x = 1", "import kent"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('chekpoints = "tiny"', "no parameter 'chekpoints': did you mean checkpoints"),
        ("zzz = 1", "no parameter 'zzz': It has: checkpoints, steps, limit, share"),
        ('limit = "many"', "limit must be a valid integer, not 'many'"),
        ("limit = True", "limit must be a valid integer, not True"),
        ("limit = 8.0", "limit must be a valid integer, not 8.0"),
        ("share = True", "share must be a valid number, not True"),
        ("share = '4e-4'", "share must be a valid number, not '4e-4'"),  # as YAML 1.1 reads 4e-4
        (
            "limit = float('nan')",
            "a parameter is a plain value, not as in .limit = float",
        ),  # as papermill writes .nan
        ("checkpoints = 1", "checkpoints must be a valid string or a valid list, not 1"),
    ],
)
def test_a_misspelt_or_mistyped_parameter_is_an_error(given, message):
    with pytest.raises(ValueError, match=message):
        page.check_parameters(["", PAGE, f"# Parameters\n{given}\n"])


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (-1.0, 0.1, "agrees"),
        (1.0, 0.1, "disagrees at this scale"),
        (-0.1, 0.1, "too small to tell"),
        (math.nan, 0.1, "no value"),
        (1.0, math.nan, "no value"),
        (0.0, 0.0, "no value"),
    ],
)
def test_verdicts(value, error, verdict):
    assert CLAIMS["fig02"].judge(value, error) == verdict


def test_published_axes_lie_below_the_bound():
    for figure in AXES.values():
        for low, high, layers, neurons in figure.values():
            assert low < high < layers * math.log(neurons)
