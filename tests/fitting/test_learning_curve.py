"""What more evaluations would buy, against what they do buy."""

import gc
import weakref

import numpy as np
import pytest

import spex
from spex.fitting.fidelity import FALL
from spex.fitting.learning_curve import Fall, expected_r2


def test_a_power_law_that_is_seen_clearly_goes_on():
    for measured in (Fall(2.0, 1.6, 0.01), Fall(1.0, 0.8, 0.01)):
        assert 1 - expected_r2(0.8, measured, 1.0) == pytest.approx(0.2 * 2**-0.8, rel=0.02)
        assert 1 - expected_r2(0.8, measured, 2.0) == pytest.approx(0.2 * 2**-1.6, rel=0.03)


def test_what_is_not_seen_clearly_is_as_usual():
    for anything in (-3.0, 0.0, 3.0):
        assert expected_r2(0.8, Fall(1.0, anything, 100.0), 1.0) == pytest.approx(
            1 - 0.2 * 2**-FALL, abs=0.01
        )


def test_more_never_promises_less():
    assert expected_r2(0.5, Fall(1.0, -2.0, 0.01), 2.0) == 0.5


def test_where_nothing_is_explained_nothing_is_expected_unless_it_was_measured():
    assert expected_r2(0.0, Fall(1.0, 0.0, 0.3), 2.0) == pytest.approx(0.0, abs=0.01)
    assert expected_r2(-0.1, Fall(1.0, 0.0, 0.1), 2.0) < 0.0
    assert expected_r2(0.3, Fall(1.0, 0.5, 0.01), 1.0) == pytest.approx(1 - 0.7 * 2**-0.5, abs=0.02)


@pytest.mark.parametrize("method", ["linear", "gp"])
@pytest.mark.parametrize("budget", [60, 120])
def test_noise_is_promised_nothing(method, budget):
    gains = []
    for seed in range(3):
        noise, rng = {}, np.random.default_rng(seed)

        def f(masks, noise=noise, rng=rng):
            return np.array([noise.setdefault(mask.tobytes(), rng.normal()) for mask in masks])

        said = spex.explain(f, 20, budget, method=method, seed=seed)
        gains.append(max(said.forecast.values()) - max(said.r2, 0.0))
    assert np.mean(gains) < 0.05 and max(gains) < 0.12


def bumpy(masks):
    signs = np.where(masks, 1.0, -1.0)
    weights = np.random.default_rng(0).normal(size=(signs.shape[1], 8))
    return np.tanh(0.5 * signs @ weights).sum(axis=1)


@pytest.mark.parametrize("method", ["linear", "gp"])
def test_the_forecast_is_about_what_comes(method):
    said = spex.explain(bumpy, 16, budget=200, method=method)
    assert list(said.forecast) == [400, 800]
    for budget, expected in said.forecast.items():
        fresh = np.random.default_rng(7).random((3000, 16)) < 0.5
        values = bumpy(fresh)
        found = spex.explain(bumpy, 16, budget=budget, method=method).predict(fresh)
        came = 1 - ((values - found) ** 2).mean() / values.var()
        assert expected == pytest.approx(came, abs=0.08)


def test_the_forecast_of_many_masks_knows_where_only_noise_is_left():
    """Noise holds a tenth of the variance, so that there is nothing more to find."""

    def noisy(masks):
        noise = np.random.default_rng(masks.sum()).normal(size=len(masks))
        return np.where(masks, 1.0, -1.0)[:, :9].sum(axis=1) + noise

    run = spex.Run(40, 4100, method="spex")
    while len(masks := run.ask()):
        run.tell(masks, noisy(masks))
    forecast = run.forecast()
    assert list(forecast) == [8200, 16400]
    assert all(abs(r2 - 0.9) < 0.03 for r2 in forecast.values())


def test_a_large_explanation_leaves_the_forecast_to_its_run():
    assert spex.explain(bumpy, 16, budget=600, method="linear").forecast == {}
    run = spex.Run(16, 600, method="linear")
    run.tell(run.ask(), bumpy(run.ask()))
    assert list(run.forecast()) == [1200, 2400]
    run = spex.Run(16, 200, method="linear")
    run.tell(run.ask(), bumpy(run.ask()))
    assert run.forecast() == spex.explain(bumpy, 16, 200, method="linear").forecast


def test_all_masks_are_promised_where_that_is_what_comes_next():
    said = spex.explain(bumpy, 9, budget=200, method="gp")
    assert said.forecast[800] == 1.0 and said.forecast[400] < 1.0


def test_where_nothing_is_to_be_won_nothing_is_said():
    assert spex.explain(bumpy, 5, budget=100).forecast == {}
    assert spex.explain(lambda masks: np.ones(len(masks)), 30, budget=100).forecast == {}


def test_forecasts_are_told_and_saved(tmp_path):
    said = spex.explain(bumpy, 16, budget=200, method="gp")
    assert "expected: " in repr(said) and "with 800 evaluations" in repr(said)
    said.save(tmp_path / "e.json")
    assert spex.Explanation.load(tmp_path / "e.json").forecast == said.forecast


def test_an_explanation_keeps_no_value_function_alive():
    class Function:
        def __call__(self, masks):
            return bumpy(masks)

    f = Function()
    gone = weakref.ref(f)
    explanation = spex.explain(f, 16, budget=100, method="linear")
    del f
    gc.collect()
    assert gone() is None
    assert explanation.forecast.keys() == {200, 400}
