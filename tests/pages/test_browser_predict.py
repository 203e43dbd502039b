"""Predict first, in Chromium: pages ask before they answer, the scorecard counts what was picked.

Pages are opened as files, whose picks a browser keeps together. Run as test_browser.py is.
"""

import re

import predictions
import pytest
import test_browser
from test_browser import DESK, HTML, PHONE

pytestmark = test_browser.pytestmark
ASKED = [*predictions.ASKED]
CARD = predictions.SCORECARD
DECIDES, UNDECIDED = "fig02_knowledge_entropy", "fig04_acquisition_and_forgetting"
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
FIGURE = ".predict :is(.curves .drawing, .cell figure img):visible"
STILL = ".predict figure img"
"""The figure as it is shown, and as it stands on paper and without scripts."""
ANSWER = ".predict .answers > li, .predict .cell.tag_answer .cell_output"


@pytest.fixture
def read(browser):
    """A function that opens a page as a reader's browser does, first without picks; none fails."""
    failed, contexts = [], {}

    def open_file(name: str, **settings):
        context = contexts.get(repr(settings)) or browser.new_context(**settings)
        contexts[repr(settings)] = context
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and failed.append(said.text))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("request", lambda each: each.url.startswith("file:") or failed.append(each.url))
        page.goto(f"{(HTML / 'notebooks').as_uri()}/{name}")
        return page

    yield open_file
    for context in contexts.values():
        context.close()
    assert not failed


def view(size: tuple[int, int], **more) -> dict:
    return {"viewport": {"width": size[0], "height": size[1]}, **more}


def find_seen(page) -> dict:
    """What a page holds of its question, as its scripts read it."""
    return page.locator(".predict > script").evaluate("found => JSON.parse(found.textContent)")


def pick(read, name: str, side: int):
    page = read(f"{name}.html")
    page.get_by_role("button", name=find_seen(page)["options"][side + 1], exact=True).click()
    return page


@SIZES
@pytest.mark.parametrize("name", ASKED)
def test_the_question_stands_on_the_first_screen_and_nothing_answers_it(read, name, size):
    page = read(f"{name}.html", **view(size))
    form = page.get_by_role("group", name=predictions.ASKED[name].text)
    box = form.bounding_box()
    assert 0 <= box["y"] < box["y"] + box["height"] <= size[1]
    for hidden in (ANSWER, FIGURE, STILL, "h1 + .verdict", "#claim"):
        assert not page.locator(hidden).first.is_visible(), hidden
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@SIZES
@pytest.mark.parametrize("name", ASKED)
def test_a_pick_opens_the_page_and_says_paper_measurement_and_pick(read, name, size):
    page = read(f"{name}.html", **view(size))
    held, place = find_seen(page), ASKED.index(name) % 3
    option = held["options"][place]
    page.get_by_role("button", name=option, exact=True).click()
    said = page.locator(".outcome")
    assert said.inner_text() == f"You picked “{option}”; {held['said']} Your picks"
    assert said.evaluate("found => found === document.activeElement")
    box, figure = (page.locator(each).first.bounding_box() for each in (ANSWER, FIGURE))
    assert 0 <= box["y"] < box["y"] + box["height"] <= size[1]
    if size == DESK:
        assert 0 < figure["y"] < test_browser.FIGURE_TOP
    assert page.locator("h1 + .verdict").is_visible() and page.locator("#claim").is_visible()
    kept = page.evaluate("JSON.parse(localStorage.getItem('kent-picks'))")
    assert kept == {name: place - 1}


def test_a_returning_reader_sees_the_page_and_the_pick(read):
    said = pick(read, DECIDES, 0).locator(".outcome").inner_text()
    page = read(f"{DECIDES}.html")
    assert page.locator(".outcome").inner_text() == said
    assert page.locator(ANSWER).first.is_visible()
    assert not page.get_by_role("group", name="fall, stay or rise").count()


def test_show_me_opens_the_page_without_a_pick(read):
    page = read(f"{DECIDES}.html")
    page.get_by_role("button", name="show me").click()
    assert page.locator(".outcome").inner_text().startswith("You did not pick; the paper says")
    assert "No pick yet" not in read(f"{CARD}.html").locator(".tally").inner_text()
    assert "Of 0 picks" in read(f"{CARD}.html").locator(".tally").inner_text()


def test_keys_alone_are_enough_to_pick(read):
    page = read(f"{DECIDES}.html")
    page.get_by_role("button", name="falls", exact=True).focus()
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert page.locator(".outcome").inner_text().startswith("You picked “rises”")


