"""Ask and tell: any order, any part, masks never asked for; evaluations that exist already."""

import copy
import dataclasses
import json
import pickle
import re
import tracemalloc

import numpy as np
import pandas
import pytest

import spex
from spex.report.html import render_html


def bumpy(masks):
    """Nonlinear in every feature; the value of a mask is the same in any batch, to the last bit."""
    weights = np.sin(np.arange(1, masks.shape[1] + 1))
    return np.tanh((masks * weights).sum(axis=1)) + 0.3 * masks[:, 0] * masks[:, 1]


def two(masks):
    return np.stack([bumpy(masks), 1.0 * masks[:, 2] - masks[:, 0]], axis=1)


def driven(run, f, rng=None, left_out=0.0):
    """Answer one mask at a time, in random order; some never."""
    rng = rng or np.random.default_rng(0)
    silent = set()
    while len(masks := run.ask()):
        fresh = [mask for mask in masks if mask.tobytes() not in silent]
        if not fresh:
            return run
        for mask in rng.permutation(np.array(fresh)):
            if rng.random() < left_out:
                silent.add(mask.tobytes())
            else:
                run.tell(mask[None], f(mask[None]))
    return run


def content(explanation):
    found = explanation.to_dict()
    return json.dumps({k: v for k, v in found.items() if k not in ("forecast", "context")})


def uniform(n, m, seed=1):
    """Distinct uniform masks."""
    rng = np.random.default_rng(seed)
    masks = np.unique(rng.random((8 * m, n)) < 0.5, axis=0)
    return masks[rng.permutation(len(masks))[:m]]


@pytest.mark.parametrize("method", ["auto", "linear", "spex", "gp", "proxyspex"])
@pytest.mark.parametrize(("n", "budget"), [(4, 16), (10, 80), (30, 70)])
def test_order_and_portions_do_not_matter(method, n, budget):
    whole = spex.explain(bumpy, n, budget, method=method, seed=3)
    run = spex.Run(n, budget, method=method, seed=3)
    assert content(driven(run, bumpy).fit()) == content(whole)
    assert run.ask().shape == (0, n)
    assert run.n_told == whole.n_evaluations


@pytest.mark.parametrize("method", ["auto", "linear", "spex", "gp", "proxyspex"])
@pytest.mark.parametrize("n", [7, 30, 100])
@pytest.mark.parametrize("target_r2", [None, 0.9])
def test_all_features_and_none_are_asked_for_first(method, n, target_r2):
    for budget in (4, 17, 60, 90):
        try:
            run = spex.Run(n, budget, method, seed=budget, target_r2=target_r2)
        except spex.ArgumentError as error:
            assert "buys no coded masks" in str(error)
            continue
        masks = run.ask()
        assert masks[0].all() and not masks[1].any()
        assert len(np.unique(masks, axis=0)) == len(masks) <= budget


def test_the_smallest_budget_of_coded_masks_leaves_enough_to_measure_r2():
    with pytest.raises(spex.ArgumentError, match="give at least") as error:
        spex.Run(30, 8, "spex")
    least = int(str(error.value).partition("at least ")[2].partition(",")[0])
    found = spex.explain(bumpy, 30, least, method="spex")
    assert found.n_evaluations == least and not np.isnan(found.r2)


def test_the_functions_own_values_travel():
    masks = uniform(12, 60)
    ends = np.array([[True] * 12, [False] * 12])
    whole, nothing = bumpy(ends).tolist()
    assert spex.fit(masks, bumpy(masks), method="linear").observed == (None, None)
    told = np.concatenate([masks, ends[:1]])
    one = spex.fit(told, bumpy(told), method="linear")
    assert one.observed == (whole, None)
    assert spex.Explanation.from_dict(one.to_dict()).observed == (whole, None)
    old = {key: value for key, value in one.to_dict().items() if key != "observed"}
    assert spex.Explanation.from_dict(old).observed == (None, None)
    for wrong in ([1.0], [np.inf, None], ["1", None], [True, None]):
        with pytest.raises(spex.FileFormatError, match="damaged"):
            spex.Explanation.from_dict(old | {"observed": wrong})
    assert spex.explain(bumpy, 3, 8).observed == tuple(bumpy(ends[:, :3]))
    several = spex.explain(
        lambda m: np.stack([bumpy(m), 1.0 * m[:, 0]], axis=1), 12, 40, method="linear"
    )
    assert several["1"].observed == (1.0, 0.0)
    assert several.contrast("0", "1").observed == (whole - 1, nothing)


