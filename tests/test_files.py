"""Files that are whole or absent, and what is there before: links, modes, devices, pipes,
folders."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from kent import files
from kent.files import check_writable, write_atomically


def write(path: Path, text: str = "new") -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(text)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    for name, target in (("first", "there/real"), ("second", "first"), ("dangling", "there/none")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "there/real").write_text("old")
    write(tmp_path / "second")
    write(tmp_path / "dangling", "also")
    assert (tmp_path / "second").is_symlink() and (tmp_path / "dangling").is_symlink()
    assert (tmp_path / "there/real").read_text() == "new" and (
        tmp_path / "there/none"
    ).read_text() == "also"
    assert {path.name for path in (tmp_path / "there").iterdir()} == {"real", "none"}


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_file_keeps_its_mode_and_owner(tmp_path, mode):
    path = tmp_path / "record"
    path.touch()
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    write(path)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "record")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "record").stat().st_mode) == 0o640


def test_another_name_of_a_file_keeps_what_it_had(tmp_path):
    (tmp_path / "backup").write_text("old")
    (tmp_path / "record").hardlink_to(tmp_path / "backup")
    write(tmp_path / "record")
    assert (tmp_path / "record").read_text() == "new" and (tmp_path / "backup").read_text() == "old"


def test_a_device_stays_a_device(tmp_path):
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.write_text("")
    except OSError:
        pytest.skip("only root makes devices")
    check_writable(path)
    write(path)
    assert stat.S_ISCHR(path.stat().st_mode) and list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to(tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR)  # which waits for nobody

    def read() -> None:
        while sum(map(len, got)) < 200_000:
            got.append(os.read(reader, 9999))

    thread = Thread(target=read, daemon=True)
    thread.start()
    check_writable(path)
    write(path, "x" * 200_000)  # more than a pipe holds
    thread.join(timeout=10)
    os.close(reader)
    assert sum(map(len, got)) == 200_000 and stat.S_ISFIFO(path.stat().st_mode)


def test_a_pipe_that_nobody_reads_is_an_error_and_no_endless_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):
        write(tmp_path / "pipe")


@pytest.mark.parametrize("to_file", [True, False])
def test_the_own_output_is_written_to_in_its_order(tmp_path, to_file):
    code = (
        "from kent.files import write_atomically\nprint('before')\n"
        "with write_atomically('/dev/stdout') as path: path.write_text('record\\n')\nprint('after')"
    )
    paths = {"PYTHONPATH": str(Path(files.__file__).parents[1])}
    with (tmp_path / "out").open("w+") as out:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=out if to_file else subprocess.PIPE,
            env=os.environ | paths,
            text=True,
            check=True,
        )
        out.seek(0)
        assert (out.read() if to_file else done.stdout) == "before\nrecord\nafter\n"


def is_root() -> bool:
    return os.getuid() == 0


@pytest.mark.parametrize("name", ["folder", "file/below", "x" * 300, "loop"])
def test_what_cannot_be_written_is_said_before_the_block(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match=r"folder|directory|too long|symbolic"):
        check_writable(tmp_path / name)
    with (
        pytest.raises(OSError, match=r"folder|directory|too long|symbolic"),
        write_atomically(tmp_path / name),
    ):
        pytest.fail("begun")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(is_root(), reason="root may write what is read-only")
def test_what_is_read_only_is_left(tmp_path):
    (tmp_path / "record").touch(mode=0o444)
    (tmp_path / "closed").mkdir(mode=0o555)
    for path in (tmp_path / "record", tmp_path / "closed/record"):
        with pytest.raises(PermissionError):
            check_writable(path)


def test_what_can_be_written_is_left_as_it_is(tmp_path):
    (tmp_path / "old").write_text("old")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new/record")
    assert (tmp_path / "old").read_text() == "old" and not any((tmp_path / "new").iterdir())


def test_a_name_as_long_as_may_be_is_written(tmp_path):
    write(path := tmp_path / ("é" * 120 + ".json"))
    assert path.read_text() == "new"


def test_a_file_that_cannot_be_replaced_is_written_to(tmp_path, monkeypatch):
    """As one that Docker mounts by itself."""
    (tmp_path / "record").write_text("old")
    busy = OSError(errno.EBUSY, "busy")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(busy))
    write(tmp_path / "record")
    assert (tmp_path / "record").read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_a_path_may_begin_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    check_writable("~/k.json")
    with write_atomically("~/k.json") as temporary:
        temporary.write_text("mine")
    assert (tmp_path / "k.json").read_text() == "mine" and not (tmp_path / "~").exists()
