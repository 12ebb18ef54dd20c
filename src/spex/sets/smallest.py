"""The smallest set that changes or keeps an answer: proposed by the surrogate, verified by calls.

Proposals are the best sets of the surrogate (`spex.sets.optimiser`). Each is measured. After a
miss the surrogate is corrected by all that was measured, and asked again without the sets that
failed. A set that reaches the goal is then made smaller as long as that succeeds.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np

from spex._typing import BoolArray, FloatArray, Interaction
from spex.sets.asking import Asker
from spex.sets.goal import Goal
from spex.sets.optimiser import Optimiser
from spex.sets.refinement import Correction, correction

CALLS, SURROGATE, UNKNOWN = "calls", "surrogate", "unknown"
DONE, TIME, PROPOSALS = "done", "time", "proposals"
# Sets measured together after a first proposal failed. Rounds of sets that are just short of the
# goal by the surrogate. Share of the time for one program.
_BATCH, _NEAR_MISSES, _SHARE = 4, 6, 1 / 6
_SIZES = 3  # next smaller sizes searched for sets just short of the goal
# If there are at most this many smaller sets, or at most n, all are measured, to be certain.
_FEW = 32
_MOST_LISTED = 1 << 20  # a second or two of computing, besides the calls
_CHUNK = 256  # sets measured together when all of a size are measured


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Args:
        features: The set; the closest one measured where none reached the goal.
        value: Its measured value.
        is_verified: Whether it reaches the goal.
        smaller: How smaller sets (all sets, where none was found) are excluded: "calls" (each was
            measured), "surrogate" (none reaches the goal by the corrected surrogate) or "unknown".
        ended: What ended a search where `smaller` is unknown: "calls", "time" or "proposals" (the
            surrogate had no more); else "done".
        is_irreducible: Whether each set with one member less was measured and failed.
        n_calls: Distinct masks asked for.
        n_known: Masks that were measured before.
        n_calls_to_verified: Those up to the first set that reached the goal, and up to this one;
            None if there is none.
        n_proposals: Sets proposed by the surrogate and measured.
        is_first: Whether the first proposal reached the goal.
    """

    features: Interaction
    value: float
    is_verified: bool
    smaller: str
    ended: str
    is_irreducible: bool
    n_calls: int
    n_known: int
    n_calls_to_verified: tuple[int, int] | None
    n_proposals: int
    is_first: bool


def find_smallest(
    asker: Asker, optimiser: Optimiser, goal: Goal, keeps: bool, time_limit: float
) -> Found:
    """Search for the smallest set whose removal, or which alone (`keeps`), reaches a goal.

    Args:
        asker: The value function.
        optimiser: Optimiser of its surrogate.
        goal: What is to be reached.
        keeps: Whether the set is what is kept.
        time_limit: Seconds of computing, the function's own time not counted.
    """
    return _Search(asker, optimiser, goal, keeps, time_limit).run()