def test_the_scorecard_counts_picks_and_a_button_clears_them(read):
    sides = (-1, 0, 1, -1, 1, 1)
    held = {}
    for name, side in zip(ASKED, sides, strict=True):
        held[name] = find_seen(pick(read, name, side))
    card = read(f"{CARD}.html").locator(".tally")
    agree = {
        key: sum(held[name][key] == side for name, side in zip(ASKED, sides, strict=True))
        for key in ("paper", "here")
    }
    decided = sum(each["here"] is not None for each in held.values())
    assert card.inner_text().startswith(
        f"Of 6 picks, {agree['paper']} agree with the paper and {agree['here']} with what was "
        f"measured here, which decides {decided} of them."
    )
    assert card.locator("li").count() == 6 and 0 < decided < 6
    lines = " ".join(card.locator("li").all_inner_texts())
    assert all(each["verdict"] in lines for each in held.values() if each["here"] is None)
    card.get_by_role("button", name="clear my picks").click()
    assert card.inner_text() == "No pick yet."
    assert read(f"{DECIDES}.html").get_by_role("group", name="fall, stay or rise").is_visible()


def test_a_measurement_that_does_not_decide_is_said_to_be_neither(read):
    said = pick(read, UNDECIDED, 0).locator(".outcome").inner_text()
    assert "too small to tell, so by that no pick is right or wrong." in said


def test_the_side_bar_says_a_verdict_once_it_was_seen(read):
    script = "found => getComputedStyle(found, '::after').content"
    page = read(f"{CARD}.html", **view(DESK))
    chip = page.locator(f'.bd-links a[href="{DECIDES}.html"]')
    assert chip.evaluate(script) == '"predict first"'
    own = read(f"{DECIDES}.html", **view(DESK))
    current = own.locator('.bd-links a.current[href="#"]')
    assert current.evaluate(script) == '"predict first"'
    own.get_by_role("button", name="falls", exact=True).click()
    verdict = own.locator("h1 + .verdict span").get_attribute("data-verdict")
    assert current.evaluate(script) == f'"{verdict}"'
    page.reload()
    assert chip.evaluate(script) == f'"{verdict}"'


@pytest.mark.parametrize(
    "target", ["verdict", "fig-knowledge-entropy", "page-fig06-other-architecture"]
)
def test_a_link_into_the_page_opens_it_there(read, target):
    page = read(f"{DECIDES}.html#{target}", **view(DESK))
    box = page.locator(f"#{target}").bounding_box()
    assert -5 <= box["y"] < DESK[1]
    assert page.evaluate("localStorage.getItem('kent-picks')") is None


def test_a_link_of_the_contents_opens_the_page_and_one_to_its_top_does_not(read):
    page = read(f"{DECIDES}.html#page-fig02-knowledge-entropy", **view(DESK))
    assert page.locator(".predict-ask").is_visible()
    page.locator('.bd-sidebar-secondary a[href="#claim"]').click()
    assert page.locator("#claim h2").is_visible()
    assert 0 <= page.locator("#claim").bounding_box()["y"] < DESK[1]


def test_without_scripts_the_question_opens_what_it_folds_away(read):
    page = read(f"{DECIDES}.html", java_script_enabled=False)
    figure = page.locator(STILL)
    assert not figure.is_visible() and page.locator("#claim").is_visible()
    assert not page.locator("h1 + .verdict").is_visible()
    page.locator(".predict > summary", has_text=predictions.ASKED[DECIDES].text).click()
    assert figure.is_visible() and page.locator("h1 + .verdict").is_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_paper_shows_everything_but_the_question(read, scripts):
    page = read(f"{DECIDES}.html", java_script_enabled=scripts)
    page.emulate_media(media="print")
    for shown in (STILL, ".predict .answers > li", "h1 + .verdict", "#claim"):
        assert page.locator(shown).first.is_visible(), shown
    assert not page.get_by_text(predictions.ASKED[DECIDES].text).first.is_visible()


def test_what_a_browser_keeps_may_be_anything(read):
    for kept in ("nonsense", '"text"', "[]", "null", '{"fig02_knowledge_entropy": "a"}'):
        page = read(f"{CARD}.html")
        page.evaluate("text => localStorage.setItem('kent-picks', text)", kept)
        page.reload()
        assert re.match(r"No pick yet|Of 0 picks", page.locator(".tally").inner_text())
        read(f"{DECIDES}.html").evaluate("localStorage.clear()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [DECIDES, CARD])
def test_asking_and_counting_have_no_serious_fault_of_accessibility(
    read, find_barriers, name, scheme
):
    page = read(f"{name}.html", color_scheme=scheme)
    assert find_barriers(page, ".predict-ask" if name == DECIDES else ".tally") == []
    if name == DECIDES:
        page.get_by_role("button", name="falls", exact=True).click()
        assert find_barriers(page, ".outcome") == []
        assert find_barriers(read(f"{CARD}.html", color_scheme=scheme), ".tally") == []
