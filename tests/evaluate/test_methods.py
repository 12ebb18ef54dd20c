"""Every method of attribution: exact where it should be, held to its budget, and repeatable."""

import random

import numpy as np
import pytest

from oracles import all_masks
from spex.errors import ArgumentError
from spex.evaluate.baselines import BASELINES
from spex.evaluate.method import RefusedError
from spex.evaluate.methods import METHODS, capabilities, installed_version, methods

WEIGHTS = np.array([1.0, -2.0, 0.5, 0.0, 3.0, -1.5, 0.25, 2.0])
# Boosted trees and galois take seconds; they have tests of their own below.
SLOW = ("proxyspex", "shapiq-proxyspex", "shapiq-spex")
QUICK = [name for name in METHODS if name not in SLOW]
# A Monte Carlo estimate is off by its variance also on an additive function.
SAMPLED = ("shapiq-svarm", "shapiq-svarmiq", "shapiq-stii")
# Penalties, or no such order.
SHRUNK = ("lime", "contextcite", "lasso", "ridge", "faith-banzhaf-2")
# Those that may ask for fewer masks than the budget, each with its reason in `spends`.
FEWER = {m.name for m in METHODS.values() if m.spends}


def additive(masks):
    return 0.7 + masks @ WEIGHTS[: masks.shape[1]]


def with_pair(masks):
    return additive(masks) + 4.0 * masks[:, 1] * masks[:, 6]


def moebius(spectrum):
    """a(T) = (-2)^|T| sum_{k >= T} F(k), by the definition."""
    found = {}
    for subset, _ in spectrum.items():
        found[subset] = (-2) ** len(subset) * sum(
            value for k, value in spectrum.items() if set(subset) <= set(k)
        )
    return found


class Counting:
    def __init__(self, function):
        self.function = function
        self.masks = []

    def __call__(self, masks):
        self.masks.extend(map(bytes, np.asarray(masks, dtype=np.uint8)))
        return self.function(masks)


@pytest.mark.parametrize("name", [n for n in QUICK if n not in (*SAMPLED, *SHRUNK)])
def test_exact_on_an_additive_function(name):
    found = METHODS[name].attribute(additive, 8, 120, 0)
    masks = all_masks(8)
    np.testing.assert_allclose(found.spectrum.predict(masks), additive(masks), atol=2e-5)


@pytest.mark.parametrize("name", SAMPLED)
def test_monte_carlo_is_exact_on_all_masks(name):
    found = moebius(METHODS[name].attribute(additive, 8, 256, 0).spectrum)
    np.testing.assert_allclose([found[(i,)] for i in range(8)], WEIGHTS, atol=1e-9)


@pytest.mark.parametrize("name", SHRUNK)
def test_penalised_fits_come_close_on_an_additive_function(name):
    found = METHODS[name].attribute(additive, 8, 200, 0)
    masks = all_masks(8)
    error = found.spectrum.predict(masks) - additive(masks)
    assert (error**2).mean() < 0.01 * additive(masks).var()


@pytest.mark.parametrize(
    "name", ["shapiq-fbii", "shapiq-fsii", "shapiq-sii", "faith-banzhaf-2", "gp", "auto", "spex"]
)
def test_methods_of_order_2_find_a_pair(name):
    found = moebius(METHODS[name].attribute(with_pair, 8, 150, 0).spectrum)
    pairs = {k: v for k, v in found.items() if len(k) == 2}
    assert max(pairs, key=lambda k: abs(pairs[k])) == (1, 6)
    assert pairs[(1, 6)] == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("name", ["shapiq-svarmiq", "shapiq-stii"])
def test_monte_carlo_of_order_2_is_exact_on_all_masks(name):
    found = moebius(METHODS[name].attribute(with_pair, 8, 256, 0).spectrum)
    pairs = {k: v for k, v in found.items() if len(k) == 2}
    assert pairs[(1, 6)] == pytest.approx(4.0, abs=1e-6)
    assert all(abs(v) < 1e-6 for k, v in pairs.items() if k != (1, 6))


