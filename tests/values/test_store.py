import os
import socket
import sqlite3
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest

import spex
from spex.f2.packing import pack
from spex.values.evaluator import evaluate
from spex.values.source import as_source


def masks(n, count, seed=0):
    return pack(np.random.default_rng(seed).random((count, n)) < 0.5)


@pytest.mark.parametrize("n", [6, 64, 65, 200])
def test_values_come_back_for_their_function_only(tmp_path, n):
    asked, values = np.unique(masks(n, 40), axis=0), None
    values = np.random.default_rng(1).normal(size=len(asked))
    with spex.Store(tmp_path / "s.sqlite") as store:
        store.put("one", asked, values)
    with spex.Store(tmp_path / "s.sqlite") as store:
        assert np.array_equal(store.get("one", asked), values)
        assert np.isnan(store.get("two", asked)).all()
        assert len(store) == len(asked)


def test_a_value_stays_as_it_was_first(tmp_path):
    asked = masks(10, 1)
    with spex.Store(tmp_path / "s.sqlite") as store:
        store.put("f", asked, np.array([1.0]))
        store.put("f", asked, np.array([2.0]))
        assert store.get("f", asked).tolist() == [1.0]
        twice = masks(10, 3, seed=1)[[0, 1, 0, 2, 0]]
        store.put("f", twice, np.arange(5.0))
        assert store.get("f", twice).tolist() == [0, 1, 0, 3, 0]


@pytest.mark.parametrize("n", [40, 130])
def test_bulk_is_as_one_by_one(tmp_path, n):
    """More rows than one query looks up, some of them missing, in no order."""
    rng = np.random.default_rng(0)
    known = np.unique(masks(n, 25_000), axis=0)
    rng.shuffle(known)
    values = rng.normal(size=len(known))
    kept = rng.random(len(known)) < 0.5
    with spex.Store(tmp_path / "s.sqlite") as store:
        store.put("f", known[kept], values[kept])
        assert np.array_equal(store.get("f", known), np.where(kept, values, np.nan), equal_nan=True)
        for row in range(0, len(known), 1000):
            one = store.get("f", known[row : row + 1])[0]
            assert one == values[row] if kept[row] else np.isnan(one)
        claim = store.claim(("f",), known, 9000)
        assert np.array_equal(claim.granted, ~kept & (np.cumsum(~kept) <= 9000))


def test_foreign_files_are_refused(tmp_path):
    text = tmp_path / "text.sqlite"
    text.write_text("no database, but long enough to be taken for the head of one" * 20)
    with pytest.raises(
        spex.StoreError, match="not a database; give a new file, or one that spex wrote"
    ):
        spex.Store(text)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("create table t (x)")
    connection.commit()
    connection.close()
    with pytest.raises(spex.StoreError, match="no sample store of spex; give a new file"):
        spex.Store(other)
    with pytest.raises(spex.StoreError, match="cannot open"):
        spex.Store(tmp_path / "nowhere" / "s.sqlite")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, os.devnull):
        with pytest.raises(spex.StoreError, match="no ordinary file; give a new file"):
            spex.Store(path)


def test_another_version_is_refused(tmp_path):
    spex.Store(tmp_path / "s.sqlite").close()
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(spex.StoreError, match="version 99"):
        spex.Store(tmp_path / "s.sqlite")


def test_answers_are_kept(tmp_path):
    path = tmp_path / "s.sqlite"
    with spex.Store(path) as store:
        assert store.get_answer("one") is None
        store.put_answer("one", "yes, na\u00efve")
        store.put_answer("one", "no")
    with spex.Store(path) as store:
        assert store.get_answer("one") == "yes, na\u00efve"
        assert len(store) == 0


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_of_an_older_version_is_read_on(tmp_path, version):
    """Made by the statements of these versions: 1 had no answers, 2 no claims, 3 no times."""
    path = tmp_path / "s.sqlite"
    asked = masks(10, 3)
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table functions (id integer primary key, identity text not null unique);"
        "create table samples (function integer not null references functions (id),"
        " mask blob not null, value real not null, primary key (function, mask)) without rowid;"
        f"pragma application_id = 0x53504558; pragma user_version = {version};"
        "insert into functions values (1, 'one');"
    )
    if version >= 2:
        connection.execute(
            "create table answers (request text primary key, answer text not null) without rowid"
        )
        connection.execute("insert into answers values ('early', 'no')")
    if version >= 3:
        connection.execute(
            "create table claims (function text not null, mask blob not null, holder text not null,"
            " expires real not null, primary key (function, mask)) without rowid"
        )
    connection.executemany(
        "insert into samples values (1, ?, ?)",
        [(mask.astype("<u8").tobytes(), float(row)) for row, mask in enumerate(asked)],
    )
    connection.commit()
    connection.close()
    for _ in range(2):
        with spex.Store(path) as store:
            assert store.get("one", asked).tolist() == [0.0, 1.0, 2.0]
            store.put_answer("request", "yes")
            assert store.get_answer("request") == "yes"
            assert store.get_answer("early") == (None if version == 1 else "no")
            assert (
                store.claim(("one",), masks(10, 5), 9).granted.tolist() == [False] * 3 + [True] * 2
            )


