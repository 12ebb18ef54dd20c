"""Writing files whole or not at all, and reading JSON."""

import errno
import json
import os
import re
import secrets
import stat
import sys
from collections import Counter
from pathlib import Path

from spex.errors import ArgumentError, BackendError, FileFormatError, SpexError

# These names mean files that this process has open. Opening them again by name would begin at the
# start.
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
# Limits of a JSON file. An explanation of 2^20 coefficients stays below them.
_MOST_BYTES, _MOST_MEMORY = 10**8, 8 * 10**8
_MOST_DIGITS = 100


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file by new content in one step, or write to a device or a pipe.

    A symbolic link is followed. A file that is there keeps its permissions and its owner.

    Raises:
        ArgumentError: the file cannot be written there.
        BackendError: its disk is full or fails.
    """
    try:
        _write(followed(path), content)
    except OSError as error:
        raise unwritten(path, error) from error


def unwritten(path: Path, error: OSError) -> SpexError:
    """The error of a file that could not be written; see `write_bytes`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return BackendError(
            f"cannot write {path}: {error.strerror}; free space, or give a path on another disk"
        )
    return ArgumentError(
        f"cannot write {path}: {error.strerror or error}; give a path in a folder that exists "
        "and may be written to"
    )


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
            stream.flush()  # earlier output comes first
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
        path.write_bytes(content)  # the folder or owner allows no other way
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def followed(path: Path) -> Path:
    """The path behind symbolic links, up to an open file.

    Raises:
        OSError: the links go in a circle.
    """
    path = path.absolute()
    for _ in range(40):  # Linux follows at most 40 links
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


def write_json(path: Path, content: object) -> None:
    """Replace a file by JSON in UTF-8 in one step; see `write_bytes`.

    Raises:
        ArgumentError: it cannot be written there, or `read_json` would refuse its size.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    # UTF-8 cannot hold half a surrogate pair, so write its escape sequence.
    written = text.encode("utf-8", errors="backslashreplace")
    if too_large := _too_large(written, text):
        raise ArgumentError(f"cannot write {path}: {too_large}; keep fewer coefficients")
    write_bytes(path, written)


def read_json(path: Path) -> object:
    """The content of a JSON file, which may take at most 1 GB of memory.

    Raises:
        FileFormatError: it cannot be read, is too large, or is no JSON in UTF-8.
    """
    try:
        with path.open("rb") as file:
            written = file.read(_MOST_BYTES + 1)
        text = "" if len(written) > _MOST_BYTES else written.decode("utf-8-sig", "surrogatepass")
        if too_large := _too_large(written, text):
            raise FileFormatError(f"{path}: {too_large}; is it the right file?")
        del written
        content: object = json.loads(
            text, parse_int=_whole, parse_constant=_not_finite, object_pairs_hook=_object
        )
    except OSError as error:
        raise FileFormatError(
            f"cannot read {path}: {error.strerror or error}; give a file that spex saved"
        ) from error
    except FileFormatError:
        raise
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path} is not JSON in UTF-8 (byte {error.start}); give a file that spex saved"
        ) from None
    except RecursionError:
        raise FileFormatError(
            f"{path} is not JSON that spex wrote: it is nested too deep"
        ) from None
    except ValueError as error:  # from the parser, or from a path with a null byte
        raise FileFormatError(f"{path} is not JSON: {error}; give a file that spex saved") from None
    return content


def _too_large(written: bytes, text: str) -> str:
    """Why JSON is too large to be read, if it is; empty if not."""
    if len(written) > _MOST_BYTES:
        return f"the JSON is larger than {_MOST_BYTES // 10**6} MB, the limit"
    # Bytes that Python needs for a list, an entry of a list, an object and a string.
    sizes = ((b"[", 100), (b",", 32), (b"{", 300), (b'"', 40))
    memory = 2 * sys.getsizeof(text) + sum(size * written.count(sign) for sign, size in sizes)
    if memory > _MOST_MEMORY:
        return f"the JSON would take more than {_MOST_MEMORY // 10**6} MB of memory, the limit"
    return ""


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits; the limit is {_MOST_DIGITS}")
    return int(digits)


def _not_finite(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r:.40} stands twice in one object")
    return content
