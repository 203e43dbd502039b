"""Which number predicts learning: what is read from records, and scores by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from kent.models.suites import KEPT
from kent.pages import predictors
from kent.pages.plots.predictors import plot_scores
from kent.pages.predictors import CHANGES, LOSS, LOST, RATE, STAGES, STEP
from kent.pages.seeds import ESTIMATES, RECORDED, pool
from kent.pages.summaries import ENTROPY, NET


def write(path, columns: list[str], rows: dict[str, list[float]]) -> None:
    """A recorded page with one table of values, without errors."""
    kept = {name: [[value, 0.0] for value in values] for name, values in rows.items()}
    outputs = [{"metadata": {ESTIMATES: {"columns": columns, "rows": kept}}}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [{"outputs": outputs}]}))


def test_a_model_is_a_row_of_what_pages_recorded_of_it(tmp_path):
    folder = tmp_path / "pages"
    write(folder / "small/fig04_acquisition_and_forgetting.ipynb", ["8000"], {NET: [1.0]})
    write(
        folder / "small/fig02_knowledge_entropy.ipynb",
        ["0", "8000", "8000, shuffled"],
        {"H (nats)": [5.0, 4.0, 3.0]},
    )
    changed = {"as they are, q = 1": [2.0, 3.0], "minus unchanged, q = 1": [9.0, 9.0]}
    write(folder / "small/entropy_or_not.ipynb", [NET, LOSS], changed)
    write(folder / "smollm2-longer/entropy_or_not.ipynb", [NET, LOSS], changed)
    write(folder / "smollm2/entropy_or_not.ipynb", [NET, LOSS], changed)
    models = predictors.collect_models(folder)
    assert [*models.index] == [
        (STAGES, "small", "8000"),
        (CHANGES, "small", "q = 1"),
        (CHANGES, "smollm2", "q = 1"),
    ], "one model in two orders is one suite"
    stage, changed, _ = models.iloc
    assert (stage[NET], stage[ENTROPY], stage[STEP]) == (1.0, 4.0, 8000.0)
    assert stage[RATE] == KEPT["small"].follow_rate(8000) and np.isnan(stage[LOST])
    assert (changed[NET], changed[LOSS]) == (2.0, 3.0) and np.isnan(changed[STEP])


def test_what_is_kept_to_be_shown_is_the_own_suite_s(tmp_path):
    branches = ["at the fork", "cosine", "constant", "decayed"]
    row = {f"fresh start, {NET}": [1.0, 2.0, 3.0, 4.0]}
    write(tmp_path / "book/forks.ipynb", branches, row)
    (tmp_path / "pages/tiny").mkdir(parents=True)
    write(tmp_path / "pages/tiny-1/forks.ipynb", branches, row)
    models = predictors.collect_models(tmp_path / "pages")
    assert [*models.loc[predictors.ENDINGS].index.unique("suite")] == ["tiny", "tiny-1"]
    assert [*models.loc[(predictors.ENDINGS, "tiny")][NET]] == [1.0, 2.0, 3.0, 4.0]


@pytest.fixture
def models():
    """Three suites of five models: one number orders two of them, and the third the other way."""
    ways = {"tiny": 1, "tiny-1": 1, "tiny-2": -1}
    rows = {
        (CHANGES, suite, str(place)): {NET: float(way * place), ENTROPY: float(place), LOSS: 1.0}
        for suite, way in ways.items()
        for place in range(5)
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index.names = ["group", "suite", "model"]
    return frame.reindex(columns=[NET, LOST, predictors.RISE, ENTROPY, LOSS])


def test_a_score_has_the_sign_of_the_other_suites(models):
    scores = predictors.score_predictors(models, CHANGES, NET)
    # the others' mean is 0, 0 and 1: no order is expected of the first two, the wrong of the third
    assert scores.loc[ENTROPY].to_list() == pytest.approx([0, 0, -1])
    assert LOSS not in scores.index, "it never changes"
    alike = models.drop("tiny-2", level="suite")
    assert predictors.score_predictors(alike, CHANGES, NET).loc[ENTROPY].to_list() == pytest.approx(
        [1, 1]
    )


def test_suites_with_few_models_and_groups_without_any_have_no_score(models):
    few = models.drop([str(place) for place in range(3)], level="model")
    assert predictors.score_predictors(few, CHANGES, NET).empty
    for group, target in ((STAGES, NET), (CHANGES, LOST)):
        empty = predictors.score_predictors(models, group, target)
        assert empty.empty and predictors.pool_scores(empty) == {}
    one = models.loc[[CHANGES], ["tiny"], :]
    assert predictors.score_predictors(one, CHANGES, NET).empty, "no other suite has a sign"


def test_scores_are_pooled_over_suites_best_first():
    scores = pd.DataFrame(
        {"tiny": {"a": 0.1, "b": 0.9, "c": 1.0}, "tiny-1": {"a": 0.3, "b": 0.92, "c": np.nan}}
    )
    pooled = predictors.pool_scores(scores)
    assert [*pooled] == ["b", "a"] and pooled["a"] == pool([0.1, 0.3])
    assert predictors.find_best(pooled) == ["b"]
    drawn = plot_scores({(CHANGES, NET): scores}).figure
    [axes] = drawn.axes
    assert [each.get_text() for each in axes.get_yticklabels()] == ["b", "a"]
    assert [line.lines[0].get_xdata()[0] for line in axes.containers] == pytest.approx([0.91, 0.2])


def test_the_book_s_own_records_give_every_seed_its_stages():
    models = predictors.collect_models(RECORDED)
    stages = models.loc[STAGES].groupby("suite").size()
    assert {*stages[stages >= predictors.FEWEST].index} >= {"tiny", "tiny-1", "tiny-2", "tiny-3"}
