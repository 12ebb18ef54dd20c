"""Drive a run with a source of values: through the store, checked, with progress."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.values import checked_values, described
from spex.errors import ArgumentError, BackendError, StoreError, ValueFunctionError
from spex.run import Run
from spex.values.faults import Faults, Timed, is_borne
from spex.values.source import ValueSource
from spex.values.storage.kept import Kept
from spex.values.store import Store
from spex.wording import counted, one_line, shorten

# Seconds between two polls for values that another process is evaluating.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


@dataclass(frozen=True)
class Progress:
    """How far an explanation is.

    Args:
        done: Distinct masks evaluated so far.
        total: Distinct masks that will be evaluated at most.
        r2: R2 of the last fit, if one has been made; the lowest of several outputs.
        is_waiting: Whether all that is left is being evaluated by other processes on one store.
        stored: How many of those done had their value in the store.
        is_fitting: Whether all values are there, and a surrogate is fitted to them.

    Example:
        >>> import spex
        >>> seen = []
        >>> e = spex.explain(lambda masks: 1.0 * masks[:, 0], 3, budget=8, progress=seen.append)
        >>> seen[-1].done, seen[-1].total
        (8, 8)
    """

    done: int
    total: int
    r2: float | None = None
    is_waiting: bool = False
    stored: int = 0
    is_fitting: bool = False


def evaluate(
    run: Run,
    source: ValueSource,
    store: Store | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    faults: Faults | None = None,
) -> int:
    """Give a run all the values that it asks for.

    Values are told and stored as they finish. So after an error or Ctrl-C the run has all values
    that were paid for.

    Args:
        run: Over the features of the source.
        source: Where values come from.
        store: Where values are looked up and kept; needs a source with identities.
        report: Called after every batch.
        faults: The failures of a source to tolerate; None for none.

    Returns:
        How many masks have no value.

    Raises:
        ArgumentError: the source has no identity that a store could keep values under.
        ValueFunctionError: a value is not a finite real number.
        BackendError: the source gave fewer values than masks.
    """
    filling = Filling(run, source, store, report, faults, run.skip)
    _drive(filling, store)
    report(Progress(run.n_told, run.total, run.r2, is_fitting=True))
    run.fits()
    # Keep the bar: noise and forecasts, which may follow, are fits as well.
    report(Progress(run.n_told, run.total, run.r2, is_fitting=True))
    return filling.n_gaps


class Asker(Protocol):
    """Asks for masks and is told their values, as a `Run` does."""

    @property
    def n_told(self) -> int:
        """Distinct masks that have a value."""
        ...

    @property
    def total(self) -> int:
        """The most distinct masks that are evaluated."""
        ...

    @property
    def r2(self) -> float | None:
        """See `Run.r2`."""
        ...

    def ask(self) -> BoolArray:
        """See `Run.ask`."""
        ...

    def tell(self, masks: BoolArray, values: npt.ArrayLike) -> None:
        """See `Run.tell`."""
        ...


def fill(
    run: Asker,
    source: ValueSource,
    store: Store | None,
    report: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Tell a run all that it asks for; see `evaluate`."""
    _drive(Filling(run, source, store, report), store)


def _drive(filling: "Filling", store: Store | None) -> None:
    try:
        while len(masks := filling.wanted()):
            try:
                for rows, returned in _batches(filling.source, masks):
                    filling.take(rows, returned)
                filling.end()
            except Exception as error:
                filling.failed(error)
    finally:
        if store is not None:
            with suppress(StoreError):
                store.release()


def _batches(source: ValueSource, masks: BoolArray) -> Iterator[tuple[Any, Any]]:
    """What a source yields for masks: row numbers and values.

    The source gets its own copy, so changes to it cannot reach the fit.

    Raises:
        ArgumentError: it yields no such pairs.
    """
    batches: Any = source.stream(masks.copy())
    if not isinstance(batches, Iterable) or isinstance(batches, np.ndarray):
        raise _no_pairs(source, batches)
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise _no_pairs(source, batch)
        yield batch[0], batch[1]


def _no_pairs(source: ValueSource, given: Any) -> ArgumentError:
    return ArgumentError(
        f"{type(source).__name__}.stream gave {_shown(given)}; it yields pairs: row numbers (k,), "
        "and their values"
    )


def _shown(thing: Any) -> str:
    return shorten(one_line(repr(thing)))


