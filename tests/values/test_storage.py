"""The care of stores: what is in one, joining, pruning, damage, kill -9."""

import multiprocessing
import random
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

import spex
from spex.f2.packing import pack
from spex.values.storage.care import FunctionInfo, Pruned, info, problems, prune
from spex.values.storage.exchange import export, import_from
from spex.values.storage.merging import Merged, merge


def masks(n, count, seed=0):
    words = np.unique(pack(np.random.default_rng(seed).random((count, n)) < 0.5), axis=0)
    return np.random.default_rng(seed).permutation(words)


def sql(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.fixture
def filled(tmp_path):
    """A store of two functions and an answer; what it holds."""
    path, content = tmp_path / "a.sqlite", {}
    with spex.Store(path) as store:
        for name, n, count in (("sha256:one", 40, 300), ("two, \N{SNOWMAN}", 70, 200)):
            keys = masks(n, count)
            content[name] = keys, np.random.default_rng(n).normal(size=len(keys)) * 1e-5
            store.put(name, *content[name])
        store.put_answer("request", "yes,\n\N{SNOWMAN}")
    return path, content


def holds(path, content):
    with spex.Store(path) as store:
        assert all(np.array_equal(store.get(name, k), v) for name, (k, v) in content.items())
        assert len(store) == sum(len(keys) for keys, _ in content.values())


def test_info(filled):
    path, content = filled
    sql(path, "update functions set used = 86400 where identity like 'two%'")
    found = info(path)
    first, second = found.functions
    assert (first.identity, first.rows) == ("sha256:one", len(content["sha256:one"][0]))
    assert abs(first.used - time.time()) < 60
    assert second == FunctionInfo("two, \N{SNOWMAN}", len(content["two, \N{SNOWMAN}"][0]), 86400)
    assert found.rows == first.rows + second.rows and found.answers == 1 and found.claims == 0
    assert found.size >= path.stat().st_size


@pytest.mark.parametrize("ending", ["csv", "jsonl", "sqlite"])
def test_what_is_exported_comes_back_bit_by_bit(filled, ending):
    path, content = filled
    out, other = path.with_name(f"out.{ending}"), path.with_name("other.sqlite")
    export(path, out)
    assert out.stat().st_mode & 0o777 == 0o600
    count = sum(len(keys) for keys, _ in content.values())
    answers = int(ending != "csv")
    assert import_from(other, out) == Merged(count, answers, 0)
    assert import_from(other, out) == Merged(0, 0, 0)  # again
    holds(other, content)
    with spex.Store(other) as store:
        assert store.get_answer("request") == ("yes,\n\N{SNOWMAN}" if answers else None)
    assert {file.name for file in path.parent.iterdir()} == {path.name, out.name, other.name}


@pytest.mark.parametrize("way", ["store", "jsonl"])
def test_stores_of_two_machines_merge(filled, way):
    path, content = filled
    keys, values = content["sha256:one"]
    other, more = path.with_name("b.sqlite"), masks(40, 50, seed=9)
    with spex.Store(other) as store:
        store.put("sha256:one", np.concatenate([keys[:10], more]), np.full(60, 7.0))
        store.put("three", keys[:5], np.arange(5.0))
        store.put_answer("request", "no")
        store.put_answer("another", "maybe")
    if way == "jsonl":
        export(other, path.with_name("b.jsonl"))
        other = path.with_name("b.jsonl")
    assert import_from(path, other) == Merged(len(more) + 5, 1, 10)
    with spex.Store(path) as store:
        assert np.array_equal(store.get("sha256:one", keys), values)  # its own stay
        assert (store.get("sha256:one", more) == 7).all()
        assert store.get("three", keys[:5]).tolist() == [0, 1, 2, 3, 4]
        assert [store.get_answer(one) for one in ("request", "another")] == [
            "yes,\n\N{SNOWMAN}",
            "maybe",
        ]


def test_damaged_values_are_neither_copied_nor_kept(filled):
    path, content = filled
    good = path.with_name("good.sqlite")
    merge(good, path)
    sql(path, "update samples set value = 9e999")
    assert merge(path, good).values == 0
    holds(path, content)  # mended
    sql(path, "update samples set value = 'x' where function = 1")
    other = path.with_name("other.sqlite")
    assert merge(other, path).values == len(content["two, \N{SNOWMAN}"][0])


def test_an_older_store_is_merged_as_it_is(filled, tmp_path):
    path, _ = filled
    old = tmp_path / "old.sqlite"
    sql(
        old,
        "create table functions (id integer primary key, identity text not null unique)",
        "create table samples (function integer not null references functions (id),"
        " mask blob not null, value real not null, primary key (function, mask)) without rowid",
        "pragma application_id = 0x53504558",
        "pragma user_version = 1",
        "insert into functions values (3, 'old')",
        "insert into samples values (3, x'0100000000000000', 2.5)",
    )
    before = old.read_bytes()
    assert merge(path, old) == Merged(1, 0, 0)
    assert old.read_bytes() == before
    with spex.Store(path) as store:
        assert store.get("old", np.array([[1]], dtype=np.uint64)).tolist() == [2.5]


def test_prune(filled):
    path, content = filled
    size = path.stat().st_size
    with pytest.raises(spex.ArgumentError, match="0 functions whose identity begins with 'x'"):
        prune(path, ["x"])
    for beginning in ("", "sha", "sha256:"):
        with pytest.raises(spex.ArgumentError, match="is no identity of a function"):
            prune(path, [beginning])
    assert prune(path, unused_days=1) == Pruned(0, 0)
    assert prune(path, ["on"]) == Pruned(1, len(content.pop("sha256:one")[0]))
    holds(path, content)
    assert path.stat().st_size < size
    sql(path, f"update functions set used = {time.time() - 3 * 86400}")
    assert prune(path, unused_days=4).functions == 0
    with spex.Store(path) as store:  # reading is a use
        store.claim(("two, \N{SNOWMAN}",), masks(70, 3), 0)
    assert prune(path, unused_days=2).functions == 0
    assert prune(path, unused_days=0).functions == 1
    assert info(path).functions == ()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("update samples set value = 'x' where function = 1", "values that are no finite number"),
        ("update samples set value = 9e999 where function = 1", "that are no finite number"),
        ("insert into samples values (1, x'01', 0.0)", "1 mask that are no whole 64-bit words"),
        ("insert into samples values (1, zeroblob(16), 0.0)", "masks of 2 lengths"),
        ("insert into samples values (1, 'text5678', 0.0)", "1 mask that are no whole"),
        (
            "insert into samples values (9, zeroblob(8), 0.0)",
            "refers to no row of functions",
        ),
        ("update answers set answer = x'00'", "1 answer that are no text"),
    ],
)
def test_problems_are_found(filled, damage, says):
    path, _ = filled
    assert problems(path) == []
    sql(path, damage)
    (found,) = problems(path)
    assert says in found
    saved = path.with_name("saved.sqlite")
    assert merge(saved, path).values >= 190
    assert problems(saved) == []


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("mask", "value"),
    [
        ("01", "1.0"),
        ("", "1.0"),
        ("x" * 16, "1.0"),
        ("0" * 16, "Infinity"),
        ("0" * 16, '"x"'),
        ("0" * 16, '"1_0"'),
        ("0" * 16, '"\N{FULLWIDTH DIGIT ONE}"'),
    ],
)
def test_wrong_lines_are_refused_and_the_others_kept(tmp_path, ending, mask, value):
    file = tmp_path / f"f.{ending}"
    good = ("f", "0100000000000000", "2.5")
    rows = [good, ("f", mask, value)]
    if ending == "csv":
        file.write_text("function,mask,value\n" + "".join(f"{','.join(r)}\n" for r in rows))
    else:
        line = '{{"function": "{}", "mask": "{}", "value": {}}}\n'
        file.write_text("".join(line.format(*r) for r in rows))
    message = f"line {2 + (ending == 'csv')}: .* is no value.*; 1 row before it is kept"
    with pytest.raises(spex.FileFormatError, match=message):
        import_from(tmp_path / "s.sqlite", file)
    with spex.Store(tmp_path / "s.sqlite") as store:
        assert len(store) == 1


