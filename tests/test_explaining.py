import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spex
from spex.fitting.methods import METHODS
from spex.fourier.mask_design import DRAWN_OF_SPEX, coded_design


def sparse(n, count, order, seed):
    rng = np.random.default_rng(seed)
    coefficients = {(): float(rng.normal())}
    while len(coefficients) < count:
        k = tuple(sorted(rng.choice(n, rng.integers(1, order + 1), replace=False).tolist()))
        coefficients[k] = float(rng.normal())
    return spex.Spectrum.from_mapping(coefficients, n)


def true_r2(function, explanation, count=2000, seed=99):
    masks = np.random.default_rng(seed).random((count, explanation.n_features)) < 0.5
    values = function(masks)
    return 1 - ((values - explanation.predict(masks)) ** 2).mean() / values.var()


class Recorder:
    """Counts what is asked for."""

    def __init__(self, function):
        self.function = function
        self.asked = []
        self.calls = 0

    def __call__(self, masks):
        assert masks.dtype == np.bool_
        self.calls += 1
        self.asked += [mask.tobytes() for mask in masks]
        return self.function(masks)


def bumpy(masks):
    """Nonlinear in every feature."""
    weights = np.sin(np.arange(1, masks.shape[1] + 1))
    return np.tanh(masks @ weights) + 0.3 * masks[:, 0] * masks[:, 1]


# ---- exact -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(1, 9))
def test_exact_agrees_with_the_definition(n):
    table = np.random.default_rng(n).normal(size=1 << n)
    powers = 1 << np.arange(n)
    explanation = spex.explain(lambda masks: table[masks @ powers], n, budget=1 << n)
    assert explanation.method == "exact"
    assert explanation.n_evaluations == 1 << n
    assert explanation.r2 == 1.0 and explanation.r2_interval == (1.0, 1.0)
    found = dict(explanation.spectrum.items())
    for order in range(n + 1):
        for k in itertools.combinations(range(n), order):
            bits = sum(1 << i for i in k)
            signs = np.array([(-1) ** (bits & m).bit_count() for m in range(1 << n)])
            assert found[k] == pytest.approx((signs * table).mean(), abs=1e-12)
    every = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)
    assert np.allclose(explanation.predict(every), table, atol=1e-12)


def test_exact_needs_every_mask():
    with pytest.raises(spex.ArgumentError, match=r"2\^12 = 4096"):
        spex.explain(bumpy, 12, budget=4095, method="exact")
    with pytest.raises(spex.ArgumentError, match=r"2\^3000"):
        spex.explain(bumpy, 3000, budget=4095, method="exact")


def test_linear_over_all_masks_is_the_part_of_order_one():
    exact = spex.explain(bumpy, 8, budget=256)
    linear = spex.explain(bumpy, 8, budget=256, method="linear")
    assert linear.spectrum.degree == 1
    assert dict(linear.spectrum.items()) == {k: v for k, v in exact.spectrum.items() if len(k) <= 1}
    every = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(bool)
    values = bumpy(every)
    error = values - linear.predict(every)
    assert linear.r2 == pytest.approx(1 - (error**2).mean() / values.var())


# ---- the budget ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [m for m in METHODS if m != "exact"])
@pytest.mark.parametrize(("n", "budget"), [(9, 150), (9, 511), (20, 333), (70, 400)])
def test_budget_is_a_cap_and_no_mask_is_evaluated_twice(method, n, budget):
    function = Recorder(bumpy)
    explanation = spex.explain(function, n, budget=budget, method=method)
    assert len(function.asked) == len(set(function.asked)) == explanation.n_evaluations == budget
    assert function.calls < budget / 4
    assert explanation.method == method or method == "auto"


