"""Which rows which worker gets next: blocks of about a second, lost ones again, late ones twice."""

import math
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from spex._typing import BoolArray, IntArray

# A block takes about a second, so a lost worker loses at most that. The first block is small,
# because the speed is unknown. Each next block is at most _GROWTH times larger.
_SECONDS, _FIRST, _GROWTH = 1.0, 4, 4
_LARGEST = 4096
_IN_FLIGHT = 2  # blocks per worker, so that the next is ready when one ends


@dataclass(eq=False)
class Block:
    """Rows of one part that are asked together, and the workers that were given them."""

    part: int
    rows: IntArray
    workers: list[int] = field(default_factory=list)


@dataclass
class Pace:
    """How many rows a worker gets at once."""

    size: int = _FIRST

    def note(self, rows: int, seconds: float) -> None:
        """Learn from a block that took so long."""
        wanted = rows * min(_SECONDS / max(seconds, 1e-9), _GROWTH)
        self.size = int(np.clip(wanted, 1, _LARGEST))


class Blocks:
    """The rows of one call, in parts such as sources, on their way through workers.

    Args:
        counts: Number of rows of each part.
    """

    def __init__(self, *counts: int) -> None:
        self._is_done: list[BoolArray] = [np.zeros(count, dtype=np.bool_) for count in counts]
        self._next = [0] * len(counts)
        self._dropped: set[int] = set()
        self._again: deque[Block] = deque()
        self._open: list[Block] = []  # sent and not finished, the oldest first
        self._in_flight: Counter[int] = Counter()  # blocks by worker

    @property
    def are_done(self) -> bool:
        """Whether every row has its value, or all that was given of its dropped part is back."""
        return all(
            not any(block.part == part for block in self._open)
            if part in self._dropped
            else rows.all()
            for part, rows in enumerate(self._is_done)
        )

    def drop(self, part: int) -> None:
        """Give no more rows of a part."""
        self._dropped.add(part)
        self._again = deque(block for block in self._again if block.part != part)

    def give(self, worker: int, pace: Pace, n_workers: int) -> Block | None:
        """The next block for a worker; None if there is none, or it has enough."""
        if self._in_flight[worker] >= _IN_FLIGHT:
            return None
        block = self._again.popleft() if self._again else self._new(pace, n_workers)
        if block is None:
            # A straggler: whoever answers first wins.
            late = (
                one for one in self._open if len(one.workers) == 1 and one.part not in self._dropped
            )
            block = next((one for one in late if worker not in one.workers), None)
        if block is None:
            return None
        block.workers.append(worker)
        self._in_flight[worker] += 1
        if block not in self._open:
            self._open.append(block)
        return block

    def _new(self, pace: Pace, n_workers: int) -> Block | None:
        left = [
            0 if part in self._dropped else len(rows) - self._next[part]
            for part, rows in enumerate(self._is_done)
        ]
        part = next((part for part, count in enumerate(left) if count), None)
        if part is None:
            return None
        # Blocks get smaller towards the end, so that all workers end together.
        size = min(pace.size, math.ceil(sum(left) / (_IN_FLIGHT * n_workers)), left[part])
        rows = np.arange(self._next[part], self._next[part] + size)
        self._next[part] += size
        return Block(part, rows)

    def finish(self, worker: int, block: Block, done: BoolArray) -> BoolArray:
        """Note which rows of a block a worker gave values of.

        Args:
            worker: Whose block it was.
            block: The block.
            done: (k,) whether the row has a value now.

        Returns:
            (k,) whether it has one for the first time.
        """
        self._in_flight[worker] -= 1
        is_done = self._is_done[block.part]
        new: BoolArray = done & ~is_done[block.rows]
        is_done[block.rows[new]] = True
        if block in self._open:
            self._open.remove(block)
        return new

    def lose(self, worker: int) -> None:
        """A worker is gone: what only it was given is given again."""
        del self._in_flight[worker]
        for block in list(self._open):
            if worker in block.workers:
                block.workers.remove(worker)
                if not block.workers:
                    self._open.remove(block)
                    if block.part not in self._dropped:
                        self._again.append(block)