@pytest.mark.parametrize("name", ["kernelshap", "permutation-shap", "shapiq-kernelshap"])
def test_shapley_values_split_a_pair(name):
    """Both members of the pair get half of it; the sum is f(all) - f(none)."""
    found = METHODS[name].attribute(with_pair, 8, 256, 0).spectrum
    values = moebius(found)
    ends = found.predict(np.array([[True] * 8, [False] * 8]))
    np.testing.assert_allclose(ends, with_pair(np.array([[True] * 8, [False] * 8])), atol=1e-5)
    if name != "permutation-shap":
        assert values[(1,)] == pytest.approx(WEIGHTS[1] + 2.0, abs=1e-4)


def test_leave_one_out_is_what_is_lost():
    found = METHODS["leave-one-out"].attribute(with_pair, 8, 9, 0)
    masks = np.concatenate([np.ones((1, 8), dtype=bool), ~np.eye(8, dtype=bool)])
    np.testing.assert_allclose(found.spectrum.predict(masks), with_pair(masks))
    assert found.n_evaluations == 9


@pytest.mark.parametrize("n, budget", [(3, 7), (6, 40), (7, 1000), (12, 90), (18, 200)])
@pytest.mark.parametrize("name", QUICK)
def test_evaluations_are_those_reported_and_within_the_budget(name, n, budget):
    weights = np.random.default_rng(1).normal(size=n)
    function = Counting(lambda masks: masks @ weights + masks[:, 0] * masks[:, 1])
    try:
        found = METHODS[name].attribute(function, n, budget, 0)
    except RefusedError as error:
        assert str(budget) in f"{error}".replace(",", "") or "features or more" in str(error)
        return
    distinct = len(set(function.masks))
    assert found.n_evaluations == distinct == len(function.masks)
    assert distinct <= budget
    if name not in FEWER:
        assert distinct == min(budget, 2**n)
    assert found.spectrum.n_features == n and found.seconds >= 0


@pytest.mark.parametrize("name", QUICK)
def test_seeds_repeat_and_global_state_is_untouched(name):
    python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    runs = []
    for disturbance in (1, 2):
        function = Counting(with_pair)
        found = METHODS[name].attribute(function, 8, 60, 5)
        runs.append((found.spectrum, function.masks))
        assert random.getstate() == python
        assert np.array_equal(np.random.get_state()[1], numpy)  # noqa: NPY002
        np.random.seed(disturbance)  # noqa: NPY002
        random.seed(disturbance)
        python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert runs[0][1] == runs[1][1]
    np.testing.assert_array_equal(runs[0][0].coefficients, runs[1][0].coefficients)
    np.testing.assert_array_equal(runs[0][0].support, runs[1][0].support)


def test_methods_that_take_masks_get_the_same_ones():
    asked = {}
    for name in QUICK:
        if METHODS[name].takes_masks:
            function = Counting(lambda masks: with_pair(masks[:, :8]))
            METHODS[name].attribute(function, 20, 100, 3)
            asked[name] = sorted(function.masks)
    assert {"lime", "contextcite", "ridge", "lasso", "faith-banzhaf-2"} == asked.keys()
    assert all(masks == asked["lime"] for masks in asked.values())


@pytest.mark.slow
def test_sparse_transform_of_shapiq():
    """On a sparse function its transform is right; its design has fewer masks than the budget."""
    pair = lambda masks: 1.0 + masks[:, 3] - 2.0 * masks[:, 5] * masks[:, 7]  # noqa: E731
    function = Counting(pair)
    found = METHODS["shapiq-spex"].attribute(function, 10, 600, 0)
    assert found.n_evaluations == len(set(function.masks)) <= 600
    masks = np.random.default_rng(0).random((100, 10)) < 0.5
    np.testing.assert_allclose(found.spectrum.predict(masks), pair(masks), atol=0.05)
    with pytest.raises(RefusedError, match="budget=50 is below the smallest design"):
        METHODS["shapiq-spex"].attribute(function, 10, 50, 0)