def test_stages_of_target_r2_as_explain():
    def f(masks):
        return 1.0 * masks[:, 0] * masks[:, 1] - masks[:, 3]

    whole = spex.explain(f, 40, 5000, target_r2=0.9, seed=1)
    run = driven(spex.Run(40, 5000, target_r2=0.9, seed=1), f)
    assert content(run.fit()) == content(whole)
    assert whole.n_evaluations == run.n_told < 500


def test_fits_on_the_way_change_nothing():
    whole = spex.explain(bumpy, 30, 200, method="gp", seed=1)
    run = spex.Run(30, 200, method="gp", seed=1)
    masks = run.ask()
    assert run.r2 is None
    for start in (0, 60, 120):
        run.tell(masks[start : start + 60], bumpy(masks[start : start + 60]))
        on_the_way = run.fit()
        assert on_the_way.n_evaluations == start + 60
        assert run.r2 == on_the_way.r2
    run.tell(run.ask(), bumpy(run.ask()))
    assert content(run.fit()) == content(whole)


@pytest.mark.parametrize("n", [9, 12, 40])
def test_some_never_answered(n):
    rng = np.random.default_rng(5)
    run = driven(spex.Run(n, 200, seed=2), bumpy, rng, left_out=0.2)
    assert 120 < run.n_told < 190
    explanation = run.fit()
    again = driven(spex.Run(n, 200, seed=2), bumpy, np.random.default_rng(5), left_out=0.2)
    assert content(again.fit()) == content(explanation)
    masks = uniform(n, 200, 7)
    values = bumpy(masks)
    truth = 1 - ((values - explanation.predict(masks)) ** 2).mean() / values.var()
    assert explanation.r2_interval[0] - 0.1 < truth < explanation.r2_interval[1] + 0.1


def test_asking_again_asks_for_what_is_missing():
    run = spex.Run(20, 100)
    masks = run.ask()
    assert len(masks) == 100 and np.array_equal(masks, run.ask())
    run.tell(masks[10:], bumpy(masks[10:]))
    assert np.array_equal(run.ask(), masks[:10])


def test_masks_that_were_never_asked_for_are_used_and_count():
    own = uniform(20, 60)
    run = spex.Run(20, 200, seed=1)
    run.tell(own, bumpy(own))
    while len(masks := run.ask()):
        run.tell(masks, bumpy(masks))
    assert run.n_told == 200
    explanation = run.fit()
    assert explanation.n_evaluations == 200 and explanation.r2_distribution == "uniform"
    # Told in the middle, they take the place of masks still to come.
    late = spex.Run(20, 200, seed=1)
    masks = late.ask()
    late.tell(masks[:100], bumpy(masks[:100]))
    late.tell(own, bumpy(own))
    asked = 0
    while len(masks := late.ask()):
        asked += len(masks)
        late.tell(masks, bumpy(masks))
    assert asked == 40 and late.n_told == 200


def test_values_from_another_run_are_taken_up():
    first = spex.Run(30, 200, method="gp", seed=4)
    masks = first.ask()
    second = spex.Run(30, 200, method="gp", seed=4)
    second.tell(masks[:150], bumpy(masks[:150]))
    assert len(second.ask()) == 50
    second.tell(second.ask(), bumpy(second.ask()))
    assert content(second.fit()) == content(spex.explain(bumpy, 30, 200, method="gp", seed=4))


def test_a_mask_told_twice_has_the_mean():
    masks = uniform(6, 20)
    run = spex.Run(6, 40)
    run.tell(masks, np.zeros(20))
    run.tell(masks, np.ones(20))
    assert run.n_told == 20
    assert run.fit().predict(masks) == pytest.approx(0.5)


def test_the_order_of_repeated_tells_does_not_matter():
    def told(order):
        run = spex.Run(12, 40, method="linear")
        masks = run.ask()
        for offset in order:
            run.tell(masks, bumpy(masks) + offset)
        return content(run.fit())

    assert told((0.1, 0.7, -0.3333)) == told((-0.3333, 0.7, 0.1)) == told((0.7, -0.3333, 0.1))


