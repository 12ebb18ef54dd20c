"""ShapiqApproximator: inside shapiq's explainers, against its exact computer, and its errors."""

import pickle
import warnings

import numpy as np
import pytest
import shapiq
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

import spex
from spex.errors import ArgumentError
from spex.interop import ShapiqApproximator

INDICES = [
    ("SV", 1), ("BV", 1), ("SII", 2), ("BII", 2), ("k-SII", 3), ("STII", 2), ("FSII", 2),
    ("FBII", 2),
]  # fmt: skip


class Product(shapiq.Game):
    """v = 5 + 2 x + y z, less its normalisation."""

    def __init__(self, normalization_value=5.0, names=("x", "y", "z")):
        super().__init__(3, normalization_value=normalization_value, player_names=names)

    def value_function(self, coalitions):
        return 5 + 2.0 * coalitions[:, 0] + coalitions[:, 1] * coalitions[:, 2]


@pytest.fixture(scope="module")
def forest():
    data = load_diabetes()
    return RandomForestRegressor(10, random_state=0).fit(data.data, data.target), data.data


@pytest.mark.parametrize(("index", "order"), INDICES)
def test_exact_where_the_budget_allows(forest, index, order):
    model, rows = forest
    imputer = shapiq.BaselineImputer(model.predict, rows[:50], rows[0])
    found = ShapiqApproximator(10, index, order).approximate(1024, imputer)
    exact = shapiq.ExactComputer(imputer, n_players=10)(index, order)
    size = np.abs(exact.values).max()
    # shapiq leaves out some zeros that spex lists, and reads them as zero.
    for key in set(found.interactions) | set(exact.interactions):
        assert found[key] == pytest.approx(exact[key], abs=1e-6 * size), key
    assert found.index == exact.index and not found.estimated
    assert found.baseline_value == pytest.approx(exact.baseline_value, abs=1e-6 * size)


@pytest.mark.parametrize(
    ("explainer", "index", "order"),
    [
        (shapiq.TabularExplainer, "SV", 1),
        (shapiq.Explainer, "k-SII", 2),
        (shapiq.TabularExplainer, "FBII", 2),
    ],
)
def test_inside_explainers(forest, explainer, index, order):
    model, rows = forest
    approximator = ShapiqApproximator(10, index, order, random_state=0)
    explain = explainer(
        model.predict,
        rows[:50],
        imputer="baseline",
        approximator=approximator,
        index=index,
        max_order=order,
    )
    assert explain.approximator is approximator
    found = explain.explain(rows[0], budget=300)
    assert found.estimated and found.estimation_budget == 300
    exact = shapiq.ExactComputer(explain.imputer, n_players=10)(index, order)
    keys = [key for key in exact.interactions if key]
    theirs, ours = (np.array([each[key] for key in keys]) for each in (exact, found))
    assert ((ours - theirs) ** 2).sum() < 0.05 * (theirs**2).sum()
    first, _ = explain.explain_X(rows[:2], budget=300, random_state=0)
    assert first.interactions == found.interactions


def test_random_state():
    def game(coalitions):
        return np.tanh(coalitions @ np.linspace(-1, 1, 12)) + coalitions[:, 3] * coalitions[:, 4]

    fixed = ShapiqApproximator(12, random_state=3)
    first = fixed(60, game)
    assert first.interactions == fixed(60, game).interactions
    assert first.interactions == pickle.loads(pickle.dumps(fixed))(60, game).interactions
    fixed.set_random_state(4)
    assert first.interactions != fixed(60, game).interactions
    free = ShapiqApproximator(12)
    assert free(60, game).interactions != free(60, game).interactions


def test_many_players_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        approximator = ShapiqApproximator(2000, random_state=0)
    found = approximator.approximate(600, lambda m: 2.0 * m[:, 3] + m[:, 7] * m[:, 9])
    assert found[3,] == pytest.approx(2) and found[7, 9] == pytest.approx(1)


def test_defaults():
    approximator = ShapiqApproximator(3)
    assert (approximator.index, approximator.max_order) == ("FBII", 2)
    assert ShapiqApproximator(3, "sv").max_order == 1
    assert ShapiqApproximator(1).max_order == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n=0; it must be a whole number of at least 1"),
        ({"index": "Moebius"}, "shapiq does not approximate index='Moebius'"),
        ({"index": "CHII"}, "index='CHII' is not known"),
        ({"index": "SV", "max_order": 2}, "max_order=2 does not exist for index='SV'"),
        ({"max_order": 5}, "max_order=5 does not exist for index='FBII' and 4 players; use 1 to 4"),
        ({"max_order": 0}, "max_order=0"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ShapiqApproximator(**({"n": 4} | arguments))


def test_a_game_of_other_players():
    with pytest.raises(ArgumentError, match="4 labels for a value function of 3 features"):
        ShapiqApproximator(4).approximate(8, Product())
    with pytest.raises(ArgumentError, match="budget and game alone"):
        ShapiqApproximator(3).approximate(8, Product(), verbose=True)


# --- the other way: a game of shapiq in spex.explain ---------------------------------------------


def test_a_game_is_explained_as_it_is():
    explanation = spex.explain(Product(), budget=8)
    assert explanation.features == ("x", "y", "z")
    values = explanation.interactions("Moebius")
    assert dict(values) == pytest.approx({(0,): 2.0, (1, 2): 1.0})
    assert values.baseline == pytest.approx(0.0)
    assert spex.explain(Product(2.0), budget=8).interactions("SV").baseline == pytest.approx(3.0)


def test_a_games_labels():
    assert spex.explain(Product(names=None), budget=8).features == ("0", "1", "2")
    assert spex.explain(Product(), ["a", "b", "c"], budget=8).features == ("a", "b", "c")
    with pytest.raises(ArgumentError, match="2 labels for a value function of 3 features"):
        spex.explain(Product(), 2, budget=8)


def test_a_game_of_stored_values():
    game = Product()
    game.precompute()
    assert game.precomputed
    found = spex.explain(game, budget=8).to_shapiq("FBII", 2)
    exact = shapiq.ExactComputer(game)("FBII", 2)
    assert found.interactions == pytest.approx(exact.interactions)
