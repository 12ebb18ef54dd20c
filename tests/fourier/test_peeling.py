import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spex.f2.packing import pack, unpack
from spex.fourier.design import plan_design
from spex.fourier.peeling import decode
from spex.fourier.spectrum import Spectrum


def sparse(n, count, order, seed, values=None):
    rng = np.random.default_rng(seed)
    coefficients = {(): float(rng.normal())}
    while len(coefficients) < count:
        k = tuple(sorted(rng.choice(n, rng.integers(1, order + 1), replace=False).tolist()))
        coefficients[k] = float(rng.normal()) if values is None else float(rng.choice(values))
    return Spectrum.from_mapping(coefficients, n)


def decoded(spectrum, budget, t, seed=0, noise=0.0):
    n = spectrum.n_features
    design = plan_design(n, budget, t, seed)
    values = spectrum.predict(unpack(design.masks, n))
    values = values + noise * np.random.default_rng(seed).normal(size=len(values))
    return decode(design, values, t)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n", "count", "order", "budget", "t"),
    [(30, 20, 3, 1500, 3), (64, 50, 4, 4000, 4), (65, 50, 4, 7000, 5), (1000, 100, 4, 7000, 5)],
)
def test_sparse_functions_are_recovered_exactly(n, count, order, budget, t, seed):
    spectrum = sparse(n, count, order, seed)
    result = decoded(spectrum, budget, t, seed)
    found, expected = dict(result.spectrum.items()), dict(spectrum.items())
    assert found.keys() == expected.keys()
    assert all(abs(found[k] - expected[k]) < 1e-9 for k in expected)
    assert result.unexplained < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_equal_sizes_do_not_confuse_it(seed):
    spectrum = sparse(64, 40, 4, seed, values=[-1.0, 1.0])
    found = decoded(spectrum, 5000, 4, seed).spectrum
    assert dict(found.items()).keys() == dict(spectrum.items()).keys()


@pytest.mark.parametrize("seed", range(3))
def test_noise_leaves_large_coefficients_and_says_what_is_left(seed):
    spectrum = sparse(64, 20, 3, seed, values=[-1.0, 1.0])
    result = decoded(spectrum, 5000, 3, seed, noise=0.5)
    found, expected = set(result.spectrum.interactions), set(spectrum.interactions)
    assert len(found & expected) >= 0.9 * len(expected)
    assert len(found - expected) <= 2
    assert 0 < result.unexplained < 0.5


def test_a_constant_has_no_other_coefficients():
    result = decoded(Spectrum.from_mapping({(): 2.5}, 40), 500, 2)
    assert result.spectrum.interactions == ((),)
    assert result.spectrum.coefficients[0] == pytest.approx(2.5, abs=1e-12)


@pytest.mark.parametrize("n", [40, 64, 100])
def test_what_cannot_be_decoded_ends_and_is_admitted(n):
    """The parity of all features is beyond every order searched for."""
    result = decoded(Spectrum.from_mapping({tuple(range(n)): 1.0}, n), 2000, 4)
    assert result.unexplained > 0.5
    assert set(result.spectrum.interactions) <= {()} or result.spectrum.degree <= 4


def test_orders_above_the_limit_are_not_accepted():
    spectrum = Spectrum.from_mapping({(0, 1): 1.0, (2, 3, 4): 0.5}, 40)
    design = plan_design(40, 2000, 3, seed=0)
    result = decode(design, spectrum.predict(unpack(design.masks, 40)), max_degree=2)
    assert (0, 1) in result.spectrum.interactions
    assert result.spectrum.degree <= 2


def test_decoding_is_exact_without_noise():
    rng = np.random.default_rng(3)
    n, order = 40, 3
    coefficients = {(): 1.0}
    while len(coefficients) < 16:
        k = tuple(sorted(rng.choice(n, rng.integers(1, order + 1), replace=False).tolist()))
        coefficients[k] = float(rng.choice([-1, 1]) * rng.uniform(0.5, 2))
    truth = Spectrum.from_mapping(coefficients, n)
    design = plan_design(n, 2500, order, seed=0)
    result = decode(design, truth.predict(unpack(design.masks, n)), order)
    found = dict(result.spectrum.items())
    assert found.keys() == coefficients.keys()
    for k, value in coefficients.items():
        assert found[k] == pytest.approx(value, abs=1e-9)