def test_contradicting_values_are_noted():
    masks = uniform(6, 30)
    run = spex.Run(6, 64, method="linear")
    run.tell(masks, two(masks))
    run.tell(masks[:9], two(masks[:9]) + np.where(np.arange(9) < 4, 0.5, 1e-12)[:, None] * [1, 0])
    found = run.fit()
    assert found["0"].notes[0].startswith("4 masks told several times had different values")
    assert "about 0.24:" in found["0"].notes[0]  # (4 * 2 * .25**2 / 9)**.5
    assert found["1"].notes == ()
    everything = [[0, 0], [0, 1], [1, 0], [1, 1]] * 2
    assert "4 masks told several times" in spex.fit(everything, range(8)).notes[0]


def test_a_run_can_be_pickled_and_copied():
    for settings in ({"target_r2": 0.99}, {"weighting": "shapley"}):
        run = spex.Run(18, 90, method="linear", seed=4, **settings)
        masks = run.ask()
        run.tell(masks[:30], bumpy(masks[:30]))
        others = (pickle.loads(pickle.dumps(run)), copy.deepcopy(run))
        assert np.array_equal(others[0].ask(), run.ask())
        assert len({content(driven(one, bumpy).fit()) for one in (run, *others)}) == 1


def all_of_seven(masks):
    return 1.0 * masks[:, :7].all(axis=1)


def test_r2_of_equal_values_is_unknown():
    e = spex.explain(all_of_seven, 12, 60, method="linear")
    assert np.isnan([e.r2, *e.r2_interval]).all() and e.observed == (1.0, 0.0)
    assert "masks that measure R2 have the same value" in e.notes[0]
    # Nothing is known to be explained: no effect is told from 0.
    assert not e.interactions("FBII").discoveries()
    assert spex.Explanation.from_dict(e.to_dict()).notes == e.notes
    masks = uniform(12, 40, 3)
    given = spex.fit(masks, np.ones(40))
    assert np.isnan(given.r2) and "All 40 masks have the same value" in given.notes[0]
    assert given.unexplained is None  # the page says of no prediction that it is exact


def test_a_target_is_not_reached_by_equal_values():
    run = driven(spex.Run(12, 300, method="linear", target_r2=0.5), all_of_seven)
    assert run.n_told == 300
    # An output that never varies does not hold up the others.
    run = spex.Run(12, 300, method="linear", target_r2=0.9)
    driven(run, lambda m: np.stack([m @ np.arange(12.0), np.ones(len(m))], axis=1))
    assert run.n_told == 64 and run.r2 == pytest.approx(1.0)
    contrast = run.fit().contrast("0", "1")
    assert contrast.r2 == pytest.approx(1.0)
    masks = uniform(9, 99)
    shifted = spex.fit(masks, bumpy(masks)[:, None] + [0, 1], method="linear")
    assert np.isnan(shifted.contrast("1", "0").r2)


def test_an_exact_run_that_is_not_finished_says_so():
    run = spex.Run(6, 64, method="exact")
    run.tell(run.ask()[:40], bumpy(run.ask()[:40]))
    assert run.fit().notes[-1].startswith("40 of 64 masks have a value: the fit is not exact")
    run.tell(run.ask(), bumpy(run.ask()))
    assert run.fit().notes == ()


def test_masks_that_are_skipped_are_checked():
    run = spex.Run(6, 20)
    with pytest.raises(spex.ArgumentError, match="for one mask"):
        run.skip([True] * 6)
    run.skip(run.ask()[:5].tolist())
    assert len(run.ask()) == 15


# ---- evaluations that exist already --------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(8, 100), (8, 250), (30, 600), (100, 300)])
def test_fit_on_uniform_masks_measures_r2_for_uniform_masks(n, m):
    masks = uniform(n, m)
    explanation = spex.fit(masks, bumpy(masks), method="gp")
    assert explanation.r2_distribution == "uniform" and explanation.notes == ()
    fresh = np.random.default_rng(9).random((4000, n)) < 0.5
    values = bumpy(fresh)
    truth = 1 - ((values - explanation.predict(fresh)) ** 2).mean() / values.var()
    assert abs(truth - explanation.r2) < 0.06
    assert "over masks" not in repr(explanation)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.95])
