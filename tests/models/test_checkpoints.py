"""Checkpoints from folders, suites and a stand-in for the Hub that the real client talks to."""

import json
import pickle
import shutil
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers
from architectures import make
from hub import Hub, ask, make_byte_tokenizer, silence
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, GPTNeoXConfig, OlmoConfig

import kent
from kent import hub as hub_module
from kent.models import revisions
from kent.models.checkpoints import load
from kent.models.places import Place
from kent.models.revisions import Revision, list_places, list_steps, resolve
from kent.models.suites import SUITES

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
    assert torch.equal(
        model.model.layers[1].mlp.down_proj.weight, weights["model.layers.1.mlp.down_proj.weight"]
    )
    assert tokenizer.eos_token == "<|endoftext|>"
    assert resolve(alone).step is None
    assert resolve(alone).branch is None
    assert list_steps(alone) == []


def test_the_device_is_the_gpu_if_there_is_one(alone):
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert next(load(alone)[0].parameters()).device.type == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_refused(alone):
    with pytest.raises(ValueError, match=r"device is .cuda., and torch finds cpu here, no other"):
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
    assert (revision.repository, revision.branch, revision.step) == (
        str(steps),
        f"step{found}",
        found,
    )
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
    with pytest.raises(
        ValueError, match=r"no checkpoint of step 100; the nearest steps are 0, 8, 512"
    ):
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
    (alone / "pytorch_model.bin").write_bytes(
        pickle.dumps({"model.embed_tokens.weight": Trap()}, protocol=2)
    )
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
    (alone / "config.json").write_text(
        json.dumps(config | {"model_type": "own", "auto_map": mapped})
    )
    (alone / "own.py").write_text("open('sprung', 'w')")
    with pytest.raises(ValueError, match=r"own|custom code"):
        load(alone)
    assert not Path("sprung").exists()


def test_a_suite_pretrained_on_the_spot_is_found_in_its_folder(steps, monkeypatch):
    monkeypatch.setattr(revisions.pretraining, "pretrain", {"tiny": steps}.__getitem__)
    expected = resolve(steps, 8).commit
    assert resolve("tiny", 8) == Revision(
        repository="tiny", branch="step8", commit=expected, step=8
    )
    assert resolve("tiny").step == 512
    assert list_steps("tiny") == [0, 8, 512]
    assert load("tiny", 0, device="cpu")[0].config.model_type == "olmo"


# What a folder holds


def test_weights_of_two_saves_in_one_folder_are_refused(alone):
    model, _ = load(alone, device="cpu")
    model.save_pretrained(alone, max_shard_size="10KB")
    with pytest.raises(
        ValueError, match=r"two saves, model\.safetensors and model\.safetensors\.index\.json"
    ):
        load(alone)
    (alone / "model.safetensors").unlink()
    assert torch.equal(load(alone, device="cpu")[0].lm_head.weight, model.lm_head.weight)
    torch.save(
        model.state_dict(), alone / "pytorch_model.bin"
    )  # the Hub has many folders with both kinds
    load(alone, device="cpu")


def test_plain_torch_weights_of_two_saves_are_refused(alone):
    torch.save(load_file(alone / "model.safetensors"), alone / "pytorch_model.bin")
    (alone / "pytorch_model.bin.index.json").write_text("{}")
    load(alone, device="cpu")  # safetensors come first
    (alone / "model.safetensors").unlink()
    with pytest.raises(
        ValueError, match=r"two saves, pytorch_model\.bin and pytorch_model\.bin\.index\.json"
    ):
        load(alone)


def test_missing_shards_are_named(alone):
    load(alone, device="cpu")[0].save_pretrained(alone, max_shard_size="10KB")
    (alone / "model.safetensors").unlink()
    shard = sorted(alone.glob("model-*"))[1]
    shard.unlink()
    with pytest.raises(ValueError, match=f"lacks 1 of the shards .*{shard.name} first"):
        load(alone)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "does not say which shard"),
        ("[]", "does not say which shard"),
        ('{"weight_map": {}}', "lists what is no file beside it"),
        ('{"weight_map": {"a": "../elsewhere.safetensors"}}', "lists what is no file beside it"),
        ('{"weight_map": {"a": 5}}', "lists what is no file beside it"),
    ],
)
def test_an_index_that_is_none_is_refused(alone, index, message):
    (alone / "model.safetensors").unlink()
    (alone / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ValueError, match=message):
        load(alone)


