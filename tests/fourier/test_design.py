import numpy as np
import pytest

from spex.errors import ArgumentError
from spex.f2.packing import pack, unpack
from spex.fourier.design import design_cost, plan_design
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
    expected = np.zeros_like(bins)
    offsets = unpack(design.offsets, n)
    matrices = [unpack(rows, n) for rows in design.matrices]
    for k, value in coefficients.items():
        row = np.isin(np.arange(n), k)
        signs = (-1.0) ** (offsets & row).sum(axis=1)
        for c, matrix in enumerate(matrices):
            j = int(((matrix & row).sum(axis=1) % 2) @ (1 << np.arange(len(matrix))))
            expected[c, :, j] += signs * value
    assert np.allclose(bins, expected, atol=1e-12)


@pytest.mark.parametrize(("n", "t"), [(6, 2), (20, 3), (64, 5), (300, 4)])
@pytest.mark.parametrize("budget", [40, 333, 2000])
def test_cost_is_within_the_budget_and_no_mask_comes_twice(n, t, budget):
    design = plan_design(n, budget, t, seed=1)
    if design is None:
        assert design_cost(t, 1) > budget or n > 6
        return
    assert len(as_set(design.masks)) == len(design.masks) <= budget
    assert len(design.masks) <= design_cost(design.code.n_parity, design.log2_bins)


def test_nothing_affordable_is_none():
    assert plan_design(64, 20, 5, seed=0) is None


@pytest.mark.parametrize("t", [2, 5])
def test_masks_of_a_smaller_design_are_masks_of_a_larger(t):
    small, large = plan_design(64, 500, t, seed=3), plan_design(64, 5000, 5, seed=3)
    assert small.log2_bins <= large.log2_bins
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
