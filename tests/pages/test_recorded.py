"""Pages recorded on other models: what is kept of them, and how the book shows them."""

import json
import re
from pathlib import Path

import cells
import downloads
import nesting
import publish
import pytest
import record
import recorded
import yaml

from kent.models.suites import SEEDS, SUITES
from kent.pages import scorecard
from kent.runs import contents

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "results").glob("**/*.ipynb"))
SHOWN = scorecard.list_recorded()
MACHINE = re.compile(r"(?<![\w.:/~-])/(home|root|tmp|work|Users|mnt|var|opt|usr|srv|scratch)/\w")
SVG = """<svg>
 <g>
  <path d="M 0.123456 7 L 12.000001 -3.456789"/>
  <text style="font-size: 10px; font-family: 'DejaVu Sans', 'Arial', sans-serif; a: b">q = 1</text>
 </g>
</svg>"""
SMALL = """<svg>
<g>
<path d="M 0.12 7 L 12 -3.46"/>
<text style="font-size: 10px; font-family: 'DejaVu Sans', sans-serif; a: b">q = 1</text>
</g>
</svg>"""
RUNS = {"runs": 2, "seconds": 7200.0, "date": "2026-01-02", "machine": "cpu", "commit": "abc"}
TITLE = """# Figure 5: a title

*A page of the [companion](https://example.org).*

Does it help?

On the **tiny** suite."""


def text(source):
    return {"cell_type": "markdown", "id": "a", "metadata": {}, "source": source}


def code(source, *outputs, tags=(), **metadata):
    shown = {"papermill": {"duration": 1}, "execution": {}, "tags": [*tags], **metadata}
    made = {"cell_type": "code", "id": "b", "metadata": shown, "source": source}
    return {**made, "outputs": [*outputs], "execution_count": 1}


def output(data, **kept):
    return {"output_type": "display_data", "data": data, "metadata": kept}