@pytest.mark.parametrize("layers", [1, 0, -1])
def test_weights_of_more_layers_than_the_configuration_says_are_refused(alone, layers):
    config = json.loads((alone / "config.json").read_text())
    (alone / "config.json").write_text(json.dumps(config | {"num_hidden_layers": layers}))
    with pytest.raises(
        ValueError,
        match=r"holds \d+ weights that the model of its configuration lacks, model\.layers",
    ):
        load(alone)


def rewrite(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    "name",
    ["mlp.up_proj.bias", "mlp.up_proj.lora_A.weight", "self_attn.q_norm.weight",
     "mlp.up_proj.weight_mask",
     "mlp.up_proj.weight_scale", "self_attn.c_attn.bias"],
)  # fmt: skip
def test_weights_that_the_model_has_no_place_for_are_refused(alone, name):
    rewrite(alone, lambda weights: weights | {f"model.layers.0.{name}": torch.ones(32)})
    with pytest.raises(
        ValueError, match=rf"holds 1 weights that .* lacks, model\.layers\.0\.{name} first"
    ):
        load(alone)


def test_the_tables_of_older_saves_are_no_weights(tmp_path):
    folder, layer = save_checkpoint(tmp_path / "old", NEOX, 0), "gpt_neox.layers.0.attention"
    tables = {"bias": torch.ones(1, 1, 4, 4, dtype=torch.bool), "masked_bias": torch.tensor(-1e9)}
    tables["rotary_emb.inv_freq"] = torch.ones(4)
    rewrite(
        folder,
        lambda weights: weights | {f"{layer}.{name}": table for name, table in tables.items()},
    )
    assert load(folder)[0].config.num_hidden_layers == 2


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64])
def test_weights_that_are_not_floating_point_are_refused(alone, dtype):
    rewrite(alone, lambda weights: {name: each.to(dtype) for name, each in weights.items()})
    with pytest.raises(ValueError, match=r"of its weights are not floating-point, model\."):
        load(alone)


def test_a_step_is_a_file_in_a_folder_of_ascii_digits(steps, tmp_path):
    folder = shutil.copytree(steps, tmp_path / "run")
    (folder / "step970" / "config.json").mkdir(parents=True)
    shutil.copytree(steps / "step8", folder / "step٩٩٩")
    assert list_steps(folder) == [0, 8, 512] and resolve(folder).step == 512


@pytest.mark.parametrize("device", ["cpu:0", torch.device("cpu", 0)])
def test_the_first_cpu_is_the_cpu(alone, device):
    assert load(alone, device=device)[0].device == torch.device("cpu")


@pytest.mark.parametrize(
    "name",
    ["adapter_config.json", "adapter_model.bin", "adapter_model.safetensors",
     "model.safetensors.index.json",
     "pytorch_model.bin.index.json", "added_tokens.json", "special_tokens_map.json", "vocab.json",
     "tekken.json"],
)  # fmt: skip
def test_the_commit_of_a_folder_follows_all_that_decides(alone, name):
    found = {resolve(alone).commit}
    for content in (b"8", b"9"):  # of one length
        (alone / name).write_bytes(content)
        found.add(resolve(alone).commit)
    assert len(found) == 3
    (alone / "generation_config.json").write_text("{}")
    (alone / "README.md").write_text("about")
    assert resolve(alone).commit in found


