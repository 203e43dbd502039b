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

from kent.models.suites import SUITES
from kent.pages import evidence, scorecard, seeds
from kent.pages.seeds import READINGS
from kent.paper import CLAIMS

ROOT = Path(__file__).parents[2]
SEEDS = {"values": [1.0, 3.0], "value": 2.0, "error": 0.5}
POOLED = {"claim": "fig04-acquisition", "suite": "tiny", "verdict": "disagrees at this scale"}
POOLED |= {"value": 1.0, "error": 0.1, "seeds": SEEDS, "model": "tiny", "text": "world"}
ALONE = {"claim": "fig02", "suite": "tiny", "verdict": evidence.ONE_SEED, "value": 0.5}
ALONE |= {"error": 0.1, "model": "tiny", "text": "world"}
ELSEWHERE = ALONE | {"suite": "olmo-1b", "verdict": "agrees (one model)", "value": -0.5}
REAL = ELSEWHERE | {"suite": "smollm2"}


def test_every_claim_has_a_line_in_the_papers_order_and_other_suites_add_theirs():
    lines = scorecard.line_up([POOLED, ELSEWHERE])
    assert [line["claim"] for line in lines] == ["fig02", *CLAIMS]
    assert lines[:2] == [{"claim": "fig02", "suite": "tiny", "verdict": "not run"}, ELSEWHERE]


def write(folder: Path, row: dict) -> Path:
    """An executed page with one verdict."""
    path = folder / row["suite"] / f"{CLAIMS[row['claim']].page}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"cells": [{"outputs": [{"metadata": {READINGS: [row]}}]}]}))
    return path


def test_what_is_shown_was_built_here_or_is_recorded_of_another_model(tmp_path):
    built, recorded = tmp_path / "built", tmp_path / "recorded"
    shown = [write(built, POOLED), write(built, ALONE | {"suite": "pythia"})]
    shown += [write(recorded, REAL)]
    for suite in ("tiny-1", "smollm2-2"):
        write(built, ALONE | {"suite": suite})
    for suite in ("tiny", "tiny-1", "smollm2-2"):
        write(recorded, ALONE | {"suite": suite})
    assert sorted(scorecard.list_pages(built, recorded)) == sorted(shown)
    rows = scorecard.collect_readings(scorecard.list_pages(built, recorded))
    assert {row["suite"]: row["page"] for row in rows}["smollm2"] == CLAIMS["fig02"].page


def test_a_line_of_another_model_names_it_and_leads_to_its_record(monkeypatch, tmp_path):
    monkeypatch.setattr(scorecard, "RECORDED", tmp_path)
    own = "knowledge_entropy.ipynb)"
    assert f"](fig02_{own} (on SmolLM2-135M)" in scorecard.list_claims([REAL]), "no record yet"
    write(tmp_path, REAL)
    write(tmp_path, ALONE)
    page = f"](../results/pages/smollm2/fig02_{own} (on SmolLM2-135M)"
    assert page in scorecard.list_claims([REAL])
    assert f"](fig02_{own}" in scorecard.list_claims([ALONE])
    assert " (on " not in scorecard.list_claims([ALONE])


def test_lines_are_counted_by_model():
    said = scorecard.count_by_suite([POOLED, ALONE, REAL])
    assert said["tiny"].startswith("Of 2 claims, **1 could be judged**")
    judged = "of 1 claims, **1 could be judged**: 1 *agrees*."
    assert said["smollm2"] == f"SmolLM2-135M ({SUITES['smollm2'].differs}): {judged}"
    assert scorecard.describe_model("olmo-1b") == "olmo-1b"


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
    [line] = scorecard.line_up([])[:1]
    said = scorecard.list_claims([line])
    assert "not run" in said and "<svg" not in said and "–" in said


def test_a_claim_without_a_page_is_no_link(monkeypatch):
    monkeypatch.setitem(CLAIMS, "fig02", replace(CLAIMS["fig02"], page=None))
    assert ".ipynb" not in scorecard.list_claims([ALONE])


def test_details_are_escaped(monkeypatch):
    monkeypatch.setitem(CLAIMS, "fig02", replace(CLAIMS["fig02"], statistic="a < b & c"))
    assert "a &lt; b &amp; c" in scorecard.list_claims([ALONE])


def test_the_files_hold_every_line():
    lines = scorecard.line_up([POOLED, ALONE])
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


def test_a_number_is_that_of_the_seeds_together(tmp_path):
    runs = {"configurations": [{"limit": 4}], "code": ["a"]}
    for suite, value in (("smollm2", 1.0), ("smollm2-2", 3.0)):
        table = runs | {"columns": ["A (%)"], "rows": {"q = 1": [[value, 0.25]]}}
        page = tmp_path / suite / "page.ipynb"
        page.parent.mkdir()
        kept = {"cells": [{"outputs": [{"metadata": {"kent-estimates": table}}]}]}
        page.write_text(json.dumps(kept))
    found = scorecard.recall_estimate(tmp_path / "smollm2/page.ipynb", "q = 1", "A (%)", tmp_path)
    assert found == seeds.format_interval(*seeds.pool([1.0, 3.0], 0.25), "+")


def test_a_number_is_found_in_an_executed_page(tmp_path):
    kept = {"kent-estimates": {"columns": ["A (%)"], "rows": {"q = 1": [[1.5, 0.25]]}}}
    page = tmp_path / "page.ipynb"
    assert scorecard.recall_estimate(page, "q = 1", "A (%)") == "not run"
    page.write_text(json.dumps({"cells": [{"outputs": [{"metadata": kept}]}]}))
    assert scorecard.recall_estimate(page, "q = 1", "A (%)") == "+1.50 ± 0.50"
    with pytest.raises(ValueError, match="no number for 'q = 2'"):
        scorecard.recall_estimate(page, "q = 2", "A (%)")