def values_of(
    masks: BoolArray,
    source: ValueSource,
    store: Store | None,
    report: Callable[[Progress], None] = lambda _: None,
) -> FloatArray:
    """Values of masks, looked up in a store and kept there.

    Args:
        masks: (m, n) bool.
        source: See `evaluate`.
        store: See `evaluate`.
        report: See `evaluate`.

    Returns:
        (m,) float64; (m, q) where the source has q outputs.

    Raises:
        SpexError: see `evaluate`.
    """
    asked = _Asked(masks)
    fill(asked, source, store, report)
    return asked.values()


class _Asked:
    """Asks for given masks."""

    r2 = None

    def __init__(self, masks: BoolArray) -> None:
        self._masks = masks
        self._told: dict[bytes, Any] = {}
        self.total = len(masks)

    @property
    def n_told(self) -> int:
        return len(self._told)

    def ask(self) -> BoolArray:
        new = {key: i for i, key in enumerate(self._keys()) if key not in self._told}
        return self._masks[sorted(new.values())]

    def tell(self, masks: BoolArray, values: npt.ArrayLike) -> None:
        keys = (mask.tobytes() for mask in masks)
        self._told |= dict(zip(keys, np.asarray(values), strict=True))

    def _keys(self) -> list[bytes]:
        return [mask.tobytes() for mask in self._masks]

    def values(self) -> FloatArray:
        return np.array([self._told[key] for key in self._keys()])


class Filling:
    """A run that is told what it asks for: looked up in a store, or evaluated and kept there.

    Values are told and kept as they finish. `fill` drives one such run by its own source; several
    may be driven together.

    Args:
        run: Asks for masks, and is told.
        source: Source of its values.
        store: See `evaluate`.
        report: See `evaluate`.
        faults: See `evaluate`.
        skip: Told of masks that get no value; needed with faults.

    Attributes:
        n_gaps: How many masks these are.

    Raises:
        ArgumentError: the source has no identity that a store could keep values under.
    """

    def __init__(
        self,
        run: Asker,
        source: ValueSource,
        store: Store | None,
        report: Callable[[Progress], None] = lambda _: None,
        faults: Faults | None = None,
        skip: Callable[[BoolArray], None] = lambda _: None,
    ) -> None:
        self.run = run
        self.source = source
        if faults is not None and faults.timeout is not None:
            self.source = Timed(source, faults.timeout)
        self.n_gaps = 0
        self._faults, self._skip = faults, skip
        self._failures: Counter[bytes] = Counter()  # number of failures by mask
        self._most: int | None = None  # masks at once while searching for a failing one
        self._width = None if source.outputs is None else len(source.outputs)  # 0: no axis for it
        self._error: Exception | None = None  # error of the latest value that was not finite
        self._kept = None if store is None else Kept(store, source)
        self._report = report
        self._masks: BoolArray = np.zeros((0, 0), dtype=np.bool_)
        self._before, self._began = 0, 0.0
        self._stored = 0

    def wanted(self) -> BoolArray:
        """(k, n) masks to evaluate next; k = 0 when the run asks for no more.

        Tells the run what the store has. Waits where other processes are evaluating all that is
        left.
        """
        pause = _FIRST_PAUSE
        while len(masks := self.run.ask()):
            self.tell_progress()
            masks = masks[: self._most]
            if self._kept is not None:
                claim = self._kept.claim(masks)
                found = np.isfinite(claim.values).all(axis=1)
                if found.any():
                    self._stored += int(found.sum())
                    several = self.source.outputs is not None
                    self._tell(masks[found], claim.values[found], several)
                    pause = _FIRST_PAUSE
                if not claim.granted.any():
                    if not found.any():
                        self.tell_progress(is_waiting=True)
                        time.sleep(pause)
                        pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                masks = masks[claim.granted]
            break
        self._masks, self._error = masks, None
        self._is_missing = np.ones(len(self._masks), dtype=np.bool_)
        self._before, self._began = self.run.n_told, time.monotonic()
        return masks

    def take(self, rows: Any, returned: Any) -> None:
        """Keep and tell what the source returned for rows (k,) of the masks wanted.

        Raises:
            BackendError: they are not numbers of rows.
            ValueFunctionError: a value is not a finite real number; the others are kept.
        """
        numbers = _checked_rows(rows, len(self._masks))
        batch = self._masks[numbers]
        if self._faults is not None:
            self._check_width(returned)
        values, error = _good_values(returned, batch)
        good = np.isfinite(values).all(axis=1)
        self._is_missing[numbers[good]] = False
        if good.any():
            try:
                if self._kept is not None:
                    self._kept.put(batch[good], values[good])
            finally:  # the run keeps what the store could not
                self._tell(batch[good], values[good], np.ndim(returned) == 2)
        self._error = error or self._error
        if error is not None and self._faults is None:
            raise error

    def _check_width(self, returned: Any) -> None:
        """Refuse a batch of another number of outputs than before, which may be asked again.

        Raises:
            ValueFunctionError: it is one.
        """
        shape = np.shape(returned)
        width = shape[1] if len(shape) == 2 else 0
        if self._width is None:
            self._width = width
        if width != self._width:
            raise ValueFunctionError(
                f"the value function returned values of shape {shape}; "
                + (f"{self._width} outputs" if self._width else "one number")
                + " per mask were expected, as before"
            )

    def end(self) -> None:
        """Say that the source has given all that was wanted.

        Raises:
            BackendError: it gave fewer values than masks.
        """
        count = self.run.n_told - self._before
        if count < len(self._masks):
            error = self._error or BackendError(
                f"the source gave {count} values for {counted(len(self._masks), 'mask')}"
            )
            if self._faults is None:
                raise error
            self._again(self._masks[self._is_missing], error)
        self._most = None
        if self._kept is not None:
            self._kept.rate = count / max(time.monotonic() - self._began, 1e-9)

    def failed(self, error: Exception) -> None:
        """Bear an error of the source, which is then asked again for what is missing.

        Which mask is at fault is not known. Where nothing came at all, fewer are asked for next
        time, down to one.

        Raises:
            Exception: the error, if it is not borne.
        """
        if self._faults is None or not is_borne(error):
            raise error
        missing = self._masks[self._is_missing]
        if len(missing) == len(self._masks) > 1:
            self._most = len(missing) // 2
        self._again(missing if len(self._masks) == 1 else missing[:0], error)

    def _again(self, masks: BoolArray, error: Exception) -> None:
        """Ask again; count a failure of each of (k, n) masks, of which those too often are gaps.

        Raises:
            Exception: the error, if there are too many gaps.
        """
        assert self._faults is not None
        if self._kept is not None:
            self._kept.release()  # otherwise the run would wait for its own claims
        for mask in masks:
            self._failures[mask.tobytes()] += 1
        often = [self._failures[mask.tobytes()] > self._faults.retries for mask in masks]
        gaps = masks[often]
        if not len(gaps):
            return
        self.n_gaps += len(gaps)
        if self.n_gaps > self._faults.gaps * self.run.total:
            raise _with_gaps(error, gaps[0], self.n_gaps, self.run.total, self._faults)
        self._skip(gaps)

    def tell_progress(self, *, is_waiting: bool = False) -> None:
        """Report how far the run is."""
        run = self.run
        self._report(Progress(run.n_told, run.total, run.r2, is_waiting, self._stored))

    def _tell(self, masks: BoolArray, values: FloatArray, several: bool) -> None:
        self.run.tell(masks, values if several else values[:, 0])
        self.tell_progress()


