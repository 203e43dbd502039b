"""The built book in Chromium: the answer is on the first screen, a phone shows all, nothing fails,
pictures to play with compute what Python does.

`make test` runs these after the book. Without a browser or a book they are skipped, saying so; with
CI_BROWSER=1 in the environment that is a failure.
"""

import os
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pdf
import pytest

from kent.pages import live

HTML = Path(__file__).parents[2] / "_build" / "html"
DESK, PHONE = (1280, 900), (390, 844)
FIGURE_TOP = 700
WEIGHT = 5_000_000
"""Bytes that opening a page may load, all scripts and fonts with it."""
MEASURE = """() => {
  const box = (selector) => {
    // of the page's own opening, not of a page nested in it
    const found = document.querySelector(`.bd-article h1 ~ ${selector}`);
    const place = found?.getBoundingClientRect();
    return place ? [place.top, place.bottom] : null;
  };
  return {
    width: document.documentElement.scrollWidth,
    boxes: {
      figure: box(".cell .live.ready") ?? box(".cell figure img"), question: box(".question"),
      answer: box(".answers > li") ?? box(".cell.tag_answer .cell_output"),
    },
  };
}"""


def why_not() -> str | None:
    if not (HTML / "notebooks").exists():
        return "the book is not built: `make book`"
    try:
        pdf.find_browser()
    except FileNotFoundError as error:
        return str(error)
    return None


REASON = why_not()
demanded = os.environ.get("CI_BROWSER") == "1"
pytestmark = pytest.mark.skipif(bool(REASON) and not demanded, reason=REASON or "")


def leads_on(path: Path) -> bool:
    """Whether it only stands at an old address."""
    return 'http-equiv="refresh"' in path.read_text("utf8")


BUILT = [] if REASON else sorted([*HTML.glob("book/*.html"), *HTML.glob("notebooks/*.html")])
PAGES = [str(path.relative_to(HTML)) for path in BUILT if not leads_on(path)]
NOTEBOOKS = [page for page in PAGES if page.startswith("notebooks/")]
FRONT, EDITED = "book/intro.html", "notebooks/algorithm1_entropy.html"
PLAYED = [FRONT, "notebooks/fig01_memory_coefficients.html", EDITED]
HEAVIER = 300_000
"""Bytes that a picture to play with may add to a page."""


