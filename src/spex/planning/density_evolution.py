"""What a coded design recovers, predicted before any evaluation.

Coefficients and bins form a random bipartite graph. Each coefficient falls into one bin of each of
the C groups. A bin of group c holds K / 2^b_c of the K coefficients on average. Decoding passes
messages along the edges: it subtracts a found coefficient from all its bins, and the others in
these bins become easier to find. Density evolution follows the share of unresolved edges from round
to round. It assumes that the graph is locally a tree. For erasures see Richardson & Urbanke, Modern
Coding Theory, chapter 3, and for the general case chapter 4. For sparse Walsh-Hadamard transforms
see Li, Bradley, Pawar, Ramchandran 2015, arXiv 1508.06336, and Kang, Butler et al. 2025, arXiv
2502.13870, appendix.

In the textbook case there is no noise, and a coefficient is found only where a bin holds no other.
`density_evolution` is the same recursion for the decoder of `spex.fourier.peeling`. Take a bin of
group c that holds a coefficient F of order d. Its entry at each of N = P + 1 offsets is
(-1)^<p_i,k> F, plus the unresolved others, plus noise of variance s2 / 2^b_c. The signs of the
others over the offsets are taken to be random. Let E_c be the mean square of the N entries, t_c the
mean of the entries times the signs of k, and v_c(F) = E_c - 2 F t_c + F^2. Then k is accepted if

    sum over c of P/2 ln(E_c / v_c(F))  >  ln(binom(n, d) / (1 + found of order d)) + ln(C N) / 2.

This means that the evidence of all groups exceeds the description length of the frequency within
its order, plus that of its value. No variance is taken to be less than a share of what the emptier
bins show. Orders that are not enumerated also need the syndrome of k, from one bin or from the
average of bins of several groups. It may have no more wrong signs than soft decoding repairs.

The densities have no closed form. A sample represents them (population dynamics): some thousand
coefficients, each with random bins. The bins are drawn once, so every round only resolves more, and
the recursion ends.

Simplifications: Cycles of the graph are ignored. Subtraction is taken to be exact. Neighbours of
coefficients found get no lower threshold. False coefficients are ignored, so the prediction is too
high below some ten masks for each coefficient. Measured with 30 equal coefficients, no noise:

    masks       240   304   330   from 450
    predicted   .25   1.0   1.0   1.0
    found       .2    .4    .85   1.0
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.special

from spex._typing import BoolArray, FloatArray, IntArray
from spex.fourier.evidence import NOISE_FLOOR, log_count, noise_of_bins

# Size of the population: this many edges, within these numbers of members.
_LEAST_MEMBERS, _MOST_MEMBERS, _EDGES = 600, 2000, 20_000
# A bin with more others is represented by this many, each counted several times. Such a bin is
# never emptied one by one: only the sum of its others matters.
_MOST_OTHERS = 16
_MAX_ROUNDS = 100
# Rounding error in a bin, as a share of the mean square of a coefficient.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Graph:
    """The properties of a design and its decoder that the prediction depends on.

    Args:
        n_features: n.
        log2_bins: b_c for each group c: it has 2^b_c bins.
        n_offsets: N = P + 1, the number of entries of each bin.
        t: Highest order that algebraic decoding of the syndrome reaches.
        exhaustive_order: Every frequency up to this order is tried, decodable or not.
    """

    n_features: int
    log2_bins: tuple[int, ...]
    n_offsets: int
    t: int
    exhaustive_order: int

    @property
    def n_groups(self) -> int:
        """Number of groups C."""
        return len(self.log2_bins)


@dataclass(frozen=True)
class Prediction:
    """What message passing is expected to recover.

    Args:
        recovered: Share of the coefficients recovered, 0 to 1.
        explained: Share of the energy of all coefficients in those recovered, 0 to 1.
    """

    recovered: float
    explained: float


def density_evolution(
    graph: Graph,
    amplitudes: FloatArray,
    orders: IntArray,
    noise_variance: float,
    rng: np.random.Generator,
    *,
    n_coefficients: int | None = None,
) -> Prediction:
    """Predict which share of the Fourier coefficients a design recovers.

    Args:
        graph: The design.
        amplitudes: (k,) float64, the coefficients or their absolute values, without the constant.
        orders: (k,) int64, their orders, at most n.
        noise_variance: s2, the variance of the function outside these coefficients (white noise, or
            a tail of many small ones), in the squared unit of the amplitudes.
        rng: Random generator.
        n_coefficients: K, the number of coefficients of the function; default k. If K is not k,
            the amplitudes are taken as a sample of their distribution.

    Returns:
        The prediction; without coefficients, all are recovered.
    """
    count = len(amplitudes) if n_coefficients is None else n_coefficients
    if count == 0:
        return Prediction(1.0, 1.0)
    population = _Population(graph, amplitudes, orders, noise_variance, count, rng)
    for _ in range(_MAX_ROUNDS):
        if not population.decode():
            break
    return Prediction(population.recovered, population.explained)


class _Population:
    """A sample of coefficients, their bins, and the others in these bins.

    Each member is the root of a tree. The others in its C bins are members too, each with further
    bins besides the shared one. An edge (bin of the root, member) is resolved once the member would
    be found with the root still in the shared bin.

    Member m's bin in group c has the number m C + c.
    """

    def __init__(
        self,
        graph: Graph,
        amplitudes: FloatArray,
        orders: IntArray,
        noise_variance: float,
        count: int,
        rng: np.random.Generator,
    ) -> None:
        self._graph = graph
        groups = graph.n_groups
        bins = np.exp2(np.array(graph.log2_bins, dtype=np.float64))
        loads = np.minimum((count - 1) / bins, _MOST_OTHERS)
        size = int(np.clip(_EDGES / max(float(loads.sum()), 1e-9), _LEAST_MEMBERS, _MOST_MEMBERS))
        members, self._weights = _sample(np.abs(amplitudes), size)
        size = len(members)
        self._amplitudes: FloatArray = np.abs(amplitudes[members])
        self._energy = self._amplitudes**2

        self._order = orders[members]
        listed = self._order <= graph.exhaustive_order
        self._coded = ~listed & (self._order <= graph.t)
        self._out_of_reach = ~listed & (self._order > graph.t)
        self._unresolved: BoolArray = np.ones(size, dtype=np.bool_)
        self._log_candidates = log_count(graph.n_features, self._order)
        self._each_stands_for = self._weights * (count / float(self._weights.sum()))

        # By bin: noise, and random draws: the deviation of the mean, the variance around it (as a
        # multiple of the expected one), and the chance of the signs.
        rounding = max(_ROUNDING * float((amplitudes**2).mean()), np.finfo(np.float64).tiny)
        self._rounding = rounding
        self._n_bins = np.tile(bins, size)
        self._noise = noise_variance / self._n_bins + rounding
        self._deviation = rng.normal(size=size * groups) / math.sqrt(graph.n_offsets)
        freedom = max(graph.n_offsets - 1, 1)
        self._scatter = rng.chisquare(freedom, size=size * groups) / graph.n_offsets
        self._chance = rng.random(size * groups)
        # How much stronger than the rest of its bins a coefficient must be to match the bins of two
        # groups. Their correlation must exceed the best of this many random ones.
        least = np.minimum(np.sqrt(2 * np.log(np.maximum(bins, 2.0)) / graph.n_offsets), 0.999)
        self._clear = np.tile(least / (1 - least), size)
        self._draw_edges(count, bins, rng)

    def _draw_edges(self, count: int, bins: FloatArray, rng: np.random.Generator) -> None:
        groups, size = len(bins), len(self._amplitudes)
        each_stands_for = np.maximum(1.0, (count - 1) / bins / _MOST_OTHERS)
        others = np.rint((count - 1) / each_stands_for).astype(np.int64)
        degrees = rng.binomial(others, 1.0 / bins, size=(size, groups))
        edge_bin: IntArray = np.repeat(np.arange(size * groups), degrees.ravel())
        cumulated = np.cumsum(self._weights)
        edge_member = np.searchsorted(cumulated[:-1], rng.random(len(edge_bin)) * cumulated[-1])
        # Sort each bin by strength, so that the first one left is the strongest.
        edge_member = edge_member[np.lexsort((-self._amplitudes[edge_member], edge_bin))]
        self._edge_bin = edge_bin
        self._edge_member: IntArray = edge_member
        self._power: FloatArray = self._energy[edge_member] * each_stands_for[edge_bin % groups]

    @property
    def recovered(self) -> float:
        """Share of the coefficients recovered."""
        return 1.0 - float(np.average(self._unresolved, weights=self._weights))

    @property
    def explained(self) -> float:
        """Share of the energy of all coefficients in those recovered."""
        energy = self._energy * self._weights
        total = float(energy.sum())
        return 1.0 - float(energy[self._unresolved].sum()) / total if total > 0 else 1.0

    def decode(self) -> bool:
        """Decode one round: decide on all members and edges. Return whether any was resolved."""
        size, groups = len(self._amplitudes), self._graph.n_groups
        edge_bin, edge_member = self._edge_bin, self._edge_member
        others = np.bincount(edge_bin, self._power, size * groups).astype(np.float64, copy=False)
        strongest, next_strongest, is_first = self._two_strongest()
        threshold = self._threshold()

        self._set_floor(others)
        everyone = np.arange(size)
        in_bins = self._observe(
            np.repeat(everyone, groups), np.arange(size * groups), others, strongest
        )
        together = in_bins.reshape(len(in_bins), size, groups).sum(axis=2)
        accepted = self._accept(everyone, together, threshold)

        # The member of an edge with the root still in the shared bin. The shared bin gets the draws
        # of the member's own bin in that group.
        root = edge_bin // groups
        own_bin = edge_member * groups + edge_bin % groups
        beside = others[edge_bin] - self._power + self._energy[root]
        loudest = np.where(is_first, next_strongest[edge_bin], strongest[edge_bin])
        here = self._observe(
            edge_member, own_bin, beside, np.maximum(loudest, self._amplitudes[root])
        )
        elsewhere = together.take(edge_member, axis=1) - in_bins.take(own_bin, axis=1)
        resolved = self._accept(edge_member, elsewhere + here, threshold)

        progress = bool(resolved.any() or (accepted & self._unresolved).any())
        self._unresolved &= ~accepted
        self._edge_bin, self._edge_member = edge_bin[~resolved], edge_member[~resolved]
        self._power = self._power[~resolved]
        return progress

    def _set_floor(self, others: FloatArray) -> None:
        """The least variance that the decoder takes each bin to have.

        The decoder takes the emptier bins for noise (`Residual.of`), even if they hold
        interference. A random bin holds as many coefficients as a member's bin holds others.
        """
        graph = self._graph
        energy = (np.maximum(others, 0.0) + self._noise) * (self._scatter + self._deviation**2)
        noise = noise_of_bins(energy * self._n_bins, graph.n_offsets)
        self._floor = NOISE_FLOOR * np.maximum(noise / self._n_bins, self._rounding)

    def _threshold(self) -> FloatArray:
        """(size,) float64: what the evidence for each member must exceed, in nats."""
        found = np.bincount(self._order, self._each_stands_for * ~self._unresolved)
        size = self._graph.n_groups * self._graph.n_offsets
        return self._log_candidates - np.log1p(found)[self._order] + 0.5 * math.log(size)

    def _accept(self, member: IntArray, together: FloatArray, threshold: FloatArray) -> BoolArray:
        """Whether members are found, from the sums over their bins of what `_observe` returns.

        Args:
            member: (k,) int64 numbers.
            together: (4, k) float64, the sums.
            threshold: (size,) float64, nats.
        """
        evidence, decodable, n_averaged, averaged = together
        # The amplitude is fitted, which gains half a nat on average over the true one.
        found = (evidence + 0.5 > threshold[member]) & ~self._out_of_reach[member]
        doubtful = found & self._coded[member] & (decodable < 0.5)
        found &= ~doubtful
        averageable = np.flatnonzero(doubtful & (n_averaged > 1.5))
        # A difference of sums may be zero by a rounding error.
        variance = np.maximum(averaged[averageable], np.finfo(np.float64).tiny)
        deviation = np.sqrt(variance) / n_averaged[averageable]
        member = member[averageable]
        wrong = _sign_error(self._amplitudes[member], np.zeros(len(member)), deviation)
        repaired = _repaired(self._graph.n_offsets, wrong)
        found[averageable] = self._chance[member * self._graph.n_groups] < repaired
        return found

    def _two_strongest(self) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Amplitudes of the two strongest unresolved others of each bin, 0 if there is none.

        And for each edge, whether it is the strongest of its bin.
        """
        edge_bin, amplitudes = self._edge_bin, self._amplitudes[self._edge_member]
        strongest, next_strongest = np.zeros((2, len(self._deviation)))
        is_first = np.ones(len(edge_bin), dtype=np.bool_)
        np.not_equal(edge_bin[1:], edge_bin[:-1], out=is_first[1:])
        is_second = ~is_first
        is_second[1:] &= is_first[:-1]
        strongest[edge_bin[is_first]] = amplitudes[is_first]
        next_strongest[edge_bin[is_second]] = amplitudes[is_second]
        return strongest, next_strongest, is_first

    def _observe(
        self, member: IntArray, own_bin: IntArray, others: FloatArray, strongest: FloatArray
    ) -> FloatArray:
        """What bins show about their members.

        Args:
            member: (k,) int64 numbers of members.
            own_bin: (k,) int64 numbers of their bins.
            others: (k,) float64, the energy of all others in the bin.
            strongest: (k,) float64, the amplitude of the strongest other.

        Returns:
            (4, k) float64, to be summed over the bins of a member. The rows are: the evidence for
            it in nats; 1 if its syndrome is decodable from the bin alone; 1 if the bin is clear
            enough to average with those of other groups; the variance of its entries if so. The
            last three are zero for members that need no decoding.
        """
        n_offsets = self._graph.n_offsets
        amplitude, noise = self._amplitudes[member], self._noise[own_bin]
        # A difference of sums may be negative by a rounding error.
        rest = np.maximum(others, 0.0) + noise
        deviation = self._deviation[own_bin] * np.sqrt(rest)
        around_mean = rest * self._scatter[own_bin]
        energy = (amplitude + deviation) ** 2 + around_mean
        left = deviation**2 + around_mean
        weight = max(n_offsets - 1, 1) / 2
        seen = np.zeros((4, len(member)))
        floor = self._floor[own_bin]
        seen[0] = weight * np.log(np.maximum(energy, floor) / np.maximum(left, floor))

        coded = np.flatnonzero(self._coded[member])
        amplitude, rest, own_bin = amplitude[coded], rest[coded], own_bin[coded]
        strongest, noise = strongest[coded], noise[coded]
        deviation = np.sqrt(np.maximum(rest - strongest**2, noise))
        wrong = _sign_error(amplitude, strongest, deviation)
        repaired = _repaired(n_offsets, wrong)
        seen[1, coded] = self._chance[own_bin] < repaired
        clear = amplitude**2 > self._clear[own_bin] * rest
        seen[2, coded] = clear
        seen[3, coded] = rest * clear
        return seen


