"""Files that are whole or absent, and hashes that stay."""

import json
import math
from pathlib import Path

import pytest

from kent.records import cache_folder, describe_run, digest, hash_code, hash_file, save_json, write_atomically


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
    assert hash_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_hash_of_code_ignores_order_and_tells_files_apart():
    assert hash_code("entropy.py", "blocks.py") == hash_code("blocks.py", "entropy.py")
    assert hash_code("entropy.py") != hash_code("blocks.py")


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
    assert {"commit", "date", "machine", "python", "torch", "transformers", "numpy"} <= describe_run().keys()
