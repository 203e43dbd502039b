"""The built book: its links lead somewhere, images have alt text, nothing comes from elsewhere."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

HTML = Path(__file__).parents[2] / "_build" / "html"
BUILT = sorted([*(HTML / "book").glob("*.html"), *(HTML / "notebooks").glob("*.html")])

pytestmark = pytest.mark.skipif(not BUILT, reason="the book is not built: `make book`")


@cache
def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf8"), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(element["id"] for element in page(path).find_all(id=True))


def name(path: Path) -> str:
    return str(path.relative_to(HTML))


@pytest.mark.parametrize("path", BUILT, ids=name)
def test_links_inside_the_book_lead_somewhere(path):
    dead = []
    for link in page(path).find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        fragment = unquote(parts.fragment)
        searched = fragment and target.suffix == ".html" and target.exists()
        if not target.exists() or (searched and fragment not in anchors(target)):
            dead.append(link["href"])
    assert not dead


@pytest.mark.parametrize("path", BUILT, ids=name)
def test_images_are_there_and_described(path):
    for image in page(path).select("article.bd-article img"):
        assert (path.parent / unquote(urlsplit(image["src"]).path)).exists(), image["src"]
        assert len(image.get("alt", "").split()) >= 3, image["src"]


@pytest.mark.parametrize("path", BUILT, ids=name)
def test_a_page_reads_without_a_network(path):
    loaded = [each["src"] for each in page(path).find_all(["script", "img", "iframe"], src=True)]
    loaded += [each["href"] for each in page(path).find_all("link", rel="stylesheet")]
    assert not [address for address in loaded if urlsplit(address).netloc]


NOTEBOOKS = [path for path in BUILT if path.parent.name == "notebooks"]
PAGES = [path for path in NOTEBOOKS if 'http-equiv="refresh"' not in path.read_text("utf8")]
MOVED = [path for path in NOTEBOOKS if path not in PAGES]
FILES = sorted((HTML / "files").glob("*.*"))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_notebook_page_offers_its_notebook_and_source(path):
    """A page recorded on another model (SUITE-NAME) is of the notebook as it was then."""
    links = [link["href"] for link in page(path).find_all("a", href=True)]
    for kind in ("ipynb",) if "-" in path.stem else ("ipynb", "py"):
        assert f"../files/{path.stem}.{kind}" in links


@pytest.mark.parametrize("path", MOVED, ids=name)
def test_an_old_address_leads_to_a_section(path):
    (link,) = [link["href"] for link in page(path).find_all("a", href=True)]
    target, fragment = link.split("#")
    assert fragment in anchors(path.parent / target)
    assert f"url={link}" in path.read_text("utf8")


@pytest.mark.parametrize("path", BUILT, ids=name)
def test_no_link_leads_to_an_address_that_is_not_set(path):
    links = [link["href"] for link in page(path).find_all(["a", "link"], href=True)]
    assert not [link for link in links if "-address-not-set-" in link]


@pytest.mark.parametrize("path", [*BUILT, *FILES], ids=name)
def test_no_folder_of_this_machine_is_published(path):
    text = path.read_text("utf8")
    assert not re.search(rf"{re.escape(str(HTML.parents[1]))}(?![\w-])", text)
    assert "/site-packages/" not in text