def test_fit_on_other_masks_says_what_r2_is_about(share):
    n, m = 30, 400
    rng = np.random.default_rng(3)
    masks = np.unique(rng.random((m, n)) < share, axis=0)
    explanation = spex.fit(masks, bumpy(masks), method="gp")
    assert explanation.r2_distribution == "given"
    assert "no sample of uniform masks" in explanation.notes[0]
    assert "over masks like those given" in repr(explanation)
    fresh = rng.random((4000, n)) < share
    values = bumpy(fresh)
    truth = 1 - ((values - explanation.predict(fresh)) ** 2).mean() / values.var()
    assert abs(truth - explanation.r2) < 0.08
    assert explanation.standard_errors is None and explanation.unexplained is None
    assert np.isnan(explanation.interactions("BV").interval((0,))).all()
    saved = spex.Explanation.from_dict(explanation.to_dict())
    assert saved.r2_distribution == "given"


def test_masks_drawn_in_pairs_or_from_a_design_are_no_uniform_sample():
    half = uniform(12, 200)
    half[:, 1] = half[:, 0]  # two features that always go together
    half = np.unique(half, axis=0)
    assert spex.fit(half, bumpy(half)).r2_distribution == "given"
    chain = np.tri(40, 40, dtype=bool)  # the masks of one permutation
    found = spex.fit(chain, bumpy(chain))
    assert found.r2_distribution == "given"
    assert "their sizes, or which features are present together" in found.notes[0]
    assert "% of the features" not in found.notes[0]


@pytest.mark.parametrize("n", [3, 7, 20, 70])
def test_uniform_masks_are_taken_for_what_they_are(n):
    from spex.f2.packing import pack
    from spex.fourier.mask_distribution import UNIFORM

    drawn = (np.random.default_rng(seed).random((150, n)) < 0.5 for seed in range(300))
    taken = [UNIFORM.may_have_drawn(pack(np.unique(masks, axis=0)), n) for masks in drawn]
    assert sum(taken) >= 297  # the test errs in fewer than one of a hundred samples


def test_all_masks_are_exact():
    masks = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(bool)
    explanation = spex.fit(masks[::-1], bumpy(masks[::-1]), list("abcdef"))
    assert explanation.method == "exact" and explanation.r2 == 1.0
    assert content(explanation) == content(spex.explain(bumpy, list("abcdef"), 64))


def test_equal_masks_count_once():
    masks = uniform(10, 100)
    twice = np.concatenate([masks, masks])
    noise = np.random.default_rng(0).normal(size=100)
    values = np.concatenate([bumpy(masks) + noise, bumpy(masks) - noise])
    explanation = spex.fit(twice, values)
    assert explanation.n_evaluations == 100
    assert explanation.spectrum.coefficients == pytest.approx(
        spex.fit(masks, bumpy(masks)).spectrum.coefficients, abs=1e-6
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"masks": np.zeros((3, 5), bool)}, spex.ValueFunctionError, "shape"),
        (
            {"masks": np.zeros((100, 5), bool)},
            spex.ArgumentError,
            "1 distinct mask given; a fit needs at least 4",
        ),
        ({"masks": np.full((100, 10), 0.5)}, spex.ArgumentError, "0 and 1"),
        ({"masks": [1, 2]}, spex.ArgumentError, "masks of shape"),
        ({"values": np.full(100, np.nan)}, spex.ValueFunctionError, "nan"),
        ({"features": list("abc")}, spex.ArgumentError, "3 features"),
        ({"method": "spex"}, spex.ArgumentError, "spex.Run asks for"),
        ({"method": "exact"}, spex.ArgumentError, "exact"),
        ({"outputs": ["a"]}, spex.ArgumentError, "one number per mask, and outputs= has 1 name"),
        ({"prior": spex.Prior(sequence=(0, 99))}, spex.ArgumentError, "feature 99"),
    ],
)
def test_wrong_evaluations(change, error, message):
    masks = uniform(10, 100)
    call = {"masks": masks, "values": bumpy(masks)} | change
    with pytest.raises(error, match=message):
        spex.fit(**call)


def test_rows_of_pandas_in_another_order_are_refused():
    masks = pandas.DataFrame(uniform(6, 30))
    values = pandas.Series(bumpy(masks.to_numpy()))
    turned = values[::-1]
    with pytest.raises(spex.ArgumentError, match=r"in another order; give values\.loc"):
        spex.fit(masks, turned)
    expected = content(spex.fit(masks, values, method="linear"))
    assert content(spex.fit(masks, turned.loc[masks.index], method="linear")) == expected
    other_names = values.set_axis(range(100, 130))
    assert content(spex.fit(masks, other_names, method="linear")) == expected


