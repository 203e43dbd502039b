"""Runs: found by what decides their numbers, done once, measured again when the record is damaged; the command line."""

import json
import logging

import pytest
import yaml

from kent import runs
from kent.__main__ import main

SMALL = {"corpus": "world", "length": 16, "limit": 4}


def test_a_sweep_lists_every_step_and_the_shuffled_baseline(micro):
    listed = runs.sweep("tiny", steps=[0, 4], **SMALL)
    assert [(run.config["step"], run.config["shuffled"]) for run in listed] == [(0, False), (4, False), (4, True)]
    assert all(run.needs[0].config == {"run": "pretrain", "suite": "tiny"} for run in listed)
    assert len({run.path for run in listed}) == 3


def test_a_run_is_measured_once_and_then_loaded(micro, monkeypatch):
    run = runs.plan_profile("tiny", 4, **SMALL)
    assert not run.done
    first = runs.fetch(run)
    monkeypatch.setattr(runs, "do", lambda run: pytest.fail("measured twice"))
    assert runs.fetch(run).knowledge_entropy == first.knowledge_entropy
    assert first.provenance["revision"]["step"] == 4
    assert first.provenance["corpus"]["sequences"] == 4


def test_a_damaged_record_is_measured_again_and_said(micro, caplog):
    run = runs.plan_profile("tiny", 4, **SMALL)
    before = runs.fetch(run).knowledge_entropy
    run.path.write_bytes(run.path.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        assert runs.fetch(run).knowledge_entropy == before
    assert "measuring again" in caplog.text


def test_the_record_depends_on_text_and_numbers_but_not_on_batches(micro, tmp_path):
    (tmp_path / "a.txt").write_text("one text " * 100)
    settings = SMALL | {"corpus": str(tmp_path / "a.txt")}
    path = runs.plan_profile("tiny", 4, **settings).path
    assert runs.plan_profile("tiny", 4, **settings, batch_size=3).path == path
    assert runs.plan_profile("tiny", 4, **settings, dtype="bfloat16").path != path
    (tmp_path / "a.txt").write_text("another text " * 100)
    runs._describe.cache_clear()
    assert runs.plan_profile("tiny", 4, **settings).path != path


def test_shuffled_tokens_are_the_same_tokens_in_another_order(micro):
    ordered, shuffled = (runs.fetch(run) for run in runs.sweep("tiny", steps=[4], **SMALL))
    assert ordered.provenance["tokens"] == shuffled.provenance["tokens"]
    assert ordered.provenance["corpus"]["tokens_sha256"] != shuffled.provenance["corpus"]["tokens_sha256"]


def test_a_configuration_describes_its_run(micro):
    for run in runs.sweep("tiny", steps=[0], **SMALL):
        assert runs.from_config(run.config).path == run.path
        assert runs.from_config(run.needs[0].config).path == run.needs[0].path
    for config in ({}, {"run": "learn"}):
        with pytest.raises(ValueError, match="run: profile or run: pretrain"):
            runs.from_config(config)


def test_bad_sweeps_are_refused_before_anything_is_loaded(micro):
    with pytest.raises(ValueError, match="dtype must name a torch dtype"):
        runs.sweep("tiny", **SMALL, dtype="float23")
    with pytest.raises(ValueError, match="no checkpoints"):
        runs.sweep([], **SMALL)


def test_the_command_line_does_a_run(micro, tmp_path, capsys):
    run = runs.plan_profile("tiny", 0, **SMALL)
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(run.config))
    assert main(["run", str(config)]) == 0
    assert run.done and str(run.path) in capsys.readouterr().out


def test_the_command_line_measures_a_checkpoint(micro, tmp_path, capsys):
    record = tmp_path / "record.json"
    sizes = ["--length", "16", "--limit", "4", "--record", str(record)]
    assert main(["profile", "tiny", "--corpus", "world", *sizes]) == 0
    printed, saved = capsys.readouterr().out, json.loads(record.read_text())
    assert f"{saved['knowledge_entropy']['value']:.4f}" in printed
    assert saved["provenance"]["revision"]["step"] == 4
    assert len(saved["by_layer"]["Gini"]) == 1


def test_the_command_line_says_what_was_wrong(micro, tmp_path, capsys):
    assert main(["profile", "tiny", "--corpus", str(tmp_path / "missing.txt")]) == 2
    assert "missing.txt" in capsys.readouterr().err
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    assert main(["run", str(empty)]) == 2
    assert "holds no settings" in capsys.readouterr().err
