"""Explanation.to_shap: shap's own values of a model, additivity, and the plots of shap."""

import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import shap
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

import spex


def length(texts):
    return [len(str(text)) - 6.0 * ("never fails" in str(text)) for text in texts]


def of_text(masker):
    return spex.explain(spex.PredictFunction(masker, length), budget=1 << masker.n_features)


@pytest.fixture(scope="module")
def forest():
    data = load_diabetes(as_frame=True)
    model = RandomForestRegressor(10, random_state=0).fit(data.data, data.target)
    return model, data.data


@pytest.fixture(scope="module")
def of_row(forest):
    model, rows = forest
    table = spex.Table(rows.iloc[0], rows.iloc[100:110])
    return spex.explain(spex.PredictFunction(table, model), budget=1024)


def test_agrees_with_shaps_exact_explainer(forest, of_row):
    model, rows = forest
    masker = shap.maskers.Independent(rows.iloc[100:110].to_numpy(), max_samples=10)
    predict = type(model).predict

    def of_array(array):
        return predict(model, type(rows)(array, columns=rows.columns))

    exact = shap.explainers.Exact(of_array, masker)(rows.iloc[[0]].to_numpy())[0]
    found = of_row.to_shap()
    np.testing.assert_allclose(found.values, exact.values, atol=1e-9)
    assert found.base_values == pytest.approx(float(exact.base_values))


def test_values_add_up_to_the_prediction():
    def value(masks):
        return np.tanh(masks @ np.linspace(-1, 1, 12)) + masks[:, 3] * masks[:, 4]

    explanation = spex.explain(value, 12, budget=200)
    found = explanation.to_shap()
    ends = explanation.predict([[False] * 12, [True] * 12])
    assert found.base_values == pytest.approx(ends[0])
    assert found.base_values + found.values.sum() == pytest.approx(ends[1])
    assert found.values.shape == (12,) and found.values.dtype == np.float64


def test_features_that_do_not_matter_are_zero():
    found = spex.explain(lambda masks: masks[:, 1], 3, budget=8).to_shap()
    assert found.values.tolist() == pytest.approx([0, 1, 0], abs=1e-12)
    assert found.data is None and list(found.feature_names) == ["0", "1", "2"]


def test_a_row_has_its_labels(of_row, forest):
    found = of_row.to_shap()
    assert found.data is None and list(found.feature_names) == list(of_row.features)


def test_a_text_has_its_units_with_the_spaces_between():
    found = of_text(spex.Text("It  never fails\nto do", prompt="Say: {input}")).to_shap()
    assert found.data.tolist() == ["It  ", "never ", "fails\n", "to ", "do"]
    assert list(found.feature_names) == ["word 1", "word 2", "word 3", "word 4", "word 5"]


def test_stretches_that_are_no_unit_are_marked():
    found = of_text(spex.Text("a-b-c", unit=r"regex:[a-z]")).to_shap()
    assert found.data.tolist() == ["a … ", "b … ", "c"]
    assert list(found.feature_names) == ["part 1", "part 2", "part 3"]


def test_documents_keep_their_titles():
    documents = spex.Documents([("A", "Big."), ("B", "Old.")], question="Which?", unit="document")
    found = of_text(documents).to_shap()
    assert found.data.tolist() == ["Big.\n", "Old."]
    assert list(found.feature_names) == ["A", "B"]


def test_it_survives_saving(tmp_path):
    explanation = of_text(spex.Text("It never fails"))
    explanation.save(tmp_path / "e.json")
    loaded = spex.Explanation.load(tmp_path / "e.json").to_shap()
    assert loaded.data.tolist() == explanation.to_shap().data.tolist()
    np.testing.assert_array_equal(loaded.values, explanation.to_shap().values)


@pytest.mark.parametrize("kind", ["row", "text"])
def test_plots_draw(kind, of_row):
    found = of_row.to_shap() if kind == "row" else of_text(spex.Text("It never fails")).to_shap()
    shap.plots.bar(found, show=False)
    shown = " ".join(label.get_text() for label in plt.gcf().axes[0].get_yticklabels())
    assert ("bmi" if kind == "row" else "never") in shown
    plt.close("all")
    shap.plots.waterfall(found, show=False)
    end = found.base_values + found.values.sum()
    ticks = [label.get_text() for axes in plt.gcf().axes for label in axes.get_xticklabels()]
    numbers = re.findall(r"= ?(-?[0-9.]+)", " ".join(ticks))
    assert any(float(number) == pytest.approx(end, rel=1e-2) for number in numbers), ticks
    plt.close("all")
    shap.plots.force(found, matplotlib=True, show=False)
    assert plt.gcf().axes[0].texts
    plt.close("all")


def test_the_text_plot_shows_the_text():
    page = shap.plots.text(of_text(spex.Text("It never fails")).to_shap(), display=False)
    assert all(word in page for word in ("It", "never", "fails"))


def test_a_picture_by_its_regions():
    pixels = np.random.default_rng(0).random((12, 16, 3))
    picture = spex.Image(pixels, unit="grid:3x2", operator="grey")
    value = spex.PredictFunction(picture, lambda pictures: pictures[:, :6, :5].mean(axis=(1, 2, 3)))
    found = spex.explain(value, budget=64).to_shap()
    assert found.data is None
    of_pixels = found.values[picture.regions]
    assert np.abs(of_pixels[:6, :5]).min() > 1e-4 > np.abs(of_pixels[6:]).max()
    shap.plots.image(of_pixels[None, ..., None], pixels[None], show=False)
    assert len(plt.gcf().axes[1].images) >= 1
    plt.close("all")
