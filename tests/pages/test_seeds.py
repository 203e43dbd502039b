"""Other seeds: what a page kept is found by its plan, pooled in a reading, and kept without
pictures."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import record

from kent.models.suites import SUITES
from kent.pages.evidence import Verdicts
from kent.pages.seeds import (
    CHANGED,
    ESTIMATES,
    READINGS,
    RECORDED,
    SAME,
    Estimates,
    Seed,
    collect_outputs,
    format_interval,
    is_same,
    pool,
    pool_table,
    recall,
)
from kent.runs import plans

OWN_PAGES = sorted((RECORDED / "tiny").glob("*.ipynb"))
SMALL = {"corpus": "world", "length": 16, "limit": 4}


@pytest.fixture
def kept(micro, monkeypatch, tmp_path):
    """The page of a sweep of tiny-1, recorded, and the plan of the same sweep of tiny."""
    from kent.models import pretraining

    monkeypatch.setitem(pretraining.RECIPES, "tiny-1", replace(micro, seed=1))
    theirs, ours = (plans.sweep(name, steps=[0, 4], **SMALL) for name in ("tiny-1", "tiny"))
    write(tmp_path / "results" / "tiny-1", TABLE, theirs, (3.0, 1.0))
    return tmp_path / "results", ours


TABLE = pd.DataFrame({0: [(1.0, 0.1)], 4: [(2.0, 0.0)]}, index=["A (%)"])


def write(folder: Path, table: pd.DataFrame, plan: plans.Plan, found: tuple[float, float]) -> None:
    """A page as recorded: a table and a verdict."""
    shown = [Estimates(table, plan), Verdicts({"fig11": found}, "m", "t")]
    kept = [each._repr_mimebundle_() for each in shown]
    cells = [{"outputs": [{"data": data, "metadata": metadata}]} for data, metadata in kept]
    folder.mkdir(parents=True)
    (folder / "page.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))


def edit(path: Path, change: Callable[[dict], object]) -> None:
    """Change what the outputs of a recorded page keep."""
    page = json.loads(path.read_text())
    for cell in page["cells"]:
        change(cell["outputs"][0]["metadata"])
    path.write_text(json.dumps(page))


def change_code(metadata: dict, name: str = "other") -> None:
    metadata.get(ESTIMATES, {})["code"] = [name]


def test_a_recorded_seed_is_found_by_the_plan_alone(kept):
    folder, plan = kept
    [seed] = recall(plan, "tiny", folder)
    assert (seed.suite, seed.changed) == ("tiny-1", False)
    assert seed.readings == {"fig11": (3.0, 1.0)}
    assert seed.estimates == {"A (%)": {"0": (1.0, 0.1), "4": (2.0, 0.0)}}
    assert recall(plan, ["tiny"], folder) == [], "checkpoints that are no suite have no seeds"
    assert recall(plans.sweep("tiny", steps=[4], **SMALL), "tiny", folder) == [], "another plan"


@pytest.fixture
def outdated(kept):
    """As `kept`, with the own seed recorded too, both by other code."""
    folder, plan = kept
    write(folder / "tiny", TABLE, plan, (3.0, 1.0))
    for name in ("tiny", "tiny-1"):
        edit(folder / name / "page.ipynb", change_code)
    return folder, plan


def show(
    folder: Path, plan: plans.Plan, table: pd.DataFrame = TABLE, found: float = 3.0
) -> tuple[str, str]:
    """What is shown of a table and of a verdict of today."""
    seeds = recall(plan, "tiny", folder)
    assert [seed.suite for seed in seeds] == ["tiny-1"], "the own seed is none of the others"
    shown, _ = Estimates(table, plan, seeds)._repr_mimebundle_()
    judged, _ = Verdicts({"fig11": (found, 1.0)}, "m", "t", seeds)._repr_mimebundle_()
    assert "mean of 2 seeds" in judged["text/markdown"]
    return shown["text/html"], judged["text/markdown"]


def test_of_code_as_it_was_nothing_is_said(kept):
    folder, plan = kept
    assert not any(word in said for said in show(folder, plan) for word in (CHANGED, SAME))


def test_code_that_changed_no_number_is_said_of_the_table_and_of_no_verdict(outdated):
    shown, judged = show(*outdated, TABLE.map(lambda pair: (pair[0] + pair[1] / 11, 9.0)), 3.09)
    assert f"Means of 2 seeds ± half of their 95 % interval ({SAME}):" in shown
    assert CHANGED not in shown and CHANGED not in judged and SAME not in judged


def test_a_verdict_whose_number_moved_says_that_code_has_changed(outdated):
    shown, judged = show(*outdated, found=3.11)
    assert f"| note | {CHANGED}tiny-1 |" in judged
    assert CHANGED not in shown


@pytest.mark.parametrize(("step", "pair"), [(0, (1.011, 0.1)), (4, (2.0001, 0.0))])
def test_a_table_with_a_number_that_moved_says_that_code_has_changed(outdated, step, pair):
    table = TABLE.copy()
    table.at["A (%)", step] = pair
    shown, judged = show(*outdated, table)
    assert f"({CHANGED}tiny-1)" in shown and SAME not in shown
    assert CHANGED not in judged


def test_numbers_that_no_other_seed_has_do_not_count(outdated):
    table = pd.concat([TABLE, TABLE.rename({"A (%)": "F (%)"})])
    shown, _ = show(*outdated, table)
    assert SAME in shown and CHANGED not in shown
    seeds = recall(outdated[1], "tiny", outdated[0])
    alone, _ = Estimates(table.loc[["F (%)"]], {}, seeds)._repr_mimebundle_()
    assert SAME not in alone["text/html"], "no number of another seed is shown"


def lose_rows(metadata: dict) -> None:
    metadata.get(ESTIMATES, {})["rows"] = {}
    metadata.get(READINGS, []).clear()


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: edit(path, lose_rows),
        lambda path: edit(path, lambda metadata: change_code(metadata, "a third")),
    ],
    ids=["not recorded", "numbers missing", "recorded by a third code"],
)
def test_numbers_that_cannot_be_compared_count_as_moved(outdated, change):
    change(outdated[0] / "tiny" / "page.ipynb")
    assert all(f"{CHANGED}tiny-1" in said for said in show(*outdated))


def test_the_own_record_of_today_does_not_vouch_for_older_seeds(outdated):
    folder, plan = outdated
    code = plans.describe_plan(plan)["code"][0]
    edit(folder / "tiny" / "page.ipynb", lambda metadata: change_code(metadata, code))
    assert all(f"{CHANGED}tiny-1" in said for said in show(folder, plan))


@pytest.mark.parametrize(
    ("now", "then", "same"),
    [
        ((1.0, 9.0), (1.0999, 1.0), True),
        ((1.0, 9.0), (1.1001, 1.0), False),
        ((1.0, 1.0), (1.0 + 9e-7, 0.0), True),
        ((1.0, 1.0), (1.0 + 2e-6, 0.0), False),
        ((1.0, 1.0), (1.0 + 9e-7, math.nan), True),
        ((1.0, 1.0), (1.0 + 2e-6, math.inf), False),
        ((0.0, 1.0), (0.0, 0.0), True),
        ((1.0, 1.0), (1.0 + 9e-7, 1e-7), False),
        ((math.nan, math.nan), (math.nan, math.nan), True),
        ((math.nan, 1.0), (1.0, 1.0), False),
        ((1.0, 1.0), (math.nan, 1.0), False),
    ],
)
def test_a_number_is_the_same_within_a_tenth_of_its_error(now, then, same):
    assert is_same(now, then) == same


def test_a_number_that_was_not_finite_is_read_as_none(outdated):
    """A record has null for it."""
    folder, plan = outdated
    path = folder / "tiny-1" / "page.ipynb"
    edit(path, lambda kept: kept.get(READINGS, [{}])[0].update(value=None))
    [seed] = recall(plan, "tiny", folder)
    assert math.isnan(seed.readings["fig11"][0])


@pytest.mark.parametrize("path", OWN_PAGES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", SUITES["tiny"].seeds)
def test_the_own_record_was_made_with_those_of_the_seeds(path, name):
    """Otherwise it could not say whether code that has changed since gives other numbers."""
    own, other = (
        [
            (table["configurations"], table["code"], table["columns"], [*table["rows"]])
            for table in collect_outputs(each, ESTIMATES)
        ]
        for each in (path, RECORDED / name / path.name)
    )
    assert own == other


def test_the_own_record_has_every_page_of_the_seeds():
    pages = {path.name for name in SUITES["tiny"].seeds for path in (RECORDED / name).iterdir()}
    assert {path.name for path in OWN_PAGES} == pages


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


def make_seed(name: str, value: float, order: bool = False) -> Seed:
    kept = {"A (%)": {"128": (value, 0.5), "256": (value + 1, 0.5)}}
    return Seed(name, {}, kept, False, order=order)


def test_a_table_shows_the_mean_of_the_seeds_and_keeps_its_own_numbers():
    table = pd.DataFrame({128: [(1.0, 0.25)], 256: [(2.0, 0.25)]}, index=["A (%)"])
    seeds = [make_seed("tiny-1", 2.0), make_seed("tiny-2", 6.0)]
    pooled = pool_table(table, seeds)
    assert pooled.loc["A (%)", 128] == pool([1.0, 2.0, 6.0])
    assert pooled.loc["A (%)", 256] == pool([2.0, 3.0, 7.0])
    shown, kept = Estimates(table, {}, seeds)._repr_mimebundle_()
    assert "3 seeds" in shown["text/html"] and "3.0 ± 6.6" in shown["text/plain"]
    assert kept["kent-estimates"]["rows"]["A (%)"] == [[1.0, 0.25], [2.0, 0.25]]


def test_orders_of_one_model_never_narrow_the_interval_of_one():
    """Two orders that agree to the digit share their paragraphs, and what these leave open."""
    table = pd.DataFrame({128: [(2.0, 0.25)], 256: [(2.0, 0.25)]}, index=["A (%)"])
    orders = [make_seed("smollm2-2", 2.0, order=True)]
    pooled = pool_table(table, orders)
    assert pooled.loc["A (%)", 128] == (2.0, 0.25)
    assert pooled.loc["A (%)", 256] == pool([2.0, 3.0], 0.25)
    assert pooled.loc["A (%)", 256][1] == pytest.approx(math.hypot(12.7062 * 0.25, 0.25), rel=1e-5)
    shown, _ = Estimates(table, {}, orders)._repr_mimebundle_()
    assert "Means of 2 orders of rows ±" in shown["text/plain"]


def test_a_verdict_on_orders_of_one_model_is_on_one_model():
    [order] = [Seed("smollm2-2", {"fig11": (4.0, 1.0)}, {}, False, order=True)]
    [row] = Verdicts({"fig11": (4.0, 1.0)}, "m", "t", [order], one_model=True).list_rows()
    pooled = {"values": [4.0, 4.0], "value": 4.0, "error": 1.0, "of": "orders of rows"}
    assert row["seeds"] == pooled and row["verdict"] == "agrees (one model)"
    beside_itself = Verdicts({"fig11": (0.0, 0.0)}, "m", "t", [order], one_model=True)
    [row] = beside_itself.list_rows()
    assert "seeds" not in row and row["verdict"] == "no value"


@pytest.mark.parametrize("name", ["smollm2", "tiny"])
def test_seeds_of_a_suite_that_the_book_did_not_pretrain_are_orders(name, tmp_path):
    plan = plans.sweep(name, **SMALL)
    suite = SUITES[name].seeds[0]
    write(tmp_path / suite, TABLE, plans.sweep(suite, **SMALL), (3.0, 1.0))
    [found] = recall(plan, name, tmp_path)
    assert found.order == (name == "smollm2")


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
    markdown = {"text/markdown": "w", "text/plain": "Verdicts(...)"}
    outputs = [
        {"data": data, "metadata": {"kent": []}},
        {"data": markdown, "metadata": {"kent": []}},
        {"data": data, "metadata": {"kent-narrow": "x"}},
        {"name": "stderr"},
    ]
    cells = [
        {"metadata": {"tags": ["parameters"]}, "outputs": [], "source": "checkpoints = 'tiny'"},
        {"metadata": {}, "outputs": outputs},
        {"metadata": {}, "source": "prose"},
        {"metadata": {}, "outputs": outputs[2:]},
    ]
    page = record.strip({"cells": cells, "metadata": {}})
    parameters, reading = page["cells"]
    assert parameters["source"] == "checkpoints = 'tiny'"
    kept = [{"text/plain": "z"}, {"text/markdown": "w"}]
    assert reading["outputs"] == [{"data": data, "metadata": {"kent": []}} for data in kept]
