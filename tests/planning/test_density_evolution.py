import itertools
import math

import numpy as np
import pytest

from spex.fourier.evidence import NOISE_FLOOR, noise_of_bins
from spex.planning.density_evolution import Graph, _Population, density_evolution

THRESHOLD = 0.818  # coefficients per bin of three groups, without noise
ORDERS = [1, 2, 2, 3, 2, 3, 4, 2, 1, 5, 2]


def predict(graph, amplitudes, orders=3, noise=0.0, seed=0, **options):
    orders = np.resize(np.asarray(orders), len(amplitudes))
    rng = np.random.default_rng(seed)
    return density_evolution(graph, np.asarray(amplitudes), orders, noise, rng, **options)


def peeling_share(load, n_groups):
    """The share of coefficients recovered where only those alone in a bin are found.

    The textbook recursion x <- (1 - exp(-load x))^(C - 1) from x = 1 for the share of unresolved
    edges (Richardson & Urbanke, chapter 3; Li et al. 2015); load is K / 2^b.
    """
    unresolved, before = 1.0, 2.0
    while before - unresolved > 1e-13:
        before, unresolved = unresolved, (-math.expm1(-load * unresolved)) ** (n_groups - 1)
    return 1.0 - (-math.expm1(-load * unresolved)) ** n_groups


def decaying(count):
    return np.arange(1, count + 1) ** -0.65


# ---- the noiseless limit


@pytest.mark.parametrize(("n_groups", "threshold"), [(2, 0.5), (3, THRESHOLD), (4, 0.772)])
def test_peeling_threshold(n_groups, threshold):
    """Per bin of all groups; Molloy 2005 for three and four, the giant component for two."""
    below, above = ((1 + d) * threshold * n_groups for d in (-0.002, 0.002))
    assert peeling_share(below, n_groups) == pytest.approx(1, abs=1e-6)
    assert peeling_share(above, n_groups) < 1 - 1e-6


def test_one_group_recovers_what_is_alone_in_its_bin():
    assert peeling_share(0.7, 1) == pytest.approx(math.exp(-0.7))
    assert peeling_share(0.0, 3) == 1.0


@pytest.fixture
def known_noise(monkeypatch):
    """The theory takes the noise, here none, to be known; the decoder estimates it from the bins.

    With four offsets and no empty bins it would find nothing.
    """
    monkeypatch.setattr("spex.planning.density_evolution.noise_of_bins", lambda *_: 0.0)


@pytest.mark.usefixtures("known_noise")
@pytest.mark.parametrize("load", [0.5, 0.75, 0.9, 1.2])
def test_equal_amplitudes_without_noise_follow_the_classical_recursion(load):
    """With four offsets, only a coefficient that is alone in a bin stands out."""
    graph = Graph(1000, (8, 8, 8), n_offsets=4, t=5, exhaustive_order=5)
    count = round(load * 3 * 256)
    found = [predict(graph, np.ones(count), seed=seed).recovered for seed in range(3)]
    assert np.mean(found) == pytest.approx(peeling_share(count / 256, 3), abs=0.03)


@pytest.mark.usefixtures("known_noise")
def test_threshold_of_the_population():
    graph = Graph(1000, (8, 8, 8), n_offsets=4, t=5, exhaustive_order=5)

    def share(load):
        count = round(load * 3 * 256)
        return np.mean([predict(graph, np.ones(count), seed=s).recovered for s in range(3)])

    assert share(THRESHOLD - 0.05) > 0.99
    assert share(THRESHOLD + 0.05) < 0.6


# ---- against a simulation with real signs, bins and noise


