"""A reader's own records in Chromium: drawn with Python's numbers, or refused with its sentences.

Pages are opened as files. Run as test_browser.py is.
"""

import copy
import json
import math

import pytest
import test_browser
from test_browser import HTML

from kent.measure import contributions
from kent.pages import contributed, live
from kent.pages.measures import GAP

pytestmark = test_browser.pytestmark
PAGES = ["notebooks/fig02_knowledge_entropy.html", "notebooks/contributed.html"]
DROP = """(root, { name, text }) => {
  const held = new DataTransfer();
  held.items.add(new File([text], name, { type: "application/json" }));
  const about = { dataTransfer: held, bubbles: true, cancelable: true };
  for (const kind of ["dragover", "drop"]) root.dispatchEvent(new DragEvent(kind, about));
}"""


@pytest.fixture
def compare(browser):
    """A function that opens a page's curves; nothing may fail, or ask another host."""
    failed, opened = [], []

    def open_page(name: str = PAGES[0], **settings):
        page = browser.new_page(**settings)
        opened.append(page)
        page.add_init_script(test_browser.RETURN)
        page.on("console", lambda said: said.type == "error" and failed.append(said.text))
        page.on("pageerror", lambda error: failed.append(str(error)))
        own = HTML.as_uri()
        page.on("request", lambda each: each.url.startswith(own) or failed.append(each.url))
        page.goto((HTML / name).as_uri(), wait_until="networkidle")
        if settings.get("java_script_enabled", True):
            page.wait_for_selector('.live[data-kind="compare"].ready')
        return page.locator('.live[data-kind="compare"]')

    yield open_page
    for page in opened:
        page.close()
    assert not failed


@pytest.fixture(scope="module")
def record() -> dict:
    """A record that has every measure, under a name of its own."""
    path = contributed.FOLDER / "small-4000.json"
    found = json.loads(path.read_text("utf-8"))
    return found | {"model": found["model"] | {"name": "mine <b>"}}


def give(picture, *records: dict | str, name: str = "mine.json") -> None:
    """Choose files that hold these, and wait until they are drawn or refused."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in records]
    files = [{"name": name, "mimeType": "application/json", "buffer": x.encode()} for x in texts]
    picture.evaluate("root => root.removeAttribute('aria-busy')")  # of files given before
    picture.locator("input").set_input_files(files)
    wait(picture)


def wait(picture) -> None:
    """Until the files are read."""
    picture.page.wait_for_selector('.live[data-kind="compare"][aria-busy="false"]')


def list_rows(picture, own: bool) -> list[dict]:
    """The values of every row: of the reader's own records, or of all others."""
    script = """rows => rows.map(row => [row.dataset.model, Object.fromEntries(
      [...row.querySelectorAll("data")].map(each => [each.dataset.name, each.value]))])"""
    found = picture.locator("tbody tr").evaluate_all(script)
    return [row | {"model": name} for name, row in found if name.startswith("yours: ") == own]


def expect(name: str, found: dict) -> dict:
    """Python's values of a record, as a row has them."""
    gap, _ = contributed.measure_gap(found)
    entropy = found["knowledge_entropy"]["value"]
    about = {"read": contributed.find_place(found), "step": found["model"]["step"]}
    about |= {"entropy": entropy, "gap": gap, "share": entropy / contributed.find_bound(found)}
    return {"model": name} | about


