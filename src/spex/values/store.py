"""The sample store: every model call that was ever finished, in one SQLite file.

A value is found by what was asked, never by a name: the key is the identity of the value function
(a hash of model and revision, prompt, masker, score and precision) with the packed mask. So
methods, budgets and runs share it, and no other function's value can be taken. Each batch is one
transaction in write-ahead mode: a crash or kill -9 loses at most the batch under way.

Several processes may share a file. Each claims the masks that it is about to evaluate, and the
others leave those alone until their values come. A claim ends with its value, with its process, or
where that is on another machine or hangs, with its time.

It also keeps the answers that models gave to unmasked prompts. An answer is part of the identity of
the values that explain it, so a server that answers otherwise the next time would orphan them.
"""

import os
import re
import secrets
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from spex._typing import BoolArray, FloatArray, WordArray
from spex.errors import StoreError
from spex.values.identity import content_identity

SCHEMA_VERSION = 3  # 1 had no answers, 2 no claims
_APPLICATION_ID = 0x53504558  # "SPEX": tells our files from other people's databases
_SCHEMA = """
create table functions (
    id integer primary key,
    identity text not null unique      -- hash of everything that determines a value
);
create table samples (
    function integer not null references functions (id),
    mask blob not null,                -- packed: feature j is bit j % 8 of byte j // 8, in
                                       -- little-endian 64-bit words
    value real not null,               -- in the unit of the score
    primary key (function, mask)
) without rowid;
"""
_ANSWERS = """
create table answers (
    request text primary key,          -- hash of model, prompt and length
    answer text not null
) without rowid;
"""
_CLAIMS = """
create table claims (
    function text not null,            -- a hash of the identities of its outputs
    mask blob not null,
    holder text not null,              -- machine, process, and a random number for each store
    expires real not null,             -- seconds since 1970
    primary key (function, mask)
) without rowid;
"""
_VALID = "typeof(value) = 'real' and abs(value) <= 1e100"  # what checked_values lets pass
_CHUNK = 500
_REMEDY = "give a new file, or one that spex wrote"
_BUSY_SECONDS = 60.0  # how long another process's transaction is waited for
# A claim is renewed while its process keeps values. It ends this long after the last one, or after
# three times the longest pause between two of them.
_LEASE_SECONDS = 120.0
# Tells this process from an earlier one of the same number, as in a container that began again.
_PROCESS = secrets.token_hex(4)

T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """What a store knows of masks, and which of them its caller is to evaluate.

    Args:
        values: (m, q) float64, NaN where none is stored.
        granted: (m,) whether the caller has claimed the mask.
    """

    values: FloatArray
    granted: BoolArray