@pytest.mark.parametrize("n", [2, 5, 13])
def test_every_small_budget_works(n):
    for budget in range(max(4, 2 * n), min(2 * n + 60, (1 << n) + 2), 1 if n < 5 else n):
        function = Recorder(bumpy)
        explanation = spex.explain(function, n, budget=budget)
        assert len(function.asked) == len(set(function.asked)) == min(budget, 1 << n)
        assert np.isfinite(explanation.predict(np.ones((1, n), dtype=bool))).all()
        assert np.isfinite(explanation.r2)


@pytest.mark.parametrize("n", [3, 5, 13, 40, 65])
def test_spex_takes_every_budget_from_twice_the_features(n):
    """Every budget that buys the first masks of a design, and the last one before that."""
    everyone = range(2 * n, 2 * n + 300 if n > 5 else 1 << n)
    designs = [coded_design(DRAWN_OF_SPEX, n, budget, 0, 5, 0) for budget in everyone]
    keys = [design and (design.code.t, design.log2_bins) for design in designs]
    edges = [i for i in range(len(keys)) if i in (0, len(keys) - 1) or keys[i] != keys[i - 1]]
    for budget in sorted({everyone[j] for i in edges for j in (max(i - 1, 0), i)}):
        function = Recorder(bumpy)
        explanation = spex.explain(function, n, budget=budget, method="spex")
        assert len(function.asked) == len(set(function.asked)) == min(budget, 1 << n)
        assert np.isfinite(explanation.predict(np.eye(n, dtype=bool))).all()
        assert np.isfinite(explanation.r2)


def test_a_larger_budget_asks_for_every_mask_of_a_smaller():
    small, large = Recorder(bumpy), Recorder(bumpy)
    spex.explain(small, 30, budget=200, method="gp")
    spex.explain(large, 30, budget=300, method="gp")
    assert set(small.asked) <= set(large.asked)


# ---- recovery and honesty -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "count"), [(64, 50), (1000, 100)])
def test_spex_recovers_sparse_functions(n, count, seed):
    spectrum = sparse(n, count, 4, seed)
    explanation = spex.explain(spectrum.predict, n, budget=7000, method="spex", seed=seed)
    assert true_r2(spectrum.predict, explanation) > 0.9999
    assert explanation.r2 > 0.9999
    expected = dict(spectrum.items())
    largest = explanation.interactions("Fourier").top(10)
    assert all(value == pytest.approx(expected[k], abs=1e-6) for k, value in largest)


def test_auto_is_as_good_as_its_best_part():
    spectrum = sparse(64, 50, 4, 0)
    auto = spex.explain(spectrum.predict, 64, budget=7000)
    assert auto.method == "spex"
    assert true_r2(spectrum.predict, auto) > 0.9999
    linear = spex.explain(lambda m: m @ np.arange(40.0), 40, budget=300)
    assert true_r2(lambda m: m @ np.arange(40.0), linear) > 0.9999
    assert set(linear.scores) >= {"linear"}


def test_auto_finds_interactions_with_few_masks():
    function = sparse(40, 15, 3, 4).predict
    auto = spex.explain(function, 40, budget=400)
    linear = spex.explain(function, 40, budget=400, method="linear")
    assert auto.method != "linear"
    assert true_r2(function, auto) > true_r2(function, linear) + 0.2


@pytest.mark.parametrize("method", ["linear", "gp", "proxyspex", "spex", "auto"])
def test_r2_is_about_the_truth(method):
    spectrum = sparse(40, 60, 2, 8)
    explanation = spex.explain(spectrum.predict, 40, budget=500, method=method)
    low, high = explanation.r2_interval
    assert low < explanation.r2 < high or explanation.r2 == low == high == 1.0
    assert abs(explanation.r2 - true_r2(spectrum.predict, explanation)) < 0.06


def test_r2_of_noise_is_not_above_zero():
    rng = np.random.default_rng(0)
    explanation = spex.explain(lambda m: rng.normal(size=len(m)), 40, budget=400)
    assert explanation.r2 < 0.05
    assert explanation.r2_interval[0] < 0


