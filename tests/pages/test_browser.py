"""The built book in Chromium: the answer is on the first screen, a phone shows all, nothing fails.

`make test` runs these after the book. Without a browser or a book they are skipped, saying so; with
CI_BROWSER=1 in the environment that is a failure.
"""

import json
import os
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pdf
import predictions
import pytest

HTML = Path(__file__).parents[2] / "_build" / "html"
DESK, PHONE = (1280, 900), (390, 844)
FIGURE_TOP = 700
WEIGHT = 5_000_000
"""Bytes that opening a page may load, all scripts and fonts with it."""
SEEN = dict.fromkeys(predictions.ASKED)
"""What a reader's browser keeps who has seen the answers of the pages that ask for a prediction."""
RETURN = f"localStorage.setItem('kent-picks', '{json.dumps(SEEN)}')"
MEASURE = """() => {
  const box = (selector) => {
    // of the page's own opening, not of a page nested in it
    const own = [selector, `.predict ${selector}`].map((each) => `.bd-article h1 ~ ${each}`);
    const found = document.querySelector(own.join());
    const place = found?.getBoundingClientRect();
    return place ? [place.top, place.bottom] : null;
  };
  return {
    width: document.documentElement.scrollWidth,
    boxes: {
      figure: box(".cell .live.ready") ?? box(".curves.ready:not(.still) .drawing")
        ?? box(".cell figure img"),
      question: box(".question"),
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
    page.add_init_script(RETURN)
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