def check_rows(rows: list[dict], expected: list[dict]) -> None:
    assert len(rows) == len(expected)
    for row, wanted in zip(rows, expected, strict=True):
        assert row["model"] == wanted["model"]
        for name in wanted.keys() - {"model"}:
            if wanted[name] is None:
                assert row[name] == ""
            else:
                assert float(row[name]) == pytest.approx(wanted[name], rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("page", PAGES)
def test_the_page_draws_what_it_holds_with_the_numbers_of_python(compare, page):
    picture = compare(page)
    curves = live.read(picture.evaluate("root => root.outerHTML"))["curves"]
    assert {"tiny", "the suite small", "SmolLM2-135M"} <= {each["name"] for each in curves}
    expected = [expect(each["name"], x) for each in reversed(curves) for x in each["records"]]
    check_rows(list_rows(picture, own=False), expected)
    marks = picture.locator(".plane path.mark")
    placed = [row for row in expected if row["read"] is not None]
    assert marks.count() == len(placed)
    assert picture.locator(".legend li").count() == len(curves) + 3


def test_a_good_file_is_drawn_beside_the_others(compare, record):
    picture = compare()
    before = picture.locator(".plane path.mark").count()
    later = copy.deepcopy(record)
    later["model"] |= {"step": 9000, "tokens": 2 * record["model"]["tokens"]}
    give(picture, later, record)
    check_rows(
        list_rows(picture, own=True), [expect("yours: mine <b>", x) for x in (record, later)]
    )
    assert picture.locator(".plane path.mark").count() == before + 2
    assert picture.locator(".plane path.own.line").count() == 1
    said = picture.locator(".said").inner_text()
    entropy = record["knowledge_entropy"]["value"]
    assert said.startswith(f"mine <b> (2 checkpoints): H = {entropy:.4f} of at most 11.0904 nats")
    assert picture.locator(".legend").inner_text().count("yours: mine <b>") == 1
    assert picture.locator(".refused").inner_text() == ""
    give(picture, record)  # once more: known already
    assert len(list_rows(picture, own=True)) == 2


def test_a_file_is_dropped_and_drawn_where_python_places_it(compare, record):
    picture = compare(PAGES[1])
    picture.evaluate(DROP, {"name": "mine.json", "text": json.dumps(record)})
    wait(picture)
    gap, error = contributed.measure_gap(record)
    [title] = picture.locator(".plane path.own.mark title").all_text_contents()
    read = f"{contributed.find_place(record):.1f} tokens per parameter"
    assert title == f"yours: mine <b>, {read}: {gap:.4f} ± {2 * error:.4f} nats"


def test_a_checkpoint_without_a_place_is_a_level_line(compare, record):
    picture = compare()
    lost = copy.deepcopy(record)
    lost["model"] |= {"step": None, "tokens": None}
    give(picture, lost)
    assert picture.locator(".plane path.own.level").count() == 1
    [row] = list_rows(picture, own=True)
    assert row["read"] == row["step"] == ""
    picture.get_by_label("Axis").select_option("step")
    assert picture.locator(".plane path.own.level").count() == 1
    assert picture.locator(".plane path.level").count() == 2  # SmolLM2 says no step


def test_other_charts_of_the_page_are_given_the_curve_and_lose_it_again(compare, record):
    picture = compare()
    picture.page.evaluate("""() => {
      window.given = [];
      window.kentLive.addSeries = (name, points) => window.given.push([name, points]);
    }""")
    give(picture, record)
    [[name, points]] = picture.page.evaluate("window.given")
    assert name == "yours: mine <b>"
    place = {"step": 4000, "read": pytest.approx(contributed.find_place(record))}
    pairs = dict(zip(("value", "error"), contributed.measure_gap(record), strict=True))
    assert points[0] == {"measure": GAP, **place, **{k: pytest.approx(x) for k, x in pairs.items()}}
    assert [each["measure"] for each in points[1:]] == ["loss (nats)", "next-token entropy (nats)"]
    assert points[1]["value"] == record["loss"]["value"]
    picture.get_by_role("button", name="Remove my files").click()
    assert picture.page.evaluate("window.given.at(-1)") == [name, []]


FAULTS = {
    "format": "kent record 2",
    "model.tokens": -1,
    "model.colour": "red",
    "toString": 1,
    "knowledge_entropy.value": 9.0,
    "knowledge_entropy.standard_error": -0.5,
    "by_layer.Gini": [0.5],
    "by_layer.knowledge_entropy": [9.0, 2.0],
    "by_layer.standard_error": [0.1, "much"],
    "text.sha256": "abc",
    "loss": None,
    "entropy_bound": 1.0,
    "left_out": {"loss": 3},
    "provenance.date": 7,
    "model.neurons": [1, 256],
}
"""Fields by what they are changed to."""


def spoil(record: dict, path: str, value: object) -> dict:
    wrong = copy.deepcopy(record)
    *outer, name = path.split(".")
    inside = wrong[outer[0]] if outer else wrong
    inside[name] = value
    return wrong


def refuse(picture, text: str) -> str:
    """What the page says of a file, which it must not draw."""
    before = len(list_rows(picture, own=False))
    give(picture, text)
    assert list_rows(picture, own=True) == [] and len(list_rows(picture, own=False)) == before
    assert picture.get_by_role("alert").is_visible()
    return picture.get_by_role("alert").inner_text()


def test_a_wrong_file_is_refused_with_the_sentence_of_python(compare, record):
    picture = compare()
    wrong = {path: spoil(record, path, value) for path, value in FAULTS.items()}
    wrong |= {f"without {name}": {k: x for k, x in record.items() if k != name} for name in record}
    for path, each in wrong.items():
        try:
            contributions.check(each, "mine.json")
        except ValueError as error:
            assert refuse(picture, json.dumps(each)) == f"{error}.", path
        else:  # what may be missing
            assert path.removeprefix("without ") not in contributions.load_schema()["required"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "mine.json: this is no JSON file ("),
        ("[1]", "mine.json: the file is a list of 1; accepted is an object with the fields of"),
        ('{"format": "' + "x" * 1_000_001 + '"}', "mine.json: this file has 1000015 bytes; acc"),
    ],
    ids=["no JSON", "a list", "too large"],
)
def test_what_is_no_record_at_all_is_refused(compare, text, said):
    assert refuse(compare(), text).startswith(said)


