"""Driving a run: batches, stores, outputs, and what is kept when something fails."""

import time

import numpy as np
import pytest

import spex
from spex.prior import NO_PRIOR
from spex.values.evaluator import evaluate
from spex.values.source import as_source, in_batches


def total(masks):
    return masks.sum(axis=1) + 1.0 * masks[:, 0] * masks[:, 1]


def named(function, **attributes):
    def called(masks):
        return function(masks)

    for name, value in {"identity": "total v1", **attributes}.items():
        setattr(called, name, value)
    return called


def test_batches_of_a_slow_function_take_about_a_second():
    sizes = []

    def slow(masks):
        sizes.append(len(masks))
        time.sleep(0.02 * len(masks))
        return masks[:, 0]

    rows = [rows for rows, _ in in_batches(slow, np.zeros((120, 3), dtype=bool))]
    assert np.concatenate(rows).tolist() == list(range(120))
    assert sizes[0] == 4 and max(sizes) <= 60


def test_batches_of_a_fast_function_grow_to_the_most():
    found = [
        len(batch) for _, batch in in_batches(lambda m: m, np.zeros((9000, 3), dtype=bool), 2048)
    ]
    assert sum(found) == 9000 and max(found) == 2048


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_was_finished_is_kept(tmp_path, error):
    calls = []

    def fails(masks):
        calls.append(len(masks))
        if len(calls) == 3:
            raise error
        return total(masks)

    with pytest.raises(error):
        spex.explain(named(fails), 12, 300, store=tmp_path / "s.sqlite")
    with spex.Store(tmp_path / "s.sqlite") as store:
        assert len(store) == sum(calls[:2]) > 0
    again = []
    spex.explain(
        named(lambda m: again.append(len(m)) or total(m)), 12, 300, store=tmp_path / "s.sqlite"
    )
    assert sum(again) == 300 - sum(calls[:2])


def test_ctrl_c_while_a_value_is_being_kept(tmp_path):
    with spex.Store(tmp_path / "s.sqlite") as store:
        write, times = store._write, []

        def interrupted(*arguments):
            write(*arguments)
            times.append(len(arguments[1]))
            if len(times) == 2:
                raise KeyboardInterrupt

        store._write = interrupted
        run = spex.Run(12, 200)
        with pytest.raises(KeyboardInterrupt):
            evaluate(run, as_source(named(total), 12), store)
        assert len(store) == run.n_told == sum(times[:2])


def test_good_values_of_a_bad_batch_are_kept(tmp_path):
    def sometimes(masks):
        values = total(masks)
        values[masks[:, 2] & masks[:, 3] & masks[:, 4]] = np.nan
        return values

    source = as_source(named(sometimes), 12)
    run = spex.Run(12, 200)
    with spex.Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(spex.ValueFunctionError, match="nan"):
            evaluate(run, source, store)
        assert len(store) == run.n_told > 0


def test_several_outputs_are_stored_and_paid_once(tmp_path):
    calls = []

    def both(masks):
        calls.append(len(masks))
        return np.stack([total(masks), -2.0 * masks[:, 3]], axis=1)

    f = named(both, outputs=("sum", "third"))
    first = spex.explain(f, 10, 150, store=tmp_path / "s.sqlite")
    paid = sum(calls)
    again = spex.explain(f, 10, 150, store=tmp_path / "s.sqlite")
    assert paid == sum(calls) == 150
    for name in first:
        assert dict(first[name].spectrum.items()) == dict(again[name].spectrum.items())
    unnamed = named(both)
    with pytest.raises(spex.ArgumentError, match="'outputs'"):
        spex.explain(unnamed, 10, 150, store=tmp_path / "other.sqlite")


def test_scores_share_their_values_with_each_other(tmp_path):
    model = spex.models.TableModel(lambda prompt, answer: -1.0 * len(prompt) - len(answer))
    text = spex.Text("a bb ccc dddd")
    one = spex.ValueFunction(text, model, spex.LogProb("yes"))
    spex.explain(one, budget=16, store=tmp_path / "s.sqlite")
    scored = model.n_scored
    both = spex.ValueFunction(text, model, [spex.LogProb("yes"), spex.LogProb("no, sir")])
    found = spex.explain(both, budget=16, store=tmp_path / "s.sqlite")
    assert both.identities[0] == one.identity
    assert found.outputs == ('log P("yes")', 'log P("no, sir")')
    scored_both = model.n_scored
    spex.explain(
        spex.ValueFunction(text, model, spex.LogProb("no, sir")),
        budget=16,
        store=tmp_path / "s.sqlite",
    )
    assert model.n_scored == scored_both > scored
    assert all(one.context.score_unit == "nats" for one in found.values())


def test_all_classes_of_a_classifier():
    rows = np.array([[1.0, 2.0, 4.0]])

    def probabilities(inputs):
        scores = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    table = spex.Table(rows[0], np.zeros((1, 3)))
    every = spex.PredictFunction(table, probabilities, None, names=["x", "y", "z"])
    found = spex.explain(every, budget=8)
    assert found.outputs == ("x", "y", "z") and every.output is None
    for number, name in enumerate(found):
        alone = spex.explain(spex.PredictFunction(table, probabilities, number), budget=8)
        assert dict(alone.spectrum.items()) == dict(found[name].spectrum.items())
    assert found["z"].context.score == "z (output 2) of probabilities"
    assert spex.PredictFunction(table, probabilities).output == 2


class Source:
    """A source of the user's own, by the protocol alone."""

    features = ("a", "b", "c", "d")
    outputs = None
    prior = NO_PRIOR
    may_vary = False
    hashed = 0

    @property
    def identities(self):
        type(self).hashed += 1
        return ("own v1",)

    def contexts(self):
        return (spex.Context(model="own", score="sum", score_unit="points"),)

    def stored_masks(self, masks):
        return masks

    def stream(self, masks):
        for row in reversed(range(len(masks))):  # in any order
            yield np.array([row]), total(masks[[row]])


