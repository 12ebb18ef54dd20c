"""Smallest sets against brute force, and what they claim when calls end."""

import json
import time

import numpy as np
import pytest

import spex
from sets.games import spare, table_game, true_smallest
from spex.fourier.spectrum import Spectrum
from spex.sets.goal import answer_side, change_goal, keep_goal
from spex.sets.refinement import correction


class Counting:
    def __init__(self, f):
        self.f, self.seen, self.n_asked = f, set(), 0

    def __call__(self, masks):
        self.n_asked += len(masks)
        self.seen |= {mask.tobytes() for mask in masks}
        return self.f(masks)


def explained(f, n, budget=None):
    return spex.explain(f, n, budget or 1 << n)


def poor(f, n):
    """An explanation that knows main effects alone."""
    return spex.explain(f, n, 40, method="linear")


def every_mask(n):
    return np.arange(1 << n)[:, None] >> np.arange(n) & 1 == 1


def check_truth(found, f, n):
    """What a result says is so."""
    mask = np.full((1, n), found.kind == "change")
    mask[0, list(found.features)] = found.kind == "sufficient"
    assert found.value == f(mask)[0]
    if found.is_irreducible:
        for out in found.features:
            less = mask.copy()
            less[0, out] = not less[0, out]
            assert f(less)[0] != found.value


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", [explained, poor])
def test_sets_are_those_of_brute_force(seed, make):
    n = 9
    f = table_game(n, seed)
    whole, nothing = f(np.array([[True] * n, [False] * n]))
    middle = (whole + nothing) / 2
    e = make(f, n)
    for kind in ("change", "sufficient"):
        asked, keeps = Counting(f), kind == "sufficient"
        search = e.smallest_change if kind == "change" else e.smallest_sufficient
        found = search(asked, max_calls=150)
        up = (whole > middle) == keeps
        good = (lambda v: v > middle) if up else (lambda v: v < middle)
        best = true_smallest(f, n, good, keeps)
        assert found.is_verified and good(np.array(found.value))
        assert len(found.features) >= best
        if make is explained or found.smaller == "calls":
            assert len(found.features) == best
        assert found.n_calls == len(asked.seen) == asked.n_asked <= 150
        check_truth(found, f, n)
        assert found.origin.startswith("half way")


def test_an_exact_surrogate_is_true_at_once():
    found = explained(spare, 5).smallest_change(spare, to=2.0)
    assert found.features == (2,) and found.is_first and found.smaller == "calls"
    assert found.wanted == "below 2" and found.origin == "as given"
    assert found.n_calls_to_verified == (3, 3)
    only = explained(spare, 5).smallest_sufficient(spare)
    assert only.features in {(0, 2), (1, 2)} and only.value == 4.0
    assert "With only 2 units the value is 4" in only.says


def test_by_is_signed():
    e = explained(spare, 5)
    rise = e.smallest_change(spare, by=1.0)
    assert rise.features == (3,) and rise.value == 4.0 and rise.wanted == "4 or more"
    assert e.smallest_change(spare, by=-3.0).features == (2,)
    both = e.smallest_change(lambda m: 1.0 * (m[:, 0] | m[:, 1]), by=-1.0)
    assert both.features == (0, 1) and both.smaller == "calls"


def test_a_surrogate_that_sees_nothing_is_corrected():
    blind = spex.Explanation(
        tuple("abcdefgh"), Spectrum.constant(1.0, 8), 0.0, (0.0, 0.0), 4, "linear", 4, 0
    )
    found = blind.smallest_change(lambda m: 1.0 * m[:, 5], max_calls=40)
    assert found.features == (5,) and found.smaller == "calls" and not found.is_first


def test_log_odds_flip_at_zero():
    def log_prob(prompt, answer):
        return (
            (2.0 if answer == "good" else 1.0)
            if "fine" in prompt.split()
            else -1.0 * (answer == "good")
        )

    text = spex.Text("a fine and long day")
    value = spex.ValueFunction(text, spex.models.TableModel(log_prob), spex.LogOdds("good", "bad"))
    found = spex.explain(value, budget=32).smallest_change(value)
    assert found.labels == ("fine",) and found.wanted == "below 0" and "flip" in found.origin


def test_calls_end():
    n = 12
    f = table_game(n, 3)
    found = poor(f, n).smallest_change(f, by=-100.0, max_calls=20)
    assert not found.is_verified and found.smaller == "unknown" and found.n_calls <= 20
    assert "No set was found with a value" in found.says and "closest" in found.says
    two = poor(f, n).smallest_change(f, max_calls=2)
    assert two.n_calls == 2 and two.features == tuple(range(n)) and two.smaller == "unknown"
    assert "A smaller set may do" in two.says