def test_a_number_that_is_not_finite_is_refused_by_its_field(compare, record):
    text = json.dumps(spoil(record, "loss.value", math.pi)).replace(str(math.pi), "1e999")
    said = "mine.json: loss.value is Infinity; accepted is a number, 0 or more."
    assert refuse(compare(), text) == said


def test_a_good_file_beside_a_wrong_one_is_drawn(compare, record):
    picture = compare()
    give(picture, "{}", record)
    assert "format is missing" in picture.get_by_role("alert").inner_text()
    assert len(list_rows(picture, own=True)) == 1


def test_all_is_reached_and_done_by_keyboard(compare, record):
    picture = compare()
    give(picture, record)
    chooser = picture.get_by_label("Your records")
    chooser.focus()
    focused = (
        "document.activeElement.closest('label')?.textContent ?? document.activeElement.textContent"
    )
    order = []
    for _ in range(3):
        picture.page.keyboard.press("Tab")
        order.append(picture.page.evaluate(focused).split(" ")[0])
    assert order == ["Axis", "Remove", "All"]
    picture.page.keyboard.press("Enter")
    assert picture.get_by_role("region", name="All values").is_visible()
    picture.page.keyboard.press("Shift+Tab")
    picture.page.keyboard.press("Enter")
    assert list_rows(picture, own=True) == [] and picture.locator(".said").inner_text() == ""
    assert chooser.evaluate("each => each === document.activeElement")
    # an ordinary input, which a browser opens by keyboard: its dialog is not for a busy machine
    assert chooser.evaluate("each => [each.type, each.multiple, each.disabled]") == [
        *("file", True, False)
    ]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_curves_have_no_serious_fault_of_accessibility(
    compare, record, find_barriers, page, scheme
):
    picture = compare(page, color_scheme=scheme)
    give(picture, "{}", record)
    picture.locator("summary").click()
    assert find_barriers(picture.page, '.live[data-kind="compare"]') == []


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_shows_all_without_scrolling_sideways(compare, record, page):
    picture = compare(page, viewport={"width": 390, "height": 844})
    give(picture, record)
    picture.locator("summary").click()
    assert picture.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert picture.locator(".plane svg").bounding_box()["width"] <= 390


@pytest.mark.parametrize("page", PAGES)
def test_without_scripts_and_on_paper_a_figure_and_the_command_stand_there(compare, page):
    for settings, media in ({"java_script_enabled": False}, "screen"), ({}, "print"):
        picture = compare(page, **settings)
        picture.page.emulate_media(media=media)
        assert not picture.is_visible() and picture.page.locator(".stand-in svg").is_visible()
        command = picture.page.locator("pre", has_text="python -m kent profile")
        assert command.first.is_visible()
