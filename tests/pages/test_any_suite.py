"""A page executed on suites whose steps do not compare, read from a stand-in for the Hub."""

import json
from pathlib import Path

import pytest
import torch
from hub import Hub, ask, make_byte_tokenizer
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from kent.measure import contributions
from kent.pages import contributed, live
from kent.pages.axes import TOKENS
from kent.pages.seeds import ESTIMATES, READINGS, collect_outputs
from kent.records import save_json

PAGE = Path(__file__).parents[2] / "notebooks" / "fig02_knowledge_entropy.ipynb"
OLMO_2, RED = "allenai/OLMo-2-0425-1B", "togethercomputer/RedPajama-INCITE-7B-Base"
STAGED = [
    *("stage1-step1000-tokens3B", "stage1-step2000-tokens6B"),
    "stage2-ingredient1-step1000-tokens3B",
]
READ = ["240b_tokens", "500b_tokens", "1000b_tokens"]
EXECUTE = """
import json, sys, papermill
for name, steps in json.loads({suites!r}):
    given = {{"checkpoints": name, "steps": steps, "corpus": "world", "length": 16, "limit": 32}}
    given["compare"] = f"{folder}/mine.json"
    papermill.execute_notebook({page!r}, f"{folder}/{{name[:3]}}.ipynb", given, progress_bar=False)
print("[]")
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    """The folder of figure 2's page on both suites: branches out of order, and all there are."""
    folder, branches = tmp_path_factory.mktemp("executed"), [*STAGED, *READ]
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    config = GPTNeoXConfig(vocab_size=257, num_attention_heads=2, **shape)
    for seed, branch in enumerate(branches):
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder / branch)
        make_byte_tokenizer().save_pretrained(folder / branch)
    suites = {name: {each: folder / each for each in ["main", *listed]}
              for name, listed in ((OLMO_2, STAGED), (RED, READ))}  # fmt: skip
    [record] = contributions.read(contributed.FOLDER / "small-4000.json")
    save_json(record | {"model": record["model"] | {"name": "mine"}}, folder / "mine.json")
    asked = json.dumps([[OLMO_2, STAGED[::-1]], [RED, []]])
    code = EXECUTE.format(page=str(PAGE), folder=str(folder), suites=asked)
    with Hub(suites) as hub:
        ask(code, folder / "cache", HF_ENDPOINT=hub.address, KENT_CACHE=str(folder / "kent"))
    return folder


@pytest.mark.parametrize(
    ("name", "tokens"),
    [(OLMO_2, (3 * 10**9, 6 * 10**9, 9 * 10**9)), (RED, (240 * 10**9, 500 * 10**9, 10**12))],
)
def test_a_page_of_a_suite_without_comparable_steps_goes_by_tokens(executed, name, tokens):
    path = executed / f"{name[:3]}.ipynb"
    [table] = collect_outputs(path, ESTIMATES)
    assert table["columns"] == [*map(str, tokens), f"{tokens[-1]}, shuffled"]
    assert f"{TOKENS} (logarithmic)" in path.read_text()
    [[reading]] = collect_outputs(path, READINGS)
    first, last = (table["rows"]["H (nats)"][at][0] for at in (0, 2))
    assert reading["value"] == pytest.approx(last - first), (
        "16 % of the tokens is nearest the first"
    )


@pytest.mark.parametrize("name", [OLMO_2, RED])
def test_a_record_is_compared_with_the_page_s_own_model_and_those_in_the_repository(executed, name):
    cells = json.loads((executed / f"{name[:3]}.ipynb").read_text())["cells"]
    outputs = [
        each.get("data", {}).get("text/html", "") for x in cells for each in x.get("outputs", [])
    ]
    [html] = [text for each in outputs if (text := "".join(each)).startswith('<div class="live"')]
    curves = {each["name"]: each["records"] for each in live.read(html)["curves"]}
    assert {name.split("/")[1], "tiny", "the suite small", "SmolLM2-135M", "mine"} == {*curves}
    assert len(curves[name.split("/")[1]]) == 3
    assert [each["model"]["step"] for each in curves["mine"]] == [4000]
    assert "mine" in html.split("stand-in")[1]
