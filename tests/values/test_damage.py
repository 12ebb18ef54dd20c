"""Damaged stores: what can be read of them; errors that name the file and a remedy that works."""

import contextlib
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

import spex
from spex.cli import main
from spex.f2.packing import pack
from spex.values.identity import content_identity
from spex.values.storage.care import info, problems
from spex.values.storage.exchange import export, import_from
from spex.values.storage.merging import merge

PAGE = 4096


def masks(n, count):
    return np.unique(pack(np.random.default_rng(n).random((count, n)) < 0.5), axis=0)


@pytest.fixture
def filled(tmp_path):
    """A store of three functions and some answers; what it holds."""
    path, content = tmp_path / "a.sqlite", {}
    with spex.Store(path) as store:
        for name, n, count in (("sha256:one", 40, 2000), ("sha256:two", 130, 1500), ("x", 20, 9)):
            keys = masks(n, count)
            values = np.random.default_rng(n).normal(size=len(keys))
            store.put(name, keys, values)
            content |= {
                (name, key.tobytes()): value for key, value in zip(keys, values, strict=True)
            }
        for number in range(400):
            store.put_answer(content_identity(number), f"answer {number}")
    return path, content


def held(path):
    """What a store holds, read without spex."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        query = "select identity, mask, value from samples join functions on id = function"
        return {(name, mask): value for name, mask, value in connection.execute(query)}


def pages_of(path, table):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        query = "select pageno, pagetype from dbstat where name = ?"
        with contextlib.suppress(sqlite3.OperationalError):
            found = connection.execute(query, (table,)).fetchall()
            return [page for page, kind in found if kind == "leaf"]
    pytest.fail("this SQLite has no dbstat")


def damage(path, page, at, content):
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE + at)
        file.write(content)


def test_import_saves_what_can_be_read(filled, tmp_path):
    path, content = filled
    leaves = pages_of(path, "samples")
    for page in leaves[3], leaves[9], leaves[-2]:
        damage(path, page, 0, b"\xff" * 200)
    assert problems(path)
    found = merge(tmp_path / "b.sqlite", path)
    saved = held(tmp_path / "b.sqlite")
    assert found.is_damaged and found.values == len(saved) and found.answers == 400
    assert len(saved) >= len(content) * (1 - 3.5 / len(leaves))
    assert saved.items() <= content.items()
    assert problems(tmp_path / "b.sqlite") == []


def test_damage_of_one_table_costs_no_other(filled, tmp_path):
    path, content = filled
    damage(path, pages_of(path, "answers")[0], 0, b"\xff" * 200)
    found = merge(tmp_path / "b.sqlite", path)
    assert held(tmp_path / "b.sqlite") == content and 300 < found.answers < 400
    damage(path, pages_of(path, "functions")[0], 0, b"\xff" * 200)
    merge(tmp_path / "c.sqlite", path)  # the index has the identities as well
    assert held(tmp_path / "c.sqlite") == content


def test_what_verify_advises_works(filled, tmp_path, capfd):
    """Wherever the damage is: what is advised can be done, and saves all but about one page."""
    path, content = filled
    whole, places, advised = path.read_bytes(), random.Random(1), 0
    leaves = pages_of(path, "samples")
    for _ in range(8):
        damaged = bytearray(whole)
        at = (places.choice(leaves) - 1) * PAGE + places.randrange(PAGE - 200)
        count = places.choice([1, 16, 200])
        damaged[at : at + count] = places.randbytes(count)
        path.write_bytes(damaged)
        for file in tmp_path.glob("b.sqlite*"):
            file.unlink()
        status = main(["store", "verify", str(path)])
        if status == 0:
            continue
        advised += 1
        assert f"import NEW.sqlite {path}` saves" in capfd.readouterr().err
        assert main(["store", "import", str(tmp_path / "b.sqlite"), str(path)]) == 0
        saved = held(tmp_path / "b.sqlite")
        assert len(saved.keys() & content.keys()) >= 0.95 * len(content)
        assert problems(tmp_path / "b.sqlite") == []
    assert advised >= 3


def test_no_rescue_is_promised_where_there_is_none(filled, tmp_path, capfd):
    path, _ = filled
    whole = path.read_bytes()

    def verified():
        assert main(["store", "verify", str(path)]) == 1
        return capfd.readouterr().err

    sql(path, "pragma user_version = 99")
    assert "of version 99" in (said := verified()) and "import" not in said
    sql(path, "pragma user_version = 4", "drop table samples")
    assert "no such table: samples" in (said := verified()) and "import" not in said
    path.write_bytes(b"nothing of a database" * 1000)
    assert "not a database" in (said := verified()) and "import" not in said
    path.write_bytes(whole)
    damage(path, 1, 200, b"\xff" * 3800)  # where the tables are listed
    assert "import" not in verified()
    assert main(["store", "import", str(tmp_path / "b.sqlite"), str(path)]) == 1
    said = capfd.readouterr().err
    assert str(path) in said and "b.sqlite" not in said and "import" not in said
    assert not list(tmp_path.glob("b.sqlite*"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (b"drop table samples", "no such table"),
        (b"pragma application_id = 7", "no sample store"),
        (b"pragma user_version = 99", "version 99"),
        (None, "not a database"),
    ],
)
def test_errors_of_an_import_name_the_file_that_is_wrong(filled, tmp_path, change, says):
    path, _ = filled
    if change is None:
        path.write_bytes(os.urandom(5000))
    else:
        sql(path, change.decode())
    with pytest.raises(spex.StoreError, match=says) as raised:
        import_from(tmp_path / "new.sqlite", path)
    assert str(path) in str(raised.value) and "new.sqlite" not in str(raised.value)
    assert not list(tmp_path.glob("new.sqlite*"))


def sql(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def as_nobody(action, *arguments):
    """What an action returns, or its error, in a process that may not write everywhere."""
    ours, theirs = multiprocessing.get_context("fork").Pipe()

    def run():
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            theirs.send(action(*arguments))
        except spex.SpexError as error:
            theirs.send(str(error))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert ours.poll()
    return ours.recv()


def test_a_store_in_a_read_only_folder_can_be_read(filled, tmp_path):
    path, content = filled
    folder, elsewhere = tmp_path / "shut", tmp_path / "open"
    folder.mkdir(), elsewhere.mkdir(mode=0o777)
    elsewhere.chmod(0o777)
    for parent in tmp_path, *tmp_path.parents:
        if "pytest-of-" in str(parent):
            parent.chmod(0o755)
    path = path.rename(folder / "a.sqlite")
    path.chmod(0o444), folder.chmod(0o555)
    assert as_nobody(info, path).rows == len(content)
    assert as_nobody(problems, path) == []
    assert as_nobody(merge, elsewhere / "b.sqlite", path).values == len(content)
    as_nobody(export, path, elsewhere / "a.csv")
    assert len((elsewhere / "a.csv").read_text().splitlines()) == len(content) + 1
    assert "may be written to" in as_nobody(spex.Store, path)
    folder.chmod(0o755)
    writing = spex.Store(path)  # its log is there
    writing.put("later", np.array([[1]], dtype=np.uint64), np.array([1.0]))
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    assert as_nobody(info, path).rows == len(content) + 1
    folder.chmod(0o755)
    writing.close()


def test_a_full_disk_is_called_that(filled, tmp_path):
    path, _ = filled
    code = (
        "import resource, signal, sys, spex\n"
        "from pathlib import Path\n"
        "from spex.values.storage.exchange import export\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "export(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    for name in ("b.sqlite", "b.csv"):
        out = tmp_path / name
        call = [sys.executable, "-c", code, str(path), str(out)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode and not list(tmp_path.glob("b.*"))
        assert str(out) in done.stderr.splitlines()[-1], done.stderr
        if name == "b.sqlite":
            assert "free space" in done.stderr.splitlines()[-1]
