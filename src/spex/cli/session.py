"""What the commands of one call share: its arguments, its model loader, and standard error."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spex.errors import ArgumentError
from spex.files import followed, is_stream

if TYPE_CHECKING:
    from rich.console import Console

    from spex.models.protocol import LanguageModel

_LONGEST = 1000  # characters of a message


class Load(Protocol):
    """Loads a model by name; see `spex.models.load`."""

    def __call__(
        self, name: str, notice: "Callable[[str], None] | None" = None, **options: Any
    ) -> "LanguageModel":
        """Load it; notice is told what takes long."""
        ...


class Interrupted(Exception):
    """The user pressed Ctrl-C; the message says what is kept."""


class Session:
    """One call of the command line.

    Args:
        arguments: The arguments after the program's name.
        load: Loads a model by name; default: `spex.models.load`.

    Attributes:
        quiet: Whether notices are left out; errors are always told.
    """

    def __init__(self, arguments: Sequence[str], load: Load | None = None) -> None:
        self._arguments = tuple(arguments)
        self._load = load
        self.quiet = False

    @property
    def has_own_loader(self) -> bool:
        """Whether models are loaded by another function than `spex.models.load`."""
        return self._load is not None

    @property
    def command(self) -> str:
        """The command line of this call, quoted for a shell."""
        return shlex.join(["spex", *self._arguments])

    def load(self, name: str, **options: Any) -> "LanguageModel":
        """Load a model; what takes long is told on standard error."""
        if self._load is not None:
            return self._load(name, self.notice, **options)
        from spex import models

        return models.load(name, self.notice, **options)

    def tell(self, message: str) -> None:
        """Write one line to standard error."""
        # A message may quote a text or a path, whose characters must not control the terminal.
        line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
        if len(line) > _LONGEST:  # such as one that quotes a value of a megabyte
            line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
        print(f"spex: {line}", file=sys.stderr, flush=True)

    def notice(self, message: str) -> None:
        """Write one line to standard error, unless quiet."""
        if not self.quiet:
            self.tell(message)

    @contextmanager
    def interruptible(self, kept: Callable[[], str] = lambda: "") -> Iterator[None]:
        """Turn Ctrl-C into `Interrupted`, with a message about what was kept."""
        try:
            yield
        except KeyboardInterrupt:
            what = kept()
            raise Interrupted(f"interrupted; {what}" if what else "interrupted") from None


def console() -> "Console":
    """A console on standard output that prints texts as they are."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def check_files(
    outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None] | None = None
) -> None:
    """Refuse outputs that could not be written, or that would overwrite an input or each other.

    Args:
        outputs: By option; None for one that is not wanted.
        inputs: By option, or by what they are.

    Raises:
        ArgumentError: one could not be written, or is another file as well, and no device or pipe.
    """
    named: dict[Path, str] = {}
    for name, path in [*outputs.items(), *(inputs or {}).items()]:
        if path is None:
            continue
        if name in outputs:
            check_output(path, name)
        other = named.setdefault(path.resolve(), name)
        if other != name and other in outputs and not is_stream(path):
            raise ArgumentError(f"{other} and {name} are the same file, {path}; name two files")


def check_output(path: Path, option: str) -> None:
    """Refuse an output file that could not be written, before any work is done.

    Raises:
        ArgumentError: it is a folder, or its folder does not exist or may not be written to.
    """
    try:
        target = followed(path)
    except OSError as error:
        raise ArgumentError(f"{option} {path}: {error.strerror}; give another place") from error
    if target.is_dir():
        raise ArgumentError(f"{option} {path}: is a folder; give a file")
    exists = target.exists() or is_stream(target)
    folder = target.parent if path.is_symlink() else path.parent
    if not exists and not folder.is_dir():
        raise ArgumentError(f"{option} {path}: the folder {folder} does not exist; make it first")
    if not os.access(target if exists else folder, os.W_OK):
        raise ArgumentError(f"{option} {path}: may not be written; give another place")
