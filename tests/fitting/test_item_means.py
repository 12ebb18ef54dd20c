"""Means over items from a few items each: unbiased, with their variance; R2 without noise."""

import numpy as np
import pytest

from spex.fitting.item_means import dealt_items, fidelity_without_noise, item_means


@pytest.mark.parametrize(
    ("n_masks", "per_mask", "n_items"), [(50, 4, 10), (7, 3, 3), (5, 7, 9), (1, 1, 1), (40, 4, 200)]
)
def test_items_are_dealt_evenly_and_none_twice(n_masks, per_mask, n_items):
    items = dealt_items(n_masks, per_mask, n_items, np.random.default_rng(0))
    assert items.shape == (n_masks, per_mask)
    assert all(len(set(row)) == per_mask for row in items.tolist())
    counts = np.bincount(items.ravel(), minlength=n_items)
    assert counts.max() - counts.min() <= 1


def test_each_mask_gets_each_subset_alike():
    """The last mask's pair of 4 items is one of 6, each as often, though the deck runs out."""
    pairs = [tuple(sorted(dealt_items(3, 2, 4, np.random.default_rng(s))[1])) for s in range(3000)]
    counts = np.array([pairs.count(one) for one in set(pairs)])
    assert len(counts) == 6 and abs(counts - 500).max() < 5 * np.sqrt(500)
    thirds = [tuple(sorted(dealt_items(3, 2, 5, np.random.default_rng(s))[2])) for s in range(3000)]
    counts = np.array([thirds.count(one) for one in set(thirds)])
    assert len(counts) == 10 and abs(counts - 300).max() < 5 * np.sqrt(300)


def table(rng, n_masks=60, n_items=30):
    """Values of all masks on all items: a mean, strong items, and what is particular to both."""
    means = rng.normal(size=n_masks)
    return means[:, None] + 3 * rng.normal(size=n_items) + 0.7 * rng.normal(size=(n_masks, n_items))


def estimate(values, per_mask, rng):
    items = dealt_items(len(values), per_mask, values.shape[1], rng)
    rows = np.repeat(np.arange(len(values)), per_mask)
    asked = values[rows, items.ravel()]
    return item_means(rows, items.ravel(), asked, *values.shape), items


def test_means_are_unbiased_and_their_variances_true():
    values = table(np.random.default_rng(1))
    truth = values.mean(axis=1)
    found, said, plain = [], [], []
    for seed in range(400):
        means, items = estimate(values, 4, np.random.default_rng(seed))
        found.append(means.values - truth)
        said.append(means.variances.mean())
        plain.append(np.take_along_axis(values, items, axis=1).mean(axis=1) - truth)
    errors = np.array(found)
    standard_error = errors.std(axis=0) / np.sqrt(len(errors))
    assert (abs(errors.mean(axis=0)) < 4.5 * standard_error).all()
    true_variance = (errors**2).mean()
    assert np.mean(said) == pytest.approx(true_variance, rel=0.15)
    # Items differ much more than masks on one item: subtracting them is what makes this small.
    assert true_variance < 0.2 * (np.array(plain) ** 2).mean()


def test_all_items_are_exact():
    values = table(np.random.default_rng(2), 5, 6)
    means, _ = estimate(values, 6, np.random.default_rng(0))
    np.testing.assert_array_equal(means.values, values.mean(axis=1))
    assert not means.variances.any()


def test_order_of_calls_does_not_matter_where_counts_differ():
    rng = np.random.default_rng(3)
    values = table(rng, 20, 12)
    rows, items = np.nonzero(rng.random(values.shape) < 0.4)
    whole = item_means(rows, items, values[rows, items], *values.shape)
    assert np.isfinite(whole.values).all() and (whole.variances > 0).all()
    truth = values.mean(axis=1)
    assert (abs(whole.values - truth) < 5 * np.sqrt(whole.variances)).all()


def test_r2_without_noise_holds_that_of_the_truth():
    held, biases = 0, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=300)
        predictions = truth + 0.5 * rng.normal(size=300)
        values = truth + rng.normal(size=300)  # as much noise as signal
        variances = rng.chisquare(3, size=300) / 3
        fidelity, _ = fidelity_without_noise(values, variances, predictions, 0.0, 300)
        r2 = 1 - ((truth - predictions) ** 2).mean() / truth.var()
        held += fidelity.interval[0] <= r2 <= fidelity.interval[1]
        biases.append(fidelity.r2 - r2)
    assert abs(np.mean(biases)) < 0.05  # R2 of the noisy values would be 0.38 lower
    assert held >= 85


def test_r2_is_unknown_where_all_is_noise():
    rng = np.random.default_rng(0)
    values = rng.normal(size=100)
    fidelity, _ = fidelity_without_noise(values, np.ones(100), np.zeros(100), 0.1, 100)
    assert np.isnan(fidelity.r2)