def test_target_r2_stops_early():
    function = Recorder(sparse(40, 15, 2, 1).predict)
    explanation = spex.explain(function, 40, budget=20_000, target_r2=0.9)
    assert explanation.n_evaluations == len(function.asked) == len(set(function.asked)) <= 2000
    assert explanation.r2_interval[0] >= 0.9
    assert true_r2(function.function, explanation) > 0.9


def test_target_r2_out_of_reach_spends_the_budget_and_no_more():
    rng = np.random.default_rng(0)
    function = Recorder(lambda m: rng.normal(size=len(m)))
    explanation = spex.explain(function, 30, budget=500, target_r2=0.9, method="linear")
    assert explanation.n_evaluations == len(function.asked) == len(set(function.asked)) == 500


def test_target_r2_with_spex_keeps_the_cap():
    function = Recorder(bumpy)
    spex.explain(function, 60, budget=3000, target_r2=0.99999, method="spex")
    assert len(function.asked) == len(set(function.asked)) <= 3000


@pytest.mark.parametrize("method", ["linear", "gp", "proxyspex", "spex", "auto"])
def test_same_seed_same_bits(method):
    runs = [spex.explain(bumpy, 14, budget=110, method=method, seed=3) for _ in range(2)]
    assert json.dumps(runs[0].to_dict()) == json.dumps(runs[1].to_dict())
    other = spex.explain(bumpy, 14, budget=110, method=method, seed=4)
    assert other.to_dict() != runs[0].to_dict()


def test_global_random_state_is_left_alone():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    spex.explain(bumpy, 20, budget=300)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_spex_says_when_it_lowers_the_order():
    explanation = spex.explain(bumpy, 64, budget=200, method="spex")
    assert "interactions of order above 4" in explanation.notes[0]
    assert spex.explain(bumpy, 64, budget=2000, method="spex").notes == ()
    with pytest.raises(spex.ArgumentError, match="give at least 11"):
        spex.explain(bumpy, 64, budget=5, method="spex")


# ---- simple functions ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 8, 80])
@pytest.mark.parametrize("method", ["auto", "linear", "gp", "proxyspex", "spex"])
def test_a_constant_has_no_interactions(n, method):
    explanation = spex.explain(lambda m: np.full(len(m), 3.25), n, budget=300, method=method)
    if n < 80:  # all masks are known
        assert explanation.r2 == 1.0 and explanation.notes == ()
    else:
        assert np.isnan(explanation.r2) and np.isnan(explanation.r2_interval).all()
        assert "All 300 masks have the same value" in explanation.notes[-1]
        assert "the same at all 300 masks evaluated" in repr(explanation)
    assert explanation.interactions().top(5) == []
    assert len(explanation.interactions()) == 0
    assert explanation.predict(np.ones((1, n), dtype=bool))[0] == pytest.approx(3.25)


def test_parity_of_all_features_ends():
    explanation = spex.explain(lambda m: (-1.0) ** m.sum(axis=1), 30, budget=600)
    assert explanation.r2 < 0.3