class Store:
    """A sample store in a SQLite file; made where there is none. Also a context manager.

    Args:
        path: The file; a new one may be read by its owner alone. ":memory:" for none.
        give_up: Told the first error after opening; from then on the store holds and keeps
            nothing. Default: errors are raised.

    Raises:
        StoreError: the file is no sample store, of another version, or cannot be opened.

    Example:
        >>> import spex
        >>> def f(masks):
        ...     return 1.0 * masks[:, 0]
        >>> f.identity = "the first feature, v1"
        >>> with spex.Store(":memory:") as store:
        ...     e = spex.explain(f, 3, budget=8, store=store)
    """

    def __init__(
        self, path: str | Path, give_up: Callable[[StoreError], None] | None = None
    ) -> None:
        self.path = Path(path)
        self._give_up = give_up
        self._is_given_up = False
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{_PROCESS}{secrets.token_hex(4)}"
        self._lease, self._last_kept, self._renewed = _LEASE_SECONDS, 0.0, 0.0
        try:
            if not self._in_memory:
                if self.path.exists() and not self.path.is_file():
                    raise OSError("it is no ordinary file")  # a pipe would be waited for
                with suppress(FileExistsError):
                    real = os.path.realpath(self.path)
                    os.close(os.open(real, os.O_CREAT | os.O_EXCL, 0o600))
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None
            )
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"cannot open the sample store {self.path}: {error}; {_REMEDY}"
            ) from error
        try:
            with self._errors():
                self._prepare()
            self._file = self._place()
        except BaseException:
            self._connection.close()
            raise

    @property
    def _in_memory(self) -> bool:
        return str(self.path) == ":memory:"

    def _place(self) -> tuple[int, int] | None:
        """Which file is at the path; None where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _prepare(self) -> None:
        execute = self._connection.execute
        with self._transaction():
            version = execute("pragma user_version").fetchone()[0]
            application = execute("pragma application_id").fetchone()[0]
            if execute("select count(*) from sqlite_master").fetchone()[0] == 0:
                for statement in (_SCHEMA + _ANSWERS + _CLAIMS).split(";\n"):
                    execute(statement)
                execute(f"pragma application_id = {_APPLICATION_ID}")
            elif application != _APPLICATION_ID:
                raise StoreError(
                    f"{self.path} is a database, but no sample store of spex; {_REMEDY}"
                )
            elif 1 <= version < SCHEMA_VERSION:
                for statement in [_ANSWERS, _CLAIMS][version - 1 :]:
                    execute(statement)
            elif version != SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} is a sample store of version {version}; this spex reads version "
                    f"{SCHEMA_VERSION}: use another file or the spex that wrote it"
                )
            execute(f"pragma user_version = {SCHEMA_VERSION}")
        self._use_log()
        # In write-ahead mode this survives a killed process; only a power cut can lose a batch.
        execute("pragma synchronous = normal")

    def _use_log(self) -> None:
        """Turn write-ahead mode on; SQLite does not wait for others that do the same."""
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"the sample store {self.path}: {error}; {_REMEDY}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has undone it already
                self._connection.execute("rollback")
            raise

    def _done(self, action: Callable[[], T], otherwise: T) -> T:
        """The result of an action; `otherwise` once the store is given up."""
        if self._is_given_up:
            return otherwise
        try:
            with self._errors():
                if not self._in_memory and self._place() != self._file:
                    raise StoreError(
                        f"the sample store {self.path} was deleted or replaced while in use; "
                        "run again"
                    )
                return action()
        except StoreError as error:
            if self._give_up is None:
                raise
            self._is_given_up = True
            self._give_up(error)
            return otherwise

    def get(self, identity: str, masks: WordArray) -> FloatArray:
        """Look values up.

        Args:
            identity: Of the value function.
            masks: (m, n_words) uint64.

        Returns:
            (m,) float64, NaN where none is stored.
        """
        blobs = _blobs(masks)
        return self._done(lambda: self._get(identity, blobs), np.full(len(masks), np.nan))

    def _get(self, identity: str, blobs: Sequence[bytes]) -> FloatArray:
        values = np.full(len(blobs), np.nan)
        row = self._connection.execute(
            "select id from functions where identity = ?", (identity,)
        ).fetchone()
        if row is None:
            return values
        for start, chunk, marks in _chunks(blobs):
            query = f"select mask, value from samples where function = ? and mask in ({marks})"
            found = dict(self._connection.execute(f"{query} and {_VALID}", (row[0], *chunk)))
            values[start : start + len(chunk)] = [found.get(blob, np.nan) for blob in chunk]
        return values

    def claim(
        self, identities: Sequence[str], masks: WordArray, most: int, beside: int | None = None
    ) -> Claim:
        """Look values up, and claim masks that have none and that no other process has claimed.

        Args:
            identities: Of the q outputs.
            masks: (m, n_words) uint64.
            most: Claim no more than so many, from the beginning.
            beside: And no more than so many, nor than half of a fair share, while other processes
                evaluate masks of the same function; None for no such limit.
        """
        nothing = np.full((len(masks), len(identities)), np.nan)
        everything = Claim(nothing, np.ones(len(masks), dtype=np.bool_))
        return self._done(lambda: self._claim(identities, _blobs(masks), most, beside), everything)

    def _claim(
        self, identities: Sequence[str], blobs: Sequence[bytes], most: int, beside: int | None
    ) -> Claim:
        function, now = content_identity(identities), time.time()
        execute = self._connection.execute
        granted = np.zeros(len(blobs), dtype=np.bool_)
        with self._transaction():
            values = np.stack([self._get(one, blobs) for one in identities], axis=1)
            missing = np.flatnonzero(np.isnan(values).any(axis=1)).tolist()
            for holder, last in execute(
                "select holder, max(expires) from claims group by holder"
            ).fetchall():
                if not isinstance(last, float) or last < now or _is_dead(holder):
                    execute("delete from claims where holder = ?", (holder,))
            (others,) = execute(
                "select count(distinct holder) from claims where function = ? and holder <> ?",
                (function, self._holder),
            ).fetchone()
            if others and beside is not None:
                most = min(most, beside, max(len(missing) // (2 * (others + 1)), 1))
            for start, chunk, marks in _chunks([blobs[row] for row in missing]):
                query = f"select mask from claims where function = ? and mask in ({marks})"
                taken = {mask for (mask,) in execute(query, (function, *chunk))}
                free = [row for row, blob in enumerate(chunk, start) if blob not in taken]
                granted[[missing[row] for row in free[: most - int(granted.sum())]]] = True
            self._connection.executemany(
                "insert into claims values (?, ?, ?, ?)",
                (
                    (function, blobs[row], self._holder, now + self._lease)
                    for row in np.flatnonzero(granted).tolist()
                ),
            )
        self._last_kept = self._renewed = now
        return Claim(values, granted)

    def release(self) -> None:
        """Give up what is claimed and has no value."""
        delete = "delete from claims where holder = ?"
        if self._renewed:  # something was claimed
            self._done(lambda: self._connection.execute(delete, (self._holder,)), None)

    def put(self, identity: str, masks: WordArray, values: FloatArray) -> None:
        """Keep (m,) values; one transaction. Values that are there already stay as they are."""
        self.put_all((identity,), masks, values[:, None])

    def put_all(self, identities: Sequence[str], masks: WordArray, values: FloatArray) -> None:
        """Keep (m, q) values of q outputs; see `put`. Their claims end."""
        self._done(lambda: self._put_all(identities, _blobs(masks), values), None)

    def _put_all(
        self, identities: Sequence[str], blobs: Sequence[bytes], values: FloatArray
    ) -> None:
        try:
            self._write(identities, blobs, values)
        except sqlite3.OperationalError:
            # On a full disk an emptied log may make room for values that are paid.
            with suppress(sqlite3.Error):
                self._connection.execute("pragma wal_checkpoint(truncate)")
            self._write(identities, blobs, values)

    def _write(self, identities: Sequence[str], blobs: Sequence[bytes], values: FloatArray) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        now = time.time()
        with self._transaction():
            for identity, column in zip(identities, values.T, strict=True):
                execute("insert or ignore into functions (identity) values (?)", (identity,))
                (function,) = execute(
                    "select id from functions where identity = ?", (identity,)
                ).fetchone()
                many(
                    "insert into samples values (?, ?, ?) on conflict do update "
                    f"set value = excluded.value where not ({_VALID})",
                    (
                        (function, blob, value)
                        for blob, value in zip(blobs, column.tolist(), strict=True)
                    ),
                )
            if not self._renewed:  # nothing is claimed
                return
            function = content_identity(identities)
            many(
                "delete from claims where function = ? and mask = ?",
                ((function, blob) for blob in blobs),
            )
            self._lease = max(self._lease, 3 * (now - self._last_kept))
            self._last_kept = now
            if now > self._renewed + _LEASE_SECONDS / 4:
                execute(
                    "update claims set expires = ? where holder = ?",
                    (now + self._lease, self._holder),
                )
                self._renewed = now

    def get_answer(self, request: str) -> str | None:
        """The answer kept for a request; None where there is none."""
        query = "select answer from answers where request = ?"
        row = self._done(lambda: self._connection.execute(query, (request,)).fetchone(), None)
        return None if row is None else str(row[0])

    def put_answer(self, request: str, answer: str) -> None:
        """Keep an answer. One that is there already stays as it is."""
        insert = "insert or ignore into answers values (?, ?)"
        self._done(lambda: self._connection.execute(insert, (request, answer)), None)

    def __len__(self) -> int:
        query = "select count(*) from samples"
        count: int = self._done(lambda: self._connection.execute(query).fetchone()[0], 0)
        return count

    def close(self) -> None:
        """Give up what is claimed, and close the file."""
        with suppress(StoreError):
            self.release()
        self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _blobs(masks: WordArray) -> list[bytes]:
    return [row.astype("<u8").tobytes() for row in masks]


def _chunks(blobs: Sequence[bytes]) -> Iterator[tuple[int, Sequence[bytes], str]]:
    """(number of the first, some of them, as many question marks), for queries."""
    for start in range(0, len(blobs), _CHUNK):
        chunk = blobs[start : start + _CHUNK]
        yield start, chunk, ",".join("?" * len(chunk))


def _is_dead(holder: object) -> bool:
    """Whether the process is known to have ended; of other machines nothing is known.

    A holder that no process has, as in a damaged file, counts as ended.
    """
    found = re.fullmatch(r"(.*):([1-9][0-9]{0,8}):(\w+)", str(holder), re.DOTALL)
    if found is None:
        return True
    machine, number, token = found.groups()
    if machine != socket.gethostname() or os.name != "posix":
        return False
    if int(number) == os.getpid():
        return not token.startswith(_PROCESS)
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
