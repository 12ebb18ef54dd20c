"""What the commands of `spex store` do."""

import time
from collections.abc import Sequence
from pathlib import Path

from spex.cli.session import Session, console
from spex.errors import ArgumentError, StoreError
from spex.values.storage import care, exchange
from spex.wording import counted, one_line

_SHOWN = 20  # functions


def show_info(session: Session, file: Path) -> None:
    """Print what is in a store."""
    with session.interruptible():
        found = care.info(file)
    lines = [
        f"{counted(found.rows, 'value')} of {counted(len(found.functions), 'function')}, "
        f"{counted(found.answers, 'answer')}, {found.size / 1e6:,.1f} MB"
    ]
    if found.claims:
        lines.append(f"{counted(found.claims, 'mask')} claimed by processes that evaluate them")
    if found.functions:
        lines += ["", f"{'values':>12}  {'last used':<10}  function"]
    for one in found.functions[:_SHOWN]:
        day = time.strftime("%Y-%m-%d", time.localtime(one.used))
        lines.append(f"{one.rows:>12,}  {day:<10}  {one_line(one.identity)}")
    if (more := len(found.functions) - _SHOWN) > 0:
        lines.append(f"{'':>12}  and {more:,} more, used before these")
    console().print("\n".join(lines), soft_wrap=True)


def export_to(session: Session, file: Path, out: Path) -> None:
    """Write what a store has to a file."""
    with session.interruptible():
        exchange.export(file, out)


def import_all(session: Session, file: Path, others: Sequence[Path]) -> None:
    """Copy what files have into a store, one after the other."""
    for other in others:
        with session.interruptible(lambda: "run it again for the rest"):
            found = exchange.import_from(file, other)
        line = f"{other}: {counted(found.values, 'new value')}"
        line += f", {counted(found.answers, 'new answer')}"
        if found.differing:
            line += (
                f"; {counted(found.differing, 'value')} that {file} had otherwise "
                f"{'stays' if found.differing == 1 else 'stay'} as they were there"
            )
        if found.left_out:
            line += f"; {counted(found.left_out, 'row')} left out: no value of a mask of a function"
        if found.is_damaged:
            line += "; it is damaged: what stood where it cannot be read is lost"
        console().print(line, soft_wrap=True)


def prune_functions(
    session: Session, file: Path, functions: Sequence[str], unused_days: float | None
) -> None:
    """Throw functions away."""
    if not functions and unused_days is None:
        raise ArgumentError("nothing to prune: give --function ID or --unused-days N")
    with session.interruptible():
        found = care.prune(file, functions, unused_days)
    console().print(
        f"{counted(found.values, 'value')} of {counted(found.functions, 'function')} thrown away",
        soft_wrap=True,
    )


def verify(session: Session, file: Path) -> None:
    """Print what is wrong with a store.

    Raises:
        StoreError: something is.
    """
    with session.interruptible():
        found = care.problems(file)
    if found:
        console().print("\n".join(map(one_line, found)), soft_wrap=True)
        raise StoreError(
            f"{file} has {counted(len(found), 'problem')}; `spex store import NEW.sqlite {file}` "
            "saves what can be read of it"
        )
    console().print("no problem found", soft_wrap=True)
