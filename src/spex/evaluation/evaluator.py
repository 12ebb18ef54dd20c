"""Evaluate masks: each once, in batches, checked, through the store, with progress."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.errors import ArgumentError, ValueFunctionError
from spex.evaluation.store import Store
from spex.f2.packing import unpack

# A batch given to a plain callable: at most this many masks and this many booleans.
_BATCH_ROWS = 4096
_BATCH_ROWS_STORED = 64  # what a killed process may lose
_BATCH_CELLS = 1 << 26
# In absolute value; squares, and sums of squares, of larger ones overflow. Where all are smaller
# than the other, squares are zero, so that the function would seem constant.
_LARGEST, _SMALLEST = 1e100, 1e-100


@runtime_checkable
class StreamingFunction(Protocol):
    """A value function that hands over its values as it finishes them (spex.ValueFunction does)."""

    identity: str

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield (row numbers, values) until every row has had its value."""
        ...


@dataclass(frozen=True)
class Progress:
    """How far an explanation is.

    Args:
        done: Distinct masks evaluated so far.
        total: Distinct masks that will be evaluated at most.
        r2: Held-out R2 of the last fit, where one has been made.
    """

    done: int
    total: int
    r2: float | None = None


class Evaluator:
    """Evaluates distinct masks of one value function.

    Args:
        function: Callable on (m, n) bool masks that returns m real numbers.
        n_features: n.
        total: The most masks that will be asked for, for progress.
        store: Where values are looked up and kept; needs a function with an identity.
        report: Called after every batch.
    """

    def __init__(
        self,
        function: Callable[[BoolArray], object],
        n_features: int,
        total: int,
        store: Store | None,
        report: Callable[[Progress], None],
    ) -> None:
        if not callable(function):
            raise ArgumentError(
                f"the value function must be callable on masks, not {type(function).__name__}"
            )
        if store is not None and not isinstance(getattr(function, "identity", None), str):
            raise ArgumentError(
                "store= needs a value function with an identity, so that no other function's "
                "values are taken for its own; use spex.ValueFunction (where its score or model is "
                "a function of your own, spex.ReplyScore(function, name) and "
                "spex.models.FunctionModel(function, identity=...)), or set its attribute "
                "'identity' to a string that changes with the function"
            )
        self._function = function
        self._n = n_features
        self._total = total
        self._store = store
        self._report = report
        self._done = 0
        self._r2: float | None = None

    def __call__(self, masks: WordArray) -> FloatArray:
        """Evaluate distinct packed masks; (m, n_words) uint64 to (m,) float64.

        Raises:
            ValueFunctionError: the function did not return one finite real number per mask, or all
                are too small to be told apart.
        """
        values = np.full(len(masks), np.nan)
        missing = np.arange(len(masks))
        if self._store is not None:
            identity: str = self._function.identity  # type: ignore[attr-defined]
            values = self._store.get(identity, masks)
            missing = np.nonzero(np.isnan(values))[0]
        self._advance(len(masks) - len(missing))
        for rows, batch in self._batches(masks, missing):
            if self._store is not None:
                self._store.put(identity, masks[rows], batch)
            values[rows] = batch
            self._advance(len(rows))
        largest = float(np.abs(values).max(initial=0.0))
        if 0 < largest < _SMALLEST and np.ptp(values) > 0:
            raise ValueFunctionError(
                f"no value of the function exceeds {largest:.3g} in absolute value; the limit is "
                f"{_SMALLEST:.0e}, for their squares would vanish: give their logarithms, or give "
                "them in a smaller unit"
            )
        return values

    def tell_r2(self, r2: float) -> None:
        """Let progress show the R2 of the last fit."""
        self._r2 = r2
        self._advance(0)

    def _advance(self, count: int) -> None:
        self._done += count
        self._report(Progress(self._done, self._total, self._r2))

    def _batches(
        self, masks: WordArray, missing: IntArray
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        if isinstance(self._function, StreamingFunction):
            chosen = unpack(masks[missing], self._n)
            for rows, batch in self._function.stream(chosen):
                yield missing[rows], checked_values(batch, chosen[rows])
            return
        rows_at_once = _BATCH_ROWS if self._store is None else _BATCH_ROWS_STORED
        size = max(1, min(rows_at_once, _BATCH_CELLS // self._n))
        for start in range(0, len(missing), size):
            rows = missing[start : start + size]
            batch_masks = unpack(masks[rows], self._n)
            # The function gets its own copy: what it does to it cannot reach the fit.
            yield rows, checked_values(self._function(batch_masks.copy()), batch_masks)


def checked_values(returned: object, masks: BoolArray) -> FloatArray:
    """What a value function returned, as (m,) float64.

    Raises:
        ValueFunctionError: it is not one finite real number per mask.
    """
    try:
        values = np.asarray(returned)
    except Exception as error:
        raise ValueFunctionError(
            f"the value function returned a {type(returned).__name__} that is no array: {error}"
        ) from error
    if values.shape != (len(masks),):
        raise ValueFunctionError(
            f"the value function returned shape {values.shape} for {len(masks)} masks of "
            f"{masks.shape[1]} features; it must return shape ({len(masks)},), one number per mask"
        )
    if values.dtype.kind not in "fiub":
        raise ValueFunctionError(
            f"the value function returned {values.dtype} values; they must be real numbers"
            + (" (take the real part or the modulus)" if values.dtype.kind == "c" else "")
        )
    values = values.astype(np.float64)
    bad = np.nonzero(~np.isfinite(values))[0]
    if len(bad):
        present = np.nonzero(masks[bad[0]])[0].tolist()
        shown = str(present) if len(present) <= 12 else f"{len(present)} features"
        raise ValueFunctionError(
            f"the value function returned {values[bad[0]]} (and {len(bad)} values that are not "
            f"finite in a batch of {len(values)}), first with {shown} present; clip it or score "
            "by log-odds instead of probabilities"
        )
    if (largest := float(np.abs(values).max(initial=0.0))) > _LARGEST:
        raise ValueFunctionError(
            f"the value function returned {largest:.3g} in absolute value; the limit is "
            f"{_LARGEST:.0e}, for sums of squares must be finite: give it in a larger unit"
        )
    return values