def test_a_csv_file_that_was_cut_off_is_refused(filled):
    """Wherever it was cut: no value is another one than was exported."""
    path, _ = filled
    out, other = path.with_name("out.csv"), path.with_name("other.sqlite")
    export(path, out)
    written = out.read_bytes()
    lines = written.splitlines(keepends=True)
    for cut in range(len(written) - len(lines[-1]) + 1, len(written), 7):
        out.write_bytes(written[:cut])
        with pytest.raises(spex.FileFormatError, match=r"499 rows before it are kept"):
            import_from(other, out)
    with spex.Store(other) as store:
        assert len(store) == 499


def test_a_csv_file_of_another_program(tmp_path):
    """A byte order mark, other columns first, capital letters, line breaks of Windows."""
    file = tmp_path / "X.CSV"
    text = "value,function,mask\r\n2.5,f,0100000000000000\r\n-1e-3,f,0200000000000000\r\n"
    file.write_bytes(("\ufeff" + text).encode())
    assert import_from(tmp_path / "s.sqlite", file) == Merged(2, 0, 0)
    file.write_text("function;mask;value\n")
    with pytest.raises(spex.FileFormatError, match="should name the columns function,mask,value"):
        import_from(tmp_path / "new.sqlite", file)
    assert not (tmp_path / "new.sqlite").exists()
    export(tmp_path / "s.sqlite", tmp_path / "Y.CSV")
    assert (tmp_path / "Y.CSV").read_text().startswith("function,mask,value\nf,01")
    for name in ("a.csv.gz", "-"):
        with pytest.raises(spex.ArgumentError, match="compress it afterwards"):
            export(tmp_path / "s.sqlite", Path(name))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_two_values_of_one_mask_and_no_function(tmp_path, ending):
    file, store = tmp_path / f"f.{ending}", tmp_path / "s.sqlite"
    rows = [("f", "01" + "0" * 14, "2.5"), ("f", "02" + "0" * 14, "3.5")] * 2
    rows += [("f", "01" + "0" * 14, "7.5")]

    def write(rows):
        line = '{{"function": "{}", "mask": "{}", "value": {}}}\n'
        head = "function,mask,value\n" if ending == "csv" else ""
        file.write_text(
            head + "".join(",".join(r) + "\n" if head else line.format(*r) for r in rows)
        )

    write(rows)
    assert import_from(store, file) == Merged(2, 0, 1)
    write([("", "01" + "0" * 14, "2.5")])
    with pytest.raises(spex.FileFormatError, match="of a function ''"):
        import_from(store, file)


