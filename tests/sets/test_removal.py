"""Removal against the definition by brute force, and what a limit of time does to its claims."""

import math
from itertools import combinations

import numpy as np
import pytest

import spex
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.sets.local_search import LocalSearch
from spex.sets.optimiser import Optimiser
from spex.sets.removal import most_changing, removals

DIRECTIONS = ("both", "down", "up")


def random_spectrum(n, count, seed, highest=5, whole=False):
    rng = np.random.default_rng(seed)
    coefficients = {(): float(rng.normal())}
    for _ in range(count):
        order = int(rng.integers(1, min(highest, n) + 1))
        members = tuple(sorted(rng.choice(n, order, replace=False).tolist()))
        value = rng.integers(-2, 3) if whole else rng.normal()
        coefficients[members] = float(value) * 10.0 ** rng.integers(-3, 4)
    return Spectrum.from_mapping(coefficients, n)


def all_changes(spectrum):
    """(2^n,) by the definition, and the number of removed features of each."""
    n = spectrum.n_features
    removed = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)
    values = spectrum.predict(~removed)
    return values - values[0], removed.sum(axis=1)


def wanted(changes, direction):
    return {"both": np.abs(changes), "up": changes, "down": -changes}[direction].max()


def reached(removal, direction):
    return {"both": abs(removal.change), "up": removal.change, "down": -removal.change}[direction]


def check(found, changes, scale, direction):
    assert reached(found, direction) == pytest.approx(
        wanted(changes, direction), rel=1e-9, abs=1e-9 * scale
    )
    assert found.is_exact and found.gap == 0
    assert abs(found.bound) == pytest.approx(abs(found.change), abs=1e-9 * scale)


@pytest.mark.parametrize("seed", range(100))
def test_equal_to_brute_force(seed):
    rng = np.random.default_rng([seed, 1])
    n = int(rng.integers(1, 17))
    spectrum = random_spectrum(n, int(rng.integers(1, 60)), seed, whole=seed % 4 == 0)
    changes, sizes = all_changes(spectrum)
    for direction in DIRECTIONS:
        for size, found in enumerate(removals(spectrum, n, direction), 1):
            assert len(found.features) == len(set(found.features)) == size
            check(found, changes[sizes == size], np.abs(changes).max(), direction)


