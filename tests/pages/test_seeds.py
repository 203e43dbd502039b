"""Other seeds: what a page kept is found by its plan, pooled in a reading, and kept without
pictures."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import record

from kent.pages.evidence import Verdicts
from kent.pages.seeds import Estimates, Seed, format_interval, pool, pool_table, recall
from kent.runs import plans

SMALL = {"corpus": "world", "length": 16, "limit": 4}


@pytest.fixture
def kept(micro, monkeypatch, tmp_path):
    """The page of a sweep of tiny-1, recorded, and the plan of the same sweep of tiny."""
    from kent.models import pretraining

    monkeypatch.setitem(pretraining.RECIPES, "tiny-1", replace(micro, seed=1))
    theirs, ours = (plans.sweep(name, steps=[0, 4], **SMALL) for name in ("tiny-1", "tiny"))
    table = pd.DataFrame({0: [(1.0, 0.1)], 4: [(2.0, 0.1)]}, index=["A (%)"])
    shown = [
        each._repr_mimebundle_()
        for each in (Estimates(table, theirs), Verdicts({"fig11": (3.0, 1.0)}, "m", "t"))
    ]
    cells = [{"outputs": [{"data": data, "metadata": metadata}]} for data, metadata in shown]
    (tmp_path / "results" / "tiny-1").mkdir(parents=True)
    path = tmp_path / "results" / "tiny-1" / "page.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}}))
    return tmp_path / "results", ours


def test_a_recorded_seed_is_found_by_the_plan_alone(kept):
    folder, plan = kept
    [seed] = recall(plan, "tiny", folder)
    assert (seed.suite, seed.changed) == ("tiny-1", False)
    assert seed.readings == {"fig11": (3.0, 1.0)}
    assert seed.estimates == {"A (%)": {"0": (1.0, 0.1), "4": (2.0, 0.1)}}
    assert recall(plan, ["tiny"], folder) == [], "checkpoints that are no suite have no seeds"
    assert recall(plans.sweep("tiny", steps=[4], **SMALL), "tiny", folder) == [], "another plan"


def test_code_that_has_changed_since_is_said(kept):
    folder, plan = kept
    path = folder / "tiny-1" / "page.ipynb"
    page = json.loads(path.read_text())
    page["cells"][0]["outputs"][0]["metadata"]["kent-estimates"]["code"] = ["other"]
    path.write_text(json.dumps(page))
    [seed] = recall(plan, "tiny", folder)
    assert seed.changed
    shown, _ = Verdicts({"fig11": (4.0, 1.0)}, "m", "t", [seed])._repr_mimebundle_()
    assert "recorded by code that has changed since: tiny-1" in shown["text/markdown"]


def test_a_reading_pools_the_seeds():
    seeds = [
        Seed(f"tiny-{number}", {"fig11": (value, 9.0)}, {}, False)
        for number, value in ((1, 2.0), (2, 6.0))
    ]
    reading = Verdicts({"fig11": (4.0, 1.0)}, "m", "t", seeds)
    [row] = reading.list_rows()
    assert row["seeds"]["values"] == [4.0, 2.0, 6.0]
    assert row["seeds"]["value"] == pytest.approx(4.0)
    half = 4.302653 * 2 / 3**0.5  # Student's t for three values, times their standard error
    assert row["seeds"]["error"] == pytest.approx(half / 2), (
        "the seeds' own spread, not the bootstrap's"
    )
    assert row["verdict"] == "too small to tell", "within the seed it agrees"
    [alone] = Verdicts({"fig11": (4.0, 1.0)}, "m", "t").list_rows()
    assert "seeds" not in alone and alone["verdict"] == "one seed (no verdict)"


def test_estimates_are_shown_with_two_standard_errors():
    table = pd.DataFrame({128: [(1.0, 0.25), (23.5, 0.001)]}, index=["A (%)", "H (nats)"])
    shown, kept = Estimates(table, {})._repr_mimebundle_()
    assert "1.00 ± 0.50" in shown["text/plain"] and "23.5000 ± 0.0020" in shown["text/html"]
    assert kept["kent-estimates"]["rows"]["A (%)"] == [[1.0, 0.25]]


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (-1.2345, 0.0123, "−1.234 ± 0.025"),
        (123.4, 25.0, "123 ± 50"),
        (-0.001, 0.25, "0.00 ± 0.50"),
        (2.0, math.nan, "2.0000 ± nan"),
        (2.0, 0.0, "2.0000 ± 0.0000"),
    ],
)
def test_an_interval_has_two_digits_of_two_standard_errors(value, error, shown):
    assert format_interval(value, error) == shown
    assert format_interval(value, error, "+") == (shown if shown.startswith("−") else f"+{shown}")


def make_seed(name: str, value: float) -> Seed:
    return Seed(name, {}, {"A (%)": {"128": (value, 0.5), "256": (value + 1, 0.5)}}, False)


def test_a_table_shows_the_mean_of_the_seeds_and_keeps_its_own_numbers():
    table = pd.DataFrame({128: [(1.0, 0.25)], 256: [(2.0, 0.25)]}, index=["A (%)"])
    seeds = [make_seed("tiny-1", 2.0), make_seed("tiny-2", 6.0)]
    pooled = pool_table(table, seeds)
    assert pooled.loc["A (%)", 128] == pool([1.0, 2.0, 6.0])
    assert pooled.loc["A (%)", 256] == pool([2.0, 3.0, 7.0])
    shown, kept = Estimates(table, {}, seeds)._repr_mimebundle_()
    assert "3 seeds" in shown["text/html"] and "3.0 ± 6.6" in shown["text/plain"]
    assert kept["kent-estimates"]["rows"]["A (%)"] == [[1.0, 0.25], [2.0, 0.25]]


def test_rows_that_no_other_seed_kept_are_not_called_means_of_all():
    table = pd.DataFrame({128: [(1.0, 0.25), (2.0, 0.5)]}, index=["A (%)", "F (%)"])
    shown, _ = Estimates(table, {}, [make_seed("tiny-1", 2.0)])._repr_mimebundle_()
    assert "Means of 1 or 2 seeds" in shown["text/plain"]
    shown, _ = Estimates(table.loc[["F (%)"]], {}, [make_seed("tiny-1", 2.0)])._repr_mimebundle_()
    assert "within this model" in shown["text/plain"]


def test_a_seed_without_a_row_or_a_column_has_no_values_of_it():
    seed = make_seed("tiny-1", 2.0)
    assert seed.list_values("A (%)", [256, 128]) == [3.0, 2.0]
    assert seed.list_values("A (%)", [128, 512]) is None
    assert seed.list_values("F (%)", [128]) is None


def test_many_columns_are_shown_as_rows():
    table = pd.DataFrame({step: [(1.0, 0.25)] for step in range(9)}, index=["H (nats)"])
    shown, _ = Estimates(table, {})._repr_mimebundle_()
    assert shown["text/html"].count("<tr") == 10


def test_a_record_holds_parameters_and_what_carries_numbers():
    data = {"image/svg+xml": "x", "text/html": "y", "text/plain": "z"}
    outputs = [
        {"data": data, "metadata": {"kent": []}},
        {"data": data, "metadata": {"kent-narrow": "x"}},
        {"name": "stderr"},
    ]
    cells = [
        {"metadata": {"tags": ["parameters"]}, "outputs": [], "source": "checkpoints = 'tiny'"},
        {"metadata": {}, "outputs": outputs},
        {"metadata": {}, "source": "prose"},
        {"metadata": {}, "outputs": outputs[1:]},
    ]
    page = record.strip({"cells": cells, "metadata": {"widgets": {}, "kernelspec": {}}})
    parameters, reading = page["cells"]
    assert parameters["source"] == "checkpoints = 'tiny'"
    assert reading["outputs"] == [{"data": {"text/plain": "z"}, "metadata": {"kent": []}}]
    assert page["metadata"] == {"kernelspec": {}}
