"""The expansion: sparse against dense, packing, limits."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from interactions.games import ALL, FIRST_ORDER, orders_of, random_game, random_sparse, spectrum_of
from spex.errors import ArgumentError
from spex.f2.packing import pack
from spex.fourier.spectrum import Spectrum
from spex.interactions import expansion
from spex.interactions.index import InteractionIndex
from spex.interactions.values import interactions


@pytest.mark.parametrize("index", ALL)
def test_sparse_and_dense_expansion_agree(
    index: InteractionIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = random_game(8)
    used: list[str] = []

    def watch(name: str) -> None:
        original = getattr(expansion, name)

        def watched(*arguments: object) -> object:
            used.append(name)
            return original(*arguments)

        monkeypatch.setattr(expansion, name, watched)

    watch("_sparse")
    watch("_dense")
    monkeypatch.setattr(expansion, "_DENSE_ADVANTAGE", 10**6)
    for order in orders_of(index, 8):
        used.clear()
        dense = interactions(spectrum_of(game), index, order)
        # More features than the dense arrays may have, those past the eighth without effect.
        sparse = interactions(spectrum_of(game, 21), index, order)
        assert used == ["_dense", "_sparse"]
        assert dict(dense) == pytest.approx(dict(sparse), abs=1e-9)


def test_a_full_spectrum_takes_the_dense_expansion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(expansion, "_sparse")
    assert len(interactions(spectrum_of(random_game(10)), "Moebius")) == 1 << 10
    monkeypatch.undo()
    monkeypatch.delattr(expansion, "_dense")
    assert len(interactions(random_sparse(20, 30, 3), "FSII", 2)) > 0


@pytest.mark.parametrize("n", [63, 64, 65, 128, 130, 1000])
@pytest.mark.parametrize("index", ALL)
def test_features_past_a_word(index: InteractionIndex, n: int) -> None:
    # The same game on features 0..4 and on five features that sit around the borders of words.
    places = sorted({0, 30, n // 2, n - 2, n - 1})
    assert len(places) == 5
    game = random_game(5)
    near = spectrum_of(game)
    far = Spectrum.from_mapping(
        {tuple(places[member] for member in each): value for each, value in near.items()}, n
    )
    order = 1 if index in FIRST_ORDER else 3
    expected = {
        tuple(places[member] for member in each): value
        for each, value in interactions(near, index, order).items()
    }
    found = interactions(far, index, order)
    assert dict(found) == pytest.approx(expected, abs=1e-9)
    assert found.baseline == pytest.approx(interactions(near, index, order).baseline)


def test_many_features_at_high_order() -> None:
    # In base 4096 the first of seven members counts 2^72, nothing modulo 2^64: numbers of 64 bits
    # would take subsets that differ there alone for one.
    shared = (64, 999, 1000, 2500, 4000, 4094, 4095)
    spectrum = Spectrum.from_mapping({(0, *shared): 1.0, (1, *shared): 0.5}, 4096)
    found = interactions(spectrum, "Moebius", 8)
    expected = {}
    for part in oracles.subsets(shared):
        expected[part] = (-2.0) ** len(part) * 1.5
        expected[(0, *part)] = (-2.0) ** (len(part) + 1)
        expected[(1, *part)] = (-2.0) ** (len(part) + 1) * 0.5
    assert dict(found) == expected


def test_the_parity_of_64_features() -> None:
    everything = tuple(range(64))
    spectrum = Spectrum.from_mapping({everything: 1.0, (3,): 0.5}, 64)
    assert dict(interactions(spectrum, "Fourier")) == {everything: 1.0, (3,): 0.5}
    # 2^64 times larger is no reason to drop the small one.
    assert dict(interactions(spectrum, "BII")) == {everything: 2.0**64, (3,): -1.0}
    assert dict(interactions(spectrum, "SV")) == {(3,): -1.0}
    assert dict(interactions(spectrum, "BV")) == {(3,): -1.0}
    odd = Spectrum.from_mapping({everything[:63]: 1.0}, 64)
    assert dict(interactions(odd, "SV")) == {(i,): pytest.approx(-2 / 63) for i in range(63)}
    # f is 1 where an even number is present, so v(all) - v(none) = 0 is shared out.
    pairs = interactions(spectrum, "FSII", 2)
    assert math.fsum(pairs.values()) == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.parametrize("index", ["SII", "k-SII", "STII", "FSII", "FBII", "Moebius"])
def test_an_expansion_that_cannot_be_listed(index: str) -> None:
    spectrum = Spectrum.from_mapping({tuple(range(64)): 1.0}, 64)
    with pytest.raises(ArgumentError) as caught:
        interactions(spectrum, index)
    message = str(caught.value)
    for part in (index, "order=64", "1.84e+19", "4194304", "order=4 or less", "'BII'", "'SV'"):
        assert part in message
    # The remedy works.
    interactions(spectrum, index, 3)
    interactions(spectrum, "BII")


def test_the_limit_is_on_the_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    spectrum = Spectrum.from_mapping({tuple(range(10)): 1.0, (20, 21): 1.0}, 30)
    assert len(interactions(spectrum, "Moebius")) == 1 + 1023 + 3
    monkeypatch.setattr(expansion, "_MAX_TERMS", 1026)
    assert len(interactions(spectrum, "Moebius")) == 1027
    monkeypatch.setattr(expansion, "_MAX_TERMS", 1025)
    with pytest.raises(ArgumentError, match="order=9 or less"):
        interactions(spectrum, "Moebius")
    assert len(interactions(spectrum, "Moebius", 9)) == 1026
    monkeypatch.setattr(expansion, "_MAX_TERMS", 11)
    with pytest.raises(ArgumentError, match=r"limit is 11; use index='Fourier'"):
        interactions(spectrum, "Moebius", 1)


def test_values_beyond_floats() -> None:
    everything = tuple(range(1100))
    spectrum = Spectrum.from_mapping({everything: 1.0, (0,): 1.0}, 1100)
    with pytest.raises(ArgumentError, match=r"order 1100 exceed .* smaller order"):
        interactions(spectrum, "BII")
    assert dict(interactions(spectrum, "BII", 1)) == {(0,): -2.0}
    with pytest.raises(ArgumentError, match="order 3 exceed"):
        interactions(Spectrum.from_mapping({(0, 1, 2): 1e308}, 3), "BII")


def test_weights_of_high_orders_are_exact() -> None:
    # In floats, the alternating sums behind FSII lose every digit long before order 60.
    n = 60
    spectrum = Spectrum.from_mapping({tuple(range(n)): 1.0}, n)
    first = interactions(spectrum, "FSII", 1)
    # Of order 1, FSII is SV, and an even parity has none.
    assert dict(first) == {}
    odd = Spectrum.from_mapping({tuple(range(n - 1)): 1.0}, n)
    for index in ("FSII", "STII", "k-SII"):
        found = interactions(odd, index, 1)
        assert dict(found) == {(i,): pytest.approx(-2 / 59, rel=1e-14) for i in range(59)}


def test_the_support_may_come_in_any_order() -> None:
    spectrum = random_sparse(40, 80, 4)
    shuffled = spectrum.keep(np.random.default_rng(0).permutation(len(spectrum)))
    assert dict(interactions(shuffled, "FSII", 2)) == pytest.approx(
        dict(interactions(spectrum, "FSII", 2)), abs=1e-12
    )


@settings(deadline=None, max_examples=5)
@given(st.integers(11, 14))
def test_large_dense_spectra(n: int) -> None:
    # By the fast transform here, as the definition takes 4^n steps: a(T) summed back gives f.
    masks = np.array([[m >> j & 1 for j in range(n)] for m in range(1 << n)], dtype=bool)
    coefficients = np.random.default_rng(n).normal(size=1 << n) / (1 << n)
    spectrum = Spectrum(n, pack(masks), coefficients)
    found = interactions(spectrum, "Moebius")
    mask = np.random.default_rng(0).random(n) < 0.5
    present = set(np.nonzero(mask)[0].tolist())
    total = math.fsum(value for each, value in found.items() if present.issuperset(each))
    assert total == pytest.approx(spectrum.predict(mask[None])[0], abs=1e-9)
    assert {s: sum(len(each) == s for each in found) for s in range(n + 1)} == {
        s: sum(1 for _ in combinations(range(n), s)) for s in range(n + 1)
    }


def test_orders_beyond_floats_are_refused_quickly():
    spectrum = Spectrum.from_mapping({tuple(range(i, 3000)): 1.0 for i in range(50)}, 3000)
    with pytest.raises(ArgumentError, match="too many terms, the limit is 4194304; use"):
        interactions(spectrum, "FBII")
