"""Joining two sample stores, of which one may be damaged."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from spex.errors import ArgumentError
from spex.values.storage.care import broken, check_there, reading, removed_if_empty, source_uri
from spex.values.storage.rescue import copy_readable
from spex.values.storage.schema import (
    SCHEMA_VERSION,
    VALID,
    connect,
    errors,
    transaction,
)


@dataclass(frozen=True)
class Merged:
    """The result of copying into a store.

    Args:
        values: New values.
        answers: New answers.
        differing: Number of values that differ from the store's own, which stay.
        left_out: Rows that are no value of a mask of a function.
        is_damaged: Whether parts of a file could not be read. How much was there is not known.
    """

    values: int
    answers: int
    differing: int
    left_out: int = 0
    is_damaged: bool = False


def merge(path: Path, other: Path) -> Merged:
    """Copy what another store has into a store, which is made if there is none.

    What the store has already stays as it is. All is copied or nothing; of a damaged file, all that
    can be read.

    Raises:
        ArgumentError: the other one does not exist, or is the store itself.
        StoreError: a file is no sample store, or fails.
    """
    check_there(other)
    if path.exists() and other.samefile(path):
        raise ArgumentError(f"{other} is the store itself; give another one")
    with reading(other) as (source, version), removed_if_empty(path):
        is_damaged = bool(broken(source, 1))
        survey = None if is_damaged else _survey(source, "main")
        with closing(connect(path)) as connection, errors(path):
            if survey is not None:
                connection.execute("attach ? as other", (source_uri(other),))
                return _copy(connection, survey, version)
            connection.execute("attach ':memory:' as other")
            copy_readable(source, connection, version)
            survey = _survey(connection, "other")
            return replace(_copy(connection, survey, SCHEMA_VERSION), is_damaged=True)


# A value that `checked_values` accepts, with a mask that `pack` can have made.
_SOUND = f"typeof(mask) = 'blob' and length(mask) > 0 and length(mask) % 8 = 0 and {VALID}"


@dataclass(frozen=True)
class _Survey:
    """What there is to copy.

    Args:
        lengths: (number of a function, bytes of its masks).
        left_out: Rows that are no value of a mask of a function.
    """

    lengths: list[tuple[int, int]]
    left_out: int


def _survey(connection: sqlite3.Connection, schema: str) -> _Survey:
    """What there is to copy.

    All masks of a function have one length: rows of another one are damage, and left out.
    """
    execute = connection.execute
    known = {
        number
        for number, identity in execute(f"select id, identity from {schema}.functions")
        if isinstance(identity, str)
    }
    samples = f"(select function, case when {_SOUND} then length(mask) end as bytes "
    samples += f"from {schema}.samples)"
    lengths, left_out = [], 0
    for number, rows, sound, least, most in execute(
        f"select function, count(*), count(bytes), min(bytes), max(bytes) from {samples} "
        "group by function"
    ).fetchall():
        if least != most:
            most, sound = execute(
                f"select bytes, count(bytes) from {samples} where function = ? group by bytes "
                "order by count(bytes) desc, bytes",
                (number,),
            ).fetchone()
        is_kept = number in known and sound > 0
        if is_kept:
            lengths.append((number, most))
        left_out += rows - sound if is_kept else rows
    return _Survey(lengths, left_out)


_OTHERS_SAMPLES = f"""
    (select * from other.samples where {_SOUND}) s
    join temp.lengths l on l.function = s.function and l.bytes = length(s.mask)
    join other.functions o on o.id = s.function join main.functions f on f.identity = o.identity
"""


def _copy(connection: sqlite3.Connection, survey: _Survey, version: int) -> Merged:
    execute = connection.execute
    execute("create temp table lengths (function integer primary key, bytes integer)")
    connection.executemany("insert into temp.lengths values (?, ?)", survey.lengths)
    used = "used" if version >= 4 else str(time.time())
    with transaction(connection):
        execute(
            f"insert into functions (identity, used) select identity, {used} from other.functions "
            "where typeof(identity) = 'text' "
            "on conflict do update set used = max(used, excluded.used)"
        )
        (differing,) = execute(
            f"select count(*) from {_OTHERS_SAMPLES} join main.samples t "
            "on t.function = f.id and t.mask = s.mask "
            f"where t.value <> s.value and {VALID.replace('value', 't.value')}"
        ).fetchone()
        before = execute("select count(*) from main.samples").fetchone()[0]
        execute(
            f"insert into main.samples select f.id, s.mask, s.value from {_OTHERS_SAMPLES} "
            "where true order by s.function, s.mask "
            f"on conflict do update set value = excluded.value where not ({VALID})"
        )
        values = execute("select count(*) from main.samples").fetchone()[0] - before
        answers = 0
        if version >= 2:
            answers = execute(
                "insert or ignore into main.answers select request, answer from other.answers "
                "where typeof(request) = 'text' and typeof(answer) = 'text'"
            ).rowcount
    return Merged(values, answers, differing, survey.left_out)
