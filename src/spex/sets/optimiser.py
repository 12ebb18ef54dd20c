"""Sets of removed features that make a spectrum largest or smallest: proven, or with a bound."""

import math
import time
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeWarning, milp

from spex._typing import FloatArray, IntArray, Interaction
from spex.fourier.spectrum import Spectrum
from spex.fourier.wht import walsh_hadamard
from spex.sets.local_search import LocalSearch
from spex.sets.program import Program, program_of

# Up to this many features all 2^n sets are compared: a million values, a few milliseconds.
MOST_ENUMERATED = 20
# HiGHS stops at an absolute gap of 1e-6 and treats numbers within 1e-6 as whole. Objectives are
# scaled to the first value, with no cost above the second.
_VALUE, _LARGEST_COST = 1e4, 1e7
_EXACT = 1e-9
_FEW = 5000  # most sets of one size to compare one by one
_OPTIMAL, _INFEASIBLE = 0, 2


@dataclass(frozen=True)
class Best:
    """A set, and what is proven of it.

    Args:
        features: The removed features, sorted.
        value: The spectrum's value without them, plus the linear term.
        bound: No set of this size (but those excluded) has a value beyond this.
        is_proven: Whether HiGHS or enumeration ended: then `bound` is `value`.
    """

    features: Interaction
    value: float
    bound: float
    is_proven: bool