@given(st.integers(0, 2**31), st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
@settings(max_examples=20, deadline=None)
def test_shift_and_scale(seed, shift, scale):
    table = np.random.default_rng(seed).normal(size=32)
    powers = 1 << np.arange(5)
    plain = spex.explain(lambda m: table[m @ powers], 5, budget=32)
    moved = spex.explain(lambda m: shift + scale * table[m @ powers], 5, budget=32)
    for k, value in plain.interactions("BII").items():
        tolerance = 1e-10 * (abs(shift) + scale)
        assert moved.interactions("BII").get(k, 0.0) == pytest.approx(scale * value, abs=tolerance)


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": 0}, "features=0"),
        ({"features": []}, "0 features"),
        ({"features": None}, "features is missing"),
        ({"features": "some words"}, "one string"),
        ({"features": 2.5}, "whole number"),
        ({"features": 20_000}, "1 to 16384"),
        ({"budget": 0}, "budget=0"),
        ({"budget": -5}, "budget=-5"),
        ({"budget": 10.5}, "budget=10.5"),
        ({"budget": True}, "budget=True"),
        ({"budget": 3}, "too small"),
        ({"method": "magic"}, "auto, exact, gp, linear, proxyspex, spex"),
        ({"max_degree": 0}, "max_degree=0"),
        ({"seed": -1}, "seed=-1"),
        ({"target_r2": 0.0}, "target_r2"),
        ({"target_r2": 1.5}, "target_r2"),
        ({"f": 3}, "callable"),
        ({"method": "spex", "budget": 5}, "buys no coded masks"),
    ],
)
def test_wrong_arguments_say_what_and_the_limit(arguments, message):
    call = {"f": bumpy, "features": 30, "budget": 100} | arguments
    with pytest.raises(spex.ArgumentError, match=message.replace("^", r"\^")) as caught:
        spex.explain(**call)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m: np.where(m[:, 0], np.nan, 1.0), "nan"),
        (lambda m: np.where(m[:, 0], np.inf, 1.0), "inf"),
        (lambda m: m.sum(axis=1) + 1j, "real"),
        (lambda m: m.astype(float)[:, :, None], "shape"),
        (lambda m: 1.0, "shape"),
        (lambda m: [1.0], "shape"),
        (lambda m: None, "shape"),
        (lambda m: ["a"] * len(m), "real numbers"),
        (lambda m: [[1.0], 2.0], "no array|shape"),
    ],
)
@pytest.mark.parametrize("n", [5, 40])
def test_wrong_values_are_refused(function, message, n):
    with pytest.raises(spex.ValueFunctionError, match=message):
        spex.explain(function, n, budget=100)


def test_labels_and_predict_are_checked():
    explanation = spex.explain(bumpy, ["a", "b", "c"], budget=8)
    assert explanation.features == ("a", "b", "c")
    for masks in (np.ones((2, 4), dtype=bool), np.ones(3, dtype=bool), np.full((1, 3), 2)):
        with pytest.raises(spex.ArgumentError, match="masks"):
            explanation.predict(masks)
    assert explanation.predict([[1, 0, 1]]).shape == (1,)


def test_an_error_of_the_function_passes_through():
    def broken(masks):
        raise RuntimeError("the server is down")

    with pytest.raises(RuntimeError, match="the server is down"):
        spex.explain(broken, 5, budget=32)


def test_progress_tells_calls_and_r2():
    seen = []
    spex.explain(bumpy, 30, budget=300, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 300
    assert seen[-1].r2 is not None
    assert [p.done for p in seen] == sorted(p.done for p in seen)


# ---- files ---------------------------------------------------------------------------------------


def test_save_and_load(tmp_path):
    explanation = spex.explain(bumpy, [f"ü{i}" for i in range(20)], budget=300)
    explanation.save(tmp_path / "e.json")
    again = spex.Explanation.load(tmp_path / "e.json")
    assert again.to_dict() == explanation.to_dict()
    masks = np.random.default_rng(0).random((50, 20)) < 0.5
    assert np.array_equal(again.predict(masks), explanation.predict(masks))
    assert dict(again.interactions("SII", 2)) == dict(explanation.interactions("SII", 2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("[1, 2]", "no explanation"),
        ('{"format": "other"}', "no explanation"),
        ('{"format": "spex-explanation", "format_version": 99}', "version 99"),
        ('{"format": "spex-explanation", "format_version": 1}', "damaged"),
    ],
)
def test_foreign_files_are_refused(tmp_path, content, message):
    path = tmp_path / "e.json"
    path.write_text(content)
    with pytest.raises(spex.FileFormatError, match=message):
        spex.Explanation.load(path)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(spex.FileFormatError, match="cannot read"):
        spex.Explanation.load(tmp_path / "missing.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(spex.FileFormatError, match="not JSON"):
        spex.Explanation.load(tmp_path / "binary.json")
    explanation = spex.explain(bumpy, 3, budget=8)
    with pytest.raises(spex.ArgumentError, match="cannot write"):
        explanation.save(tmp_path / "nowhere" / "e.json")


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d["spectrum"].append([[99], 1.0]),
        lambda d: d["spectrum"].append([[1, 0], 1.0]),
        lambda d: d["spectrum"].append([[0], "x"]),
        lambda d: d.update(features=3),
        lambda d: d.update(r2="good"),
        lambda d: d.pop("context"),
    ],
)
def test_damaged_files_are_refused(tmp_path, damage):
    content = spex.explain(bumpy, 3, budget=8).to_dict()
    damage(content)
    (tmp_path / "e.json").write_text(json.dumps(content))
    with pytest.raises(spex.FileFormatError, match="damaged"):
        spex.Explanation.load(tmp_path / "e.json")


