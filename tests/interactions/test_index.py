"""Interaction indices against their definitions, against shapiq, and against their axioms."""

import math

import numpy as np
import pytest
import shapiq
from hypothesis import given
from hypothesis import strategies as st

import oracles
from interactions.games import (
    ALL,
    EFFICIENT,
    FIRST_ORDER,
    HIGHER,
    TRANSFORMS,
    assert_same,
    orders_of,
    random_game,
    random_sparse,
    spectrum_of,
)
from spex._typing import Interaction
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.interactions.index import InteractionIndex
from spex.interactions.values import interactions

# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(1, 7))
@pytest.mark.parametrize("index", ALL)
def test_every_order_is_as_defined(index: InteractionIndex, n: int) -> None:
    game = random_game(n)
    spectrum = spectrum_of(game)
    for order in orders_of(index, n):
        found = interactions(spectrum, index, order)
        assert (found.index, found.order) == (index, order)
        assert_same(found, oracles.index_by_definition(index, game, order))
        assert len(found) == sum(math.comb(n, s) for s in range(1, order + 1)) + (
            index in TRANSFORMS
        )


@pytest.mark.parametrize("n", range(2, 8))
@pytest.mark.parametrize("index", [index for index in ALL if index != InteractionIndex.FOURIER])
def test_every_order_agrees_with_shapiq(index: InteractionIndex, n: int) -> None:
    game = random_game(n, seed=1)
    spectrum = spectrum_of(game)
    bits = 1 << np.arange(n)
    computer = shapiq.ExactComputer(lambda masks: game[masks @ bits], n_players=n)
    for order in orders_of(index, n):
        found = interactions(spectrum, index, order)
        theirs = computer(index.value, order)  # type: ignore[arg-type]
        # Its Moebius transform is always of order n.
        listed = {each: theirs[each] for each in theirs.interactions if 1 <= len(each) <= order}
        assert len(listed) == sum(math.comb(n, s) for s in range(1, order + 1))
        assert_same(found, listed | {(): float(theirs.baseline_value)})


def test_a_game_solved_by_hand() -> None:
    # f = 1 + 2 m0 + 4 m0 m1 has a() = 1, a(0) = 2, a(01) = 4; v = 1, 3, 1, 7.
    spectrum = spectrum_of(np.array([1.0, 3.0, 1.0, 7.0]))
    expected = {
        ("Moebius", None): {(): 1, (0,): 2, (0, 1): 4},
        ("Fourier", None): {(): 3, (0,): -2, (1,): -1, (0, 1): 1},
        ("SV", None): {(0,): 4, (1,): 2},
        ("BV", None): {(0,): 4, (1,): 2},
        ("SII", None): {(0,): 4, (1,): 2, (0, 1): 4},
        ("BII", None): {(0,): 4, (1,): 2, (0, 1): 4},
        ("k-SII", 2): {(0,): 2, (0, 1): 4},
        ("STII", 2): {(0,): 2, (0, 1): 4},
        ("FSII", 1): {(0,): 4, (1,): 2},
        ("FBII", 1): {(0,): 4, (1,): 2},
        ("FBII", 2): {(0,): 2, (0, 1): 4},
    }
    for (index, order), values in expected.items():
        found = interactions(spectrum, index, order)
        assert dict(found) == pytest.approx(values), index
    assert interactions(spectrum, "FBII", 1).baseline == 0.0
    assert interactions(spectrum, "FBII", 2).baseline == 1.0
    assert interactions(spectrum, "BII").baseline == 1.0
    assert interactions(spectrum, "Fourier").baseline == 3.0


@pytest.mark.parametrize("index", HIGHER)
def test_orders_above_the_degree(index: InteractionIndex) -> None:
    # Degree 2 over five features: FSII and k-SII of order 4 are still what their definitions say.
    spectrum = Spectrum.from_mapping({(): 1.0, (0,): -0.5, (1, 3): 2.0, (2, 4): 0.25}, 5)
    coefficients = np.zeros(32)
    for interaction, value in spectrum.items():
        coefficients[oracles.number(interaction)] = value
    game = oracles.game_by_definition(coefficients)
    for order in (3, 4, 5):
        expected = oracles.index_by_definition(index, game, order)
        assert_same(interactions(spectrum, index, order), expected)


def test_the_default_order() -> None:
    spectrum = random_sparse(12, 20, 4)
    assert spectrum.degree == 4
    for index in HIGHER:
        assert interactions(spectrum, index).order == 4
    for index in FIRST_ORDER:
        assert interactions(spectrum, index).order == 1
    constant = interactions(Spectrum.from_mapping({(): 2.0}, 3), "FBII")
    assert (constant.order, constant.baseline, len(constant)) == (1, 2.0, 0)
    assert len(interactions(Spectrum.from_mapping({}, 3), "k-SII", 3)) == 0


def test_only_these_indices_change_with_the_order() -> None:
    spectrum = spectrum_of(random_game(5))
    for index in HIGHER:
        low, high = (interactions(spectrum, index, order) for order in (2, 4))
        moved = [each for each in low if each and abs(low[each] - high[each]) > 1e-9]
        assert bool(moved) == (index in ("STII", "FSII", "FBII", "k-SII")), index


def test_the_fourier_transform_gives_back_the_spectrum() -> None:
    spectrum = random_sparse(70, 100, 6)
    assert dict(interactions(spectrum, "Fourier")) == dict(spectrum.items())


