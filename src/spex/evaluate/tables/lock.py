"""One run at a time adds to a file of results."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spex.errors import ArgumentError

_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def locked(results: Path) -> Iterator[None]:
    """Hold NAME.lock beside a file of results, until the process ends at the latest.

    The system keeps the lock, so that none is left behind by a process that was killed. It is on a
    file of its own, for the others are replaced as a whole.

    Args:
        results: The file of results.

    Raises:
        ArgumentError: another process holds it, or it cannot be had there.
    """
    path = results.with_name(f"{results.stem}.lock")
    try:
        file = _taken(path)
    except OSError as error:
        if error.errno in _BUSY:
            raise ArgumentError(
                f"another run is writing to {results}; wait for it, or give another file"
            ) from error
        raise ArgumentError(
            f"{path} cannot be locked: {error.strerror or error}; give a file in a folder that may "
            "be written to"
        ) from error
    try:
        yield
    finally:
        with file:
            if os.name == "posix":  # other systems cannot remove an open file
                path.unlink(missing_ok=True)


def _taken(path: Path) -> IO[bytes]:
    while True:
        file = path.open("ab")
        try:
            _lock(file)
            if _is_at(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # the run before removed it in the meantime


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
