"""Checkpoints from folders, suites and a stand-in for the Hub that the real client talks to."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from hub import Hub, ask, make_byte_tokenizer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPTNeoXConfig, OlmoConfig

from kent import checkpoints
from kent.checkpoints import Revision, list_steps, load, resolve
from kent.suites import SUITES

SIZES = {"vocab_size": 257, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
OLMO = OlmoConfig(**SIZES, num_attention_heads=2, tie_word_embeddings=True)
NEOX = GPTNeoXConfig(**SIZES, num_attention_heads=2)


def save_checkpoint(folder: Path, config, seed: int) -> Path:
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    make_byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> Path:
    """A folder of three checkpoints, as pretraining leaves it."""
    folder = tmp_path_factory.mktemp("suite")
    for step in (0, 8, 512):
        save_checkpoint(folder / f"step{step}", OLMO, step)
    return folder


@pytest.fixture
def alone(steps, tmp_path) -> Path:
    return shutil.copytree(steps / "step8", tmp_path / "my-model")


# Folders


def test_a_folder_that_is_a_checkpoint_loads_in_float32_ready_to_measure(alone, steps):
    model, tokenizer = load(alone, device="cpu")
    assert not model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert {weight.device.type for weight in model.parameters()} == {"cpu"}
    weights = load_file(steps / "step8" / "model.safetensors")
    assert torch.equal(model.model.layers[1].mlp.down_proj.weight, weights["model.layers.1.mlp.down_proj.weight"])
    assert tokenizer.eos_token == "<|endoftext|>"
    assert resolve(alone).step is None
    assert resolve(alone).branch is None
    assert list_steps(alone) == []


def test_the_device_is_the_gpu_if_there_is_one(alone):
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert next(load(alone)[0].parameters()).device.type == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_refused(alone):
    with pytest.raises(ValueError, match="device is cuda, and torch finds no GPU here"):
        load(alone, device="cuda")


def test_float32_is_used_even_where_the_checkpoint_was_saved_in_bfloat16(alone):
    model = load(alone, dtype=torch.bfloat16, device="cpu")[0]
    assert next(model.parameters()).dtype == torch.bfloat16
    model.save_pretrained(alone)
    assert next(load(alone, device="cpu")[0].parameters()).dtype == torch.float32


@pytest.mark.parametrize("step", [0, 8, 512, None])
def test_a_folder_of_steps_gives_the_step_asked_for_or_the_last(steps, step):
    found = 512 if step is None else step
    revision = resolve(steps, step)
    assert (revision.repository, revision.branch, revision.step) == (str(steps), f"step{found}", found)
    weights = load_file(steps / f"step{found}" / "model.safetensors")
    model, _ = load(str(steps), step, device="cpu")
    assert torch.equal(model.model.embed_tokens.weight, weights["model.embed_tokens.weight"])


def test_steps_are_listed_in_order_of_number(steps):
    assert list_steps(steps) == [0, 8, 512]


def test_a_step_folder_given_itself_knows_its_step(steps):
    assert resolve(steps / "step8").step == 8
    assert resolve(steps / "step8", 8) == resolve(steps / "step8")
    with pytest.raises(ValueError, match="no checkpoint of step 9"):
        resolve(steps / "step8", 9)


def test_a_final_model_beside_its_steps_is_taken_without_a_step(steps, tmp_path):
    folder = shutil.copytree(steps, tmp_path / "run")
    save_checkpoint(folder, OLMO, 1)
    assert resolve(folder).branch is None
    assert resolve(folder, 8).branch == "step8"


def test_the_commit_of_a_folder_is_its_weights_and_configuration(steps, alone):
    before = resolve(alone).commit
    assert len(before) == 16 and int(before, 16) >= 0
    assert before == resolve(steps, 8).commit != resolve(steps, 0).commit
    weights = load_file(alone / "model.safetensors")
    weights["model.embed_tokens.weight"][0, 0] += 1
    save_file(weights, alone / "model.safetensors", metadata={"format": "pt"})
    changed = resolve(alone).commit
    assert changed != before
    config = json.loads((alone / "config.json").read_text())
    (alone / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}))
    assert resolve(alone).commit not in (before, changed)


def test_the_commit_of_a_folder_follows_its_tokenizer_and_what_is_in_the_files(alone):
    before = resolve(alone).commit
    for name in ("tokenizer.json", "model.safetensors"):
        path, content = alone / name, (alone / name).read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert resolve(alone).commit != before, name
        path.write_bytes(content)
        assert resolve(alone).commit == before, "the same bytes, written again"


def test_a_step_that_does_not_exist_names_the_nearest(steps):
    with pytest.raises(ValueError, match=r"no checkpoint of step 100; the nearest steps are 0, 8, 512"):
        load(steps, 100)


def test_a_folder_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no checkpoint"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["pythya", "a/b/c", "/no/such/folder", ""])
def test_a_name_that_is_nothing_says_what_is_accepted(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"suite .*tiny.*, nor a folder here|is no checkpoint"):
        load(name)


def test_missing_weights_are_an_error_not_random_numbers(alone):
    weights = load_file(alone / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, alone / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 weights, .*up_proj"):
        load(alone)


def test_weights_of_another_shape_are_an_error(alone):
    config = json.loads((alone / "config.json").read_text())
    (alone / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(ValueError, match="cannot be loaded"):
        load(alone)


def test_a_damaged_file_is_an_error(alone):
    content = (alone / "model.safetensors").read_bytes()
    (alone / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cannot be loaded"):
        load(alone)


def test_a_folder_without_weights_is_an_error(alone):
    (alone / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="cannot be loaded"):
        load(alone)


def test_a_folder_without_tokenizer_is_an_error(alone):
    for path in alone.glob("*token*"):
        path.unlink()
    with pytest.raises(ValueError, match="comes without a tokenizer"):
        load(alone)


def test_plain_torch_weights_load(alone):
    weights = load_file(alone / "model.safetensors")
    torch.save(weights, alone / "pytorch_model.bin")
    (alone / "model.safetensors").unlink()
    model, _ = load(alone, device="cpu")
    assert torch.equal(model.model.embed_tokens.weight, weights["model.embed_tokens.weight"])


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_a_pickle_that_would_run_code_is_refused(alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (alone / "model.safetensors").unlink()
    (alone / "pytorch_model.bin").write_bytes(pickle.dumps({"model.embed_tokens.weight": Trap()}, protocol=2))
    with pytest.raises(ValueError, match="cannot be loaded"):
        load(alone)
    torch.save({"model.embed_tokens.weight": Trap()}, alone / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be loaded"):
        load(alone)
    assert not Path("sprung").exists()


def test_code_beside_the_weights_is_not_run(alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = json.loads((alone / "config.json").read_text())
    mapped = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (alone / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": mapped}))
    (alone / "own.py").write_text("open('sprung', 'w')")
    with pytest.raises(ValueError, match=r"own|custom code"):
        load(alone)
    assert not Path("sprung").exists()


def test_a_suite_pretrained_on_the_spot_is_found_in_its_folder(steps, monkeypatch):
    monkeypatch.setattr(checkpoints.pretraining, "pretrain", {"tiny": steps}.__getitem__)
    expected = resolve(steps, 8).commit
    assert resolve("tiny", 8) == Revision(repository="tiny", branch="step8", commit=expected, step=8)
    assert resolve("tiny").step == 512
    assert list_steps("tiny") == [0, 8, 512]
    assert load("tiny", 0, device="cpu")[0].config.model_type == "olmo"


# The Hub

PYTHIA, OLMO_1B = "EleutherAI/pythia-1b", "allenai/OLMo-1B-hf"
STEPS_117 = {117850: "step117850-tokens494B", 118000: "step118000-tokens495B"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")

    def branches(config, names):
        return {name: save_checkpoint(folder / config.model_type / name, config, i) for i, name in enumerate(names)}

    repositories = {
        PYTHIA: branches(NEOX, ["main", "step0", "step512"]),
        OLMO_1B: branches(OLMO, ["main", "step1000-tokens4B", *STEPS_117.values()]),
    }
    with Hub(repositories) as hub:
        yield hub


QUESTIONS = """
import json
from dataclasses import asdict
from kent.checkpoints import list_steps, load, resolve

