"""The sample store: every model call that was ever finished, in one SQLite file.

A value is found by what was asked, never by a name: the key is the identity of the value function
(a hash of model and revision, prompt, masker, score and precision) with the packed mask. So
methods, budgets and runs share it, and no other function's value can be taken. Each batch is one
transaction in write-ahead mode: a crash or kill -9 loses at most the batch under way.

It also keeps the answers that models gave to unmasked prompts. An answer is part of the identity of
the values that explain it, so a server that answers otherwise the next time would orphan them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from spex._typing import FloatArray, WordArray
from spex.errors import StoreError

SCHEMA_VERSION = 2  # 1 had no answers
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
_CHUNK = 500


class Store:
    """A sample store in a SQLite file; made where there is none. Also a context manager.

    Args:
        path: The file.

    Raises:
        StoreError: the file is no sample store, of another version, or cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError(f"cannot open the sample store {self.path}: {error}") from error
        try:
            with self._errors():
                self._prepare()
        except StoreError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        with self._transaction():
            version = execute("pragma user_version").fetchone()[0]
            application = execute("pragma application_id").fetchone()[0]
            if execute("select count(*) from sqlite_master").fetchone()[0] == 0:
                for statement in (_SCHEMA + _ANSWERS).split(";\n"):
                    execute(statement)
                execute(f"pragma application_id = {_APPLICATION_ID}")
                execute(f"pragma user_version = {SCHEMA_VERSION}")
            elif application != _APPLICATION_ID:
                raise StoreError(f"{self.path} is a database, but no sample store of spex")
            elif version == 1:
                execute(_ANSWERS)
                execute(f"pragma user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} is a sample store of version {version}; this spex reads version "
                    f"{SCHEMA_VERSION}: use another file or the spex that wrote it"
                )
        execute("pragma journal_mode = wal")
        # In write-ahead mode this survives a killed process; only a power cut can lose a batch.
        execute("pragma synchronous = normal")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"the sample store {self.path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def get(self, identity: str, masks: WordArray) -> FloatArray:
        """Look values up.

        Args:
            identity: Of the value function.
            masks: (m, n_words) uint64.

        Returns:
            (m,) float64, NaN where none is stored.
        """
        values = np.full(len(masks), np.nan)
        blobs = [row.astype("<u8").tobytes() for row in masks]
        with self._errors():
            row = self._connection.execute(
                "select id from functions where identity = ?", (identity,)
            ).fetchone()
            if row is None:
                return values
            for start in range(0, len(blobs), _CHUNK):
                chunk = blobs[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                found = dict(
                    self._connection.execute(
                        f"select mask, value from samples where function = ? and mask in ({marks})",
                        (row[0], *chunk),
                    )
                )
                for number, blob in enumerate(chunk, start):
                    values[number] = found.get(blob, np.nan)
        return values

    def put(self, identity: str, masks: WordArray, values: FloatArray) -> None:
        """Keep values; one transaction. Values that are there already stay as they are."""
        with self._errors(), self._transaction():
            execute = self._connection.execute
            execute("insert or ignore into functions (identity) values (?)", (identity,))
            function = execute(
                "select id from functions where identity = ?", (identity,)
            ).fetchone()[0]
            self._connection.executemany(
                "insert or ignore into samples values (?, ?, ?)",
                (
                    (function, mask.astype("<u8").tobytes(), value)
                    for mask, value in zip(masks, values.tolist(), strict=True)
                ),
            )

    def get_answer(self, request: str) -> str | None:
        """The answer kept for a request; None where there is none."""
        with self._errors():
            row = self._connection.execute(
                "select answer from answers where request = ?", (request,)
            ).fetchone()
        return None if row is None else str(row[0])

    def put_answer(self, request: str, answer: str) -> None:
        """Keep an answer. One that is there already stays as it is."""
        with self._errors(), self._transaction():
            self._connection.execute(
                "insert or ignore into answers values (?, ?)", (request, answer)
            )

    def __len__(self) -> int:
        with self._errors():
            count: int = self._connection.execute("select count(*) from samples").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file."""
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
