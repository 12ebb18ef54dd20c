"""The care of sample stores: what is in one, joining two, throwing away, finding damage."""

import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spex.errors import ArgumentError, StoreError
from spex.values.storage.schema import VALID, connect, errors, transaction, version_of
from spex.wording import counted

_DAY = 86400.0
_MOST_PROBLEMS = 20  # of a damaged file SQLite finds one for every page


@dataclass(frozen=True)
class FunctionInfo:
    """A value function in a store.

    Args:
        identity: Of the function.
        rows: Values kept.
        used: Seconds since 1970 of its last use, to about an hour.
    """

    identity: str
    rows: int
    used: float


@dataclass(frozen=True)
class StoreInfo:
    """What is in a store.

    Args:
        functions: The one used last comes first.
        answers: Answers of models to unmasked prompts.
        size: Bytes of the file and its log.
        claims: Masks that processes are evaluating.
    """

    functions: tuple[FunctionInfo, ...]
    answers: int
    size: int
    claims: int

    @property
    def rows(self) -> int:
        """Values of all functions."""
        return sum(one.rows for one in self.functions)


@dataclass(frozen=True)
class Merged:
    """What came into a store from elsewhere.

    Args:
        values: New values.
        answers: New answers.
        differing: Values that the store had otherwise; its own stay.
    """

    values: int
    answers: int
    differing: int


@dataclass(frozen=True)
class Pruned:
    """What was thrown away."""

    functions: int
    values: int


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A store that is there already.

    Raises:
        ArgumentError: there is no such file.
        StoreError: it is no sample store, or fails.
    """
    if not path.exists():
        raise ArgumentError(f"{path} does not exist; give the file of a store")
    with closing(connect(path)) as connection, errors(path):
        yield connection


def info(path: Path) -> StoreInfo:
    """What is in a store.

    Raises:
        SpexError: see `opened`.
    """
    with opened(path) as connection:
        functions = connection.execute(
            "select identity, count(value), coalesce(used, 0) from functions "
            "left join samples on function = id group by id order by used desc"
        ).fetchall()
        counts = [
            connection.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("answers", "claims")
        ]
        files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
        size = sum(file.stat().st_size for file in files if file.exists())
    return StoreInfo(tuple(FunctionInfo(*one) for one in functions), counts[0], size, counts[1])


def merge(path: Path, other: Path) -> Merged:
    """Copy what another store has into a store, which is made where there is none.

    What the store has already stays as it is. All is copied or nothing.

    Raises:
        ArgumentError: the other one does not exist, or is the store itself.
        StoreError: a file is no sample store, or fails.
    """
    if not other.exists():
        raise ArgumentError(f"{other} does not exist; give the file of a store")
    if path.exists() and other.samefile(path):
        raise ArgumentError(f"{other} is the store itself; give another one")
    with closing(connect(path)) as connection, errors(path):
        connection.execute("attach ? as other", (str(other),))
        version = version_of(connection, other, "other")
        with transaction(connection):
            return _copy(connection, version)


# A value that `checked_values` lets pass, under a mask that `pack` can have made.
_SOUND = "typeof(s.mask) = 'blob' and length(s.mask) > 0 and length(s.mask) % 8 = 0 and " + (
    VALID.replace("value", "s.value")
)
_OTHERS_SAMPLES = """
    other.samples s join other.functions o on o.id = s.function
    join main.functions f on f.identity = o.identity
"""


def _copy(connection: sqlite3.Connection, version: int) -> Merged:
    execute = connection.execute
    used = "used" if version >= 4 else str(time.time())
    execute(
        f"insert into functions (identity, used) select identity, {used} from other.functions "
        "where true on conflict do update set used = max(used, excluded.used)"
    )
    (differing,) = execute(
        f"select count(*) from {_OTHERS_SAMPLES} join main.samples t "
        "on t.function = f.id and t.mask = s.mask "
        f"where t.value <> s.value and {VALID.replace('value', 't.value')} and {_SOUND}"
    ).fetchone()
    before = execute("select count(*) from main.samples").fetchone()[0]
    execute(
        f"insert into main.samples select f.id, s.mask, s.value from {_OTHERS_SAMPLES} "
        f"where {_SOUND} order by s.function, s.mask "
        f"on conflict do update set value = excluded.value where not ({VALID})"
    )
    values = execute("select count(*) from main.samples").fetchone()[0] - before
    answers = 0
    if version >= 2:
        copy = "insert or ignore into main.answers select * from other.answers"
        answers = execute(copy).rowcount
    return Merged(values, answers, differing)


def prune(path: Path, identities: Collection[str] = (), unused_days: float | None = None) -> Pruned:
    """Throw functions and their values away, and give their room back.

    Args:
        path: The store.
        identities: Of functions, or their beginnings, each of which fits one.
        unused_days: Also those that were not used for so many days.

    Returns:
        How much was thrown away.

    Raises:
        ArgumentError: an identity fits none or several.
        SpexError: see `opened`.
    """
    with opened(path) as connection:
        with transaction(connection):
            known = dict(connection.execute("select identity, id from functions"))
            chosen = {known[_fitting(one, known, path)] for one in identities}
            if unused_days is not None:
                chosen |= {
                    number
                    for (number,) in connection.execute(
                        "select id from functions where coalesce(used, 0) < ?",
                        (time.time() - unused_days * _DAY,),
                    )
                }
            count = 0
            for number in chosen:
                delete = "delete from samples where function = ?"
                count += connection.execute(delete, (number,)).rowcount
                connection.execute("delete from functions where id = ?", (number,))
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
    return Pruned(len(chosen), count)


def _fitting(beginning: str, known: Collection[str], path: Path) -> str:
    fits = [one for one in known if one.startswith((beginning, f"sha256:{beginning}"))]
    if beginning in known:
        return beginning
    if len(fits) != 1:
        raise ArgumentError(
            f"{path} has {counted(len(fits), 'function')} whose identity begins with "
            f"{beginning!r}; `spex store info` lists them"
        )
    return fits[0]


def problems(path: Path) -> list[str]:
    """What is wrong with a store, in one line each; nothing if all is well.

    Raises:
        ArgumentError: there is no such file.
    """
    try:
        with opened(path) as connection:
            return [*_damage(connection), *_wrong_rows(connection)]
    except StoreError as error:
        return [str(error)]


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    for (found,) in connection.execute(f"pragma integrity_check({_MOST_PROBLEMS})"):
        if found != "ok":
            yield f"the file is damaged: {found}"
    for table, _, parent, _ in connection.execute("pragma foreign_key_check").fetchall():
        yield f"a row of {table} refers to no row of {parent}"
        break


def _wrong_rows(connection: sqlite3.Connection) -> Iterator[str]:
    wrong_mask = "typeof(mask) <> 'blob' or length(mask) = 0 or length(mask) % 8 <> 0"
    for identity, values, masks, lengths in connection.execute(
        f"""
        select identity, sum(not ({VALID})), sum({wrong_mask}),
            count(distinct length(mask))
        from samples join functions on function = id group by function
        """
    ):
        if values:
            yield f"{identity}: {counted(values, 'value')} that are no finite number"
        if masks:
            yield f"{identity}: {counted(masks, 'mask')} that are no whole 64-bit words"
        if lengths > 1 and not masks:
            yield f"{identity}: masks of {lengths} lengths"
    (count,) = connection.execute(
        "select count(*) from answers where typeof(answer) <> 'text'"
    ).fetchone()
    if count:
        yield counted(count, "answer") + " that are no text"