def state(name, step=None):
    model, tokenizer = load(name, step, device="cpu")
    embedding = model.get_input_embeddings().weight
    return [model.config.model_type, tokenizer.eos_token, str(embedding.dtype), float(embedding.double().sum())]

def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def online(hub, cache) -> dict:
    """What the real client makes of the stand-in, starting from an empty cache."""
    code = """print(json.dumps({
        "pythia": asdict(resolve("pythia", 512)), "pythia main": asdict(resolve("pythia")),
        "olmo": asdict(resolve("olmo-1b", 117850)), "by repository": asdict(resolve("allenai/OLMo-1B-hf", 1000)),
        "steps": list_steps("olmo-1b"), "pythia steps": list_steps("pythia"),
        "loaded": {"pythia 512": state("pythia", 512), "pythia": state("pythia"), "olmo": state("olmo-1b", 117850)},
        "no step": attempt(load, "olmo-1b", 118001), "no repository": attempt(load, "nobody/nothing"),
    }))"""
    return ask(QUESTIONS + code, cache, HF_ENDPOINT=hub.address)


def test_a_hub_step_is_looked_up_in_the_branches(hub, online):
    assert online["pythia"] == {
        "repository": PYTHIA, "branch": "step512", "commit": hub.commit(PYTHIA, "step512"), "step": 512
    }  # fmt: skip
    branch = STEPS_117[117850]
    assert online["olmo"] == {
        "repository": OLMO_1B, "branch": branch, "commit": hub.commit(OLMO_1B, branch), "step": 117850
    }  # fmt: skip
    assert online["by repository"]["branch"] == "step1000-tokens4B"
    assert online["steps"] == [1000, 117850, 118000]
    assert online["pythia steps"] == [0, 512]


