"""`spex store`."""

import sqlite3

import numpy as np
import pytest

import spex
from spex.cli import main
from spex.f2.packing import pack


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    masks = pack(np.eye(12, dtype=bool))
    with spex.Store("a.sqlite") as store:
        store.put("sha256:abc", masks, np.arange(12.0))
        store.put_answer("request", "yes")
    with spex.Store("b.sqlite") as store:
        store.put("sha256:abc", masks[:2], np.array([0.0, 7.0]))
        store.put("sha256:def", masks[:5], np.arange(5.0))
    return tmp_path / "a.sqlite"


def test_two_machines(path, capfd):
    assert main(["store", "info", "a.sqlite"]) == 0
    out = capfd.readouterr().out
    assert "12 values of 1 function, 1 answer" in out and "sha256:abc" in out
    assert main(["store", "import", "a.sqlite", "b.sqlite"]) == 0
    assert capfd.readouterr().out == (
        "b.sqlite: 5 new values, 0 new answers; 1 value that a.sqlite had otherwise stays as they "
        "were there\n"
    )
    assert main(["store", "export", "a.sqlite", "out.csv"]) == 0
    assert main(["store", "export", "a.sqlite", "/dev/stdout"]) == 0
    assert '"request": "request", "answer": "yes"' in capfd.readouterr().out
    assert main(["store", "import", "new.sqlite", "out.csv"]) == 0
    assert main(["store", "prune", "new.sqlite", "--function", "abc"]) == 0
    assert capfd.readouterr().out.endswith("12 values of 1 function thrown away\n")
    assert main(["store", "verify", "new.sqlite"]) == 0
    with spex.Store("new.sqlite") as store:
        assert len(store) == 5


def test_wrong_calls_and_damage(path, capfd):
    assert main(["store", "info", "none.sqlite"]) == 2
    assert main(["store", "prune", "a.sqlite"]) == 2
    assert "--function ID or --unused-days N" in capfd.readouterr().err
    assert main(["store", "import", "a.sqlite"]) == 2
    connection = sqlite3.connect(path)
    connection.execute("update samples set value = 9e999 where value = 3")
    connection.commit()
    connection.close()
    capfd.readouterr()
    assert main(["store", "verify", "a.sqlite"]) == 1
    found = capfd.readouterr()
    assert found.out == "sha256:abc: 1 value that are no finite number\n"
    assert "a.sqlite has 1 problem" in found.err


def test_what_is_not_copied_is_said(path, capfd):
    connection = sqlite3.connect(path)
    connection.execute("insert into samples values (1, zeroblob(16), 0.0)")
    connection.commit()
    connection.close()
    assert main(["store", "import", "new.sqlite", "a.sqlite"]) == 0
    assert capfd.readouterr().out == (
        "a.sqlite: 12 new values, 1 new answer; 1 row left out: no value of a mask of a function\n"
    )
    assert main(["store", "prune", "a.sqlite", "--function", ""]) == 2
    assert "'' is no identity of a function" in capfd.readouterr().err
    assert len(spex.Store(path)) == 13
