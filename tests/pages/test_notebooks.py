"""What every page must have: sections in order, plain parameters, short cells, alt text."""

import ast
import json
import re
from pathlib import Path
from statistics import median

import pair
import papermill
import pytest
import yaml

from kent.models.suites import SEEDS
from kent.pages import seeds
from kent.pages.plots import learning
from kent.runs import contents
from kent.runs.configurations import make_recipe

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
PAGES = [path.stem for path in SOURCES]
OF_THE_BOOK = ("scorecard", "models", "speed", "status", "contributed")
PAPER_PAGES = [page for page in PAGES if page not in OF_THE_BOOK]
REAL = {"real_model": "smollm2", "real_resuscitation": "smollm2"}
SMALL = ("when_entropy_falls", "operating_point", "optimizer_memory", "gentler_resuscitation")
REAL |= dict.fromkeys(SMALL, "small")
"""Pages on another suite than the tiny one, and which that is."""
BEYOND = (*REAL, "other_measures", "exactness", "table_limits", "learning_curves", "entropy_or_not")
BEYOND += ("real_knowledge", "held_out_loss", "operating_point", "when_entropy_falls")
BEYOND += ("algorithm1_entropy", "forks", "which_checkpoint")
BEYOND += ("gentler_resuscitation",)
REREADING = ("table_limits", "which_checkpoint")  # nothing is measured or to be chosen
MEASURING = [page for page in PAPER_PAGES if page not in REREADING]
SECTIONS = ["Claim", "Method", "Figure", "Check", "Verdict", "Full run"]
MADE = ("google.colab", "page.check_parameters(", "page.estimate_cost(", "page.describe_runs(")
"""What a cell holds that says how a page was made: the book moves it to the page's end."""
SUITES = sorted((ROOT / "params").glob("*.yaml"))
REPLAYED = re.search(r"(?m)^REPLAYED := (.+)$", (ROOT / "Makefile").read_text("utf8"))[1].split()
RECORDED = [
    path
    for path in sorted((ROOT / "results/pages").glob("*/fig11_once_and_paraphrased.ipynb"))
    if path.parent.name in SEEDS
]
EXECUTED = ROOT / "_build" / "pages" / "tiny"


def cells(page: str, kind: str | None = None, folder: Path = ROOT / "notebooks") -> list[dict]:
    """The cells of a page, or those of one kind, each with its source as one string."""
    found = json.loads((folder / f"{page}.ipynb").read_text("utf8"))["cells"]
    joined = [{**cell, "source": "".join(cell["source"])} for cell in found]
    return [cell for cell in joined if kind in (None, cell["cell_type"])]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def python(cell: dict) -> ast.Module:
    """A code cell's syntax tree; IPython's % lines count as nothing."""
    return ast.parse(re.sub(r"(?m)^(\s*)%.*$", r"\1pass", cell["source"]))


def draws(output: dict) -> bool:
    """Whether an output is a picture: in SVG, or in PNG."""
    return not {"image/svg+xml", "image/png"}.isdisjoint(output.get("data", {}))


def parameters(page: str) -> list[ast.stmt]:
    chosen = [cell for cell in cells(page, "code") if "parameters" in tags(cell)]
    return [line for cell in chosen for line in python(cell).body]


def headings(page: str, level: int) -> list[str]:
    prose = "\n".join(cell["source"] for cell in cells(page, "markdown"))
    return re.findall(rf"(?m)^{'#' * level} (.+)$", re.sub(r"(?s)```.*?```", "", prose))


def test_every_page_is_in_the_table_of_contents_once():
    table = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    chapters = [chapter for part in table["parts"] for chapter in part["chapters"]]
    chapters += [section for chapter in chapters for section in chapter.get("sections", ())]
    files = [chapter["file"] for chapter in chapters]
    pages = sorted(file for file in files if file.startswith("notebooks/"))
    assert pages == [f"notebooks/{page}" for page in PAGES]
    prose = [file for file in [table["root"], *files] if file.startswith("book/")]
    assert all((ROOT / f"{file}.md").exists() for file in prose)


def test_notebooks_are_made_from_their_sources():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(PAGES)
    assert not pair.differing(), "run `make notebooks`"


@pytest.mark.parametrize("page", PAGES)
def test_committed_notebooks_hold_no_outputs(page):
    assert not [cell for cell in cells(page, "code") if cell["outputs"] or cell["execution_count"]]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_with_its_one_title(page):
    assert cells(page)[0]["source"].startswith("# ")
    assert len(headings(page, 1)) == 1


@pytest.mark.parametrize("page", PAPER_PAGES)
def test_a_page_of_the_paper_has_its_sections_in_order(page):
    assert [heading for heading in headings(page, 2) if heading in SECTIONS] == SECTIONS
    numbered = r"# (Figures?|Tables?|Appendix|Footnote|Algorithm) [\w., ]+: \S+ \S+"
    title = cells(page)[0]["source"]
    assert page in BEYOND or re.match(numbered, title), "title: the paper's number, and what of"


@pytest.mark.parametrize("page", PAPER_PAGES)
def test_a_page_of_the_paper_opens_with_its_question(page):
    title, byline, question, *_ = cells(page)[0]["source"].split("\n\n")
    assert title.startswith("# ") and byline.startswith("*A page of the")
    assert question.endswith("?") and len(re.findall(r"[.?!](?=\s|$)", question)) <= 2


