"""ValueFunction: masker, model and score together, on a model that is a table."""

import itertools
import json

import numpy as np
import pytest

import spex
from spex import LogOdds, LogProb, Matches, Text, ValueFunction
from spex.errors import ArgumentError, BackendError, ValueFunctionError
from spex.inputs.table import Table
from spex.models import TableModel
from spex.values.store import Store

TEXT = Text("a bb ccc", prompt="Say: {input}.", system="Be brief.")
ALL = np.array(list(itertools.product([False, True], repeat=3)))


def length(prompt, answer):
    return -len(prompt) - len(answer) / 10


def test_values_are_scores_of_the_rendered_prompts():
    value = ValueFunction(TEXT, TableModel(length), LogProb("yes"))
    values = value(ALL)
    assert values.dtype == np.float64
    assert values.tolist() == [length(value.render(mask), "yes") for mask in ALL]
    assert value.render([1, 0, 1]) == "Say: a ccc."
    assert value.features == ("a", "bb", "ccc")
    assert value.n_features == 3
    np.testing.assert_array_equal(value(ALL.astype(int)), values)
    np.testing.assert_array_equal(value(ALL.astype(float).tolist()), values)


def test_log_odds_of_both_answers():
    value = ValueFunction(TEXT, TableModel(length), LogOdds("yes", "absolutely not"))
    np.testing.assert_allclose(value(ALL), 1.1)
    assert value.answer is None


def test_the_default_is_the_log_probability_of_the_models_answer():
    value = ValueFunction(TEXT, TableModel(length, answer=lambda prompt: f"So: {prompt}"))
    assert value.answer == "So: Say: a bb ccc."
    assert value.score.summary == 'log P("So: Say: a bb ccc.")'


def test_equal_prompts_are_evaluated_once():
    model = TableModel(length)
    value = ValueFunction(Text("a a a"), model, LogProb("yes"))
    values = value(np.concatenate([ALL, ALL]))
    assert model.n_scored == 4  # zero to three times "a"
    assert values.tolist() == [
        length(value.render(mask), "yes") for mask in np.concatenate([ALL, ALL])
    ]


def test_stream_gives_every_row_once():
    value = ValueFunction(Text("a a b"), TableModel(length), LogProb("yes"))
    rows, values = zip(*value.stream(ALL), strict=True)
    assert sorted(np.concatenate(rows).tolist()) == list(range(8))
    assert all(
        r.dtype == np.int64 and v.dtype == np.float64 for r, v in zip(rows, values, strict=True)
    )
    np.testing.assert_array_equal(np.concatenate(values), value(ALL)[np.concatenate(rows)])


def test_stream_hands_over_before_the_rest_is_evaluated():
    model = TableModel(length)
    stream = ValueFunction(TEXT, model, LogProb("yes")).stream(ALL)
    next(stream)
    assert model.n_scored == 1


def test_no_masks_no_values():
    value = ValueFunction(TEXT, TableModel(length), LogProb("yes"))
    assert value(np.empty((0, 3), dtype=bool)).shape == (0,)


@pytest.mark.parametrize(
    "masks", [[1, 0, 1], [[1, 0]], [[[1, 0, 1]]], [[1, 0, 2]], [["a", "b", "c"]], [[1, 0, np.nan]]]
)
@pytest.mark.parametrize("method", ["__call__", "stream"])
def test_wrong_masks_are_refused_at_once(masks, method):
    value = ValueFunction(TEXT, TableModel(length), LogProb("yes"))
    with pytest.raises(ArgumentError, match="masks"):
        getattr(value, method)(masks)


def test_a_model_that_leaves_masks_out_is_an_error():
    class Lossy(TableModel):
        def log_probs(self, prompts, answers):
            return itertools.islice(super().log_probs(prompts, answers), 5)

    value = ValueFunction(TEXT, Lossy(length), LogProb("yes"))
    with pytest.raises(BackendError, match="scored 5 of 8 masks"):
        value(ALL)


def test_the_model_checks_the_prompts_before_it_is_used():
    class Short(TableModel):
        def check_prompts(self, prompts, answers):
            if any(len(prompt.text) > 10 for prompt in prompts):
                raise ArgumentError("too long")

        def generate(self, prompts, max_new_tokens=64):
            raise AssertionError("used")

    with pytest.raises(ArgumentError, match="too long"):
        ValueFunction(TEXT, Short(length))


def test_a_bare_string_is_no_masker():
    with pytest.raises(ArgumentError, match="wrap it"):
        ValueFunction("a b c", TableModel(length))


def test_what_is_no_language_model_belongs_elsewhere():
    with pytest.raises(ValueFunctionError, match=r"list, not the reply .* spex\.PredictFunction"):
        ValueFunction(TEXT, lambda texts: [0.0 for _ in texts])
    with pytest.raises(ArgumentError, match="model is a int, no language model"):
        ValueFunction(TEXT, 3)
    with pytest.raises(ArgumentError, match="a Table gives no prompts"):
        ValueFunction(Table([1, 2], [[0, 0]]), TableModel(length))


