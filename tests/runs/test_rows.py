"""The rows of a run: shares of corpora, spread evenly, in the order of a seed."""

import pytest
import torch
from sizes import LESSON, TEXT

from kent.runs import definitions, rows

SHAPE = {"corpus": "a", "batch": 4, "steps": 10}


def name_rows(config: dict) -> list[str]:
    """The corpus of each row of the run, in its order."""
    named = {}
    for source, places in zip(rows.list_sources(config), rows.place_rows(config), strict=True):
        named |= dict.fromkeys(places.tolist(), source)
    return [named[place] for place in range(config["batch"] * config["steps"])]


def test_without_a_mixture_rows_are_those_of_the_corpus_in_its_order():
    [places] = rows.place_rows(SHAPE)
    assert places.tolist() == [*range(40)]


def test_an_order_shuffles_rows_as_recorded_runs_have_it():
    [places] = rows.place_rows(SHAPE | {"order": 7})
    order = torch.randperm(40, generator=torch.Generator().manual_seed(7))
    given = torch.arange(80).view(40, 2)
    assert torch.equal(rows.arrange_rows(SHAPE | {"order": 7}, [given]), given[order])
    assert torch.equal(order[places], torch.arange(40))


@pytest.mark.parametrize("order", [None, 1])
def test_every_corpus_has_its_share_and_every_place_one_row(order):
    config = SHAPE | {"mix": {"b": 0.5, "c": 0.1}} | ({} if order is None else {"order": order})
    named = name_rows(config)
    assert [named.count(name) for name in "abc"] == [16, 20, 4]
    if order is None:
        assert all(named[start : start + 10].count("b") == 5 for start in range(0, 40, 10))
        assert all(named[start : start + 10].count("c") == 1 for start in range(0, 40, 10))


def test_rows_of_a_corpus_keep_its_order_in_a_mixture():
    config = SHAPE | {"mix": {"b": 0.25}}
    parts = [torch.arange(30)[:, None], 100 + torch.arange(10)[:, None]]
    run = rows.arrange_rows(config, parts).flatten()
    assert run[run < 100].tolist() == [*range(30)] and run[run >= 100].tolist() == [
        *range(100, 110)
    ]


@pytest.mark.parametrize(("mix", "lost"), [({"b": 0.999}, "a"), ({"b": 0.6, "c": 0.6}, "a")])
def test_shares_that_leave_a_corpus_no_row_are_refused(micro, mix, lost):
    with pytest.raises(ValueError, match=f"of 40 rows none is left for '{lost}'"):
        rows.place_rows(SHAPE | {"mix": mix})
    with pytest.raises(ValueError, match=r"of 20 rows none is left for"):
        definitions.plan_learning("tiny", 4, **LESSON, mix={"world": 0.001})
    with pytest.raises(ValueError, match="mix must be"):
        definitions.plan_learning("tiny", 4, **LESSON, mix={"world": 1.5})


def test_a_mixture_is_another_run_and_none_is_the_run_that_it_was(micro):
    plain = definitions.plan_learning("tiny", 4, **LESSON)
    assert definitions.plan_learning("tiny", 4, **LESSON, mix={}).path == plain.path
    mixed = definitions.plan_learning("tiny", 4, **LESSON, mix={"world": 0.5})
    assert mixed.path != plain.path and mixed.config["mix"] == {"world": 0.5}
    assert "mix" not in plain.config and "mix" not in plain.decisive
    other = definitions.plan_learning("tiny", 4, **LESSON, mix={str(TEXT): 0.5})
    assert other.path != mixed.path
    assert definitions.from_config(mixed.config).path == mixed.path
