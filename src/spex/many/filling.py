"""Several runs that are filled together, so that their prompts share the batches of one model."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from spex._typing import BoolArray, FloatArray, IntArray
from spex.engines.workers import OnWorkers, stream_on_workers
from spex.errors import StoreError
from spex.run import Run
from spex.values.evaluator import Filling, Progress
from spex.values.faults import Faults
from spex.values.limiting.limits import LimitReached
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.values.value_function import ValueFunction, stream_together


class OneOfMany:
    """An item that is being evaluated.

    Args:
        name: Name of the item.
        source: Source of its values.
        run: Asks for them.
        store: Keeps the values; None for no store.
        key: See `Record.key`.
        count: Told how many values have come.
        faults: The failures of the source to tolerate.

    Attributes:
        error: Why it failed; None if it did not.
        stopped: Which limit stopped it; None if none did.
        is_alone: Whether its prompts are sent separately from those of others.
    """

    def __init__(
        self,
        name: str,
        source: ValueSource,
        run: Run,
        store: Store | None,
        key: str | None,
        count: Callable[[int], None],
        faults: Faults | None = None,
    ) -> None:
        self.name, self.source, self.run, self.store, self.key = name, source, run, store, key
        self.error: Exception | None = None
        self.stopped: str | None = None
        # A time-out applies to the batches of one source.
        self.is_alone = faults is not None and faults.timeout is not None
        self._count, self._counted = count, 0
        self._began = time.monotonic()
        self.filling = Filling(run, source, store, self._progress, faults, run.skip)

    @property
    def seconds(self) -> float:
        """Seconds since it was begun."""
        return time.monotonic() - self._began

    @property
    def shared_call(self) -> object | None:
        """Equal for items whose prompts may share batches; None if none may."""
        if self.is_alone:
            return None
        if isinstance(self.source, OnWorkers):
            return self.source.workers
        return self.source.shared_call if isinstance(self.source, ValueFunction) else None

    def failed(self, error: Exception) -> None:
        """Handle an error of the source, which may be tolerated."""
        try:
            self.filling.failed(error)
        except Exception as raised:
            self.error = raised

    def _progress(self, state: Progress) -> None:
        if state.done > self._counted:
            self._count(state.done - self._counted)
            self._counted = state.done


def fill_together(items: Sequence[OneOfMany]) -> Iterator[OneOfMany]:
    """Evaluate the masks that the runs ask for, until no run asks for more.

    Returns:
        Each item as soon as it has all its values, or has failed.

    Raises:
        StoreError: the store failed.
    """
    wanted: list[tuple[OneOfMany, BoolArray]] = []

    def finished(some: Iterable[OneOfMany]) -> Iterator[OneOfMany]:
        for item in some:
            masks = _wanted(item)
            if masks is None:
                yield item
            else:
                wanted.append((item, masks))

    yield from finished(items)
    while wanted:
        calls: dict[object, list[tuple[OneOfMany, BoolArray]]] = defaultdict(list)
        for item, masks in wanted:
            key = item.shared_call
            calls[id(item) if key is None else key].append((item, masks))
        wanted.clear()
        for call in calls.values():
            _evaluate(call)
            yield from finished(item for item, _ in call)


def _wanted(item: OneOfMany) -> BoolArray | None:
    """The masks that an item wants; None if it wants no more, or has failed."""
    if item.error is not None or item.stopped is not None:
        return None
    try:
        masks = item.filling.wanted()
    except StoreError:
        raise
    except Exception as error:
        item.error = error
        return None
    return masks if len(masks) else None


def _evaluate(call: Sequence[tuple[OneOfMany, BoolArray]]) -> None:
    """Evaluate masks of items that share a call, and tell their runs."""
    items = [item for item, _ in call]
    errors: dict[int, Exception] = {}
    try:
        if len(call) == 1:
            ((item, masks),) = call
            for rows, values in item.filling.source.stream(masks):
                item.filling.take(rows, values)
        else:
            for number, rows, values in _streamed(items, [masks for _, masks in call], errors):
                items[number].filling.take(rows, values)
        for number, item in enumerate(items):
            if number in errors:
                item.failed(errors[number])
            else:
                item.filling.end()
    except StoreError:
        raise
    except LimitReached as reached:  # raised by a source that runs alone
        items[0].stopped = str(reached)
    except Exception as error:
        if len(call) == 1:
            items[0].failed(error)
        for item in items:  # running each alone shows which one fails
            item.is_alone = True


def _streamed(
    items: Sequence[OneOfMany], masks: Sequence[BoolArray], errors: dict[int, Exception]
) -> Iterator[tuple[int, IntArray, FloatArray]]:
    """Values of items that share a call; workers tell errors of single ones."""
    remote = [item.source for item in items if isinstance(item.source, OnWorkers)]
    if remote:
        return stream_on_workers(remote, masks, errors)
    functions = [item.source for item in items if isinstance(item.source, ValueFunction)]
    return stream_together(functions, masks)