class Counting:
    """A value function with an identity that counts its masks."""

    def __init__(self, identity="counting"):
        self.identity = identity
        self.count = 0

    def __call__(self, masks):
        self.count += len(masks)
        return masks @ np.arange(1.0, masks.shape[1] + 1)


def test_explain_asks_only_for_what_is_missing(tmp_path):
    path = tmp_path / "s.sqlite"
    first, again, more, other = Counting(), Counting(), Counting(), Counting("other")
    a = spex.explain(first, 30, budget=100, method="linear", store=path)
    b = spex.explain(again, 30, budget=100, method="linear", store=path)
    spex.explain(more, 30, budget=150, method="linear", store=path)
    spex.explain(other, 30, budget=100, method="linear", store=path)
    assert (first.count, again.count, more.count, other.count) == (100, 0, 50, 100)
    assert a.to_dict() == b.to_dict()


def test_a_function_without_identity_cannot_be_stored(tmp_path):
    with pytest.raises(spex.ArgumentError, match="identity"):
        spex.explain(lambda m: m.sum(axis=1), 8, budget=50, store=tmp_path / "s.sqlite")


def test_claims_of_one_are_left_alone_by_others(tmp_path):
    asked = masks(10, 6)
    with spex.Store(tmp_path / "s.sqlite") as one, spex.Store(tmp_path / "s.sqlite") as two:
        first = one.claim(("f",), asked, 2)
        assert first.granted.tolist() == [True] * 2 + [False] * 4
        second = two.claim(("f",), asked, 3)
        assert second.granted.tolist() == [False] * 2 + [True] * 3 + [False]
        assert two.claim(("g",), asked, 9).granted.all()  # of another function
        many = masks(20, 60, seed=1)
        one.claim(("h",), many, 12)
        shares = [two.claim(("h",), many, 50, most).granted.sum() for most in (20, 2)]
        assert shares == [15, 2]  # half of what is fair among two, and what is allowed
        one.put("f", asked[:1], np.array([7.0]))
        again = two.claim(("f",), asked, 9)
        assert again.values[0, 0] == 7 and np.isnan(again.values[1:]).all()
        assert again.granted.tolist() == [False] * 5 + [True]
        one.release()
        assert two.claim(("f",), asked, 9).granted.tolist() == [False, True] + [False] * 4


def test_claims_end_with_their_time_and_their_process(tmp_path, monkeypatch):
    asked = masks(10, 4)
    with spex.Store(tmp_path / "s.sqlite") as one, spex.Store(tmp_path / "s.sqlite") as two:
        one.claim(("f",), asked, 9)
        assert not two.claim(("f",), asked, 9).granted.any()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 100)
        one.put("f", asked[:1], np.zeros(1))  # renews the others
        monkeypatch.setattr(time, "time", lambda: now + 200)
        assert not two.claim(("f",), asked, 9).granted.any()
        monkeypatch.setattr(time, "time", lambda: now + 1000)
        assert two.claim(("f",), asked, 9).granted.tolist() == [False, True, True, True]
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        for number in (ended.pid, os.getpid()):  # the latter of an earlier process
            holder = f"{socket.gethostname()}:{number}:0"
            two._connection.execute("update claims set holder = ?, expires = 1e12", (holder,))
            assert one.claim(("f",), asked, 9).granted.tolist() == [False, True, True, True]
        one._connection.execute("update claims set holder = 'elsewhere:1:0', expires = 1e12")
        assert not two.claim(("f",), asked, 9).granted.any()


