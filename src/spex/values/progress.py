"""Progress at the edge: a bar in a terminal or a notebook, lines elsewhere, or the caller's own."""

import html
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from spex.values.evaluator import Progress
from spex.wording import counted

# Seconds between two lines if no bar can be drawn, and between two updates of a bar.
_BETWEEN_LINES, _BETWEEN_UPDATES = 30.0, 0.25


@contextmanager
def reporter(
    progress: bool | Callable[[Progress], None],
    tell: Callable[[str], None] | None = None,
    is_bar: bool | None = None,
) -> Iterator[Callable[[Progress], None]]:
    """What `explain` calls after every batch.

    Args:
        progress: True shows calls, R2 and the time left: as a bar in a notebook and on a terminal,
            else as a line every half minute. False shows nothing. Or a function.
        tell: Writes such a line; default: on standard error.
        is_bar: Whether standard error shows a bar; default: if it is a terminal.
    """
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda _: None
        return
    if _in_notebook():
        shown = _notebook_bar()
    elif sys.stderr.isatty() if is_bar is None else is_bar:
        shown = _terminal_bar()
    else:
        shown = _lines(tell or (lambda line: print(line, file=sys.stderr, flush=True)))
    with shown as show:
        yield show


class Clock:
    """How long the evaluations that are left will take, from those made so far.

    Args:
        now: The time in seconds; for tests.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: float | None = None
        self._first = 0

    def left(self, state: Progress) -> float | None:
        """Seconds; None before the first evaluation. Values of a store do not count."""
        done = state.done - state.stored
        if self._began is None or done < self._first:
            self._began, self._first = self._now(), done
        made = done - self._first
        if not made or state.is_fitting:
            return None
        return (self._now() - self._began) * (state.total - state.done) / made


def described(state: Progress, left: float | None) -> str:
    """Such as `120 of 500 calls, R2 0.913, 2 min left`."""
    parts = [f"{state.done:,} of {counted(state.total, 'call')}"]
    if state.stored:
        parts.append(f"{state.stored:,} from the store")
    if state.r2 is not None:
        parts.append(f"R2 {state.r2:.3f}")
    if left is not None and state.done < state.total:
        parts.append(f"{duration(left)} left")
    return f"{doing(state)}: {', '.join(parts)}"


def doing(state: Progress) -> str:
    """The current activity, in a few words."""
    if state.is_fitting:
        return "fitting"
    return "waiting for another process" if state.is_waiting else "evaluating"


def duration(seconds: float) -> str:
    """Such as `40 s`, `3 min` or `2 h 10 min`."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours:,} h {rest} min"


@contextmanager
def _lines(tell: Callable[[str], None]) -> Iterator[Callable[[Progress], None]]:
    """A line every half minute, also while one batch or a fit takes longer."""
    clock, latest, ended = Clock(), [""], threading.Event()

    def beat() -> None:
        while not ended.wait(_BETWEEN_LINES):
            if latest[0]:
                tell(latest[0])

    def show(state: Progress) -> None:
        latest[0] = described(state, clock.left(state))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield show
    finally:
        ended.set()
        thread.join()


@contextmanager
def _terminal_bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bar

    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("calls"),
        TextColumn("{task.fields[r2]}"),
        TimeElapsedColumn(),
        TextColumn("elapsed{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )
    clock = Clock()
    with bar:
        task = bar.add_task("evaluating", total=None, r2="", left="")

        def show(state: Progress) -> None:
            left = clock.left(state)
            bar.update(
                task,
                description=doing(state),
                completed=state.done,
                total=state.total,
                r2="" if state.r2 is None else f"R2 {state.r2:.3f}",
                left="" if left is None else f", {duration(left)} left",
            )

        yield show


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this: Jupyter, VS Code, Colab."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


@contextmanager
def _notebook_bar() -> Iterator[Callable[[Progress], None]]:
    """An element `progress` that is redrawn, without a widget or script."""
    shown_by: Any = import_module("IPython.display")  # its functions have no types
    handle: list[Any] = [None]
    clock, last = Clock(), [-math.inf]

    def draw(content: str) -> None:
        shown = shown_by.HTML(content)
        if handle[0] is None:
            handle[0] = shown_by.display(shown, display_id=True)
        else:
            handle[0].update(shown)

    def show(state: Progress) -> None:
        left, now = clock.left(state), time.monotonic()
        if now - last[0] < _BETWEEN_UPDATES and not state.is_fitting:
            return
        last[0] = now
        told = html.escape(described(state, left))
        draw(
            f'<div><progress value="{state.done}" max="{max(state.total, 1)}" '
            f'aria-label="calls"></progress> {told}</div>'
        )

    try:
        yield show
    finally:
        if handle[0] is not None:
            draw("")
