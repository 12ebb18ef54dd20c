"""Explain many items: values come for several at once, and fits are made beside them."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

from spex.errors import ArgumentError, StoreError
from spex.evaluate.tables.lock import locked
from spex.explaining import noted, result, run_of
from spex.many.filling import OneOfMany, fill_together
from spex.many.items import Named, named
from spex.many.records import FAILED, OK, PARTIAL, Journal, Record, file_of
from spex.many.results import JOURNAL, ManyExplanations
from spex.run import Run
from spex.settings import LEAST_BUDGET, Settings
from spex.values.faults import Faults
from spex.values.identity import content_identity
from spex.values.limits import Ledger, Limited, Limits
from spex.values.repeatability import noise
from spex.values.source import ValueSource
from spex.values.store import Store

# So many items ask their model at once: the more, the fuller its batches; the fewer, the earlier
# each is finished.
_TOGETHER = 8
# Fits that wait for their turn; each holds the values of its item.
_WAITING = 16
STORE = "samples.sqlite"


@dataclass(frozen=True)
class ManyProgress:
    """How far a run of many is.

    Args:
        done: Items that are explained, those of an earlier run included.
        failed: Items that could not be explained.
        total: Items in all; None where that is unknown.
        evaluations: Masks whose value came in this run, from the store or the model.
    """

    done: int
    failed: int
    total: int | None
    evaluations: int


def explain_many(
    sources: Mapping[str, Any] | Iterable[Any],
    budget: int = 2000,
    *,
    method: str = "auto",
    max_degree: int = 5,
    seed: int = 0,
    target_r2: float | None = None,
    weighting: str = "uniform",
    out: str | Path | None = None,
    store: str | Path | Store | None = None,
    progress: Callable[[ManyProgress], None] = lambda _: None,
    limits: Limits | None = None,
    faults: Faults | None = None,
) -> ManyExplanations:
    """Explain many value functions in one run.

    Items that ask one model for the same answers share its batches, and fits are made while the
    model answers for the next items: it is never idle. An item that fails is recorded with the
    reason, and the others go on. The explanation of each is what `explain` gives for it alone, up
    to the rounding of the model.

    With `out`, each explanation is written there as soon as it is made, and none is held in
    memory. The same call goes on where an earlier one stopped: what is explained there already,
    with the same settings and a value function of the same identity, is not explained again.

    Args:
        sources: Value functions by name, as a mapping or one by one as (name, value function); each
            as for `explain`, with features of its own. Or items of `spex.evaluate.read_items`. They
            are taken when their turn comes, so that a generator holds few of them in memory.
        budget: Of each; see `explain`.
        method: See `explain`.
        max_degree: See `explain`.
        seed: See `explain`.
        target_r2: See `explain`.
        weighting: See `explain`.
        out: Folder for the explanations; made where it does not exist.
        store: See `explain`; default: samples.sqlite in `out`, where there is one. Only values of
            functions with an identity are kept.
        progress: Called after every batch and item.
        limits: Stop before one of these is exceeded by all items together (`spex.Limits`). The item
            at work is explained by the values that it has, and called partial; the same call with
            `out` goes on from there. With limits each item has its own batches.
        faults: What is borne of each; see `explain`.

    Returns:
        What came of each; `stopped` says which limit ended the run.

    Raises:
        ArgumentError: an argument is wrong, another run writes to the folder, or it cannot be
            written to.
        StoreError: the store failed.

    Example:
        >>> import spex
        >>> texts = {"first": "not bad", "second": "not good"}
        >>> def score(texts):
        ...     return [1.0 * ("bad" in text) for text in texts]
        >>> items = {name: spex.PredictFunction(spex.Text(t), score) for name, t in texts.items()}
        >>> many = spex.explain_many(items, budget=4)
        >>> many["first"].interactions("SV").top(1)
        [((1,), 1.0)]
    """
    settings: dict[str, Any] = {
        "budget": budget, "method": method, "max_degree": max_degree, "seed": seed,
        "target_r2": target_r2, "weighting": weighting,
    }  # fmt: skip
    Settings(2, **settings)  # what is wrong with all items, so that none is begun
    total = len(sources) if isinstance(sources, Mapping | list | tuple) else None
    with ExitStack() as stack:
        folder = None if out is None else Path(out)
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ArgumentError(f"out {folder}: {error.strerror}; give a folder") from error
            stack.enter_context(locked(folder / JOURNAL))
            store = folder / STORE if store is None else store
        if isinstance(store, str | Path):
            store = stack.enter_context(Store(store))
        journal = Journal(None if folder is None else folder / JOURNAL)
        many = ManyExplanations(folder, journal.records)
        ledger = Ledger(limits) if limits else None
        work = _Work(settings, folder, store, journal, many, total, progress, ledger, faults)
        fits = stack.enter_context(_Fits())
        items = named(sources)
        while work.stopped is None and (group := list(islice(items, _TOGETHER))):
            work.explain(group, fits)
        fits.wait()
    return many.of_names(work.names, work.stopped)


class _Fits:
    """One thread that fits, while the caller's asks models; it is handed so many fits at most."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._room = BoundedSemaphore(_WAITING)
        self._futures: list[Future[None]] = []

    def __enter__(self) -> "_Fits":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()  # values that are paid for are fitted, after Ctrl-C as well

    def add(self, fit: Callable[[], None]) -> None:
        """Fit soon; waits where too many fits are waiting."""
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


