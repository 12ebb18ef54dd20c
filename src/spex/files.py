"""Writing files whole or not at all, and reading JSON."""

import errno
import json
import os
import re
import secrets
import stat
import sys
from pathlib import Path

from spex.errors import ArgumentError, FileFormatError

# Open files of this process: a file opened anew by these names would begin at its start.
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file by new content in one step, or write to a device or a pipe.

    A symbolic link is followed. A file that is there keeps its permissions and its owner.

    Raises:
        ArgumentError: the file cannot be written there.
    """
    try:
        _write(followed(path), content)
    except OSError as error:
        raise ArgumentError(
            f"cannot write {path}: {error.strerror or error}; give a path in a folder that exists "
            "and may be written to"
        ) from error


def is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe or an open file: written to, never replaced.

    Raises:
        OSError: its links go in a circle.
    """
    path = followed(path)
    return _descriptor(path) is not None or (path.exists() and not path.is_file())


def _write(path: Path, content: bytes) -> None:
    number = _descriptor(path)
    if number is not None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what was printed comes first
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(content)
        return
    before = path.stat() if path.exists() else None
    if before is not None and not stat.S_ISREG(before.st_mode):
        path.write_bytes(content)
        return
    if before is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary = path.parent / f".spex-{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as file:
            file.write(content)
        if before is not None:
            made = temporary.stat()
            if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
                os.chown(temporary, before.st_uid, before.st_gid)
            temporary.chmod(stat.S_IMODE(before.st_mode))
        os.replace(temporary, path)
    except PermissionError:
        temporary.unlink(missing_ok=True)
        if before is None:
            raise
        path.write_bytes(content)  # in a folder, or of an owner, that allows no other way
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def followed(path: Path) -> Path:
    """The path behind symbolic links, up to an open file.

    Raises:
        OSError: the links go in a circle.
    """
    path = path.absolute()
    for _ in range(40):  # as many as Linux follows
        if _descriptor(path) is not None or not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _descriptor(path: Path) -> int | None:
    """The number of the open file that a path names."""
    found = _DESCRIPTOR.fullmatch(str(path))
    return int(found[1]) if found else _STREAMS.get(str(path))


def write_text(path: Path, content: str) -> None:
    """Replace a file by UTF-8 text in one step; see `write_bytes`."""
    write_bytes(path, content.encode("utf-8", errors="surrogatepass"))


def read_json(path: Path) -> object:
    """The content of a JSON file.

    Raises:
        FileFormatError: it cannot be read, or is no JSON.
    """
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON: {error}") from error
    return content
