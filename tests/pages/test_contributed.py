"""Records of checkpoints as curves; every file in results/contributed is one."""

import json
import math
import re

import pandas as pd
import pytest

from kent.measure import contributions
from kent.pages import contributed, live
from kent.pages.plots import contributed as plots

KEPT = sorted(contributed.FOLDER.glob("*.json"))
LARGEST = 100_000
"""Bytes."""


def make_record(name="mine", step=None, tokens=None, value=9.0, length=128, error=0.1) -> dict:
    """What is drawn of a record."""
    model = {"name": name, "parameters": 1000, "step": step, "tokens": tokens, "neurons": [256] * 2}
    text = {"name": "world", "sha256": "a" * 64, "length": length, "sequences": 4}
    entropy = {"value": value, "standard_error": error}
    return {
        **{"model": model, "text": text, "knowledge_entropy": entropy},
        "provenance": {"date": "2026-01-31T12:00:00", "commit": "abc", "dtype": "float32"},
    }


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_a_contributed_file_is_a_record(path):
    [record] = contributions.read(path)
    assert path.stat().st_size <= LARGEST
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.json", path.name)
    assert not re.search(r'"(/|[A-Z]:\\)', path.read_text("utf-8")), "a folder of some machine"
    assert contributed.measure_gap(record)[0] >= 0


def test_nothing_else_is_kept_there_and_no_record_twice():
    others = {path.name for path in contributed.FOLDER.iterdir()} - {path.name for path in KEPT}
    assert others == {"README.md"}
    records = contributed.read_kept()
    about = [(each["model"]["name"], each["model"]["step"], each["text"]) for each in records]
    assert len(records) == len(KEPT) == len({json.dumps(each) for each in about})


def test_records_of_one_model_on_one_text_are_a_curve_in_the_order_of_pretraining():
    one, other = make_record(tokens=2000), make_record(tokens=0)
    elsewhere = make_record("theirs", step=3)
    curves = contributed.group([one, other, elsewhere, make_record(tokens=0)])
    assert curves == {"mine": [other, one], "theirs": [elsewhere]}


def test_a_model_measured_on_two_texts_makes_two_curves():
    curves = contributed.group([make_record(), make_record(length=64)])
    assert [*curves] == ["mine (world aaaaaa, 128 tokens)", "mine (world aaaaaa, 64 tokens)"]


def test_a_record_is_placed_by_tokens_per_parameter_where_they_are_known():
    assert contributed.find_place(make_record(tokens=2500)) == 2.5
    assert contributed.find_place(make_record(step=3)) is None


def test_the_gap_is_the_distance_to_the_bound_per_layer():
    gap, error = contributed.measure_gap(make_record(value=9.0, error=0.1))
    assert gap == pytest.approx(math.log(256) - 4.5) and error == 0.05
    assert math.isnan(contributed.measure_gap(make_record(error=None))[1])


def test_records_are_listed_in_words():
    table = contributed.tabulate_records({"mine": [make_record(tokens=2500, step=7)]})
    assert isinstance(table, pd.DataFrame)
    [row] = table.to_dict("records")
    assert row["step"] == "7" and row["tokens per parameter"] == "2.5"
    assert row["share of ln m"] == "81.15%" and row["measured"] == "2026-01-31, kent abc"
    said = contributed.sum_up(contributed.group([make_record(), make_record("b", value=5.0)]))
    assert said.startswith("2 records of 2 models, measured 2026-01-31: mine, b.")
    assert "The least even at its last checkpoint is b, 3.0" in said


def test_given_files_and_folders_are_read_and_wrong_ones_refused(tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bad\.json: format is missing"):
        contributed.read_given(str(tmp_path))
    paths = [str(path) for path in KEPT[:2]]
    assert len(contributed.read_given(paths)) == 2 and contributed.read_given("") == []


def test_a_picture_holds_curves_schema_and_what_stands_in_for_it():
    curves = contributed.group([make_record(tokens=0), make_record(tokens=900), make_record("b")])
    picture = contributed.Picture(curves, plots.draw_records(curves))
    html = picture._repr_mimebundle_()["text/html"]
    held = live.read(html)
    assert held["schema"] == contributions.load_schema() and held["kind"] == "compare"
    assert [each["name"] for each in held["curves"]] == ["mine", "b"]
    assert held["published"]["OLMo-1B"] == pytest.approx([0.0109, 0.0359], abs=1e-4)
    assert '<div class="stand-in"><svg role="img" aria-label="A line chart' in html
    assert "mine" in html.split("stand-in")[1]


def test_the_figure_has_lines_and_a_level_line_for_what_has_no_place():
    curves = contributed.group([make_record(tokens=0), make_record(tokens=900), make_record("b")])
    [axes] = plots.plot_records(curves).figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert {"mine", "b", "paper: OLMo-1B (fig. 2)"} <= {*labels}
    [level] = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert level.get_ydata()[0] == pytest.approx(math.log(256) - 4.5)
