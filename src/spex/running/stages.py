"""Which masks a run wants: drawn ones, coded ones, and those of all features and of none.

With `target_r2` a run has stages, each twice as large as the one before and holding all its masks.
Without, it has one stage.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spex._typing import BoolArray, IntArray, WordArray
from spex.f2.packing import n_words
from spex.fourier.design import Design
from spex.fourier.mask_design import coded_design
from spex.fourier.mask_distribution import UNIFORM, Drawn
from spex.running.told import OrderedRows, Told
from spex.settings import Settings

# The first stage has at least this many masks.
_FIRST_STAGE = 64
# Up to this many features, exhaustive runs ask in random order, so that a part of the masks is a
# fair sample.
_SHUFFLED_FEATURES = 16


@dataclass(frozen=True, eq=False)
class Stage:
    """The masks that a run wants.

    Args:
        size: How many.
        design: The coded design among them.
        rows: (w,) their numbers, in the order in which they are fitted.
        drawn: (w,) whether each was drawn at random.
        coded: The numbers of the design's masks, in its order.
        order: (w,) their numbers in the order in which they are asked for.
    """

    size: int
    design: Design | None
    rows: IntArray
    drawn: BoolArray
    coded: IntArray
    order: IntArray


def no_stage() -> Stage:
    """A stage without masks: all that are told are given."""
    none = np.zeros(0, dtype=np.int64)
    return Stage(0, None, none, none.astype(np.bool_), none, none)


def coded_part(settings: Settings, size: int, reserved: int = 0) -> Design | None:
    """The coded masks among this many, of which some are reserved; None for none."""
    s = settings
    if s.drawn_share is None:
        return None
    return coded_design(s.drawn_share, s.n_features, size, reserved, s.max_degree, s.seed)


class Stages:
    """The stages of a run.

    Args:
        settings: Settings of the run.
        told: Numbers the masks.
    """

    def __init__(self, settings: Settings, told: Told) -> None:
        self._settings = settings
        self._told = told
        self._sizes = iter(tuple(_sizes(settings)))  # a tuple, so that a run can be pickled
        self._current: Stage | None = None
        self._stream = Drawn(settings.distribution, settings.n_features, settings.seed)
        self._drawn_ahead: WordArray = np.zeros((0, n_words(settings.n_features)), dtype=np.uint64)
        self._ahead_measures = True

    @property
    def has_begun(self) -> bool:
        """Whether there is a stage yet."""
        return self._current is not None

    @property
    def current(self) -> Stage:
        """The latest stage; the first begins when it is asked for."""
        if self._current is None:
            self.begin(next(self._sizes))
        assert self._current is not None
        return self._current

    def next_size(self) -> int | None:
        """The size of the next stage; None if the latest was the last."""
        return next(self._sizes, None)

    def begin(self, size: int) -> None:
        """Begin a stage of this size."""
        settings, told = self._settings, self._told
        n = settings.n_features
        if settings.is_exhaustive and size == 1 << n:
            order = everything = np.arange(size)
            if n <= _SHUFFLED_FEATURES:
                order = next(UNIFORM.stream(n, settings.seed))[0][:, 0].astype(np.int64)
            drawn = np.full(size, n <= _SHUFFLED_FEATURES)
            self._current = Stage(size, None, everything, drawn, everything[:0], order)
            return
        before = self._current
        self._current = self._planned(size, before)
        # Masks told without being asked for count in the budget.
        surplus = told.count - int(told.is_told(self._current.rows).sum())
        if surplus and before is None:
            self._stream = Drawn(settings.distribution, n, settings.seed)
            self._drawn_ahead = self._drawn_ahead[:0]
            self._current = self._planned(max(size - surplus, 0), None)

    def _planned(self, size: int, before: Stage | None) -> Stage:
        """A stage of a size: the masks of the stage before, coded masks, and drawn ones."""
        settings = self._settings
        rows = OrderedRows() if before is None else OrderedRows(before.rows, before.drawn)
        ends = self._told.ends[:size]
        rows.add(ends, False)
        design = coded_part(settings, size, len(rows))
        coded = np.zeros(0, dtype=np.int64)
        if design is not None:
            coded = self._told.numbers(design.masks)
            rows.add(coded, False)
            rows.mark(coded, False)  # decoding uses them
        while (missing := size - len(rows)) > 0:
            if not len(self._drawn_ahead):
                ahead = self._stream.take()
                if ahead is None:
                    break
                self._drawn_ahead, self._ahead_measures = ahead
            rows.add(self._told.numbers(self._drawn_ahead[:missing]), self._ahead_measures)
            self._drawn_ahead = self._drawn_ahead[missing:]
        numbers, drawn = rows.arrays()
        # Drawn masks before coded ones: R2 can then be measured from the beginning.
        order = np.concatenate([ends, numbers[drawn], numbers[~drawn][len(ends) :]])
        return Stage(min(size, settings.total), design, numbers, drawn, coded, order)


def _sizes(settings: Settings) -> Iterator[int]:
    """The sizes of the stages."""
    if settings.target_r2 is not None and settings.method != "exact":
        size = max(_FIRST_STAGE, 2 * settings.n_features)
        while size < settings.total:
            yield size
            size *= 2
    yield settings.total
