"""The tables of a sample store, and how files of older versions are brought up to date."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spex.errors import StoreError

REMEDY = "give a new file, or one that spex wrote"
VALID = "typeof(value) = 'real' and abs(value) <= 1e100"  # the values that checked_values accepts
_NO_ACCESS = "give a file in a folder that exists and may be written to"
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free space, or give a file on another disk",
    sqlite3.SQLITE_IOERR: "free space, or give a file on another disk",
    sqlite3.SQLITE_CANTOPEN: _NO_ACCESS,
    sqlite3.SQLITE_PERM: _NO_ACCESS,
    sqlite3.SQLITE_READONLY: _NO_ACCESS,
    sqlite3.SQLITE_BUSY: "another process writes to it: run it again later",
    sqlite3.SQLITE_CORRUPT: "`spex store import NEW.sqlite {}` saves what can be read of it",
}
_APPLICATION_ID = 0x53504558  # "SPEX": tells our files from other people's databases
_BUSY_SECONDS = 60.0  # longest wait for another process's transaction
_CACHE_KIB = 64 << 10  # random keys touch every page; those of a million rows fit


def _samples(connection: sqlite3.Connection) -> None:
    connection.execute(
        """create table functions (
            id integer primary key,
            identity text not null unique      -- hash of everything that determines a value
        )"""
    )
    connection.execute(
        """create table samples (
            function integer not null references functions (id),
            mask blob not null,                -- packed: feature j is bit j % 8 of byte j // 8, in
                                               -- little-endian 64-bit words
            value real not null,               -- in the unit of the score
            primary key (function, mask)
        ) without rowid"""
    )


def _answers(connection: sqlite3.Connection) -> None:
    connection.execute(
        """create table answers (
            request text primary key,          -- hash of model, prompt and length
            answer text not null
        ) without rowid"""
    )


def _claims(connection: sqlite3.Connection) -> None:
    connection.execute(
        """create table claims (
            function text not null,            -- a hash of the identities of its outputs
            mask blob not null,
            holder text not null,              -- machine, process, a random number for each store
            expires real not null,             -- seconds since 1970
            primary key (function, mask)
        ) without rowid"""
    )


def _times(connection: sqlite3.Connection) -> None:
    # Seconds since 1970 of the last use. Values in an older file count as used now.
    connection.execute("alter table functions add column used real")
    connection.execute("update functions set used = ?", (time.time(),))


# One step per version, from nothing to the present. Never change a step; add another.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _samples,
    _answers,
    _claims,
    _times,
)
SCHEMA_VERSION = len(MIGRATIONS)


def connect(path: Path) -> sqlite3.Connection:
    """Open a sample store, made if there is none, and bring it up to date.

    Args:
        path: The file; a new one may be read by its owner alone. ":memory:" for none.

    Raises:
        StoreError: the file is no sample store, of a later version, or cannot be opened.
    """
    try:
        if str(path) != ":memory:":
            if path.exists() and not path.is_file():
                # Opening a pipe would wait for it.
                raise StoreError(
                    f"cannot open the sample store {path}: it is no ordinary file; {REMEDY}"
                )
            with suppress(FileExistsError):
                os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL, 0o600))
        name = str(path) if str(path) == ":memory:" else path.absolute().as_uri()
        connection = sqlite3.connect(name, _BUSY_SECONDS, isolation_level=None, uri=True)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot open the sample store {path}: {error}; {_NO_ACCESS}") from error
    try:
        with errors(path, is_open=False):
            _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        migrate(connection, path)
    _use_log(connection)
    # In write-ahead mode this survives a killed process; only a power cut can lose a batch.
    connection.execute("pragma synchronous = normal")
    connection.execute(f"pragma cache_size = {-_CACHE_KIB}")


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring tables to the present version; inside a transaction.

    Raises:
        StoreError: they are no sample store's, or of a later version.
    """
    if connection.execute("select count(*) from sqlite_master").fetchone()[0] == 0:
        connection.execute(f"pragma application_id = {_APPLICATION_ID}")
        version = 0
    else:
        version = version_of(connection, path)
    for step in MIGRATIONS[version:]:
        step(connection)
    connection.execute(f"pragma user_version = {SCHEMA_VERSION}")


def version_of(connection: sqlite3.Connection, path: Path, schema: str = "main") -> int:
    """The version of a sample store.

    Raises:
        StoreError: the database is none, or of a later version.
    """
    (application,) = connection.execute(f"pragma {schema}.application_id").fetchone()
    (version,) = connection.execute(f"pragma {schema}.user_version").fetchone()
    if application != _APPLICATION_ID:
        raise StoreError(f"{path} is a database, but no sample store of spex; {REMEDY}")
    if not 1 <= version <= SCHEMA_VERSION:
        raise StoreError(
            f"{path} is a sample store of version {version}; this spex reads versions up to "
            f"{SCHEMA_VERSION}: use another file or the spex that wrote it"
        )
    return int(version)


def _use_log(connection: sqlite3.Connection) -> None:
    """Turn write-ahead mode on; SQLite does not wait for others that do the same."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.05)


@contextmanager
def errors(path: Path, is_open: bool = True) -> Iterator[None]:
    """Turn errors of SQLite into `StoreError`.

    Args:
        path: The store.
        is_open: Whether its tables were found; what is damaged before cannot be saved.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details
        remedy = _REMEDIES.get(code, REMEDY).format(path)
        if is_damage(error) and not is_open:
            remedy = REMEDY
        raise StoreError(f"the sample store {path}: {error}; {remedy}") from error


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of SQLite says that a file is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has already rolled it back
            connection.execute("rollback")
        raise
