"""What a page says of its cost, on what that rests, and what it keeps of it."""

import inspect
import json
from pathlib import Path

import pytest
import torch
import yaml
from learner import make_model

from kent.models.suites import SUITES
from kent.pages import costs, page
from kent.records import describe_run, save_tensors
from kent.runs import plans, times
from kent.runs.names import Run

PARAMETERS = Path(__file__).parents[2] / "params"
SIZE = SUITES["tiny"].parameters
WHOLE = {"run": "profile", "name": "tiny", "step": 4, "activation": "abs", "dtype": "float32"}
WHOLE |= {"length": 128, "limit": 256}
"""As the suite tiny is measured, which kent has timings of."""


@pytest.fixture
def plan(micro):
    """Two runs that are not done, of 64 tokens each, on a suite that is not pretrained."""
    return plans.sweep_stages("tiny", steps=[0, 4], corpus=["a text"], length=16, limit=4)


@pytest.fixture
def keep(tmp_path):
    """Have a run's record say that it took so many seconds, on 64 tokens if not told else."""

    def keep(path, seconds: float, tokens: int = 64, **differs):
        said = {"dtype": "float32", "activation": "abs", "instances": tokens // 16, "length": 16}
        said |= {"revision": {"repository": "tiny"}, "seconds": seconds}
        said |= {"machine": describe_run()["machine"], "device": times.name_device()}
        save_tensors({}, path, format="a test's", provenance=said | differs)

    (tmp_path / "records").mkdir()
    return keep


@pytest.fixture
def pretrained_before(tmp_path):
    """A suite that was pretrained in 100 s, on twice the tokens of the micro suite."""
    folder = tmp_path / "suites" / "tiny-0"
    folder.mkdir(parents=True)
    said = {"machine": describe_run()["machine"], "parameters": SIZE, "tokens": 2 * 4 * 2 * 32}
    (folder / "manifest.json").write_text(json.dumps(said | {"seconds": 100.0}))


def test_runs_take_what_like_runs_took_here(plan, keep, pretrained_before, tmp_path):
    for index, seconds in enumerate((4.0, 5.0, 9.0)):
        keep(tmp_path / "records" / f"profile-{index}.safetensors", seconds)
    cost = costs.estimate_cost(plan)
    basis = "from 4 like runs on this machine"
    expected = f"2 of 2 runs to do, after pretraining tiny: about 1.0 min, {basis}; 384 tokens"
    assert cost.data == f"**Cost.** {expected}; 12.6 MB for the weights."
    kept = {"runs": 2, "seconds": 60.0, "basis": basis, "recorded": None}
    assert cost._repr_mimebundle_()[1] == {"kent-cost": kept}


def test_done_anew_each_run_takes_what_the_others_took(plan, keep, micro):
    [first, last] = plan["stages"]
    keep(first.path, 10.0)
    keep(last.path, 20.0)
    cost = costs.estimate_cost(plan)
    assert cost.data.startswith("**Cost.** All 2 runs of this page are in the cache. Done anew, ")
    kept = {"runs": 2, "seconds": 30.0, "basis": "from 2 like runs on this machine"}
    assert cost.noted["kent-cost"] == kept | {"recorded": 30.0}
    keep(first.path.with_name("profile-0.safetensors"), 14.0)
    assert costs.estimate_cost(plan).noted["kent-cost"]["seconds"] == 17.0 + 12.0


def test_a_longer_run_is_scaled_from_shorter_ones(plan, keep, pretrained_before):
    [first, last] = plan["stages"]
    keep(first.path, 1.0)
    for index, tokens in enumerate((16, 32, 128)):
        name = f"profile-{index}.safetensors"
        keep(last.path.with_name(name), 2 + tokens / 32, tokens)
    said = costs.estimate_cost(plan).data
    assert said.startswith("**Cost.** 1 of 2 runs to do, after pretraining tiny: about 51 s, ")


def test_where_no_run_was_like_it_kents_own_timings_count(monkeypatch, tmp_path):
    shipped = times.read_shipped()
    monkeypatch.setenv("KENT_CACHE", str(tmp_path))
    monkeypatch.setattr(times, "name_device", lambda: "cpu")
    monkeypatch.setattr(times, "time_products", lambda _: shipped["products"] / 3)
    work = times.count_work(WHOLE, SIZE)
    [there] = [each.seconds for each in shipped["runs"] if each.work == work]
    cost = costs.estimate_cost({"stages": [Run(WHOLE, tmp_path / "none")]})
    basis = f"scaled from kent's own timings ({shipped['machine']})"
    assert f"about {3 * there:.0f} s, {basis}; 32,768 tokens; 3.1 MB" in cost.data
    assert cost.noted["kent-cost"]["seconds"] == pytest.approx(3 * there, abs=0.1)


def test_of_a_model_like_no_other_a_lower_bound_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("KENT_CACHE", str(tmp_path))
    asked = []
    monkeypatch.setattr(times, "time_products", lambda dtype: asked.append(dtype) or 1e12)
    large = {"name": "olmo-1b", "dtype": "bfloat16", "length": 2048, "limit": 2048}
    cost = costs.estimate_cost({"stages": [Run(WHOLE | large, tmp_path / "none")]})
    assert asked == ["bfloat16"]
    assert cost.noted["kent-cost"]["seconds"] == round(2 * 1.177e9 * 2048**2 / 1e12, 1)
    bound = "at least 2.7 h, a lower bound from operations; 4,194,304 tokens"
    assert f"{bound}; 2.4 GB for the weights; up to 5 GB to download." in cost.data
    both = {"stages": [Run(WHOLE | large, tmp_path / "none"), Run(WHOLE, tmp_path / "other")]}
    said = costs.estimate_cost(both).data
    assert "at least" in said and "1 run a lower bound" in said and "1 run scaled from" in said


def test_records_that_hold_nothing_stop_no_page(plan):
    [first, _] = plan["stages"]
    first.path.parent.mkdir()
    first.path.touch()
    cost = costs.estimate_cost(plan)
    assert "1 of 2 runs to do" in cost.data and cost.noted["kent-cost"]["recorded"] is None


def test_a_model_of_unknown_size_has_no_estimate(tmp_path):
    run = Run(WHOLE | {"name": str(tmp_path)}, tmp_path / "none")
    said = f"**Cost.** The size of {tmp_path} is not known before it is loaded."
    assert costs.estimate_cost({"stages": [run]}).data == said


def test_a_page_keeps_how_many_runs_it_shows_and_how_long_they_took(pretrained):
    size = {"corpus": "world", "length": 16, "limit": 4}
    results = page.fetch_all(plans.sweep_stages("tiny", steps=[0, 4], **size))["stages"]
    done = [("2026-01-02T03:04:05+00:00", "a", 1.2), ("2026-01-04T03:04:05+00:00", "b", 2.6)]
    for result, (date, commit, seconds) in zip(results, done, strict=True):
        result.provenance.update(date=date, commit=commit, seconds=seconds)
    shown, kept = page.describe_runs([*results, results[0]])._repr_mimebundle_()
    assert "| how this was made | |" in shown["text/markdown"]
    machine = f"{times.name_device()} ({describe_run()['machine']})"
    assert kept == {
        "kent-runs": {
            **{"runs": 2, "seconds": 3.8, "machine": machine},
            **{"date": "2026-01-02 to 2026-01-04", "commit": "a, b"},
        }
    }


def test_a_full_run_is_estimated_from_the_size_of_the_model():
    table = costs.estimate_full_runs()
    assert list(table.index.unique("suite")) == ["pythia", "olmo-1b", "smollm2"]
    small = table.loc["smollm2", "bfloat16"]
    assert (small["checkpoints"], small["download (GB, at most)"]) == (1, 0)
    taught = 6 * 134_515_008 * 128 * 1024 * 1600  # 210 million tokens
    assert small["learning (h)"] == pytest.approx(taught / (0.4 * 989e12) / 3600)
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
        for each in inspect.signature(costs.estimate_full_runs).parameters.values()
    }
    assert assumed.items() <= given.items() and given["steps"] == []