@pytest.fixture
def executed():
    """A page as papermill leaves it, with files of this machine and progress in it."""
    bar = {"output_type": "stream", "name": "stderr", "text": "runs: 50 %"}
    progress = output({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "50 %"})
    glued = output({"application/papermill.record/text/plain": "'x'"}, scrapbook={"name": "x"})
    table = output({"text/markdown": "| |", "text/plain": "Noted()"}, **{"kent-runs": RUNS})
    picture = output(
        {"image/svg+xml": SVG, "text/plain": "Drawing()"},
        **{"kent-narrow": [*SVG.splitlines(True)]},
    )
    named = {"mystnb": {"figure": {"name": "fig-five"}}}
    source = f'corpus = "/tmp/deep/er/facts.json"\nurl = "https://x.org/tmp/a"\nname = "{ROOT}/a"'
    ran = {"input_path": "/tmp/a.ipynb", "output_path": "/tmp/b.ipynb", "exception": None}
    ran |= {"end_time": "2026-01-02T00:00:00", "duration": 7.5, "parameters": {"corpus": "/tmp/x"}}
    page = [
        text(TITLE),
        text("The runs of [Figure 4](fig04_x.ipynb) and [9](fig09_y.ipynb#claim)."),
        code(source, tags=["injected-parameters"]),
        code("fetch()", bar, progress, glued, table, tags=["made"]),
        code("draw()", picture, tags=["figure"], **named),
        code("say()", output({"text/plain": "1"})),
    ]
    metadata = {"papermill": ran, "widgets": {}, "kernelspec": {"name": "python3"}}
    return {"cells": page, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def test_a_record_of_another_model_holds_what_the_book_shows(executed):
    kept = record.keep(executed, "smollm2")
    title, prose, _, made, figure, said = kept["cells"]
    assert (title, prose) == (*executed["cells"][:2],)
    assert made["outputs"] == [output({"text/markdown": "| |"}, **{"kent-runs": RUNS})]
    assert figure["outputs"] == [output({"image/svg+xml": SMALL}, **{"kent-narrow": SMALL})]
    assert figure["metadata"] == {"tags": ["figure"], "mystnb": {"figure": {"name": "fig-five"}}}
    assert said["outputs"] == [output({"text/plain": "1"})]
    whole = {"duration": 7.5, "end_time": "2026-01-02T00:00:00", "exception": None}
    assert kept["metadata"] == {"kernelspec": {"name": "python3"}, "papermill": whole}


@pytest.mark.parametrize("suite", ["tiny", "tiny-1", "smollm2-2"])
def test_a_record_of_a_seed_holds_numbers_alone(executed, suite):
    executed["cells"].append(code("recorded = seeds.recall(plan, checkpoints)"))
    assert record.keep(executed, "tiny", contents.RECORDED[0]) == record.keep(executed, "smollm2")
    parameters, made = record.keep(executed, suite)["cells"]
    assert parameters["metadata"]["tags"] == ["injected-parameters"]
    assert [*made["outputs"][0]["metadata"]] == ["kent-runs"]


@pytest.mark.parametrize("suite", ["tiny-1", "smollm2"])
def test_a_record_names_files_without_the_folders_of_a_machine(executed, suite):
    kept = record.keep(executed, suite)
    said = json.dumps(kept)
    assert not MACHINE.search(said) and str(ROOT) not in said
    [source] = [each["source"] for each in kept["cells"] if "corpus" in each["source"]]
    assert source == 'corpus = "facts.json"\nurl = "https://x.org/tmp/a"\nname = "a"'


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_record_names_a_folder_of_a_machine(path):
    assert not MACHINE.search(path.read_text("utf8"))


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_recorded_of_another_model_is_whole_small_and_in_the_book(path):
    assert publish.fault(path) is None
    assert path.stat().st_size < 400_000
    table = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    assert path.relative_to(ROOT).with_suffix("") in nesting.list_notebooks(table).values()


def test_recorded_pages_of_the_book_are_notebooks_on_models_that_are_nobodys_seed():
    table = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    for name, suite in nesting.find_suites(table).items():
        assert suite in SUITES and suite not in SEEDS | {"tiny"}
        assert (ROOT / "notebooks" / f"{name.removeprefix(suite + '-')}.py").exists()


def test_a_record_of_a_page_that_asks_for_no_seeds_is_whole_whatever_its_suite(executed):
    assert len(record.keep(executed, "tiny")["cells"]) == len(executed["cells"])
    assert record.keep(executed, "tiny") == record.keep(executed, "smollm2")
    assert record.is_shown(executed, "tiny", "x") and not record.is_shown(executed, "tiny-1", "x")


def test_a_page_whose_model_is_missing_is_shown_as_recorded_and_says_so(
    executed, monkeypatch, tmp_path
):
    for name in ("ROOT", "PAGES", "RECORDS"):
        monkeypatch.setattr(publish, name, tmp_path / name)
    built, kept = (tmp_path / name / "real.ipynb" for name in ("PAGES", "RECORDS"))
    notebook = tmp_path / "ROOT/notebooks/real.ipynb"
    page = record.keep(executed, "tiny")
    own = [cell for cell in page["cells"] if "injected-parameters" not in str(cell["metadata"])]
    for path, held in ((notebook, {**page, "cells": own}), (kept, page)):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(held))
    table = {"parts": [{"chapters": [{"file": "notebooks/real"}]}]}
    shown = publish.read(table)["real"]
    opening = cells.source_of(shown["cells"][0]).split("\n\n")
    assert opening[2] == "Does it help?"
    assert opening[3].startswith("This page did not run when the book was built, since the package")
    monkeypatch.setattr(recorded.contents, "RECORDED", ("real",))
    assert "since it takes long: it is" in cells.source_of(publish.read(table)["real"]["cells"][0])
    built.parent.mkdir()
    built.write_text(json.dumps(page))
    assert publish.read(table)["real"] == page, "what ran here comes first"
    built.unlink()
    notebook.write_text(json.dumps({**page, "cells": own[1:]}))
    with pytest.raises(ValueError, match="page real: it has not run"):
        publish.read(table)


@pytest.mark.parametrize("page", ["real_model", "real_resuscitation", *contents.RECORDED])
def test_pages_that_may_not_run_have_a_record_of_today(page):
    kept = publish.RECORDS / f"{page}.ipynb"
    assert publish.fault(kept, ROOT / "notebooks" / f"{page}.ipynb") is None
    assert kept.stat().st_size < 600_000


def test_a_page_that_did_not_run_to_its_end_is_not_recorded(executed, monkeypatch, tmp_path):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    folder = tmp_path / "_build/pages/smollm2"
    folder.mkdir(parents=True)
    (folder / "page.ipynb").write_text(json.dumps(executed))
    record.main("smollm2", "page")
    assert (tmp_path / "results/pages/smollm2/page.ipynb").exists()
    executed["metadata"]["papermill"]["end_time"] = None
    (folder / "page.ipynb").write_text(json.dumps(executed))
    with pytest.raises(ValueError, match="page page is not recorded: papermill did not finish it"):
        record.main("smollm2", "page")


