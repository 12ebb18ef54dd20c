"""What a coded design will recover, predicted before a single evaluation.

Coefficients and bins form a random bipartite graph: a coefficient falls into one bin of each of the
C groups, and a bin of group c holds binomially many others, on average K / 2^b_c of K. Decoding
passes messages along its edges: a coefficient that has been found is subtracted from all its bins,
and those that share them become easier to find. Density evolution follows the share of edges whose
coefficient is still unresolved from round to round, on the tree that such a graph looks like from
any of its nodes (Richardson & Urbanke, Modern Coding Theory, chapter 3 for erasures and chapter 4
for the general case; Li, Bradley, Pawar, Ramchandran 2015, arXiv 1508.06336, and Kang, Butler et
al. 2025, arXiv 2502.13870, appendix, for sparse Walsh-Hadamard transforms).

`peeling_share` is the textbook case: no noise, and only a coefficient that is alone in some bin is
found. `density_evolution` is the same recursion for the decoder that we have (`peeling`). Of a
coefficient F of order d, a bin of group c shows at each of N = P + 1 offsets (-1)^<p_i,k> F plus
what else it holds: the unresolved others, whose signs over the offsets are as good as random, and
noise of variance s2 / 2^b_c. With E_c the mean square of the N entries, t_c their mean after the
signs of k are taken off, and v_c(F) = E_c - 2 F t_c + F^2, it is accepted when

    sum over c of P/2 ln(E_c / v_c(F))  >  ln(binom(n, d) / (1 + found of order d)) + ln(C N) / 2,

the evidence of all groups against the description length of one candidate out of its order and of
its value, no variance being believed below a part of what the emptier bins show. Where candidates
are not enumerated, some bin, or the bins of several groups averaged, must besides show the syndrome
of k with no more wrong signs than soft decoding repairs.

The densities have no closed form, so they are represented by a sample (population dynamics): some
thousand coefficients, each with a random neighbourhood that is drawn once, so that every round only
resolves more and the recursion ends.

Simplifications: cycles of the graph are ignored; what is subtracted is taken to be exact; false
coefficients are left out of account, so that with fewer than some ten masks a coefficient too much
is predicted (measured: 30 equal ones without noise, 240 masks .25 predicted and .2 found, 304 masks
1.0 and .4, 330 masks 1.0 and .85, from 450 on 1.0 and 1.0); and a coefficient that is a neighbour
of one found, in that their sets of features differ by one, has no easier threshold for it.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.special

from spex._typing import BoolArray, FloatArray, IntArray
from spex.errors import ArgumentError
from spex.fourier.evidence import NOISE_FLOOR, noise_of_bins

# Size of the population: at least so many coefficients, more while their neighbours are few.
_LEAST_MEMBERS, _MOST_MEMBERS, _EDGES = 600, 2000, 20_000
# A bin with more others than this is represented by so many, each counted several times. It matters
# only that their sum fluctuates little: nothing is resolved by emptying such a bin one by one.
_MOST_NEIGHBOURS = 16
# What rounding leaves in a bin, as a share of the mean square of a coefficient.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Graph:
    """What the prediction needs to know of a design and its decoder.

    Args:
        n_features: n.
        log2_bins: b_c for each group c: it has 2^b_c bins.
        n_offsets: N = P + 1, the number of entries of each bin.
        t: Highest order that algebraic decoding of the syndrome reaches.
        exhaustive_order: Every candidate up to this order is tried, decodable or not.
        chase_flips: So many wrong signs of a bin are repaired by soft decoding. Chase decoding with
            six doubted signs repairs up to six, if just these are wrong; one fits what it recovers.
    """

    n_features: int
    log2_bins: tuple[int, ...]
    n_offsets: int
    t: int
    exhaustive_order: int
    chase_flips: int = 1

    def __post_init__(self) -> None:
        if self.n_features < 1 or self.n_offsets < 1:
            raise ArgumentError(
                f"a graph of {self.n_features} features and {self.n_offsets} offsets; both must "
                "be at least 1"
            )
        if not self.log2_bins or min(self.log2_bins) < 0:
            raise ArgumentError(f"log2_bins={self.log2_bins}; give b >= 0 for one group or more")
        if min(self.t, self.exhaustive_order, self.chase_flips) < 0:
            raise ArgumentError("t, exhaustive_order and chase_flips must not be negative")

    @property
    def n_groups(self) -> int:
        """Number of groups C."""
        return len(self.log2_bins)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What message passing is expected to recover.

    Args:
        recovered_by_round: (rounds,) float64, the share of the coefficients that are recovered
            after each round, 0 to 1, ascending.
        explained: Share of the coefficients' energy (their part of the variance) that the
            recovered ones hold, 0 to 1.
    """

    recovered_by_round: FloatArray
    explained: float

    def __post_init__(self) -> None:
        self.recovered_by_round.flags.writeable = False

    @property
    def recovered(self) -> float:
        """The share of the coefficients that are recovered in the end, 0 to 1."""
        return float(self.recovered_by_round[-1])


