"""Concurrent calls: what has finished is handed over, whatever happens to the rest."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import pytest

from spex.models.servers.concurrency import call, stream


class Session:
    def __init__(self):
        self.open = self.under_way = self.most_under_way = self.begun = self.dropped = 0

    @asynccontextmanager
    async def __call__(self):
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    async def work(self, seconds=0.01):
        self.begun += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        finally:
            self.under_way -= 1


@pytest.mark.parametrize("concurrency", [1, 3, 100])
def test_every_number_once(concurrency):
    session = Session()

    async def double(session, number):
        await session.work()
        return 2 * number

    assert sorted(stream(session, double, 20, concurrency)) == [(n, 2 * n) for n in range(20)]
    assert session.most_under_way == min(concurrency, 20)
    assert session.open == 0


def test_results_come_as_they_finish():
    async def later(session, number):
        await session.work(0.3 if number == 0 else 0.01)
        return number

    assert [number for number, _ in stream(Session(), later, 3, 3)][-1] == 0


def test_nothing():
    assert list(stream(Session(), lambda session, number: None, 0, 4)) == []


def test_one_call():
    async def answer(session):
        await session.work()
        return 42

    assert call(Session(), answer) == 42


def test_a_slow_taker_is_never_far_behind():
    session = Session()

    async def work(session, number):
        await session.work(0)

    results = stream(session, work, 100, 4)
    for _ in range(3):
        next(results)
    time.sleep(0.1)
    assert session.begun <= 3 + 4
    results.close()
    assert session.open == 0


def test_after_a_failure_what_is_under_way_is_finished_and_handed_over():
    session = Session()

    async def work(session, number):
        await session.work(0.05 if number == 1 else 0.2)
        if number == 1:
            raise ValueError("broken")
        return number

    taken = []
    with pytest.raises(ValueError, match="broken"):
        for number, _ in stream(session, work, 100, 4):
            taken.append(number)
    assert sorted(taken) == [0, 2, 3]
    assert (session.begun, session.dropped, session.open) == (4, 0, 0)


def test_after_an_interruption_what_had_finished_is_handed_over():
    session = Session()

    async def work(session, number):
        await session.work(0.01 if number < 3 else 30)
        if number == 2:
            # As Ctrl-C does, while the main thread waits for a result.
            await asyncio.sleep(0.1)
            signal_main_thread()
        return number

    def signal_main_thread():
        import signal

        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    taken = []
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for number, _ in stream(session, work, 100, 6):
            taken.append(number)
    assert {0, 1} <= set(taken)
    assert time.monotonic() - started < 10
    assert session.open == session.under_way == 0
    assert session.dropped > 0


def test_inside_of_a_running_event_loop():
    async def answer(session):
        return 42

    async def notebook():
        return call(Session(), answer)

    assert asyncio.run(notebook()) == 42


def test_no_thread_is_left():
    async def work(session, number):
        await session.work()

    list(stream(Session(), work, 5, 2))
    assert not [thread for thread in threading.enumerate() if thread.name == "spex-calls"]
