"""What shap has found, as an explanation; the oracles are shap's own explainers."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

import spex
from spex.errors import ArgumentError
from spex.interop import from_shap

shap = pytest.importorskip("shap")

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(80, 5))
TARGET = ROWS[:, 0] * ROWS[:, 1] + ROWS[:, 2]
FOREST = RandomForestRegressor(6, max_depth=4, random_state=0).fit(ROWS, TARGET)
NAMES = ["a", "b", "c", "d", "e"]


def test_shapley_values_come_back():
    found = shap.TreeExplainer(FOREST, feature_names=NAMES)(ROWS[:1])[0]
    found.feature_names = NAMES
    e = from_shap(found)
    assert e.features == tuple(NAMES) and e.spectrum.degree == 1
    values = e.interactions("SV")
    assert [values[(i,)] for i in range(5)] == pytest.approx(list(found.values))
    none, full = e.predict([[0] * 5, [1] * 5])
    assert none == pytest.approx(float(np.ravel(found.base_values)[0]))
    assert full == pytest.approx(FOREST.predict(ROWS[:1])[0])
    again = e.to_shap()
    assert again.values == pytest.approx(found.values)
    assert from_shap(again).predict([[1, 0, 1, 0, 1]]) == pytest.approx(
        e.predict([[1, 0, 1, 0, 1]])
    )


def test_interaction_values_come_back():
    explainer = shap.TreeExplainer(FOREST)
    pairs = explainer.shap_interaction_values(ROWS[:1])[0]
    base = float(np.ravel(explainer.expected_value)[0])
    e = from_shap(shap.Explanation(pairs, base_values=base))
    found = e.interactions("k-SII", 2)
    assert found[(0, 1)] == pytest.approx(2 * pairs[0, 1])
    assert found[(2,)] == pytest.approx(pairs[2, 2])
    assert e.predict([[1] * 5])[0] == pytest.approx(FOREST.predict(ROWS[:1])[0])
    # Shapley values share each pair among its two.
    shapley = e.interactions("SV")
    assert [shapley[(i,)] for i in range(5)] == pytest.approx(list(pairs.sum(axis=1)))


def test_texts_are_labels(tmp_path):
    values = shap.Explanation(np.array([1.0, -2.0]), base_values=0.5, data=np.array(["not", "bad"]))
    e = from_shap(values)
    assert e.features == ("not", "bad") and np.isnan(e.r2) and "Shapley values" in e.notes[0]
    e.save(tmp_path / "e.json")
    assert spex.Explanation.load(tmp_path / "e.json").interactions("SV")[(1,)] == -2.0
    assert from_shap(values, ["x", "y"]).features == ("x", "y")


@pytest.mark.parametrize(
    ("values", "base", "says"),
    [
        (np.ones((2, 3)), 0.0, r"shape \(2, 3\); give those of one row and one output"),
        (np.ones((3, 3)), [0.0, 1.0, 2.0], "one row and one output"),
        (np.ones(3), None, "base value is missing"),
        (np.array([1.0, np.nan]), 0.0, "not a finite number"),
        (np.triu(np.ones((3, 3))), 0.0, "not symmetric"),
        (np.ones(0), 0.0, "of 0 features"),
        (np.array([np.ones(2), np.ones(3)], dtype=object), 0.0, "not an array of numbers; give"),
    ],
)
def test_refusals(values, base, says):
    with pytest.raises(ArgumentError, match=says):
        from_shap(shap.Explanation(values, base_values=base))
    with pytest.raises(ArgumentError, match=r"give a shap\.Explanation"):
        from_shap(values)


def test_labels_that_do_not_fit():
    with pytest.raises(ArgumentError, match="give 2 labels"):
        from_shap(shap.Explanation(np.ones(2), base_values=0.0), ["a"])
