"""Files that are whole or absent, and hashes that stay."""

import json
import logging
import math
import os
import re
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kent import records
from kent.errors import DamagedError
from kent.files import write_atomically
from kent.records import (
    cache_folder,
    describe_run,
    digest,
    hash_code,
    hash_file,
    load_tensors,
    make_room,
    save_json,
    save_tensors,
    set_aside,
)


def test_a_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "record.json"
    with write_atomically(target) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == target.parent
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_keeps_the_old_file_and_leaves_nothing(tmp_path, error):
    target = tmp_path / "record.json"
    target.write_text("old")

    def write_half() -> None:
        with write_atomically(target) as temporary:
            temporary.write_text("hal")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_is_written_readably(tmp_path):
    save_json({"name": "θ", "values": [1, 2.5]}, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"name": "θ", "values": [1, 2.5]}
    assert "θ" in text


def test_json_has_null_for_a_number_that_is_not_finite(tmp_path):
    save_json({"a": math.nan, "b": [1.5, (math.inf, -math.inf)]}, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": None, "b": [1.5, [None, None]]}


def test_digest_is_the_known_hash_of_canonical_json():
    # printf '{"a":1,"b":[true,null]}' | sha256sum
    assert digest({"b": [True, None], "a": 1}) == "1cc69c7fa23616ca"
    assert digest({"a": 1, "b": [True, None]}) != digest({"a": 1, "b": [None, True]})


def test_hash_of_a_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert (
        hash_file(tmp_path / "abc")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_hash_of_code_ignores_order_and_tells_files_apart():
    entropy, blocks = "measure/entropy.py", "measure/blocks.py"
    assert hash_code(entropy, blocks) == hash_code(blocks, entropy) != hash_code(entropy)
    assert hash_code(entropy) != hash_code(blocks)
    assert hash_code("measure/entr*.py", entropy) == hash_code(entropy)


def test_code_that_is_not_there_has_no_hash():
    with pytest.raises(ValueError, match=r"no source .*measure/entropie\.py"):
        hash_code("measure/blocks.py", "measure/entropie.py")


SOURCE = '''"""Means."""
import torch
from kent.entropy import measure


def mean(values: list[float]) -> float:
    """The mean."""
    return sum(values) / len(values)  # nats
'''


@pytest.fixture
def hash_written(tmp_path, monkeypatch):
    """The hash of a source that is written to a file of the package."""
    monkeypatch.setattr("kent.records.PACKAGE", tmp_path)

    def hash_written(name: str, source: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
        return hash_code(name)

    return hash_written


def test_code_that_moves_keeps_its_hash_with_other_imports_comments_and_docstrings(hash_written):
    moved = SOURCE.replace("kent.entropy", "kent.measure.entropy").replace(
        "import torch", "import math"
    )
    wrapped = moved.replace("(values: list[float])", "(\n    values: list[float],\n)").replace(
        "nats", "in nats"
    )
    said = wrapped.replace('"""The mean."""', '"""Their mean."""').replace(
        '"""Means."""', '"""Means of numbers."""'
    )
    assert hash_written("entropy.py", SOURCE) == hash_written("measure/means.py", said)


@pytest.mark.parametrize(
    "change", [("/ len", "* len"), ("sum", "max"), ("mean(", "average("), ("values)", "values, 0)")]
)
def test_code_that_computes_otherwise_has_another_hash(hash_written, change):
    assert hash_written("means.py", SOURCE) != hash_written("means.py", SOURCE.replace(*change))


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KENT_CACHE", str(tmp_path / "deep" / "cache"))
    assert cache_folder() == tmp_path / "deep" / "cache"
    assert cache_folder().is_dir()


def test_cache_folder_is_the_users_own_without_it(tmp_path, monkeypatch):
    monkeypatch.delenv("KENT_CACHE")
    monkeypatch.setattr("kent.records.user_cache_dir", lambda name: str(tmp_path / name))
    assert cache_folder() == tmp_path / "kent"


def test_tests_do_not_touch_the_users_cache():
    assert cache_folder() != Path.home() / ".cache" / "kent"


def test_provenance_names_what_decides_a_number():
    assert {
        "commit",
        "date",
        "machine",
        "python",
        "torch",
        "transformers",
        "numpy",
    } <= describe_run().keys()


def test_half_a_surrogate_pair_is_kept_as_json_escapes_it(tmp_path):
    save_json({"path": "caf\udce9"}, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("utf8")) == {"path": "caf\udce9"}
    assert digest("caf\udce9") != digest("caf\udce8")


FORMAT = "kent test 1"
TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "b": torch.tensor([True]),
    "none": torch.zeros(0),
    "one": torch.tensor(2),
}


@pytest.fixture
def record(tmp_path) -> Path:
    save_tensors(
        TENSORS, tmp_path / "record.safetensors", format=FORMAT, provenance={"step": 4, "name": "θ"}
    )
    return tmp_path / "record.safetensors"


def test_tensors_come_back_with_their_provenance(record):
    tensors, provenance = load_tensors(record, FORMAT)
    assert tensors.keys() == TENSORS.keys() and provenance == {"step": 4, "name": "θ"}
    assert all(
        torch.equal(tensors[name], each) and tensors[name].dtype == each.dtype
        for name, each in TENSORS.items()
    )
    with pytest.raises(
        ValueError, match="holds something else: its format is 'kent test 1', not 'kent test 2'"
    ):
        load_tensors(record, "kent test 2")


def test_any_byte_that_flips_is_found(record):
    """Blanks that pad the header, and a digit of the length that keeps within them, are nobody's
    content."""
    whole = record.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    padding = range(8 + len(whole[8 : 8 + length].rstrip()), 8 + length)
    for place in set(range(len(whole))) - {*padding}:
        record.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            tensors, provenance = load_tensors(record, FORMAT)
        except ValueError:
            continue
        assert provenance == {"step": 4, "name": "θ"}, place
        assert all(torch.equal(tensors[name], each) for name, each in TENSORS.items()), place


@pytest.mark.parametrize(
    "change", ["provenance", "checksum", "format", "tensor gone", "tensor more", "another shape"]
)
def test_a_header_or_tensors_that_are_not_what_was_written_are_damage(record, change):
    with safe_open(record, "pt") as file:
        header = file.metadata()
    tensors = dict(TENSORS)
    if change in header:
        del header[change]
    elif change == "tensor gone":
        del tensors["b"]
    elif change == "tensor more":
        tensors["c"] = torch.zeros(1)
    else:
        tensors["a"] = tensors["a"].view(3, 2)
    save_file(tensors, record, metadata=header)
    with pytest.raises(DamagedError, match="is not whole"):
        load_tensors(record, FORMAT)


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 64])
def test_a_file_of_something_else_is_damage(record, content):
    record.write_bytes(content)
    with pytest.raises(DamagedError, match="is not whole: it is no safetensors file"):
        load_tensors(record, FORMAT)