def test_a_source_of_ones_own(tmp_path):
    found = spex.explain(Source(), budget=16)
    assert Source.hashed == 0  # nothing is stored
    assert found.features == Source.features and found.context.score_unit == "points"
    assert found.interactions("Moebius")[0, 1] == pytest.approx(1.0)
    spex.explain(Source(), budget=16, store=tmp_path / "s.sqlite")
    assert Source.hashed == 1
    relabelled = spex.explain(Source(), ["w", "x", "y", "z"], 16)
    assert relabelled.features == ("w", "x", "y", "z")
    with pytest.raises(spex.ArgumentError, match="3 labels for a value function of 4"):
        spex.explain(Source(), 3, 16)


def test_a_source_that_lacks_a_member_is_refused_before_it_is_asked(monkeypatch):
    class Asked(Source):
        def stream(self, masks):
            raise AssertionError

    class OneContext(Asked):
        outputs = ("x", "y")

    with pytest.raises(
        spex.ArgumentError, match=r"1 spex\.Context for 2 outputs; give one for each"
    ):
        spex.explain(OneContext(), budget=16)
    for contexts in (({"model": "m"},), spex.Context(model="m"), None):
        monkeypatch.setattr(Asked, "contexts", lambda _, found=contexts: found)
        with pytest.raises(spex.ArgumentError, match=r"give a tuple of spex\.Context, one"):
            spex.explain(Asked(), budget=16)
    for member in ("may_vary", "stored_masks", "contexts"):
        monkeypatch.delattr(Source, member)
    monkeypatch.delattr(Asked, "contexts")
    with pytest.raises(spex.ArgumentError, match="Asked has no may_vary, contexts, stored_masks"):
        spex.explain(Asked(), budget=16)


def test_what_a_source_does_to_the_masks_does_not_reach_the_fit():
    class Turning(Source):
        def stream(self, masks):
            values = total(masks)
            np.logical_not(masks, out=masks)
            yield np.arange(len(masks)), values

    found = spex.explain(Turning(), budget=12).spectrum
    assert dict(found.items()) == dict(spex.explain(Source(), budget=12).spectrum.items())


@pytest.mark.parametrize("given", [None, np.zeros(16), [1.0], [(np.arange(16),)]])
def test_a_source_that_yields_no_pairs(given):
    class Wrong(Source):
        def stream(self, masks):
            return given

    with pytest.raises(spex.ArgumentError, match=r"Wrong\.stream gave .* it yields pairs: row"):
        spex.explain(Wrong(), budget=16)


@pytest.mark.parametrize("identities", ["own", (None, None), (1, 2)])
def test_identities_that_are_no_strings(tmp_path, identities):
    class Wrong(Source):
        outputs = ("x", "y")

        def contexts(self):
            return (spex.Context(), spex.Context())

        def stream(self, masks):
            raise AssertionError

    Wrong.identities = identities
    with pytest.raises(spex.ArgumentError, match=r"give a tuple of strings, one for each output"):
        spex.explain(Wrong(), budget=16, store=tmp_path / "s.sqlite")


def test_outputs_of_one_identity_are_not_mixed_up(tmp_path):
    class Two(Source):
        outputs, factor = ("x", "y"), 2
        identities = ("own", "own")

        def contexts(self):
            return (spex.Context(), spex.Context())

        def stream(self, masks):
            yield (
                np.arange(len(masks)),
                np.stack([total(masks), self.factor * total(masks)], axis=1),
            )

    with spex.Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(spex.ArgumentError, match="0 and 1 have the same identity, and other"):
            spex.explain(Two(), budget=16, store=store)
        assert len(store) == 0
        Two.factor = 1  # the same score twice
        assert list(spex.explain(Two(), budget=16, store=store)) == ["x", "y"]


def test_two_outputs_keep_their_contexts():
    class Two(Source):
        outputs = ("x", "y")

        def contexts(self):
            return (spex.Context(score="first"), spex.Context(score="second"))

        def stream(self, masks):
            yield np.arange(len(masks)), np.stack([total(masks), -total(masks)], axis=1)

    found = spex.explain(Two(), budget=16)
    assert [one.context.score for one in found.values()] == ["first", "second"]
    unnamed = type("Unnamed", (Two,), {"outputs": None, "contexts": Source.contexts})
    found = spex.explain(unnamed(), budget=16)
    assert [one.context.score for one in found.values()] == ["sum: 0", "sum: 1"]
    assert found["1"].context.score_unit == "points"


def test_a_source_that_leaves_masks_out():
    class Lazy(Source):
        def stream(self, masks):
            yield np.arange(3), total(masks[:3])

    with pytest.raises(spex.BackendError, match="3 values for 16 masks"):
        spex.explain(Lazy(), budget=16)


@pytest.mark.parametrize("rows", [[99], [-1], [0.5], [[0]], []])
def test_a_source_with_wrong_rows(rows):
    class Wrong(Source):
        def stream(self, masks):
            yield rows, np.zeros(len(rows))

    with pytest.raises(spex.BackendError, match="values for rows"):
        spex.explain(Wrong(), budget=16)


def test_what_a_function_knows_of_its_features():
    seen = []
    f = named(total, features=("a", "b", "c"), prior=spex.Prior(close=((0, 1),)))
    spex.explain(f, budget=8, progress=lambda state: seen.append(state.done))
    assert seen[-1] == 8
    with pytest.raises(spex.ArgumentError, match="names feature 7"):
        spex.explain(named(total, prior=spex.Prior(close=((0, 7),))), 3, 8)
