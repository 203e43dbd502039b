"""The scorecard: a line for every claim, counts, a filter that works, files with the numbers."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from kent.pages import evidence, scorecard
from kent.pages.seeds import READINGS
from kent.paper import CLAIMS

ROOT = Path(__file__).parents[2]
SEEDS = {"values": [1.0, 3.0], "value": 2.0, "error": 0.5}
POOLED = {"claim": "fig04-acquisition", "suite": "tiny", "verdict": "disagrees at this scale"}
POOLED |= {"value": 1.0, "error": 0.1, "seeds": SEEDS, "model": "tiny", "text": "world"}
ALONE = {"claim": "fig02", "suite": "tiny", "verdict": evidence.ONE_SEED, "value": 0.5}
ALONE |= {"error": 0.1, "model": "tiny", "text": "world"}
ELSEWHERE = ALONE | {"suite": "olmo-1b", "verdict": "agrees (one model)", "value": -0.5}


def test_every_claim_has_a_line_in_the_papers_order_and_other_suites_add_theirs():
    lines = scorecard.line_up([POOLED, ELSEWHERE], ["tiny", "olmo-1b"])
    assert [line["claim"] for line in lines] == ["fig02", *CLAIMS]
    assert lines[:2] == [{"claim": "fig02", "suite": "tiny", "verdict": "not run"}, ELSEWHERE]


def test_what_is_recorded_of_other_suites_is_left_out_when_some_are_named(tmp_path):
    for row in (POOLED, ELSEWHERE):
        cells = [{"outputs": [{"metadata": {READINGS: [row]}}]}]
        (tmp_path / row["suite"]).mkdir()
        (tmp_path / row["suite"] / "page.ipynb").write_text(json.dumps({"cells": cells}))
    assert {row["suite"] for row in scorecard.collect_readings(tmp_path)} == {"tiny", "olmo-1b"}
    assert scorecard.collect_readings(tmp_path, ["olmo-1b"]) == [ELSEWHERE | {"page": "page"}]


def test_what_could_not_be_judged_is_not_counted():
    said = scorecard.count_verdicts([POOLED, ALONE, ELSEWHERE])
    assert said == (
        "Of 3 claims, **2 could be judged**: 1 *agrees*, 1 *disagrees at this scale*. "
        "Not counted: 1 *one seed (no verdict)*."
    )
    assert scorecard.count_verdicts([ALONE]).startswith("Of 1 claims, **0 could be judged**. Not")


def test_a_row_of_numbers_is_that_of_the_seeds_where_there_are_any():
    row = scorecard.flatten(POOLED)
    assert (row["value"], row["low"], row["high"], row["within"]) == (2.0, 1.0, 3.0, 0.1)
    assert row["seeds"] == [1.0, 3.0]
    alone = scorecard.flatten(ALONE)
    assert (alone["low"], alone["high"]) == pytest.approx((0.3, 0.7)) and alone["seeds"] == [0.5]


def test_a_correlation_keeps_its_own_interval():
    row = scorecard.flatten(ALONE | {"claim": "fig14", "value": 0.8, "error": 0.35})
    assert row["low"] == pytest.approx(0.1) and 0.8 < row["high"] < 1


def test_a_line_without_a_number_draws_nothing():
    [line] = scorecard.line_up([], ["tiny"])[:1]
    said = scorecard.list_claims([line])
    assert "not run" in said and "<svg" not in said and "–" in said


def test_a_claim_without_a_page_is_no_link(monkeypatch):
    monkeypatch.setitem(CLAIMS, "fig02", replace(CLAIMS["fig02"], page=None))
    assert ".ipynb" not in scorecard.list_claims([ALONE])


def test_details_are_escaped(monkeypatch):
    monkeypatch.setitem(CLAIMS, "fig02", replace(CLAIMS["fig02"], statistic="a < b & c"))
    assert "a &lt; b &amp; c" in scorecard.list_claims([ALONE])


def test_the_files_hold_every_line():
    lines = scorecard.line_up([POOLED, ALONE], ["tiny"])
    links = BeautifulSoup(scorecard.offer_files(lines), "html.parser").find_all("a")
    data = [base64.b64decode(link["href"].split(",", 1)[1]).decode() for link in links]
    table, rows = [*csv.DictReader(io.StringIO(data[0]))], json.loads(data[1])
    assert [each["claim"] for each in table] == [each["claim"] for each in rows] == [*CLAIMS]
    [row] = [each for each in rows if each["claim"] == "fig04-acquisition"]
    assert (row["value"], row["seeds"], row["verdict"]) == (2.0, [1.0, 3.0], POOLED["verdict"])
    assert [each["seeds"] for each in table if each["claim"] == "fig04-acquisition"] == ["1.0;3.0"]
    assert rows[-1]["value"] is None and table[-1]["value"] == ""


def test_the_filter_has_a_button_for_every_verdict_found():
    page = BeautifulSoup(scorecard.offer_filter([POOLED, ALONE, ELSEWHERE]), "html.parser")
    buttons = page.find_all("input")
    assert [each["id"] for each in buttons] == [
        "show-all",
        "show-agrees",
        "show-disagrees",
        "show-oneseed",
    ]
    assert [each["id"] for each in buttons if each.has_attr("checked")] == ["show-all"]
    assert page.find("legend") and len(page.find_all("label")) == 4


@pytest.mark.parametrize(("word", "slug"), evidence.SLUGS.items())
def test_a_verdict_has_a_definition_and_its_button_a_rule(word, slug):
    glossary = (ROOT / "book/glossary.md").read_text("utf8")
    assert re.search(rf"(?m)^{re.escape(word)}\n: \w", glossary)
    style = (ROOT / "book/_static/scorecard.css").read_text("utf8")
    assert f"body:has(#show-{slug}:checked) .scorecard > li:not(.is-{slug})" in style


def test_a_chip_says_the_verdict():
    said = evidence.chip("agrees (one model)")
    assert said == '<span class="chip chip-agrees">agrees (one model)</span>'


def test_a_number_is_found_in_an_executed_page(tmp_path):
    kept = {"kent-estimates": {"columns": ["A (%)"], "rows": {"q = 1": [[1.5, 0.25]]}}}
    page = tmp_path / "page.ipynb"
    assert scorecard.recall_estimate(page, "q = 1", "A (%)") == "not run"
    page.write_text(json.dumps({"cells": [{"outputs": [{"metadata": kept}]}]}))
    assert scorecard.recall_estimate(page, "q = 1", "A (%)") == "+1.50 ± 0.50"
    with pytest.raises(ValueError, match="no number for 'q = 2'"):
        scorecard.recall_estimate(page, "q = 2", "A (%)")
