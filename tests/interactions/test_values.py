"""What is listed of interaction values, and how; arguments."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import oracles
from interactions.games import (
    ALL,
    FIRST_ORDER,
    HIGHER,
    TRANSFORMS,
    random_sparse,
    spectrum_of,
)
from spex._typing import Interaction
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues, interactions

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
    exact = spectrum_of(game)
    errors = 1e-17 * np.random.default_rng(0).normal(size=len(exact.coefficients))
    noisy = replace(exact, coefficients=exact.coefficients + errors)
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
    assert found.top(10**30) == found.top(10)
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
