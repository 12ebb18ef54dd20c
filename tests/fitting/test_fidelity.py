import numpy as np
import pytest

from spex.f2.packing import pack, unpack
from spex.fitting.fidelity import Fidelity, fidelity, folds, lowest
from spex.surrogates import refit
from spex.surrogates.base import Samples
from spex.surrogates.boosted_trees import BoostedTrees
from spex.surrogates.gaussian_process import GaussianProcess
from spex.surrogates.linear import Linear
from spex.surrogates.refit import coefficient_errors, first_order, ridge_path


def samples(m=60, n=6, seed=0):
    rng = np.random.default_rng(seed)
    masks = rng.random((m, n)) < 0.5
    values = masks @ rng.normal(size=n) + masks[:, 0] * masks[:, 1] + 0.3 * rng.normal(size=m)
    return Samples(pack(masks), n, values, np.arange(m) >= 10)


def test_r2_is_its_definition_up_to_the_degree_of_freedom_of_the_mean():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    predictions = values + 0.5 * rng.normal(size=200)
    expected = 1 - ((values - predictions) ** 2).sum() / (values.var(ddof=1) * 200)
    assert fidelity(values, predictions).r2 == pytest.approx(expected)


def test_perfect_is_one_and_of_equal_values_nothing_is_known():
    ramp = np.arange(10.0)
    assert fidelity(ramp, ramp).interval == (1.0, 1.0)
    for ones in (np.full(10, 3.0), 3.0 + 1e-14 * ramp):
        found = fidelity(ones, ones)
        assert np.isnan([found.r2, *found.interval]).all()
    assert lowest([found, Fidelity(0.7, (0.6, 0.8)), Fidelity(0.9, (0.8, 1.0))]).r2 == 0.7
    assert np.isnan(lowest([found]).r2)


def test_two_values_give_no_interval():
    found = fidelity(np.array([0.0, 1.0]), np.array([0.1, 0.9]))
    assert found.r2 == pytest.approx(0.98) and np.isnan(found.interval).all()


def test_folds_are_disjoint_and_leave_coded_masks_alone():
    parts = folds(samples())
    rows = np.concatenate(parts)
    assert sorted(rows.tolist()) == list(range(10, 60))


def fit_path(samples, folds):
    """Nested supports, so that a length is chosen as well."""
    n = samples.n_features
    pairs = pack(np.array([[i in (0, j) for i in range(n)] for j in range(1, n)]))
    return ridge_path(
        samples, np.concatenate([first_order(n), pairs]), [1, n, n + 2, 2 * n - 1], folds
    )


FITS = {
    "linear": Linear().fit,
    "path": fit_path,
    "gp": GaussianProcess().fit,
    "trees": BoostedTrees().fit,
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize("fold", [0, 3])
def test_a_cross_fitted_prediction_has_not_seen_its_value(fit, fold):
    """Changing values of a fold changes no prediction of this fold, choices included."""
    before = samples()
    parts = folds(before)
    values = before.values.copy()
    values[parts[fold]] += np.array([100, -50, 3, 0, 20])[: len(parts[fold])]
    after = Samples(before.words, before.n_features, values, before.drawn)
    own, other = parts[fold], parts[1]
    predicted, again = fit(before, parts).predictions, fit(after, parts).predictions
    assert np.allclose(predicted[own], again[own], rtol=0, atol=1e-10)
    assert not np.allclose(predicted[other], again[other], rtol=0, atol=1e-3)
    assert np.isnan(predicted[:10]).all()


@pytest.mark.parametrize(("values", "lengths"), [("sparse", 1), ("noisy", 4)])
def test_no_longer_support_is_fitted_where_the_error_is_rounding(monkeypatch, values, lengths):
    given = samples()
    if values == "sparse":
        masks = unpack(given.words, 6)
        given = Samples(given.words, 6, masks[:, :1].sum(axis=1) * 2.0 - 1.0, given.drawn)
    fitted = []
    advance = refit._Path.advance
    monkeypatch.setattr(refit._Path, "advance", lambda path: (fitted.append(1), advance(path)))
    fit_path(given, folds(given))
    assert len(fitted) == lengths


def test_standard_errors_are_those_of_regression():
    """Without a penalty to speak of: the textbook's, with the noise of masks left out."""
    rng = np.random.default_rng(0)
    n, m = 6, 400
    masks = rng.random((m, n)) < 0.5
    weights = rng.normal(size=n)
    spread = []
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(size=m)
        given = Samples(pack(masks), n, masks @ weights + noise, np.ones(m, dtype=bool))
        fitted = ridge_path(given, first_order(n), [n], folds(given))
        spread.append(fitted.spectrum.coefficients)
    errors = coefficient_errors(given, fitted.spectrum, 1.0)
    assert np.std(spread, axis=0) == pytest.approx(errors, rel=0.25)


@pytest.mark.parametrize("seed", range(5))
def test_noise_with_more_columns_than_masks_is_not_interpolated(seed):
    """Where the mean is the best guess, the fit stays near it, and says so."""
    rng = np.random.default_rng(seed)
    n, m = 60, 40
    given = Samples(pack(rng.random((m, n)) < 0.5), n, rng.normal(size=m), np.ones(m, dtype=bool))
    fitted = ridge_path(given, first_order(n), [n], folds(given))
    fresh = rng.random((500, n)) < 0.5
    assert fitted.spectrum.predict(fresh).std() < 0.6
    assert np.isfinite(fitted.predictions).all()


@pytest.mark.parametrize(
    "surrogate", [Linear(), GaussianProcess(), BoostedTrees()], ids=lambda s: s.name
)
def test_a_constant_is_fitted_by_itself(surrogate):
    given = samples()
    constant = Samples(given.words, given.n_features, np.full(60, 2.5), given.drawn)
    fitted = surrogate.fit(constant, folds(constant))
    assert fitted.spectrum.evaluate(given.words) == pytest.approx(np.full(60, 2.5))
    assert fitted.predictions[10:] == pytest.approx(np.full(50, 2.5))


def test_interval_covers_the_truth_about_nine_times_in_ten():
    """Fixed predictions of a noisy ramp; the true R2 is known."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        values = rng.normal(size=150)
        error = rng.normal(size=150) * 0.6
        low, high = fidelity(values, values + error).interval
        covered += low <= 1 - 0.36 <= high
    assert 0.85 <= covered / 400 <= 0.95


@pytest.mark.parametrize("m", [45, 90, 400])
def test_cross_fitted_interval_covers_the_truth_about_nine_times_in_ten(m):
    """Regression on little more masks than features, and on many, refitted without each fold."""
    n, noise = 30, 0.5
    covered, off = 0, []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        weights = rng.normal(size=n) / np.sqrt(n)
        masks = rng.random((m, n)) < 0.5
        values = np.where(masks, -1.0, 1.0) @ weights + noise * rng.normal(size=m)
        given = Samples(pack(masks), n, values, np.ones(m, dtype=bool))
        fitted = Linear().fit(given, folds(given))
        found = dict(fitted.spectrum.items())
        error = sum((found[i,] - weights[i]) ** 2 for i in range(n)) + found[()] ** 2 + noise**2
        truth = 1 - error / (weights @ weights + noise**2)
        measured = fidelity(values, fitted.predictions, fitted.share_left_out, m)
        low, high = measured.interval
        covered += low <= truth <= high
        off.append(np.log((1 - measured.r2) / (1 - truth)))
    assert 0.84 <= covered / 120 <= 0.99
    assert abs(np.mean(off)) < 0.05