@pytest.mark.parametrize("page", MEASURING)
def test_what_the_book_moves_is_tagged(page):
    code = cells(page, "code")
    [figure] = [cell for cell in code if "figure" in tags(cell)]
    assert "figure" in figure["metadata"]["mystnb"]
    for word in MADE:
        [cell] = [cell for cell in code if word in cell["source"]]
        assert "made" in tags(cell), word
    verdict = [cell for cell in code if "page.judge(" in cell["source"]]
    answer = [cell for cell in code if "answer" in tags(cell)]
    assert len(verdict) == 1 or len(answer) == 1, "a page has a verdict, or an answer"


@pytest.mark.parametrize("page", PAGES)
def test_no_page_prints(page):
    """A sentence belongs in Markdown: printed, it is cut at the column's edge."""
    nodes = [node for cell in cells(page, "code") for node in ast.walk(python(cell))]
    assert "print" not in {node.id for node in nodes if isinstance(node, ast.Name)}


@pytest.mark.parametrize("page", MEASURING)
def test_a_page_that_measures_declares_plain_parameters(page):
    assert sum("parameters" in tags(cell) for cell in cells(page)) == 1
    for line in parameters(page):
        plain = isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
        assert plain, ast.unparse(line)
        ast.literal_eval(line.value)


@pytest.mark.parametrize(
    "page", sorted(path.stem for path in (ROOT / "results/pages/tiny-1").glob("*.ipynb"))
)
def test_a_page_finds_what_other_seeds_recorded(page):
    """A new setting of a run must not part a page from what was recorded of it."""
    chosen = {line.targets[0].id: ast.literal_eval(line.value) for line in parameters(page)}
    decisive = {name: each for name, each in chosen.items() if name not in contents.DRAWN}
    assert len(seeds.recall(contents.PAGES[page](**decisive), "tiny")) == 3


@pytest.mark.parametrize("page", REREADING)
def test_a_page_that_measures_nothing_has_neither_parameters_nor_runs(page):
    assert not parameters(page)
    assert page not in contents.PAGES


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_is_used_later(page):
    code = [cell for cell in cells(page, "code") if "parameters" not in tags(cell)]
    nodes = [node for cell in code for node in ast.walk(python(cell))]
    read = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert {line.targets[0].id for line in parameters(page)} <= read


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.stem)
@pytest.mark.parametrize("page", MEASURING)
def test_parameter_files_name_only_parameters_of_the_page(page, suite):
    known = papermill.inspect_notebook(ROOT / "notebooks" / f"{page}.ipynb")
    declared = {line.targets[0].id for line in parameters(page)}
    assert declared == set(known), "papermill does not see them all"
    given = yaml.safe_load(suite.read_text("utf8"))
    assert set(given) <= set(known)
    for name, value in given.items():
        default = ast.literal_eval(known[name]["default"])
        assert type(value) is type(default), f"{name} is {value!r}, the page's default {default!r}"


@pytest.mark.parametrize("page", MEASURING)
def test_the_defaults_are_the_tiny_suite(page):
    defaults = {line.targets[0].id: ast.literal_eval(line.value) for line in parameters(page)}
    if page in REAL:
        assert defaults["checkpoints"] == REAL[page]
        return
    assert yaml.safe_load((ROOT / "params/tiny.yaml").read_text("utf8")).items() <= defaults.items()


@pytest.mark.parametrize("page", PAGES)
def test_printed_recipes_can_be_run(page):
    prose = "\n".join(cell["source"] for cell in cells(page, "markdown"))
    for recipe in map(yaml.safe_load, re.findall(r'(?s)"recipe: ({.+?})"', prose)):
        settings = {key: value for key, value in recipe.items() if key not in ("corpus", "length")}
        made = make_recipe(settings)
        assert made.batch % min(made.rows, made.batch) == 0 and made.steps % 10 == 0


@pytest.mark.parametrize("page", PAPER_PAGES)
def test_code_cells_are_short(page):
    """Those that the book moves to the page's end do not count."""
    folded = {"parameters", "made"}
    code = [cell for cell in cells(page, "code") if folded.isdisjoint(tags(cell))]
    lengths = [len(cell["source"].splitlines()) for cell in code]
    assert max(lengths) <= 10
    assert median(lengths) <= 6


@pytest.mark.parametrize("page", PAGES)
def test_every_executed_figure_carries_alt_text(page):
    if not (EXECUTED / f"{page}.ipynb").exists():
        pytest.skip(f"{page} has not run: `make pages`")
    ran = cells(page, "code", EXECUTED)
    shown = [[each for each in cell["outputs"] if draws(each)] for cell in ran]
    figures = [cell for cell, has in zip(ran, shown, strict=True) if has]
    assert all("kent-narrow" in each["metadata"] for found in shown for each in found)
    named = [cell for cell in ran if "figure" in cell["metadata"].get("mystnb", {})]
    assert figures == named, "a figure is not shown"
    assert figures or page not in PAPER_PAGES
    for cell in figures:
        described = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        assert len(described.split()) >= 8, f"figure without a description: {cell['source'][:60]}"


@pytest.mark.parametrize("page", REPLAYED)
def test_the_verdict_of_a_replayed_page_is_compared(page):
    compared = [cell for cell in cells(page, "code") if "nbval-check-output" in tags(cell)]
    assert any("page.judge(" in cell["source"] for cell in compared)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_recorded_seeds_have_the_rows_that_figure_11_looks_for(path):
    """A row of another name would be missing from the figure without a word."""
    (table,) = seeds.collect_outputs(path, "kent-estimates")
    assert {f"{kind}, A (%)" for kind in learning.KINDS} <= table["rows"].keys()