def test_where_no_set_exists_all_are_measured():
    for n in (5, 7):
        f = table_game(n, 3)
        found = poor(f, n).smallest_change(f, by=-100.0, max_calls=1 << n)
        assert not found.is_verified and found.smaller == "calls" and found.ended == "done"
        assert found.n_calls == 1 << n and "No set has a value" in found.says
        lower = np.array([f(mask[None])[0] for mask in every_mask(n)]).min()
        assert found.value == lower


def test_a_set_that_no_proposal_finds_is_found_by_calls():
    """Time ends before any proposal; the calls that are left suffice for all sets."""

    def f(masks):
        return 1.0 - 1.0 * (masks == [True, False, True, False, True]).all(axis=1)

    e = spex.Explanation(
        tuple("abcde"), Spectrum.constant(1.0, 5), 0.0, (0.0, 0.0), 4, "linear", 4, 0
    )
    found = e.smallest_change(f, by=-1.0, time_limit=1e-9)
    assert found.features == (1, 3) and found.smaller == "calls"
    few = e.smallest_change(f, by=-1.0, time_limit=1e-9, max_calls=8)
    assert (few.smaller, few.ended) == ("unknown", "time") and "time_limit" in few.says
    few = e.smallest_change(f, by=-2.0, max_calls=8)
    assert (few.smaller, few.ended) == ("unknown", "calls") and "max_calls" in few.says


def test_a_limit_of_time_ends_an_unreachable_search():
    n = 15
    f = table_game(n, 3)
    began = time.monotonic()
    found = poor(f, n).smallest_change(f, by=-100.0, max_calls=5000, time_limit=0.5)
    assert time.monotonic() - began < 4 and found.n_calls > 2
    assert (found.is_verified, found.smaller, found.ended) == (False, "unknown", "time")


def test_calls_without_end_list_no_sets_without_end():
    blind = spex.Explanation(
        tuple(map(str, range(30))), Spectrum.constant(1.0, 30), 0.0, (0.0, 0.0), 4, "linear", 4, 0
    )
    found = blind.smallest_change(lambda m: m[:, 0] * 1.0, to=2.0, max_calls=10**30, time_limit=0.3)
    assert (found.is_verified, found.ended) == (False, "time")


def test_the_time_of_the_function_does_not_count():
    def slow(masks):
        time.sleep(0.3)
        return spare(masks)

    found = explained(spare, 5).smallest_change(slow, to=2.0, time_limit=0.25)
    assert found.features == (2,) and found.is_first


def test_nothing_suffices_where_nothing_has_the_value():
    e = explained(spare, 5)
    found = e.smallest_sufficient(spare, keep=-1.0)
    assert found.features == () and found.smaller == "calls" and found.n_calls == 2
    assert "No set is smaller" in found.says


def test_larger_than_can_be_enumerated():
    n = 40

    def f(m):
        return 3.0 * (m[:, 3] & m[:, 17]) + 1.0 * (m[:, 20] | m[:, 30]) + 0.1 * m.sum(axis=1)

    e = spex.explain(f, n, 600, method="spex")
    found = e.smallest_change(f, by=-3.0)
    assert found.features in {(3,), (17,)} and found.smaller == "calls"
    only = e.smallest_sufficient(f, keep=4.1)
    assert set(only.features) >= {3, 17} and only.is_verified and only.smaller != "unknown"
    check_truth(only, f, n)


def test_a_change_that_rounding_swallows_is_refused():
    """An empty set is never the smallest change."""
    e = explained(spare, 5)
    for by in (1e-300, -1e-17):
        with pytest.raises(spex.ArgumentError, match="lost in rounding"):
            e.smallest_change(spare, by=by)
        with pytest.raises(spex.ArgumentError, match="lost in rounding"):
            e.roles(spare, by=abs(by))
    above = np.nextafter(3.0, 4.0)
    with pytest.raises(spex.ArgumentError, match="no half way"):
        e.smallest_change(lambda m: np.where(m.all(axis=1), 3.0, above))


def test_what_everything_lacks_cannot_be_kept():
    e = explained(spare, 5)  # 3 with everything, 0 with nothing
    with pytest.raises(spex.ArgumentError, match=r"keep=3.5 is above .* 3.0 or less"):
        e.smallest_sufficient(spare, keep=3.5)
    with pytest.raises(spex.ArgumentError, match=r"keep=-4 is below .* -3.0 or more"):
        e.smallest_sufficient(lambda m: -spare(m), keep=-4)
    same = e.smallest_sufficient(spare, keep=3.0)  # just as much is enough
    assert same.wanted == "3 or more" and len(same.features) == 2
    down = e.smallest_sufficient(lambda m: -spare(m), keep=-3)
    assert down.wanted == "-3 or less" and len(down.features) == 2


def test_the_side_is_that_of_the_value_at_which_the_answer_flips():
    assert answer_side(0.0, 3.0, 5.0) == 1.0
    assert answer_side(4.0, 3.0, 2.0) == -1.0
    assert keep_goal(0.0, 3.0, 5.0, 1.0).wanted == "1 or more"
    assert answer_side(None, 3.0, 5.0) == -1.0
    with pytest.raises(spex.ArgumentError, match="below"):
        keep_goal(None, 3.0, 5.0, 1.0)
    assert change_goal(0.5, 0.5, 1.0, None, None).threshold == 0.75  # no side: half way


