"""Explanation.to_shapiq: the values of shapiq's exact computer, and every plot that shapiq has."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapiq
import shapiq.plot

import spex
from spex.errors import ArgumentError

N = 5
GAME = np.random.default_rng(7).normal(size=1 << N) + 3.0
CASES = [(index, 1) for index in ("SV", "BV")] + [
    (index, order)
    for index in ("SII", "k-SII", "BII", "STII", "FSII", "FBII", "Moebius")
    for order in (1, 2, 3, N)
]


def game(masks):
    return GAME[masks @ (1 << np.arange(masks.shape[1]))]


@pytest.fixture(scope="module")
def exact():
    return spex.explain(game, N, budget=1 << N)


@pytest.fixture(scope="module")
def sparse():
    """Of 60 features, six matter."""

    def value(masks):
        return 2.0 * masks[:, 0] * masks[:, 1] * masks[:, 50] - masks[:, 5] + masks[:, 8]

    return spex.explain(value, 60, budget=500, method="spex")


@pytest.mark.parametrize(("index", "order"), CASES)
def test_agrees_with_the_exact_computer(exact, index, order):
    found = exact.to_shapiq(index, order)
    theirs = shapiq.ExactComputer(game, n_players=N)(index, order)
    # Its Moebius transform is always of order n.
    expected = {key: theirs[key] for key in theirs.interactions if len(key) <= order}
    assert set(found.interactions) == set(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-6), key
    assert found.baseline_value == pytest.approx(theirs.baseline_value)
    assert found.index == theirs.index
    assert (found.min_order, found.max_order, found.n_players) == (0, order, N)
    assert found.estimated is False and found.estimation_budget == 1 << N
    assert [found.values[found.interaction_lookup[key]] for key in expected] == [
        found[key] for key in expected
    ]


@pytest.mark.parametrize("index", ["SV", "k-SII", "STII", "FSII"])
def test_the_values_of_an_efficient_index_sum_to_the_prediction(sparse, index):
    values = sparse.to_shapiq(index).values
    assert values.sum() == pytest.approx(sparse.predict(np.ones((1, 60), dtype=bool))[0])


def test_an_estimate_says_so_and_lists_zeros_of_first_order(sparse):
    found = sparse.to_shapiq("FBII", 3)
    assert found.estimated is True and found.estimation_budget == sparse.n_evaluations <= 500
    assert found[0, 1, 50] == pytest.approx(2.0)
    assert [found[feature,] for feature in range(60)] == pytest.approx(
        [0.0] * 5 + [-1.0, 0.0, 0.0, 1.0] + [0.0] * 51
    )
    assert {(feature,) for feature in range(60)} <= set(found.interactions)
    # C(60, 2) + C(60, 3) interactions are too many to list the zeros among them.
    assert len(found) < 100 and found[2, 3] == 0.0


def test_the_copy_is_free_to_change(exact):
    exact.to_shapiq("SV")[(0,)] = 99.0
    assert exact.to_shapiq("SV")[(0,)] == pytest.approx(exact.interactions("SV")[0,])


def test_fourier_is_refused(exact):
    with pytest.raises(ArgumentError, match="'Fourier' does not exist in shapiq; use 'Moebius'"):
        exact.to_shapiq("Fourier")


def plots(values, labels):
    """Every plot of one set of values that shapiq 1.4.1 has, by name."""
    found = {
        "si_graph": lambda: values.plot_si_graph(feature_names=labels, show=False),
        "stacked_bar": lambda: values.plot_stacked_bar(feature_names=labels, show=False),
        "force": lambda: values.plot_force(feature_names=labels, show=False),
        "waterfall": lambda: values.plot_waterfall(feature_names=labels, show=False),
        "sentence": lambda: values.plot_sentence(labels, show=False),
        "upset": lambda: values.plot_upset(feature_names=labels, show=False),
        "bar": lambda: shapiq.plot.bar_plot([values], feature_names=labels, show=False),
    }
    if values.max_order > 1:
        found["network"] = lambda: values.plot_network(feature_names=labels, show=False)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("FBII", 2), ("k-SII", 3), ("SII", 2)])
@pytest.mark.parametrize("which", ["exact", "sparse"])
def test_every_plot_draws(request, which, index, order):
    explanation = request.getfixturevalue(which)
    labels = [f"feature{number}" for number in range(explanation.n_features)]
    for name, draw in plots(explanation.to_shapiq(index, order), labels).items():
        assert draw() is not None, name
        figure = plt.gcf()
        assert any(axes.has_data() or axes.texts for axes in figure.axes), name
        plt.close("all")


def test_plots_of_several_explanations(exact):
    other = spex.explain(lambda masks: masks[:, 0] * masks[:, 3], N, budget=1 << N)
    both = [exact.to_shapiq("FBII", 2), other.to_shapiq("FBII", 2)]
    assert shapiq.plot.bar_plot(both, show=False) is not None
    plt.close("all")
    rows = np.random.default_rng(0).normal(size=(2, N))
    assert shapiq.plot.beeswarm_plot(both, rows, show=False) is not None
    plt.close("all")


def test_the_force_plot_ends_at_the_prediction(exact):
    exact.to_shapiq("SV").plot_force(show=False)
    shown = [text.get_text() for text in plt.gcf().axes[0].texts]
    plt.close("all")
    assert f"{GAME[-1]:.2f}" in shown
