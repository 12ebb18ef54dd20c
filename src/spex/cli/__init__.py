"""The command `spex`: strings in, exit status out.

Only `main` turns an error into one line and an exit status. The status is 0 for success, 2 for a
wrong call, 1 for a failure of the outside world, and 130 after Ctrl-C or SIGTERM. Any other
exception is a bug and keeps its traceback. Nothing heavy loads before a command needs it, so that
help is instant.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import typer

from spex.cli.app import app
from spex.cli.session import Interrupted, Load, Session
from spex.errors import ArgumentError, FileFormatError, SpexError

SUCCESS, FAILURE, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130

# typer brings click under different names, depending on its release; this is click's base class of
# wrong calls in each of them.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main(argv: Sequence[str] | None = None, *, load: Load | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments after the program's name; default: those of the process.
        load: Loads a model by name; default: `spex.models.load`.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # If a terminal or a pipe cannot show a character, print a question mark, not a traceback.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    session = Session(arguments, load)
    command = typer.main.get_command(app)
    try:
        with _terminated_as_interrupted():
            status = command.main(arguments, prog_name="spex", standalone_mode=False, obj=session)
    except _UsageError as error:
        return _wrong_call(error, session)
    except (Interrupted, KeyboardInterrupt, typer.Abort) as error:
        session.tell(str(error) or "interrupted")
        return INTERRUPTED
    except SpexError as error:
        session.tell(str(error))
        return WRONG_CALL if isinstance(error, ArgumentError | FileFormatError) else FAILURE
    if status == INTERRUPTED:  # interrupted before a command began
        session.tell("interrupted")
    return status if isinstance(status, int) else SUCCESS


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def interrupt(number: int, _: FrameType | None) -> None:
        if os.getpid() != process:  # a worker forked by the user's function
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wrong_call(error: Exception, session: Session) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        # Without arguments, show the help instead of an error.
        typer.echo(context.get_help() if context is not None else str(error), err=True)
        return WRONG_CALL
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    path = context.command_path if context is not None else "spex"
    session.tell(f"{message.rstrip('.')}; see {path} --help")
    return WRONG_CALL
