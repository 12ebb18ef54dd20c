"""What a budget buys, before any evaluation: the coded design and its density evolution.

The function is not known yet. Its spectrum is assumed to be like the eleven sparse spectra of an
LLM and a VLM that the authors of SPEX published. These have 24 to 131 features and 27 to 226
coefficients. The r-th largest coefficient is r^-0.65 of the largest (median of the fitted
exponents). A quarter of the coefficients has order 1, almost half order 2, few an order above 3.
Amplitude and order are taken to be independent.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spex._typing import FloatArray, IntArray
from spex.checks.arguments import MAX_FEATURES, is_exhaustive, real_number, whole_number
from spex.errors import ArgumentError
from spex.fourier.design import Design, design_cost
from spex.fourier.mask_design import DRAWN_OF_SPEX, coded_design, least_budget
from spex.fourier.search import enumerable_order
from spex.planning.density_evolution import Graph, Prediction, density_evolution

# Shares of the orders 1 to 5, means over those spectra. Each higher order is given half of the one
# before.
_DECAY = 0.65
_ORDER_SHARES = (0.249, 0.446, 0.229, 0.070, 0.006)

_COUNTS = (10, 20, 50, 100, 200, 500, 1000)
_MULTIPLES = (1, 2, 4)
_NEARLY_ALL, _HALF = 0.95, 0.5
# The search for the largest number of coefficients ends here, or at a bracket of 5 %.
_MOST_COEFFICIENTS = 10_000
_BRACKET = 0.05
# Smallest sample of amplitudes and orders. Three coefficients alone would have at most three
# orders.
_SAMPLE = 200
# Advice is given if it gains this share of the variance, or of the coefficients.
_WORTHWHILE = 0.02


@dataclass(frozen=True)
class Recovery:
    """What a design recovers of a function with a given number of coefficients.

    Args:
        n_coefficients: Number of coefficients, without noise and tail.
        recovered: Share of the coefficients that decoding recovers, 0 to 1.
        explained: Share of the function's variance in those, 0 to 1: the R2 that they reach.
    """

    n_coefficients: int
    recovered: float
    explained: float


@dataclass(frozen=True)
class Offer:
    """What one budget buys.

    Args:
        budget: Number of distinct masks.
        exact: Whether all 2^n masks are evaluated.
        graph: The coded design; None if the budget buys none, or if exact.
        n_coded: Most coded masks; the others are uniform and measure R2.
        order: Highest order that is decoded; 0 without a design, n if exact.
        recoveries: By number of coefficients, ascending.
        most_nearly_all: Largest number of coefficients of which at least 95 % are recovered, to
            about 5 % and at most 10,000; 0 if there is none.
        most_half: The same for 50 %.
    """

    budget: int
    exact: bool
    graph: Graph | None
    n_coded: int
    order: int
    recoveries: tuple[Recovery, ...]
    most_nearly_all: int
    most_half: int


@dataclass(frozen=True)
class Plan:
    """What a budget can recover, and what would help. Printing it shows all of it.

    Args:
        n_features: Number of features n.
        max_degree: Highest order of interaction that is searched for.
        noise: Share of the variance that is not in the coefficients, 0 to below 1.
        offers: What the budget buys, then twice and four times the budget.
        advice: Sentences on what limits the result and what would help.

    Example:
        >>> import spex
        >>> [offer.budget for offer in spex.plan(16, 500).offers]
        [500, 1000, 2000]
    """

    n_features: int
    max_degree: int
    noise: float
    offers: tuple[Offer, ...]
    advice: tuple[str, ...]

    @property
    def budget(self) -> int:
        """Number of distinct masks."""
        return self.offers[0].budget

    @property
    def recoveries(self) -> tuple[Recovery, ...]:
        """What the budget recovers, by number of coefficients, ascending."""
        return self.offers[0].recoveries

    def __str__(self) -> str:
        from spex.planning.wording import as_text

        return as_text(self)


def plan(
    n_features: int, budget: int, max_degree: int = 5, noise: float = 0.1, *, seed: int = 0
) -> Plan:
    """Predict which coded design a budget buys and what it recovers.

    The prediction is for method `spex`; `auto` fits other surrogates as well.

    Args:
        n_features: Number of features n, 1 to 16,384.
        budget: Number of distinct masks evaluated.
        max_degree: Highest order of interaction; the function is assumed to have none above it.
        noise: Share of the function's variance in noise or in a tail of many small coefficients,
            from 0 to below 1.
        seed: Seed of the design and of the random graphs of the prediction.

    Raises:
        ArgumentError: an argument is out of range.

    Example:
        >>> import spex
        >>> print(spex.plan(16, 500))  # doctest: +ELLIPSIS
        16 features, interactions up to order 5...
    """
    n = whole_number("n_features", n_features, 1)
    if n > MAX_FEATURES:
        raise ArgumentError(f"n_features={n}; at most {MAX_FEATURES}: choose coarser units")
    budget = whole_number("budget", budget, 1)
    max_degree = min(whole_number("max_degree", max_degree, 1), n)
    seed = whole_number("seed", seed, 0)
    noise = real_number(
        "noise", noise, "it is a share of the variance, from 0 to below 1", lambda x: 0 <= x < 1
    )
    planner = _Planner(n, max_degree, noise, seed)
    offers = tuple(planner.offer(multiple * budget) for multiple in _MULTIPLES)
    return Plan(n, max_degree, noise, offers, tuple(planner.advice(offers)))


class _Planner:
    """The spectrum that is assumed, and what designs recover of it."""

    def __init__(self, n: int, max_degree: int, noise: float, seed: int) -> None:
        self._n = n
        self._max_degree = max_degree
        self._noise = noise
        self._seed = seed
        possible = sum(math.comb(n, d) for d in range(1, max_degree + 1))
        self._most = min(possible, _MOST_COEFFICIENTS)
        self._counts = [count for count in _COUNTS if count <= possible] or [possible]
        self._predictions: dict[tuple[Graph, int, float], Prediction] = {}

    # ---- what a budget buys

    def offer(self, budget: int) -> Offer:
        """What a budget buys."""
        n = self._n
        if is_exhaustive(n, budget):
            recoveries = tuple(Recovery(count, 1.0, 1.0) for count in self._counts)
            return Offer(budget, True, None, 0, n, recoveries, self._most, self._most)
        design = self._design(budget, self._max_degree)
        if design is None:
            recoveries = tuple(Recovery(count, 0.0, 0.0) for count in self._counts)
            return Offer(budget, False, None, 0, 0, recoveries, 0, 0)
        graph = _graph(design, self._max_degree)
        return Offer(
            budget=budget,
            exact=False,
            graph=graph,
            n_coded=design_cost(graph.n_offsets, graph.log2_bins),
            order=_order(graph),
            recoveries=tuple(self._recoveries(graph, self._counts)),
            most_nearly_all=self._most_recovered(graph, _NEARLY_ALL),
            most_half=self._most_recovered(graph, _HALF),
        )

    def _design(self, budget: int, max_degree: int) -> Design | None:
        return coded_design(DRAWN_OF_SPEX, self._n, budget, 0, max_degree, self._seed)

    def _recoveries(self, graph: Graph, counts: list[int]) -> list[Recovery]:
        predictions = [self._predict(graph, count) for count in counts]
        return [
            Recovery(count, p.recovered, p.explained * (1 - self._noise))
            for count, p in zip(counts, predictions, strict=True)
        ]

    def _predict(self, graph: Graph, count: int, noise: float | None = None) -> Prediction:
        noise = self._noise if noise is None else noise
        key = (graph, count, noise)
        if key not in self._predictions:
            amplitudes, orders = self._coefficients(count)
            # The variance outside the coefficients, in units of the variance in them.
            variance = noise / (1 - noise)
            self._predictions[key] = density_evolution(
                graph, amplitudes, orders, variance, np.random.default_rng(self._seed),
                n_coefficients=count,
            )  # fmt: skip
        return self._predictions[key]

    def _coefficients(self, count: int) -> tuple[FloatArray, IntArray]:
        """(k,) float64 amplitudes and (k,) int64 orders of a function of `count` coefficients."""
        copies = -(-_SAMPLE // count)
        amplitudes = np.arange(1, count + 1, dtype=np.float64) ** -_DECAY
        amplitudes /= math.sqrt(float((amplitudes**2).sum()))
        # The golden ratio spreads the orders evenly over any stretch of amplitudes.
        even = np.arange(0.5, count * copies) * ((math.sqrt(5) - 1) / 2) % 1
        edges = np.cumsum(order_shares(self._n, self._max_degree, count))
        orders = 1 + np.searchsorted(edges[:-1], even * edges[-1], side="right")
        return np.tile(amplitudes, copies), orders.astype(np.int64)

    def _most_recovered(self, graph: Graph, share: float) -> int:
        """The largest number of coefficients of which at least a share is recovered."""
        return _largest(lambda count: self._predict(graph, count).recovered >= share, self._most)

    # ---- what would help

    def advice(self, offers: tuple[Offer, ...]) -> list[str]:
        """Sentences on what limits the first offer, and what would help."""
        offer = offers[0]
        if offer.exact:
            return []
        if offer.graph is None:
            least = least_budget(DRAWN_OF_SPEX, self._n)
            return [f"The least budget that buys a coded design is {least:,}."]
        missed = [f for f in offer.recoveries if f.recovered < _NEARLY_ALL]
        if not missed:
            return self._higher_orders(offer)
        return [
            *self._higher_orders(offer),
            *self._lower_degree(offer, missed[:3]),  # no design recovers many more coefficients
            *self._limit(offer, missed[0]),
            *_more_budget(offers),
        ]

    def _higher_orders(self, offer: Offer) -> list[str]:
        if offer.order >= self._max_degree:
            return []
        least = self._least_budget_of_all_orders()
        return [
            f"Interactions above order {offer.order} are not decoded at this budget; up to order "
            f"{self._max_degree} they are from a budget of {least:,} on."
        ]

    def _lower_degree(self, offer: Offer, missed: list[Recovery]) -> list[str]:
        """A lower order needs fewer offsets, which leaves more bins."""
        counts = [recovery.n_coefficients for recovery in missed]
        best, best_recoveries = self._max_degree, missed
        for degree in range(1, self._max_degree):
            design = self._design(offer.budget, degree)
            if design is not None:
                recoveries = self._recoveries(_graph(design, degree), counts)
                if sum(r.explained for r in recoveries) > sum(r.explained for r in best_recoveries):
                    best, best_recoveries = degree, recoveries
        pairs = zip(best_recoveries, missed, strict=True)
        new, old = max(pairs, key=lambda pair: pair[0].explained - pair[1].explained)
        if new.explained - old.explained < _WORTHWHILE:
            return []
        return [
            f"Searching up to order {best} only would explain more: {100 * new.explained:.0f} % of "
            f"the variance instead of {100 * old.explained:.0f} % with {new.n_coefficients:,} "
            "coefficients."
        ]

    def _limit(self, offer: Offer, recovery: Recovery) -> list[str]:
        """What hides coefficients: noise, or too many in one bin."""
        assert offer.graph is not None
        count = recovery.n_coefficients
        quiet = self._predict(offer.graph, count, 0.0).recovered
        shares = order_shares(self._n, self._max_degree, count)
        within_reach = float(shares[: offer.order].sum())
        if quiet - recovery.recovered > _WORTHWHILE:
            return [
                f"With {count:,} coefficients, noise hides the small ones: without it, "
                f"{100 * quiet:.0f} % would be recovered."
            ]
        if within_reach - quiet > _WORTHWHILE:
            return [
                f"With {count:,} coefficients, too many fall into one bin: more budget, which buys "
                "bins, or coarser features would help."
            ]
        return []

    def _least_budget_of_all_orders(self) -> int:
        """The smallest budget that decodes every order, or that evaluates everything."""

        def too_small(budget: int) -> bool:
            if is_exhaustive(self._n, budget):
                return False
            design = self._design(budget, self._max_degree)
            return design is None or _order(_graph(design, self._max_degree)) < self._max_degree

        return 1 + _largest(too_small, 1 << 40, bracket=0.0)


def _more_budget(offers: tuple[Offer, ...]) -> list[str]:
    now, more = offers[0], offers[-1]
    if more.exact:
        return [f"A budget of {more.budget:,} evaluates everything: the result is exact."]
    if more.most_nearly_all > now.most_nearly_all:
        what, least, most = "95 %", now.most_nearly_all, more.most_nearly_all
    elif more.most_half > now.most_half:
        what, least, most = "half", now.most_half, more.most_half
    else:
        return []
    instead = f" instead of {least:,}" if least else ""
    return [f"A budget of {more.budget:,} recovers {what} of up to {most:,} coefficients{instead}."]


def order_shares(n: int, max_degree: int, count: int) -> FloatArray:
    """The shares of the orders 1 to max_degree among `count` coefficients.

    Those of the published spectra, but at most binom(n, d) coefficients of an order; the next order
    takes the surplus.

    Returns:
        (max_degree,) float64 of sum 1.
    """
    wanted = list(_ORDER_SHARES[:max_degree])
    while len(wanted) < max_degree:
        wanted.append(wanted[-1] / 2)
    left = float(count)
    numbers = []
    for d in range(1, max_degree + 1):
        share = wanted[d - 1] / sum(wanted[d - 1 :])
        numbers.append(min(float(math.comb(n, d)), left * share))
        left -= numbers[-1]
    return np.array(numbers) / sum(numbers)


def _graph(design: Design, max_degree: int) -> Graph:
    return Graph(
        n_features=design.n_features,
        log2_bins=design.log2_bins,
        n_offsets=design.n_offsets,
        t=min(design.code.t, max_degree),
        exhaustive_order=enumerable_order(design.n_features, max_degree),
    )


def _order(graph: Graph) -> int:
    return max(graph.t, graph.exhaustive_order)


def _largest(good: Callable[[int], bool], most: int, bracket: float = _BRACKET) -> int:
    """The largest number from 1 to `most` that is good, to a relative bracket; 0 if 1 is not.

    All numbers below a good one must be good.
    """
    low, high = 0, 1
    while high <= most and good(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > max(1.0, bracket * low):
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return low
