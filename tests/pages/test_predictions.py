"""What pages ask before they show their answers: the question, what is said then, the tally."""

import json
import re
from pathlib import Path

import chips
import layout
import predictions
import pytest
from test_layout import ROW, code, make_page, publish, text

from kent.pages.evidence import ONE_MODEL
from kent.paper import CLAIMS

NAME = "fig02_knowledge_entropy"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def describe(**changed):
    return predictions.describe(NAME, "Figure 2", [ROW | changed])


@pytest.mark.parametrize("name", predictions.ASKED)
def test_a_page_is_asked_for_a_claim_that_it_tests(name):
    asked = predictions.ASKED[name]
    assert CLAIMS[asked.claim].page == name and (NOTEBOOKS / f"{name}.py").exists()
    assert len({*asked.options}) == 3 and asked.text.endswith("?")


@pytest.mark.parametrize("name", predictions.ASKED)
def test_a_question_names_all_three_answers_and_neither_the_paper_nor_a_verdict(name):
    asked = predictions.ASKED[name]
    for option in asked.options:
        assert option.removesuffix("s") in asked.text
    assert not re.search(r"paper|report|claim|here|really|still", asked.text)


def test_six_pages_ask():
    assert len(predictions.ASKED) == 6


def test_what_is_said_names_the_paper_and_what_was_measured_with_its_verdict():
    said = describe()
    assert (said["paper"], said["here"]) == (-1, -1)
    assert said["said"] == (
        "the paper says “falls”, and this book measured “falls” (−0.30 ± 0.20 nats: agrees)."
    )


def test_a_measurement_on_the_other_side_says_so():
    seeds = {"value": 0.15, "error": 0.02, "values": [0.1, 0.2]}
    said = describe(verdict="disagrees at this scale" + ONE_MODEL, seeds=seeds)
    assert (said["paper"], said["here"]) == (-1, 1)
    assert "“rises” (+0.150 ± 0.040 nats: disagrees at this scale" in said["said"]


@pytest.mark.parametrize("verdict", ["too small to tell", "not measurable (floor)", "no value"])
def test_a_verdict_that_does_not_decide_makes_no_pick_right_or_wrong(verdict):
    said = describe(verdict=verdict)
    assert said["here"] is None
    assert said["said"].endswith(f"{verdict}, so by that no pick is right or wrong.")


def test_pages_that_do_not_ask_and_pages_without_the_claim_ask_nothing():
    assert predictions.describe("speed", "Speed", [ROW]) is None
    assert predictions.describe(NAME, "Figure 2", []) is None


def test_what_the_opening_shows_is_folded_up_behind_the_question():
    first, _, under, *_ = (cell["source"] for cell in publish(make_page()))
    head, folded = first.split('<details class="predict">')
    assert "Does it fall?" in head and CLAIMS["fig02"].statement not in head
    assert f"<summary>{predictions.ASKED[NAME].text}</summary>" in folded
    assert CLAIMS["fig02"].statement in folded
    assert under.index(predictions.CLOSING) > under.index('class="sources"')
    assert under.endswith("What is measured here.")


def test_a_nested_or_recorded_page_does_not_ask():
    for name, level in ((NAME, 2), (f"small-{NAME}", 1)):
        page = layout.take_apart(name, [*make_page().values()])
        first, *_ = layout.compose(page, [], level)
        assert "predict" not in first["source"]


def test_the_tally_holds_the_pages_that_ran_and_stands_before_the_claims():
    executed = {NAME: {"cells": [text("# Figure 2: entropy"), code("", kent=[ROW])]}}
    cells = [text("# Scorecard"), text("## Every claim\n\nAll."), text("## Check")]
    _, tally, claims, _ = predictions.add_tally(cells, {**executed, "scorecard": {"cells": cells}})
    assert claims == cells[1] and f"[Figure 2]({NAME}.ipynb)" in tally["source"]
    (held,) = json.loads(re.search(r"json\">(.+)</script>", tally["source"])[1])
    assert held["page"] == NAME and held["paper"] == held["here"] == -1
    assert predictions.add_tally(cells, {}) == cells


def test_the_chip_of_a_page_that_asks_is_shown_when_it_has_been_answered():
    style = chips.style_links({NAME: "agrees", "speed": "agrees"}, predictions.ASKED)
    unseen = [line for line in style.splitlines() if chips.UNSAID in line]
    assert len(unseen) == 1 and f'html[data-picked]:not([data-picked~="{NAME}"])' in unseen[0]