@st.composite
def sparse_functions(draw):
    """Features, and up to ten coefficients of order up to three."""
    n = draw(st.sampled_from([63, 64, 65, 128]))
    interactions = st.sets(st.integers(0, n - 1), min_size=1, max_size=3)
    chosen = draw(st.sets(interactions.map(lambda k: tuple(sorted(k))), min_size=1, max_size=10))
    size = st.floats(0.3, 3.0) | st.floats(-3.0, -0.3)
    return n, {k: draw(size) for k in sorted(chosen)}


def recovered(n, coefficients, seed=0):
    result = decoded(Spectrum.from_mapping(coefficients, n), 2500, 3, seed=seed)
    return {k: value for k, value in result.spectrum.items() if abs(value) > 1e-9}


@given(
    sparse_functions(), st.floats(-4, 4).filter(lambda scale: abs(scale) > 0.1), st.floats(-4, 4)
)
@settings(max_examples=25, deadline=None)
def test_scaling_and_adding_a_constant(function, scale, constant):
    n, coefficients = function
    changed = {k: scale * value for k, value in coefficients.items()} | {(): constant}
    found = recovered(n, changed)
    assert found == pytest.approx({k: v for k, v in changed.items() if abs(v) > 1e-9}, abs=1e-9)


@given(sparse_functions(), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_shifting_the_masks_turns_signs(function, seed):
    """f(m + s) has the coefficients F(k) (-1)^<k,s>."""
    n, coefficients = function
    shift = np.random.default_rng(seed).random(n) < 0.5
    shifted = {k: value * (-1) ** int(shift[list(k)].sum()) for k, value in coefficients.items()}
    assert recovered(n, shifted) == pytest.approx(shifted, abs=1e-9)


@given(sparse_functions(), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_renaming_the_features_renames_the_result(function, seed):
    n, coefficients = function
    new = np.random.default_rng(seed).permutation(n)
    renamed = {tuple(sorted(int(new[i]) for i in k)): value for k, value in coefficients.items()}
    assert recovered(n, renamed) == pytest.approx(renamed, abs=1e-9)


def colliding(design, groups, order, count):
    """Frequencies of an order that share a bin in each of some groups."""
    n = design.n_features
    members = np.array(list(itertools.combinations(range(n), order)))
    frequencies = np.zeros((len(members), n), dtype=bool)
    frequencies[np.arange(len(members))[:, None], members] = True
    numbers = design.bin_numbers(pack(frequencies))[groups]
    _, where = np.unique(numbers, axis=1, return_inverse=True)
    fullest = np.bincount(where.ravel()).argmax()
    return [tuple(row) for row in members[where.ravel() == fullest][:count].tolist()]


def test_all_coefficients_in_one_bin_of_a_group():
    n = 40
    design = plan_design(n, 2500, 3, seed=0)
    chosen = colliding(design, [0], 3, 12)
    assert len(chosen) == 12
    coefficients = {k: 1.0 + 0.1 * number for number, k in enumerate(chosen)}
    assert recovered(n, coefficients) == pytest.approx(coefficients, abs=1e-9)


def test_all_coefficients_in_one_bin_of_every_group():
    """No bin shows one of them alone."""
    n = 40
    design = plan_design(n, 2500, 3, seed=0)
    chosen = colliding(design, [0, 1, 2], 3, 4)
    assert len(chosen) > 1
    coefficients = {k: 1.0 + 0.3 * number for number, k in enumerate(chosen)}
    assert recovered(n, coefficients) == pytest.approx(coefficients, abs=1e-9)


def test_one_mask_alone_has_no_sparse_spectrum():
    """f is one at the empty mask and zero elsewhere: all 2^n coefficients are equal."""
    design = plan_design(50, 2000, 3, seed=0)
    values = (~unpack(design.masks, 50).any(axis=1)).astype(float)
    assert values.sum() == 1
    result = decode(design, values, 3)
    assert np.isfinite(result.spectrum.coefficients).all()
    assert np.abs(result.spectrum.coefficients).max(initial=0.0) < 0.1