@pytest.mark.parametrize("seed", range(20))
def test_the_program_is_equal_to_brute_force(seed, monkeypatch):
    """As above without enumeration: every size and side is solved by HiGHS."""
    monkeypatch.setattr("spex.sets.optimiser._FEW", 0)
    rng = np.random.default_rng([seed, 2])
    n = int(rng.integers(2, 11))
    highest = 9 if seed % 5 == 0 else 5  # long frequencies are chained
    spectrum = random_spectrum(n, int(rng.integers(1, 25)), seed, highest, whole=seed % 4 == 0)
    changes, sizes = all_changes(spectrum)
    optimiser = Optimiser(spectrum, enumerates=False)
    scale = np.abs(changes).max()
    for size in range(n + 1):
        for sign in (1.0, -1.0):
            found = optimiser.best(size, sign)
            assert found.is_proven and len(found.features) == size
            best = (sign * changes[sizes == size]).max()
            change = sign * (found.value - optimiser.whole)
            assert change == pytest.approx(best, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("enumerates", [True, False])
def test_linear_terms_and_excluded_sets(seed, enumerates, monkeypatch):
    monkeypatch.setattr("spex.sets.optimiser._FEW", 0)
    rng = np.random.default_rng([seed, 3])
    spectrum, linear = random_spectrum(7, 12, seed, 3), rng.normal(size=7)
    optimiser = Optimiser(spectrum, enumerates)
    sets = list(combinations(range(7), 3))
    ranked = sorted(zip(optimiser.values(sets, linear), sets, strict=True), reverse=True)
    excluded = []
    for value, _ in ranked[:4]:
        found = optimiser.best(3, 1.0, linear=linear, excluded=excluded)
        assert found.value == pytest.approx(value)
        excluded.append(found.features)
    assert len(set(excluded)) == 4
    assert optimiser.best(0, 1.0, excluded=[()], linear=linear) is None


@pytest.mark.parametrize("enumerates", [True, False])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_least_is_that_of_brute_force(enumerates, sign):
    for seed in range(5):
        spectrum = random_spectrum(8, 15, seed, 3)
        changes, sizes = all_changes(spectrum)
        optimiser = Optimiser(spectrum, enumerates)
        values = sign * (optimiser.whole + changes)
        for share in (0.1, 0.5, 0.9):
            threshold = np.quantile(values, share) + 1e-9
            good = sizes[values >= threshold]
            least = optimiser.least(sign * threshold, sign)
            kept = optimiser.least(sign * threshold, sign, keeps=True)
            assert least == (good.min(), True) and kept == (8 - good.max(), True)
        assert optimiser.least(sign * (values.max() + 1), sign) == (None, True)


def test_no_interaction_and_constant():
    single = Spectrum.from_mapping({(): 1.0, (0,): -1.0, (2,): 0.5, (3,): -2.0}, 30)
    assert most_changing(single, 1).features == (3,)
    found = most_changing(single, 2, "down")
    assert (found.features, found.change) == ((0, 3), pytest.approx(-6.0))
    assert most_changing(single, 1, "up").features == (2,)
    for nothing in (Spectrum.constant(3.0, 30), Spectrum.from_mapping({}, 30)):
        for direction in DIRECTIONS:
            found = most_changing(nothing, 4, direction)
            assert len(found.features) == 4 and found.change == 0 and found.is_exact


@pytest.mark.parametrize("n", [3, 30])
def test_nothing_and_everything(n):
    spectrum = random_spectrum(n, 9, 0, 3)
    none, all_of_them = most_changing(spectrum, 0), most_changing(spectrum, n)
    assert none.features == () and none.change == 0 and none.is_exact
    ends = spectrum.predict(np.array([[False] * n, [True] * n]))
    assert all_of_them.change == pytest.approx(ends[0] - ends[1]) and all_of_them.is_exact
    with pytest.raises(ArgumentError, match="more than there are"):
        most_changing(spectrum, n + 1)
    with pytest.raises(ArgumentError, match="more than there are"):
        removals(spectrum, n + 1)


def test_wrong_arguments():
    spectrum = random_spectrum(5, 4, 0)
    for arguments in ({"size": -1}, {"size": 1.5}, {"size": 1, "direction": "left"}):
        with pytest.raises(ArgumentError, match=r"size|direction"):
            most_changing(spectrum, **arguments)
    for name in ("time_limit", "gap"):
        for value in (-1, math.nan, math.inf, "1", True, None, 10**400):
            with pytest.raises(ArgumentError, match=name):
                most_changing(spectrum, 2, **{name: value})
    with pytest.raises(ArgumentError, match="direction"):
        most_changing(spectrum, 2, ["up"])


def test_an_explanation_is_no_spectrum():
    e = spex.explain(lambda m: 1.0 * m[:, 0], 3, 8)
    for search in (most_changing, removals):
        with pytest.raises(ArgumentError, match=r"Explanation; give e\.spectrum"):
            search(e, 2)
        with pytest.raises(ArgumentError, match=r"dict; give a spex\.Spectrum"):
            search({}, 2)


def test_a_limit_of_time_is_told():
    """Random parities on few features are as hard as maximum cut: no proof in a second."""
    rng = np.random.default_rng(0)
    pairs = {pair: float(rng.normal()) for pair in combinations(range(60), 2)}
    spectrum = Spectrum.from_mapping(pairs, 60)
    found = most_changing(spectrum, 20, "up", time_limit=1.0)
    assert not found.is_exact and found.gap > 0 and found.bound > found.change > 0
    assert found.seconds < 4
    both = most_changing(spectrum, 20, "both", time_limit=1.0)
    assert not both.is_exact and both.bound > abs(both.change)
    loose = most_changing(spectrum, 20, "up", time_limit=5.0, gap=100.0)
    assert not loose.is_exact and loose.seconds < 4


def test_large():
    rng = np.random.default_rng(0)
    coefficients = {}
    while len(coefficients) < 1000:
        order = 1 + int(rng.choice(5, p=[0.25, 0.3, 0.25, 0.12, 0.08]))
        coefficients[tuple(sorted(rng.choice(1000, order, replace=False).tolist()))] = rng.normal()
    found = most_changing(Spectrum.from_mapping(coefficients, 1000), 20)
    assert found.is_exact and len(found.features) == 20


def test_more_interactions_than_a_program_can_hold():
    coefficients = {(a, b, c, d, e, 39): 1.0 for a, b, c, d, e in combinations(range(24), 5)}
    with pytest.raises(ArgumentError, match="keep its largest"):
        most_changing(Spectrum.from_mapping(coefficients, 40), 5)


def test_gains_of_local_search():
    spectrum, rng = random_spectrum(9, 20, 1), np.random.default_rng(0)
    removed, linear = rng.random(9) < 0.5, rng.normal(size=9)

    def value(of):
        return float(spectrum.predict(~of[None])[0] + of @ linear)

    changed = [value(removed ^ (np.arange(9) == i)) - value(removed) for i in range(9)]
    np.testing.assert_allclose(LocalSearch(spectrum).gains(removed, linear), changed, rtol=1e-9)
