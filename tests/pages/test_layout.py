"""A page as published: answers first, how it was made last; nested pages; what a page offers."""

import copy
import csv
import io
import json
import re
from pathlib import Path

import cells
import chips
import downloads
import layout
import narrow
import nesting
import openings
import pdf
import pytest
import staging

from kent.pages.evidence import ONE_MODEL, SLUGS, chip, name_slug
from kent.paper import CLAIMS

ROOT = Path(__file__).parents[2]
TITLE = """# Figure 2: entropy

*A page of the [companion](https://example.org) to a paper.*

Does it fall?

What is measured here."""
ROW = {"claim": "fig02", "value": -0.3, "error": 0.1, "verdict": "agrees", "model": "", "text": ""}
RUNS = {"runs": 12, "seconds": 340.4, "date": "2026-01-02 to 2026-01-02"}
ESTIMATES = {"columns": ["early", "late"], "rows": {"A, net": [[1.5, 0.5], [2, 0.25]]}}
NARROW = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def text(source):
    return {"cell_type": "markdown", "id": "a", "metadata": {}, "source": source}


def code(source, *tags, data=None, **kept):
    outputs = [{"output_type": "display_data", "data": data or {}, "metadata": kept}]
    outputs = outputs if data or kept else []
    metadata = {"tags": [*tags]}
    return {"cell_type": "code", "id": "b", "metadata": metadata, "source": source} | {
        "outputs": outputs,
        "execution_count": 1,
    }


def make_page(**changed):
    """An executed page as its notebook has it: a dictionary of cells by what they are."""
    picture, table = {"image/svg+xml": "<svg/>"}, {"text/html": "<table>1 ± 2</table>"}
    return {
        "title": text(TITLE),
        "claim": text("## Claim\n\nIt falls."),
        "parameters": code("limit = 8", "parameters"),
        "set-up": code("import kent", "made", "hide-input"),
        "method": text("## Method\n\nOne pass."),
        "fetch": code(
            "page.describe_runs()", "made", data={"text/markdown": "x"}, **{"kent-runs": RUNS}
        ),
        "heading": text("## Figure"),
        "figure": code("draw()", "figure", "hide-input", data=picture, **{"kent-narrow": NARROW}),
        "table": code("table", "hide-input", data=table, **{"kent-estimates": ESTIMATES}),
        "check": text("## Check\n\nBounds."),
        "assert": code("assert True"),
        "verdict": text("## Verdict\n\nWhat came out."),
        "read": code("page.judge()", data={"text/markdown": "| |"}, kent=[ROW]),
        "run": text("## Full run\n\n```bash\n# a comment\n```"),
        **changed,
    }


def publish(page, level=1):
    taken = layout.take_apart("fig02_knowledge_entropy", copy.deepcopy([*page.values()]))
    return layout.compose(taken, ["json", "ipynb"], level)


def sources(published):
    return [cells.source_of(cell) for cell in published]


def test_an_opening_asks_answers_shows_and_offers_in_this_order():
    first, figure, under, *_ = publish(make_page())
    said = first["source"]
    assert said.startswith("(page-fig02_knowledge_entropy)=\n# Figure 2: entropy\n\n")
    order = ['class="verdict"', "Does it fall?", CLAIMS["fig02"].statement, "−0.30 ± 0.20 nats"]
    places = [said.rindex(each) for each in order]
    assert places == sorted(places) and "A page of the" not in said
    assert figure["metadata"]["tags"] == ["figure", "remove-input"] and figure["outputs"]
    assert under["source"].index("built here: 12 runs, 340 s, 2026-01-02<") > 0
    assert "../files/fig02_knowledge_entropy.ipynb" in under["source"]
    assert under["source"].endswith("What is measured here.")


def test_a_picture_to_play_with_stands_before_the_figure():
    picture = code("live.Picture()", "live", "hide-input", data={"text/html": "<div>"})
    _, played, figure, *rest = publish(make_page(live=picture))
    assert played["outputs"] == picture["outputs"] and cells.has_picture(figure)
    assert played["metadata"]["tags"] == ["live", "remove-input"]
    assert "live.Picture()" in sources(rest)[sources(rest).index(layout.HOW) :]


