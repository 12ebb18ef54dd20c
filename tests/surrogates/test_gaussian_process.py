"""The kernel against its Walsh transform, its gradient, and what the process makes of samples."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

import spex
from spex.f2.packing import pack, unpack
from spex.fitting.fidelity import fidelity, folds, same_folds
from spex.fourier.mask_design import all_masks
from spex.fourier.spectrum import Spectrum
from spex.prior import Prior
from spex.surrogates import gaussian_process, hypercube_kernel
from spex.surrogates.base import Samples
from spex.surrogates.gaussian_process import GaussianProcess
from spex.surrogates.hypercube_kernel import Hyperparameters, Points, kernel_matrix, most_likely
from spex.surrogates.neighbours import neighbour_indicators, neighbour_transform


def hyperparameters(n, rng):
    return Hyperparameters(rng.normal(scale=0.5, size=n + 5))


def points(masks):
    return Points(np.where(masks, 1.0, -1.0), neighbour_indicators(masks))


def uniform_samples(n, m, function, seed=0, is_sequence=False):
    masks = np.random.default_rng(seed).random((m, n)) < 0.5
    everyone = np.ones(m, dtype=bool)
    return Samples(
        pack(masks),
        n,
        function(masks),
        everyone,
        prior=Prior(sequence=tuple(range(n)) if is_sequence else ()),
    )


def r2_on_fresh_masks(spectrum, function, n):
    masks = np.random.default_rng(99).random((2000, n)) < 0.5
    values = function(masks)
    return fidelity(values, spectrum.predict(masks)).r2


def test_prior_variances_are_the_walsh_transform_of_the_kernel():
    n, rng = 6, np.random.default_rng(0)
    hyper = hyperparameters(n, rng)
    masks = unpack(all_masks(n), n)
    kernel = kernel_matrix(points(masks), hyper)
    odd = (masks.astype(int) @ masks.T.astype(int)) % 2
    walsh = np.where(odd, -1.0, 1.0) / 2**n
    prior = walsh @ kernel @ walsh.T
    transform = neighbour_transform(n, n).at(masks).toarray()
    expected = hyper.neighbours * transform @ transform.T
    expected[np.diag_indices(2**n)] += hyper.prior_variances(masks)
    assert prior[1:, 1:] == pytest.approx(expected[1:, 1:], abs=1e-12)


@pytest.mark.parametrize("is_sequence", [False, True])
def test_gradient_is_that_of_the_marginal_likelihood(is_sequence):
    n, m, rng = 5, 40, np.random.default_rng(1)
    given = points(rng.random((m, n)) < 0.5)
    shared = np.zeros((0, 0))
    if is_sequence:
        shared = (given.neighbours @ given.neighbours.T).astype(np.float64)
    prior, values = rng.normal(size=n + 5), rng.normal(size=(2, m))
    logs = prior + rng.normal(scale=0.3, size=n + 5)
    arguments = given.signs, values, prior, shared
    error = scipy.optimize.check_grad(
        lambda x: hypercube_kernel._negative_log_posterior(x, *arguments)[0],
        lambda x: hypercube_kernel._negative_log_posterior(x, *arguments)[1],
        logs,
    )
    assert error < 1e-4


def test_a_process_without_a_fold_is_the_process_of_the_others():
    n, m = 6, 80
    given = uniform_samples(n, m, lambda masks: masks @ np.arange(1.0, n + 1), is_sequence=True)
    parts = folds(given)[:2]
    data = gaussian_process._Data(given, 3)
    start = data.start(folds(given)[:5], None, None)
    for fold, found in zip(parts, data._posteriors(parts, start), strict=True):
        rows = data._rows[found.rows]
        kernel = kernel_matrix(data._points[found.rows], found.hyper)
        kernel[np.diag_indices(len(kernel))] += found.hyper.noise
        inverse = np.linalg.inv(kernel)
        alpha = inverse @ ((given.values[rows] - found.centre) / found.spread)
        assert not set(fold) & set(rows)
        assert found.alpha == pytest.approx(alpha, rel=1e-5, abs=1e-6)
        assert found.error == pytest.approx(((alpha / np.diag(inverse)) ** 2).mean(), rel=1e-4)


def test_hyperparameters_tell_relevant_features_from_others():
    masks = np.random.default_rng(2).random((150, 12)) < 0.5
    values = masks[:, 0] + 2.0 * (masks[:, 1] & masks[:, 2])
    given = Points(np.where(masks, 1.0, -1.0))
    hyper = most_likely(given, ((values - values.mean()) / values.std())[None])
    assert hyper.rates[:3].min() > 2 * hyper.rates[3:].max()


@pytest.mark.parametrize("n", [2, 30, 64, 65, 130])
def test_few_interactions_among_many_features_are_found(n):
    coefficients = {(): 1.0, (0,): 2.0, (1,): -1.0, (0, 1): 1.5}
    if n > 3:
        coefficients |= {(n - 1,): 0.7, (0, 1, n - 1): 1.0}
    truth = Spectrum.from_mapping(coefficients, n)
    given = uniform_samples(n, 300, truth.predict)
    fitted = GaussianProcess().fit(given, folds(given))
    assert r2_on_fresh_masks(fitted.spectrum, truth.predict, n) > 0.99
    assert len(np.unique(fitted.spectrum.support, axis=0)) == len(fitted.spectrum)


def test_neighbours_explain_what_closing_gaps_makes():
    """A word counts unless the one now before it negates it, whatever stood between them."""
    n = 20
    negates, counts = np.arange(0, n, 5), np.arange(3, n, 5)

    def function(masks):
        indicators = []
        for mask in masks:
            kept = np.flatnonzero(mask)
            before = dict(zip(kept[1:].tolist(), kept[:-1].tolist(), strict=True))
            indicators.append(
                sum(-1.0 if before.get(j) in negates else 1.0 for j in counts if mask[j])
            )
        return np.array(indicators)

    found = []
    for is_sequence in (False, True):
        given = uniform_samples(n, 150, function, is_sequence=is_sequence)
        fitted = GaussianProcess().fit(given, folds(given))
        found.append(r2_on_fresh_masks(fitted.spectrum, function, n))
    assert found[1] > found[0] + 0.02


def test_order_is_kept_below_the_highest():
    given = uniform_samples(15, 200, lambda m: (m[:, :4].sum(axis=1) % 2).astype(float) + m[:, 5])
    for degree in (1, 2, 3):
        assert GaussianProcess(degree).fit(given, folds(given)).spectrum.degree <= degree


def test_the_same_samples_give_the_same_fit():
    given = uniform_samples(10, 100, lambda m: m[:, 0] * 1.0 + m[:, 1] * m[:, 2])
    first, second = (GaussianProcess().fit(given, folds(given)) for _ in range(2))
    assert np.array_equal(first.spectrum.coefficients, second.spectrum.coefficients)
    assert np.array_equal(first.predictions, second.predictions)


def three_pairs(masks):
    signs = np.where(masks, 1.0, -1.0)
    return signs[:, 0] + signs[:, 1] * signs[:, 2] + 0.5 * signs[:, 3] * signs[:, 4]


@pytest.mark.parametrize("fold", [0, 7])
def test_an_earlier_fit_does_not_tell_a_fold_its_values(fold):
    def predicted(changed):
        everyone = uniform_samples(12, 120, three_pairs)
        values = everyone.values.copy()
        values[folds(everyone)[fold]] += changed
        everyone = replace(everyone, values=values)
        first = replace(everyone.without(np.arange(60, 120)), drawn=np.ones(60, dtype=bool))
        assert same_folds(first, everyone)
        earlier = GaussianProcess().fit(first, folds(first))
        assert len(earlier.begin) == 2
        everyone = replace(everyone, earlier={"gp": earlier})
        fit = GaussianProcess().fit(everyone, folds(everyone))
        return fit.predictions[folds(everyone)[fold]]

    noise = np.random.default_rng(5).normal(size=12)
    np.testing.assert_allclose(predicted(noise), predicted(0.0), rtol=1e-9)


def test_a_larger_sample_begins_where_the_smaller_one_ended(monkeypatch):
    from_nothing = []

    def watched(points, values, start, log_relevance):
        from_nothing.append(start is None)
        return most_likely(points, values, start, log_relevance)

    monkeypatch.setattr(gaussian_process, "most_likely", watched)
    explanation = spex.explain(three_pairs, 30, budget=256, target_r2=1.0, method="gp")
    assert explanation.n_evaluations == 256
    assert from_nothing[:2] == [True, True]
    # The forecast's fit to half of the sample begins from nothing.
    assert sum(from_nothing) <= 4
    assert explanation.r2 > 0.99


def test_folds_stay_when_the_sample_grows():
    samples = uniform_samples(9, 200, three_pairs)
    fewer = replace(samples.without(np.arange(50, 200)), drawn=np.ones(50, dtype=bool))
    assert same_folds(fewer, samples)
    number = {row: at for at, rows in enumerate(folds(samples)) for row in rows.tolist()}
    for at, rows in enumerate(folds(fewer)):
        assert all(number[row] == at for row in rows.tolist())
    # One that is no longer uniform moves all that come after it.
    uniform = samples.drawn.copy()
    uniform[3] = False
    assert not same_folds(fewer, replace(samples, drawn=uniform))
    few = replace(samples.without(np.arange(5, 200)), drawn=np.ones(5, dtype=bool))
    assert not same_folds(few, samples)


def test_constant_outputs_do_not_disturb_the_others():
    given = uniform_samples(12, 80, three_pairs)
    constant = replace(given, values=np.full(80, 3.0))
    first, second, third = GaussianProcess().fit_outputs([constant, given, constant], folds(given))
    alone = GaussianProcess().fit(given, folds(given))
    assert np.array_equal(second.spectrum.coefficients, alone.spectrum.coefficients)
    assert np.array_equal(second.predictions, alone.predictions)
    for fit in (first, third):
        assert dict(fit.spectrum.items()) == {(): 3.0}


def test_a_right_relevance_raises_r2_at_few_masks():
    n = 60
    truth = Spectrum.from_mapping({(0,): 1.0, (1,): -1.0, (0, 2): 1.0, (1, 3): 1.0}, n)
    given = uniform_samples(n, 60, truth.predict)
    found = []
    for relevance in (None, (50.0,) * 4 + (1.0,) * (n - 4)):
        known = replace(given, prior=Prior(relevance=relevance))
        fitted = GaussianProcess().fit(known, folds(known))
        found.append(r2_on_fresh_masks(fitted.spectrum, truth.predict, n))
    assert found[1] > found[0] + 0.1


def test_a_close_pair_that_screening_misses_is_a_candidate(monkeypatch):
    monkeypatch.setattr(gaussian_process, "_PAIR_FEATURES", 1)  # no pair is screened
    truth = Spectrum.from_mapping({(0,): 3.0, (1,): 3.0, (4, 5): 1.0}, 8)
    found = []
    for close in ((), ((4, 5),)):
        given = replace(uniform_samples(8, 100, truth.predict), prior=Prior(close=close))
        spectrum = GaussianProcess(2).fit(given, folds(given)).spectrum
        found.append(dict(spectrum.items()).get((4, 5), 0.0))
    assert found == [0.0, pytest.approx(1.0, abs=0.1)]


def test_outputs_learn_relevance_from_each_other_and_unrelated_ones_lose_nothing():
    """Six noisy functions of the same four features, against six of different ones."""
    n, m = 32, 70
    rng = np.random.default_rng(0)
    fresh = rng.random((2000, n)) < 0.5

    def outputs(features_of):
        weights = [rng.normal(size=5) for _ in range(6)]

        def of(masks):
            found = []
            for number, weight in enumerate(weights):
                a, b, c, d = features_of(number)
                columns = [masks[:, a], masks[:, b] & masks[:, c], masks[:, c], masks[:, d]]
                found.append(sum(w * column for w, column in zip(weight, columns, strict=False)))
            return np.stack(found)

        masks = rng.random((m, n)) < 0.5
        values, truth = of(masks), of(fresh)
        noise = values.std(axis=1, keepdims=True) * rng.normal(size=values.shape)
        samples = [
            Samples(pack(masks), n, column, np.ones(m, dtype=bool)) for column in values + noise
        ]
        parts = folds(samples[0])
        r2 = []
        for fits in (
            [GaussianProcess().fit(one, parts) for one in samples],
            GaussianProcess().fit_outputs(samples, parts),
        ):
            errors = [
                ((fit.spectrum.predict(fresh) - y) ** 2).mean() / y.var()
                for fit, y in zip(fits, truth, strict=True)
            ]
            r2.append(1 - np.mean(errors))
        return r2

    alone, together = outputs(lambda number: (3, 8, 21, 30))
    assert together > alone + 0.02
    alone, together = outputs(lambda number: tuple(4 * number + i for i in range(4)))
    assert together > alone - 0.05


@pytest.mark.parametrize("log_relevance", [None, np.linspace(-1, 1, 40)])
def test_features_with_one_relevance_are_as_in_the_kernel_of_all(monkeypatch, log_relevance):
    monkeypatch.setattr(hypercube_kernel, "_FEATURES", 5)
    rng = np.random.default_rng(4)
    signs, values = rng.choice([-1.0, 1.0], (8, 40)), rng.normal(size=(2, 8))
    groups = hypercube_kernel._groups(signs, values, log_relevance)
    assert groups.columns.shape == (8, 13) and len(groups.shift) == 6
    logs = rng.normal(size=6)
    of_column = np.exp(logs[groups.of_column]) / 13
    of_features = (logs + groups.shift)[groups.of_feature]
    relevances = np.exp(of_features) / 40
    inner = (groups.columns * of_column) @ groups.columns.T
    assert inner == pytest.approx((signs * relevances) @ signs.T, rel=1e-4, abs=1e-5)
    assert of_column.sum() == pytest.approx(relevances.sum())
    assert groups.of_groups(of_features) == pytest.approx(logs)


def test_very_many_features_leave_the_relevant_ones_relevant(monkeypatch):
    monkeypatch.setattr(hypercube_kernel, "_FEATURES", 20)
    masks = np.random.default_rng(2).random((150, 400)) < 0.5
    values = masks[:, 0] + 2.0 * (masks[:, 1] & masks[:, 2])
    given = Points(np.where(masks, 1.0, -1.0))
    standard = ((values - values.mean()) / values.std())[None]
    hyper = most_likely(given, standard)
    assert hyper.rates[:3].min() > 3 * np.median(hyper.rates)
    again = most_likely(given, standard, hyper)
    assert again.rates[:3].min() > 3 * np.median(again.rates)


def test_a_prior_of_low_rank_has_a_factor():
    """Coefficients that only neighbours explain, and whose own prior is lost beside theirs."""
    shared = scipy.sparse.csr_matrix(np.repeat(np.linspace(1.0, 2.0, 6)[:, None], 2, axis=1))
    chosen = gaussian_process._Chosen(np.eye(6, dtype=bool), np.full(6, 1e-30), shared)
    factor = chosen.factor(6)
    assert factor @ factor.T == pytest.approx((shared @ shared.T).toarray(), rel=1e-6)
