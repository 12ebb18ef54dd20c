"""Several asynchronous calls at once; plain code takes each result as it is finished.

The calls run in an event loop of their own thread, because the caller may have a running loop
itself, as in a notebook. At most `concurrency` calls are running, or finished and not yet taken.
So a slow caller is never far behind, and a killed process loses no more than these.
"""

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")


def stream(
    open_session: Callable[[], AbstractAsyncContextManager[S]],
    work: Callable[[S, int], Coroutine[Any, Any, T]],
    count: int,
    concurrency: int,
) -> Iterator[tuple[int, T]]:
    """Do `work(session, number)` for each number below count.

    After an error no call is begun; those running are finished and yielded, then the error is
    raised. Ctrl-C cancels the calls running and yields those that were finished.

    Args:
        open_session: opens what all calls share, such as connections.
        work: one call.
        count: the number of calls.
        concurrency: the most calls at once.

    Returns:
        (number, result), in the order in which they finish.
    """
    numbers = iter(range(count))
    under_way: dict[Future[T], int] = {}
    finished: queue.SimpleQueue[Future[T]] = queue.SimpleQueue()
    failure: BaseException | None = None
    with _session(open_session) as (loop, session):
        try:
            while True:
                room = concurrency - len(under_way) if failure is None else 0
                for number in itertools.islice(numbers, room):
                    future = asyncio.run_coroutine_threadsafe(work(session, number), loop)
                    under_way[future] = number
                    future.add_done_callback(finished.put)
                if not under_way:
                    break
                future = finished.get()
                error = future.exception()
                failure = failure or error
                if error is None:
                    yield under_way[future], future.result()
                del under_way[future]
        except KeyboardInterrupt:
            for future in under_way:
                future.cancel()
            for future, number in under_way.items():
                if not future.cancelled() and future.exception() is None:
                    yield number, future.result()
            raise
    if failure is not None:
        raise failure


def call(
    open_session: Callable[[], AbstractAsyncContextManager[S]],
    work: Callable[[S], Coroutine[Any, Any, T]],
) -> T:
    """Do one asynchronous call, and wait for it."""
    ((_, result),) = stream(open_session, lambda session, _: work(session), 1, 1)
    return result


@contextmanager
def _session(
    open_session: Callable[[], AbstractAsyncContextManager[S]],
) -> Iterator[tuple[asyncio.AbstractEventLoop, S]]:
    """An event loop in a thread, with an open session; at the end its calls are cancelled."""
    opened: Future[tuple[asyncio.AbstractEventLoop, S]] = Future()
    closing = asyncio.Event()

    async def hold() -> None:
        async with open_session() as session:
            opened.set_result((asyncio.get_running_loop(), session))
            await closing.wait()
            calls = asyncio.all_tasks() - {asyncio.current_task()}
            for one in calls:
                one.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    def turn() -> None:
        try:
            asyncio.run(hold())
        except BaseException as error:
            if not opened.done():
                opened.set_exception(error)

    thread = threading.Thread(target=turn, name="spex-calls", daemon=True)
    thread.start()
    loop, session = opened.result()
    try:
        yield loop, session
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join()