def test_how_a_page_was_made_is_folded_away_at_its_end_in_its_order():
    published = publish(make_page())
    said = sources(published)
    start = said.index(layout.HOW)
    made = ["limit = 8", "import kent", "page.describe_runs()", "draw()", "**Check**\n\nBounds."]
    assert said[start + 1 :] == [*made, "assert True", "</details>"]
    headings = [re.match(r"## (.+)", each)[1] for each in said if each.startswith("## ")]
    assert headings == ["Claim", "Method", "Behind the figure", "Verdict", "Full run"]
    shown = [cell for cell in published[start:] if cell["cell_type"] == "code"]
    assert not any("hide-input" in cells.tags_of(cell) for cell in shown)
    assert sum(cells.has_picture(cell) for cell in published) == 1


def test_nothing_of_a_page_is_lost():
    page = make_page()
    published = publish(page)
    outputs = [each for cell in published for each in cell.get("outputs", [])]
    assert len(outputs) == sum(len(cell.get("outputs", [])) for cell in page.values())
    said = "\n".join(sources(published))
    gone = {"title", "heading", "check"}
    assert all(cells.source_of(cell) in said for name, cell in page.items() if name not in gone)


def test_without_tags_only_what_can_be_told_is_moved():
    page = {
        name: {**cell, "metadata": {}} for name, cell in make_page().items() if name != "assert"
    }
    said = sources(publish(page))
    assert said[1] == "draw()" and "import kent" in said[: said.index(layout.HOW)]


def test_a_figure_section_without_more_is_dropped_and_one_with_text_keeps_it():
    page = make_page(table=text("## Next\n\nA section."))
    assert not any("the figure" in each for each in sources(publish(page)))
    page = make_page(heading=text("## Figure\n\nHow to look at it."))
    assert "## Behind the figure\n\nHow to look at it." in sources(publish(page))


def test_a_tagged_answer_stands_before_the_figure():
    page = make_page(read=code("say()", "answer", data={"text/markdown": "Twice as much."}))
    first, answer, figure, *_ = publish(page)
    assert "answers" not in first["source"] and "verdict" not in first["source"]
    assert cells.source_of(answer) == "say()" and cells.has_picture(figure)


@pytest.mark.parametrize(
    ("paragraph", "question", "rest"),
    [
        ("Does it? And why?", "Does it? And why?", ""),
        ("Does H of 1.5 fall? As built here, it is small.", "Does H of 1.5 fall?", "As built"),
        ("It is asked here. Does it?", "It is asked here. Does it?", ""),
        ("No question.", "No question.", ""),
    ],
)
def test_a_question_ends_where_its_question_mark_stands(paragraph, question, rest):
    title, asked, intro = layout.read_opening(f"# Title\n\n{paragraph}")
    assert (title, asked) == ("Title", question) and intro.startswith(rest)


def test_a_page_of_a_title_alone_opens_with_it():
    assert layout.read_opening("# Status") == ("Status", "", "")


def test_many_answers_stand_partly_behind_the_figure():
    rows = [ROW | {"claim": key} for key in CLAIMS][:9]
    before, behind = openings.divide(rows)
    assert before + behind == rows and 2 <= len(before) < 9
    assert openings.divide(rows[:1]) == (rows[:1], []) and openings.divide([]) == ([], [])


def test_an_answer_is_that_of_the_seeds_together():
    seeds = {"values": [1, 2, 3], "value": 2.0, "error": 0.5, "of": "orders of rows"}
    said = openings.answers([ROW | {"seeds": seeds}])
    assert "here: +2.0 ± 1.0 nats, mean of 3 orders of rows" in said


def test_an_answer_says_that_acquisition_is_net_of_the_control():
    row = ROW | {"claim": "fig04-acquisition"}
    assert "here, net of the control: " in openings.answers([row])