CONFIGS = {
    "a list": [],
    "null": None,
    "rope": {"rope_parameters": {"rope_type": "su2", "rope_theta": 1e4}},
    "heads": {"num_attention_heads": 0},
    "vocabulary": {"vocab_size": "257"},
    "dtype": {"dtype": "float33"},
    "negative": {"hidden_size": -16},
    "activation": {"hidden_act": "zzz"},
    **{
        method: {"quantization_config": {"quant_method": method, **more}}
        for method, more in [
            ("gptq", {"bits": 4}),
            ("awq", {"bits": 4}),
            ("hqq", {}),
            ("eetq", {}),
            ("quanto", {}),
        ]
    },
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_odd_configuration_is_a_value_error_that_names_the_checkpoint(alone, kind):
    config, change = json.loads((alone / "config.json").read_text()), CONFIGS[kind]
    (alone / "config.json").write_text(
        json.dumps(config | change if isinstance(change, dict) else change)
    )
    with pytest.raises(ValueError, match=f"the checkpoint {alone} cannot be loaded: "):
        load(alone)


@pytest.mark.parametrize(
    "file", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\x00" * 20])
def test_files_of_something_else_are_a_value_error_that_names_the_checkpoint(alone, file, content):
    (alone / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"the checkpoint {alone} cannot be loaded: "):
        load(alone)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": None}, "name must be"),
        ({"name": 3}, "name must be"),
        ({"name": "~nobody-of-that-name/model"}, "nor a folder here"),
        ({"step": "8"}, "step must be"),
        ({"step": 8.0}, "step must be"),
        ({"step": True}, "step must be"),
        ({"step": -8}, "step must be"),
        ({"dtype": "float32"}, "dtype must be"),
        ({"dtype": torch.int8}, "dtype must be a floating-point one"),
        ({"device": "gpu"}, "device is 'gpu', and torch finds cpu"),
        ({"device": "meta"}, "device is 'meta', and torch finds cpu"),
        ({"device": "cuda:99"}, "device is 'cuda:99', and torch finds cpu"),
        ({"device": ""}, "device is '', and torch finds cpu"),
        ({"device": 0}, "device must be"),
        ({"device_map": "cpu"}, "device_map must be auto, balanced, balanced_low_0, sequential"),
        ({"device_map": 3}, "device_map must be"),
        ({"device_map": {}}, "device_map must name a place"),
        ({"device_map": {"": "cuda:99"}}, "device is 'cuda:99', and torch finds cpu"),
        ({"device_map": {"": 99}}, "device is 'cuda:99', and torch finds cpu"),
        ({"device_map": "auto", "device": "cpu"}, "device and device_map both say where"),
    ],
)
def test_arguments_that_are_none_are_refused_by_name(steps, arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**{"name": steps} | arguments)
    if {"name", "step"} & arguments.keys():
        with pytest.raises(ValueError, match=message):
            resolve(**{"name": steps} | arguments)


# Names


