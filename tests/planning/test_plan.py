import numpy as np
import pytest

import spex
from spex.f2.packing import unpack
from spex.fourier.mask_design import DRAWN_OF_SPEX, coded_design
from spex.fourier.peeling import decode
from spex.fourier.spectrum import Spectrum
from spex.planning.plan import order_shares, plan


def by_count(offer):
    return {recovery.n_coefficients: recovery for recovery in offer.recoveries}


@pytest.fixture(scope="module")
def usual():
    return plan(64, 2000)


def test_offers_are_the_budget_and_its_multiples(usual):
    assert [offer.budget for offer in usual.offers] == [2000, 4000, 8000]
    assert usual.budget == 2000 and usual.recoveries == usual.offers[0].recoveries
    for offer in usual.offers:
        assert not offer.exact
        assert 0 < offer.n_coded < offer.budget
        assert [f.n_coefficients for f in offer.recoveries] == [10, 20, 50, 100, 200, 500, 1000]
        for recovery in offer.recoveries:
            assert 0 <= recovery.recovered <= 1
            assert 0 <= recovery.explained <= 0.9
        assert 10 <= offer.most_nearly_all < offer.most_half


def test_design_is_that_of_an_explanation(usual):
    design = coded_design(DRAWN_OF_SPEX, 64, 2000, 0, 5, 0)
    graph = usual.offers[0].graph
    assert graph.log2_bins == tuple(len(rows) for rows in design.matrices)
    assert graph.n_offsets == len(design.offsets)
    assert len(design.masks) <= usual.offers[0].n_coded


def test_more_budget_recovers_more(usual):
    for less, more in zip(usual.offers, usual.offers[1:], strict=False):
        assert less.most_nearly_all < more.most_nearly_all
        assert less.most_half < more.most_half
        for count, recovery in by_count(less).items():
            assert recovery.recovered <= by_count(more)[count].recovered + 0.02


def test_more_noise_recovers_less():
    quiet, noisy, hopeless = (plan(50, 1000, 3, noise) for noise in (0.0, 0.3, 0.99))
    for a, b in ((quiet, noisy), (noisy, hopeless)):
        assert a.offers[0].most_half > b.offers[0].most_half
        for count, recovery in by_count(a.offers[0]).items():
            assert recovery.recovered >= by_count(b.offers[0])[count].recovered - 0.02
            assert recovery.explained > by_count(b.offers[0])[count].explained


def test_lower_orders_are_easier():
    low, high = (plan(200, 1500, degree).offers[0] for degree in (1, 5))
    assert low.most_nearly_all > high.most_nearly_all


@pytest.mark.parametrize(("n", "budget", "noise"), [(64, 4000, 0.1), (200, 12_000, 0.5)])
def test_decoding_recovers_what_was_predicted(n, budget, noise):
    count, recovered = 50, []
    offer = plan(n, budget, 4, noise).offers[0]
    rng = np.random.default_rng(0)
    for seed in range(3):
        design = coded_design(DRAWN_OF_SPEX, n, budget, 0, 4, seed)
        coefficients = {}
        orders = 1 + rng.choice(4, p=order_shares(n, 4, count), size=count)
        for rank, order in enumerate(orders, 1):
            k = tuple(sorted(rng.choice(n, order, replace=False).tolist()))
            coefficients[k] = float(rng.choice([-1, 1]) * rank**-0.65)
        energy = sum(value**2 for value in coefficients.values())
        values = Spectrum.from_mapping(coefficients, n).predict(unpack(design.masks, n))
        values += np.sqrt(noise / (1 - noise) * energy) * rng.normal(size=len(values))
        found = decode(design, values, 4).spectrum.interactions
        recovered.append(len(coefficients.keys() & set(found)) / len(coefficients))
    assert np.mean(recovered) == pytest.approx(by_count(offer)[count].recovered, abs=0.12)


# ---- what the assumed function looks like


@pytest.mark.parametrize(
    ("n", "degree", "count"), [(1, 1, 1), (5, 5, 31), (10, 7, 300), (64, 5, 9)]
)
def test_no_more_coefficients_of_an_order_than_there_are(n, degree, count):
    shares = order_shares(n, degree, count)
    assert shares.shape == (degree,)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] * count <= n + 1e-9


