"""`spex demo` on the command line."""

import sys
from pathlib import Path

from spex.cli.demonstration.demo import demonstrate
from spex.cli.session import Session, check_output, console


def run(session: Session, html: Path, budget: int) -> None:
    """Run the demonstration.

    Raises:
        SpexError: see `spex.cli.demonstration.demo.demonstrate`.
        Interrupted: Ctrl-C.
    """
    check_output(html, "--html")
    visible = sys.stderr.isatty() and not session.quiet
    with session.interruptible():
        demonstrate(
            session.load,
            html,
            budget=budget,
            command=session.command,
            console=None if session.quiet else console(),
            notice=session.notice,
            progress=visible,
        )
