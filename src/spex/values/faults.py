"""Sources that fail now and then: asked again, and in the end explained without a few values."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import real_number, whole_number
from spex.errors import ArgumentError, BackendError, ScoringError, StoreError
from spex.values.limiting.limits import LimitReached
from spex.values.source import Wrapped


@dataclass(frozen=True)
class Faults:
    """What is borne of a source that fails now and then.

    A value that is not finite, a missing one and a batch that raises an error are asked for again.
    What fails too often is a gap: it has no value, and the explanation is made without it.

    Args:
        retries: How many times a mask is asked again.
        gaps: The largest share of the masks that may be gaps; with more, the error is raised.
        timeout: Seconds that a batch may take; None for any time. A batch that takes longer counts
            as failed. It goes on in its thread, and what it gives later is thrown away.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import numpy as np
        >>> import spex
        >>> def f(masks):
        ...     return np.where(masks[:, :3].any(axis=1), masks[:, 3] * 1.0, np.nan)
        >>> e = spex.explain(f, 6, budget=64, faults=spex.Faults(gaps=0.2))
        >>> e.notes[0]
        '8 masks of 64 failed each time and have no value; the explanation is made without.'
    """

    retries: int = 2
    gaps: float = 0.0
    timeout: float | None = None

    def __post_init__(self) -> None:
        whole_number("retries", self.retries, 0)
        share = "it must be a number from 0 to below 1"
        real_number("gaps", self.gaps, share, lambda x: 0 <= x < 1)
        if self.timeout is not None:
            positive = "it must be a number of seconds above 0"
            real_number("timeout", self.timeout, positive, lambda x: x > 0)


def is_borne(error: BaseException) -> bool:
    """Whether to retry a source that raised this: not if the call itself is wrong."""
    never = (ArgumentError, ScoringError, StoreError, LimitReached, KeyboardInterrupt)
    return isinstance(error, Exception) and not isinstance(error, never)


class Timed(Wrapped):
    """A source whose batches end after a time.

    Args:
        source: Source of the values.
        timeout: Seconds for one batch.
    """

    def __init__(self, source: Any, timeout: float) -> None:
        super().__init__(source)
        self._timeout = timeout

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `ValueSource.stream`.

        Raises:
            BackendError: a batch took too long.
        """
        batches = self._source.stream(masks)
        while True:
            kind, found = self._within(batches)
            if kind == "end":
                return
            if kind == "error":
                raise found
            yield found

    def _within(self, batches: Iterator[Any]) -> tuple[str, Any]:
        """The result of the next batch, computed in its own thread."""
        answer: SimpleQueue[tuple[str, Any]] = SimpleQueue()

        def work() -> None:
            try:
                answer.put(("batch", next(batches)))
            except StopIteration:
                answer.put(("end", None))
            except BaseException as error:
                answer.put(("error", error))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self._timeout)
        if thread.is_alive():
            raise BackendError(f"a batch took longer than the time-out of {self._timeout:g} s")
        return answer.get()