class Margin(spex.LogOdds):
    """Log-odds that count from 1 nat on; its words are not those of `LogOdds`."""

    threshold = 1.0
    summary = "margin"


def test_a_score_of_ones_own_says_where_its_answer_flips(tmp_path):
    def log_prob(prompt, answer):
        return (answer == "good") * (0.6 * ("fine" in prompt) + 0.6 * ("long" in prompt))

    model, text = spex.models.TableModel(log_prob), spex.Text("a fine and long day")
    value = spex.ValueFunction(text, model, Margin("good", "bad"))
    spex.explain(value, budget=32).save(tmp_path / "e.json")
    e = spex.Explanation.load(tmp_path / "e.json")
    assert e.context.score_threshold == 1.0
    found = e.smallest_change(value)
    assert found.wanted == "below 1" and len(found.labels) == 1 and "flips" in found.origin

    content = json.loads((tmp_path / "e.json").read_text())
    del content["context"]["score_threshold"]  # a file of before: half way
    old = spex.Explanation.from_dict(content)
    assert old.smallest_change(value).wanted == "below 0.6"
    content["context"]["score_threshold"] = "0"
    with pytest.raises(spex.FileFormatError, match=r"context\.score_threshold"):
        spex.Explanation.from_dict(content)

    replies = spex.ReplyScore(lambda prompt, reply: len(reply), threshold=2.5)
    asked = spex.ValueFunction(text, spex.models.FunctionModel(lambda prompt: "abc"), replies)
    assert asked.contexts()[0].score_threshold == 2.5
    with pytest.raises(spex.ArgumentError, match="threshold=nan"):
        spex.ValueFunction(
            text, asked.model, spex.ReplyScore(replies.function, threshold=float("nan"))
        )


def test_a_contrast_flips_where_both_are_equal():
    def log_prob(prompt, answer):
        return float(("fine" in prompt) - 0.5 if answer == "good" else 0)

    scores = [spex.LogProb("good"), spex.LogProb("bad")]
    text, model = spex.Text("a fine and long day"), spex.models.TableModel(log_prob)
    e = spex.explain(spex.ValueFunction(text, model, scores), budget=32)
    assert all(one.context.score_threshold is None for one in e.values())
    assert e.contrast(*e).context.score_threshold == 0.0


def test_wrong_arguments():
    e = explained(spare, 5)
    for arguments in (
        {"to": 1.0, "by": 1.0},
        {"by": 0},
        {"to": float("nan")},
        {"to": "low"},
        {"to": 3.0},
        {"max_calls": 1},
        {"time_limit": 0},
        {"time_limit": "1"},
    ):
        with pytest.raises(spex.ArgumentError, match=r"to=|by=|max_calls|time_limit"):
            e.smallest_change(spare, **arguments)
    with pytest.raises(spex.ArgumentError, match="keep='x'"):
        e.smallest_sufficient(spare, keep="x")
    with pytest.raises(spex.ArgumentError, match="no half way"):
        e.smallest_change(lambda m: np.ones(len(m)))
    with pytest.raises(spex.ArgumentError, match="f is a str"):
        e.smallest_change("f")
    with pytest.raises(spex.ArgumentError, match="2 numbers for each mask"):
        e.smallest_change(lambda m: np.zeros((len(m), 2)))
    with pytest.raises(spex.ValueFunctionError, match="nan"):
        e.smallest_change(lambda m: np.full(len(m), np.nan))

    class Other:
        features = ("a", "b")

        def __call__(self, masks):
            return spare(masks)

    with pytest.raises(spex.ArgumentError, match="f has 2 features"):
        e.smallest_change(Other())


def test_left_out_errors_are_those_of_fits_without():
    rng = np.random.default_rng(0)
    inside, errors = rng.random((7, 5)) < 0.5, rng.normal(size=7)
    told = correction(inside, errors)
    check_left_out(told, inside, errors)
    inside, errors = rng.random((12, 5)) < 0.5, rng.normal(size=12)  # more values than features
    check_left_out(correction(inside, errors), inside, errors)


def check_left_out(told, inside, errors):
    # The same penalty: the mean size of a set is in the kernel.
    share = 1 / max(1.0, inside.sum(axis=1).mean())
    kernel = 1 + share * inside.astype(float) @ inside.T
    left_out = []
    m = len(errors)
    for i in range(m):
        others = np.arange(m) != i
        weights = np.linalg.solve(kernel[others][:, others] + 0.05 * np.eye(m - 1), errors[others])
        left_out.append(errors[i] - kernel[i, others] @ weights)
    assert told.error == pytest.approx(np.sqrt(np.mean(np.square(left_out))))
