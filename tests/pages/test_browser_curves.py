"""Curves to explore in Chromium, opened as files: values, series, axes, ranges, a reader's own.

By pointer and by keyboard; on paper, without scripts, accessibility, weight. Run as test_browser.py
is.
"""

import json

import pytest
import test_browser
from chart_rows import CHARTED, STILL
from test_browser import DESK, HTML, NOTEBOOKS, PHONE, RETURN

pytestmark = test_browser.pytestmark
FIG02, FIG04 = "fig02_knowledge_entropy", "fig04_acquisition_and_forgetting"
READ = "tokens per parameter"
TABLED = {
    FIG02: ["H (nats)", "ln m − H, mean of layers (nats)", "loss (nats)"],
    "fig03_other_entropies": ["attention entropy (nats)", "next-token entropy (nats)"],
    FIG04: ["A net of the control (points)", "F (%)", "K after (nats)", "P after (%)"],
    "small-fig02_knowledge_entropy": ["H (nats)", "ln m − H, mean of layers (nats)"],
    "when_entropy_falls": ["ln m − H, mean of layers (nats)", "H (nats)"],
}
"""Rows that a page's first table has, in the order of its chart's panels."""
CELL = """([row, column]) => {
  const table = [...document.querySelectorAll(".bd-article table.dataframe")][0];
  const text = (cell) => cell.textContent.trim();
  const lines = [...table.rows].map((line) => [...line.cells]);
  const heads = lines[0].map(text), names = lines.map(([first]) => text(first));
  const [across, down] = names.includes(row) ? [column, row] : [row, column];
  return text(lines[names.indexOf(down)][heads.indexOf(across)]);
}"""


@pytest.fixture(scope="module")
def charts(browser):
    """A function that opens a page as a file and finds its first chart; what failed."""
    failed = []

    def open_file(name: str, **settings):
        page = browser.new_page(**settings)
        page.set_default_timeout(15_000)
        page.add_init_script(RETURN)
        page.on("console", lambda said: said.type == "error" and failed.append(said.text))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("request", lambda each: each.url.startswith("file:") or failed.append(each.url))
        page.goto((HTML / f"notebooks/{name}.html").as_uri())
        return page.locator(".curves").first

    return open_file, failed


@pytest.fixture
def explore(charts):
    """A function that opens a page anew, and its chart; nothing may fail, or ask another host."""
    fresh, failed = charts
    opened = []

    def open_file(*given, **settings):
        opened.append(fresh(*given, **settings))
        return opened[-1]

    yield open_file
    for chart in opened:
        chart.page.close()
    assert not failed


def choose(chart, label: str, option: str) -> None:
    chart.get_by_label(label, exact=True).select_option(label=option)


def read_data(chart) -> dict:
    script = "found => JSON.parse(found.querySelector('script').textContent)"
    return chart.evaluate(script)


def read_values(chart) -> dict[str, str]:
    """What a chart says of the marked checkpoint, by series."""
    script = "found => found.map(each => [each.dataset.name, each.textContent])"
    return dict(chart.locator(".value data").evaluate_all(script))


@pytest.mark.parametrize("name", TABLED)
def test_values_are_those_of_the_tables_of_the_page(explore, name):
    chart = explore(name)
    panels = read_data(chart)["panels"]
    cursor = chart.get_by_role("slider", name="Checkpoint")
    for place, row in enumerate(TABLED[name]):
        chart.get_by_label("Show", exact=True).select_option(str(place))
        cursor.press("Home")
        for step in panels[place]["places"]:
            (said, *_) = read_values(chart).values()
            assert said == chart.page.evaluate(CELL, [row, str(step)]).replace("\xa0", " ")
            assert said in cursor.get_attribute("aria-valuetext")
            cursor.press("ArrowRight")


def test_a_pointer_finds_the_nearest_checkpoint(explore):
    chart = explore(FIG02, viewport={"width": DESK[0], "height": DESK[1]})
    cursor = chart.get_by_role("slider", name="Checkpoint")
    (panel, *_) = read_data(chart)["panels"]
    box = cursor.bounding_box()
    for at, place in ((2, 0), (box["width"] - 2, -1)):
        cursor.hover(position={"x": at, "y": 50})
        assert (
            chart.locator(".value b").inner_text() == f"pretraining step {panel['places'][place]}:"
        )
        data = chart.locator(".value data")
        assert float(data.get_attribute("value")) == panel["series"][0]["values"][place][0]
        assert float(data.get_attribute("data-error")) == panel["series"][0]["values"][place][1]


