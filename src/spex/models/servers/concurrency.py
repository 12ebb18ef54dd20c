"""Many asynchronous calls at once, handed over to plain code one by one as they finish.

The calls run in an event loop of their own, in a thread, so that a caller may itself run in one (a
notebook does). No more of them are under way, or finished and not yet taken, than the concurrency
allows: a caller that is slow to keep results is never far behind, and a killed process loses no
more than that. After a failure nothing new is begun, what is under way is finished and handed over,
and the failure is raised then. After Ctrl-C what is under way is dropped, and what had finished is
handed over first.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


def stream(
    open_session: Callable[[], AbstractAsyncContextManager[S]],
    work: Callable[[S, int], Awaitable[T]],
    count: int,
    concurrency: int,
) -> Iterator[tuple[int, T]]:
    """Do `work(session, number)` for every number below count.

    Args:
        open_session: opens what all calls share, such as connections.
        work: one call.
        count: the number of calls.
        concurrency: the most calls at once.

    Returns:
        (number, result), in the order in which they finish.
    """
    run = _Run(open_session, work, count, concurrency)
    try:
        while not isinstance(item := run.take(), _End):
            yield item
            run.make_room()
        if item.error is not None:
            raise item.error
    except KeyboardInterrupt:
        run.cancel()
        while not isinstance(item := run.take(), _End):
            yield item
        raise
    finally:
        run.cancel()
        run.join()


def call(
    open_session: Callable[[], AbstractAsyncContextManager[S]], work: Callable[[S], Awaitable[T]]
) -> T:
    """Do one asynchronous call, and wait for it."""
    ((_, result),) = stream(open_session, lambda session, _: work(session), 1, 1)
    return result


@dataclass(frozen=True)
class _End:
    """Nothing more will come; the error, if any, is why."""

    error: BaseException | None


class _Run(Generic[S, T]):
    """The thread with the event loop, and the queue that leads out of it."""

    def __init__(
        self,
        open_session: Callable[[], AbstractAsyncContextManager[S]],
        work: Callable[[S, int], Awaitable[T]],
        count: int,
        concurrency: int,
    ) -> None:
        self._open_session = open_session
        self._work = work
        self._count = count
        self._room = asyncio.Semaphore(concurrency)
        self._failure: Exception | None = None
        self._finished: queue.SimpleQueue[tuple[int, T] | _End] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._main = self._loop.create_task(self._run())
        self._thread = threading.Thread(target=self._turn, name="spex-calls", daemon=True)
        self._thread.start()

    def take(self) -> tuple[int, T] | _End:
        """Wait for the next result."""
        return self._finished.get()

    def make_room(self) -> None:
        """One result has been dealt with: another call may begin."""
        self._tell(self._room.release)

    def cancel(self) -> None:
        """Drop what is under way."""
        self._tell(self._main.cancel)

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()

    def _tell(self, what: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(what)

    def _turn(self) -> None:
        error: BaseException | None = None
        try:
            self._loop.run_until_complete(self._main)
        except BaseException as raised:
            error = raised
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._finished.put(_End(error))

    async def _run(self) -> None:
        async with self._open_session() as session, asyncio.TaskGroup() as group:
            for number in range(self._count):
                await self._room.acquire()
                if self._failure is not None:
                    break
                group.create_task(self._one(session, number))
        if self._failure is not None:
            raise self._failure

    async def _one(self, session: S, number: int) -> None:
        try:
            self._finished.put((number, await self._work(session, number)))
        except Exception as error:
            self._failure = self._failure or error
            self._room.release()
