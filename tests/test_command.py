"""The command line: what it refuses before the work, in one line, and what it keeps when the work
cannot be written."""

import json

import pytest
from hub import make_byte_tokenizer
from learner import make_model
from transformers import BloomConfig, BloomForCausalLM, OlmoeConfig, OlmoeForCausalLM

import kent
from kent import records
from kent.__main__ import format_table, main
from kent.measure import contributions
from kent.models import pretraining
from kent.runs import definitions, execution

SIZES = ["--length", "16", "--limit", "4"]


@pytest.fixture
def checkpoint(tmp_path) -> str:
    make_model().save_pretrained(tmp_path / "checkpoint")
    make_byte_tokenizer().save_pretrained(tmp_path / "checkpoint")
    return str(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--record", "{tmp}"], "is a folder"),
        (["--record", "{tmp}/checkpoint/config.json/x"], "Not a directory"),
        (["--record", "{tmp}/" + "x" * 300], "File name too long"),
        (["--device", "gpu"], "device is 'gpu', and torch finds cpu"),
        (["--device", "cuda:99"], "device is 'cuda:99'"),
        (["--record", "{tmp}/checkpoint/config.json"], "would take the place of what is measured"),
        (
            ["--record", "{tmp}/text.txt", "--corpus", "{tmp}/text.txt"],
            "would take the place of what is measured",
        ),
        (["--limit", "0"], "limit must be"),
        (["--length", "1"], "length must be"),
        (["--batch-size", "-1"], "batch_size must be"),
        (["--step", "-1"], "step must be"),
        (["--tokens", "-1"], "tokens must be"),
        (["--title", ""], "title must be"),
        (["--step", "3"], "has no checkpoint of step 3"),
    ],
)
def test_what_would_stop_it_is_found_before_anything_is_loaded(
    checkpoint, tmp_path, monkeypatch, capsys, option, message
):
    monkeypatch.setattr(kent, "load", pytest.fail)
    (tmp_path / "text.txt").write_text("the user's own")
    option = [word.format(tmp=tmp_path) for word in option]
    assert (
        main(
            [
                "profile",
                checkpoint,
                "--corpus",
                "world",
                *SIZES,
                "--record",
                str(tmp_path / "new"),
                *option,
            ]
        )
        == 2
    )
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and message in said.err and not said.out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "words", [["--limit", "8.0"], ["--step", "last"], ["--dtype", "float33"], ["--colour", "red"]]
)
def test_words_that_are_no_numbers_are_refused_as_argparse_does(checkpoint, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["profile", checkpoint, "--corpus", "world", *words])
    assert stopped.value.code == 2 and "usage: python -m kent" in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_read_is_an_error_in_one_line(checkpoint, tmp_path, capsys):
    path = tmp_path / "checkpoint/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_attention_heads": 0}))
    assert (
        main(
            ["profile", checkpoint, "--corpus", "world", *SIZES, "--record", str(tmp_path / "new")]
        )
        == 2
    )
    assert (
        f"error: the checkpoint {checkpoint} cannot be loaded: ZeroDivisionError"
        in capsys.readouterr().err
    )


def test_the_tables_are_printed_though_the_record_cannot_be_written(
    checkpoint, tmp_path, monkeypatch, capsys
):
    def fail(*arguments) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "save_json", fail)
    assert (
        main(
            ["profile", checkpoint, "--corpus", "world", *SIZES, "--record", str(tmp_path / "new")]
        )
        == 2
    )
    said = capsys.readouterr()
    assert "knowledge entropy" in said.out and "No space left on device" in said.err


def test_the_record_is_written_though_the_tables_cannot_be_printed(
    checkpoint, tmp_path, monkeypatch, capsys
):
    def fail(*arguments) -> None:
        raise UnicodeEncodeError("ascii", "±", 0, 1, "ordinal not in range(128)")

    monkeypatch.setattr("kent.__main__.format_table", fail)
    assert (
        main(
            ["profile", checkpoint, "--corpus", "world", *SIZES, "--record", str(tmp_path / "new")]
        )
        == 2
    )
    assert json.loads((tmp_path / "new").read_text())["knowledge_entropy"]["value"] > 0