def _sample(values: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
    """A sample of about `size` values with the distribution of all.

    Returns:
        positions: (about size,) int64. If there are few values, each equally often. Otherwise half
            are the largest, which hold most of the energy, and half are evenly spaced among the
            rest.
        weights: (about size,) float64, how many values each stands for, up to a common factor.
    """
    count = len(values)
    if count <= size:
        positions = np.repeat(np.arange(count), -(-size // count))
        return positions, np.ones(len(positions))
    descending = np.argsort(-values, kind="stable")
    largest = size // 2
    step = (count - largest) / (size - largest)
    others = largest + ((np.arange(size - largest) + 0.5) * step).astype(np.int64)
    positions = descending[np.concatenate([np.arange(largest), others])]
    return positions, np.repeat([1.0, step], [largest, size - largest])


def _sign_error(amplitude: FloatArray, strongest: FloatArray, deviation: FloatArray) -> FloatArray:
    """Probability that a bin shows the wrong sign of a coefficient at one offset.

    The strongest other is added with either sign, all else as a Gaussian. So a single weaker other
    never turns a sign, however close it is.

    Args:
        amplitude: (k,) float64.
        strongest: (k,) float64, the amplitude of the strongest other.
        deviation: (k,) float64, the standard deviation of all else.
    """
    lower: FloatArray = scipy.special.ndtr((strongest - amplitude) / deviation)
    upper: FloatArray = scipy.special.ndtr(-(strongest + amplitude) / deviation)
    return 0.5 * (lower + upper)


def _repaired(trials: int, wrong: FloatArray) -> FloatArray:
    """(k,) chance that soft decoding repairs a word, for (k,) chances that a sign is wrong.

    Chase decoding tries six signs both ways, but never repairs others. The formula for at most one
    wrong sign agrees with what it recovers.
    """
    return np.asarray((1.0 - wrong) ** trials * (1.0 + trials * wrong / (1.0 - wrong)))