def test_wrong_tells():
    run = spex.Run(5, 20)
    with pytest.raises(spex.ArgumentError, match="0 values told; a fit needs at least 4"):
        run.fit()
    with pytest.raises(spex.ArgumentError, match="shape"):
        run.tell(np.zeros((2, 4), bool), [0.0, 1.0])
    with pytest.raises(spex.ValueFunctionError, match="inf"):
        run.tell(np.zeros((1, 5), bool), [np.inf])
    run.tell(np.zeros((1, 5), bool), [1.0])
    with pytest.raises(spex.ArgumentError, match="same number"):
        run.tell(np.ones((1, 5), bool), [[1.0, 2.0]])
    with pytest.raises(spex.ValueFunctionError, match="nan"):
        run.tell(np.ones((1, 5), bool), np.ma.masked_array([1.0], mask=[True]))
    assert run.n_told == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spex.Run(30, 10**10), "the limit is 4 GB"),
        (lambda: spex.Run(16_000, 10**7), "the limit is 4 GB"),
        (lambda: spex.Run(5, 20, prior="x"), "give a spex.Prior"),
        (lambda: spex.Run({"a", "b"}, 20), "a set, which has no order"),
        (lambda: spex.Run(spex.Text("a b"), 20), "is a Text; .* such as its `features`"),
        (lambda: spex.Run(np.ones((20, 5)), 20), r"an array of shape \(20, 5\)"),
        (lambda: spex.Run(np.array(5), 20), r"an array of shape \(\)"),
        (lambda: spex.Run(5, 20, outputs="xy"), "a different name"),
        (lambda: spex.Run(5, 20, outputs=[]), "a different name"),
        (lambda: spex.Run(5, 20, outputs=["a", "a"]), "a different name"),
    ],
)
def test_wrong_runs(call, message):
    with pytest.raises(spex.ArgumentError, match=message):
        call()


def test_labels_and_values_of_other_kinds():
    masks = uniform(8, 100)
    found = spex.fit(
        pandas.DataFrame(masks.astype(int)),
        pandas.Series(bumpy(masks)),
        pandas.Index(list("abcdefgh")),
    )
    assert found.features == tuple("abcdefgh")
    assert content(found) == content(
        spex.fit(masks.tolist(), bumpy(masks).tolist(), list("abcdefgh"))
    )
    run = spex.Run(8, 20)
    run.tell(masks[:0], [])
    assert run.n_told == 0


def test_spex_says_what_it_lacks():
    run = spex.Run(30, 200, method="spex")
    masks = run.ask()
    run.tell(masks[:20], bumpy(masks[:20]))
    with pytest.raises(spex.ArgumentError, match="coded masks"):
        run.fit()


# ---- several outputs -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "budget"), [(5, 32), (20, 150)])
def test_several_outputs_from_the_same_calls(n, budget):
    calls = []

    def f(masks):
        calls.append(len(masks))
        return two(masks)

    found = spex.explain(f, n, budget, method="linear", seed=1)
    assert sum(calls) == budget
    assert isinstance(found, spex.Explanations) and list(found) == ["0", "1"]
    for number, name in enumerate(found):
        alone = spex.explain(lambda m, j=number: two(m)[:, j], n, budget, method="linear", seed=1)
        assert content(found[name]) == content(alone)


def test_names_contrast_and_file(tmp_path):
    two.outputs = ("a", "b")
    found = spex.explain(two, 30, 300, method="gp", seed=1)
    assert found.outputs == ("a", "b")
    difference = found.contrast("a", "b")
    masks = uniform(30, 2000, 8)
    assert difference.predict(masks) == pytest.approx(
        found["a"].predict(masks) - found["b"].predict(masks)
    )
    values = two(masks)[:, 0] - two(masks)[:, 1]
    truth = 1 - ((values - difference.predict(masks)) ** 2).mean() / values.var()
    assert abs(difference.r2 - truth) < 0.08
    assert difference.interactions("BV").interval((0,))[0] < difference.interactions("BV")[0,]
    found.save(tmp_path / "two.json")
    again = spex.Explanations.load(tmp_path / "two.json")
    assert content(again["b"]) == content(found["b"])
    assert again.contrast("a", "b").r2 == difference.r2
    found.to_html(tmp_path / "two.html")
    page = (tmp_path / "two.html").read_text()
    assert page.count('<section class="explanation"') == 3  # both and their difference
    assert "a: Explanation of 30 features" in repr(found)
    for wrong, message in [(("a", "a"), "itself"), (("a", "c"), "'c' is unknown")]:
        with pytest.raises(spex.ArgumentError, match=message):
            found.contrast(*wrong)
    with pytest.raises(spex.FileFormatError, match="no explanation"):
        spex.Explanations.from_dict({"format": "other"})
    damaged = found.to_dict() | {"outputs": {}}
    with pytest.raises(spex.FileFormatError, match=r"damaged|no explanation"):
        spex.Explanations.from_dict(damaged)