def test_a_recorded_page_says_its_model_and_links_to_pages_of_the_same(executed):
    names = {"fig05_x", "smollm2-fig05_x", "fig04_x", "smollm2-fig04_x", "fig09_y"}
    adapted = recorded.adapt(executed, "smollm2-fig05_x", "smollm2", names)["cells"]
    opening = cells.source_of(adapted[0]).split("\n\n")
    assert opening[0] == "# Figure 5 on SmolLM2-135M: a title" and opening[2] == "Does it help?"
    assert opening[3].startswith("Recorded on SmolLM2-135M (an instruction-tuned model, 4-bit")
    assert "[this page](fig05_x.ipynb)" in opening[3] and opening[4].startswith("On the **tiny**")
    links = "The runs of [Figure 4](smollm2-fig04_x.ipynb) and [9](fig09_y.ipynb#claim)."
    assert cells.source_of(adapted[1]) == links
    assert adapted[4]["metadata"]["mystnb"]["figure"]["name"] == "smollm2-fig-five"
    assert recorded.retitle("# Is it?", "M") == "# Is it? (M)"


FILE = "results/pages/smollm2/speed"
TABLE = {
    "root": "book/intro",
    "parts": [
        {"caption": "A model", "chapters": [{"file": FILE}]},
        {"chapters": [{"file": "notebooks/one", "sections": [{"file": f"{FILE}_2"}]}]},
    ],
}


def test_a_recorded_page_has_a_name_and_a_place_of_its_own():
    assert nesting.list_chapters(TABLE) == {"smollm2-speed": [], "one": ["smollm2-speed_2"]}
    assert nesting.find_suites(TABLE) == {"smollm2-speed": "smollm2", "smollm2-speed_2": "smollm2"}
    assert nesting.list_notebooks(TABLE)["smollm2-speed"] == Path(FILE)
    staged = [each["chapters"] for each in nesting.drop_sections(TABLE)["parts"]]
    assert staged == [[{"file": "notebooks/smollm2-speed"}], [{"file": "notebooks/one"}]]


def test_a_page_without_a_record_is_left_out_with_a_note(monkeypatch, tmp_path, capsys):
    kept, lost = nesting.drop_missing(TABLE, tmp_path)
    assert kept["parts"] == [{"chapters": [{"file": "notebooks/one"}]}]
    assert lost == [FILE, f"{FILE}_2"]
    (tmp_path / FILE).parent.mkdir(parents=True)
    for name in lost:
        (tmp_path / f"{name}.ipynb").touch()
    assert nesting.drop_missing(TABLE, tmp_path) == (TABLE, [])
    (tmp_path / f"{FILE}_2.ipynb").unlink()
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(TABLE))
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    assert publish.pages(publish.contents()) == ["smollm2-speed", "one"]
    assert capsys.readouterr().err == f"{FILE}_2 is not recorded yet: left out\n"


@pytest.mark.parametrize(
    ("written", "led"),
    [
        ("[it](../results/pages/smollm2/a.ipynb)", "[it](../notebooks/smollm2-a.ipynb)"),
        ("[it](../results/pages/smollm2/b.ipynb#x)", "[it](#page-smollm2-b)"),
        ("[it](b.ipynb)", "[it](b.ipynb)"),
        ("see results/pages/smollm2/a.ipynb", "see results/pages/smollm2/a.ipynb"),
    ],
)
def test_links_to_a_record_lead_to_its_page(written, led):
    assert nesting.redirect(written, {"smollm2-b": "one"}) == led


def test_a_record_is_published_beside_its_notebook_whatever_became_of_that(
    executed, monkeypatch, tmp_path
):
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    path = tmp_path / f"{FILE}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record.keep(executed, "smollm2")))
    table = {"root": "book/intro", "parts": TABLE["parts"][:1]}
    publish.stage(tmp_path / "site", table)
    published = json.loads((tmp_path / "site/notebooks/smollm2-speed.ipynb").read_text())
    said = "\n".join(map(cells.source_of, published["cells"]))
    assert said.startswith("(page-smollm2-speed)=\n# Figure 5 on SmolLM2-135M: a title")
    assert "recorded: 2 runs, 7,200 s, 2026-01-02, cpu, commit abc<" in said
    assert '<a href="../files/smollm2-speed.ipynb" download>' in said and ".py" not in said
    assert (tmp_path / "site/book/_static/narrow/narrow-smollm2-speed-1.svg").read_text() == SMALL
    assert "py" not in downloads.list_files("smollm2-speed", executed)


def test_a_record_with_an_error_is_refused(executed, monkeypatch, tmp_path):
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    failed = {"output_type": "error", "ename": "KeyError", "evalue": "x", "traceback": []}
    executed["cells"][-1]["outputs"] = [failed]
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / f"{FILE}.ipynb").write_text(json.dumps(executed))
    with pytest.raises(ValueError, match="page smollm2-speed: KeyError: x"):
        publish.stage(tmp_path / "site", {"root": "book/intro", "parts": TABLE["parts"][:1]})