def peeling_share(load: float, n_groups: int) -> float:
    """The share of coefficients recovered without noise, when only singletons are found.

    The recursion x <- (1 - exp(-load x))^(C - 1) from x = 1, the share of unresolved edges
    (Richardson & Urbanke, chapter 3, density evolution for the erasure channel, with every variable
    of degree C and check nodes of Poisson degree; Li et al. 2015).

    Args:
        load: Mean number of coefficients in a bin, K / 2^b.
        n_groups: C.

    Returns:
        1 - (1 - exp(-load x))^C, 0 to 1. With three groups it drops from 1 at a load of 2.455,
        which is 0.818 coefficients for each bin of all groups.
    """
    unresolved, before = 1.0, 2.0
    while before - unresolved > 1e-13:
        before, unresolved = unresolved, (-math.expm1(-load * unresolved)) ** (n_groups - 1)
    return 1.0 - (-math.expm1(-load * unresolved)) ** n_groups


def density_evolution(
    graph: Graph,
    amplitudes: FloatArray,
    orders: IntArray,
    noise_variance: float,
    rng: np.random.Generator,
    *,
    n_coefficients: int | None = None,
    rounds: int = 100,
) -> Prediction:
    """Predict which share of the Fourier coefficients a design recovers.

    Args:
        graph: The design.
        amplitudes: (k,) float64, the coefficients without the constant; signs do not matter.
        orders: (k,) int64, their orders, at most n.
        noise_variance: s2, the variance of the function that these coefficients do not carry (white
            noise, or a tail of many small ones), in the squared unit of the amplitudes.
        rng: Source of the random neighbourhoods.
        n_coefficients: K, how many coefficients the function has; k unless given. With another
            number, the amplitudes are a sample of their distribution.
        rounds: Most rounds of message passing; it ends earlier when one resolves nothing.

    Returns:
        The prediction; of no coefficients, all are recovered.

    Raises:
        ArgumentError: the arrays do not fit together, or a number is out of range.
    """
    count = len(amplitudes) if n_coefficients is None else n_coefficients
    _check(graph, amplitudes, orders, noise_variance, count, rounds)
    if count == 0:
        return Prediction(np.ones(1), 1.0)
    population = _Population(graph, amplitudes, orders, noise_variance, count, rng)
    recovered: list[float] = []
    progress = True
    while progress and len(recovered) < rounds:
        progress = population.decode()
        recovered.append(population.recovered)
    return Prediction(np.array(recovered), population.explained)


def _check(
    graph: Graph,
    amplitudes: FloatArray,
    orders: IntArray,
    noise_variance: float,
    count: int,
    rounds: int,
) -> None:
    if amplitudes.ndim != 1 or amplitudes.shape != orders.shape:
        raise ArgumentError(
            f"amplitudes of shape {amplitudes.shape} and orders of shape {orders.shape}; give one "
            "order for each amplitude"
        )
    if count < 0 or (count > 0 and len(amplitudes) == 0):
        raise ArgumentError(f"{count} coefficients and {len(amplitudes)} amplitudes")
    if rounds < 1:
        raise ArgumentError(f"rounds={rounds}; it must be at least 1")
    if not (math.isfinite(noise_variance) and noise_variance >= 0):
        raise ArgumentError(f"noise_variance={noise_variance}; it must be finite and at least 0")
    if not np.isfinite(amplitudes).all():
        raise ArgumentError("an amplitude is not a finite number")
    if len(orders) and not 0 <= orders.min() <= orders.max() <= graph.n_features:
        raise ArgumentError(
            f"orders from {orders.min()} to {orders.max()} for {graph.n_features} features"
        )