def test_exact_outputs_contrast_exactly():
    found = spex.explain(two, 5, 32)
    assert found.contrast("a", "b").r2 == 1.0


def test_one_output_in_a_column_is_a_mapping_too():
    found = spex.explain(lambda m: bumpy(m)[:, None], 6, 64)
    assert list(found) == ["0"] and found["0"].r2 == 1.0


def test_messages_about_values_that_were_told_do_not_blame_a_function():
    masks = uniform(3, 8, 0)
    for wrong, says in [
        ([np.nan] * 8, r"given nan, no finite number \(8 of 8 masks"),
        ([1.0], r"given shape \(1,\) for 8 masks of 3 features; it must be shape"),
        ([1j] * 8, "given complex128 values"),
        ([1e200] * 8, r"given 1e\+200"),
    ]:
        with pytest.raises(spex.ValueFunctionError, match=f"^tell was .*{says}"):
            spex.Run(3, 8).tell(masks, wrong)
        with pytest.raises(spex.ValueFunctionError, match=f"^fit was .*{says}"):
            spex.fit(masks, wrong)


def test_rows_that_are_merged_are_noted():
    masks = np.concatenate([uniform(8, 50, 0)] * 2)
    values = masks @ np.arange(8.0)
    distinct = len(np.unique(masks, axis=0))
    note = f"{100 - distinct} of 100 rows repeat the mask of another"
    assert note in spex.fit(masks, values).notes[-1]
    assert note in repr(spex.fit(masks, values))
    assert note in spex.fit(masks, np.stack([values, -values], axis=1))["1"].notes[-1]
    alone = np.unique(masks, axis=0)
    assert not any("repeat" in note for note in spex.fit(alone, alone @ np.arange(8.0)).notes)


def test_told_more_than_the_budget():
    run = spex.Run(8, 20, method="linear")
    masks = uniform(8, 60, 1)
    run.tell(masks, masks @ np.arange(8.0))
    assert run.total == 20 < run.n_told
    assert "(budget 20; more were told)" in render_html([run.fit()])


@pytest.mark.parametrize(("n", "budget"), [(30, 10**12), (1000, 10**8), (16_384, 10**7)])
def test_a_budget_beyond_memory_is_refused_before_any_is_taken(n, budget):
    tracemalloc.start()
    with pytest.raises(spex.ArgumentError, match="GB; the limit is 4 GB: lower the budget") as said:
        spex.Run(n, budget)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    most = int(str(said.value).split()[-3].replace(",", ""))
    assert spex.Run(n, most).total == most
    with pytest.raises(spex.ArgumentError, match="lower the budget"):
        spex.Run(n, most + 1)


def test_what_masks_cannot_tell_is_noted():
    f = np.array([0, 0, 0, 2.0, 0, -1.0, 0, 0])
    masks = uniform(8, 120, 0)
    assert spex.fit(masks, masks @ f).r2_distribution == "uniform"
    always, twins = masks.copy(), masks.copy()
    always[:, 7] = True
    twins[:, 1] = twins[:, 0]
    one_out = ~np.eye(8, dtype=bool)
    for told, says in [
        (always, "Present in every row, so that nothing is known of it: h."),
        (twins, "Never left out separately, so that their effects cannot be told apart: a, b."),
        (one_out, "The masks are no sample of uniform masks: 88 %"),
    ]:
        found = spex.fit(told, told @ f, list("abcdefgh"))
        assert found.r2_distribution == "given"
        assert any(note.startswith(says) for note in found.notes)


def test_frames_name_features_and_outputs():
    masks = pandas.DataFrame(uniform(8, 60, 0), columns=list("abcdefgh"))
    values = masks.to_numpy() @ np.arange(8.0)
    for frame in (masks, masks.astype(object), masks.astype("boolean")):
        assert spex.fit(frame, pandas.Series(values)).features == tuple("abcdefgh")
    both = pandas.DataFrame({"pos": values, "neg": -values})
    assert spex.fit(masks, both).outputs == ("pos", "neg")