@pytest.mark.slow
def test_boosted_trees_stay_within_the_budget():
    for name in ("proxyspex", "shapiq-proxyspex"):
        function = Counting(with_pair)
        found = METHODS[name].attribute(function, 8, 60, 0)
        assert found.n_evaluations == len(set(function.masks)) == 60


def test_refusals_name_limit_and_remedy():
    with pytest.raises(RefusedError, match="below 466, the least of shapiq-fsii for 30 features"):
        METHODS["shapiq-fsii"].attribute(additive, 30, 465, 0)
    with pytest.raises(RefusedError, match="more than 2 GB for 1,000 features and 2,000 masks"):
        METHODS["faith-banzhaf-2"].attribute(additive, 1000, 2000, 0)
    with pytest.raises(RefusedError, match="below 9, the least of leave-one-out"):
        METHODS["leave-one-out"].attribute(additive, 8, 8, 0)
    with pytest.raises(RefusedError, match="auto: "):
        METHODS["auto"].attribute(additive, 8, 1, 0)
    with pytest.raises(ArgumentError, match=r"budget=2\.5"):
        METHODS["lime"].attribute(additive, 8, 2.5, 0)


def test_trees_of_shapiq_refuse_what_they_cannot_split():
    trees = METHODS["shapiq-proxyspex"]
    function = Counting(with_pair)
    with pytest.raises(RefusedError, match="budget=39 is below 40, the least of shapiq-proxyspex"):
        trees.attribute(function, 8, 39, 0)
    with pytest.raises(RefusedError, match="takes 6 features or more, not 5"):
        trees.attribute(function, 5, 100, 0)
    assert not function.masks


@pytest.mark.slow
def test_trees_of_shapiq_refuse_a_constant():
    with pytest.raises(RefusedError, match="found nothing to split"):
        METHODS["shapiq-proxyspex"].attribute(lambda masks: np.ones(len(masks)), 8, 40, 0)


def test_errors_of_the_function_come_through():
    def broken(masks):
        raise ZeroDivisionError("of the user")

    for name in ("lime", "kernelshap", "shapiq-bv", "ridge"):
        with pytest.raises(ZeroDivisionError, match="of the user"):
            METHODS[name].attribute(broken, 8, 60, 0)


def test_names_are_parsed():
    assert [m.name for m in methods(" Auto, lime ,kernelshap")] == ["auto", "lime", "kernelshap"]
    assert [m.name for m in methods(["spex"])] == ["spex"]
    with pytest.raises(ArgumentError, match="did you mean 'kernelshap'"):
        methods("kernelshapp")
    with pytest.raises(ArgumentError, match="'zzz'; choose from auto"):
        methods(["zzz"])
    with pytest.raises(ArgumentError, match="twice"):
        methods("lime,lime")
    with pytest.raises(ArgumentError, match="no method is named"):
        methods(" ,")
    with pytest.raises(ArgumentError, match="no method 3"):
        methods([3])
    with pytest.raises(ArgumentError, match="IntegratedGradients"):
        methods("integrated-gradients")


def test_capabilities_have_a_row_for_each():
    table = capabilities()
    assert list(table["method"])[: len(METHODS)] == list(METHODS)
    assert (table["version"] != "").all() and (table["stops"] != "").all()
    rows = table.set_index("method")
    assert rows.loc["lime", "masks"] == "shared" and rows.loc["kernelshap", "masks"] == "own"
    assert rows.loc["kernelshap", "gives"] == "SV" and rows.loc["auto", "spends"] == "budget"
    assert {"integrated-gradients", "gradient-times-input"} <= set(rows.index)
    assert all(installed_version(method) for method in BASELINES)
