"""Reading what can be read of a damaged store.

SQLite refuses a query that touches a damaged page. A range of keys that it refuses is halved, until
what is lost lies between two keys that can be read.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from spex.values.storage.schema import is_damage

_PREFIX = 1 << 64  # ranges of keys, by the first 8 bytes of a mask or a hash
# A damaged leaf costs about 64 failing queries. If the root is damaged, all fail.
_MOST_FAILURES = 5_000

Bound = Callable[[int], tuple[Any, ...]]  # the key at which a range begins


def copy_readable(source: sqlite3.Connection, target: sqlite3.Connection, version: int) -> None:
    """Copy the rows that can be read into new tables of the schema "other".

    Args:
        source: To a damaged store.
        target: With an empty database attached as "other".
        version: Version of the source.

    Raises:
        sqlite3.Error: the target fails.
    """
    execute, many = target.execute, target.executemany
    execute("create table other.functions (id integer primary key, identity text, used real)")
    execute(
        "create table other.samples (function integer, mask blob, value real, "
        "primary key (function, mask)) without rowid"
    )
    execute("create table other.answers (request text primary key, answer text) without rowid")
    used = "used" if version >= 4 else "null"
    found = _rows(
        source, f"select id, identity, {used} from functions not indexed", ("id",), _of_id, 1 << 62
    )
    many("insert or ignore into other.functions values (?, ?, ?)", found)
    # The index of identities has a second copy of them.
    found = _rows(source, "select identity, id from functions", ("identity",), _of_hash, _PREFIX)
    many("insert or ignore into other.functions (identity, id) values (?, ?)", found)
    (last,) = execute("select coalesce(max(id), 0) from other.functions").fetchone()
    key = ("function", "mask")
    found = _rows(source, "select * from samples", key, _of_mask, (last + 1) * _PREFIX)
    many("insert or ignore into other.samples values (?, ?, ?)", found)
    if version >= 2:
        found = _rows(source, "select * from answers", ("request",), _of_hash, _PREFIX)
        many("insert or ignore into other.answers values (?, ?)", found)


def _of_id(number: int) -> tuple[Any, ...]:
    return (number,)


def _of_mask(number: int) -> tuple[Any, ...]:
    return number // _PREFIX, (number % _PREFIX).to_bytes(8, "big")


def _of_hash(number: int) -> tuple[Any, ...]:
    if number in (0, _PREFIX):  # sorts before or after all text
        return ("\U0010ffff" if number else "",)
    return (f"sha256:{number:016x}",)


def _rows(
    source: sqlite3.Connection, select: str, key: tuple[str, ...], bound: Bound, end: int
) -> Iterator[tuple[Any, ...]]:
    """The rows that can be read, from ranges of their key, which comes first in them.

    Ranges are numbered from 0 to `end`.
    """
    names, marks = ", ".join(key), ", ".join("?" * len(key))
    query = f"{select} where ({names}) >= ({marks}) and ({names}) < ({marks}) order by "
    from_above = ", ".join(f"{name} desc" for name in key) + " limit 1"
    ranges, failures = deque([(0, end)]), 0
    while ranges and failures < _MOST_FAILURES:
        low, high = ranges.popleft()
        found, is_whole = _read(source, query + names, bound(low), bound(high))
        # A key that was damaged to a higher one ends the range too early.
        last, is_last = _read(source, query + from_above, bound(low), bound(high))
        is_whole = is_whole and is_last and found[-1:] == last
        middle = (low + high) // 2
        if is_whole or middle == low:
            yield from found
        else:
            failures += 1
            ranges += [(low, middle), (middle, high)]


def _read(
    source: sqlite3.Connection, query: str, low: tuple[Any, ...], high: tuple[Any, ...]
) -> tuple[list[tuple[Any, ...]], bool]:
    """Rows up to the first damage, and whether there is none.

    Keys that do not ascend were changed: SQLite finds rows by their order, and trusts it.
    """
    found: list[tuple[Any, ...]] = []
    last = low
    try:
        for row in source.execute(query, (*low, *high)):
            key = row[: len(low)]
            ascends = last < key if found else low <= key
            if not ascends or not key < high:
                return found, False
            found.append(row)
            last = key
    except TypeError:  # keys of two types
        return found, False
    except sqlite3.OperationalError:  # not valid text
        return found, False
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return found, False
    return found, True