class _Search:
    def __init__(
        self, asker: Asker, optimiser: Optimiser, goal: Goal, keeps: bool, time_limit: float
    ) -> None:
        self._asker, self._optimiser, self._goal, self._keeps = asker, optimiser, goal, keeps
        self._n = asker.n_features
        self._best: Interaction | None = None
        self._first_call: int | None = None
        self._best_call = 0
        self._n_proposals, self._is_first = 0, False
        self._start = asker.n_calls
        self._time_limit = time_limit
        self._began = time.monotonic() - asker.seconds

    def run(self) -> Found:
        everything = tuple(range(self._n))
        measured = sorted(self._measured_sets(), key=len, reverse=True)
        for ends in (everything, *measured, ()):  # all are measured already
            if self._goal.is_reached(self._value(ends)):
                self._best = ends
        if self._best != ():
            if self._best in (None, everything):
                self._reach()
            smaller = self._shrink()
        else:
            smaller = CALLS
        return self._found(smaller)

    @property
    def _seconds(self) -> float:
        """Seconds of computing that are left."""
        return self._time_limit - (time.monotonic() - self._began - self._asker.seconds)

    @property
    def _program_seconds(self) -> float:
        """Seconds that one program may take."""
        return max(min(self._time_limit * _SHARE, self._seconds), 0.01)

    # ---- sets and masks ----------------------------------------------------------------------

    def _mask(self, features: Interaction) -> BoolArray:
        mask = np.full(self._n, not self._keeps)
        mask[list(features)] = self._keeps
        return mask

    def _set(self, removed: Interaction) -> Interaction:
        return self._other(removed) if self._keeps else removed

    def _other(self, features: Interaction) -> Interaction:
        return tuple(sorted(set(range(self._n)) - set(features)))

    def _value(self, features: Interaction) -> float:
        value = self._asker.known(self._mask(features))
        return math.nan if value is None else value

    def _is_measured(self, features: Interaction) -> bool:
        return self._asker.known(self._mask(features)) is not None

    def _measured_sets(self, size: int | None = None) -> list[Interaction]:
        masks, _ = self._asker.all()
        inside = masks if self._keeps else ~masks
        sets = [tuple(np.flatnonzero(row).tolist()) for row in inside]
        return [each for each in sets if size is None or len(each) == size]

    def _ask(self, sets: list[Interaction]) -> bool:
        """Measure sets; keep the smallest that reaches the goal; say whether one is smaller."""
        sets = sets[: self._asker.left]
        if not sets:
            return False
        values = self._asker.ask(np.array([self._mask(each) for each in sets])).tolist()
        good = [
            (len(one), -self._goal.sign * value, one)
            for one, value in zip(sets, values, strict=True)
            if self._goal.is_reached(value)
        ]
        if not good:
            return False
        if self._first_call is None:
            self._first_call = self._asker.n_calls
        best = min(good)[2]
        if self._best is None or len(best) < len(self._best):
            self._best, self._best_call = best, self._asker.n_calls
            return True
        return False

    # ---- the surrogate -----------------------------------------------------------------------

    def _corrected(self) -> Correction:
        masks, values = self._asker.all()
        errors = values - self._optimiser.spectrum.predict(masks)
        return correction(masks if self._keeps else ~masks, errors)

    def _linear(self, fix: Correction) -> tuple[float, FloatArray]:
        """The correction as an offset and a number for each *removed* feature."""
        if not self._keeps:
            return fix.offset, fix.linear
        return fix.offset + float(fix.linear.sum()), -fix.linear

    def _least(self, fix: Correction) -> tuple[int | None, bool]:
        """The fewest features with which the corrected surrogate reaches the goal."""
        offset, linear = self._linear(fix)
        margin = 1e-9 * max(abs(self._goal.threshold), abs(self._asker.whole), 1e-300)
        return self._optimiser.least(
            self._goal.threshold - offset + self._goal.sign * margin,
            self._goal.sign,
            linear=linear,
            excluded=[self._removed(each) for each in self._measured_sets()],
            keeps=self._keeps,
            time_limit=self._program_seconds,
        )

    def _removed(self, features: Interaction) -> Interaction:
        return self._other(features) if self._keeps else features

    def _proposals(
        self, fix: Correction, size: int, count: int, slack: float
    ) -> tuple[list[Interaction], bool]:
        """The best sets of a size not measured yet, and whether the last one is proven best.

        Args:
            fix: The correction.
            size: Number of features in the set.
            count: The most sets.
            slack: How far the surrogate may see them short of the goal.
        """
        offset, linear = self._linear(fix)
        excluded = [self._removed(each) for each in self._measured_sets(size)]
        found: list[Interaction] = []
        for _ in range(count):
            if self._seconds <= 0:
                return found, False
            best = self._optimiser.best(
                self._n - size if self._keeps else size,
                self._goal.sign,
                linear=linear,
                excluded=excluded,
                time_limit=self._program_seconds,
            )
            if best is None:
                return found, True
            short = self._goal.threshold - (best.value + offset)
            if self._goal.sign * short > slack:
                return found, best.is_proven
            found.append(self._set(best.features))
            excluded.append(best.features)
        return found, True

    def _propose(self, sets: list[Interaction]) -> None:
        sets = sets[: self._asker.left]
        is_first, self._n_proposals = self._n_proposals == 0, self._n_proposals + len(sets)
        self._ask(sets)
        if is_first and sets:
            self._is_first = self._goal.is_reached(self._value(sets[0]))

    # ---- the search --------------------------------------------------------------------------

    def _reach(self) -> None:
        """Propose sets of the least size that the surrogate believes in, until one is true."""
        blind = 0
        while self._asker.left > 0 and self._first_call is None and self._seconds > 0:
            fix = self._corrected()
            size, _ = self._least(fix)
            if size is None or (self._best is not None and size >= len(self._best)):
                # The surrogate finds no set: learn from the sets that go furthest.
                sizes = sorted({min(1 << i, self._n) for i in range(self._n.bit_length() + 1)})
                sets = self._furthest(fix, sizes) or self._furthest(fix, range(1, self._n))
                # If a larger set is known already, limit the calls spent on this.
                if not sets or (blind == _NEAR_MISSES and self._best is not None):
                    return
                blind += 1
                self._propose(sets)
                continue
            count = 1 if self._n_proposals == 0 else _BATCH
            sets, _ = self._proposals(fix, size, count, 0.0)
            if not sets:
                # Within rounding of the goal: the best one, whatever it is.
                sets, _ = self._proposals(fix, size, 1, math.inf)
            self._propose(sets)

    def _furthest(self, fix: Correction, sizes: Iterable[int]) -> list[Interaction]:
        """The best set of each size by the surrogate, of those not measured yet."""
        found = (self._proposals(fix, size, 1, math.inf)[0] for size in sizes)
        return list(chain.from_iterable(found))

    def _shrink(self) -> str:
        """Make the set smaller; say how smaller ones are excluded in the end."""
        excluded = UNKNOWN
        if self._best is not None:
            excluded = self._below()
            while self._asker.left > 0 and self._drop():
                excluded = self._below()
        if self._list_smaller(is_open=excluded == UNKNOWN):
            return CALLS
        return excluded if self._asker.left > 0 or excluded == SURROGATE else UNKNOWN

    def _below(self) -> str:
        """Propose smaller sets until the corrected surrogate knows none."""
        near = 0
        while True:
            assert self._best is not None
            if len(self._best) <= 1:
                return CALLS  # the empty set was measured first
            if self._seconds <= 0:
                return UNKNOWN
            fix = self._corrected()
            size, is_proven = self._least(fix)
            if size is not None and size < len(self._best):
                if self._asker.left == 0:
                    return UNKNOWN
                sets, _ = self._proposals(fix, size, _BATCH, 0.0)
                self._propose(sets or self._proposals(fix, size, 1, math.inf)[0])
                continue
            excluded = SURROGATE if is_proven else UNKNOWN
            if near == _NEAR_MISSES or self._asker.left == 0:
                return excluded
            near += 1
            least = max(len(self._best) - _SIZES, 1)
            sets = [
                each
                for k in range(len(self._best) - 1, least - 1, -1)
                for each in self._proposals(fix, k, _BATCH // 2, 2 * fix.error)[0]
            ]
            if not sets:
                return excluded
            self._propose(sets)

    def _drop(self) -> bool:
        """Try the set without each of its members, the most promising first."""
        best = self._best or ()
        sets = [tuple(i for i in best if i != out) for out in best]
        sets = [each for each in sets if not self._is_measured(each)]
        fix = self._corrected()
        offset, linear = self._linear(fix)
        values = self._optimiser.values([self._removed(each) for each in sets], linear) + offset
        order = np.argsort(-self._goal.sign * values, kind="stable").tolist()
        for at in range(0, len(order), 2 * _BATCH):
            if self._ask([sets[place] for place in order[at : at + 2 * _BATCH]]):
                return True
        return False

    def _list_smaller(self, is_open: bool) -> bool:
        """Measure all smaller sets if they are few, and return whether all are measured.

        Args:
            is_open: Whether nothing excludes them otherwise: all calls that are left may then be
                spent on it. All sets are measured where none reached the goal.
        """
        sizes = range(self._n + 1 if self._best is None else len(self._best))
        total = sum(math.comb(self._n, size) for size in sizes)
        missing = total - sum(len(each) < len(sizes) for each in self._measured_sets())
        is_few = total <= self._asker.n_calls + max(_FEW, self._n)
        if missing > min(self._asker.left, _MOST_LISTED) or not (is_open or is_few):
            return False
        for size in sizes:
            every = combinations(range(self._n), size)
            sets = [each for each in every if not self._is_measured(each)]
            for at in range(0, len(sets), _CHUNK):
                if self._ask(sets[at : at + _CHUNK]):
                    return True
        return True

    def _ended(self, smaller: str) -> str:
        if smaller != UNKNOWN:
            return DONE
        if self._asker.left == 0:
            return CALLS
        # If a set was found, only time ends a search: its own limit, or that of one program.
        return PROPOSALS if self._best is None and self._seconds > 0 else TIME

    def _found(self, smaller: str) -> Found:
        is_verified, best = self._best is not None, self._best
        if best is None:
            sets = self._measured_sets()
            values = [self._goal.sign * self._value(each) for each in sets]
            best = sets[int(np.argmax(values))]
        dropped = [tuple(i for i in best if i != out) for out in best]
        calls = None
        if is_verified:
            first = self._start if self._first_call is None else self._first_call
            calls = first, max(self._best_call, self._start)
        return Found(
            features=best,
            value=self._value(best),
            is_verified=is_verified,
            smaller=smaller,
            ended=self._ended(smaller),
            is_irreducible=is_verified and all(map(self._is_measured, dropped)),
            n_calls=self._asker.n_calls,
            n_known=self._asker.n_known,
            n_calls_to_verified=calls,
            n_proposals=self._n_proposals,
            is_first=self._is_first,
        )