@pytest.mark.parametrize(("first", "second"), [((4,), (4, 1)), ((4, 1), (4,)), ((4, 2), (4, 3))])
def test_values_in_another_form_are_refused_with_both_shapes(first, second):
    run = spex.Run(4, 16)
    masks = run.ask()
    run.tell(masks[:4], np.ones(first))
    before = "(k,)" if len(first) == 1 else f"(k, {first[1]})"
    message = f"values of shape {second}; those before had shape {before}: tell"
    with pytest.raises(spex.ArgumentError, match=re.escape(message)):
        run.tell(masks[4:8], np.ones(second))


# ---- masks weighted as Shapley values weigh ------------------------------------------------------


def by_size(n, m, seed=11):
    """Independent masks of size 1 to n - 1, each size alike."""
    rng = np.random.default_rng(seed)
    return rng.random((m, n)).argsort(axis=1).argsort(axis=1) < rng.integers(1, n, (m, 1))


@pytest.mark.parametrize("method", ["auto", "linear", "spex", "gp", "proxyspex"])
def test_shapley_values_sum_to_the_ends(method):
    n = 12
    e = spex.explain(bumpy, n, 200, method=method, weighting="shapley", seed=1)
    whole, nothing = bumpy(np.array([[True] * n, [False] * n]))
    shapley = e.interactions("SV")
    assert sum(shapley.values()) == pytest.approx(whole - nothing, abs=1e-12)
    assert shapley[()] == pytest.approx(nothing, abs=1e-12)
    assert e.r2_distribution == "shapley"
    masks = by_size(n, 4000)
    values = bumpy(masks)
    true = 1 - ((values - e.predict(masks)) ** 2).mean() / values.var()
    assert e.r2 == pytest.approx(true, abs=0.15)
    # Indices of the Banzhaf family, and the spectrum, are the surrogate's.
    assert e.interactions("FBII") == spex.Explanation.interactions(
        dataclasses.replace(e, correction={}), "FBII"
    )


def test_masks_of_all_sizes_are_asked_and_order_does_not_matter():
    whole = spex.explain(bumpy, 14, 120, weighting="shapley", seed=3)
    run = spex.Run(14, 120, weighting="shapley", seed=3)
    asked = run.ask()
    assert asked[0].all() and not asked[1].any()
    sizes = np.bincount(asked.sum(axis=1), minlength=15)
    assert sizes[1:14].min() >= 4 and sizes[1:14].max() <= 16
    assert content(driven(run, bumpy).fit()) == content(whole)


def test_stages_and_several_outputs():
    es = spex.explain(lambda masks: two(masks), 12, 600, weighting="shapley", target_r2=0.9, seed=2)
    assert es["0"].n_evaluations < 600
    shapley = [es[name].interactions("SV") for name in "01"]
    assert shapley[1].get((2,)) == pytest.approx(1.0, abs=1e-6)
    contrast = es.contrast("0", "1").interactions("SV")
    for i in range(12):
        expected = shapley[0].get((i,), 0.0) - shapley[1].get((i,), 0.0)
        assert contrast.get((i,), 0.0) == pytest.approx(expected, abs=1e-9)


def test_a_corrected_explanation_is_saved_whole(tmp_path):
    e = spex.explain(bumpy, 10, 100, weighting="shapley")
    e.save(tmp_path / "e.json")
    loaded = spex.Explanation.load(tmp_path / "e.json")
    for index in ("SV", "k-SII", "FSII", "STII", "FBII"):
        assert dict(loaded.interactions(index, None if index == "SV" else 2)) == dict(
            e.interactions(index, None if index == "SV" else 2)
        )
    assert "FSII is corrected" in render_html([e]) and "FSII is corrected" in repr(e)
    assert "R2 over masks of all sizes" in repr(e)
    assert "--weighting shapley" in render_html([spex.explain(bumpy, 10, 100)], index="SV")


@pytest.mark.parametrize(("n", "budget"), [(3, 6), (5, 11), (5, 24), (8, 40), (14, 80), (40, 160)])
def test_spex_takes_every_budget_with_shapley_weights(n, budget):
    e = spex.explain(bumpy, n, budget, method="spex", weighting="shapley")
    assert (e.method, e.n_evaluations, e.r2_distribution) == ("spex", budget, "shapley")


