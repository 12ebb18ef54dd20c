import numpy as np
import pytest

from spex.errors import ArgumentError
from spex.f2.packing import pack, unpack
from spex.fourier.design import design_cost, plan_bins, plan_design
from spex.fourier.spectrum import Spectrum


def as_set(masks):
    return {mask.tobytes() for mask in masks}


@pytest.mark.parametrize("n", [9, 63, 64, 65, 130])
def test_bins_alias_the_spectrum(n):
    """U_{c,i}(j) = sum over k with M_c k = j of (-1)^<p_i,k> F(k), by the definition."""
    rng = np.random.default_rng(n)
    coefficients = {(): 1.0}
    for _ in range(12):
        k = tuple(sorted(rng.choice(n, rng.integers(1, 4), replace=False).tolist()))
        coefficients[k] = float(rng.normal())
    spectrum = Spectrum.from_mapping(coefficients, n)
    design = plan_design(n, 1500, 2, seed=5)
    bins = design.bins(spectrum.predict(unpack(design.masks, n)))
    expected = [np.zeros_like(of_group) for of_group in bins]
    offsets = unpack(design.offsets, n)
    matrices = [unpack(rows, n) for rows in design.matrices]
    for k, value in coefficients.items():
        row = np.isin(np.arange(n), k)
        signs = (-1.0) ** (offsets & row).sum(axis=1)
        for c, matrix in enumerate(matrices):
            j = int(((matrix & row).sum(axis=1) % 2) @ (1 << np.arange(len(matrix))))
            expected[c][j] += signs * value
    for of_group, definition in zip(bins, expected, strict=True):
        assert np.allclose(of_group, definition, atol=1e-12)


@pytest.mark.parametrize(("n", "t"), [(6, 2), (20, 3), (64, 5), (300, 4)])
@pytest.mark.parametrize("budget", [40, 333, 2000])
def test_cost_is_within_the_budget_and_no_mask_comes_twice(n, t, budget):
    design = plan_design(n, budget, t, seed=1)
    cost = design_cost(design.n_offsets, design.log2_bins)
    assert len(as_set(design.masks)) == len(design.masks) <= cost <= budget
    if n >= 20:
        assert len(design.masks) == cost  # chance overlaps only where n is small


@pytest.mark.parametrize("n", [20, 64, 1000])
def test_bins_differ_by_one_doubling_and_no_more_fit(n):
    for budget in range(60, 3000, 37):
        bins = plan_bins(n, budget, 10)
        assert max(bins) - min(bins) <= 1
        smallest = bins.index(min(bins))
        larger = tuple(b + (group == smallest) for group, b in enumerate(bins))
        assert len(bins) < 3 or design_cost(10, larger) > budget


def test_the_least_designs_are_offsets_alone():
    assert plan_bins(64, 7, 8) == ()
    assert plan_bins(64, 8, 8) == (0,)
    assert plan_bins(64, 16, 8) == (1,)
    design = plan_design(64, 8, 1, seed=0)
    assert len(design.masks) == 8
    bins = design.bins(np.arange(8.0))
    assert len(bins) == 1 and bins[0].tolist() == [list(map(float, range(8)))]


@pytest.mark.parametrize("t", [2, 5])
def test_masks_of_a_smaller_design_are_masks_of_a_larger(t):
    small, large = plan_design(64, 500, t, seed=3), plan_design(64, 5000, 5, seed=3)
    assert max(small.log2_bins) <= min(large.log2_bins)
    assert as_set(small.masks) <= as_set(large.masks)


def test_seeds_differ_and_repeat():
    a, b, c = (plan_design(64, 500, 2, seed=s).masks for s in (0, 0, 1))
    assert np.array_equal(a, b)
    assert as_set(a) != as_set(c)


def test_bin_numbers_are_products():
    design = plan_design(70, 3000, 3, seed=0)
    frequencies = pack(np.random.default_rng(0).random((9, 70)) < 0.1)
    numbers = design.bin_numbers(frequencies)
    assert numbers.shape == (3, 9)
    rows = unpack(frequencies, 70).astype(int)
    for matrix, number in zip(design.matrices, numbers, strict=True):
        bits = rows @ unpack(matrix, 70).T.astype(int) % 2
        assert number.tolist() == (bits @ (1 << np.arange(bits.shape[1]))).tolist()


def test_wrong_sizes_are_refused():
    with pytest.raises(ArgumentError, match="at least 1"):
        plan_design(0, 100, 3, seed=0)


@pytest.mark.parametrize(("n", "budget", "t"), [(5, 30, 2), (12, 300, 2), (70, 900, 3)])
def test_moments_by_summing_over_all_masks(n, budget, t):
    """Also where groups and offsets overlap by chance, as they do for few features."""
    design = plan_design(n, budget, t, seed=1)
    rng = np.random.default_rng(0)
    frequencies = np.unique(pack(rng.random((40, n)) < 0.3), axis=0)
    values = rng.normal(size=len(design.masks))
    gram, cross = design.moments(frequencies, values)
    counts = unpack(design.masks, n).astype(int) @ unpack(frequencies, n).astype(int).T
    signs = (-1.0) ** counts
    assert np.array_equal(gram, signs.T @ signs)
    assert np.allclose(cross, signs.T @ values, atol=1e-9)
