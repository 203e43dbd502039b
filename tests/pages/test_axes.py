"""Checkpoints stand at their steps, at their tokens where steps do not compare, else in order."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
import torch

from kent.measure.profiles import Profile
from kent.pages import axes, evidence

OLMO_2, MARIN = "allenai/OLMo-2-0425-1B", "marin-community/marin-8b-base"


def make_profile(**revision) -> Profile:
    return Profile(torch.ones(2).long(), provenance={"revision": {"step": None} | revision})


def read(branch: str, step: int | None = None, tokens: int | None = None) -> Mapping:
    return {"repository": OLMO_2, "branch": branch, "step": step, "tokens": tokens}


FIRST = read("stage1-step1000-tokens3B", 1000, 3 * 10**9)
LATER = read("stage2-ingredient1-step1000-tokens3B", 1000, 6 * 10**9)
OTHER = read("stage2-ingredient2-step1000-tokens3B", 1000, 6 * 10**9)
PHASES = [{"repository": MARIN, "branch": name} for name in ("kestrel", "ocelot")]


@pytest.mark.parametrize(
    ("revisions", "axis", "columns"),
    [
        ([{"step": 0}, {"step": 8}], axes.STEP, [0, 8]),
        ([FIRST, read("stage1-step2000-tokens6B", 2000)], axes.STEP, [1000, 2000]),
        ([FIRST, read("step2000", 2000)], axes.STEP, [1000, 2000]),  # of the first stage
        ([FIRST, LATER], axes.TOKENS, [3 * 10**9, 6 * 10**9]),
        ([LATER, OTHER], axes.PLACE, [LATER["branch"], OTHER["branch"]]),
        ([FIRST, read("stage2-step2000", 2000)], axes.PLACE, [FIRST["branch"], "stage2-step2000"]),
        ([read("1b_tokens", None, 10**9), FIRST], axes.TOKENS, [10**9, 3 * 10**9]),
        (PHASES, axes.PLACE, ["kestrel", "ocelot"]),
        ([PHASES[0], {"branch": None}], axes.PLACE, [0, 1]),
        ([{"step": 8, "branch": "step8"}, {"step": 8, "branch": "step8"}], axes.PLACE, [0, 1]),
        ([{}, {}], axes.PLACE, [0, 1]),
    ],
)
def test_the_axis_is_what_compares(revisions, axis, columns):
    profiles = [make_profile(**each) for each in revisions]
    assert (axes.name_axis(profiles), axes.label_checkpoints(profiles)) == (axis, columns)


def test_a_record_that_does_not_say_tokens_is_of_the_same_checkpoint():
    old = {key: value for key, value in FIRST.items() if key != "tokens"}
    assert [*axes.place_checkpoints([make_profile(**old), make_profile(**FIRST)])] == [1000]


def test_stages_of_the_paper_are_found_by_tokens_too():
    branches = {"240b_tokens": 240, "500b_tokens": 500, "1000b_tokens": 1000}
    profiles = [make_profile(**read(name, None, count)) for name, count in branches.items()]
    assert evidence.pick_results(profiles)["369k"] is profiles[1]


def test_progress_is_the_logarithm_of_what_compares_or_the_place():
    steps = pd.Index([0, 1, 8])
    assert axes.measure_progress(steps).tolist() == [0, 0, np.log(8)]
    tokens = pd.Index([0, 10**9, 8 * 10**9], name=axes.TOKENS)
    found = axes.measure_progress(tokens) - np.log(1e9)
    assert found == pytest.approx([0, 0, np.log(8)])
    for places in (["kestrel", "ocelot"], [0, 1]):
        assert axes.measure_progress(pd.Index(places, name=axes.PLACE)).tolist() == [0, 1]
