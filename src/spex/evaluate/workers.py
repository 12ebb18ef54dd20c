"""Measure items in several processes."""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running

from spex.errors import ArgumentError, SpexError
from spex.evaluate.experiment import Experiment, Finished, failure, measure_item
from spex.evaluate.items import Item
from spex.evaluate.tables.rows import Key
from spex.models.environment import usable_cores

_SECONDS_TO_END = 5.0
_END = None  # instead of an item's number: no more work


def measure_items(
    experiment: Experiment,
    done: set[Key],
    jobs: int = 1,
    report: Callable[[int], None] = lambda _: None,
) -> Iterator[Finished]:
    """Measure every cell that is not done, several items at once where jobs are more than one.

    A process that dies, as of too little memory, costs the item that it was at: its other cells
    become rows that say so.

    Args:
        experiment: What to do.
        done: Cells that are left out.
        jobs: Processes; 1 for this one alone.
        report: Told how many masks each batch has brought.

    Raises:
        ArgumentError: the items cannot be sent to other processes.
        StoreError: the store failed.
    """
    left = [item for item in experiment.items if set(experiment.cells(item)) - done]
    if jobs == 1 or len(left) < 2:
        for item in left:
            yield from measure_item(experiment, item, done, report)
        return
    try:
        packed = pickle.dumps((experiment.packed(), done))
    except Exception as error:
        raise ArgumentError(
            f"jobs={jobs}: the items cannot be sent to other processes ({error}); use jobs=1, or "
            "functions of a module"
        ) from error
    yield from _in_processes(packed, experiment, left, done, min(jobs, len(left)), report)


class _Worker:
    """A process that measures one item after the other."""

    def __init__(self, packed: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(packed, theirs), daemon=True
        )
        with _blocked(signal.SIGINT):
            self.process.start()
        theirs.close()
        self.item: Item | None = None
        self.finished: set[Key] = set()

    def begin(self, number: int, item: Item) -> None:
        """Give it an item."""
        self.item, self.finished = item, set()
        self.connection.send(number)

    def stop(self) -> None:
        """End it."""
        self.connection.close()  # an idle process takes this as the end and cleans up
        self.process.join(_SECONDS_TO_END if self.item is None else 0)
        self.process.terminate()
        self.process.join(_SECONDS_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _in_processes(
    packed: bytes,
    experiment: Experiment,
    left: list[Item],
    done: set[Key],
    jobs: int,
    report: Callable[[int], None],
) -> Iterator[Finished]:
    numbers = {item.name: number for number, item in enumerate(experiment.items)}
    waiting = list(reversed(left))
    workers: list[_Worker] = []
    try:
        with _fewer_threads(jobs):
            workers += [_Worker(packed) for _ in range(jobs)]
        for worker in workers:
            item = waiting.pop()
            worker.begin(numbers[item.name], item)
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [one for one in workers if one.connection in ready]:
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    yield from _lost(experiment, worker, done)
                    worker.stop()
                    workers.remove(worker)
                    if waiting:
                        with _fewer_threads(jobs):
                            workers.append(_Worker(packed))
                        item = waiting.pop()
                        workers[-1].begin(numbers[item.name], item)
                    continue
                if isinstance(message, int):
                    report(message)
                elif isinstance(message, Finished):
                    worker.finished.add(message.rows[0].key)
                    yield message
                elif isinstance(message, BaseException):
                    raise message
                elif waiting:
                    item = waiting.pop()
                    worker.begin(numbers[item.name], item)
                else:
                    worker.item = None
                    worker.stop()
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.stop()


def _lost(experiment: Experiment, worker: _Worker, done: set[Key]) -> Iterator[Finished]:
    """Rows for what a dead process has left."""
    worker.process.join(_SECONDS_TO_END)
    reason = f"the process ended with code {worker.process.exitcode}"
    assert worker.item is not None
    by_name = {method.name: method for method in experiment.methods}
    for key in experiment.cells(worker.item):
        if key not in done and key not in worker.finished:
            row = failure(worker.item, by_name[key.method], key, reason)
            yield Finished([row], None, None)


def _serve(packed: bytes, connection: Connection) -> None:
    """Measure the items whose numbers come, until none does or nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    parts, done = pickle.loads(packed)
    experiment = Experiment.unpacked(parts)

    def send(message: object) -> None:
        try:
            connection.send(message)
        except OSError as error:
            raise _Unheard from error

    try:
        while True:
            number = connection.recv()
            try:
                for finished in measure_item(experiment, experiment.items[number], done, send):
                    send(finished)
            except SpexError as error:
                send(error)
                return
            send(_END)
    except (EOFError, ConnectionResetError, _Unheard):
        return


class _Unheard(BaseException):
    """The parent has ended; no `Exception`, so that it becomes no row of results."""


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """Block a signal, also in processes started here, which else have it before they ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # for example on Windows
        yield
        return
    ensure_running()  # multiprocessing starts this helper with the first process, and unblocks
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _fewer_threads(jobs: int) -> Iterator[None]:
    """Let processes started here share the cores, where the user has not said otherwise."""
    threads = str(max(1, usable_cores() // jobs))
    names = [name for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ]
    os.environ.update(dict.fromkeys(names, threads))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