def test_a_second_configuration_that_is_wrong_is_found_before_the_first_run(
    micro, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(execution, "do", pytest.fail)
    for name, text in (
        ("one", "run: pretrain\nsuite: tiny"),
        ("two", "run: pretrain\nsuite: pythia"),
    ):
        (tmp_path / name).write_text(text)
    assert main(["run", str(tmp_path / "one"), str(tmp_path / "two")]) == 2
    assert "'pythia' is not pretrained on the spot" in capsys.readouterr().err


def test_a_run_whose_record_is_damaged_is_done_again(micro, tmp_path, capsys):
    run = definitions.plan_profile("tiny", 0, corpus="world", length=16, limit=4)
    (tmp_path / "run.yaml").write_text(json.dumps(run.config))
    assert main(["run", str(tmp_path / "run.yaml")]) == 0
    whole = run.path.stat().st_size
    run.path.write_bytes(b"")
    assert main(["run", str(tmp_path / "run.yaml")]) == 0
    assert run.path.stat().st_size > whole - 100
    (tmp_path / "suite.yaml").write_text("run: pretrain\nsuite: tiny")
    weights = pretraining.pretrain("tiny") / "step1/model.safetensors"
    weights.unlink()
    assert main(["run", str(tmp_path / "suite.yaml")]) == 0 and weights.is_file()


def profile_checkpoint(folder, tmp_path, *options: str) -> int:
    words = ["--corpus", "world", *SIZES, "--record", str(tmp_path / "new"), *options]
    return main(["profile", str(folder), *words])


def test_measures_are_chosen(checkpoint, tmp_path, capsys):
    assert profile_checkpoint(checkpoint, tmp_path, "--measures", "token", "knowledge") == 0
    record, said = json.loads((tmp_path / "new").read_text()), capsys.readouterr().out
    assert record["loss"]["value"] > 0 and "attention_entropy" not in record
    assert record["provenance"]["measures"] == ["token", "knowledge"] and record["left_out"] == {}
    assert "knowledge entropy" in said and "attention" not in said
    assert profile_checkpoint(checkpoint, tmp_path, "--measures", "attention") == 0
    assert "loss" not in json.loads((tmp_path / "new").read_text())
    assert profile_checkpoint(checkpoint, tmp_path, "--measures", "token") == 0
    assert "layer" not in capsys.readouterr().out.partition("loss")[2]


def test_the_record_is_one_that_figures_draw(checkpoint, tmp_path):
    named = ["--title", "mine", "--tokens", "5000"]
    assert profile_checkpoint(checkpoint, tmp_path, *named) == 0
    [record] = contributions.read(tmp_path / "new")
    about = {"name": "mine", "parameters": make_model().num_parameters(), "tokens": 5000}
    assert about.items() <= record["model"].items() and record["model"]["step"] is None
    assert str(tmp_path) not in (tmp_path / "new").read_text()


@pytest.mark.parametrize(("name", "title"), [("small", "the suite small"), ("{}", "checkpoint")])
def test_a_model_is_called_as_its_suite_or_its_folder(checkpoint, tmp_path, name, title):
    assert profile_checkpoint(name.format(checkpoint), tmp_path) == 0
    model = contributions.read(tmp_path / "new")[0]["model"]
    assert model["name"] == title
    read = {"small": {"step": 50_000, "tokens": 204_800_000, "parameters": 196_608}}
    assert read.get(name, {"step": None, "tokens": None}).items() <= model.items()


def test_what_is_left_out_is_said_and_recorded(tmp_path, capsys):
    sizes = {"vocab_size": 300, "hidden_size": 32, "n_layer": 2, "n_head": 4}
    folder = tmp_path / "checkpoint"
    BloomForCausalLM(BloomConfig(**sizes)).save_pretrained(folder)
    make_byte_tokenizer().save_pretrained(folder)
    assert profile_checkpoint(folder, tmp_path) == 0
    record, said = json.loads((tmp_path / "new").read_text()), capsys.readouterr().out
    assert "left out: attention: attention entropy of BloomForCausalLM" in said
    assert record["left_out"].keys() == {"attention"}
    assert record["provenance"]["left_out"] == record["left_out"]
    assert profile_checkpoint(folder, tmp_path, "--measures", "attention") == 2
    assert "error: attention entropy of BloomForCausalLM" in capsys.readouterr().err


def test_experts_are_measured(tmp_path, capsys):
    sizes = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 16, "num_experts": 4}
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_experts_per_tok": 2}
    folder = tmp_path / "checkpoint"
    OlmoeForCausalLM(OlmoeConfig(**sizes, **shape)).save_pretrained(folder)
    make_byte_tokenizer().save_pretrained(folder)
    assert profile_checkpoint(folder, tmp_path) == 0
    record = json.loads((tmp_path / "new").read_text())
    assert "routing entropy" in capsys.readouterr().out
    assert sum(record["by_layer"]["routing_entropy"]) == pytest.approx(
        record["routing_entropy"]["value"]
    )


def test_an_error_that_is_not_known_stays_blank_in_the_tables():
    totals = ("knowledge_entropy", "attention_entropy", "next_token_entropy", "loss")
    summary = {name: {"value": 1.0, "standard_error": float("nan")} for name in totals}
    summary |= {"entropy_bound": 3.0, "by_layer": {"standard_error": [float("nan")], "Gini": [0.5]}}
    provenance = {"architecture": "OLMo", "instances": 1, "length": 8, "dtype": "float32"}
    table = format_table(summary, provenance | {"device": "cpu"})
    assert "nan" not in table
    assert table.splitlines()[-1].split() == ["0", "0.5"]
    assert "bound minus knowledge  2.0000" in table