def test_orders_are_those_of_published_spectra():
    assert order_shares(1000, 5, 10) == pytest.approx([0.249, 0.446, 0.229, 0.070, 0.006])
    assert order_shares(1000, 2, 10) == pytest.approx([0.358, 0.642], abs=1e-3)
    assert order_shares(1000, 7, 10)[6] == pytest.approx(0.0015, rel=0.02)


# ---- what would help


def advice(*arguments):
    return " ".join(plan(*arguments).advice)


def test_too_small_a_budget_is_told_the_least():
    small = plan(64, 5)
    assert small.offers[0].graph is None
    assert all(recovery.recovered == 0 for recovery in small.recoveries)
    least = int(small.advice[0].split()[-1].rstrip("."))
    assert small.advice == (f"The least budget that buys a coded design is {least}.",)
    assert "buys up to 8 coded masks: 1 bin of 8 values" in str(plan(64, least))
    assert plan(64, least - 1).offers[0].graph is None


def test_orders_that_are_not_decoded_are_told():
    sentence = plan(1000, 600).advice[0]
    assert sentence.startswith("Interactions above order ")
    least = int(sentence.split()[-2].replace(",", ""))
    assert plan(1000, least).offers[0].order == 5
    assert plan(1000, least - 1).offers[0].order < 5


def test_noise_or_collisions_limit(usual):
    assert "noise hides the small ones" in " ".join(usual.advice)
    assert "too many fall into one bin" in advice(64, 300, 3, 0.0)
    assert "recovers 95 % of up to" in " ".join(usual.advice)


def test_lower_order_is_advised_where_it_explains_more():
    text = advice(5000, 6000, 5, 0.02)
    assert "Searching up to order" in text and "would explain more" in text


# ---- edges


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_everything_evaluated_is_exact(n):
    made = plan(n, 1 << n)
    assert all(offer.exact for offer in made.offers)
    assert all(recovery.explained == 1 for recovery in made.recoveries)
    assert made.advice == ()
    assert "every coefficient is exact" in str(made)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
def test_every_budget_has_a_plan(n):
    for budget in range(1, (1 << n) + 1, 1 + (1 << n) // 6):
        made = plan(n, budget)
        assert all(0 <= recovery.recovered <= 1 for recovery in made.recoveries)
        assert str(made)


def test_many_features_and_low_order():
    made = plan(10_000, 20_000, 2)
    assert made.max_degree == 2
    assert by_count(made.offers[0])[20].recovered > 0.95


def test_same_seed_same_plan(usual):
    assert plan(64, 2000) == usual
    assert spex.plan is plan and isinstance(usual, spex.Plan)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 100), "n_features=0; it must be a whole number of at least 1"),
        ((16_385, 100), "n_features=16385; at most 16384"),
        ((2.5, 100), "n_features=2.5"),
        ((True, 100), "n_features=True"),
        ((10, 0), "budget=0"),
        ((10, 100, 0), "max_degree=0"),
        ((10, 100, 5, 1.0), "noise=1.0; it is a share"),
        ((10, 100, 5, -0.1), "noise=-0.1"),
        ((10, 100, 5, float("nan")), "noise=nan"),
    ],
)
def test_wrong_arguments(arguments, says):
    with pytest.raises(spex.ArgumentError, match=says):
        plan(*arguments)
    with pytest.raises(spex.ArgumentError, match="seed=-1"):
        plan(10, 100, seed=-1)


# ---- as text


def test_text(usual):
    text = str(usual)
    assert text.startswith("64 features, interactions up to order 5, 10 % of the variance in noise")
    assert "A budget of 2,000 buys up to" in text
    assert "2,000 masks           4,000 masks           8,000 masks" in text
    assert "density evolution" in text
    table = [line for line in text.splitlines() if line.startswith(("coeff", "  "))]
    assert len(table) == 2 + 7 + 2
    assert max(map(len, table)) <= 80
