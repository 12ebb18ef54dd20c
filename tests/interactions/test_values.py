"""Interaction indices against their definitions, against shapiq, and against their axioms."""

import copy
import importlib
import math
import pickle
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import shapiq
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from spex._typing import FloatArray, Interaction
from spex.errors import ArgumentError
from spex.f2.packing import pack
from spex.fourier.spectrum import Spectrum
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues, interactions

# Not `import spex.interactions as module`, which is the function once spex exports that.
module = importlib.import_module("spex.interactions.expansion")

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


# --- sparse and dense, packing, size -------------------------------------------------------------


@pytest.mark.parametrize("index", ALL)
def test_sparse_and_dense_expansion_agree(
    index: InteractionIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = random_game(8)
    used: list[str] = []

    def watch(name: str) -> None:
        original = getattr(module, name)

        def watched(*arguments: object) -> object:
            used.append(name)
            return original(*arguments)

        monkeypatch.setattr(module, name, watched)

    watch("_sparse")
    watch("_dense")
    monkeypatch.setattr(module, "_DENSE_ADVANTAGE", 10**6)
    for order in orders_of(index, 8):
        used.clear()
        dense = interactions(spectrum_of(game), index, order)
        # More features than the dense arrays may have, those past the eighth without effect.
        sparse = interactions(spectrum_of(game, 21), index, order)
        assert used == ["_dense", "_sparse"]
        assert dict(dense) == pytest.approx(dict(sparse), abs=1e-9)


def test_a_full_spectrum_takes_the_dense_expansion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(module, "_sparse")
    assert len(interactions(spectrum_of(random_game(10)), "Moebius")) == 1 << 10
    monkeypatch.undo()
    monkeypatch.delattr(module, "_dense")
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
    monkeypatch.setattr(module, "_MAX_TERMS", 1026)
    assert len(interactions(spectrum, "Moebius")) == 1027
    monkeypatch.setattr(module, "_MAX_TERMS", 1025)
    with pytest.raises(ArgumentError, match="order=9 or less"):
        interactions(spectrum, "Moebius")
    assert len(interactions(spectrum, "Moebius", 9)) == 1026
    monkeypatch.setattr(module, "_MAX_TERMS", 11)
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


# --- what is listed ------------------------------------------------------------------------------


def test_rounding_errors_are_not_listed() -> None:
    # a(0) = -2 (0.1 + 0.2 - 0.3) is 1e-16 in floats.
    cancelling = Spectrum.from_mapping({(0,): 0.1, (0, 1): 0.2, (0, 2): -0.3}, 3)
    assert 0.1 + 0.2 - 0.3 != 0.0
    assert set(interactions(cancelling, "Moebius")) == {(1,), (2,), (0, 1), (0, 2)}
    spectrum = Spectrum.from_mapping({(): 1.0, (0,): 1e-13, (1,): 1e-11, (0, 1): 0.0}, 2)
    for index in ("Fourier", "BII", "SV"):
        assert set(interactions(spectrum, index)) - {()} == {(1,)}
    # A transform leaves such errors in many of the 2^8 coefficients.
    game = 0.1 * np.ones(256)
    effects: dict[Interaction, float] = {(1,): 0.7, (2, 5): 1 / 3, (1, 2, 5): -1 / 7}
    for interaction, effect in effects.items():
        game[oracles.all_masks(8)[:, list(interaction)].all(axis=1)] += effect
    noisy = spectrum_of(game)
    assert np.count_nonzero(noisy.coefficients) > 50
    present = {(), (1,), (2,), (5,), (1, 2), (1, 5), (2, 5), (1, 2, 5)}
    assert dict(interactions(noisy, "Moebius")) == pytest.approx({(): 0.1} | effects)
    assert set(interactions(noisy, "Fourier")) == present
    assert set(interactions(noisy, "FSII", 2)) == {s for s in present if 1 <= len(s) <= 2}
    # What counts as small is relative to the coefficients.
    tiny = Spectrum.from_mapping({(0,): 1e-200, (1, 2): 1e-201}, 3)
    assert set(interactions(tiny, "BII")) == {(0,), (1, 2)}


def test_ranking() -> None:
    found = InteractionValues(
        {(2,): 1.0, (0, 1): -3.0, (0, 2): 1.0, (1,): -1.0, (0,): 0.5},
        InteractionIndex.BII,
        2,
        ("a", "b", "c"),
        7.0,
    )
    assert list(found) == [(0, 1), (1,), (2,), (0, 2), (0,)]
    assert found.top(2) == [((0, 1), -3.0), ((1,), -1.0)]
    assert found.top(order=1) == [((1,), -1.0), ((2,), 1.0), ((0,), 0.5)]
    assert found.top(1, order=2) == [((0, 1), -3.0)]
    assert found.top(0) == found.top(order=3) == []
    assert len(found.top(100)) == len(found) == 5
    with pytest.raises(ArgumentError, match="k=-1"):
        found.top(-1)
    with pytest.raises(ArgumentError, match="order=4 is outside 1 to 3"):
        found.top(order=4)
    # Many ties: neither the sign nor the place in the mapping matters.
    pairs = list(oracles.subsets(tuple(range(30)), 1, 2))
    mixed = np.random.default_rng(0).permutation(len(pairs)).tolist()
    sizes = {each: 1.0 + (sum(each) % 3 == 0) for each in pairs}
    values = {pairs[i]: (-1.0) ** i * sizes[pairs[i]] for i in mixed}
    ranked = InteractionValues(values, InteractionIndex.BII, 2, [*map(str, range(30))], 0.0)
    assert list(ranked) == sorted(pairs, key=lambda each: -sizes[each])
    spectrum = random_sparse(30, 50, 4)
    found_sizes = [abs(value) for value in interactions(spectrum, "k-SII").values()]
    assert found_sizes == sorted(found_sizes, reverse=True)


def test_the_empty_set() -> None:
    spectrum = Spectrum.from_mapping({(): 4.0, (0,): -1.0, (0, 1): 0.5}, 2)
    for index in ALL:
        found = interactions(spectrum, index)
        expected = 4.0 if index == "Fourier" else 3.5
        assert found[()] == found.get(()) == found.baseline == expected
        assert () in found
        assert (() in list(found)) == (index in TRANSFORMS)
        assert all(interaction for interaction, _ in found.top())
    assert interactions(spectrum, "FBII", 1).baseline == 3.0
    without = interactions(Spectrum.from_mapping({(0,): 1.0}, 2), "Fourier")
    assert list(without) == [(0,)]
    assert without[()] == 0.0


def test_looking_up() -> None:
    found = interactions(Spectrum.from_mapping({(0,): -1.0, (0, 1): 0.5}, 3), "BII")
    assert found[(0, 1)] == 2.0
    assert (0, 1) in found
    for missing in ((2,), (1, 0), (0, 0), (7,), (-1,), 0, "0"):
        assert missing not in found
        assert found.get(missing, 0.0) == 0.0  # type: ignore[arg-type]
        with pytest.raises(KeyError, match=r"sorted tuples of feature numbers"):
            found[missing]  # type: ignore[index]


def test_values_cannot_be_changed() -> None:
    source: dict[Interaction, float] = {(0,): 1.0}
    found = InteractionValues(source, InteractionIndex.SV, 1, ["a"], 0.0)
    source[(0,)] = 2.0
    assert found[(0,)] == 1.0
    with pytest.raises(TypeError):
        found[(0,)] = 3.0  # type: ignore[index]
    for name in ("index", "order", "features", "baseline"):
        with pytest.raises(AttributeError):
            setattr(found, name, None)
    assert found.features == ("a",)
    for twin in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (dict(twin), twin.index, twin.features) == (dict(found), found.index, ("a",))


def test_the_table() -> None:
    spectrum = Spectrum.from_mapping({(): 5.0, (0,): -1.0, (0, 2): 0.5}, 3)
    frame = interactions(spectrum, "BII", features=["x", "y", "z"]).to_frame()
    expected = pd.DataFrame(
        {
            "interaction": [(0,), (0, 2)],
            "features": [("x",), ("x", "z")],
            "order": [1, 2],
            "value": [2.0, 2.0],
            "low": [np.nan, np.nan],
            "high": [np.nan, np.nan],
        }
    )
    pd.testing.assert_frame_equal(frame, expected)
    empty = interactions(Spectrum.from_mapping({(): 5.0}, 3), "BII").to_frame()
    assert list(empty.columns) == list(expected.columns)
    assert len(empty) == 0
    assert interactions(spectrum, "Fourier").to_frame()["interaction"].tolist()[0] == ()


def test_printing() -> None:
    labels = ["not", "good\n at all", "x" * 40, *(f"w{i}" for i in range(20))]
    coefficients: dict[Interaction, float] = {(0, 1): 0.75, (2,): -0.5}
    coefficients |= {(i,): 0.01 for i in range(3, 20)}
    coefficients[tuple(range(8))] = 0.001
    found = interactions(Spectrum.from_mapping(coefficients, 23), "BII", features=labels)
    text = repr(found)
    lines = text.splitlines()
    assert lines[0] == "BII of order <= 8, 23 features, baseline 0.421, 20 listed"
    assert lines[1].split(maxsplit=1) == ["+3", "not & good at all"]
    assert lines[2].split(maxsplit=1) == ["+1", "x" * 21 + "..."]
    assert len(lines) == 12
    assert lines[-1] == "  and 10 more"
    assert repr(interactions(Spectrum.from_mapping({}, 2), "SV")).splitlines() == [
        "SV of order <= 1, 2 features, baseline 0, 0 listed"
    ]
    big = interactions(Spectrum.from_mapping({tuple(range(8)): 1.0}, 8), "BII")
    assert "0 & 1 & 2 & 3 & 4 & 5 & 2 more" in repr(big)


# --- arguments -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("index", HIGHER)
@pytest.mark.parametrize("order", [0, -1, 4, 2.0, "2", True])
def test_impossible_orders(index: InteractionIndex, order: int) -> None:
    spectrum = Spectrum.from_mapping({(0, 1): 1.0}, 3)
    with pytest.raises(ArgumentError, match=r"order=.*1 to 3"):
        interactions(spectrum, index, order)
    assert interactions(spectrum, index, np.int64(3)).order == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("index", FIRST_ORDER)
def test_values_of_single_features_have_order_one(index: InteractionIndex) -> None:
    spectrum = Spectrum.from_mapping({(0, 1): 1.0}, 3)
    assert interactions(spectrum, index, 1).order == 1
    with pytest.raises(ArgumentError, match=r"order=2 .* order 1 only"):
        interactions(spectrum, index, 2)


@pytest.mark.parametrize("features", [["a"], ["a", "b", "c"], "ab", []])
def test_labels_must_be_as_many_as_features(features: list[str]) -> None:
    spectrum = Spectrum.from_mapping({(0, 1): 1.0}, 2)
    with pytest.raises(ArgumentError, match="needs 2 labels"):
        interactions(spectrum, "SV", features=features)
    assert interactions(spectrum, "SV").features == ("0", "1")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_coefficients_must_be_finite(bad: float) -> None:
    with pytest.raises(ArgumentError, match="not finite"):
        interactions(Spectrum.from_mapping({(0,): bad, (1,): 1.0}, 2), "SV")


@pytest.mark.parametrize("bad", [(1, 0), (0, 0), (-1,), (2,), (0, 1, 2)])
def test_values_are_checked(bad: Interaction) -> None:
    with pytest.raises(ArgumentError, match="sorted tuple of at most 2"):
        InteractionValues({bad: 1.0}, InteractionIndex.BII, 2, ["a", "b"], 0.0)


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
