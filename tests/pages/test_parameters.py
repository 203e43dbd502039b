"""What a page asks of its parameters, its cost and its verdict."""

import inspect
import math
from pathlib import Path

import pytest
import torch
import yaml
from learner import make_model

from kent.pages import page
from kent.paper import AXES, CLAIMS
from kent.runs import plans

PARAMETERS = Path(__file__).parents[2] / "params"
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


def test_the_cost_is_that_of_the_missing_runs_and_then_that_of_all_anew(micro):
    plan = plans.sweep_stages(
        "tiny", steps=[0, 4], corpus=["a text"], length=16, limit=4
    )  # step 0 is first, and a stage
    [first, last] = plan["stages"]
    assert page.estimate_cost(plan).data.startswith(
        "**Cost.** 2 of 2 runs to do: 128 tokens; at least "
    )
    first.path.parent.mkdir()
    first.path.touch()
    assert page.estimate_cost(plan).data.startswith(
        "**Cost.** 1 of 2 runs to do: 64 tokens; at least "
    )
    last.path.touch()
    said = (
        "**Cost.** All 2 runs of this page are in the cache. "
        "Done anew, they would take 128 tokens; at least "
    )
    assert page.estimate_cost(plan).data.startswith(said)


def test_a_full_run_is_estimated_from_the_size_of_the_model():
    table = page.estimate_full_runs()
    assert list(table.index.unique("suite")) == ["pythia", "olmo-1b"]
    row = table.loc["olmo-1b", "bfloat16"]
    assert row["one pass (s)"] == pytest.approx(2 * 1.177e9 * 2048 * 2048 / (0.4 * 989e12))
    assert row["figure 2 (min)"] == pytest.approx(7 * row["one pass (s)"] / 60)
    assert row["weights in memory (GB)"] == pytest.approx(2.354)
    assert row["download (GB, at most)"] == pytest.approx(6 * 4.708)


@pytest.mark.parametrize("suite", ["pythia", "olmo-1b"])
def test_a_full_run_is_estimated_for_the_parameters_that_are_there(suite):
    given = yaml.safe_load((PARAMETERS / f"{suite}.yaml").read_text("utf8"))
    assumed = {
        each.name: each.default
        for each in inspect.signature(page.estimate_full_runs).parameters.values()
    }
    assert assumed.items() <= given.items() and given["steps"] == []


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


def test_parameters_are_counted_whatever_the_dtype_of_the_weights(tmp_path):
    model = make_model()
    for dtype in (torch.float32, torch.bfloat16):
        model.to(dtype).save_pretrained(tmp_path / str(dtype))
        assert page._count_parameters(str(tmp_path / str(dtype))) == model.num_parameters()
    assert page._count_parameters(str(tmp_path)) == model.num_parameters(), (
        "of one of its checkpoints"
    )