def test_the_moebius_transform_evaluates_to_the_same_function() -> None:
    spectrum = random_sparse(70, 60, 5)
    masks = np.random.default_rng(3).random((200, 70)) < 0.7
    values = sum(
        value * masks[:, list(interaction)].all(axis=1)
        for interaction, value in interactions(spectrum, "Moebius").items()
    )
    np.testing.assert_allclose(values, spectrum.predict(masks), atol=1e-9)


@given(st.dictionaries(st.frozensets(st.integers(0, 6)), st.integers(-8, 8), max_size=12))
def test_moebius_to_fourier_and_back(coefficients: dict[frozenset[int], int]) -> None:
    moebius = {tuple(sorted(each)): float(value) for each, value in coefficients.items()}
    fourier: dict[Interaction, float] = {}
    # F(k) = (-1)^|k| sum_{T >= k} 2^-|T| a(T), the inverse of equation (1).
    for interaction, value in moebius.items():
        for part in oracles.subsets(interaction):
            share = (-1) ** len(part) * value / 2 ** len(interaction)
            fourier[part] = fourier.get(part, 0.0) + share
    back = interactions(Spectrum.from_mapping(fourier, 7), "Moebius")
    assert dict(back) == {each: value for each, value in moebius.items() if value}


# --- laws ----------------------------------------------------------------------------------------

SPECTRA = st.dictionaries(
    st.frozensets(st.integers(0, 8), max_size=5).map(lambda members: tuple(sorted(members))),
    st.integers(-20, 20).map(float),
    min_size=1,
    max_size=10,
)
INDEX_AND_ORDER = st.sampled_from([(index, o) for index in ALL for o in orders_of(index, 6)])


@given(SPECTRA, SPECTRA, INDEX_AND_ORDER)
def test_linearity(
    a: dict[Interaction, float],
    b: dict[Interaction, float],
    choice: tuple[InteractionIndex, int],
) -> None:
    mixed = {k: 2.0 * a.get(k, 0.0) - 3.0 * b.get(k, 0.0) for k in a | b}
    of_a, of_b, of_mixed = (
        interactions(Spectrum.from_mapping(each, 9), *choice) for each in (a, b, mixed)
    )
    for each in {(), *of_a, *of_b, *of_mixed}:
        expected = 2.0 * of_a.get(each, 0.0) - 3.0 * of_b.get(each, 0.0)
        assert of_mixed.get(each, 0.0) == pytest.approx(expected, abs=1e-7)


@given(SPECTRA, st.permutations(range(9)), INDEX_AND_ORDER)
def test_renaming_the_features_renames_the_interactions(
    coefficients: dict[Interaction, float],
    names: list[int],
    choice: tuple[InteractionIndex, int],
) -> None:
    def renamed(interaction: Interaction) -> Interaction:
        return tuple(sorted(names[member] for member in interaction))

    before = interactions(Spectrum.from_mapping(coefficients, 9), *choice)
    moved = {renamed(each): value for each, value in coefficients.items()}
    after = interactions(Spectrum.from_mapping(moved, 9), *choice)
    assert dict(after) == pytest.approx(
        {renamed(each): value for each, value in before.items()}, abs=1e-9
    )
    assert after.baseline == pytest.approx(before.baseline)


@given(SPECTRA, INDEX_AND_ORDER)
def test_a_feature_without_effect_is_in_no_interaction(
    coefficients: dict[Interaction, float], choice: tuple[InteractionIndex, int]
) -> None:
    # Feature 9 is in no coefficient, and most of the others in none either.
    spectrum = Spectrum.from_mapping(coefficients, 10)
    found = interactions(spectrum, *choice)
    used = {member for interaction in coefficients for member in interaction}
    assert all(set(interaction) <= used for interaction in found)


@given(SPECTRA, st.sampled_from(EFFICIENT), st.integers(1, 6))
def test_efficiency(
    coefficients: dict[Interaction, float], index: InteractionIndex, order: int
) -> None:
    spectrum = Spectrum.from_mapping(coefficients, 9)
    found = interactions(spectrum, index, 1 if index in FIRST_ORDER else order)
    nothing, everything = spectrum.predict(np.array([[False] * 9, [True] * 9]))
    total = math.fsum(value for interaction, value in found.items() if interaction)
    assert found.baseline == pytest.approx(nothing)
    assert total == pytest.approx(everything - nothing, abs=1e-7)


def test_the_other_indices_are_not_efficient() -> None:
    game = random_game(4)
    for index in ("BV", "SII", "BII", "FBII"):
        found = interactions(spectrum_of(game), index, 1 if index == "BV" else 2)
        assert abs(sum(found.values()) - (game[-1] - game[0])) > 0.01


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "index"),
    [
        *((index.value, index) for index in ALL),
        *((index.value.upper(), index) for index in ALL),
        *((index, index) for index in ALL),
        ("ksii", InteractionIndex.K_SII),
        ("kSII", InteractionIndex.K_SII),
        ("Möbius", InteractionIndex.MOEBIUS),
        ("Mo\u0308bius", InteractionIndex.MOEBIUS),
        ("mobius", InteractionIndex.MOEBIUS),
        (" fbii ", InteractionIndex.FBII),
    ],
)
def test_names(name: str, index: InteractionIndex) -> None:
    assert InteractionIndex.parse(name) is index


@pytest.mark.parametrize("name", ["", "FBI", "Shapley", None, 3, b"SV"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        InteractionIndex.parse(name)
    assert repr(name) in str(caught.value)
    assert all(index.value in str(caught.value) for index in ALL)
    with pytest.raises(ArgumentError):
        interactions(Spectrum.from_mapping({}, 2), name)
