"""Rises of entities in documents read and not read, by hand; a word only where it is earned."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from kent.measure.familiarity import Familiarity
from kent.pages import entities
from kent.pages.entities import BESIDE, FACTS, GAIN
from kent.pages.evidence import ONE_SEED
from kent.pages.gates import NOT_ACQUIRED
from kent.pages.plots.entities import plot_rises
from kent.pages.seeds import Seed
from kent.runs import model_plans

SHARES = [1.0, 1.0, 0.5, 0.0, 0.0]


def make_rises(orders: int = 1, **gains: list[float]) -> pd.DataFrame:
    parts = [{"order": order, "share": SHARES, **gains} for order in range(orders)]
    return pd.concat(map(pd.DataFrame, parts), ignore_index=True)


def test_the_gain_is_what_documents_read_whole_rise_more_than_those_not_read():
    rises = make_rises(unchanged=[0.5, 0.7, 9.0, 0.1, 0.2], edited=[0.6, 1.0, 9.0, 0.1, 0.4])
    table = entities.tabulate_rises(rises, {"unchanged": (2.0, 0.1), "edited": (3.0, 0.1)})
    value, error = table.loc[GAIN, "unchanged"]
    assert value == pytest.approx(0.6 - 0.15)
    assert error == pytest.approx(np.sqrt((0.02 + 0.005) / 2))  # variances over two documents each
    value, error = table.loc[BESIDE, "edited"]
    assert value == pytest.approx(0.2 - 0.1)
    assert error == pytest.approx(np.sqrt((0.02 + 0.02) / 2))
    assert table.loc[BESIDE, "unchanged"] == (0.0, 0.0)
    assert table.loc["read in part, rise (nats)", "edited"][0] == 9.0
    assert table.loc[FACTS, "edited"] == (3.0, 0.1)
    assert not [row for row in table.index if row.startswith("order")]


def test_a_second_order_makes_no_interval_narrower():
    rises = make_rises(2, unchanged=[0.5, 0.7, 9.0, 0.1, 0.2])
    rises.loc[rises["order"] == 1, "unchanged"] += [0.2, 0.2, 0, 0, 0]
    one = entities.tabulate_rises(make_rises(unchanged=[0.5, 0.7, 9.0, 0.1, 0.2]), {})
    two = entities.tabulate_rises(rises, {})
    (first, error), (both, same) = (table.loc[GAIN, "unchanged"] for table in (one, two))
    assert (both, same) == pytest.approx((first + 0.1, error))
    assert two.loc[f"order 1, {GAIN}", "unchanged"][0] == pytest.approx(first + 0.2)
    assert entities.count_groups(rises).to_numpy().tolist() == [[2, 1, 2]] * 2


def test_fictional_facts_count_from_the_unchanged_model_and_net_of_the_control(learn):
    unchanged, edited = learn(0), learn(0, knowledge=((-9, -9), (-2, -2)))
    results = {"unchanged, learning": [unchanged] * 2, "edited, learning": [unchanged, edited]}
    facts = entities.measure_facts({label: [] for label in results}, results)
    assert facts["unchanged"][0] == pytest.approx(1.5 - 0.75)
    assert facts["edited"][0] == pytest.approx((1.5 + 2.0) / 2 - 0.75)


def test_too_few_documents_are_refused():
    rises = make_rises(unchanged=[1.0] * 5)
    with pytest.raises(ValueError, match="2 of 4 documents were read whole, 1 not at all"):
        entities.tabulate_rises(rises[:4], {})


def make_table(gain: float, beside: float) -> pd.DataFrame:
    rows = {GAIN: [(gain, 0.1), (gain + beside, 0.1)], BESIDE: [(0.0, 0.0), (beside, 0.1)]}
    return pd.DataFrame(rows, index=["unchanged", "edited"]).T


@pytest.mark.parametrize(
    ("gain", "beside", "one_model", "word"),
    [
        (1.0, 0.5, True, "more"),
        (1.0, -0.5, True, "less"),
        (1.0, 0.15, True, "too small to tell"),
        (1.0, 0.5, False, ONE_SEED),
        (-1.0, 0.5, True, NOT_ACQUIRED),
    ],
)
def test_a_word_stands_where_it_is_earned(gain, beside, one_model, word):
    judged = entities.judge_rises(make_table(gain, beside), one_model=one_model)
    assert judged.iloc[:, -1].tolist() == ["", word]


def test_recorded_seeds_are_judged_together():
    kept = {BESIDE: {"edited": (0.5, 0.1)}, GAIN: {"edited": (1.5, 0.1), "unchanged": (1.0, 0.1)}}
    judged = entities.judge_rises(make_table(1.0, 0.5), [Seed("tiny-1", {}, kept, False)])
    assert judged.loc["edited"].iloc[-1] == "more"


def test_rises_are_collected_over_both_texts_and_a_text_counts_once(micro, monkeypatch, tmp_path):
    files = {"read": ["Ada sat.", "Bob ran.", "Cy hid."], "unread": ["Di won.", "Bob ran."]}
    for name, texts in files.items():
        lines = [json.dumps({"text": text, "entities": [[0, 2]]}) for text in texts]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    paths = {name: str(tmp_path / f"{name}.jsonl") for name in files}
    settings = {"corpus": "world", "length": 16, "limit": 4, "documents": 2, "q": [2.0]}
    recipe = {"corpus": paths["read"], "steps": 10}
    taught = {"recipe": recipe, "orders": [1, 2], "controls": []}
    plan = model_plans.learn_entities("tiny", **paths, **settings, **taught)
    assert entities.list_models(plan) == ["unchanged", "resuscitate, q = 2"]
    results = {
        name: [make_familiarity(3.0 - order - ("q" in name) / 2) for order, _ in enumerate(runs)]
        for name, runs in plan.items()
    }
    results |= {"read": [make_familiarity(4.0)], "unread": [make_familiarity(4.0)]}
    shares = {plan["unchanged, learning"][0].path: [1.0, 1.0, 0.0, 1.0]}
    asked = []

    def measure(run, documents):
        asked.append([document.text for document in documents])
        return torch.tensor(shares.get(run.path, [0.0, 1.0, 0.0, 1.0]), dtype=torch.float64)

    monkeypatch.setattr(entities, "measure_exposure", measure)
    rises = entities.collect_rises(plan, results)
    assert asked == [["Ada sat.", "Bob ran.", "Di won.", "Bob ran."]] * 2
    assert rises["share"].tolist() == [1, 1, 0, 0, 1, 0]
    assert rises["unchanged"].tolist() == [1.0] * 3 + [2.0] * 3
    assert rises["resuscitate, q = 2"].tolist() == [1.5] * 3 + [2.5] * 3


def make_familiarity(surprisal: float) -> Familiarity:
    found = torch.tensor([surprisal, surprisal], dtype=torch.float64)
    return Familiarity(found.exp(), torch.ones(2).long(), found, torch.arange(2), {"documents": 2})


def test_the_figure_has_a_panel_for_each_difference_and_the_groups_together():
    rises = make_rises(unchanged=[0.5, 0.7, 9.0, 0.1, 0.2], edited=[0.6, 1.0, 9.0, 0.1, 0.4])
    table = entities.tabulate_rises(rises, {"unchanged": (2.0, 0.1), "edited": (3.0, 0.1)})
    first, *others = plot_rises(table).figure.axes
    assert len(first.containers) == 3 and [len(axes.containers) for axes in others] == [1, 1, 1]
    drawn = [axes.containers[0].lines[0].get_ydata().tolist() for axes in others]
    assert drawn == [[table.loc[row, x][0] for x in table] for row in (GAIN, BESIDE, FACTS)]
    assert [each.get_text() for each in others[0].get_xticklabels()] == ["unchanged", "edited"]