def test_a_path_is_a_folder_whatever_it_is_called(alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pythia", "tiny", "own"):
        alone = alone.rename(tmp_path / name)
        spelt = resolve(Path(name)).repository
        assert resolve(Path(name)).commit == resolve(alone).commit == resolve(spelt).commit
        assert spelt == (name if name == "own" else f"./{name}")
        assert list_steps(Path(name)) == []
    with pytest.raises(ValueError, match="neither a suite"):
        resolve(Path("EleutherAI/pythia-1b"))


def test_a_suite_that_hides_a_folder_says_so(alone, steps, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(revisions.pretraining, "pretrain", {"tiny": steps}.__getitem__)
    alone.rename("tiny")
    assert resolve("tiny", 8).repository == "tiny"
    expected = "tiny is taken for the suite, not for the folder here, which is ./tiny"
    assert expected in caplog.text


def test_an_empty_name_is_not_this_folder(alone, monkeypatch):
    monkeypatch.chdir(alone)
    assert resolve(".").commit == resolve(alone).commit
    with pytest.raises(ValueError, match="nor a folder here"):
        resolve("")


STAGES = (
    "main",
    "stage1-step0-tokens0B",
    "stage1-step10000-tokens21B",
    "stage2-ingredient1-step1000-tokens3B",
)


def list_as(monkeypatch, branches) -> None:
    commits = {branch: f"{branch:->40}" for branch in branches}
    monkeypatch.setattr(revisions, "list_branches", lambda name: commits)


def test_stages_are_read_and_a_step_of_one_place_is_taken(monkeypatch):
    list_as(monkeypatch, STAGES)
    name = "allenai/OLMo-2-0425-1B"
    assert resolve(name, 10000).branch == "stage1-step10000-tokens21B"
    assert resolve(name, 1000).branch == "stage2-ingredient1-step1000-tokens3B"
    assert list_steps(name) == [0, 1000, 10000]
    assert resolve(name).branch == "main"
    assert [*list_places(name).values()] == [
        Place(1, None, 0, 0), Place(1, None, 10000, 21 * 10**9), Place(2, 1, 1000, 3 * 10**9)
    ]  # fmt: skip


def test_an_ambiguous_step_is_an_error_that_lists_the_places(monkeypatch):
    other = "stage2-ingredient2-step1000-tokens3B"
    list_as(monkeypatch, [*STAGES, other])
    message = (
        r"more than one checkpoint of step 1000, so name one by branch=: stage2-ingredient1-step"
        r"1000-tokens3B \(stage 2, ingredient 1, step 1,000, tokens 3,000,000,000\); stage2-ingr"
    )
    with pytest.raises(ValueError, match=message):
        resolve("allenai/OLMo-2", 1000)
    with pytest.raises(ValueError, match=message):
        list_steps("allenai/OLMo-2")
    found = resolve("allenai/OLMo-2", branch=other)
    assert (found.branch, found.step) == (other, 1000)
    assert resolve("allenai/OLMo-2", 10000).step == 10000


def test_a_repository_of_mixed_names_is_not_half_read_in_silence(monkeypatch, caplog):
    list_as(monkeypatch, [*STAGES, "step5000", "step7000-tokens1B", "owl"])
    assert list_steps("allenai/mixed") == [0, 1000, 5000, 7000, 10000]
    mixed = "allenai/mixed has branches with a stage and others without, whose steps may count "
    assert f"{mixed}otherwise: step5000, step7000-tokens1B" in caplog.text
    assert "allenai/mixed has branches whose names are not read: owl" in caplog.text
    with pytest.raises(
        ValueError, match=r"nearest steps are 0, 1000, 5000, 7000, and .* are not read: owl"
    ):
        resolve("allenai/mixed", 1001)


def test_a_step_with_two_branches_is_refused(monkeypatch):
    list_as(monkeypatch, ["main", "step10", "step10-tokens1B", "step20"])
    with pytest.raises(
        ValueError, match=r"more than one checkpoint of step 10.*: step10 .*; step10-tokens1B \("
    ):
        resolve("allenai/twice", 10)
    assert resolve("allenai/twice", 20).branch == "step20"


def test_any_branch_can_be_named_also_one_without_a_step(monkeypatch, caplog):
    list_as(monkeypatch, ["main", "kestrel", "ocelot", "240b_tokens"])
    found = resolve("marin-community/marin-8b-base", branch="kestrel")
    assert found == Revision("marin-community/marin-8b-base", "kestrel", f"{'kestrel':->40}", None)
    assert list_steps("togethercomputer/RedPajama-INCITE-7B-Base") == []
    assert "do not say a step and are left out: 240b_tokens" in caplog.text
    with pytest.raises(ValueError, match="no checkpoint of step 3; no branch says a step"):
        resolve("marin-community/marin-8b-base", 3)
    with pytest.raises(ValueError, match="has no branch kestral at hand; branches: kestrel"):
        resolve("marin-community/marin-8b-base", branch="kestral")
    with pytest.raises(ValueError, match="a step or a branch, not both: step 3 and branch 'main'"):
        resolve("marin-community/marin-8b-base", 3, branch="main")


def test_an_empty_main_is_not_taken(monkeypatch):
    list_as(monkeypatch, ["main", "stage1-step-40000", "stage3-step-4720000"])
    name = "HuggingFaceTB/SmolLM3-3B-checkpoints"
    for settings in ({}, {"branch": "main"}):
        with pytest.raises(ValueError, match=r"no checkpoint in its branch main: .*stage1-step-40"):
            resolve(name, **settings)
    assert resolve(name, 4720000).branch == "stage3-step-4720000"
    assert [place.tokens for place in list_places(name).values()] == [
        40000 * 2359296, 4720000 * 2359296
    ]  # fmt: skip


def test_branches_to_be_ignored_are_not_read_but_can_be_named(monkeypatch, caplog):
    mix = "stage2-step47684-mix-round5-from-2T-ckpt"
    list_as(monkeypatch, ["main", "stage1-step47684", mix])
    assert resolve("allenai/Olmo-3-1025-7B", 47684).branch == "stage1-step47684"
    assert resolve("allenai/Olmo-3-1025-7B", branch=mix).step == 47684
    assert "not read" not in caplog.text


def test_a_suite_of_several_repositories_names_one():
    with pytest.raises(ValueError, match=r"of several repositories, such as EleutherAI/pythia-14m"):
        resolve("PolyPythias")


def test_folders_of_other_names_are_read_too(steps, tmp_path):
    for name in ("stage1-step8", "stage2-step8", "checkpoint-9", "owl"):
        shutil.copytree(steps / "step8", tmp_path / name)
    assert resolve(tmp_path, 9).branch == "checkpoint-9"
    assert resolve(tmp_path).branch == "stage2-step8"
    with pytest.raises(ValueError, match="more than one checkpoint of step 8"):
        resolve(tmp_path, 8)
    assert resolve(tmp_path, branch="owl").commit == resolve(steps, 8).commit
    with pytest.raises(ValueError, match=r"has no branch owls at hand; branches: owl$"):
        resolve(tmp_path, branch="owls")
    assert resolve(tmp_path / "checkpoint-9").step == 9


def test_a_folder_of_folders_that_say_nothing_is_no_checkpoint(steps, tmp_path):
    shutil.copytree(steps / "step8", tmp_path / "owl")
    with pytest.raises(ValueError, match=r"nor folders like step{N}/; there is owl"):
        list_steps(tmp_path)


# Tokenizers


def split_digits(folder: Path, name: str) -> Path:
    """Have the folder's tokenizer.json take digits one by one, and name a class that has its own
    rules."""
    path = folder / "tokenizer.json"
    own = json.loads(path.read_text())
    own["model"]["vocab"] |= {"12": len(own["model"]["vocab"])}
    own["model"]["merges"] = [["1", "2"]]
    digits = {"type": "Digits", "individual_digits": True}
    own["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, own["pre_tokenizer"]]}
    path.write_text(json.dumps(own))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": name}))
    return folder


@pytest.mark.parametrize("name", ["GPTNeoXTokenizer", "GPT2Tokenizer", "PreTrainedTokenizerFast"])
def test_a_tokenizer_is_what_its_file_says_whatever_its_class(alone, name):
    tokenizer = load(split_digits(alone, name), device="cpu")[1]
    text = "In 1212, IT'LL be 12"
    expected = Tokenizer.from_file(str(alone / "tokenizer.json")).encode(
        text, add_special_tokens=False
    )
    assert tokenizer(text, add_special_tokens=False).input_ids == expected.ids
    assert tokenizer.decode(expected.ids) == text
    assert tokenizer.eos_token == "<|endoftext|>"


def test_special_tokens_that_only_the_class_knows_stay(alone):
    (alone / "tokenizer_config.json").write_text('{"tokenizer_class": "GPTNeoXTokenizer"}')
    tokenizer = load(alone, device="cpu")[1]
    assert (tokenizer.eos_token, tokenizer.bos_token_id) == ("<|endoftext|>", 256)
    assert len(tokenizer) == 257, "no token that the file does not have"


def test_a_tokenizer_without_tokenizer_json_is_made_by_its_class(alone):
    vocabulary = json.loads((alone / "tokenizer.json").read_text())["model"]["vocab"] | {
        "<|endoftext|>": 256
    }
    (alone / "tokenizer.json").unlink()
    (alone / "vocab.json").write_text(json.dumps(vocabulary))
    (alone / "merges.txt").write_text("#version: 0.2\n")
    (alone / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    tokenizer = load(alone, device="cpu")[1]
    assert tokenizer("a b", add_special_tokens=False).input_ids == [
        vocabulary[each] for each in ("a", "Ġ", "b")
    ]
    assert tokenizer.eos_token_id == 256


# The Hub

PYTHIA, OLMO_1B = "EleutherAI/pythia-1b", "allenai/OLMo-1B-hf"
STEPS_117 = {117850: "step117850-tokens494B", 118000: "step118000-tokens495B"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")

    def branches(config, names):
        return {
            name: save_checkpoint(folder / config.model_type / name, config, i)
            for i, name in enumerate(names)
        }

    adapted = save_checkpoint(folder / "adapted", OLMO, 5)
    (adapted / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "base_model_name_or_path": "some/base"}'
    )
    repositories = {
        "nobody/adapter": {"main": adapted},
        "nobody/digits": {
            "main": split_digits(save_checkpoint(folder / "digits", NEOX, 6), "GPTNeoXTokenizer")
        },
        PYTHIA: branches(NEOX, ["main", "step0", "step512"]),
        OLMO_1B: branches(OLMO, ["main", "step1000-tokens4B", *STEPS_117.values()]),
    }
    with Hub(repositories) as hub:
        yield hub


QUESTIONS = """
import json
import os
import tempfile
from dataclasses import asdict
from kent.models.checkpoints import load
from kent.models.revisions import list_steps, resolve

def state(name, step=None):
    model, tokenizer = load(name, step, device="cpu")
    embedding = model.get_input_embeddings().weight
    total = float(embedding.double().sum())
    return [model.config.model_type, tokenizer.eos_token, str(embedding.dtype), total]

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
        "olmo": asdict(resolve("olmo-1b", 117850)),
        "by repository": asdict(resolve("allenai/OLMo-1B-hf", 1000)),
        "steps": list_steps("olmo-1b"), "pythia steps": list_steps("pythia"),
        "loaded": {"pythia 512": state("pythia", 512), "pythia": state("pythia"),
                   "olmo": state("olmo-1b", 117850)},
        "no step": attempt(load, "olmo-1b", 118001),
        "no repository": attempt(load, "nobody/nothing"),
        "adapter": attempt(load, "nobody/adapter"),
        "digits": load("nobody/digits", device="cpu")[1](
            "1212", add_special_tokens=False).input_ids,
        "hidden": [os.chdir(tempfile.mkdtemp()), os.makedirs("EleutherAI/pythia-1b"),
                   attempt(load, "pythia", 512)][2],
    }))"""
    return ask(QUESTIONS + code, cache, HF_ENDPOINT=hub.address)


def test_a_hub_step_is_looked_up_in_the_branches(hub, online):
    assert online["pythia"] == {
        "repository": PYTHIA,
        "branch": "step512",
        "commit": hub.commit(PYTHIA, "step512"),
        "step": 512,
        "tokens": 512 * 2_097_152,
    }
    branch = STEPS_117[117850]
    assert online["olmo"] == {
        "repository": OLMO_1B,
        "branch": branch,
        "commit": hub.commit(OLMO_1B, branch),
        "step": 117850,
        "tokens": 494 * 10**9,
    }
    assert online["by repository"]["branch"] == "step1000-tokens4B"
    assert online["steps"] == [1000, 117850, 118000]
    assert online["pythia steps"] == [0, 512]


def test_without_a_step_the_hub_gives_main(hub, online):
    assert online["pythia main"] == {
        "repository": PYTHIA,
        "branch": "main",
        "commit": hub.commit(PYTHIA, "main"),
        "step": None,
        "tokens": None,
    }


def test_hub_suites_load_the_branch_asked_for(hub, online):
    for (name, repository, branch), kind, key in [
        (("pythia 512", PYTHIA, "step512"), "gpt_neox", "gpt_neox.embed_in.weight"),
        (("pythia", PYTHIA, "main"), "gpt_neox", "gpt_neox.embed_in.weight"),
        (("olmo", OLMO_1B, STEPS_117[117850]), "olmo", "model.embed_tokens.weight"),
    ]:
        weights = load_file(hub.repositories[repository][branch] / "model.safetensors")
        assert online["loaded"][name][:3] == [kind, "<|endoftext|>", "torch.float32"]
        assert online["loaded"][name][3] == pytest.approx(
            float(weights[key].double().sum()), abs=1e-9
        )


def test_a_hub_step_that_does_not_exist_names_the_nearest(online):
    assert online["no step"] == (
        "ValueError: allenai/OLMo-1B-hf has no checkpoint of step 118001; the nearest steps are "
        "1000, 117850, 118000"
    )


def test_a_repository_that_does_not_exist_is_said_to_be_missing(online):
    assert online["no repository"].startswith("ValueError: the Hub has no model 'nobody/nothing'")


def test_a_tokenizer_of_the_hub_is_what_its_file_says(hub, online):
    file = hub.repositories["nobody/digits"]["main"] / "tokenizer.json"
    assert online["digits"] == Tokenizer.from_file(str(file)).encode("1212").ids != []


def test_an_adapter_of_the_hub_is_refused_since_its_weights_are_elsewhere(online):
    assert online["adapter"].startswith(
        "ValueError: the checkpoint nobody/adapter/main cannot be loaded: it is an ada"
    )


def test_a_folder_is_not_read_for_a_repository_of_its_name(online):
    assert "a folder here has the repository's name" in online["hidden"]


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def offline(online, cache) -> dict:
    """What the client makes of what it loaded, and someone else put into the cache, offline.

    Of the other's only the documented layout is there: refs/{branch} holding a commit,
    snapshots/{commit}/ holding the files.
    """
    repository = cache / "hub" / "models--someone--else"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "step1000-tokens4B").write_text(COMMIT)
    (repository / "refs" / "step2000-tokens8B").write_text("f" * 40)
    save_checkpoint(repository / "snapshots" / COMMIT, OLMO, 3)
    code = """print(json.dumps({
        "olmo": asdict(resolve("olmo-1b", 117850)), "steps": list_steps("olmo-1b"),
        "main": asdict(resolve("pythia")), "loaded": state("olmo-1b", 117850),
        "no main": attempt(resolve, "olmo-1b"), "no step": attempt(resolve, "olmo-1b", 1000),
        "unknown": attempt(resolve, "nobody/nothing"), "else steps": list_steps("someone/else"),
        "else": asdict(resolve("someone/else", 1000)), "else loaded": state("someone/else", 1000),
    }))"""
    return ask(QUESTIONS + code, cache, HF_HUB_OFFLINE="1")


def test_what_was_loaded_once_loads_offline(online, offline):
    assert offline["olmo"] == online["olmo"]
    assert offline["main"] == online["pythia main"]
    assert offline["loaded"] == online["loaded"]["olmo"]
    assert offline["steps"] == [117850]
    assert "the nearest steps are 117850" in offline["no step"]
    missing = "ValueError: allenai/OLMo-1B-hf has no branch main at hand"
    assert offline["no main"].startswith(missing)
    assert offline["unknown"].startswith("ConnectionError: the Hub does not answer, and the cache")


def test_a_cache_filled_by_someone_else_is_read(offline):
    assert offline["else steps"] == [1000]
    assert offline["else"]["commit"] == COMMIT
    assert offline["else loaded"][0] == "olmo"


def test_a_hub_that_does_not_answer_is_as_good_as_offline(online, cache, monkeypatch):
    silence(monkeypatch, cache)
    assert asdict(resolve("olmo-1b", 117850)) == online["olmo"]
    with pytest.raises(ConnectionError, match="the Hub does not answer, and the cache"):
        resolve("nobody/nothing")


def test_references_that_are_no_commits_are_passed_over(tmp_path, monkeypatch):
    repository = tmp_path / "models--a--b"
    for name, content in (
        ("main", b""),
        ("step1", b"\xff\xfe"),
        ("step2", b"."),
        ("step3", b"f" * 40),
    ):
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / name).write_bytes(content)
    (repository / "snapshots" / ("f" * 40)).mkdir(parents=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert hub_module._read_cached_branches("a/b", "model") == {"step3": "f" * 40}


def test_what_answers_and_is_not_the_hub_is_a_connection_error(monkeypatch):
    def answer(*arguments, **settings):
        return json.loads("<html>log in to this network</html>")

    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_refs", answer)
    with pytest.raises(ConnectionError, match="is not the Hub"):
        resolve("a/b")


def test_hub_suites_are_the_paper_s_repositories():
    assert SUITES["pythia"].repository == PYTHIA
    assert SUITES["olmo-1b"].repository == OLMO_1B


# Over several places, and packed


def test_a_device_map_lays_a_checkpoint_over_memory_and_disk(alone):
    whole = load(alone)[0]
    places = {f"model.{name}": "cpu" for name, _ in whole.model.named_children()}
    laid = load(alone, device_map=places | {"lm_head": "cpu", "model.layers": "disk"})[0]
    assert all(parameter.is_meta for parameter in laid.model.layers.parameters())
    tokens = torch.arange(40).view(4, 10)
    assert kent.profile(laid, tokens).loss == kent.profile(whole, tokens).loss
    assert kent.profile(load(alone, device_map="auto")[0], tokens).vector_norms is not None


LIBRARIES = {
    "awq": ("gptqmodel", "autoawq"),
    "gptq": ("optimum", "gptqmodel"),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
}


@pytest.mark.parametrize("method", LIBRARIES)
def test_a_missing_library_is_named_before_weights_are_read(alone, method):
    if any(find_spec(name) for name in LIBRARIES[method][:1]):
        pytest.skip(f"{LIBRARIES[method][0]} is installed")
    config = json.loads((alone / "config.json").read_text())
    packing = {"quant_method": method, "bits": 4, "load_in_8bit": method == "bitsandbytes"}
    (alone / "config.json").write_text(json.dumps(config | {"quantization_config": packing}))
    (alone / "model.safetensors").write_bytes(b"never read")
    with pytest.raises(ValueError, match=f"ImportError.*{LIBRARIES[method][0]}"):
        load(alone)


def test_a_packing_that_transformers_does_not_know_is_refused(alone):
    config = json.loads((alone / "config.json").read_text())
    packing = {"quant_method": "squeezed"}
    (alone / "config.json").write_text(json.dumps(config | {"quantization_config": packing}))
    with pytest.raises(ValueError, match="quantised by 'squeezed', which transformers does not"):
        load(alone)


def test_eight_bits_of_bitsandbytes_are_measured_and_not_changed(tmp_path):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    model, folder = make("Llama"), tmp_path / "packed"
    model.save_pretrained(tmp_path / "plain")
    packing = transformers.BitsAndBytesConfig(load_in_8bit=True)
    packed = type(model).from_pretrained(tmp_path / "plain", quantization_config=packing)
    packed.save_pretrained(folder)
    make_byte_tokenizer().save_pretrained(folder)
    tokens = torch.randint(3, 200, (6, 24), generator=torch.Generator().manual_seed(0))
    expected, found = kent.profile(model, tokens), kent.profile(load(folder)[0], tokens)
    assert not found.left_out and found.vector_norms is None
    assert found.knowledge_entropy == pytest.approx(expected.knowledge_entropy, abs=0.02)
    assert found.loss == pytest.approx(expected.loss, abs=0.05)
    with pytest.raises(ValueError, match=r"stored as torch\.int8: only floating-point"):
        kent.resuscitate(load(folder)[0], expected.coefficients)