@pytest.mark.parametrize("method", ["auto", "spex", "proxyspex"])
def test_values_whose_squares_overflow_are_refused(method):
    with pytest.raises(spex.ValueFunctionError, match=r"1e\+160 .* limit is 1e\+100"):
        spex.explain(lambda masks: 1e160 * masks[:, 0], 20, budget=200, method=method)
    assert spex.explain(lambda masks: 1e90 * masks[:, 0], 20, budget=200, method=method).r2 > 0.99


@pytest.mark.parametrize("method", [m for m in METHODS if m != "exact"])
def test_the_unit_of_the_values_does_not_matter(method):
    spectrum = sparse(24, 15, 2, 6)
    noise = np.random.default_rng(0).normal(size=1 << 12)

    def noisy(masks):
        return spectrum.predict(masks) + noise[masks[:, :12] @ (1 << np.arange(12))]

    usual = spex.explain(noisy, 24, budget=250, method=method)
    for unit in (2.0**-300, 2.0**300):
        other = spex.explain(lambda m, unit=unit: unit * noisy(m), 24, budget=250, method=method)
        assert other.r2 == pytest.approx(usual.r2, abs=1e-9)
        assert dict(other.spectrum.items()) == pytest.approx(
            {k: unit * value for k, value in usual.spectrum.items()}, rel=1e-6
        )


def test_values_whose_squares_vanish_are_refused():
    def tiny(masks):
        return 1e-200 * (masks[:, 0] + masks[:, 1] * masks[:, 2])

    for n, budget in ((30, 100), (5, 32)):
        with pytest.raises(spex.ValueFunctionError, match="logarithms"):
            spex.explain(tiny, n, budget=budget)
    constant = spex.explain(lambda masks: np.full(len(masks), 1e-200), 30, budget=100)
    assert np.isnan(constant.r2) and constant.predict(np.ones((1, 30), dtype=bool)) == [1e-200]


def test_wrong_calls_name_the_remedy():
    class Classifier:
        def predict(self, rows):
            raise AssertionError

    with pytest.raises(spex.ArgumentError, match=r"takes inputs, not masks; explain spex\.Predict"):
        spex.explain(Classifier(), 4)
    with pytest.raises(spex.ArgumentError, match="progress=5; give True, False, or a function"):
        spex.explain(lambda masks: masks.sum(axis=1), 4, 16, progress=5)


@pytest.mark.parametrize(
    "wrong", [{"limits": 0}, {"limits": {"calls": 9}}, {"faults": 3}, {"store": ["a"]}]
)
def test_an_argument_of_another_type_is_named(wrong):
    text = spex.Text("It rains. I stay.\n\nYou go. He may.")
    f = spex.PredictFunction(text, lambda texts: [0.0] * len(texts))
    ((name, value),) = wrong.items()
    for call in (
        lambda: spex.explain(f, budget=16, **wrong),
        lambda: spex.explain_many({"one": f}, budget=16, **wrong),
        lambda: spex.zoom(f, "paragraph", budget=16, **wrong),
    ):
        with pytest.raises(spex.ArgumentError, match="; give ") as error:
            call()
        assert str(error.value).startswith(f"{name}={value!r}; give ")
