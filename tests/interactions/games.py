"""Games and spectra for the tests of interactions."""

import numpy as np
import pytest

import oracles
from spex._typing import FloatArray, Interaction
from spex.fourier.spectrum import Spectrum
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues

ALL = list(InteractionIndex)
FIRST_ORDER = [InteractionIndex.SV, InteractionIndex.BV]
HIGHER = [index for index in ALL if index not in FIRST_ORDER]
EFFICIENT = [
    InteractionIndex.SV,
    InteractionIndex.K_SII,
    InteractionIndex.STII,
    InteractionIndex.FSII,
]
TRANSFORMS = [InteractionIndex.MOEBIUS, InteractionIndex.FOURIER]
# The definitions and shapiq solve least-squares problems; shapiq's FSII has weights of 1e8.
TOLERANCE = 1e-7


def random_game(n: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng((seed, n)).normal(size=1 << n) + 3.0


def spectrum_of(game: FloatArray, n_features: int | None = None) -> Spectrum:
    """The spectrum of a game by the definition, with every coefficient, over n or more features."""
    n = oracles.n_features(game)
    coefficients = oracles.fourier(game, n)
    return Spectrum.from_mapping(coefficients, n if n_features is None else n_features)


def orders_of(index: InteractionIndex, n: int) -> range:
    return range(1, 2) if index in FIRST_ORDER else range(1, n + 1)


def random_sparse(n: int, size: int, degree: int, seed: int = 0) -> Spectrum:
    rng = np.random.default_rng(seed)
    coefficients: dict[Interaction, float] = {(): 1.5}
    while len(coefficients) < size:
        order = int(rng.integers(1, degree + 1))
        members = tuple(sorted(rng.choice(n, size=order, replace=False).tolist()))
        coefficients[members] = float(rng.normal())
    return Spectrum.from_mapping(coefficients, n)


def assert_same(found: InteractionValues, expected: dict[Interaction, float]) -> None:
    """Every expected value is found, the baseline too, and nothing else is listed."""
    for interaction, value in expected.items():
        assert found.get(interaction, 0.0) == pytest.approx(value, abs=TOLERANCE), interaction
    assert set(found) <= set(expected)
