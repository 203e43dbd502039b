"""Only a page that ran to its end, from today's notebook, may be published."""

import json
import os

import nbformat
import pair
import publish
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

SOURCE = "# %% [markdown]\n# # A title\n\n# %%\nprint(1)\n\n# %%\nprint(1)\n"


@pytest.fixture
def page(tmp_path):
    """A notebook and an executed copy of it: functions of what differs in the copy."""

    def make(*, count=1, error=None, code="print(1)", **record):
        notebook, executed = tmp_path / "page.ipynb", tmp_path / "executed.ipynb"
        title = new_markdown_cell("# A title")
        nbformat.write(new_notebook(cells=[title, new_code_cell("print(1)")]), notebook)
        failed = new_output("error", ename="KeyError", evalue=str(error), traceback=[])
        tagged = {"tags": ["injected-parameters"]}
        injected = new_code_cell("# Parameters", execution_count=1, metadata=tagged)
        outputs = [failed] if error else []
        cells = [title, injected, new_code_cell(code, execution_count=count, outputs=outputs)]
        metadata = {"papermill": {"end_time": "2026-01-01T00:00:00", "exception": None, **record}}
        nbformat.write(new_notebook(cells=cells, metadata=metadata), executed)
        return executed, notebook

    return make


def test_a_page_that_ran_may_be_published(page):
    assert publish.fault(*page()) is None


@pytest.mark.parametrize(
    ("differs", "why"),
    [
        ({"count": None}, "some of its cells have not run"),
        ({"error": "'layer'"}, "KeyError: 'layer'"),
        ({"exception": True}, "papermill did not finish it"),
        ({"end_time": None}, "papermill did not finish it"),
        ({"code": "print(2)"}, "its notebook has changed since it ran"),
    ],
)
def test_a_page_that_did_not_run_is_refused_with_the_reason(page, differs, why):
    assert publish.fault(*page(**differs)) == why


def test_a_page_without_an_executed_copy_is_refused(page, tmp_path):
    assert publish.fault(tmp_path / "nothing.ipynb", page()[1]) == "it has not run"


def test_a_source_only_notebook_is_refused(page):
    _, notebook = page()
    assert publish.fault(notebook, notebook) == "papermill did not finish it"


def test_staging_names_every_page_that_did_not_run(monkeypatch, tmp_path):
    monkeypatch.setattr(publish, "PAGES", tmp_path)
    chapters = [{"file": f"notebooks/{name}"} for name in ("one", "two")]
    with pytest.raises(ValueError, match="page one: it has not run\npage two: it has not run"):
        publish.stage(tmp_path / "site", {"parts": [{"chapters": chapters}]})
    assert not (tmp_path / "site").exists()


def test_a_draft_keeps_the_prose_and_one_page():
    table = publish.contents("speed")
    assert publish.pages(table) == ["speed"]
    assert {"file": "book/method"} in table["parts"][0]["chapters"]
    said = r"no page is called 'sped'; there are: .*fig01_\w+, fig02_.*, fig06_.*, speed, status"
    with pytest.raises(ValueError, match=said):
        publish.contents("sped")


def test_a_draft_of_a_nested_page_has_it_as_a_page():
    nested = "fig06_other_architecture"
    assert nested in publish.pages(publish.contents())
    table = publish.contents(nested)
    assert publish.pages(table) == [nested]
    assert {"file": f"notebooks/{nested}"} in [
        each for part in table["parts"] for each in part["chapters"]
    ]


def test_only_what_differs_is_staged_again(monkeypatch, tmp_path):
    table = {"parts": [{"chapters": [{"file": "notebooks/speed"}]}]}
    monkeypatch.setattr(publish, "PAGES", tmp_path)
    monkeypatch.setattr(publish, "fault", lambda *_: None)
    page = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# Speed"}]}
    (tmp_path / "speed.ipynb").write_text(json.dumps(page | {"metadata": {}, "nbformat": 4}))
    site = tmp_path / "site"
    assert site / "notebooks/speed.ipynb" in publish.stage(site, table)
    (site / "left_over.md").write_text("gone")
    assert publish.stage(site, table) == []
    assert not (site / "left_over.md").exists()


def test_a_notebook_is_made_the_same_every_time_and_its_cells_keep_their_ids(tmp_path):
    source = tmp_path / "page.py"
    source.write_text(SOURCE)
    first = pair.notebook(source)
    assert pair.notebook(source) == first
    source.write_text(SOURCE.replace("A title", "Another"))
    made = [json.loads(text)["cells"] for text in (first, pair.notebook(source))]
    before, after = ([cell["id"] for cell in cells] for cells in made)
    assert before[0] != after[0] and before[1:] == after[1:]
    assert len(set(before)) == 3


def test_an_edit_to_the_notebook_itself_is_not_overwritten(tmp_path):
    source, notebook = tmp_path / "page.py", tmp_path / "page.ipynb"
    source.write_text(SOURCE)
    text = pair.notebook(source)
    notebook.write_text(text.replace("print(1)", "print(2)", 1))
    os.utime(source, (1, 1))
    assert pair.differing(tmp_path) == {notebook: text}
    assert pair.edited(notebook, text)
    os.utime(notebook, (0, 0))
    assert not pair.edited(notebook, text)
