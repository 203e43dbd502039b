"""The benchmarks run from a shell, on their smallest shape, and write a whole record."""

import json
import multiprocessing
import sys
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from types import ModuleType

import costing
import importing
import learning
import profiling
import pytest
import yaml

from kent.models.suites import SUITES
from kent.runs.times import Timed, Work

RESULTS = sorted((Path(__file__).parents[1] / "results/benchmarks").glob("*.json"))
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


def test_a_ratio_is_the_median_within_rounds_and_lies_between_its_quartiles():
    # a machine that slows down: the ratio of the medians would be 3 / 3
    seconds = {"over": [2, 3, 4, 9, 2], "under": [1, 2, 3, 9, 4]}
    found = profiling.relate(seconds, "over", "under")
    assert found["ratio"] == 4 / 3 and found["quartiles"] == [1, 1.5]
    assert profiling.relate({"over": [3], "under": [2]}, "over", "under")["ratio"] == 1.5


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_recorded_ratios_are_those_of_the_recorded_rounds(path):
    record = json.loads(path.read_text("utf8"))
    parts = [record, *record.get("comparisons", [])]
    rated = [each for each in parts if {"seconds", "ratios"} <= each.keys()]
    pairs = [(ratio, each["seconds"]) for each in rated for ratio in each["ratios"]]
    pairs += [(ratio, record["seconds"]) for ratio in record.get("import_ratios", [])]
    if training := record.get("training"):
        steps = {name: parts["steps"] for name, parts in training["seconds"].items()}
        pairs.append((training["ratios"][0], steps))
        assert training["ratios"][1]["quartiles"][0] <= training["ratios"][1]["ratio"]
        assert training["ratios"][1]["ratio"] <= training["ratios"][1]["quartiles"][1]
    assert pairs
    for ratio, seconds in pairs:
        rounds = zip(seconds[ratio["over"]], seconds[ratio["under"]], strict=True)
        each = [over / under for over, under in rounds]
        assert ratio["ratio"] == pytest.approx(median(each))
        assert ratio["quartiles"] == pytest.approx(quantiles(each, n=4, method="inclusive")[::2])


def test_what_runs_took_is_kept_by_kind_and_amount_of_work(monkeypatch, tmp_path):
    tiny = Work("profile abs float32", SUITES["tiny"].parameters, 100.0)
    other = Work("profile abs float32", SUITES["tiny-neox"].parameters, 100.0)
    took = [Timed(tiny, seconds, tmp_path) for seconds in (1.0, 2.0, 9.0)]
    took += [Timed(other, 5.0, tmp_path)]
    monkeypatch.setattr(costing.times, "list_timed", lambda sizes: took)
    speed = {"device": {"name": "Abacus"}, "training": {"matrix_rate": 1e9}}
    (tmp_path / "speed.json").write_text(
        json.dumps(speed | {"provenance": costing.records.describe_run()})
    )
    monkeypatch.setattr(costing, "SPEED", tmp_path / "speed.json")
    monkeypatch.setattr(sys, "argv", ["costing.py", "--out", str(tmp_path / "times.yaml")])
    costing.main()
    kept = yaml.safe_load((tmp_path / "times.yaml").read_text("utf8"))
    row = {"kind": tiny.kind, "size": tiny.size, "operations": 100.0}
    assert kept["runs"] == [row | {"seconds": 2.0, "runs": 3}]
    assert kept["products"] == 1e9 and kept["machine"].startswith("Abacus, ")


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
            low, high = ratio["quartiles"]
            assert 0 < low <= ratio["ratio"] <= high


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