def simulate(graph, amplitudes, orders, noise, rng):
    """Peel a random bipartite graph: the decoder's rule, told which coefficients there are."""
    count, n_offsets = len(amplitudes), graph.n_offsets
    signs = rng.choice([-1.0, 1.0], size=(count, n_offsets))
    numbers = [rng.integers(1 << b, size=count) for b in graph.log2_bins]
    noises = np.array([[noise / (1 << b) + 1e-20] for b in graph.log2_bins])
    n_bins = np.exp2(graph.log2_bins)
    bins = []
    for b, number, variance in zip(graph.log2_bins, numbers, noises, strict=True):
        bins.append(np.sqrt(variance) * rng.normal(size=(1 << b, n_offsets)))
        np.add.at(bins[-1], number, signs * amplitudes[:, None])
    logs = np.array([math.log(math.comb(graph.n_features, d)) for d in orders])
    price = logs + 0.5 * math.log(graph.n_groups * n_offsets)
    left = np.ones(count, dtype=bool)
    while True:
        of_bins = [(rows**2).mean(axis=1) * size for rows, size in zip(bins, n_bins, strict=True)]
        estimate = noise_of_bins(np.concatenate(of_bins), n_offsets)
        floors = NOISE_FLOOR * np.maximum(estimate / n_bins, 1e-20)[:, None]
        views = [signs * rows[number] for rows, number in zip(bins, numbers, strict=True)]
        means = np.array([view.mean(axis=1) for view in views])
        energy = np.array([(view**2).mean(axis=1) for view in views])
        variance = np.maximum(energy - means**2, floors)
        for _ in range(3):
            fitted = (means / variance).sum(axis=0) / (1 / variance).sum(axis=0)
            variance = np.maximum(energy - 2 * fitted * means + fitted**2, floors)
        ratio = np.log(np.maximum(energy, floors) / variance).sum(axis=0) * (n_offsets - 1) / 2
        right = (np.array(views) > 0).sum(axis=2) >= n_offsets - 1
        candidate = (orders <= graph.exhaustive_order) | (right.any(axis=0) & (orders <= graph.t))
        found = np.bincount(orders[~left], minlength=orders.max() + 1)
        accepted = left & candidate & (ratio > price - np.log1p(found)[orders])
        if not accepted.any():
            return 1 - left.mean(), 1 - (amplitudes[left] ** 2).sum() / (amplitudes**2).sum()
        left &= ~accepted
        for rows, number in zip(bins, numbers, strict=True):
            np.subtract.at(rows, number[accepted], (signs * amplitudes[:, None])[accepted])


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("count", [30, 150, 400])
@pytest.mark.parametrize(
    "graph",
    [
        Graph(64, (5, 5, 4), n_offsets=36, t=5, exhaustive_order=5),
        Graph(64, (7, 7, 7), n_offsets=13, t=2, exhaustive_order=3),
        Graph(1000, (8, 7, 7), n_offsets=51, t=5, exhaustive_order=5),
    ],
    ids=["few bins", "lower order", "many features"],
)
def test_simulation_agrees(graph, count, noise):
    rng = np.random.default_rng(count)
    amplitudes, orders = decaying(count), np.resize(ORDERS, count)
    variance = noise / (1 - noise) * (amplitudes**2).sum()
    runs = [simulate(graph, amplitudes, orders, variance, rng) for _ in range(1500 // count)]
    recovered, explained = np.mean(runs, axis=0)
    predictions = [predict(graph, amplitudes, ORDERS, variance, seed) for seed in range(3)]
    assert np.mean([p.recovered for p in predictions]) == pytest.approx(recovered, abs=0.05)
    assert np.mean([p.explained for p in predictions]) == pytest.approx(explained, abs=0.05)


def test_smallest_designs_take_interference_for_noise():
    """No bin is empty there, and with the noise taken to be known all would be recovered."""
    graph = Graph(64, (4, 3, 3), n_offsets=8, t=1, exhaustive_order=4)
    rng = np.random.default_rng(0)
    orders = np.resize([1, 2, 3, 4], 30)
    runs = [simulate(graph, np.ones(30), orders, 0.0, rng)[0] for _ in range(200)]
    shares = [predict(graph, np.ones(30), orders, seed=seed).recovered for seed in range(5)]
    assert np.mean(runs) < 0.5
    assert np.mean(shares) == pytest.approx(np.mean(runs), abs=0.15)
    easier = Graph(64, (6, 5, 5), n_offsets=22, t=3, exhaustive_order=4)
    assert predict(easier, np.ones(30), orders).recovered == 1.0


def test_simulation_agrees_where_each_bin_is_decoded_alone():
    """One group: there is nothing to average with, which the simulation does not do."""
    graph = Graph(1000, (8,), n_offsets=51, t=5, exhaustive_order=2)
    rng = np.random.default_rng(0)
    amplitudes, orders = decaying(100), np.resize(ORDERS, 100)
    for noise in (0.0, 1.0, 5.0):
        runs = [simulate(graph, amplitudes, orders, noise, rng)[0] for _ in range(30)]
        predictions = [predict(graph, amplitudes, ORDERS, noise, s).recovered for s in range(3)]
        assert np.mean(predictions) == pytest.approx(np.mean(runs), abs=0.05)


# ---- laws


@pytest.fixture
def graph():
    return Graph(64, (6, 6, 5), n_offsets=36, t=5, exhaustive_order=3)


def test_more_noise_recovers_less(graph):
    amplitudes = decaying(100)
    shares = [predict(graph, amplitudes, ORDERS, s2).recovered for s2 in (0, 0.1, 0.5, 2, 10, 100)]
    assert shares[0] == 1
    assert all(a >= b - 0.01 for a, b in itertools.pairwise(shares))
    assert shares[-1] < 0.05


@pytest.mark.parametrize("noise", [0.2, 2.0])
def test_more_bins_recover_more(noise):
    shares = [
        predict(Graph(64, (b, b, b), 36, 5, 3), decaying(200), ORDERS, noise).recovered
        for b in range(1, 10)
    ]
    assert all(a <= b + 0.01 for a, b in itertools.pairwise(shares))
    assert shares[0] < 0.1 and shares[-1] > 0.5


def test_more_coefficients_are_harder(graph):
    shares = [predict(graph, decaying(k), ORDERS, 0.3).recovered for k in (10, 50, 200, 1000, 5000)]
    assert all(a >= b - 0.01 for a, b in itertools.pairwise(shares))


def test_rounds_only_add(graph):
    rng = np.random.default_rng(0)
    population = _Population(graph, decaying(200), np.resize(ORDERS, 200), 0.1, 200, rng)
    by_round = []
    while population.decode():
        by_round.append(population.recovered)
    assert len(by_round) > 2 and (np.diff(by_round) >= 0).all()
    assert by_round[-1] == predict(graph, decaying(200), ORDERS, 0.1).recovered


def test_large_coefficients_come_first(graph):
    prediction = predict(graph, decaying(300), ORDERS, 0.5)
    assert prediction.explained > prediction.recovered


def test_unit_and_sign_do_not_matter(graph):
    amplitudes = decaying(150)
    one = predict(graph, amplitudes, ORDERS, 0.1)
    other = predict(graph, -1e6 * amplitudes, ORDERS, 1e12 * 0.1)
    assert one.recovered == pytest.approx(other.recovered, abs=1e-3)
    assert one.explained == pytest.approx(other.explained, abs=1e-3)


def test_same_seed_same_prediction(graph):
    one, other = (predict(graph, decaying(150), ORDERS, 0.1, seed=4) for _ in range(2))
    assert one == other


def test_orders_out_of_reach_are_never_recovered(graph):
    assert predict(graph, np.ones(4), [1, 2, 5, 6]).recovered == 0.75
    lower = Graph(64, (6, 6, 6), n_offsets=7, t=1, exhaustive_order=0)
    assert predict(lower, np.ones(2), [1, 2]).recovered == pytest.approx(0.5, abs=0.01)


def test_decoding_needs_clearer_bins_than_enumeration():
    amplitudes = decaying(60)
    listed, coded = (
        predict(Graph(1000, (6, 6, 6), 51, 5, order), amplitudes, ORDERS, 1.0).recovered
        for order in (5, 1)
    )
    assert coded < listed - 0.05


def test_a_sample_stands_for_any_number_of_coefficients(graph):
    amplitudes = np.abs(np.random.default_rng(0).normal(size=2000))
    for count in (20, 300):
        few = [
            predict(
                graph, amplitudes[:count] if s is None else amplitudes[s : s + count], ORDERS, 1
            )
            for s in range(0, 1000, 200)
        ]
        sample = predict(graph, amplitudes, ORDERS, 1.0, n_coefficients=count)
        assert sample.recovered == pytest.approx(np.mean([p.recovered for p in few]), abs=0.05)


# ---- edges


def test_no_coefficients(graph):
    prediction = predict(graph, np.zeros(0))
    assert (prediction.recovered, prediction.explained) == (1.0, 1.0)


def test_one_coefficient(graph):
    assert predict(graph, [1.0]).recovered == 1.0
    assert predict(graph, [1.0], noise=1e9).recovered < 0.01


def test_coefficients_of_zero_are_not_found(graph):
    prediction = predict(graph, np.zeros(10), ORDERS)
    assert (prediction.recovered, prediction.explained) == (0.0, 1.0)
    assert predict(graph, [1.0, 0.0], 1).recovered == 0.5


def test_one_feature():
    smallest = Graph(1, (1,), n_offsets=2, t=1, exhaustive_order=1)
    assert predict(smallest, [1.0], 1).recovered == 1.0
    assert 0 <= predict(smallest, [1.0], 1, noise=100.0).recovered <= 1
    assert predict(Graph(1, (0,), 1, 0, 1), [1.0], 1).recovered == 1.0


def test_very_many_coefficients_are_predicted_from_a_sample(graph):
    prediction = predict(graph, decaying(200_000), ORDERS, 0.0)
    assert prediction.recovered < 0.01
    assert 0.2 < prediction.explained < 1
