"""The benchmark runs from a shell, on its smallest shape, and writes a whole record."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "profiling.py"
MEASURED = {"backbone", "logits", "knowledge", "attention", "token", "all", "public"}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmarks") / "cpu-debug.json"
    options = ["--shape", "debug", "--length", "16", "--repetitions", "1", "--dtype", "float32"]
    finished = subprocess.run([sys.executable, SCRIPT, *options, "--out", out], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return json.loads(out.read_text("utf-8"))


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
    assert record["device"]["kind"] == "cpu" and record["device"]["name"] and record["device"]["threads"] >= 1
    assert record["command"].startswith("python benchmarks/profiling.py --device cpu --shape debug --length 16")
    assert {"commit", "date", "machine", "torch"} <= record["provenance"].keys()
    assert record["shape"]["parameters"] > 0