def test_what_is_not_whole_is_set_aside_beside_what_was_before(tmp_path):
    for number, name in enumerate(["a.broken", "a.broken1", "a.broken2"]):
        (tmp_path / "a").write_text(str(number))
        assert set_aside(tmp_path / "a") == tmp_path / name
    assert [(tmp_path / f"a.broken{number}").read_text() for number in ("", 1, 2)] == [
        "0",
        "1",
        "2",
    ]
    set_aside(tmp_path / "a")  # another process was there before


def test_a_file_for_a_folder_and_a_folder_for_a_file_make_room(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("KENT_CACHE", str(tmp_path))
    (tmp_path / "records").write_text("a file")
    path = tmp_path / "records" / "deep" / "x.safetensors"
    with caplog.at_level(logging.WARNING):
        assert make_room(path) == path and path.parent.is_dir()
    assert (
        tmp_path / "records.broken"
    ).read_text() == "a file" and "kept as records.broken" in caplog.text
    (path / "inside").mkdir(parents=True)
    make_room(path)
    assert not path.exists() and (path.with_name("x.safetensors.broken") / "inside").is_dir()


def test_a_cache_that_is_a_file_is_refused_and_left(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("KENT_CACHE", str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError, match="KENT_CACHE"):
        cache_folder()
    assert (tmp_path / "file").read_text() == "mine"


def test_the_cache_may_be_named_from_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KENT_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"


@pytest.mark.parametrize("place", ["records", "x.safetensors"])
@pytest.mark.parametrize("kind", ["nowhere", "loop", "pipe"])
def test_links_to_nowhere_and_pipes_make_room(tmp_path, monkeypatch, place, kind):
    monkeypatch.setenv("KENT_CACHE", str(tmp_path))
    path = tmp_path / "records" / "x.safetensors"
    wrong = path if place == path.name else path.parent
    wrong.parent.mkdir(exist_ok=True)
    os.mkfifo(wrong) if kind == "pipe" else wrong.symlink_to(
        "nowhere" if kind == "nowhere" else wrong
    )
    make_room(path).write_text("whole")
    assert path.is_file() and os.path.lexists(wrong.with_name(f"{place}.broken"))


def test_what_is_no_file_is_an_error_with_its_path(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in (
        (tmp_path, IsADirectoryError),
        (tmp_path / "pipe", OSError),
        (tmp_path / "no", OSError),
    ):
        with pytest.raises(kind, match=re.escape(str(path))):
            load_tensors(path, FORMAT)


def test_a_cache_that_is_no_text_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("KENT_CACHE", "/tmp/caf\udce9")
    with pytest.raises(ValueError, match=r"KENT_CACHE.*udce9"):
        cache_folder()


def test_a_provenance_that_is_no_object_is_damage(record):
    header = {"format": FORMAT, "provenance": "[]"}
    header["checksum"] = records._sum(TENSORS, header)
    save_file(TENSORS, record, metadata=header)
    with pytest.raises(DamagedError, match="its provenance is no object"):
        load_tensors(record, FORMAT)
