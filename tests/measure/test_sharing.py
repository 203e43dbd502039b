"""A profile that torchrun's processes share is the one that a single process makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from architectures import make
from hub import make_byte_tokenizer
from learner import make_model

import kent
from kent.__main__ import main
from kent.measure import sharing
from kent.measure.packing import pack

TESTS = Path(__file__).parents[1]
PAIR = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone")
SHARED = """
import sys, torch, kent
from architectures import make
from kent.measure import measurement
from kent.measure.sharing import exchange, find_place

torch.set_num_threads(1)
rank, folder = find_place()[0], sys.argv[1]
draw = torch.Generator().manual_seed(0)
for name, count in (("OLMo", 37), ("OLMoE", 37), ("OLMo", 3), ("GPT-J", 9)):
    tokens = torch.randint(3, 200, (count, 24), generator=draw)
    mask = torch.ones_like(tokens)
    mask[::3, :5] = 0
    given = {"attention_mask": mask, "batch_size": 4}
    kent.profile(make(name), tokens, **given).save(f"{folder}/{name}-{count}-{rank}")
for wrong in (tokens + rank, tokens):
    if wrong is tokens and rank == 1:
        def fail(*_):
            raise MemoryError("none is left")
        measurement._stream = fail
    try:
        kent.profile(make("OLMo"), wrong)
    except Exception as error:
        with open(f"{folder}/said-{rank}", "a") as file:
            print(type(error).__name__, error, file=file)
"""


def start(*command: str) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    pipes = {"capture_output": True, "text": True, "timeout": 300}
    return subprocess.run([sys.executable, *PAIR, *command], env=environment, **pipes)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """What a pair of processes left."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "shared.py").write_text(SHARED)
    ran = start(str(folder / "shared.py"), str(folder))
    assert ran.returncode == 0, ran.stderr
    return folder


def test_each_process_has_the_whole_result_of_one(shared):
    draw = torch.Generator().manual_seed(0)
    for name, count in (("OLMo", 37), ("OLMoE", 37), ("OLMo", 3), ("GPT-J", 9)):
        tokens = torch.randint(3, 200, (count, 24), generator=draw)
        mask = torch.ones_like(tokens)
        mask[::3, :5] = 0
        alone = kent.profile(make(name), tokens, attention_mask=mask, batch_size=4)
        pair = [kent.Profile.load(shared / f"{name}-{count}-{rank}") for rank in range(2)]
        assert pair[0].provenance == pair[1].provenance
        assert pair[0].left_out == alone.left_out
        assert pair[0].provenance["text"] == alone.provenance["text"]
        for key, expected in pack(alone).items():
            first, second = (pack(each)[key] for each in pair)
            assert torch.equal(first, second)
            assert torch.allclose(first.double(), expected.double(), rtol=1e-12, atol=0), key


def test_what_is_raised_in_one_process_is_raised_in_all(shared):
    first, second = ((shared / f"said-{rank}").read_text().splitlines() for rank in range(2))
    assert first[0] == second[0] and first[0].startswith("ValueError process 1 was given another ")
    assert "sequences: " in first[0]
    assert first[1] == "RuntimeError process 1: MemoryError: none is left"
    assert second[1] == "MemoryError none is left"


def test_the_command_line_writes_one_record_for_all(tmp_path, capsys):
    make_model().save_pretrained(tmp_path / "model")
    make_byte_tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "text.txt").write_text("A text of some words, which a model reads. " * 20)
    asked = ["profile", str(tmp_path / "model"), "--corpus", str(tmp_path / "text.txt")]
    asked += ["--length", "16", "--limit", "19", "--batch-size", "4", "--record"]
    assert main([*asked, str(tmp_path / "one.json")]) == 0
    ran = start("-m", "kent", *asked, str(tmp_path / "two.json"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("record: ") == 1 and ran.stdout.count("knowledge entropy") == 2
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    same = {"format", "model", "text", "left_out"} & one.keys()
    assert {key: one[key] for key in same} == {key: two[key] for key in same}
    for key in one.keys() - same - {"provenance", "by_layer"}:
        assert two[key] == pytest.approx(one[key], rel=1e-12), key


def test_batches_are_shared_whole_and_in_order(monkeypatch):
    for count in (1, 2, 5, 16):
        found = []
        for rank in range(3):
            monkeypatch.setattr(sharing, "find_place", lambda rank=rank: (rank, 3))
            found += sharing.walk(range(0, 4 * count, 4))
        assert found == [*range(0, 4 * count, 4)]


def test_a_model_that_is_divided_between_processes_is_refused():
    model = make("OLMo")
    model.lm_head.weight.device_mesh = "a mesh"
    with pytest.raises(
        ValueError, match="weights of OlmoForCausalLM are divided between processes"
    ):
        sharing.describe_given(model, {}, {})
