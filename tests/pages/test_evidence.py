"""Readings: the verdict follows from the statistic, travels in the executed page, and arrives in
the scorecard."""

import json
import math
import re
from dataclasses import replace

import pytest
import torch

from kent.measure.profiles import Profile
from kent.pages import evidence, page
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


def test_checkpoints_without_steps_are_counted():
    assert evidence.label_steps([make_profile(None, 0.1), make_profile(None, 0.2)]) == [0, 1]


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
    reading = page.read({"fig02": (value, 0.1)}, [make_profile(1, 0.1)])
    shown, kept = reading._repr_mimebundle_()
    assert (
        verdict in shown["text/markdown"]
        and f"{value:+.2f} ± 0.20 nats".replace("-", "−") in shown["text/markdown"]
    )
    cells = [
        {"outputs": [{"data": shown, "metadata": kept}]},
        {"outputs": [{"output_type": "stream"}]},
        {},
    ]
    (tmp_path / "tiny").mkdir()
    executed = {"metadata": {}, "cells": cells}
    (tmp_path / "tiny" / "fig02_knowledge_entropy.ipynb").write_text(json.dumps(executed))
    (row,) = evidence.collect_readings(tmp_path)
    assert (row["suite"], row["page"], row["verdict"]) == (
        "tiny",
        "fig02_knowledge_entropy",
        verdict,
    )
    table = evidence.tabulate_verdicts([row], ["tiny", "olmo-1b"]).splitlines()
    line = next(line for line in table if "figure 2, section 3.2" in line)
    assert line.endswith(f"| {verdict} | not run |")
    assert "fig02_knowledge_entropy.ipynb" in line
    assert verdict in evidence.tabulate_readings([row])
    seeds = {"values": [1, 2], "value": 1.5, "error": 0.5, "verdict": "too small to tell"}
    pooled = evidence.tabulate_verdicts([row | {"seeds": seeds}], ["tiny"])
    assert ("; over 2 seeds: too small to tell |" in pooled) == (verdict != "too small to tell")


def test_every_claim_is_whole_and_says_when_it_has_no_page():
    table = evidence.tabulate_verdicts([], ["tiny"]).splitlines()[2:]
    assert len(table) == len(CLAIMS)
    for claim, line in zip(CLAIMS.values(), table, strict=True):
        assert claim.sign in (-1, 1) and claim.unit in (
            "nats",
            "%",
            "points",
            "points per unit of q",
            "",
        )
        assert line.endswith("| not run |") and ("no page yet" in line) == (claim.page is None)
    assert len(evidence.tabulate_settings().splitlines()) == len(CLAIMS) + 2


def test_a_bar_in_a_statistic_is_no_column(monkeypatch):
    monkeypatch.setitem(CLAIMS, "fig02", replace(CLAIMS["fig02"], statistic="mean of |H|"))
    shown, _ = evidence.Reading({"fig02": (1.0, 0.1)}, "m", "t")._repr_mimebundle_()
    for table, columns in ((evidence.tabulate_settings(), 5), (shown["text/markdown"], 2)):
        assert r"\|H\|" in table
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} == {columns + 1}
