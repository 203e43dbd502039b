"""The built book: its links lead somewhere, images have alt text, nothing comes from elsewhere."""

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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_page_offers_colab_and_download(path):
    links = [link["href"] for link in page(path).find_all("a", href=True)]
    colab = [link for link in links if "colab.research.google.com" in link]
    assert any(link.endswith(f"notebooks/{path.stem}.ipynb") for link in colab)
    assert any(link.endswith(f"_sources/notebooks/{path.stem}.ipynb") for link in links)