def test_a_badge_says_what_ran():
    assert openings.badge(RUNS | {"runs": 1, "date": ""}, True) == "built here: 1 run, 340 s"
    assert openings.badge(None, True) == ""
    assert openings.badge(None, True, recorded=True) == "recorded"
    assert openings.badge(None, False) == "no runs of its own"


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("verdict", [*SLUGS, f"agrees{ONE_MODEL}"])
def test_every_verdict_has_a_chip_that_can_be_read(verdict):
    style = (ROOT / "book/_static/kent.css").read_text("utf8")
    found = re.search(rf"--chip-{name_slug(verdict)}: (#\w{{6}});", style)
    assert found, verdict
    assert 1.05 / (luminance(found[1]) + 0.05) >= 4.5  # to white, WCAG AA
    assert f">{verdict}</span>" in chip(verdict)


def test_another_word_is_no_verdict():
    with pytest.raises(ValueError, match="'perhaps' is no verdict; known: agrees, "):
        chip("perhaps")


def test_links_to_pages_carry_the_first_verdict():
    style = chips.style_links({"speed": "agrees", "status": "no value"})
    assert (
        'a:is([href="speed.html"], [href$="/speed.html"])::after { content: "agrees"; '
        "background: var(--chip-agrees)" in style
    )
    assert style.count("a.current") == 2


TABLE = {
    "root": "book/intro",
    "parts": [
        {
            "chapters": [
                {"file": "book/method"},
                {"file": "notebooks/one", "sections": [{"file": "notebooks/under_one"}]},
            ]
        },
        {"chapters": [{"file": "notebooks/two"}]},
    ],
}
HOMES = {"under_one": "one"}


def test_a_nested_page_is_found_under_its_chapter_and_drafted_alone():
    assert nesting.list_chapters(TABLE) == {"one": ["under_one"], "two": []}
    assert nesting.find_homes(TABLE) == HOMES
    drafted = nesting.flatten(TABLE, "under_one")["parts"]
    assert drafted == [{"chapters": [{"file": "book/method"}, {"file": "notebooks/under_one"}]}]
    assert "sections" not in json.dumps(nesting.drop_sections(TABLE))


def test_a_nested_page_has_its_headings_one_level_lower_and_ids_of_its_own():
    own, nested = publish(make_page()), publish(make_page(), level=2)
    folded = nesting.fold(own, {"under_one": nested})
    said = sources(folded[len(own) :])
    assert "\n## Figure 2: entropy" in said[0] and "### Claim\n\nIt falls." in said
    assert "### Full run\n\n```bash\n# a comment\n```" in said
    ids = [cell["id"] for cell in folded[len(own) :]]
    assert len({*ids}) == len(ids) and not {*ids} & {cell["id"] for cell in own}
    assert all(re.fullmatch(r"[\w-]{1,64}", each) for each in ids)


@pytest.mark.parametrize(
    ("written", "led"),
    [
        ("[it](under_one.ipynb)", "[it](#page-under_one)"),
        ("[it](../notebooks/under_one.ipynb#claim)", "[it](#page-under_one)"),
        ("{doc}`/notebooks/under_one`", "{ref}`page-under_one`"),
        ("{doc}`It </notebooks/under_one>`", "{ref}`It <page-under_one>`"),
        ("{glue:text}`/notebooks/under_one.ipynb::x:s`", "{glue:text}`/notebooks/one.ipynb::x:s`"),
        (
            '<a href="../notebooks/under_one.html">',
            '<a href="../notebooks/one.html#page-under-one">',
        ),
        ("[it](one.ipynb) and [two](two.ipynb)", "[it](one.ipynb) and [two](two.ipynb)"),
        ("[it](not_under_one.ipynb)", "[it](not_under_one.ipynb)"),
        ("papermill notebooks/under_one.ipynb out", "papermill notebooks/under_one.ipynb out"),
    ],
)
def test_links_to_a_nested_page_lead_to_its_section(written, led):
    assert nesting.redirect(written, HOMES) == led


