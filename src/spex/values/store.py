"""The sample store: every model call that was ever finished, in one SQLite file.

A value is found by what was asked, never by a name. The key is the packed mask with the identity of
the value function: a hash of model and revision, prompt, masker, score and precision. So methods,
budgets and runs share values, and one function never gets another function's value. Each batch is
one transaction in write-ahead mode: a crash or kill -9 loses at most the current batch.

Several processes may share a file. Each claims the masks that it is about to evaluate, and the
others leave those alone until their values come. A claim ends with its value, with its process, or
where that is on another machine or hangs, with its time.

It also keeps the answers that models gave to unmasked prompts. An answer is part of the identity of
the values that explain it, so a server that answers otherwise the next time would orphan them.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from spex._typing import BoolArray, FloatArray, WordArray
from spex.errors import StoreError
from spex.values.identity import content_identity
from spex.values.storage.claims import Claims
from spex.values.storage.keys import Keys
from spex.values.storage.schema import VALID, connect, errors, transaction

_USED_SECONDS = 3600.0  # precision of the last use of a function

T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """What a store knows of masks, and which of them its caller is to evaluate.

    Args:
        values: (m, q) float64, NaN if none is stored.
        granted: (m,) whether the caller has claimed the mask.
    """

    values: FloatArray
    granted: BoolArray


class Store:
    """A sample store in a SQLite file; made if there is none. Also a context manager.

    Args:
        path: The file; a new one may be read by its owner alone. ":memory:" for none.
        give_up: Told the first error after opening; from then on the store holds and keeps
            nothing. Default: errors are raised.

    Raises:
        StoreError: the file is no sample store, of a later version, or cannot be opened.

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
        self._connection = connect(self.path)
        self._claims = Claims(self._connection)
        self._file = self._place()

    def _place(self) -> tuple[int, int] | None:
        """Which file is at the path; None if there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _done(self, action: Callable[[], T], otherwise: T) -> T:
        """The result of an action; `otherwise` once the store is given up."""
        if self._is_given_up:
            return otherwise
        try:
            with errors(self.path):
                # A store in memory never had a file.
                if self._place() != self._file:
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
            identity: Identity of the value function.
            masks: (m, n_words) uint64.

        Returns:
            (m,) float64, NaN if none is stored.
        """
        return self._done(lambda: self._get(identity, Keys.of(masks)), np.full(len(masks), np.nan))

    def _get(self, identity: str, keys: Keys) -> FloatArray:
        values = np.full(len(keys), np.nan)
        row = self._connection.execute(
            "select id from functions where identity = ?", (identity,)
        ).fetchone()
        if row is not None:
            found = keys.matches(
                self._connection, "samples", "value", ("function = ?", row[0]), (VALID,)
            )
            places, kept = np.fromiter(found, dtype=np.dtype((np.float64, 2))).T
            values[keys.order[places.astype(np.int64)]] = kept
        return values

    def claim(
        self, identities: Sequence[str], masks: WordArray, most: int, beside: int | None = None
    ) -> Claim:
        """Look values up, and claim masks that have none and that no other process has claimed.

        Args:
            identities: Identities of the q outputs.
            masks: (m, n_words) uint64.
            most: Claim at most this many, from the beginning.
            beside: And no more than so many, nor than half of a fair share, while other processes
                evaluate masks of the same function; None for no such limit.
        """
        nothing = np.full((len(masks), len(identities)), np.nan)
        everything = Claim(nothing, np.ones(len(masks), dtype=np.bool_))
        return self._done(lambda: self._claim(identities, Keys.of(masks), most, beside), everything)

    def _claim(self, identities: Sequence[str], keys: Keys, most: int, beside: int | None) -> Claim:
        granted = np.zeros(len(keys), dtype=np.bool_)
        with transaction(self._connection):
            values = np.stack([self._get(one, keys) for one in identities], axis=1)
            self._note_use(identities)
            missing = keys.part(np.flatnonzero(np.isnan(values[keys.order]).any(axis=1)))
            function = content_identity(identities)
            granted[self._claims.take(function, missing, most, beside)] = True
        return Claim(values, granted)

    def _note_use(self, identities: Sequence[str]) -> None:
        now = time.time()
        self._connection.executemany(
            "update functions set used = ? where identity = ? and used < ?",
            ((now, identity, now - _USED_SECONDS) for identity in identities),
        )

    def release(self) -> None:
        """Give up what is claimed and has no value."""
        if self._claims.are_used:
            self._done(self._claims.release, None)

    def put(self, identity: str, masks: WordArray, values: FloatArray) -> None:
        """Keep (m,) values; one transaction. Values that are there already stay as they are."""
        self.put_all((identity,), masks, values[:, None])

    def put_all(self, identities: Sequence[str], masks: WordArray, values: FloatArray) -> None:
        """Keep (m, q) values of q outputs; see `put`. Their claims end."""
        self._done(lambda: self._put_all(identities, Keys.of(masks), values), None)

    def _put_all(self, identities: Sequence[str], keys: Keys, values: FloatArray) -> None:
        try:
            self._write(identities, keys, values)
        except sqlite3.OperationalError:
            # On a full disk, emptying the log may make room for values that are paid for.
            with suppress(sqlite3.Error):
                self._connection.execute("pragma wal_checkpoint(truncate)")
            self._write(identities, keys, values)

    def _write(self, identities: Sequence[str], keys: Keys, values: FloatArray) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        blobs, now = keys.blobs(), time.time()
        with transaction(self._connection):
            for identity, column in zip(identities, values[keys.order].T, strict=True):
                execute(
                    "insert or ignore into functions (identity, used) values (?, ?)",
                    (identity, now),
                )
                (function,) = execute(
                    "select id from functions where identity = ?", (identity,)
                ).fetchone()
                many(
                    f"insert into samples values ({function}, ?, ?) on conflict do update "
                    f"set value = excluded.value where not ({VALID})",
                    zip(blobs, column.tolist(), strict=True),
                )
            self._note_use(identities)
            if self._claims.are_used:
                self._claims.end(content_identity(identities), blobs)

    def get_answer(self, request: str) -> str | None:
        """The answer kept for a request; None if there is none."""
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
