"""A run over many items: from items to records, and the thread that fits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore, Lock
from typing import Any

from spex.engines.workers import Workers
from spex.errors import StoreError
from spex.explaining import is_forecast_fast, noted, result, run_of
from spex.many.filling import OneOfMany, fill_together
from spex.many.items import Named
from spex.many.records import FAILED, OK, PARTIAL, Journal, Record, file_of
from spex.many.results import ManyExplanations
from spex.run import Run
from spex.settings import LEAST_BUDGET
from spex.values.faults import Faults
from spex.values.identity import content_identity
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger
from spex.values.repeatability import noise
from spex.values.source import ValueSource
from spex.values.store import Store

# Most fits that may wait; each holds the values of its item.
_WAITING = 16


@dataclass(frozen=True)
class ManyProgress:
    """How far a run of many is.

    Args:
        done: Items that are explained, those of an earlier run included.
        failed: Items that could not be explained.
        total: Items in all; None if unknown.
        evaluations: Masks whose value came in this run, from the store or the model.
    """

    done: int
    failed: int
    total: int | None
    evaluations: int


class Fits:
    """One thread that fits, while the caller's asks models; it holds a limited number of fits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._room = BoundedSemaphore(_WAITING)
        self._futures: list[Future[None]] = []

    def __enter__(self) -> "Fits":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()  # fit the values that are paid for, also after Ctrl-C

    def add(self, fit: Callable[[], None]) -> None:
        """Queue a fit; waits if too many fits are queued."""
        self._room.acquire()

        def fitted() -> None:
            try:
                fit()
            finally:
                self._room.release()

        self._raise_finished()
        self._futures.append(self._pool.submit(fitted))

    def wait(self) -> None:
        """Wait until all are made.

        Raises:
            Exception: one raised it.
        """
        for future in self._futures:
            future.result()

    def _raise_finished(self) -> None:
        for future in self._futures:
            if future.done():
                future.result()
        self._futures = [future for future in self._futures if not future.done()]


class Work:
    """A run of many: from items to records."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        store: Store | None,
        journal: Journal,
        many: ManyExplanations,
        fits: Fits,
        total: int | None,
        progress: Callable[[ManyProgress], None],
        ledger: Ledger | None,
        faults: Faults | None,
        workers: Workers | None,
    ) -> None:
        self.stopped: str | None = None
        self._settings, self._folder = settings, many.folder
        self._store, self._journal, self._many, self._fits = store, journal, many, fits
        self._total, self._progress = total, progress
        self._ledger, self._faults, self._workers = ledger, faults, workers
        self._evaluations = 0
        self._lock = Lock()  # records come from both threads
        self._names: list[str] = []
        self._ended: set[str] = set()  # names with a record of this run or an earlier one
        self._done = self._failed = 0

    def explain(self, group: Iterable[Named]) -> None:
        """Fill the runs of a group together, and hand their fits on.

        Raises:
            KeyboardInterrupt: Ctrl-C; what was finished of the group is kept.
        """
        group = list(group)
        self._names += [item.name for item in group]
        begun = {item.name: one for item in group if (one := self._begun(item)) is not None}
        try:
            for one in fill_together(list(begun.values())):
                self._filled(one)
                del begun[one.name]
        except KeyboardInterrupt:
            for one in begun.values():
                self._keep_values(one)
            raise
        finally:
            if self._store is not None:
                self._store.release()

    def _filled(self, one: OneOfMany) -> None:
        """Handle an item that has all the values that it will get."""
        if one.error is not None:
            self._keep(Record.failure(one.name, one.error, one.seconds))
            return
        if one.stopped is not None:
            self.stopped = one.stopped
            if one.run.n_told < LEAST_BUDGET:
                return
        variance = noise(one.run, one.source, one.store) if one.stopped is None else None
        self._fits.add(partial(self._fit, one, variance))

    def _keep_values(self, one: OneOfMany) -> None:
        """Explain the values of an interrupted item, if no store has them."""
        if one.store is None and one.error is None and one.run.n_told >= LEAST_BUDGET:
            if one.run.n_told < one.run.total:
                one.stopped = "it was interrupted"
            self._fits.add(partial(self._fit, one, None))

    def result(self, left: Sequence[str]) -> ManyExplanations:
        """The results of all items, including those not evaluated."""
        return self._many.of_names([*self._names, *left], self._ended, self.stopped)

    def _begun(self, item: Named) -> OneOfMany | None:
        """An item with a run that asks; None if the item is already done, or failed."""
        try:
            source = item.make(self._store)
            # Reading the identity may hash a model's weights, so read it only if something is
            # stored by it.
            is_kept = self._folder is not None or self._store is not None
            identities = source.identities if is_kept else None
            key = None
            if identities is not None:
                key = content_identity([self._settings, list(identities), list(source.features)])
            if self._is_done(item.name, key):
                with self._lock:
                    self._done += 1
                    self._ended.add(item.name)
                self._tell()
                return None
            run = self._run(source)
            if self._workers is not None:
                source = self._workers.source(source)
            if self._ledger is not None:
                source = Limited(source, self._ledger)
            store = None if identities is None else self._store
            return OneOfMany(item.name, source, run, store, key, self._count, self._faults)
        except (StoreError, KeyboardInterrupt):
            raise
        except Exception as error:  # an error of one item does not stop the others
            self._keep(Record.failure(item.name, error))
            return None

    def _run(self, source: ValueSource) -> Run:
        settings = dict(self._settings)
        return run_of(source, settings.pop("budget"), **settings)

    def _is_done(self, name: str, key: str | None) -> bool:
        record = self._journal.records.get(name)
        if record is None or record.status != OK or key is None or record.key != key:
            return False
        assert self._folder is not None and record.file is not None
        return (self._folder / record.file).exists()

    def _fit(self, one: OneOfMany, variance: Any) -> None:
        try:
            found = result(
                one.run, one.source, forecast=is_forecast_fast(one.run), variance=variance
            )
            found = noted(found, one.stopped, one.filling.n_gaps, one.run)
        except Exception as error:
            self._keep(Record.failure(one.name, error, one.seconds))
            return
        file = None
        if self._folder is not None:
            file = file_of(one.name)
            found.save(self._folder / file)
        else:
            self._many.hold(one.name, found)
        status = OK if one.stopped is None else PARTIAL
        self._keep(Record.of(one.name, one.key, found, file, one.seconds, status))

    def _keep(self, record: Record) -> None:
        with self._lock:
            self._journal.add(record)
            self._ended.add(record.name)
            self._failed += record.status == FAILED
            self._done += record.status != FAILED
        self._tell()

    def _count(self, evaluations: int) -> None:
        self._evaluations += evaluations
        self._tell()

    def _tell(self) -> None:
        self._progress(ManyProgress(self._done, self._failed, self._total, self._evaluations))
