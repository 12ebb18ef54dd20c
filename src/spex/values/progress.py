"""Progress at the edge: a bar on standard error, or the caller's own function."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spex.values.evaluator import Progress


@contextmanager
def reporter(progress: bool | Callable[[Progress], None]) -> Iterator[Callable[[Progress], None]]:
    """What `explain` calls after every batch.

    Args:
        progress: True for a bar with calls, R2 and the time left; False for nothing; or a function.
    """
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("calls"),
        TextColumn("{task.fields[r2]}"),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("evaluating", total=None, r2="")

        def show(state: Progress) -> None:
            r2 = "" if state.r2 is None else f"R2 {state.r2:.3f}"
            doing = "waiting for another process" if state.is_waiting else "evaluating"
            bar.update(task, description=doing, completed=state.done, total=state.total, r2=r2)

        yield show