@dataclass
class Visit:
    """What opening a page led to; boxes are the top and bottom of things, in pixels."""

    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    bytes: int = 0
    width: int = 0
    boxes: dict[str, list[float] | None] = field(default_factory=dict)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        options = {"executable_path": pdf.find_browser(), "args": ["--no-sandbox"]}
        browser = play.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visit(browser):
    """A function that opens a page of the book at a size, once for each."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(HTML)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield cache(partial(open_page, browser, f"http://127.0.0.1:{server.server_port}"))
    server.shutdown()


def open_page(browser, address: str, name: str, size: tuple[int, int]) -> Visit:
    seen = Visit()
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.on("console", lambda said: said.type == "error" and seen.errors.append(said.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("requestfailed", lambda request: seen.failed.append(request.url))
    page.on("response", lambda answer: answer.status >= 400 and seen.failed.append(answer.url))
    page.on("request", lambda request: seen.hosts.add(urlsplit(request.url).netloc))
    page.on("requestfinished", lambda each: count(seen, each))
    page.goto(f"{address}/{name}", wait_until="networkidle")
    found = page.evaluate(MEASURE)
    seen.width, seen.boxes = found["width"], found["boxes"]
    page.close()
    seen.hosts -= {urlsplit(address).netloc, ""}
    return seen


def count(seen: Visit, request) -> None:
    seen.bytes += request.sizes()["responseBodySize"]


def test_a_book_and_a_browser_are_there():
    assert REASON is None


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_the_figure_begins_on_the_first_screen(visit, page):
    if figure := visit(page, DESK).boxes["figure"]:
        assert figure[0] < FIGURE_TOP


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("page", NOTEBOOKS)
def test_question_and_answer_stand_on_the_first_screen(visit, page, size):
    boxes = visit(page, size).boxes
    assert boxes["answer"] or not boxes["figure"], "no verdict, and no cell tagged `answer`"
    for box in filter(None, (boxes["question"], boxes["answer"])):
        assert 0 <= box[0] < box[1] <= size[1]


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_need_not_scroll_sideways(visit, page):
    assert visit(page, PHONE).width <= PHONE[0]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_whole_and_from_here_alone(visit, page):
    seen = visit(page, DESK)
    assert not seen.errors
    assert not seen.failed
    assert not seen.hosts
    assert 0 < seen.bytes < WEIGHT


@pytest.fixture(scope="module")
def pictures(browser):
    """A function that opens a page as a file, once for each way, and its picture; what failed."""
    failed = []

    @cache
    def open_file(name: str, **settings):
        page = browser.new_page(**settings)
        page.on("console", lambda said: said.type == "error" and failed.append(said.text))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("request", lambda each: each.url.startswith("file:") or failed.append(each.url))
        page.goto((HTML / name).as_uri())
        return page.locator(".live")

    return open_file, failed


@pytest.fixture
def play(pictures):
    """A function that opens the picture of a page; nothing may fail, or ask another host."""
    open_file, failed = pictures
    yield open_file
    assert not failed


def read_numbers(picture) -> dict[str, float]:
    """What a picture says, in full."""
    script = "found => found.map(each => [each.dataset.name, +each.value])"
    return dict(picture.locator("data").evaluate_all(script))


def press(control, *keys: str) -> float:
    """What a slider is set to after keys."""
    for key in keys:
        control.press(key)
    return float(control.input_value())


def list_layers(picture, model: int, checkpoint: int) -> tuple[list, int]:
    """The layers that a page holds, and how many each stands for."""
    about = live.read(picture.inner_html())["models"][model]
    layers = live.unpack(about["checkpoints"][checkpoint]["data"], about["neurons"])
    return layers, about["alike"]


KEYS = [
    (["Home"], ["Home"]),
    (["Home", *["ArrowRight"] * 3], ["End"]),
    (["End"], ["Home", "PageUp"]),
    (["Home", *["PageUp"] * 5], ["Home", *["PageUp"] * 2, "ArrowRight"]),
    (["End", "PageDown", "ArrowLeft"], ["End", *["PageDown"] * 3]),
]
"""For p and for q."""


@pytest.mark.parametrize("model", range(4))
def test_sliders_moved_by_keyboard_give_the_numbers_of_python(play, model):
    picture = play(EDITED)
    picture.get_by_label("Model", exact=True).select_option(str(model))
    sliders = [picture.get_by_label(name, exact=True) for name in ("Checkpoint", "p", "q")]
    for place, keys in enumerate(KEYS):
        several = sliders[0].is_visible()
        checkpoint = int(press(sliders[0], "Home", *["ArrowRight"] * place)) if several else 0
        p, q = (press(slider, *each) for slider, each in zip(sliders[1:], keys, strict=True))
        layers, alike = list_layers(picture, model, checkpoint)
        found = read_numbers(picture)
        for name, value in live.edit(layers, p, q, alike).items():
            assert found[name] == pytest.approx(value, rel=0, abs=1e-6), (name, p, q)


@pytest.mark.parametrize("page", PLAYED[:2])
def test_the_front_page_and_figure_1_give_the_entropy_of_a_layer(play, page):
    picture = play(page)
    picture.get_by_label("Model", exact=True).select_option(label="SmolLM2-135M")
    picture.get_by_label("Layer", exact=True).select_option("29")
    layers, _ = list_layers(picture, 1, 0)
    found = read_numbers(picture)
    entropies = live.knowledge_entropy_by_layer(layers)
    assert found["layer"] == pytest.approx(entropies[29].item(), rel=0, abs=1e-6)
    assert found["before"] == pytest.approx(entropies.sum().item(), rel=0, abs=1e-6)


def test_a_bar_is_read_by_pointer_and_by_keyboard(play):
    picture = play(FRONT)
    picture.get_by_label("Model", exact=True).select_option("0")
    picture.get_by_label("Layer", exact=True).select_option("0")
    chart = picture.get_by_role("slider", name="Memory vector")
    [layer, *_], _ = list_layers(picture, 0, -1)
    box = chart.bounding_box()
    chart.hover(position={"x": box["width"] * 100.5 / 384, "y": 20})
    said = picture.locator(".value").inner_text()
    assert said.startswith(f"Memory vector 101 of 384: {layer[100]:.2f} times the mean")
    for key in ("Home", "PageUp", "ArrowRight", "ArrowRight", "ArrowLeft"):
        chart.press(key)
    assert chart.get_attribute("aria-valuenow") == "41"
    assert f"{layer[40]:.2f} times the mean" in chart.get_attribute("aria-valuetext")


@pytest.mark.parametrize("page", PLAYED)
def test_on_paper_and_without_scripts_another_picture_stands_there(play, page):
    other = ".stand-in svg" if page == FRONT else "figure img"
    for settings, media in ({"java_script_enabled": False}, "screen"), ({}, "print"):
        picture = play(page, **settings)
        picture.page.emulate_media(media=media)
        assert not picture.is_visible() and picture.page.locator(other).first.is_visible()
        picture.page.emulate_media(media="screen")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PLAYED)
def test_a_picture_has_no_serious_fault_of_accessibility(play, page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    picture = play(page, color_scheme=scheme)
    # without preload, which reads the styles once more
    found = Axe().run(picture.page, ".live", {"preload": False}).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert not [(each["id"], each["nodes"][0]["html"]) for each in serious]


@pytest.mark.parametrize("page", PLAYED)
def test_a_picture_is_light(page):
    _, held = (HTML / page).read_text("utf8").split('<div class="live"')
    scripts = [path.stat().st_size for path in (HTML / "_static/live").iterdir()]
    assert 0 < len(held.split(live.CLOSING)[0]) + sum(scripts) < HEAVIER


def test_other_pages_load_no_scripts_of_pictures():
    for page in PAGES:
        text = (HTML / page).read_text("utf8")
        assert ("live/controls.js" in text) == (page in PLAYED), page
