"""The care of sample stores: showing the contents, deleting, finding damage."""

import os
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from spex.errors import ArgumentError, StoreError
from spex.values.storage.schema import (
    SCHEMA_VERSION,
    VALID,
    connect,
    errors,
    is_damage,
    transaction,
    version_of,
)
from spex.wording import counted

_DAY = 86400.0
_ENDINGS = ("", "-wal", "-shm")  # endings of the files of a store
_MOST_PROBLEMS = 20  # SQLite finds one for every damaged page


@dataclass(frozen=True)
class FunctionInfo:
    """A value function in a store.

    Args:
        identity: Identity of the function.
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
class Pruned:
    """What was deleted."""

    functions: int
    values: int


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """An existing store, brought up to date; read-only if it cannot be written.

    Raises:
        ArgumentError: there is no such file.
        StoreError: it is no sample store, or fails.
    """
    check_there(path)
    if _may_write(path):
        with closing(connect(path)) as connection, errors(path):
            yield connection
        return
    with reading(path) as (connection, version):
        if version < SCHEMA_VERSION:
            raise StoreError(
                f"{path} is a sample store of version {version} in a folder that may not be "
                "written to; a copy elsewhere is brought up to date"
            )
        yield connection


@contextmanager
def reading(path: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    """An existing store, unchanged, and its version.

    Raises:
        StoreError: it is no sample store, or fails.
    """
    with closing(sqlite3.connect(source_uri(path), uri=True)) as connection:
        with errors(path, is_open=False):
            version = version_of(connection, path)
            for table in ("functions", "samples"):
                connection.execute(f"select * from {table} limit 0")
        with errors(path):
            yield connection, version


def source_uri(path: Path) -> str:
    """The URI that opens a store read-only.

    In a read-only folder SQLite cannot create the files that it needs to read a log. Without a log
    it needs none, because nobody changes the file.
    """
    uri = path.absolute().as_uri()
    if _may_write(path):
        return uri
    log = _real(path, "-wal")
    has_log = log.exists() and log.stat().st_size > 0
    return f"{uri}?mode=ro" if has_log else f"{uri}?immutable=1"


def _may_write(path: Path) -> bool:
    real = _real(path)
    return os.access(real, os.W_OK) and os.access(real.parent, os.W_OK)


def _real(path: Path, ending: str = "") -> Path:
    """The file behind links, or one next to it."""
    return Path(os.path.realpath(path) + ending)


def check_there(path: Path) -> None:
    """Refuse a path with no file.

    Raises:
        ArgumentError: there is none, or its folder is closed to this user.
    """
    try:
        path.stat()
    except FileNotFoundError:
        raise ArgumentError(f"{path} does not exist; give the file of a store") from None
    except OSError as error:
        raise ArgumentError(f"{path}: {error.strerror}; give another file") from error


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
        files = [_real(path, ending) for ending in _ENDINGS]
        size = sum(file.stat().st_size for file in files if file.exists())
    return StoreInfo(tuple(FunctionInfo(*one) for one in functions), counts[0], size, counts[1])


@contextmanager
def removed_if_empty(path: Path) -> Iterator[None]:
    """Remove a store that was created here, if an error comes before any value."""
    is_new = not path.exists()
    try:
        yield
    except BaseException:
        with suppress(StoreError, ArgumentError):
            found = info(path) if is_new else None
            if found is not None and not (found.functions or found.answers or found.claims):
                for ending in _ENDINGS:
                    _real(path, ending).unlink(missing_ok=True)
        raise


def prune(path: Path, identities: Collection[str] = (), unused_days: float | None = None) -> Pruned:
    """Delete functions and their values, and free the space.

    Args:
        path: The store.
        identities: Identities of functions, or unique beginnings of them.
        unused_days: Also functions that were not used for this many days.

    Returns:
        How much was deleted.

    Raises:
        ArgumentError: an identity fits none or several.
        SpexError: see `opened`.
    """
    check_there(path)
    with closing(connect(path)) as connection, errors(path):
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
    if "sha256:".startswith(beginning):  # this matches every function
        raise ArgumentError(
            f"{beginning!r} is no identity of a function; `spex store info` lists them"
        )
    if len(fits) != 1:
        raise ArgumentError(
            f"{path} has {counted(len(fits), 'function')} whose identity begins with "
            f"{beginning!r}; `spex store info` lists them"
        )
    return fits[0]


def problems(path: Path) -> list[str]:
    """What is wrong with the rows of a store, in one line each; nothing if all is well.

    A value that was changed into another number is not detected.

    Raises:
        ArgumentError: there is no such file.
        StoreError: it is no sample store, or cannot be opened.
    """
    with opened(path) as connection:
        if found := broken(connection, _MOST_PROBLEMS):
            return [f"the file is damaged: {one}" for one in found]
        return list(_wrong_rows(connection))


def broken(connection: sqlite3.Connection, most: int) -> list[str]:
    """Faults that SQLite finds in the structure of a file, up to this many."""
    try:
        found = [one for (one,) in connection.execute(f"pragma integrity_check({most})")]
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return [str(error)]
    return [] if found == ["ok"] else found


def _wrong_rows(connection: sqlite3.Connection) -> Iterator[str]:
    for table, _, parent, _ in connection.execute("pragma foreign_key_check").fetchall():
        yield f"a row of {table} refers to no row of {parent}"
        break
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
