"""Writing files whole or not at all, and reading JSON."""

import json
import os
import tempfile
from pathlib import Path

from spex.errors import ArgumentError, FileFormatError


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file by new content in one step.

    Raises:
        ArgumentError: the file cannot be written there.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files that only their owner may read; a report is an ordinary file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise ArgumentError(
            f"cannot write {path}: {error.strerror or error}; give a path in a folder that exists "
            "and may be written to"
        ) from error


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
