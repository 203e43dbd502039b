"""Public suites read by the real client from a stand-in for the Hub, and their listing."""

import json

import pytest
from hub import Hub, ask, make_byte_tokenizer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPTNeoXConfig, OlmoConfig

from kent.__main__ import main
from kent.models.catalogue import list_descriptions
from kent.models.places import Place, read_branch

SIZES = {"vocab_size": 257, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
BRANCHES = {
    "Pythia": ["step0", "step512"],
    "PolyPythias": ["step0", "step143000"],
    "OLMo": ["step1000-tokens4B", "step738020-tokens3094B"],
    "OLMo 2": [
        *("stage1-step1000-tokens3B", "stage2-ingredient1-step1000-tokens3B"),
        *("stage2-ingredient2-step1000-tokens3B", "step5000-tokens21B"),
    ],
    "Olmo 3": ["stage1-step10000", "stage2-ingredient2-step1000", "stage3-step11921"],
    "OLMoE": ["step1200000-tokens5033B"],
    "DataDecide": ["step1000-seed-default", "step1000-seed-large-aux-2"],
    "TOAA": ["stage1-step102000", "stage2-step1000"],
    "SmolLM2": ["step-125000"],
    "SmolLM2 1.7B": ["step-125000"],
    "SmolLM3": ["stage1-step-40000", "stage3-step-4720000"],
    "FineWeb ablations": ["step-001000-2BT"],
    "Apertus": ["step400000-tokens1680B", "step2627139-tokens15T"],
    "Comma v0.1": ["stage1-step010000-tokens21B", "stage2-step002000-tokens969B"],
    "Amber": ["ckpt_000", "ckpt_358"],
    "K2": ["ckpt_100"],
    "CrystalCoder": ["CrystalCoder_phase1_checkpoint_055500"],
    "TinyLlama": ["step-480k-token-1007B"],
    "Marin": ["kestrel", "deeper-starling"],
    "open-sci-ref": [],
    "OpenCoder": ["pretrain_iter_0373000", "anneal_iter_0001000"],
    "RedPajama-INCITE": ["240b_tokens"],
    "B-GPT": ["128000"],
    "BabyLM": ["chck_1M", "chck_1000M"],
}
SUITES = {each.name: each for each in list_descriptions()}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Every suite of suites.yaml under its own name, with some of its branches."""
    folders = []
    for kind in (OlmoConfig, GPTNeoXConfig):
        folder = tmp_path_factory.mktemp("checkpoint")
        config = kind(**SIZES, num_attention_heads=2)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        make_byte_tokenizer().save_pretrained(folder)
        folders.append(folder)
    repositories = {
        SUITES[name].example[0]: {"main": folders[0], **dict.fromkeys(branches, folders[1])}
        for name, branches in BRANCHES.items()
    }
    with Hub(repositories) as hub:
        yield hub


QUESTIONS = """
import json, sys, io
from contextlib import redirect_stdout, redirect_stderr
from kent.__main__ import main
from kent.models.catalogue import list_descriptions
from kent.models.checkpoints import load
from kent.models.revisions import list_places, list_steps, resolve

def attempt(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def say(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*arguments])
    return [code, out.getvalue(), err.getvalue()]

names = {each.name: each.example[0] for each in list_descriptions()}
places = {name: {b: vars(p) for b, p in list_places(each).items()} for name, each in names.items()}
commits = {name: {b: resolve(names[name], branch=b).commit for b in places[name]} for name in names}
by_branch = load(names["Marin"], branch="kestrel", device="cpu")[0]
by_step = load(names["SmolLM3"], 4720000, device="cpu")[0]
main_ = load(names["OLMo 2"], device="cpu")[0]
print(json.dumps({
    "places": places, "commits": commits,
    "loaded": [type(each).__name__ for each in (by_branch, by_step, main_)],
    "ambiguous": attempt(resolve, names["OLMo 2"], 1000),
    "steps": attempt(list_steps, names["DataDecide"]),
    "empty main": attempt(load, names["SmolLM3"]),
    "no branch": attempt(load, names["Marin"], branch="owl"),
    "suite": say("suite", names["OLMo 2"], "--device", "cpu"),
    "one": say("suite", names["open-sci-ref"], "--device", "cpu"),
    "none": say("suite", "nobody/nothing"),
}))
"""


@pytest.fixture(scope="module")
def found(hub, tmp_path_factory) -> dict:
    return ask(QUESTIONS, tmp_path_factory.mktemp("cache"), HF_ENDPOINT=hub.address)


def test_every_suite_is_there():
    assert BRANCHES.keys() == SUITES.keys()


@pytest.mark.parametrize("name", BRANCHES)
def test_the_branches_of_a_suite_are_read_by_the_real_client(hub, found, name):
    places, repository = found["places"][name], SUITES[name].example[0]
    assert sorted(places) == sorted(BRANCHES[name])
    for branch, place in places.items():
        expected = SUITES[name].read(branch)
        assert Place(**place) == expected != Place()
        assert name == "Marin" or expected.step == read_branch(branch).step
        assert found["commits"][name][branch] == hub.commit(repository, branch)


def test_any_branch_loads_and_so_does_a_step_of_one_place(found):
    assert found["loaded"] == ["GPTNeoXForCausalLM", "GPTNeoXForCausalLM", "OlmoForCausalLM"]
    assert found["no branch"].endswith("has no branch owl at hand; branches: deeper-starling, "
                                       "kestrel, main")  # fmt: skip


def test_a_step_of_several_places_is_an_error_that_lists_them(found):
    for branch in BRANCHES["OLMo 2"][:3]:
        assert branch in found["ambiguous"]
    assert "so name one by branch=" in found["ambiguous"]
    assert "seed large-aux-2" in found["steps"] and found["steps"].startswith("ValueError")
    assert "holds no checkpoint in its branch main" in found["empty main"]


def test_a_suite_is_listed_with_what_measuring_it_takes(hub, found):
    code, text, error = found["suite"]
    assert (code, error) == (0, "")
    head, table, cost = text.strip().split("\n\n")
    assert head.startswith("OLMo 2. Steps start again in every ingredient")
    lines = [line.split() for line in table.splitlines()]
    assert lines[0] == ["branch", "stage", "ingredient", "step", "tokens"]
    assert lines[2] == ["step5000-tokens21B", "5,000", "21,000,000,000"]
    assert lines[4] == [BRANCHES["OLMo 2"][2], "2", "2", "1,000", "3,000,000,000"]
    folder = hub.repositories["allenai/OLMo-2-0425-1B"]["step5000-tokens21B"]
    size = (folder / "model.safetensors").stat().st_size
    parameters = sum(each.numel() for each in load_file(folder / "model.safetensors").values())
    assert cost.startswith(f"4 checkpoints of {parameters:,} parameters; to measure on 32,768 ")
    assert f"{4 * size / 1e9:,.3f} GB to download" in cost


def test_a_suite_whose_branches_say_nothing_is_its_main(found):
    assert found["one"][0] == 0 and "1 checkpoint of" in found["one"][1]
    assert found["none"][0] == 2 and found["none"][2].startswith("error: the Hub has no model")


def test_a_folder_and_a_suite_by_its_name_are_listed(hub, tmp_path, capsys):
    for name in ("step0", "step8"):
        (tmp_path / name).symlink_to(hub.repositories["LLM360/Amber"]["ckpt_000"])
    assert main(["suite", str(tmp_path), "--device", "cpu"]) == 0
    assert "2 checkpoints of" in (said := capsys.readouterr().out) and "download" not in said
    assert main(["suite", "PolyPythias"]) == 0
    assert "EleutherAI/pythia-14m-seed1" in capsys.readouterr().out
    assert main(["suite", "PolyPythias", "--length", "1"]) == 2


def test_a_branch_is_measured_from_the_command_line(hub, tmp_path):
    (tmp_path / "owl").symlink_to(hub.repositories["LLM360/Amber"]["ckpt_000"])
    (tmp_path / "step1").symlink_to(hub.repositories["LLM360/Amber"]["main"])
    record = tmp_path / "record.json"
    sizes = ["--length", "16", "--limit", "4", "--record", str(record)]
    asked = ["profile", str(tmp_path), "--branch", "owl", "--corpus", "world", *sizes]
    assert main(asked) == 0
    revision = json.loads(record.read_text())["provenance"]["revision"]
    assert (revision["branch"], revision["step"]) == ("owl", None)
    assert main([*asked, "--step", "1"]) == 2