def test_a_masker_over_tokens_takes_those_of_the_model():
    value = ValueFunction(Text("a bb ccc", unit="token"), TableModel(length), LogProb("yes"))
    assert value.features == ("a", "bb", "ccc")
    assert value.masker.describe()["unit"] == "token"


def test_one_explanation_per_answer_token_from_the_same_calls():
    def per_word(prompt, answer):
        words = prompt.split()
        return [-1.0 - ("a" in words), -3.0 - 2.0 * ("bb" in words and "ccc" in words)]

    model = TableModel(per_word)
    value = ValueFunction(Text("a bb ccc"), model, LogProb("not good"))
    whole = spex.explain(value)
    tokens = spex.explain(value.per_token())
    assert model.n_scored == 16  # 8 for the whole, 8 for both tokens
    assert tokens.outputs == ("not", "good")
    first, second = tokens.values()
    assert first.interactions("Moebius").top(9, order=1) == [((0,), -1.0)]
    assert second.interactions("Moebius").top(1) == [((1, 2), -2.0)]
    np.testing.assert_allclose(whole.predict(ALL), first.predict(ALL) + second.predict(ALL))
    assert len({*value.per_token().identities, value.identity}) == 3
    assert tokens["not"].context.score.startswith('log P("not", token 1 of')


def test_a_score_without_tokens_has_no_explanation_per_token():
    value = ValueFunction(TEXT, TableModel(length), LogOdds("yes", "no"))
    with pytest.raises(ArgumentError, match="has no tokens to tell apart; use one LogProb"):
        value.per_token()


@pytest.mark.parametrize("kind", [str, Store])
def test_the_models_own_answer_is_produced_once(tmp_path, kind):
    asked = []
    model = TableModel(length, answer=lambda prompt: asked.append(prompt) or f"reply {len(asked)}")
    store = kind(str(tmp_path / "s.sqlite"))
    values = [ValueFunction(TEXT, model, score, store=store) for score in (None, LogProb())]
    assert [value.answer for value in values] == ["reply 1", "reply 1"]
    assert values[0].identity == values[1].identity
    other = ValueFunction(Text("a bb"), model, store=store)
    renamed = ValueFunction(TEXT, TableModel(length, name="other"), store=store)
    assert (other.answer, renamed.answer) == ("reply 2", "yes")
    assert ValueFunction(TEXT, model).answer == "reply 3"
    assert asked == ["Say: a bb ccc.", "a bb", "Say: a bb ccc."]


def test_an_unknown_model_name():
    with pytest.raises(ArgumentError, match="model 'gpt' is unknown; use 'smollm2', 'hf:"):
        ValueFunction(TEXT, "gpt")


def test_description_for_reports():
    value = ValueFunction(TEXT, TableModel(length), LogProb("yes"))
    (context,) = value.contexts()
    assert json.loads(json.dumps(context.to_json())) == {
        "model": "table",
        "prompt": "Say: a bb ccc.",
        "system": "Be brief.",
        "answer": "yes",
        "score": 'log P("yes")',
        "score_unit": "nats",
        "text": "a bb ccc",
        "unit": "word",
        "operator": "delete",
        "parts": [
            {
                "heading": None,
                "segments": [["a", 0], [" ", None], ["bb", 1], [" ", None], ["ccc", 2]],
            }
        ],
    }


def test_identity_is_content():
    def identity(text=TEXT, model="table", score=None):
        return ValueFunction(text, TableModel(length, name=model), score).identity

    assert identity() == identity(score=LogProb("yes"))
    assert identity().startswith("sha256:")
    assert len(identity()) == len("sha256:") + 64
    others = [
        identity(),
        identity(model="other"),
        identity(score=LogProb("no")),
        identity(score=LogOdds("yes", "no")),
        identity(Text("a bb ccc")),
        identity(Text("a bb ccc", prompt="Say: {input}.", system="Be brief.", operator="mask")),
    ]
    assert len(set(others)) == len(others)


def test_identity_stays_the_same_between_releases():
    # A change of this value orphans every stored sample: make it on purpose, by the format.
    value = ValueFunction(Text("é b"), TableModel(length), LogOdds("yes", "no"))
    assert (
        value.identity == "sha256:039c47fbf78ec5f75c9f65543fe30c7fd1383341c77462dbbfc02ef9f08d8472"
    )


def test_replies_that_are_cut_off_are_counted_and_said():
    model = TableModel(lambda prompt, answer: -1.0, answer=lambda prompt: f"{prompt} yes")
    value = ValueFunction(Text("a bb ccc"), model, Matches("yes", max_new_tokens=3))
    explanation = spex.explain(value)
    (note,) = explanation.notes
    assert note.startswith("1 of 8 replies were cut off at the limit of tokens")
    assert value([[1, 1, 1], [1, 1, 0]]).tolist() == [0, 1]
    assert spex.explain(ValueFunction(Text("a bb ccc"), model, Matches("yes"))).notes == ()