def test_keys_move_along_the_checkpoints(explore):
    chart = explore(FIG02)
    cursor = chart.get_by_role("slider", name="Checkpoint")
    (panel, *_) = read_data(chart)["panels"]
    place, last = 0, len(panel["places"]) - 1
    cursor.press("Home")
    for key, moved in (("ArrowRight", 1), ("PageUp", 5), ("ArrowLeft", -1), ("End", last)):
        cursor.press(key)
        place = min(place + moved, last)
        assert cursor.get_attribute("aria-valuenow") == str(place)
        assert f"pretraining step {panel['places'][place]}: " in cursor.get_attribute(
            "aria-valuetext"
        )


def test_series_are_switched_on_and_off(explore):
    chart = explore(FIG04)
    names = [*read_values(chart)]
    assert names == ["A net of the control", "A", "control: A"]
    box = chart.get_by_role("checkbox", name="control: A", exact=True)
    lines = chart.locator("path.line")
    box.press("Space")
    assert [*read_values(chart)] == names[:2] and lines.count() == 2
    assert "control: A" not in chart.locator("svg[role=img]").get_attribute("aria-label")
    for name in names[:2]:
        chart.get_by_role("checkbox", name=name, exact=True).uncheck()
    assert not read_values(chart) and lines.count() == 0
    box.press("Space")
    assert [*read_values(chart)] == ["control: A"] and lines.count() == 1


@pytest.mark.parametrize("name", [FIG02, "fig08_layers", "small-fig02_knowledge_entropy"])
def test_the_axis_goes_by_steps_or_by_tokens_per_parameter(explore, name):
    chart = explore(name)
    (panel, *_) = read_data(chart)["panels"]
    before, said = chart.locator("path.line").first.get_attribute("d"), read_values(chart)
    choose(chart, "along", READ)
    read = panel["places"][-1] * panel["series"][0]["per_step"]
    shown = f"{read:,.0f}" if read >= 100 else f"{read:.3g}"
    assert chart.locator(".value b").inner_text() == f"{READ} {shown}:"
    assert read_values(chart) == said
    assert chart.locator("path.line").first.get_attribute("d") != before
    choose(chart, "along", "pretraining step")
    assert chart.locator("path.line").first.get_attribute("d") == before


def find_places(chart) -> list[float]:
    drawn = chart.locator("path.line").first.get_attribute("d")
    return [float(point.split()[0]) for point in drawn.lstrip("M").split("L")]


def test_the_axis_is_logarithmic_or_linear(explore):
    chart = explore(FIG02)
    places = read_data(chart)["panels"][0]["places"]
    after = [place for place in range(1, len(places) - 1) if places[place + 1] == 2 * places[place]]
    at = find_places(chart)
    doubled = [at[place + 1] - at[place] for place in after]
    assert len(doubled) > 4 and max(doubled) - min(doubled) < 0.5
    choose(chart, "scale", "linear")
    at = find_places(chart)
    shares = [(each - at[0]) / (at[-1] - at[0]) for each in at]
    assert shares == pytest.approx([place / places[-1] for place in places], abs=1e-3)


def test_the_published_range_is_drawn_and_can_be_left_out(explore):
    chart = explore(FIG02)
    assert not chart.get_by_label("published range").is_visible()
    chart.get_by_label("Show", exact=True).select_option("1")
    ranges = chart.locator("rect.range")
    assert (
        ranges.count() == 2
        and "paper: OLMo-1B (fig. 2)" in chart.locator("svg[role=img]").text_content()
    )
    choose(chart, "along", READ)
    assert chart.locator("rect.stretch").count() == 1
    wide = find_places(chart)[-1]
    chart.get_by_label("published range").uncheck()
    assert not ranges.count() and not chart.locator("rect.stretch").count()
    assert find_places(chart)[-1] > wide


def test_published_values_stand_at_the_stages(explore):
    chart = explore(FIG04)
    assert chart.locator("path.published").count() == 1
    chart.get_by_label("published range").uncheck()
    assert chart.locator("path.published").count() == 0


OWN = """points => kentLive.addSeries("mine", points)"""


def test_a_series_of_the_readers_own_is_drawn_beside_the_others(explore):
    chart = explore(FIG02)
    point = {"measure": "H (nats)", "value": 23.25, "error": 0.125, "step": 128, "read": 0.5}
    chart.page.evaluate(OWN, [point, point | {"value": 23.5, "step": 768, "read": 3}])
    assert chart.locator("path.line.own").count() == 1
    assert read_values(chart)["mine"] == "23.50 ± 0.25"
    choose(chart, "along", READ)
    cursor = chart.get_by_role("slider", name="Checkpoint")
    cursor.press("End")
    assert chart.locator(".value b").inner_text() == f"{READ} 3:"
    assert read_values(chart) == {"mine": "23.50 ± 0.25"}
    chart.get_by_role("checkbox", name="mine").uncheck()
    assert chart.locator("path.own").count() == 0
    chart.page.evaluate(OWN, [])
    assert not chart.get_by_role("checkbox", name="mine").count()


