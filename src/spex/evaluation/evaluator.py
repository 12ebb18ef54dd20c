"""Drive a run with a source of values: through the store, checked, with progress."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.values import checked_values
from spex.errors import ArgumentError, BackendError, ValueFunctionError
from spex.evaluation.source import ValueSource, stored_masks
from spex.evaluation.store import Store
from spex.f2.packing import pack
from spex.run import Run


@dataclass(frozen=True)
class Progress:
    """How far an explanation is.

    Args:
        done: Distinct masks evaluated so far.
        total: Distinct masks that will be evaluated at most.
        r2: R2 of the last fit, where one has been made; the lowest of several outputs.
    """

    done: int
    total: int
    r2: float | None = None


def evaluate(
    run: Run,
    source: ValueSource,
    store: Store | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Give a run the values that it asks for, until it asks for no more.

    What is finished is told and stored as it finishes, so that after an error or Ctrl-C the run
    holds all that was paid for.

    Args:
        run: Over the features of the source.
        source: Where values come from.
        store: Where values are looked up and kept; needs a source with identities.
        report: Called after every batch.

    Raises:
        ArgumentError: the source has no identity that a store could keep values under.
        ValueFunctionError: a value is not a finite real number.
        BackendError: the source gave fewer values than masks.
    """
    identities = None if store is None else _identities(source)

    def tell(masks: BoolArray, values: FloatArray, several: bool) -> None:
        run.tell(masks, values if several else values[:, 0])
        report(Progress(run.n_told, run.total, run.r2))

    while len(masks := run.ask()):
        report(Progress(run.n_told, run.total, run.r2))
        if store is not None and identities is not None:
            keys = pack(stored_masks(source, masks))
            known = np.stack([store.get(one, keys) for one in identities], axis=1)
            found = np.isfinite(known).all(axis=1)
            if found.any():
                tell(masks[found], known[found], source.outputs is not None)
                masks = masks[~found]
        before = run.n_told
        for rows, returned in source.stream(masks) if len(masks) else ():
            batch = masks[_checked_rows(rows, len(masks))]
            values, error = _good_values(returned, batch)
            good = np.isfinite(values).all(axis=1)
            if store is not None and identities is not None and good.any():
                _check_outputs(values, identities)
                keys = pack(stored_masks(source, batch[good]))
                for one, column in zip(identities, values[good].T, strict=True):
                    store.put(one, keys, np.ascontiguousarray(column))
            if good.any():
                tell(batch[good], values[good], np.ndim(returned) == 2)
            if error is not None:
                raise error
        if run.n_told - before < len(masks):
            raise BackendError(
                f"the source gave {run.n_told - before} values for {len(masks)} masks"
            )
    run.fits()
    report(Progress(run.n_told, run.total, run.r2))


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
        raise BackendError(f"the source gave values for rows {rows!r} of {count} masks")
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


def _identities(source: ValueSource) -> tuple[str, ...]:
    identities = source.identities
    if identities is None:
        raise ArgumentError(
            "store= needs a value function with an identity, so that no other function's "
            "values are taken for its own; use spex.ValueFunction (where its score or model is "
            "a function of your own, spex.ReplyScore(function, name) and "
            "spex.models.FunctionModel(function, identity=...)), or set its attribute "
            "'identity' to a string that changes with the function"
        )
    return identities


def _check_outputs(values: FloatArray, identities: tuple[str, ...]) -> None:
    if values.shape[1] != len(identities):
        raise ArgumentError(
            f"{values.shape[1]} outputs per mask, and the store knows {len(identities)}: set the "
            "function's attribute 'outputs' to their names"
        )
