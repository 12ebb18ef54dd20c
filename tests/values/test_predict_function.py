"""PredictFunction: a masker and a plain function, its outputs, its identity, and every error."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

import spex
from spex import Messages, PredictFunction, Text
from spex.errors import ArgumentError, StoreError, ValueFunctionError
from spex.inputs.table import Table
from spex.values.store import Store

ROW, BACKGROUND = np.array([1.0, 2.0, 4.0]), np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])


def total(rows):
    return rows.sum(axis=1)


def probabilities(rows):
    scores = np.exp(rows - rows.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def all_masks(n):
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)


def test_the_whole_input_is_asked_for_once():
    asked = []

    def noted(rows):
        asked.extend(rows.tolist())
        return total(rows)

    value = PredictFunction(Table(ROW, BACKGROUND[:1]), noted)
    found = spex.explain(value, budget=8)
    assert len(asked) == 8 and asked.count(ROW.tolist()) == 1
    assert found.observed == (7.0, 0.0)
    value(np.ones((1, 3), dtype=bool))  # asked for again, it is asked for again
    assert asked.count(ROW.tolist()) == 2


def test_values_are_means_over_the_background():
    value = PredictFunction(Table(ROW, BACKGROUND), total)
    assert value.output is None
    masks = all_masks(3)
    expected = [
        np.mean([np.where(mask, ROW, other).sum() for other in BACKGROUND]) for mask in masks
    ]
    assert value(masks).tolist() == expected
    assert value(masks[:0]).shape == (0,)


def test_the_output_is_the_largest_of_the_whole_input_unless_given():
    value = PredictFunction(Table(ROW, BACKGROUND[:1]), probabilities)
    assert value.output == 2
    masks = all_masks(3)
    expected = probabilities(np.where(masks, ROW, 0.0))
    np.testing.assert_allclose(value(masks), expected[:, 2])
    other = PredictFunction(Table(ROW, BACKGROUND[:1]), probabilities, output=0)
    np.testing.assert_allclose(other(masks), expected[:, 0])
    assert other.contexts()[0].score == "output 0 of probabilities"


def test_outputs_have_names():
    table = Table(ROW, BACKGROUND)

    class Classifier:
        classes_ = np.array(["cat", "dog", "eel"])

        def predict_proba(self, rows):
            return probabilities(rows)

    predict = Classifier().predict_proba
    value = PredictFunction(table, predict, "dog")
    assert value.output == 1
    assert value.contexts()[0].score == "dog (output 1) of Classifier.predict_proba"
    assert PredictFunction(table, predict).contexts()[0].score.startswith("eel (output 2) of ")
    named = PredictFunction(table, probabilities, "b", names=["a", "b", "c"])
    assert (named.output, named.contexts()[0].score) == (1, "b (output 1) of probabilities")
    # The classes are not those of another number of outputs.
    Classifier.classes_ = ["cat", "dog"]
    assert PredictFunction(table, predict).contexts()[0].score.startswith("output 2 of ")
    for wrong, says in [
        (dict(output="eagle"), "output='eagle' is no name of an output; it has no names"),
        (dict(output="d", names="abc"), "give a different name for each"),
        (dict(names=["a", "b", "a"]), "returns 3 numbers for an input"),
        (dict(output="d", names=["a", "b", "c"]), "it has 'a', 'b', 'c'"),
    ]:
        with pytest.raises(ArgumentError, match=says):
            PredictFunction(table, predict, **wrong)
    with pytest.raises(ArgumentError, match="returns one number for an input"):
        PredictFunction(table, total, names=["a"])


@pytest.mark.parametrize(
    ("classes", "output", "position"),
    [
        ([2, 0, 1], 0, 1),
        ([2, 0, 1], "0", 1),
        ([2, 0, 1], np.int64(2), 0),
        (["2", "0", "1"], 1, 2),
        (["2", "0", "1"], np.str_("1"), 2),
        ([1.0, 2.0, 3.0], 2, 1),
        ([1.0, 2.0, 3.0], "3", 2),
        ([False, True, None], True, 1),
        ([False, True, None], "False", 0),
        (["a", "b", "c"], 1, 1),
        (["a", "b", "c"], "2", 2),
        (["a", "1", "c"], 1, 1),
        (["a", "1", "c"], 2, 2),
        (["1", "01", "x"], "01", 1),
        (None, 2, 2),
        (None, "2", 2),
    ],
)
def test_a_name_goes_before_a_position(classes, output, position):
    value = PredictFunction(Table(ROW, BACKGROUND), probabilities, output, names=classes)
    assert value.output == position
    name = None if classes is None else str(classes[position])
    named = f"output {position} of" if name is None else f"{name} (output {position})"
    if name == str(position):  # the name says it already
        named = f"{name} of"
    assert value.contexts()[0].score.startswith(named)


@pytest.mark.parametrize("output", [0, 4, -1, "0", "x", True, 1.5, "9" * 5000])
def test_a_number_that_is_no_class(output):
    with pytest.raises(ArgumentError, match="is no name of an output; it has '1', '2', '3'"):
        PredictFunction(Table(ROW, BACKGROUND), probabilities, output, names=["1", "2", "3"])
    if output not in (0, "0"):
        with pytest.raises(ArgumentError, match=r"whole number|no names|give 0 to 2"):
            PredictFunction(Table(ROW, BACKGROUND), probabilities, output)


@pytest.mark.parametrize("kind", [pd.Index, pd.Series, np.array, tuple])
def test_labels_and_names_of_any_sequence(kind):
    labels = kind(["a", "b", "c"])
    value = PredictFunction(Table(ROW, BACKGROUND), probabilities, "b", names=labels)
    found = spex.explain(value, labels, budget=8)
    masks = all_masks(3)
    assert found.features == spex.Run(labels, budget=8).features == ("a", "b", "c")
    assert spex.fit(masks, value(masks), labels).features == ("a", "b", "c")
    assert value.output == 1


def test_explained_with_labels():
    explanation = spex.explain(PredictFunction(Table(ROW, BACKGROUND), total), budget=8)
    assert explanation.features == ("column 0 = 1", "column 1 = 2", "column 2 = 4")
    values = explanation.interactions("BV")
    assert values[2,] == pytest.approx(4) and values[0,] == pytest.approx(-4)
    assert explanation.context["model"] == "total"
    assert json.loads(json.dumps(explanation.context.to_json()))


def test_texts_and_chats():
    words = PredictFunction(Text("a bb ccc"), lambda texts: [len(text) for text in texts])
    assert words([[1, 1, 1], [0, 1, 0]]).tolist() == [8, 2]
    chat = [{"role": "user", "content": "a b"}]
    turns = PredictFunction(
        Messages(chat, unit="word"),
        lambda chats: [len(messages[-1]["content"]) for messages in chats],
    )
    assert turns([[1, 1], [1, 0]]).tolist() == [3, 1]


def test_large_inputs_come_in_batches():
    sizes = []

    def first(rows):
        sizes.append(len(rows))
        return rows[:, 0]

    row = np.arange(20.0)
    value = PredictFunction(Table(row, np.ones((5000, 20))), first)  # 0.8 MB for a mask
    sizes.clear()
    masks = np.zeros((25, 20), dtype=bool)
    masks[::2, 0] = True
    assert value(masks).tolist() == [0.0, 1.0] * 12 + [0.0]
    assert sum(sizes) == 125_000 and max(sizes) == 50_000
    rows, _ = zip(*value.stream(masks), strict=True)
    assert np.concatenate(rows).tolist() == list(range(25))


def test_identity_needs_that_of_the_function(tmp_path):
    value = PredictFunction(Table(ROW, BACKGROUND), total)
    assert value.identity is None
    with pytest.raises(ArgumentError, match="identity"):
        spex.explain(value, budget=8, store=tmp_path / "s.sqlite")

    class Model:
        identity = "forest v1"
        calls = 0

        def __call__(self, rows):
            self.calls += len(rows)
            return total(rows)

    model = Model()
    value = PredictFunction(Table(ROW, BACKGROUND), model)
    assert value.identity == PredictFunction(Table(ROW, BACKGROUND), Model()).identity
    assert value.identity != PredictFunction(Table(ROW, BACKGROUND + 1), Model()).identity
    first = spex.explain(value, budget=8, store=tmp_path / "s.sqlite")
    calls = model.calls
    second = spex.explain(value, budget=8, store=tmp_path / "s.sqlite")
    assert model.calls == calls
    assert dict(first.spectrum.items()) == dict(second.spectrum.items())


class Scored:
    """A model as in scikit-learn: it cannot be called."""

    identity = "scored v1"

    def predict(self, rows):
        return total(rows)


class Decided(Scored):
    def decision_function(self, rows):
        return 2 * total(rows)


class Classified(Decided):
    def predict_proba(self, rows):
        return probabilities(rows)


def test_a_model_is_asked_by_its_most_telling_method():
    masks = all_masks(3)
    plain = PredictFunction(Table(ROW, BACKGROUND), total)(masks)
    for model, method, expected in [
        (Scored(), "predict", plain),
        (Decided(), "decision_function", 2 * plain),
        (
            Classified(),
            "predict_proba",
            PredictFunction(Table(ROW, BACKGROUND), probabilities)(masks),
        ),
    ]:
        value = PredictFunction(Table(ROW, BACKGROUND), model)
        assert value(masks).tolist() == expected.tolist()
        assert value.contexts()[0].model == f"{type(model).__name__}.{method}"
        assert value.identity is not None


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (LogisticRegression(), "predict_proba"),
        (LinearSVC(), "decision_function"),
        (LinearRegression(), "predict"),
    ],
)
def test_models_of_scikit_learn(model, method):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    model.fit(rows, (rows[:, 0] > 0).astype(int))
    value = PredictFunction(Table(ROW, BACKGROUND), model)
    explanation = spex.explain(value, budget=8)
    whole = np.asarray(getattr(model, method)(ROW[None]))[0]
    expected = whole if value.output is None else whole[value.output]
    assert explanation.predict([[True] * 3])[0] == pytest.approx(expected)


def test_names():
    class Forest:
        def predict(self, rows):
            return total(rows)

    assert PredictFunction(Table(ROW, BACKGROUND), Forest().predict).contexts()[0].model == (
        "Forest.predict"
    )


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda rows: 1.0, r"shape \(\) for 2 inputs"),
        (lambda rows: np.zeros(len(rows) + 1), r"shape \(3,\) for 2 inputs; it must return"),
        (lambda rows: np.zeros((len(rows), 2, 2)), r"shape \(2, 2, 2\)"),
        (lambda rows: np.zeros((len(rows), 0)), r"shape \(2, 0\)"),
        (lambda rows: ["cat"] * len(rows), "list that is no array of numbers"),
        (lambda rows: None, "predict returned"),
    ],
)
def test_what_is_no_prediction(returned, message):
    with pytest.raises(ValueFunctionError, match=message):
        PredictFunction(Table(ROW, BACKGROUND), returned)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"masker": "a b"}, "masker is a str; give a masker"),
        ({"predict": 3}, "predict is a int, which cannot be called"),
        ({"output": 0}, "output=0, but the function returns one number for an input; leave"),
        ({"predict": probabilities, "output": 3}, "returns 3 numbers for an input; give 0 to 2"),
        ({"predict": probabilities, "output": -1}, "output=-1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        PredictFunction(**({"masker": Table(ROW, BACKGROUND), "predict": total} | arguments))


def test_wrong_masks():
    with pytest.raises(ArgumentError, match="masks"):
        PredictFunction(Table(ROW, BACKGROUND), total).stream([[1, 0]])


def test_a_stored_function_is_not_asked_how_many_numbers_it_returns():
    calls = []

    def predict(rows):
        calls.extend(rows)
        return rows @ np.array([[1.0, 0.1], [2.0, 0.3]])

    predict.identity = "v1"
    table = Table([1.0, 1.0], np.array([[0.0, 0.5]]))
    found = []
    with Store(":memory:") as store:
        for _ in range(2):
            found.append(spex.explain(PredictFunction(table, predict, store=store), store=store))
    assert len(calls) == 4
    assert found[0].interactions("SV") == found[1].interactions("SV")
    np.testing.assert_allclose(found[1].predict([[1, 1], [0, 0]]), [3.0, 1.0])


@pytest.mark.parametrize(
    "kept", ["[1.0, 2.0]", "[[]]", "[[NaN, 1.0]]", "[[1.0], [1.0, 2.0]]", "{}", "?"]
)
def test_a_kept_prediction_that_is_none_is_refused(kept, tmp_path):
    def function(rows):
        return rows @ np.array([[1.0, 0.1], [2.0, 0.3]])

    function.identity = "v1"
    table = Table([1.0, 1.0], np.array([[0.0, 0.5]]))
    with Store(tmp_path / "s.sqlite") as store:
        PredictFunction(table, function, store=store)
        store._connection.execute("update answers set answer = ?", (kept,))
        with pytest.raises(StoreError, match="which is no row of numbers; use another store"):
            PredictFunction(table, function, store=store)
