"""Each measure against hand-computed values, brute force, or the definition."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import spex
from spex.evaluate.asking import Values
from spex.evaluate.items import as_items
from spex.evaluate.masks import DISTRIBUTIONS, fresh_masks
from spex.evaluate.measures.agreement import agreement
from spex.evaluate.measures.curves import Curves, soft_masks, step_counts
from spex.evaluate.measures.faithfulness import Faithfulness, lds, r2
from spex.evaluate.measures.measure import Cell
from spex.evaluate.measures.pairs import Pairs, audit_masks, effect_errors, effects
from spex.evaluate.measures.pictures import joint_part, localisation
from spex.evaluate.measures.ranking import feature_scores, top_interactions
from spex.evaluate.measures.recovery import Recovery, recovery_at
from spex.evaluate.measures.removal import Removal
from spex.evaluate.method import Attribution
from spex.evaluate.methods import METHODS
from spex.values.source import as_source


def all_masks(n):
    return np.array(list(itertools.product([False, True], repeat=n)))


def random_spectrum(n, count, seed, order=3):
    rng = np.random.default_rng(seed)
    found = {(): float(rng.normal())}
    while len(found) < count:
        size = rng.integers(1, order + 1)
        found[tuple(sorted(rng.choice(n, size, replace=False).tolist()))] = float(rng.normal())
    return spex.Spectrum.from_mapping(found, n)


def cell(function, n, spectrum, annotated=None, explanation=None, method="linear"):
    (item,) = as_items(function, n)
    item = spex.evaluate.Item(item.name, n, item.make, annotated)
    attribution = Attribution(spectrum, 1, 0.0, explanation=explanation)
    values = Values(as_source(function, n))
    return Cell(item, values, METHODS[method], 50, 0, 0, lambda seed: attribution)


def by_name(metrics):
    return {(one.name, one.at): one.value for one in metrics}


def test_r2_and_lds_by_hand():
    actual, predicted = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 1.0])
    assert r2(actual, predicted) == pytest.approx(1 - 4 / 5)
    # Ranks of predicted: 1, 2.5, 4, 2.5. Spearman is Pearson's of the ranks.
    ranks = np.array([1, 2.5, 4, 2.5])
    assert lds(actual, predicted) == pytest.approx(np.corrcoef([1, 2, 3, 4], ranks)[0, 1])
    assert lds(actual, np.full(4, 7.0)) == 0
    assert math.isnan(r2(np.full(4, 0.1 + 0.2), predicted))
    assert math.isnan(lds(np.full(4, 1.0), predicted))


def reported(function, guess, r2, interval):
    spectrum = spex.Spectrum.from_mapping(guess, 6)
    asked = cell(function, 6, spectrum)
    says = replace(asked.attribution, r2=r2, r2_interval=interval)
    return by_name(Faithfulness(64).measure(replace(asked, explain=lambda seed: says)))


def test_an_interval_that_ends_at_the_measured_r2_holds_it():
    exact = {(): 1.0, (0,): 2.0, (1, 2): -1.0}
    truth = spex.Spectrum.from_mapping(exact, 6)
    off = {**exact, (0,): 2.0 + 1e-6}  # R2 is 1 - 2e-13
    assert reported(truth.predict, off, 1.0, (1.0, 1.0))["r2_covered", None] == 1
    assert reported(truth.predict, {**exact, (0,): 2.1}, 1.0, (1.0, 1.0))["r2_covered", None] == 0
    assert math.isnan(reported(truth.predict, off, 1.0, (math.nan, math.nan))["r2_covered", None])


def test_the_error_of_the_measurement_counts_too():
    """Right R2 and its interval, measured on few masks: nine in ten agree, not fewer."""
    truth = random_spectrum(12, 30, 1)
    guess = spex.Spectrum.from_mapping(dict(list(truth.items())[: len(truth) // 2]), 12)
    masks = fresh_masks(12, 1 << 12, "uniform", np.random.default_rng(0))
    exact = r2(truth.predict(masks), guess.predict(masks))
    asked = cell(truth.predict, 12, guess)
    says = replace(asked.attribution, r2=exact, r2_interval=(exact, exact))
    agree = [
        by_name(
            Faithfulness(60, test_seed=seed).measure(replace(asked, explain=lambda seed: says))
        )["r2_covered", None]
        for seed in range(200)
    ]
    assert 0.84 < np.mean(agree) < 0.96


def test_an_interval_over_other_masks_is_not_judged():
    truth = random_spectrum(6, 12, 0)
    for distribution, is_judged in [("uniform", True), ("size", False), ("near-full", False)]:
        explained = spex.explain(truth.predict, 6, budget=64)
        asked = cell(truth.predict, 6, explained.spectrum)
        says = replace(asked.attribution, r2=1.0, r2_interval=(1.0, 1.0), explanation=explained)
        asked = replace(asked, explain=lambda seed, says=says: says)
        found = by_name(Faithfulness(64, distribution).measure(asked))
        assert math.isnan(found["r2_covered", None]) != is_judged, distribution


def test_a_constant_has_no_r2_and_no_scores():
    found = reported(lambda masks: np.full(len(masks), 0.3), {(): 0.3}, 1.0, (1.0, 1.0))
    assert len(found) == 4 and all(map(math.isnan, found.values()))
    rounding = {(i,): 1e-17 * (i + 1) for i in range(6)} | {(): 0.3}
    constant = cell(
        lambda masks: np.full(len(masks), 0.3), 6, spex.Spectrum.from_mapping(rounding, 6)
    )
    found = by_name(Curves(sanity=True).measure(constant))
    assert found["range", None] == 0
    for name in ("deletion_area", "insertion_area", "unused", "asymmetry", "noise_similarity"):
        assert math.isnan(found[name, None]), name
    assert math.isnan(found["necessity", 0.5])
    assert not feature_scores(constant.attribution.spectrum).any()
    assert top_interactions(constant.attribution.spectrum, 3) == []


def test_rounding_ranks_nothing():
    actual = np.repeat([1.0, 2.0], 500)
    predicted = actual + 1e-15 * np.random.default_rng(0).normal(size=1000)
    assert lds(actual, predicted) == pytest.approx(1.0)


def test_faithfulness_over_all_masks_is_exact():
    truth, guess = random_spectrum(6, 12, 0), random_spectrum(6, 5, 1)
    found = by_name(Faithfulness(64).measure(cell(truth.predict, 6, guess)))
    masks = all_masks(6)
    assert found["r2", None] == pytest.approx(r2(truth.predict(masks), guess.predict(masks)))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_fresh_masks_are_of_their_distribution(distribution):
    masks = fresh_masks(40, 4000, distribution, np.random.default_rng(0))
    sizes = masks.sum(axis=1)
    # Every feature alike: a share of 1/2, 1/2, and 1 - 3 / 40; 4 standard errors of 4,000 masks.
    expected = {"uniform": 0.5, "size": 0.5, "near-full": 1 - 3 / 40}[distribution]
    assert np.abs(masks.mean(axis=0) - expected).max() < 4 * 0.5 / math.sqrt(4000)
    if distribution == "size":
        counts = np.bincount(sizes, minlength=41)
        assert len(counts) == 41 and np.abs(counts - 4000 / 41).max() < 5 * math.sqrt(4000 / 41)
    if distribution == "near-full":
        assert (sizes.min(), sizes.max()) == (35, 39)


def test_unknown_distribution():
    with pytest.raises(spex.ArgumentError, match="near-full"):
        Faithfulness(distribution="full")


def test_agreement_is_that_over_all_masks():
    a, b = random_spectrum(7, 15, 2), random_spectrum(7, 9, 3)
    masks = all_masks(7)
    found = agreement(a, b, k=5)
    assert found.r2 == pytest.approx(r2(a.predict(masks), b.predict(masks)))
    assert found.correlation == pytest.approx(np.corrcoef(a.predict(masks), b.predict(masks))[0, 1])
    assert agreement(a, a).r2 == agreement(a, a).overlap == 1
    with pytest.raises(spex.ArgumentError, match="7 and 5"):
        agreement(a, random_spectrum(5, 3, 0))


@pytest.mark.parametrize("seed", range(3))
def test_removal_is_the_best_set_by_brute_force(seed):
    n, truth, guess = 8, random_spectrum(8, 20, seed), random_spectrum(8, 12, seed + 50)
    found = by_name(Removal(3).measure(cell(truth.predict, n, guess)))
    whole = np.ones((1, n), dtype=bool)
    for r in (1, 2, 3):
        masks = np.array(
            [[i not in gone for i in range(n)] for gone in itertools.combinations(range(n), r)]
        )
        changes = np.abs(guess.predict(masks) - guess.predict(whole))
        best = masks[changes.argmax()][None]
        change = abs(truth.predict(whole) - truth.predict(best))[0]
        assert found["surrogate", r] == pytest.approx(changes.max())
        assert found["absolute", r] == pytest.approx(change)
        assert found["relative", r] == pytest.approx(change / abs(truth.predict(whole)[0]))
        assert found["exact", r] == 1


def test_drop_removes_the_highest_scores():
    weights = np.array([1.0, -5.0, 3.0, 2.0])
    truth = spex.Spectrum.from_mapping({(i,): -w / 2 for i, w in enumerate(weights)}, 4)
    found = by_name(Removal(10).measure(cell(lambda m: m @ weights, 4, truth)))
    assert [found["drop", r] for r in (1, 2, 3, 4)] == pytest.approx([3, 5, 6, 1])
    assert found["absolute", 1] == pytest.approx(5)
    assert ("drop", 5) not in found


def test_recovery_by_hand():
    ranked = [(0, 1), (2,), (1, 2, 3)]
    assert recovery_at(ranked, {1, 2}, 1) == 1 / 2
    assert recovery_at(ranked, {1, 2}, 2) == (1 / 2 + 1) / 2
    assert recovery_at(ranked, {1, 2}, 3) == pytest.approx((1 / 2 + 1 + 2 / 3) / 3)
    assert recovery_at(ranked, {1, 2}, 6) == pytest.approx((1 / 2 + 1 + 2 / 3) / 6)


def test_recovery_of_a_marginal_method_is_that_of_its_features():
    # f = 4 x0 + 3 x1 + 2 x2 + x3: the largest are 0, 1, 2, 3.
    spectrum = spex.Spectrum.from_mapping({(i,): -(4 - i) / 2 for i in range(4)}, 5)
    found = by_name(Recovery(3).measure(cell(spectrum.predict, 5, spectrum, (1, 4))))
    assert [found["recovery", r] for r in (1, 2, 3)] == pytest.approx([0, 1 / 2, 1 / 3])
    assert [found["recall", r] for r in (1, 2, 3)] == [0, 1 / 2, 1 / 2]
    assert [found["precision", r] for r in (1, 2, 3)] == pytest.approx([0, 1 / 2, 1 / 3])
    assert found["chance", None] == 2 / 5


def test_recovery_needs_annotations():
    with pytest.raises(spex.ArgumentError, match="no annotated"):
        Recovery().check(as_items(lambda m: m[:, 0], 3)[0])


@pytest.mark.parametrize("base", [[1, 1, 1, 1], [1, 0, 0, 1]])
def test_effects_are_discrete_derivatives(base):
    base = np.array(base, dtype=bool)
    truth = random_spectrum(4, 10, 5)
    masks = audit_masks(base)
    assert len(masks) == len(np.unique(masks, axis=0)) == 1 + 4 + 6
    singles, pairs = effects(base, truth.predict(masks))

    def at(**changed):
        mask = base.copy()
        for name, present in changed.items():
            mask[int(name[1:])] = present
        return truth.predict(mask[None])[0]

    for i in range(4):
        assert singles[i] == pytest.approx(at(**{f"x{i}": True}) - at(**{f"x{i}": False}))
    for value, (i, j) in zip(pairs, itertools.combinations(range(4), 2), strict=True):
        terms = [
            (1 if a == b else -1) * at(**{f"x{i}": a, f"x{j}": b})
            for a in (True, False)
            for b in (True, False)
        ]
        assert value == pytest.approx(sum(terms))


def test_pairs_of_the_truth_and_of_an_additive_guess():
    n = 6
    truth = spex.Spectrum.from_mapping({(0, 1): 1.0, (2, 3): -0.5, (4,): 2.0, (5,): 1.0}, n)
    right = by_name(Pairs(1).measure(cell(truth.predict, n, truth)))
    for base in (0, 1):
        assert right["pair_ndcg", base] == pytest.approx(1)
        assert right["pair_signs", base] == right["single_signs", base] == 1
        assert right["pair_error", base] == pytest.approx(0, abs=1e-12)
    additive = truth.keep(truth.orders == 1)
    found = by_name(Pairs().measure(cell(truth.predict, n, additive)))
    assert found["pair_signs", 0] == 0
    # The effects of the pairs are 4 F: 4 and 2 among 15, of which nothing is said.
    assert found["pair_error", 0] == found["pair_size", 0] == pytest.approx(6 / 15)
    # All pairs tie: on average, each of the 15 places has a gain of 6 / 15.
    discounts = 1 / np.log2(np.arange(10) + 2)
    best = 4 * discounts[0] + 2 * discounts[1]
    assert found["pair_ndcg", 0] == pytest.approx(6 / 15 * discounts.sum() / best)


def test_the_one_pair_of_two_features_has_a_sign_and_no_ranking():
    both = spex.Spectrum.from_mapping({(): 0.25, (0,): -0.25, (1,): -0.25, (0, 1): 0.25}, 2)
    found = by_name(Pairs().measure(cell(both.predict, 2, both)))
    assert found["pair_signs", 0] == 1 and found["pair_size", 0] == 1
    assert found["pair_error", 0] == pytest.approx(0)
    assert math.isnan(found["pair_ndcg", 0])
    shown = spex.evaluate.pairs(both.predict, 2, "ridge", budgets=4).to_markdown()
    assert "undefined: all effects are 0, or there are no two to rank" in shown


def test_intervals_of_an_exact_explanation_hold_the_effects():
    truth = random_spectrum(6, 12, 7)
    exact = spex.explain(truth.predict, 6, budget=64)
    found = by_name(Pairs().measure(cell(truth.predict, 6, exact.spectrum, explanation=exact)))
    assert found["single_covered", 0] == found["pair_covered", 0] == 1


def test_effect_errors_are_those_of_moebius_coefficients():
    truth = random_spectrum(12, 40, 8, order=4)
    e = spex.explain(truth.predict, 12, budget=150, method="proxyspex")
    members = [(0,), (3,), (0, 1), (2, 7)]
    moebius = e.interactions("Moebius")
    expected = [moebius.standard_error(one) for one in members]
    assert effect_errors(e, members) == pytest.approx(expected)
    assert min(expected) > 0


def test_curves_of_an_additive_function_by_hand():
    weights = np.array([4.0, 3.0, 2.0, 1.0])
    spectrum = spex.Spectrum.from_mapping({(i,): -w / 2 for i, w in enumerate(weights)}, 4)
    for sign in (1, -1):  # the order is towards the score of the whole input
        signed = spex.Spectrum(4, spectrum.support, sign * spectrum.coefficients)
        found = by_name(Curves().measure(cell(lambda m, s=sign: s * (m @ weights), 4, signed)))
        assert found["range", None] == sign * 10
        shares = [found["deletion", at] for at in (0, 0.25, 0.5, 0.75, 1)]
        assert shares == pytest.approx([1, 0.6, 0.3, 0.1, 0])
        assert found["deletion_area", None] == pytest.approx((0.5 + 0.6 + 0.3 + 0.1) / 4)
        assert found["insertion_area", None] == pytest.approx(1 - found["deletion_area", None])
        assert found["sufficiency", 0.5] > 0.5 < found["necessity", 0.5]


def test_curves_of_a_score_that_does_not_move():
    spectrum = spex.Spectrum.from_mapping({(0, 1): 1.0}, 4)
    found = by_name(Curves().measure(cell(lambda m: (m[:, 0] ^ m[:, 1]) * 1.0, 4, spectrum)))
    assert found.pop(("range", None)) == 0
    assert len(found) == 8 and all(map(math.isnan, found.values()))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_soft_masks_choose_the_same_share(share):
    rng = np.random.default_rng(0)
    for scores in (rng.exponential(size=30) ** 4, rng.normal(size=30), np.zeros(30)):
        p = soft_masks(scores, share)
        assert p.sum() == pytest.approx(30 * share)
        assert p.min() >= 0 and p.max() <= 1 + 1e-12
        order = np.argsort(np.maximum(scores, 0))
        assert (np.diff(p[order]) >= -1e-12).all()


def test_steps():
    assert step_counts(3).tolist() == [0, 1, 2, 3]
    assert len(step_counts(1000)) == 21 and step_counts(1000)[-1] == 1000


def test_sanity_of_a_method_that_is_right_and_of_one_that_is_not():
    weights = np.arange(1.0, 7.0)

    def additive(masks):
        return masks @ weights + 3.0 * masks[:, 0] * masks[:, 5]

    right = cell(additive, 6, spex.explain(additive, 6, budget=64).spectrum, method="gp")
    found = by_name(Curves(sanity=True).measure(right))
    assert found["unused", None] < 0.02 and found["asymmetry", None] < 0.1

    class Constant:
        name = "constant"

        def attribute(self, function, n_features, budget, seed):
            scores = {(i,): float(i + 1) for i in range(n_features)}
            return Attribution(spex.Spectrum.from_mapping(scores, n_features), 0, 0.0)

    wrong = Cell(right.item, right.values, Constant(), 50, 0, 0, right.explain)
    found = by_name(Curves(sanity=True).measure(wrong))
    assert found["unused", None] == 1 and found["asymmetry", None] > 0
    assert abs(found["noise_similarity", None]) > 0.9


def test_localisation_beside_the_centre():
    regions = np.repeat(np.repeat(np.arange(16).reshape(4, 4), 10, 0), 10, 1)
    target = regions == 15  # in the corner
    scores = np.zeros(16)
    scores[15], scores[0], scores[3] = 3.0, 1.0, -2.0
    found = localisation(scores, regions, target)
    assert found.mass == pytest.approx(0.75) and found.hit == 1
    assert found.area == pytest.approx(1 / 16)
    assert found.centre_hit == 0 and found.centre_mass < found.area
    middle = np.isin(regions, [5, 6, 9, 10])
    assert localisation(scores, regions, middle).centre_mass > 0.4
    with pytest.raises(spex.ArgumentError, match="mark where"):
        localisation(scores, regions, np.zeros_like(target))
    with pytest.raises(spex.ArgumentError, match="scores hold nan"):
        localisation(np.full(16, math.nan), regions, target)
    # Scores that are all alike point at every region, and so at none.
    assert localisation(np.zeros(16), regions, regions == 0).hit == pytest.approx(1 / 16)


def test_joint_part_is_the_sum_of_the_spanning_dividends():
    spectrum = random_spectrum(6, 20, 9)
    found = joint_part(spectrum, [0, 2, 3])
    dividends = {
        k: sum(
            (-1) ** (len(k) - size) * spectrum.predict(
                np.array([[i in part for i in range(6)]])
            )[0]
            for size in range(len(k) + 1)
            for part in itertools.combinations(k, size)
        )
        for size in range(7)
        for k in itertools.combinations(range(6), size)
    }  # fmt: skip
    first = {0, 2, 3}
    spanning = [value for k, value in dividends.items() if first & set(k) and set(k) - first]
    assert found.joint == pytest.approx(sum(spanning))
    whole, none = spectrum.predict(np.array([[True] * 6, [False] * 6]))
    assert found.first + found.second + found.joint == pytest.approx(whole - none)
    for outside in (6, -1):
        with pytest.raises(spex.ArgumentError, match=f"feature {outside}; there are 0 to 5"):
            joint_part(spectrum, [0, outside])