class _Work:
    """A run of many: from items to records."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        folder: Path | None,
        store: Store | None,
        journal: Journal,
        many: ManyExplanations,
        total: int | None,
        progress: Callable[[ManyProgress], None],
        ledger: Ledger | None,
        faults: Faults | None,
    ) -> None:
        self._ledger, self._faults = ledger, faults
        self.stopped: str | None = None
        self._settings = settings
        self._folder = folder
        self._store = store
        self._journal = journal
        self._many = many
        self._total = total
        self._progress = progress
        self._evaluations = 0
        self._lock = Lock()  # records come from both threads
        self.names: list[str] = []
        self._done = self._failed = 0

    def explain(self, group: Iterable[Named], fits: _Fits) -> None:
        """Fill the runs of a group together, and hand their fits on."""
        begun = [one for item in group if (one := self._begun(item)) is not None]
        for one in fill_together(begun):
            if one.error is not None:
                self._keep(Record.failure(one.name, one.error, one.seconds))
                continue
            if one.stopped is not None:
                self.stopped = one.stopped
                if one.run.n_told < LEAST_BUDGET:
                    continue
            variance = noise(one.run, one.source, one.store)
            fits.add(partial(self._fit, one, variance))
        if self._store is not None:
            self._store.release()

    def _begun(self, item: Named) -> OneOfMany | None:
        """An item whose run asks; None where it is done already, or failed."""
        self.names.append(item.name)
        try:
            source = item.make(self._store)
            # Reading it may hash a model's weights: only where something is kept under it.
            is_kept = self._folder is not None or self._store is not None
            identities = source.identities if is_kept else None
            key = None
            if identities is not None:
                key = content_identity([self._settings, list(identities), list(source.features)])
            if self._is_done(item.name, key):
                with self._lock:
                    self._done += 1
                self._tell()
                return None
            run = self._run(source)
            if self._ledger is not None:
                source = Limited(source, self._ledger)
            store = None if identities is None else self._store
            return OneOfMany(item.name, source, run, store, key, self._count, self._faults)
        except (StoreError, KeyboardInterrupt):
            raise
        except Exception as error:  # whatever is wrong with one item, the others go on
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
            found = result(one.run, one.source, forecast=False, variance=variance)
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
            self._failed += record.status == FAILED
            self._done += record.status != FAILED
        self._tell()

    def _count(self, evaluations: int) -> None:
        self._evaluations += evaluations
        self._tell()

    def _tell(self) -> None:
        self._progress(ManyProgress(self._done, self._failed, self._total, self._evaluations))
