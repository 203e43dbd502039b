"""Pictures to play with in Chromium, opened as files: they compute what Python does.

Sliders, keyboard, paper, pages without scripts, accessibility, weight. Run as test_browser.py is.
"""

from functools import cache

import pytest
import test_browser
from test_browser import HTML, PAGES

from kent.pages import live

pytestmark = test_browser.pytestmark
FRONT, EDITED = "book/intro.html", "notebooks/algorithm1_entropy.html"
PLAYED = [FRONT, "notebooks/fig01_memory_coefficients.html", EDITED]
HEAVIER = 300_000
"""Bytes that a picture to play with may add to a page."""


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


def list_layers(picture, model: int | str, checkpoint: int) -> tuple[list, int]:
    """The layers that a page holds of a model, by place or title, and how many each stands for."""
    models = live.read(picture.inner_html())["models"]
    titles = [each["title"] for each in models]
    about = models[titles.index(model) if isinstance(model, str) else model]
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


@pytest.mark.parametrize("model", range(5))
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
    layers, _ = list_layers(picture, "SmolLM2-135M", 0)
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
def test_a_picture_has_no_serious_fault_of_accessibility(play, find_barriers, page, scheme):
    picture = play(page, color_scheme=scheme)
    assert find_barriers(picture.page, ".live") == []


@pytest.mark.parametrize("page", PLAYED)
def test_a_picture_is_light(page):
    _, held = (HTML / page).read_text("utf8").split('<div class="live"')
    scripts = [path.stat().st_size for path in (HTML / "_static/live").iterdir()]
    assert 0 < len(held.split(live.CLOSING)[0]) + sum(scripts) < HEAVIER


def test_other_pages_load_no_scripts_of_pictures():
    for page in PAGES:
        text = (HTML / page).read_text("utf8")
        assert ("live/controls.js" in text) == (page in PLAYED), page