@pytest.mark.parametrize(
    "damage",
    [
        "holder = 'other', expires = 1e12",
        "holder = 'other:x:0', expires = 1e12",
        "holder = 'other:99999999999999999999:0', expires = 1e12",
        "holder = x'00', expires = 1e12",
        "holder = 'other:1:0', expires = 'never'",
        "holder = 'other:1:0', expires = x'00'",
    ],
)
def test_claims_that_no_process_can_have_made_are_dropped(tmp_path, damage):
    asked = masks(10, 4)
    with spex.Store(tmp_path / "s.sqlite") as one, spex.Store(tmp_path / "s.sqlite") as two:
        assert one.claim(("f",), asked, 2).granted.sum() == 2
        one._connection.execute(f"update claims set {damage}")
        assert two.claim(("f",), asked, 9).granted.all()


def test_new_files_can_be_read_by_their_owner_alone(tmp_path):
    with spex.Store(tmp_path / "s.sqlite") as store:
        store.put("f", masks(10, 1), np.zeros(1))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {f"s.sqlite{end}": 0o600 for end in ("", "-wal", "-shm")}
    (tmp_path / "link").symlink_to(tmp_path / "linked.sqlite")
    spex.Store(tmp_path / "link").close()
    assert (tmp_path / "linked.sqlite").stat().st_mode & 0o777 == 0o600
    (tmp_path / "s.sqlite").chmod(0o640)
    spex.Store(tmp_path / "s.sqlite").close()
    assert (tmp_path / "s.sqlite").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("value", ["x", b"x", np.inf, -np.inf, 1e200])
def test_values_that_no_function_may_return_are_asked_for_again(tmp_path, value):
    asked = masks(10, 3)
    with spex.Store(tmp_path / "s.sqlite") as store:
        store.put("f", asked, np.arange(3.0))
        store._connection.execute(
            "update samples set value = ? where mask = ?", (value, asked[1].tobytes())
        )
        found = store.get("f", asked)
        assert found[[0, 2]].tolist() == [0, 2] and np.isnan(found[1])
        assert store.claim(("f",), asked, 9).granted.tolist() == [False, True, False]
        store.put("f", asked, np.full(3, 5.0))
        assert store.get("f", asked).tolist() == [0, 5, 2]


def full(store):
    (pages,) = store._connection.execute("pragma page_count").fetchone()
    store._connection.execute(f"pragma max_page_count = {pages}")


def read_only(store):
    store._connection.execute("pragma query_only = on")


def deleted(store):
    store.path.unlink()


def replaced(store):
    store.path.unlink()
    store.path.touch()


def locked(store):
    store._connection.execute("pragma busy_timeout = 10")
    # Whichever thread collects the store closes it.
    other = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    weakref.finalize(store, other.close)


@pytest.mark.parametrize(
    ("break_", "says"),
    [
        (full, "full"),
        (read_only, "readonly"),
        (deleted, "deleted or replaced while in use; run again"),
        (replaced, "deleted or replaced while in use; run again"),
        (locked, "locked"),
    ],
)
def test_a_store_that_fails_in_mid_run(tmp_path, break_, says):
    def breaks(store):
        class Breaking(Counting):
            def __call__(self, masks):
                before, values = self.count, super().__call__(masks)
                if before < 100 <= self.count:
                    break_(store)
                return values

        return Breaking()

    told = []
    whole = spex.explain(Counting(), 30, budget=800, method="linear")
    # A store that may be given up: one warning, and the run goes on.
    with spex.Store(tmp_path / "default.sqlite", told.append) as store:
        f = breaks(store)
        found = spex.explain(f, 30, budget=800, method="linear", store=store)
        assert found.to_dict() == whole.to_dict()
        assert f.count == 800 and len(told) == 1 and says in str(told[0])
    # One of the user's: the run ends, and has what the store could not keep.
    with spex.Store(tmp_path / "named.sqlite") as store:
        f, run = breaks(store), spex.Run(30, budget=800, method="linear")
        with pytest.raises(spex.StoreError, match=says):
            evaluate(run, as_source(f, 30), store)
        assert run.n_told == f.count < 800
    if hasattr(store, "other"):
        store.other.close()


def test_a_full_disk_that_has_room_again_is_tried_twice(tmp_path):
    with spex.Store(tmp_path / "s.sqlite") as store:
        full(store)
        write, failed = store._write, []

        def freed(*arguments):
            if failed:
                store._connection.execute("pragma max_page_count = 1000000")
            try:
                write(*arguments)
            except sqlite3.OperationalError as error:
                failed.append(error)
                raise

        store._write = freed
        store.put("f", np.unique(masks(40, 2000), axis=0), np.arange(2000.0))
        assert len(failed) == 1 and len(store) == 2000
