"""The table of what kent measures: a fixed sample of it, of every kind of layout, is tried anew."""

import json

import census
import pytest
import transformers

SAMPLE = (
    *("llama", "olmo2", "qwen3", "gemma2", "phi3", "granite", "cohere", "smollm3"),
    *("gpt2", "gpt_neox", "opt", "gptj", "apertus", "mpt", "falcon", "bloom"),
    *("olmoe", "mixtral", "qwen2_moe", "deepseek_v2", "granitemoe", "gpt_oss", "llama4_text"),
    *("recurrent_gemma", "mamba", "bert"),
)


@pytest.fixture(scope="module")
def record() -> dict:
    found = json.loads(census.RECORD.read_text(encoding="utf-8"))
    if found["run"]["transformers"] != transformers.__version__:
        pytest.skip(f"the record is of transformers {found['run']['transformers']}")
    return found


@pytest.mark.parametrize("name", SAMPLE)
def test_a_row_comes_out_as_recorded(name, record):
    rows = {row["type"]: row for row in record["models"]}
    assert census.try_type(name) == rows[name]


def test_every_type_has_a_row_and_the_counts_are_theirs(record):
    assert [row["type"] for row in record["models"]] == [*census.TYPES]
    assert record["counts"] == census.count(record["models"])


def test_the_sample_has_every_layout_and_every_column(record):
    rows = [row for row in record["models"] if row["type"] in SAMPLE]
    assert {row["layout"] for row in rows} == {row["layout"] for row in record["models"]}
    for column in (*census.MEASURES, "resuscitation"):
        assert {row[column] for row in rows} == {True, False}


def test_what_is_not_measured_says_why(record):
    for row in record["models"]:
        missing = {each for each in census.MEASURES if not row[each]}
        assert missing == row["why"].keys() - {"resuscitation"} or "model" in row["why"]
        assert row["resuscitation"] or row["why"]


def test_a_few_types_are_printed_and_not_recorded(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(census, "RECORD", tmp_path / "models.json")
    monkeypatch.setattr(transformers.logging, "set_verbosity_error", lambda: None)
    census.main(["llama"])
    first, counts = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["knowledge"] and counts["types"] == 1 and not census.RECORD.exists()
