"""Writing files whole or not at all."""

import os
import tempfile
from pathlib import Path

from spex.errors import ArgumentError


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
