"""Readings: the verdict follows from the statistic, travels in the executed page, and arrives in
the scorecard."""

import json
import math
import re
from dataclasses import replace

import pytest
import torch

from kent.measure.profiles import Profile
from kent.pages import correlations, evidence, gates, page, scorecard
from kent.pages.seeds import Seed
from kent.paper import CLAIMS


def make_profile(step: int | None, slope: float, layers: int = 3, blocks: int = 8) -> Profile:
    """Coefficients that fall off over 32 neurons, the faster the larger `slope`, with some noise
    over the blocks."""
    noise = torch.rand(blocks, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = (1 + 0.05 * noise) * torch.exp(-slope * torch.arange(32, dtype=torch.float64))
    return Profile(
        sizes=torch.full((blocks,), 4),
        coefficient_blocks=[means * (layer + 1) for layer in range(layers)],
        vector_norms=[torch.ones(32, dtype=torch.float64)] * layers,
        provenance={
            "revision": {"step": step, "repository": "here"},
            "architecture": "Toy",
            "corpus": {"kind": "texts"},
        },
    )


def test_the_change_runs_from_16_percent_to_the_end():
    profiles = [
        make_profile(step, slope) for step, slope in [(0, 0.0), (16, 0.1), (50, 0.5), (100, 0.2)]
    ]
    change, error = evidence.measure_change(profiles)
    assert change == pytest.approx(profiles[3].knowledge_entropy - profiles[1].knowledge_entropy)
    assert 0 < error < abs(change)


def test_the_last_layer_against_the_others():
    early, late = make_profile(1, 0.1), make_profile(2, 0.1)
    late.coefficient_blocks[-1] = make_profile(2, 0.4).coefficient_blocks[-1]
    changes, _ = late.change_by_layer(early)
    value, error = evidence.compare_last_layer(late, early)
    assert value == pytest.approx((changes[-1] - changes[:-1].mean()).item())
    assert value < -2 * error < 0
    assert evidence.compare_last_layer(
        make_profile(2, 0.1, layers=1), make_profile(1, 0.2, layers=1)
    ) == (0, 0)


@pytest.mark.parametrize(
    ("measure", "change", "error", "direction"),
    [
        ("knowledge", 0.5, 0.1, "more even"),
        ("knowledge", -0.5, 0.1, "more uneven"),
        ("Gini", 0.5, 0.1, "more uneven"),
        ("Gini", -0.5, 0.1, "more even"),
        ("knowledge", 0.1, 0.1, "too small to tell"),
        ("Gini", 0.1, math.nan, "too small to tell"),
    ],
)
def test_what_a_change_says_of_evenness(measure, change, error, direction):
    assert evidence.name_direction(measure, change, error) == direction


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(-0.5, "agrees"), (0.5, "disagrees at this scale"), (0.15, "too small to tell")],
)
def test_a_reading_travels_in_the_page_and_arrives_in_the_scorecard(tmp_path, value, verdict):
    verdict += " (one model)"
    reading = page.judge({"fig02": (value, 0.1)}, [make_profile(1, 0.1)])
    shown, kept = reading._repr_mimebundle_()
    said = shown["text/markdown"]
    assert f"**{verdict}**" in said and f"{value:+.2f} ± 0.20 nats".replace("-", "−") in said
    cells = [{"outputs": [{"data": shown, "metadata": kept}]}, {"outputs": [{}]}, {}]
    (tmp_path / "tiny").mkdir()
    executed = {"metadata": {}, "cells": cells}
    (tmp_path / "tiny" / "fig02_knowledge_entropy.ipynb").write_text(json.dumps(executed))
    (row,) = scorecard.collect_readings(tmp_path.glob("*/*.ipynb"))
    name = "fig02_knowledge_entropy"
    assert (row["suite"], row["page"], row["verdict"]) == ("tiny", name, verdict)
    [line] = scorecard.list_claims([row]).split("</li>")[:-1]
    assert verdict in line and f"({name}.ipynb)" in line and "figure 2, section 3.2" in line


SEED = Seed("tiny-1", {"fig02": (-0.5, 0.1), "fig06": (-0.5, 0.1)}, {}, False)


@pytest.mark.parametrize(
    ("found", "settings", "verdict"),
    [
        ((-0.5, 0.1), {}, "one seed (no verdict)"),
        ((-0.5, 0.1), {"one_model": True}, "agrees (one model)"),
        ((-0.5, 0.1), {"seeds": [SEED]}, "agrees"),
        ((0.5, 0.1), {"seeds": [SEED]}, "too small to tell"),
        ((-0.5, 0.1), {"gates": {"fig06": gates.FLOOR}}, "one seed (no verdict)"),
        ((-0.5, 0.1), {"seeds": [SEED], "gates": {"fig02": gates.FLOOR}}, gates.FLOOR),
        ((math.nan, 0.1), {"seeds": [SEED]}, "no value"),
        ((0.0, 0.0), {"one_model": True}, "no value"),
        ((0.0, 0.0), {"one_model": True, "gates": {"fig02": gates.NO_FALL}}, "no value"),
    ],
)
def test_a_verdict_needs_seeds_and_its_preconditions(found, settings, verdict):
    [row] = evidence.Verdicts({"fig02": found}, "m", "t", **settings).list_rows()
    assert row["verdict"] == verdict
    assert verdict.removesuffix(evidence.ONE_MODEL) in evidence.SLUGS


def test_a_checkpoint_compared_with_itself_has_no_value():
    alone = make_profile(None, 0.1)
    change = evidence.measure_change([alone])
    last = evidence.compare_last_layer(alone, alone)
    reading = page.judge({"fig02": change, "fig08-last": last}, [alone])
    assert [row["verdict"] for row in reading.list_rows()] == ["no value", "no value"]


def test_a_model_of_the_suites_pretrained_on_the_spot_has_other_seeds():
    (ours := make_profile(1, 0.1)).provenance["revision"]["repository"] = "tiny"
    [row] = page.judge({"fig02": (-0.5, 0.1)}, [ours]).list_rows()
    assert row["verdict"] == "one seed (no verdict)"


UNITS = ("nats", "%", "points", "points per unit of q", "r", "")


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_every_claim_is_whole(claim):
    assert claim.sign in (-1, 1) and claim.unit in UNITS


def test_a_bar_in_a_statistic_is_no_column(monkeypatch):
    monkeypatch.setitem(CLAIMS, "fig02", replace(CLAIMS["fig02"], statistic="mean of |H|"))
    shown, _ = evidence.Verdicts({"fig02": (1.0, 0.1)}, "m", "t")._repr_mimebundle_()
    table = shown["text/markdown"]
    assert r"\|H\|" in table
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} == {3}


@pytest.mark.parametrize("y", [[1.0, 3.0, 2.0, 5.0, 4.0], [4.0, 5.0, 2.0, 3.0, 1.0]])
def test_a_correlation_is_said_with_its_interval(y):
    x = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = correlations.correlate(x, y)
    said = evidence.format_statistic(CLAIMS["fig14"], *found)
    assert said == correlations.format_correlation(*found)