@pytest.mark.parametrize("budget", [4, 5, 6, 8, 12, 20])
def test_every_small_budget_with_shapley_weights(budget):
    e = spex.explain(bumpy, 9, budget, weighting="shapley")
    ends = bumpy(np.array([[True] * 9, [False] * 9]))
    assert sum(e.interactions("SV").values()) == pytest.approx(ends[0] - ends[1], abs=1e-12)
    assert e.n_evaluations == budget


def test_all_masks_are_exact_under_any_weighting():
    e = spex.explain(bumpy, 6, 64, weighting="shapley")
    assert e.r2 == 1.0 and e.correction == {}
    assert dict(e.interactions("SV")) == dict(spex.explain(bumpy, 6, 64).interactions("SV"))


def test_weights_turn_other_masks_into_uniform_ones():
    """Masks present with probability .8, weighted to uniform ones, say what R2 is over these."""

    def f(masks):  # of order 1 where nearly all is present
        return masks[:, 3] + 3.0 * (~masks[:, 0] & ~masks[:, 1]) + 0.2 * masks[:, 4]

    n, draws = 10, 20_000
    masks = np.unique(np.random.default_rng(4).random((draws, n)) < 0.8, axis=0)
    k = masks.sum(axis=1)
    seen = 1 - (1 - 0.8**k * 0.2 ** (n - k)) ** draws  # the probability of being drawn at all
    e = spex.fit(masks, f(masks), method="linear", weights=1 / seen)
    every = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)
    true = 1 - ((f(every) - e.predict(every)) ** 2).mean() / f(every).var()
    assert e.r2_distribution == "uniform"
    assert any("as uncertain as from" in note for note in e.notes)
    plain = spex.fit(masks, f(masks), method="linear")
    assert plain.r2_distribution == "given"
    assert dict(plain.spectrum.items()) == dict(e.spectrum.items())
    assert e.r2_interval[0] < true < e.r2_interval[1]
    assert abs(e.r2 - true) < 0.5 * abs(plain.r2 - true)


def test_given_masks_of_all_sizes_are_known_as_such():
    masks = np.unique(by_size(12, 400), axis=0)
    e = spex.fit(masks, bumpy(masks), weighting="shapley", method="gp")
    assert e.r2_distribution == "shapley" and not e.correction
    assert any("are not corrected" in note for note in e.notes)  # the ends are not among them
    ends = np.array([[True] * 12, [False] * 12])
    masks = np.concatenate([masks, ends])
    e = spex.fit(masks, bumpy(masks), weighting="shapley", method="gp")
    whole, nothing = bumpy(ends)
    assert sum(e.interactions("SV").values()) == pytest.approx(whole - nothing, abs=1e-12)
    e = spex.fit(uniform(30, 300), bumpy(uniform(30, 300)), weighting="shapley", method="linear")
    assert e.r2_distribution == "given" and "no sample of masks of all sizes" in e.notes[0]


@pytest.mark.parametrize(
    "weights", [[1.0] * 9, [-1.0] * 10, [np.nan] * 10, [0.0] * 10, ["a"] * 10, [[1.0]] * 10]
)
def test_wrong_weights(weights):
    masks = uniform(8, 10)
    with pytest.raises(spex.ArgumentError, match="give 10 finite numbers"):
        spex.fit(masks, bumpy(masks), weights=weights)


def test_unknown_weighting():
    with pytest.raises(spex.ArgumentError, match="choose one of uniform, shapley"):
        spex.explain(bumpy, 8, 50, weighting="banzhaf")


@pytest.mark.parametrize("seed", range(3))
def test_a_sparse_function_without_noise_has_errors_for_all_weightings(seed):
    """The surrogate is exact, has more coefficients than masks, and leaves rounding alone."""
    weights = np.random.default_rng(0).normal(size=8)

    def f(masks):
        return masks @ weights + 0.3 + 2 * masks[:, 0] * masks[:, 1]

    for weighting in ("shapley", "uniform"):
        found = spex.explain(f, 8, 100, weighting=weighting, seed=seed)
        values = found.interactions("SV")
        exact = weights + np.array([1.0, 1.0] + [0.0] * 6)
        assert [values.get((i,), 0.0) for i in range(8)] == pytest.approx(exact, abs=1e-5)
        assert np.isfinite(found.standard_errors).all()
