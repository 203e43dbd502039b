"""What pages show of records that are not made while the book is built."""

import pytest

from kent.pages import archive

WAYS = {
    "read, left out": (10.0, 2.0, 0.0, 0.0),
    "read, counted": (10.25, 2.0, 0.25, 0.0),
    "not read": (9.0, 3.5, -1.0, 1.5),
}
RECORD = {
    "command": "python scripts/bos.py small.gguf --length 8 --limit 3",
    "model": {"file": "small.gguf", "sha256": "0123456789abcdef"},
    "text": {"name": "topics", "sequences": 3, "length": 8, "tokens_sha256": "fedcba9876543210"},
    "ways": {
        name: {
            "knowledge_entropy": [entropy, 0.05],
            "loss": [loss, 0.05],
            "moved": {"knowledge_entropy": [moved, 0.005], "loss": [more, 0.05 * bool(more)]},
            **{"length": 8, "skip": 0, "seconds": 2.5},
        }
        for name, (entropy, loss, moved, more) in WAYS.items()
    },
    "provenance": {"architecture": "Gemma3ForCausalLM", "dtype": "float32", "device": "cpu"}
    | {"machine": "x86_64, 2 CPU cores", "date": "2026-11-28T16:00:00+00:00", "commit": "abc"}
    | {"torch": "2.13.0", "transformers": "5.23.0", "gguf": "0.19.0"},
}


def test_the_usual_way_comes_first_and_moves_nothing():
    table = archive.tabulate_bos(RECORD)
    assert [*table.index] == [f"BOS {name}" for name in WAYS]
    assert table["H, moved (nats)"].tolist() == ["", "+0.250 ± 0.010", "−1.000 ± 0.010"]
    assert table["loss, moved (nats)"].tolist() == ["", "", "+1.50 ± 0.10"]
    assert table["H (nats)"].tolist() == ["10.00 ± 0.10", "10.25 ± 0.10", "9.00 ± 0.10"]


def test_sentences_say_what_moves_and_that_it_is_a_record():
    said = archive.describe_bos(RECORD)
    assert "one position of 8 moves H by **+0.250 ± 0.010 nats**" in said
    assert "H moves by **−1.000 ± 0.010 nats** and the loss by +1.50 ± 0.10 nats" in said
    origin = archive.describe_origin(RECORD)
    assert origin.startswith("A record, not measured while this page ran: `small.gguf`")
    for part in (RECORD["command"], "0123456789", "fedcba9876", "8 s, 2026-11-28, commit `abc`"):
        assert part in origin


def test_the_committed_record_is_of_a_model_that_needs_the_token():
    record = archive.read_record("bos.json")
    usual, counted, without = record["ways"].values()
    assert [each["skip"] for each in (usual, counted, without)] == [1, 0, 0]
    assert usual["loss"] == counted["loss"] and usual["loss"][0] < without["loss"][0] - 0.5
    archive.describe_origin(record)


def test_without_a_repository_there_is_no_record(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(archive, "PACKAGE", tmp_path / "kent")
    assert archive.find_record("bos.json") is None
    with pytest.raises(FileNotFoundError, match=r"results.bos\.json"):
        archive.read_record("bos.json")
