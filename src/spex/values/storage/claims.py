"""Claims: which process evaluates which masks, so that no two evaluate the same."""

import os
import re
import secrets
import socket
import sqlite3
import time
from typing import Any

import numpy as np

from spex._typing import BoolArray, IntArray
from spex.values.storage.keys import Keys

# A claim is renewed while its process keeps values. It ends this long after the last one, or after
# three times the longest pause between two of them.
_LEASE_SECONDS = 120.0
# Distinguishes this process from an earlier one with the same number, as after a container
# restarts.
_PROCESS = secrets.token_hex(4)


class Claims:
    """The claims of one process on a store, and those of others; used within transactions.

    Args:
        connection: To the store.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{_PROCESS}{secrets.token_hex(4)}"
        self._lease, self._last_kept, self._renewed = _LEASE_SECONDS, 0.0, 0.0

    @property
    def are_used(self) -> bool:
        """Whether anything was ever claimed."""
        return self._renewed > 0

    def take(self, function: str, keys: Keys, most: int, beside: int | None) -> IntArray:
        """Claim keys that no other process has claimed.

        Args:
            function: A hash of the identities of its outputs.
            keys: Keys of masks that have no value.
            most: At most this many, by the numbers of their masks.
            beside: See `Store.claim`.

        Returns:
            The numbers of the masks that are claimed.
        """
        now = time.time()
        self._drop_ended(now)
        execute = self._connection.execute
        (others,) = execute(
            "select count(distinct holder) from claims where function = ? and holder <> ?",
            (function, self._holder),
        ).fetchone()
        if others and beside is not None:
            most = min(most, beside, max(len(keys) // (2 * (others + 1)), 1))
        free = np.ones(len(keys), dtype=np.bool_)
        for at, _ in keys.matches(self._connection, "claims", "1", ("function = ?", function)):
            free[at] = False
        taken = _first(keys, free, most)
        until = now + self._lease
        self._connection.executemany(
            "insert into claims values (?, ?, ?, ?)",
            ((function, blob, self._holder, until) for blob in taken.blobs()),
        )
        self._last_kept = self._renewed = now
        return taken.order

    def _drop_ended(self, now: float) -> None:
        execute = self._connection.execute
        for holder, last in execute(
            "select holder, max(expires) from claims group by holder"
        ).fetchall():
            if not isinstance(last, float) or last < now or _is_dead(holder):
                execute("delete from claims where holder = ?", (holder,))

    def end(self, function: str, blobs: list[bytes]) -> None:
        """End the claims of masks that have a value now, and renew the others."""
        now = time.time()
        self._connection.executemany(
            "delete from claims where function = ? and mask = ?",
            ((function, blob) for blob in blobs),
        )
        self._lease = max(self._lease, 3 * (now - self._last_kept))
        self._last_kept = now
        if now > self._renewed + _LEASE_SECONDS / 4:
            self._connection.execute(
                "update claims set expires = ? where holder = ?",
                (now + self._lease, self._holder),
            )
            self._renewed = now

    def release(self) -> None:
        """Release the claims on masks without a value."""
        self._connection.execute("delete from claims where holder = ?", (self._holder,))


def _first(keys: Keys, free: BoolArray, most: int) -> Keys:
    """The free keys of the masks with the smallest numbers."""
    numbers = np.sort(keys.order[free])[:most]
    return keys.part(np.flatnonzero(free & np.isin(keys.order, numbers)))


def _is_dead(holder: Any) -> bool:
    """Whether the process is known to have ended; unknown for other machines.

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
