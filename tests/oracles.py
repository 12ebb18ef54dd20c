"""Definitions by brute force over the powerset, slow and plain, for at most ten features.

Nothing here uses spex. A game is the array of its 2^n values: entry l is the value of the mask in
which feature j is present if bit j of l is set. Interaction indices are returned as
{interaction: value} for every interaction of at most the given order. At () stands the baseline:
the intercept for FBII, the transforms' own coefficient, and otherwise the value of the empty mask.
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt

Game = npt.NDArray[np.float64]
Interaction = tuple[int, ...]
Values = dict[Interaction, float]


def n_features(game: Game) -> int:
    """n, of 2^n values."""
    n = len(game).bit_length() - 1
    assert len(game) == 1 << n and n <= 10
    return n


def number(interaction: Interaction) -> int:
    """Where the mask with exactly these features stands in a game."""
    return sum(1 << member for member in interaction)


def subsets(
    members: Interaction, lowest: int = 0, highest: int | None = None
) -> Iterator[Interaction]:
    """The subsets of a set with `lowest` to `highest` members."""
    top = len(members) if highest is None else highest
    return chain.from_iterable(combinations(members, size) for size in range(lowest, top + 1))


def all_masks(n: int) -> npt.NDArray[np.bool_]:
    """(2^n, n): row m is mask number m."""
    return np.array([[m >> j & 1 for j in range(n)] for m in range(1 << n)], dtype=bool).reshape(
        1 << n, n
    )


def walsh_hadamard_by_definition(game: Game) -> Game:
    """F(k) = 2^-n sum_m (-1)^<k,m> f(m)."""
    size = len(game)
    return np.array(
        [
            sum((-1) ** (k & m).bit_count() * float(game[m]) for m in range(size)) / size
            for k in range(size)
        ]
    )


def game_by_definition(fourier: Game) -> Game:
    """f(m) = sum_k F(k) (-1)^<k,m>."""
    return walsh_hadamard_by_definition(fourier) * len(fourier)


def moebius_by_definition(game: Game) -> Game:
    """a(T) = sum_{L <= T} (-1)^(|T|-|L|) v(L)."""
    return np.array(
        [
            sum(
                (-1) ** (t.bit_count() - part.bit_count()) * float(game[part])
                for part in range(t + 1)
                if part & t == part
            )
            for t in range(len(game))
        ]
    )


def derivative(game: Game, interaction: Interaction, coalition: Interaction) -> float:
    """The discrete derivative sum_{L <= S} (-1)^(|S|-|L|) v(T + L)."""
    value = 0.0
    for part in subsets(interaction):
        sign = 1 if (len(interaction) - len(part)) % 2 == 0 else -1
        value += sign * float(game[number(coalition) + number(part)])
    return value


def _mean_derivatives(game: Game, order: int, weight: Callable[[int, int], float]) -> Values:
    """Sum over T without S of weight(|T|, |S|) times the derivative, for orders 1 to `order`."""
    every = tuple(range(n_features(game)))
    return {
        interaction: sum(
            weight(len(coalition), len(interaction)) * derivative(game, interaction, coalition)
            for coalition in subsets(tuple(i for i in every if i not in interaction))
        )
        for interaction in subsets(every, 1, order)
    }


def moebius(game: Game, order: int) -> Values:
    """The Moebius transform as interactions."""
    transform = moebius_by_definition(game)
    every = tuple(range(n_features(game)))
    return {each: float(transform[number(each)]) for each in subsets(every, 0, order)}


def fourier(game: Game, order: int) -> Values:
    """The Fourier transform as interactions."""
    transform = walsh_hadamard_by_definition(game)
    every = tuple(range(n_features(game)))
    return {each: float(transform[number(each)]) for each in subsets(every, 0, order)}


def sv(game: Game) -> Values:
    """Shapley (1953): sum_T |T|! (n-|T|-1)! / n! (v(T + i) - v(T))."""
    n = n_features(game)
    values = _mean_derivatives(
        game, 1, lambda t, _: math.factorial(t) * math.factorial(n - t - 1) / math.factorial(n)
    )
    return {(): float(game[0])} | values


def bv(game: Game) -> Values:
    """Banzhaf (1965): the mean of v(T + i) - v(T)."""
    n = n_features(game)
    return {(): float(game[0])} | _mean_derivatives(game, 1, lambda _t, _s: 1 / 2 ** (n - 1))


def sii(game: Game, order: int) -> Values:
    """Grabisch & Roubens (1999): weights |T|! (n-|T|-|S|)! / (n-|S|+1)!."""
    n = n_features(game)
    values = _mean_derivatives(
        game,
        order,
        lambda t, s: math.factorial(t) * math.factorial(n - t - s) / math.factorial(n - s + 1),
    )
    return {(): float(game[0])} | values


def bii(game: Game, order: int) -> Values:
    """Grabisch & Roubens (1999): the mean derivative."""
    n = n_features(game)
    values = _mean_derivatives(game, order, lambda _, s: 1 / 2 ** (n - s))
    return {(): float(game[0])} | values


def bernoulli(m: int) -> Fraction:
    """Bernoulli numbers with B_1 = -1/2, by the triangle of Akiyama and Tanigawa."""
    row = [Fraction(1, j + 1) for j in range(m + 1)]
    for length in range(m, 0, -1):
        row = [(j + 1) * (row[j] - row[j + 1]) for j in range(length)]
    return -row[0] if m == 1 else row[0]


def ksii(game: Game, order: int) -> Values:
    """Bordt & von Luxburg (2023): the recursion over the order of n-Shapley values.

    From order - 1 to order, S gets B_{order-|S|} times the sum of SII(S + K), |S + K| = order.
    """
    every = tuple(range(n_features(game)))
    index = sii(game, order)
    values: Values = {(): float(game[0])}
    for highest in range(1, order + 1):
        for interaction in subsets(every, 1, highest):
            larger = [
                index[each]
                for each in combinations(every, highest)
                if set(interaction) <= set(each)
            ]
            gain = float(bernoulli(highest - len(interaction))) * sum(larger)
            values[interaction] = values.get(interaction, 0.0) + gain
    return values


def stii(game: Game, order: int) -> Values:
    """Sundararajan et al. (2020): derivatives at the empty set; at the top, over orderings.

    In a random ordering of the features, the derivative of S is taken at those that come before
    all of S. T is that set with probability |S| |T|! (n-|T|-1)! / n!.
    """
    n = n_features(game)

    def weight(t: int, s: int) -> float:
        if s < order:
            return float(t == 0)
        return s * math.factorial(t) * math.factorial(n - t - 1) / math.factorial(n)

    return {(): float(game[0])} | _mean_derivatives(game, order, weight)


def _design(n: int, order: int) -> tuple[list[Interaction], Game]:
    """The interactions up to an order and, for each mask, which of them it contains."""
    listed = list(subsets(tuple(range(n)), 0, order))
    masks = range(1 << n)
    rows = [[float(number(each) & m == number(each)) for each in listed] for m in masks]
    return listed, np.array(rows)


def fbii(game: Game, order: int) -> Values:
    """Tsai et al. (2023): coefficients of the least-squares fit, all masks weighted alike."""
    listed, design = _design(n_features(game), order)
    solution = np.linalg.lstsq(design, game, rcond=None)[0]
    return dict(zip(listed, solution.tolist(), strict=True))


def fsii(game: Game, order: int) -> Values:
    """Tsai et al. (2023): the fit weighted by the Shapley kernel, exact at the two extreme masks.

    The kernel is (n-1) / (binom(n, s) s (n-s)); the two exact values are side conditions, with
    Lagrange multipliers.
    """
    n = n_features(game)
    listed, design = _design(n, order)
    inner = np.arange(1, len(game) - 1)
    sizes = [int(m).bit_count() for m in inner]
    kernel = np.array([(n - 1) / (math.comb(n, s) * s * (n - s)) for s in sizes])
    weighted = design[inner].T * kernel
    exact = design[[0, -1]]
    system = np.block([[weighted @ design[inner], exact.T], [exact, np.zeros((2, 2))]])
    right = np.concatenate([weighted @ game[inner], game[[0, -1]]])
    solution = np.linalg.solve(system, right)[: len(listed)]
    return dict(zip(listed, solution.tolist(), strict=True))


def index_by_definition(index: str, game: Game, order: int) -> Values:
    """Any of the indices by the name that spex gives it; SV and BV ignore the order."""
    match index:
        case "SV":
            return sv(game)
        case "BV":
            return bv(game)
    table: dict[str, Callable[[Game, int], Values]] = {
        "SII": sii,
        "k-SII": ksii,
        "BII": bii,
        "STII": stii,
        "FSII": fsii,
        "FBII": fbii,
        "Moebius": moebius,
        "Fourier": fourier,
    }
    return table[index](game, order)