def test_an_own_point_without_a_place_is_a_level_line_and_without_a_panel_none(explore):
    chart = explore(FIG02)
    point = {"measure": "H (nats)", "value": 23.25, "error": None, "step": None, "read": 4}
    chart.page.evaluate(OWN, [point, point | {"measure": "nothing here"}])
    assert chart.locator("path.level.own").count() == 1
    assert read_values(chart)["mine"] == "23.25"
    chart.get_by_label("Show", exact=True).select_option("2")
    assert "mine" not in read_values(chart)


def test_the_whole_figure_is_a_choice_away(explore):
    chart = explore(FIG02)
    figure = chart.page.locator(".curves + .cell figure img").first
    assert chart.locator(".drawing").is_visible() and not figure.is_visible()
    choose(chart, "Show", "the whole figure, still")
    assert not chart.locator(".drawing").is_visible() and figure.is_visible()
    chart.get_by_label("Show", exact=True).select_option("0")
    assert chart.locator(".drawing").is_visible() and not figure.is_visible()


def test_a_figure_that_is_a_curve_only_in_part_is_shown_at_first(explore):
    chart = explore(STILL[0])
    assert chart.page.locator(".curves + .cell figure img").first.is_visible()
    chart.get_by_label("Show", exact=True).select_option("0")
    assert [*read_values(chart)] == ["AdamW update", "gradient", "SGD update"]


@pytest.mark.parametrize("name", [FIG02, "when_entropy_falls"])
def test_on_paper_and_without_scripts_the_figure_stands_there(explore, name):
    for settings, media in ({"java_script_enabled": False}, "screen"), ({}, "print"):
        chart = explore(name, **settings)
        chart.page.emulate_media(media=media)
        if media == "screen" and name == FIG02:
            chart.page.locator(".predict > summary").click()
        figure = chart.page.locator(".curves + .cell figure img").first
        assert not chart.is_visible() and figure.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [FIG02, "table1_hyperparameters"])
def test_a_chart_has_no_serious_fault_of_accessibility(explore, find_barriers, name, scheme):
    chart = explore(name, color_scheme=scheme)
    chart.get_by_label("Show", exact=True).select_option("1")
    assert find_barriers(chart.page, ".curves") == []


@pytest.mark.parametrize("name", [FIG02, "table1_hyperparameters", "learning_curves"])
def test_a_chart_fits_a_phone_and_follows_its_width(explore, name):
    home = "fig11_once_and_paraphrased" if name == "learning_curves" else name
    chart = explore(home, viewport={"width": PHONE[0], "height": PHONE[1]})
    every = chart.page.locator(".curves")
    for place in range(every.count()):
        box = every.nth(place).bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= PHONE[0]
    chart.page.set_viewport_size({"width": 700, "height": PHONE[1]})
    chart.page.wait_for_timeout(200)
    width = float(chart.locator("svg[role=img]").get_attribute("viewBox").split()[2])
    assert width == pytest.approx(chart.bounding_box()["width"], abs=1)


@pytest.fixture(scope="module")
def held() -> dict[str, list[dict]]:
    """By page the charts that it holds."""
    found = {}
    for page in NOTEBOOKS:
        parts = (HTML / page).read_text("utf8").split('<div class="curves">')[1:]
        texts = [part.split(">", 1)[1].split("</script>")[0] for part in parts]
        found[page] = [json.loads(text) for text in texts]
    return found


def test_every_page_with_curves_has_a_chart_and_scripts_that_draw_it(held):
    assert sum(map(len, held.values())) >= len(CHARTED) + len(STILL)
    for page, charts in held.items():
        text = (HTML / page).read_text("utf8")
        assert ("live/curves.js" in text) == ("live/curves.css" in text) == bool(charts), page


def test_charts_are_light(held):
    data = sum(len(json.dumps(each)) for charts in held.values() for each in charts)
    files = ("scales.js", "curves.js", "curves.css")
    scripts = sum((HTML / "_static/live" / name).stat().st_size for name in files)
    assert max(sum(len(json.dumps(each)) for each in charts) for charts in held.values()) < 40_000
    assert 0 < data + scripts < 250_000
