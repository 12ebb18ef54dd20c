"""Writing: files are replaced whole, links, devices and pipes are written through."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import spex
from spex.cli import main
from spex.files import write_bytes

E = spex.explain(lambda masks: 1.0 * masks[:, 0], 3, 8)


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    E.save("e.json")

    def run(path):
        return main(["report", "e.json", "--html", str(path)])

    return run


def is_page(content):
    return content.startswith(b"<!doctype html>") and content.rstrip().endswith(b"</html>")


def test_new_files_have_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_file_keeps_its_permissions_and_its_owner(tmp_path):
    path = tmp_path / "e.json"
    path.write_text("old")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    E.save(path)
    after = path.stat()
    assert spex.Explanation.load(path).to_dict() == E.to_dict()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino  # replaced in one step


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_what_it_points_to_is_written(tmp_path, exists):
    (tmp_path / "folder").mkdir()
    if exists:
        (tmp_path / "folder" / "real").write_text("old")
    (tmp_path / "middle").symlink_to(Path("folder") / "real")
    (tmp_path / "link").symlink_to(tmp_path / "middle")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "middle").is_symlink()
    assert (tmp_path / "folder" / "real").read_text() == "new"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["real"]


def test_what_cannot_be_written_leaves_all_as_it_was(tmp_path):
    for path, says in [
        (tmp_path, "directory"),
        (tmp_path / "none" / "x", "No such file"),
        (Path("/dev/fd/9999"), "Bad file descriptor"),
    ]:
        with pytest.raises(spex.ArgumentError, match=says):
            write_bytes(path, b"x")
    with pytest.raises(spex.BackendError, match="No space left on device; free space"):
        write_bytes(Path("/dev/full"), b"x")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(spex.ArgumentError, match="symbolic links"):
        write_bytes(tmp_path / "circle", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["circle"]


@pytest.mark.skipif(os.name != "posix", reason="pipes with names")
def test_a_pipe_is_written_not_replaced(report, tmp_path):
    os.mkfifo("pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_bytes()))
    reader.start()
    assert report("pipe") == 0
    reader.join()
    assert is_page(got[0]) and Path("pipe").is_fifo()


def test_devices_are_written_not_replaced(report, tmp_path):
    before = os.stat(os.devnull)  # noqa: PTH116 - as it is
    Path("out").symlink_to(os.devnull)
    assert report(os.devnull) == report("out") == 0
    after = os.stat(os.devnull)  # noqa: PTH116
    assert (before.st_mode, before.st_rdev) == (after.st_mode, after.st_rdev)
    assert Path("out").is_symlink()


SCRIPT = """
import pathlib, sys, spex.files
print("before")
spex.files.write_bytes(pathlib.Path(sys.argv[1]), b"page\\n")
print("after")
"""


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("mode", ["pipe", "w", "a"])
def test_standard_output_gets_all_in_order(tmp_path, monkeypatch, path, mode):
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("/dev/stdout")
    call = [sys.executable, "-c", SCRIPT, path]
    if mode == "pipe":
        content = subprocess.run(call, capture_output=True, check=True).stdout
    else:
        Path("log").write_text("earlier\n")
        with Path("log").open(mode) as file:
            subprocess.run(call, stdout=file, check=True)
        content = Path("log").read_bytes()
    earlier = b"earlier\n" if mode == "a" else b""
    assert content == earlier + b"before\npage\nafter\n"


def test_both_files_may_be_nowhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("f.csv").write_text(
        "a,b,value\n" + "".join(f"{i},{j},{i * j}\n" for i in (0, 1) for j in (0, 1))
    )
    assert main(["fit", "f.csv", "--out", os.devnull, "--html", os.devnull, "-q"]) == 0