def _with_gaps(
    error: Exception, mask: BoolArray, n_gaps: int, total: int, faults: Faults
) -> Exception:
    """An error that also says which mask, how often it was asked, and what would bear it."""
    said = (
        f"a mask was asked {counted(faults.retries + 1, 'time')} ({described(mask)}). "
        f"{counted(n_gaps, 'mask')} of {total:,} would have no value, and gaps={faults.gaps:g} "
        f"bears {int(faults.gaps * total):,}: raise gaps (--max-gaps), or retries (--retries)"
    )
    if type(error) in (BackendError, ValueFunctionError):
        return type(error)(f"{error}; {said}")
    error.add_note(said)  # the function's own error keeps its type
    return error


def _checked_rows(rows: Any, count: int) -> IntArray:
    """The row numbers that a source gave.

    Raises:
        BackendError: they are not numbers of rows.
    """
    numbers = np.asarray(rows)
    if (
        numbers.ndim != 1
        or numbers.dtype.kind not in "iu"
        or not (len(numbers) and 0 <= numbers.min() and numbers.max() < count)
    ):
        raise BackendError(
            f"the source gave values for rows {_shown(rows)} of {counted(count, 'mask')}; "
            f"rows are an array of whole numbers from 0 to {count - 1:,}, one for each value"
        )
    return numbers.astype(np.int64)


def _good_values(returned: Any, masks: BoolArray) -> tuple[FloatArray, ValueFunctionError | None]:
    """(m, q) values, NaN in rows that are not finite; and the error to raise for these."""
    try:
        return checked_values(returned, masks), None
    except ValueFunctionError as error:
        values = returned if isinstance(returned, np.ndarray) else np.zeros(0)
        if values.dtype.kind != "f" or values.ndim not in (1, 2) or len(values) != len(masks):
            raise
        return values.astype(np.float64).reshape(len(masks), -1), error
