"""Charts to explore: which rows of a page's tables are drawn, on which axes, beside what."""

import json
from math import log, nan
from pathlib import Path

import charts
import pytest
from chart_rows import BY_GAP, BY_READ, CHARTED, STILL, find_row
from test_layout import code, make_page, publish, text

from kent.models.suites import OWN, SUITES
from kent.pages.measures import GAP
from kent.pages.seeds import Seed, pool
from kent.pages.summaries import NET
from kent.paper import AXES, ENTROPIES, TABLES

ROOT = Path(__file__).parents[2]
FIG02, FIG04 = "fig02_knowledge_entropy", "fig04_acquisition_and_forgetting"
WITHIN, MEANS = "Values ± two standard errors within this model", "Means of 3 seeds ± half"
STEPS = ("128", "384", "512", "768")


def make(rows, columns=STEPS, said=WITHIN, suite="tiny"):
    """Cells of a page that keeps a table."""
    kept = {"columns": [*columns], "rows": rows, "configurations": ["a"], "code": []}
    shown = {"text/html": f"<p>{said}:</p>\n<table></table>"}
    parameters = code(f'checkpoints = "{suite}"', "parameters")
    return [parameters, code("table", data=shown, **{"kent-estimates": kept})]


def draw(*given, name=FIG02, **named):
    return charts.describe(name, make(*given, **named))


@pytest.mark.parametrize(
    ("name", "title", "label"),
    [
        ("H (nats)", "knowledge entropy H (nats)", "H"),
        ("Olmo, H (nats)", "knowledge entropy H (nats)", "Olmo"),
        (f"world-far, {GAP}", GAP, "world-far"),
        ("layer 0, ln m − H (nats)", "ln m − H by layer (nats)", "layer 0"),
        (NET, "acquisition A (%)", "A net of the control"),
        ("control: A (%)", "acquisition A (%)", "control: A"),
        ("injected once, control: A (%)", "acquisition A (%)", "injected once, control: A"),
        ("q = 2, minus unchanged, F (%)", "forgetting F (%), minus unchanged", "q = 2, F"),
        ("Gini", "Gini", "Gini"),
        (
            "injected once, K since the start (nats), from step 128",
            "injected once, K since the start (nats)",
            "from step 128",
        ),
        (
            "left of an injection (nats), from step 128",
            "left of an injection (nats)",
            "from step 128",
        ),
    ],
)
def test_a_row_stands_on_its_axis_under_its_name(name, title, label):
    row = find_row(name)
    assert (row.title, row.label) == (title, label)


@pytest.mark.parametrize("name", ["H by sequences (nats)", "P after minus guessing (points)", "r"])
def test_other_rows_are_not_drawn(name):
    assert find_row(name) is None


def test_what_a_run_learned_goes_by_its_own_steps():
    assert find_row("control, K since the start (nats), from step 128").axis == "optimizer step"
    assert find_row("left of an injection (nats), from step 128").axis == "injections since"


def test_a_chart_holds_the_values_of_checkpoints_and_null_where_there_is_none():
    rows = {"H (nats)": [[1.5, 0.1], [None, None], [2.25, 0.2], [9, 9]]}
    (panel,) = draw(rows, columns=("0", "1", "4", "4, shuffled"))["panels"]
    assert panel["places"] == [0, 1, 4] and panel["basis"] == WITHIN
    assert panel["series"][0]["values"] == [[1.5, 0.1], None, [2.25, 0.2]]
    assert panel["series"][0]["seeds"] == []


def test_a_chart_is_over_the_seeds_that_its_page_is_over(monkeypatch):
    kept = {"H (nats)": dict(zip(STEPS, [(2.0, nan)] * 4, strict=True))}
    seeds = [Seed(f"tiny-{number}", {}, kept, False) for number in (1, 2)]
    monkeypatch.setattr(charts, "_recall", lambda suite: {"['a']": seeds})
    rows = {"H (nats)": [[1.0, 0.1]] * 4}
    (panel,) = draw(rows, said=MEANS)["panels"]
    value, error = pool([1.0, 2.0, 2.0])
    assert panel["series"][0]["values"][0] == pytest.approx([value, error], rel=1e-6)
    assert panel["series"][0]["seeds"] == [[1.0] * 4, [2.0] * 4, [2.0] * 4]
    assert draw(rows)["panels"][0]["series"][0]["values"][0] == [1.0, 0.1]


@pytest.mark.parametrize("prefix", ["", "Olmo, ", "GPTNeoX, "])
def test_a_step_is_worth_the_tokens_per_parameter_of_its_model(prefix):
    (panel,) = draw({f"{prefix}H (nats)": [[1, 0.1]] * 4})["panels"]
    name = "tiny-neox" if "Neo" in prefix else "tiny"
    expected = OWN[name].batch * OWN[name].length / SUITES[name].parameters
    assert panel["series"][0]["per_step"] == pytest.approx(expected, rel=1e-6)