class Optimiser:
    """Finds the best sets of a spectrum; what is costly to prepare is kept.

    Args:
        spectrum: The function.
        enumerates: Whether sets are enumerated; default: up to 20 features.
    """

    def __init__(self, spectrum: Spectrum, enumerates: bool | None = None) -> None:
        self.spectrum = spectrum
        self._n = spectrum.n_features
        self._enumerates = self._n <= MOST_ENUMERATED if enumerates is None else enumerates
        self.whole = float(self.values([()])[0])

    @cached_property
    def _program(self) -> Program:
        return program_of(self.spectrum)

    @cached_property
    def search(self) -> LocalSearch:
        """Local search over the spectrum."""
        return LocalSearch(self.spectrum)

    @cached_property
    def _table(self) -> FloatArray:
        """(2^n,) the value without each set; feature i is bit i of the set's number."""
        coefficients = np.zeros(1 << self._n)
        coefficients[self.spectrum.support[:, 0].astype(np.int64)] = self.spectrum.coefficients
        return (walsh_hadamard(coefficients) * (1 << self._n))[::-1].copy()

    @cached_property
    def _sizes(self) -> IntArray:
        return np.bitwise_count(np.arange(1 << self._n)).astype(np.int64)

    def values(
        self, sets: Sequence[Collection[int]], linear: FloatArray | None = None
    ) -> FloatArray:
        """(s,) the value without each set, plus the linear term."""
        masks = np.ones((len(sets), self._n), dtype=np.bool_)
        for row, features in enumerate(sets):
            masks[row, list(features)] = False
        values = self.spectrum.predict(masks)
        return values if linear is None else values + ~masks @ linear

    def best(
        self,
        size: int,
        sign: float,
        *,
        linear: FloatArray | None = None,
        excluded: Collection[Interaction] = (),
        start: Collection[int] = (),
        time_limit: float = 60.0,
        gap: float = 0.0,
    ) -> Best | None:
        """The set of a size with the largest (sign 1.0) or smallest (-1.0) value.

        Args:
            size: Number of features removed, 0 to n.
            sign: See above.
            linear: (n,) float64, added to the value for each removed feature.
            excluded: Sets that are not wanted.
            start: Features to begin the local search with.
            time_limit: Seconds.
            gap: Relative gap at which HiGHS may stop.

        Returns:
            None if every set of this size is excluded, or none was found in time.
        """
        excluded = {one for one in excluded if len(one) == size}
        if self._enumerates:
            return self._enumerated(size, sign, linear, excluded)
        if math.comb(self._n, size) <= _FEW:  # HiGHS takes seconds even to remove one feature
            return self._listed(size, sign, linear, excluded)
        began = time.monotonic()
        found = [self.search.climb(size, sign, linear, start)]
        if len(start):
            found.append(self.search.climb(size, sign, linear))
        candidates = [tuple(each.tolist()) for each in found]
        candidates = [each for each in candidates if each not in excluded]
        scale = self._scale(candidates, linear)
        rows, low, high = self._rows(size, excluded)
        solved = _solve(
            self._program.n_features,
            -sign * scale * self._costs(linear),
            LinearConstraint(rows, low, high),
            max(time_limit - (time.monotonic() - began), 0.01),
            gap,
        )
        if solved.features is not None and solved.features not in excluded:
            candidates.append(solved.features)
        if not candidates:
            return None
        values = self.values(candidates, linear)
        best = int(np.argmax(sign * values))
        value = float(values[best])
        bound = self.whole - solved.bound / scale * sign
        bound = sign * max(sign * bound, sign * value)
        size_of = max(abs(value - self.whole), abs(value) * 1e-6, 1e-300)
        is_proven = solved.is_optimal and (gap == 0 or abs(bound - value) <= _EXACT * size_of)
        return Best(candidates[best], value, value if is_proven else bound, is_proven)

    def least(
        self,
        threshold: float,
        sign: float,
        *,
        linear: FloatArray | None = None,
        excluded: Collection[Interaction] = (),
        keeps: bool = False,
        time_limit: float = 60.0,
    ) -> tuple[int | None, bool]:
        """How few features may be removed for the value to reach a threshold.

        Args:
            threshold: The value is to be at least this (sign 1.0), or at most (-1.0).
            sign: See above.
            linear: See `best`.
            excluded: Sets that do not count.
            keeps: Whether the fewest *kept* features are wanted instead.
            time_limit: Seconds.

        Returns:
            The number of removed (or kept) features, None if none was found; and whether it is
            proven that there are no fewer.
        """
        if self._enumerates:
            values = self._table if linear is None else self._table + self._linear_table(linear)
            good = sign * values >= sign * threshold
            good[[_code(one) for one in excluded]] = False
            if not good.any():
                return None, True
            sizes = self._sizes[good]
            return (self._n - int(sizes.max()) if keeps else int(sizes.min())), True
        costs = self._costs(linear)
        scale = 1.0 / max(float(np.abs(costs).max(initial=0.0)), 1e-300)
        rows, low, high = self._rows(None, excluded)
        reach = sparse.csr_array((sign * scale * costs)[None])
        rows = sparse.vstack([rows, reach]).tocsr()
        low = np.append(low, sign * scale * (threshold - self.whole))
        objective = np.zeros(len(costs))
        objective[: self._n] = -1.0 if keeps else 1.0
        constraint = LinearConstraint(rows, low, np.append(high, np.inf))
        solved = _solve(self._n, objective, constraint, time_limit, 0.0)
        if solved.features is None:
            return None, solved.is_infeasible
        size = len(solved.features)
        return (self._n - size if keeps else size), solved.is_optimal

    def _enumerated(
        self, size: int, sign: float, linear: FloatArray | None, excluded: Collection[Interaction]
    ) -> Best | None:
        numbers = np.flatnonzero(self._sizes == size)
        values = self._table[numbers]
        if linear is not None:
            values = values + self._linear_table(linear)[numbers]
        order = np.argsort(-sign * values, kind="stable")[: len(excluded) + 1]
        for place in order.tolist():
            number = int(numbers[place])
            features = tuple(i for i in range(self._n) if number >> i & 1)
            if features not in excluded:
                value = float(self.values([features], linear)[0])
                return Best(features, value, value, True)
        return None

    def _listed(
        self, size: int, sign: float, linear: FloatArray | None, excluded: Collection[Interaction]
    ) -> Best | None:
        sets = [each for each in combinations(range(self._n), size) if each not in excluded]
        if not sets:
            return None
        values = self.values(sets, linear)
        best = int(np.argmax(sign * values))
        value = float(values[best])
        return Best(sets[best], value, value, True)

    def _linear_table(self, linear: FloatArray) -> FloatArray:
        table = np.zeros(1)
        for weight in linear.tolist():
            table = np.concatenate([table, table + weight])
        return table

    def _costs(self, linear: FloatArray | None) -> FloatArray:
        costs = self._program.costs.copy()
        if linear is not None:
            costs[: self._n] += linear
        return costs

    def _scale(self, candidates: Sequence[Interaction], linear: FloatArray | None) -> float:
        """The factor of the costs; see `_VALUE`."""
        largest = float(np.abs(self._costs(linear)).max(initial=0.0)) or 1.0
        sizes = [abs(v - self.whole) for v in self.values(candidates, linear).tolist()]
        return min(_VALUE / max([*sizes, 1e-300]), _LARGEST_COST / largest)

    def _rows(
        self, size: int | None, excluded: Collection[Interaction]
    ) -> tuple[sparse.csr_array, FloatArray, FloatArray]:
        """The program's rows, the size, and a row for each set that is excluded."""
        program, n = self._program, self._n
        extra = np.ones((len(excluded) + (size is not None), n))
        low, high = np.full(len(extra), -np.inf), np.full(len(extra), np.inf)
        for row, features in enumerate(excluded):
            # At least one feature must change sides, into or out of the removed set.
            extra[row, list(features)] = -1.0
            low[row] = 1.0 - len(features)
        if size is not None:
            low[-1] = high[-1] = size
        wide = sparse.csr_array((len(extra), program.rows.shape[1] - n))
        added = sparse.hstack([sparse.csr_array(extra), wide])
        rows = sparse.vstack([program.rows, added]).tocsr()
        return rows, np.append(program.low, low), np.append(program.high, high)


def _code(features: Collection[int]) -> int:
    return sum(1 << i for i in features)


@dataclass(frozen=True)
class _Solved:
    features: Interaction | None
    bound: float
    is_optimal: bool
    is_infeasible: bool


def _solve(
    n: int, costs: FloatArray, constraint: LinearConstraint, time_limit: float, gap: float
) -> _Solved:
    """Minimise costs over variables from 0 to 1, of which the first n are whole."""
    whole = np.zeros(len(costs), dtype=np.int64)
    whole[:n] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        result: Any = milp(
            costs,
            integrality=whole,
            bounds=Bounds(0, 1),
            constraints=constraint,
            options={"mip_rel_gap": gap, "time_limit": time_limit},
        )
    features = None
    if result.x is not None:
        features = tuple(np.flatnonzero(result.x[:n] > 0.5).tolist())
    bound = getattr(result, "mip_dual_bound", None)
    if result.status == _OPTIMAL and (bound is None or not np.isfinite(bound)):
        bound = result.fun
    if bound is None or not np.isfinite(bound):
        # Before the first relaxation is solved, the sum of all costs below zero is a bound.
        bound = float(np.minimum(costs, 0).sum())
    return _Solved(features, float(bound), result.status == _OPTIMAL, result.status == _INFEASIBLE)
