"""Seconds that records hold, and those of another run like theirs."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sizes import LESSON, SMALL

from kent.models.suites import SUITES
from kent.records import describe_run, save_tensors
from kent.runs import definitions, execution, times
from kent.runs.times import Timed, Work, count_work, list_timed, pick_like, predict, read_shipped

SIZE = SUITES["tiny"].parameters
PROFILE = {
    "dtype": "float32",
    "activation": "abs",
    "instances": 4,
    "length": 16,
    "revision": {"repository": "tiny"},
    "seconds": 3.0,
}


@pytest.fixture
def keep(monkeypatch, tmp_path):
    """Write a record of a profile into an empty cache, as it differs from `PROFILE`."""
    monkeypatch.setenv("KENT_CACHE", str(tmp_path))
    here = {"machine": describe_run()["machine"], "device": times.name_device()}

    def keep(name: str, **differs):
        path = tmp_path / "records" / f"{name}.safetensors"
        save_tensors({}, path, format="a test's", provenance=PROFILE | here | differs)
        return path

    return keep


def take(operations: float, seconds: float, kind: str = "profile", size: int = 10) -> Timed:
    return Timed(Work(kind, size, operations), float(seconds), Path(f"{operations}"))


def test_a_run_takes_what_runs_of_the_same_work_took():
    like = [take(100.0, seconds) for seconds in (4, 5, 90)]
    assert predict(Work("profile", 10, 100.0), [*like, take(900.0, 1)]) == 5


def test_a_run_of_other_length_lies_on_a_line_with_a_start():
    like = [take(operations, 2 + operations / 10) for operations in (10.0, 40.0, 90.0)]
    assert predict(Work("profile", 10, 60.0), like) == pytest.approx(8)
    assert predict(Work("profile", 10, 60.0), [*like, take(10.0, 50)]) == pytest.approx(
        predict(Work("profile", 10, 60.0), [*like[1:], take(10.0, 26.5)])
    ), "of equal amounts their median counts"


@pytest.mark.parametrize(
    "like",
    [
        [take(50.0, 5)],
        [take(50.0, 5), take(60.0, 6)],
        [take(20.0, 1), take(60.0, 5), take(90.0, 8)],  # no start is below 0 s
    ],
)
def test_a_run_is_scaled_in_proportion_where_no_line_is_to_be_drawn(like):
    share = sorted(each.seconds / each.work.operations for each in like)[len(like) // 2]
    assert predict(Work("profile", 10, 70.0), like) == pytest.approx(70 * share)


def test_like_runs_are_of_one_kind_on_like_models_and_of_like_length():
    work = Work("profile", 10, 100.0)
    like = [take(10.0, 1), take(1000.0, 1, size=20), take(100.0, 1, size=5)]
    other = [take(100.0, 1, kind="learning"), take(9.9, 1), take(1001.0, 1)]
    other += [take(100.0, 1, size=21), take(100.0, 1, size=4)]
    assert pick_like(work, [*other, *like]) == like


def test_the_cache_says_how_long_runs_took(keep):
    path = keep("profile-0")
    assert list_timed({}) == [Timed(Work("profile abs float32", SIZE, 2.0 * SIZE * 64), 3.0, path)]
    keep("profile-1", revision={"repository": "/a/folder"})
    assert len(list_timed({})) == 1, "the size of that model is not known"
    assert {each.work.size for each in list_timed({"/a/folder": 1000})} == {SIZE, 1000}


@pytest.mark.parametrize(
    "differs",
    [
        {"machine": "abacus"},
        {"device": "another"},
        {"processes": 2},
        {"stopped": "a loss that was not finite"},
        {"revision": None},
        {"length": "long"},
        *({"seconds": seconds} for seconds in (0, -1, math.nan, math.inf, None, "1")),
    ],
)
def test_records_of_other_machines_and_odd_ones_are_passed_over(keep, differs):
    whole = keep("profile-0")
    keep("profile-1", **differs)
    assert [each.path for each in list_timed({})] == [whole]


def test_files_that_are_no_records_are_passed_over(keep, tmp_path):
    whole = keep("profile-0")
    manifest = tmp_path / "suites" / "tiny-0" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    for text in ("", "[]", "{", '{"seconds": 1}', "[" * 9999):
        manifest.write_text(text)
        whole.with_name("profile-1.safetensors").write_text(text)
        assert [each.path for each in list_timed({})] == [whole]
    save_tensors({"a": torch.ones(1)}, whole, format="a test's", provenance={})
    assert not list_timed({})


def test_a_pretraining_is_timed_by_its_manifest(keep, tmp_path):
    said = {"machine": describe_run()["machine"], "parameters": 10, "tokens": 50, "seconds": 7}
    path = tmp_path / "suites" / "tiny-0" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(said))
    assert list_timed({}) == [Timed(Work("pretrain", 10, 3000.0), 7.0, path)]


def test_a_record_says_the_work_that_its_configuration_asks_for(pretrained, monkeypatch):
    monkeypatch.setattr(times, "_check", float)  # of so small a run it may say 0.0 s
    runs = [
        definitions.plan_profile("tiny", 4, **SMALL),
        definitions.plan_gradients("tiny", 4, **SMALL, batch_size=4, updates=2),
        definitions.plan_learning("tiny", 4, **LESSON),
    ]
    for run in runs:
        execution.do(run)
    found = {each.path: each.work for each in list_timed({})}
    assert {run.path: count_work(run.config, SIZE) for run in runs}.items() <= found.items()


def test_shipped_timings_are_of_the_runs_that_the_suite_tiny_does():
    shipped = read_shipped()
    assert shipped["products"] > 1e9 and shipped["machine"]
    works = {each.work for each in shipped["runs"]}
    config = {"run": "pretrain", "suite": "tiny"}
    assert count_work(config, SIZE) in works
    config = {"run": "profile", "length": 128, "limit": 256, "dtype": "float32"}
    for activation in ("abs", "relu"):
        assert count_work(config | {"activation": activation}, SIZE) in works
    own = {"dtype": "float32", "tasks_along": False, "epochs": 1, "knowledge": [], "control": []}
    config = {"run": "learning", **own, **SUITES["tiny"].learning}
    assert count_work(config, SIZE) in works


def test_a_machine_is_compared_by_runs_like_those_that_kent_brings_along(monkeypatch):
    shipped = read_shipped()
    monkeypatch.setattr(times, "time_products", lambda dtype: shipped["products"] / 5)
    here = [take(each.work.operations, 3 * each.seconds) for each in shipped["runs"]]
    assert times.compare_machines(here) == pytest.approx(5), "none of these is like them"
    here = [replace(each, seconds=3 * each.seconds) for each in shipped["runs"]]
    assert times.compare_machines(here) == pytest.approx(3)


def test_more_facts_more_tasks_and_more_epochs_are_more_work():
    own = {"dtype": "float32", "tasks_along": False, "epochs": 1, "knowledge": [], "control": []}
    config = {"run": "learning", **own, **SUITES["tiny"].learning, "once": 0, "paraphrase": 1}
    read = 128 * 16 * 50
    alone = 3 * read + 12 * 2 * 15 * 11
    for differs, tokens in [
        ({"tasks": ""}, alone),
        ({}, alone + 2 * 113_992),
        ({"tasks_along": True}, alone + 11 * 113_992),
        ({"tasks": "", "paraphrase": 3}, 3 * read + 12 * 2 * 45 * 11),
        ({"tasks": "", "epochs": 2}, 3 * 2 * read + 12 * 2 * 15 * 21),
    ]:
        assert count_work(config | differs, 10).operations == 20 * tokens