def test_without_a_step_the_hub_gives_main(hub, online):
    assert online["pythia main"] == {
        "repository": PYTHIA, "branch": "main", "commit": hub.commit(PYTHIA, "main"), "step": None
    }  # fmt: skip


def test_hub_suites_load_the_branch_asked_for(hub, online):
    for (name, repository, branch), kind, key in [
        (("pythia 512", PYTHIA, "step512"), "gpt_neox", "gpt_neox.embed_in.weight"),
        (("pythia", PYTHIA, "main"), "gpt_neox", "gpt_neox.embed_in.weight"),
        (("olmo", OLMO_1B, STEPS_117[117850]), "olmo", "model.embed_tokens.weight"),
    ]:
        weights = load_file(hub.repositories[repository][branch] / "model.safetensors")
        assert online["loaded"][name][:3] == [kind, "<|endoftext|>", "torch.float32"]
        assert online["loaded"][name][3] == pytest.approx(float(weights[key].double().sum()), abs=1e-9)


def test_a_hub_step_that_does_not_exist_names_the_nearest(online):
    assert online["no step"] == (
        "ValueError: allenai/OLMo-1B-hf has no checkpoint of step 118001; the nearest steps are 1000, 117850, 118000"
    )


def test_a_repository_that_does_not_exist_is_said_to_be_missing(online):
    assert online["no repository"].startswith("ValueError: the Hub has no model 'nobody/nothing'")


OFFLINE = """print(json.dumps({
    "olmo": asdict(resolve("olmo-1b", 117850)), "steps": list_steps("olmo-1b"), "main": asdict(resolve("pythia")),
    "no main": attempt(resolve, "olmo-1b"), "no step": attempt(resolve, "olmo-1b", 1000),
    "unknown": attempt(resolve, "nobody/nothing"), "loaded": LOADED,
}))"""


def test_what_was_loaded_once_loads_offline(online, cache):
    offline = ask(QUESTIONS + OFFLINE.replace("LOADED", 'state("olmo-1b", 117850)'), cache, HF_HUB_OFFLINE="1")
    assert offline["olmo"] == online["olmo"]
    assert offline["main"] == online["pythia main"]
    assert offline["loaded"] == online["loaded"]["olmo"]
    assert offline["steps"] == [117850]
    assert "the nearest steps are 117850" in offline["no step"]
    assert offline["no main"].startswith("ValueError: allenai/OLMo-1B-hf has no branch main at hand")
    assert offline["unknown"].startswith("ConnectionError: the Hub does not answer, and the cache")


def test_a_hub_that_does_not_answer_is_as_good_as_offline(online, cache):
    silent = ask(QUESTIONS + OFFLINE.replace("LOADED", "None"), cache, HF_ENDPOINT="http://127.0.0.1:9")
    assert silent["olmo"] == online["olmo"]
    assert silent["unknown"].startswith("ConnectionError")


def test_a_cache_filled_by_someone_else_is_read(tmp_path):
    """Only the documented layout: refs/{branch} holding a commit, snapshots/{commit}/ holding the files."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--allenai--OLMo-1B-hf"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "step1000-tokens4B").write_text(commit)
    (repository / "refs" / "step2000-tokens8B").write_text("f" * 40)
    save_checkpoint(repository / "snapshots" / commit, OLMO, 3)
    code = 'print(json.dumps([list_steps("olmo-1b"), asdict(resolve("olmo-1b", 1000)), state("olmo-1b", 1000)]))'
    steps, revision, loaded = ask(QUESTIONS + code, tmp_path, HF_HUB_OFFLINE="1")
    assert steps == [1000]
    assert revision["commit"] == commit
    assert loaded[0] == "olmo"


def test_hub_suites_are_the_paper_s_repositories():
    assert SUITES["pythia"].repository == PYTHIA
    assert SUITES["olmo-1b"].repository == OLMO_1B