def test_links_in_outputs_lead_there_too_and_code_stays_as_it_is():
    cell = code("'[it](under_one.ipynb)'", data={"text/markdown": ["[it](under_one.ipynb)"]})
    led = nesting.redirect_cell(cell, HOMES)
    assert led["outputs"][0]["data"]["text/markdown"] == "[it](#page-under_one)"
    assert led["source"] == cell["source"]
    block = "```\n[it](under_one.ipynb)\n```"
    assert nesting.redirect_cell(text(block), HOMES)["source"] == block


def test_a_narrow_variant_becomes_a_style_of_the_same_picture():
    marked, variants = narrow.collect_variants("page_1", [*make_page().values()])
    assert variants == {"narrow-page-1-1": NARROW}
    (figure,) = [cell for cell in marked if cells.has_picture(cell)]
    assert figure["metadata"]["mystnb"]["image"]["classes"] == "narrow-page-1-1"
    assert NARROW not in json.dumps(marked)
    assert 'img.narrow-page-1-1 { content: url("narrow/narrow-page-1-1.svg")' in (
        narrow.style_variants([*variants])
    )


def test_a_table_does_not_break_within_a_number_and_its_error():
    (bound,) = cells.bind_errors(make_page()["table"])["outputs"]
    assert bound["data"]["text/html"] == "<table>1\u00a0±\u00a02</table>"


def test_a_page_offers_its_numbers_and_a_notebook_without_this_machine():
    page = {"cells": [*make_page().values()], "metadata": {"papermill": {"x": 1}}}
    told = code("1", data={"text/plain": f"{ROOT}/_build/x and {Path.home()}-not"})
    told["metadata"]["execution"] = {"iopub": "now"}
    noise = {"output_type": "stream", "name": "stderr", "text": "runs: 100 %"}
    told["outputs"].append(noise)
    page["cells"].append(told)
    files = downloads.list_files("speed", page)
    assert [*files] == ["csv", "json", "ipynb", "py"]
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    last = {"table": "1", "row": "A, net", "column": "late", "value": "2", "standard_error": "0.25"}
    assert rows[-1] == last
    (verdict,) = json.loads(files["json"])
    assert verdict["verdict"] == "agrees" and verdict["sign"] == CLAIMS["fig02"].sign
    for word in (str(ROOT), "papermill", "iopub", "runs: 100", "kent-narrow"):
        assert word not in files["ipynb"].replace("import papermill", "")
    assert f"./_build/x and {Path.home()}-not" in files["ipynb"]
    sources_kept = [cells.source_of(cell) for cell in json.loads(files["ipynb"])["cells"]]
    assert sources_kept == [cells.source_of(cell) for cell in page["cells"]]


def test_without_an_address_nothing_leads_to_it():
    written = (ROOT / "_config.yml").read_text("utf8")
    url = re.search(r"  url: (\S+)", written)[1]
    unset = staging.configure(written.replace(url, f"https://github.com/{staging.UNSET}/kent"))
    assert staging.UNSET not in unset.replace(f"baseurl: https://{staging.UNSET}", "")
    assert "colab" not in unset and "use_repository_button: false" in unset
    known = staging.configure(written.replace(url, "https://github.com/someone/kent"))
    assert "colab" in known and "use_repository_button: true" in known


def test_the_whole_book_as_one_page_links_within_itself_and_to_the_web_alone(tmp_path):
    (tmp_path / "book").mkdir()
    links = [
        "book/intro.html#page-x",
        "#top",
        "https://arxiv.org",
        "_images/1.svg",
        "../files/x.py",
    ]
    written = "".join(f'<a class="x" href="{link}">' for link in links)
    (tmp_path / "book/intro.html").write_text(f'{written}<img src="_images/1.svg">')
    made = pdf.gather(tmp_path).read_text()
    assert re.findall('href="(.*?)"', made) == ["#page-x", "#top", "https://arxiv.org"]
    assert made.count("<a") == 5 and 'src="_images/1.svg"' in made


def test_a_missing_browser_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="no Chromium is installed; looked for chromium, "):
        pdf.find_browser()