def test_parameters_are_counted_whatever_the_dtype_of_the_weights(tmp_path):
    model = make_model()
    for dtype in (torch.float32, torch.bfloat16):
        model.to(dtype).save_pretrained(tmp_path / str(dtype))
        assert costs.count_parameters(str(tmp_path / str(dtype))) == model.num_parameters()
    assert costs.count_parameters(str(tmp_path)) == model.num_parameters(), (
        "of one of its checkpoints"
    )


@pytest.fixture
def executed(tmp_path):
    """Write an executed page, with what its outputs keep."""

    def write(name: str, *kept: dict) -> Path:
        outputs = [{"metadata": each} for each in kept]
        run = {"papermill": {"duration": 2.0, "end_time": "2026-01-02T03:04:05.678"}}
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps({"cells": [{"outputs": outputs}], "metadata": run}))
        return path

    return write


def test_estimates_stand_beside_what_the_runs_took(executed):
    cost = {"runs": 2, "seconds": 30.0, "basis": "a basis", "recorded": 20.0}
    late = cost | {"recorded": None}
    paths = [
        executed("near", {"kent-cost": cost}, {"kent-runs": {"runs": 2, "seconds": 99.0}}),
        executed("late", {"kent-cost": late}, {"kent-runs": {"runs": 2, "seconds": 10.0}}),
        executed("part", {"kent-cost": late}, {"kent-runs": {"runs": 1, "seconds": 10.0}}),
        executed("bare"),
    ]
    table = costs.compare_costs(paths)
    assert table["factor"].dropna().to_dict() == {"near": 1.5, "late": 3.0}
    assert table.loc["late", "recorded (s)"] == 10.0, "what was done after it was announced"
    itself = table.loc["bare", ["page itself (s)", "finished (UTC)"]]
    assert itself.tolist() == [2.0, "2026-01-02 03:04:05"]
    assert table.loc["near", "runs"] == 2
    said = costs.describe_costs(table)
    assert said.startswith("Of 2 pages with runs, 1 announce a cost within a factor of 1.5 ")
    assert "is 1.50 to 3.00, 2.25 in the median" in said
    assert "No page" in costs.describe_costs(table.loc[["part", "bare"]])