def test_nothing_is_said_of_tokens_where_they_are_not_known():
    (panel,) = draw({"H (nats)": [[1, 0.1]] * 4}, suite="FOLDER")["panels"]
    assert panel["series"][0]["per_step"] is None
    (panel,) = draw({"control, K since the start (nats), from step 8": [[1, 0.1]] * 4})["panels"]
    assert panel["series"][0]["per_step"] is None and panel["axis"] == "optimizer step"


def test_published_ranges_stand_on_the_axes_they_are_of():
    (panel,) = draw({GAP: [[0.1, 0.01]] * 4})["panels"]
    low, high, layers, neurons = AXES["figure 2"]["OLMo-1B"]
    found = panel["published"][0]
    assert found["name"] == "paper: OLMo-1B (fig. 2)" and panel["log"]
    ends = [log(neurons) - high / layers, log(neurons) - low / layers]
    assert [found["low"], found["high"]] == pytest.approx(ends, rel=1e-6)
    (panel,) = draw({"attention entropy (nats)": [[1, 0.1]] * 4})["panels"]
    assert (panel["published"][0]["high"], panel["published"][0]["low"]) == ENTROPIES["attention"]


def test_published_values_stand_at_the_four_stages_only():
    rows = {NET: [[1, 0.1]] * 4, "A (%)": [[2, 0.1]] * 4}
    (panel,) = draw(rows, name=FIG04)["panels"]
    (line,) = panel["published"]
    assert line["values"] == [*TABLES["baseline"].A.values()]
    assert line["of"] == panel["series"][0]["name"] == "A net of the control"
    short = {name: pairs[:3] for name, pairs in rows.items()}
    assert not draw(short, columns=STEPS[:3], name=FIG04)["panels"][0]["published"]


def test_of_several_settings_the_first_kind_is_shown_at_first():
    kinds = (NET, "A (%)")
    rows = {f"{name}, {kind}": [[1, 0.1]] * 4 for name in ("q = 10", "q = 2") for kind in kinds}
    (panel,) = draw(rows, name="fig16_resuscitation_by_stage")["panels"]
    shown = [each["name"] for each in panel["series"] if each["shown"]]
    assert shown == ["q = 2, A net of the control", "q = 10, A net of the control"]
    assert len(panel["series"]) == 4


def test_tables_of_the_same_axes_are_one_panel():
    rows = [{f"{name}, {GAP}": [[1, 0.1]] * 4} for name in ("Olmo", "GPTNeoX")]
    cells = [cell for each in rows for cell in make(each)]
    (panel,) = charts.describe("fig06_other_architecture", cells)["panels"]
    assert [each["name"] for each in panel["series"]] == ["Olmo", "GPTNeoX"]
    assert len({each["name"] for each in panel["published"]}) == len(panel["published"]) == 3


def test_pages_without_curves_have_no_chart():
    rows = {"H (nats)": [[1, 0.1]] * 4}
    assert draw(rows, name="correlations") is None
    assert draw({"H (nats)": [[1, 0.1]] * 2}, columns=STEPS[:2]) is None
    assert draw({"H (nats)": [[1, 0.1]] * 4}, columns=("a", "b", "c", "d")) is None
    assert charts.describe(FIG02, [text("# A title")]) is None


def test_a_chart_stands_before_the_figure_and_begins_as_it_does():
    page = make_page(table=make({"H (nats)": [[1, 0.1]] * 4})[1])
    _, chart, figure, *_ = publish(page)
    assert chart["source"].startswith('<div class="curves"><script type="application/json">{')
    assert json.loads(chart["source"].split(">", 2)[2].split("</script>")[0])["format"]
    assert figure["metadata"]["tags"] == ["figure", "remove-input"]


def test_the_page_decides_what_a_chart_shows_first():
    rows = {"H (nats)": [[1, 0.1]] * 4, GAP: [[1, 0.1]] * 4}
    names = {each: draw(rows, name=each)["panels"][0]["name"] for each in (FIG02, *BY_GAP)}
    assert [*names.values()] == ["knowledge entropy H (nats)", *[GAP] * len(BY_GAP)]
    assert draw(rows, name=BY_READ[0])["along"] == "tokens per parameter"
    assert draw(rows)["along"] == "pretraining step" and not draw(rows)["still"]
    assert draw(rows, name=f"small-{STILL[0]}")["still"]


@pytest.mark.parametrize("name", [*CHARTED, *STILL])
def test_a_page_that_ran_has_a_chart(name):
    assert (ROOT / "notebooks" / f"{name}.py").exists()
    places = ("_build/pages/tiny", "results/book")
    found = [path for path in (ROOT / each / f"{name}.ipynb" for each in places) if path.exists()]
    if not found:
        pytest.skip(f"{name} has not run: `make pages`")
    chart = charts.describe(name, json.loads(found[0].read_text("utf8"))["cells"])
    assert all(panel["series"] for panel in chart["panels"])
    assert len(charts.write(chart)) < 25_000