class _Population:
    """A sample of coefficients, their bins, and which others are in these.

    Each member is the root of a tree: in each of its C bins it meets neighbours, which are members
    again and have bins of their own beside the one that they share with it. An edge (bin,
    neighbour) is unresolved while the neighbour could not have been found with the root still in
    that bin: in the bin from what else is there, in the neighbour's other bins as for any member.

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
        loads = np.minimum((count - 1) / bins, _MOST_NEIGHBOURS)
        members, self._weights = _sample(np.abs(amplitudes), _size(float(loads.sum())))
        size = len(members)
        self._amplitudes: FloatArray = np.abs(amplitudes[members])
        self._energy = self._amplitudes**2

        self._order = orders[members]
        listed = self._order <= graph.exhaustive_order
        self._coded = ~listed & (self._order <= graph.t)
        self._out_of_reach = ~listed & (self._order > graph.t)
        self._unresolved: BoolArray = np.ones(size, dtype=np.bool_)
        self._log_candidates = _log_binomial(graph.n_features, self._order)
        self._each_stands_for = self._weights * (count / float(self._weights.sum()))

        # By bin: noise, and the luck of the member there: of its mean, of the variance around it
        # (as a multiple of the expected one), and of its signs.
        rounding = max(_ROUNDING * float((amplitudes**2).mean()), np.finfo(np.float64).tiny)
        self._rounding = rounding
        self._n_bins = np.tile(bins, size)
        self._noise = noise_variance / self._n_bins + rounding
        self._deviation = rng.normal(size=size * groups) / math.sqrt(graph.n_offsets)
        freedom = max(graph.n_offsets - 1, 1)
        self._scatter = rng.chisquare(freedom, size=size * groups) / graph.n_offsets
        self._chance = rng.random(size * groups)
        # How much stronger than the rest a coefficient must be for its bins in two groups to be
        # recognised as alike: their correlation is above that of the best of so many random ones.
        least = np.minimum(np.sqrt(2 * np.log(np.maximum(bins, 2.0)) / graph.n_offsets), 0.999)
        self._clear = np.tile(least / (1 - least), size)
        self._draw_edges(count, bins, rng)

    def _draw_edges(self, count: int, bins: FloatArray, rng: np.random.Generator) -> None:
        groups, size = len(bins), len(self._amplitudes)
        each_stands_for = np.maximum(1.0, (count - 1) / bins / _MOST_NEIGHBOURS)
        others = np.rint((count - 1) / each_stands_for).astype(np.int64)
        degrees = rng.binomial(others, 1.0 / bins, size=(size, groups))
        edge_bin: IntArray = np.repeat(np.arange(size * groups), degrees.ravel())
        cumulated = np.cumsum(self._weights)
        neighbour = np.searchsorted(cumulated[:-1], rng.random(len(edge_bin)) * cumulated[-1])
        # In each bin the strongest come first, so that the strongest left is the first one left.
        neighbour = neighbour[np.lexsort((-self._amplitudes[neighbour], edge_bin))]
        self._edge_bin = edge_bin
        self._neighbour: IntArray = neighbour
        self._power: FloatArray = self._energy[neighbour] * each_stands_for[edge_bin % groups]

    @property
    def recovered(self) -> float:
        """Share of the coefficients that are recovered."""
        return 1.0 - float(np.average(self._unresolved, weights=self._weights))

    @property
    def explained(self) -> float:
        """Share of the energy of all coefficients that the recovered ones hold."""
        energy = self._energy * self._weights
        total = float(energy.sum())
        return 1.0 - float(energy[self._unresolved].sum()) / total if total > 0 else 1.0

    def decode(self) -> bool:
        """One round: decide on all members and all edges; whether any was resolved."""
        size, groups = len(self._amplitudes), self._graph.n_groups
        edge_bin, neighbour = self._edge_bin, self._neighbour
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

        # A neighbour as it looks with the root in the bin that they share; that bin is its own in
        # the same group, as far as its luck goes.
        root = edge_bin // groups
        own_bin = neighbour * groups + edge_bin % groups
        beside = others[edge_bin] - self._power + self._energy[root]
        loudest = np.where(is_first, next_strongest[edge_bin], strongest[edge_bin])
        here = self._observe(
            neighbour, own_bin, beside, np.maximum(loudest, self._amplitudes[root])
        )
        elsewhere = together.take(neighbour, axis=1) - in_bins.take(own_bin, axis=1)
        resolved = self._accept(neighbour, elsewhere + here, threshold)

        progress = bool(resolved.any() or (accepted & self._unresolved).any())
        self._unresolved &= ~accepted
        self._edge_bin, self._neighbour = edge_bin[~resolved], neighbour[~resolved]
        self._power = self._power[~resolved]
        return progress

    def _set_floor(self, others: FloatArray) -> None:
        """What variance the decoder believes each bin to have at least.

        It takes the emptier bins for noise (`Residual.of`), and where none is empty that is
        interference. A random bin holds as many coefficients as a member's bin holds others.
        """
        graph = self._graph
        energy = (np.maximum(others, 0.0) + self._noise) * (self._scatter + self._deviation**2)
        noise = noise_of_bins(energy * self._n_bins, graph.n_offsets)
        self._floor = NOISE_FLOOR * np.maximum(noise / self._n_bins, self._rounding)

    def _threshold(self) -> FloatArray:
        """(size,) What the evidence for each member must exceed, nats."""
        found = np.bincount(self._order, self._each_stands_for * ~self._unresolved)
        size = self._graph.n_groups * self._graph.n_offsets
        return self._log_candidates - np.log1p(found)[self._order] + 0.5 * math.log(size)

    def _accept(self, member: IntArray, together: FloatArray, threshold: FloatArray) -> BoolArray:
        """Whether members are found, from the sums over their bins of what `_observe` returns."""
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
        repaired = _at_most(self._graph.chase_flips, self._graph.n_offsets, wrong)
        found[averageable] = self._chance[member * self._graph.n_groups] < repaired
        return found

    def _two_strongest(self) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Amplitudes of the two strongest unresolved others of each bin, 0 where there is none.

        And for each edge, whether it is the strongest of its bin.
        """
        edge_bin, amplitudes = self._edge_bin, self._amplitudes[self._neighbour]
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
        """What bins show of members that lie in them.

        Args:
            member: (k,) their numbers.
            own_bin: (k,) the numbers of their bins.
            others: (k,) the energy of all others in the bin.
            strongest: (k,) the amplitude of the strongest of these.

        Returns:
            (4, k), each of which is summed over the bins of a member: the evidence for it in nats;
            1 where its syndrome is decodable from the bin alone; 1 where the bin is clear enough to
            be averaged with those of other groups, and then the variance of its entries. The last
            three only for those that need decoding.
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
        repaired = _at_most(self._graph.chase_flips, n_offsets, wrong)
        seen[1, coded] = self._chance[own_bin] < repaired
        clear = amplitude**2 > self._clear[own_bin] * rest
        seen[2, coded] = clear
        seen[3, coded] = rest * clear
        return seen


def _size(load: float) -> int:
    """Members of a population, given the mean number of neighbours of each."""
    return int(np.clip(_EDGES / max(load, 1e-9), _LEAST_MEMBERS, _MOST_MEMBERS))


def _sample(values: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
    """A sample of about `size` values that is distributed as all are.

    Returns:
        positions: Of few values, each equally often; of many, those of the larger half of the
            sample are the largest, which hold most of the energy, and the others every so many.
        weights: How many values each stands for, up to a common factor.
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


def _log_binomial(n: int, k: IntArray) -> FloatArray:
    gamma = scipy.special.gammaln
    return np.asarray(gamma(n + 1.0) - gamma(k + 1.0) - gamma(n - k + 1.0))


def _sign_error(amplitude: FloatArray, strongest: FloatArray, deviation: FloatArray) -> FloatArray:
    """Probability that a bin shows the wrong sign of a coefficient at one offset.

    The strongest other is added with either sign, all else as Gaussian of some standard deviation:
    one weaker coefficient alone never turns a sign, however close it is.
    """
    lower: FloatArray = scipy.special.ndtr((strongest - amplitude) / deviation)
    upper: FloatArray = scipy.special.ndtr(-(strongest + amplitude) / deviation)
    return 0.5 * (lower + upper)


def _at_most(limit: int, trials: int, probability: FloatArray) -> FloatArray:
    """P(X <= limit) for X ~ Binomial(trials, probability), probability <= 1/2 or thereabouts."""
    odds = probability / (1.0 - probability)
    term = np.ones_like(probability)
    total = np.ones_like(probability)
    for wrong in range(1, min(limit, trials) + 1):
        term = term * odds * ((trials - wrong + 1) / wrong)
        total = total + term
    return (1.0 - probability) ** trials * total