def test_files_that_are_missing_or_something_else(filled, tmp_path):
    path, _ = filled
    for call in (info, problems, prune, lambda p: export(p, tmp_path / "o.csv")):
        with pytest.raises(spex.ArgumentError, match="does not exist"):
            call(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(spex.ArgumentError, match="the store itself"):
        import_from(path, path)
    with pytest.raises(spex.ArgumentError, match="the store itself"):
        export(path, path)
    with pytest.raises(spex.ArgumentError, match="cannot write"):
        export(path, tmp_path / "nowhere" / "o.csv")
    (tmp_path / "t.txt").write_text("hello\n")
    with pytest.raises(spex.FileFormatError, match="line 1: 'hello' is neither"):
        import_from(path, tmp_path / "t.txt")


def write_until_killed(path):
    with spex.Store(path) as store:
        for seed in range(10**6):
            keys = masks(90, 1000, seed=seed)
            store.claim(("f",), keys, 1000)
            store.put("f", keys, keys[:, 0] / 2.0**64)
            Path(path).with_name("alive").touch()


def test_a_killed_writer_leaves_no_damage(tmp_path):
    path, moments = tmp_path / "s.sqlite", random.Random(0)
    for _ in range(6):
        process = multiprocessing.get_context("fork").Process(
            target=write_until_killed, args=(path,)
        )
        process.start()
        while not (tmp_path / "alive").exists():
            assert process.is_alive()
            time.sleep(0.002)
        time.sleep(moments.random() / 20)
        process.kill()
        process.join()
        (tmp_path / "alive").unlink(missing_ok=True)
        assert problems(path) == []
        with spex.Store(path) as store:
            assert len(store) >= 1000
            found = store.get("f", masks(90, 1000))
            assert np.array_equal(found, masks(90, 1000)[:, 0] / 2.0**64)
