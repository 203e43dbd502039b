"""The benchmarks run from a shell, on their smallest shape, and write a whole record."""

import json
import multiprocessing
import sys
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import ModuleType

import importing
import learning
import profiling
import pytest

MEASURED = {"backbone", "logits", "knowledge", "attention", "token", "all", "public"}


class Here:
    """A pool of processes that is this process: loading the code anew takes most of the time."""

    def __init__(self, *settings, **named):
        self.settings = settings

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def submit(self, function, *given) -> Future:
        (done := Future()).set_result(function(*given))
        return done

    def starmap(self, function, given, chunksize) -> list:
        return [function(*each) for each in given]


def run(script: ModuleType, options: str, folder: Path) -> dict:
    """The record of a benchmark at shape debug, each way taken once."""
    words = [script.__file__, "--shape", "debug", "--repetitions", "1", *options.split()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*words, "--out", str(folder / "record.json")])
        patch.setattr(multiprocessing.get_context("spawn").__class__, "Pool", Here)
        patch.setattr(learning, "ProcessPoolExecutor", Here)
        one = partial(learning.evaluate, tasks="exam")  # of the six about the world
        patch.setattr(learning, "evaluate", lambda model, tokenizer, tasks: one(model, tokenizer))
        script.main()
    return json.loads((folder / "record.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return run(profiling, "--length 16 --dtype float32", tmp_path_factory.mktemp("profiling"))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    options = "--batch 2 --rows 1 --length 512 --paragraphs 10 1"
    return run(learning, options, tmp_path_factory.mktemp("learning"))


def test_peaks_are_those_of_fresh_processes(monkeypatch):
    monkeypatch.setattr(profiling, "WAYS", {"knowledge": profiling.WAYS["knowledge"]})
    (peaks,) = profiling.peaks_on_cpu("debug", ["float32"], [16]).values()
    assert peaks.keys() == {"knowledge"} and peaks["knowledge"] >= 0


def test_imports_are_timed_in_fresh_processes(monkeypatch):
    monkeypatch.setattr(importing, "WAYS", {"kent": "import kent", "json": "import json"})
    monkeypatch.setattr(importing, "COMPARED", [("kent", "json")])
    found = importing.run(1)
    assert all(0 < seconds < 60 for (seconds,) in found["seconds"].values())
    assert found["import_ratios"][0]["ratio"] > 0


def test_every_way_is_timed_and_every_ratio_is_positive(record):
    for comparison in record["comparisons"]:
        assert set(comparison["seconds"]) >= MEASURED
        assert set(comparison["peak_mib"]) == set(comparison["seconds"])
        pairs = {(ratio["over"], ratio["under"]) for ratio in comparison["ratios"]}
        assert pairs >= {("knowledge", "backbone"), ("public", "knowledge"), ("all", "logits")}
        for ratio in comparison["ratios"]:
            assert ratio["ratio"] > 0
            assert all(quartile > 0 for quartile in ratio["quartiles"])


def test_all_ways_arrive_at_the_same_knowledge_entropy(record):
    for comparison in record["comparisons"]:
        found = comparison["knowledge_entropy"]
        assert found["public"] == pytest.approx(found["knowledge"], rel=1e-5)


def test_a_checkpoint_is_timed_with_knowledge_alone_and_with_all_measures(record):
    assert [len(checkpoint["measures"]) for checkpoint in record["checkpoints"]] == [1, 3]
    for checkpoint in record["checkpoints"]:
        assert checkpoint["seconds"] > 0
        assert checkpoint["share_of_matrix_rate"] > 0
        assert 0 < checkpoint["sequences_timed"] <= checkpoint["sequences"]


def test_the_record_says_what_was_run_and_how_to_repeat_it(record):
    assert (
        record["device"]["kind"] == "cpu"
        and record["device"]["name"]
        and record["device"]["threads"] >= 1
    )
    assert record["command"].startswith(
        "python benchmarks/profiling.py --device cpu --shape debug --length 16"
    )
    assert {"commit", "date", "machine", "torch"} <= record["provenance"].keys()
    assert record["shape"]["parameters"] > 0


def test_learning_is_timed_beside_the_plain_trainer(learned):
    training = learned["training"]
    for measured in ("seconds", "tokens_per_second", "share_of_matrix_rate", "peak_mib"):
        assert set(training[measured]) == {"plain", "kent"}
    for name, parts in training["seconds"].items():
        assert {part: len(times) for part, times in parts.items()} == {
            "steps": 1,
            "checkpoint": 1,
            "around": 1,
        }
        assert min(times[0] for times in parts.values()) > 0
        assert training["tokens_per_second"][name] == pytest.approx(
            10 * 2 * 512 / parts["steps"][0]
        )
        assert training["share_of_matrix_rate"][name] > 0
        assert training["peak_mib"][name] >= 0  # the shape is no larger than what loads the code
    assert [ratio["of"] for ratio in training["ratios"]] == ["steps", "1,600 steps, estimated"]
    assert all(
        ratio["ratio"] > 0 and (ratio["over"], ratio["under"]) == ("plain", "kent")
        for ratio in training["ratios"]
    )


def test_the_share_of_evaluation_is_scaled_from_what_was_measured(learned):
    evaluation = learned["evaluation"]
    assert (
        evaluation["passed"]["probing"]["rows"] >= 2 * 11 * 15
    )  # once and paraphrased, and as many of a control
    assert [each["rounds"] for each in evaluation["shares"]] == [2, 11]
    for each in evaluation["shares"]:
        tasks = each["rounds"] * 4_690_820 / evaluation["passed"]["tasks"]["tokens"]
        probing = 11 * 100_888 / evaluation["passed"]["probing"]["tokens"]
        assert each["tasks"] == pytest.approx(tasks * evaluation["seconds"]["tasks"][0])
        assert each["probing"] == pytest.approx(probing * evaluation["seconds"]["probing"][0])
        assert each["training"] == pytest.approx(
            209_715_200 / learned["training"]["tokens_per_second"]["kent"]
        )
        spent = each["tasks"] + each["probing"]
        assert each["share"] == pytest.approx(spent / (spent + each["training"]))


def test_the_record_of_learning_says_what_was_run_and_how_to_repeat_it(learned):
    assert learned["command"].startswith(
        "python benchmarks/learning.py --device cpu --shape debug --batch 2 --rows 1"
    )
    assert learned["device"]["threads"] >= 1 and {"commit", "torch"} <= learned["provenance"].keys()
    assert learned["shape"]["parameters"] > 0 and learned["setting"]["length"] == 512
