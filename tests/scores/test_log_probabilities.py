"""Scores of log-probabilities on numbers that are given, with a model that is a table."""

import numpy as np
import pytest

from spex import LogOdds, LogProb, Probability
from spex.errors import ArgumentError
from spex.models import Message, Prompt, Reply, TableModel

PROMPT = Prompt((Message("user", "the prompt"),))
VALUES = np.array([-0.5, -1.0, -2.5])


def table(answer="it was great"):
    return TableModel(lambda prompt, answer: -1.0, answer=answer)


@pytest.mark.parametrize(
    ("reduce", "span", "expected"),
    [
        ("sum", None, -4.0),
        ("mean", None, -4.0 / 3),
        ("sum", "was", -1.0),
        ("sum", "t w", -1.5),
        ("mean", "as great", -1.75),
        ("sum", (0, 2), -0.5),
        ("sum", (0, 3), -0.5),
        ("sum", (0, 4), -1.5),
        ("sum", (11, 12), -2.5),
    ],
)
@pytest.mark.parametrize("answer", ["it was great", None])
def test_log_prob(answer, reduce, span, expected):
    score = LogProb(answer, reduce=reduce, span=span).resolve(table(), PROMPT)
    assert score.answers == ("it was great",)
    assert score.answer == "it was great"
    assert score.combine([VALUES]) == pytest.approx(expected, abs=1e-15)


def test_log_odds():
    score = LogOdds("very good", "bad").resolve(table(), PROMPT)
    assert score.answers == ("very good", "bad")
    assert score.answer is None
    assert score.combine([np.array([-1.0, -0.25]), np.array([-3.0])]) == 1.75


@pytest.mark.parametrize("answer", ["it was great", None])
def test_probability(answer):
    score = Probability(answer).resolve(table(), PROMPT)
    assert (score.answers, score.answer) == (("it was great",), "it was great")
    assert score.combine([VALUES]) == pytest.approx(np.exp(-4.0), abs=1e-15)


def test_one_score_per_token():
    whole = LogProb("it was great").resolve(table(), PROMPT)
    tokens = whole.per_token(table())
    assert [token.token for token in tokens] == ["it", "was", "great"]
    assert [token.combine([VALUES]) for token in tokens] == VALUES.tolist()
    assert tokens[2].summary == 'log P("great", token 3 of "it was great")'
    part = LogProb("it was great", span="was great").resolve(table(), PROMPT)
    assert part.per_token(table()) == tokens[1:]


def test_evaluate_asks_the_model_for_all_answers_at_once():
    asked = []
    model = TableModel(lambda prompt, answer: asked.append((prompt, answer)) or -len(prompt) / 10)
    prompts = [Prompt((Message("user", text),)) for text in ("a", "bbb")]
    scored = list(LogOdds("yes", "no").evaluate(model, prompts))
    assert scored == [(0, 0.0), (1, 0.0)]
    assert asked == [("a", "yes"), ("a", "no"), ("bbb", "yes"), ("bbb", "no")]


def test_the_default_answer_is_asked_for_once():
    asked = []
    model = TableModel(
        lambda prompt, answer: -1.0, answer=lambda prompt: asked.append(prompt) or "ok"
    )
    score = LogProb().resolve(model, PROMPT)
    score.combine([VALUES[:1]])
    assert (score.answer, asked) == ("ok", ["the prompt"])


def test_descriptions_tell_scores_apart():
    scores = [
        LogProb("a b"),
        LogProb("a c"),
        LogProb("a b", reduce="mean"),
        LogProb("a b", span="a"),
        LogProb("a b", span="b"),
        LogOdds("a b", "b"),
        LogOdds("b", "a b"),
        Probability("a b"),
        *LogProb("a b").resolve(table(), PROMPT).per_token(table()),
    ]
    described = [str(score.resolve(table(), PROMPT).describe()) for score in scores]
    assert len(set(described)) == len(scores)
    same = LogProb("a b", span=(2, 3)).resolve(table(), PROMPT).describe()
    assert str(same) == described[4]


@pytest.mark.parametrize(
    ("score", "summary", "unit"),
    [
        (LogProb("yes"), 'log P("yes")', "nats"),
        (LogProb("yes", reduce="mean"), 'mean log P("yes") per token', "nats"),
        (LogProb("oh yes", span="yes"), 'log P("yes" in "oh yes")', "nats"),
        (LogOdds("yes", "no"), 'log P("yes") - log P("no")', "nats"),
        (
            LogOdds("a" * 90 + "b", "a" * 90),
            f'log P("...{"a" * 16}b") - log P("...{"a" * 16}")',
            "nats",
        ),
        (Probability("yes"), 'P("yes")', "probability"),
        (LogProb("y" * 99), f'log P("{"y" * 57}...")', "nats"),
    ],
)
def test_summary_and_unit(score, summary, unit):
    resolved = score.resolve(table(), PROMPT)
    assert (resolved.summary, resolved.unit) == (summary, unit)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogProb(""), "answer is empty"),
        (lambda: LogProb(3), "answer must be a str, not int"),
        (lambda: LogProb(reduce="max"), "reduce='max' is unknown; use 'sum' or 'mean'"),
        (lambda: LogProb("it was", span="is"), "'is' does not occur"),
        (lambda: LogProb("aaa", span="aa"), "more than once"),
        (lambda: LogProb("yes", span=""), "span is empty"),
        (lambda: LogProb("yes", span=(2, 2)), "0 <= start < stop <= 3"),
        (lambda: LogProb("yes", span=(0, 4)), "0 <= start < stop <= 3"),
        (lambda: LogProb("yes", span=(-1, 2)), "0 <= start < stop <= 3"),
        (lambda: LogProb("yes", span=3), "span=3 is no part"),
        (lambda: Probability(""), "answer is empty"),
        (lambda: Probability(3), "answer must be a str, not int"),
        (lambda: LogOdds("yes", "yes"), "both 'yes'"),
        (lambda: LogOdds("", "yes"), "a is empty"),
        (lambda: LogOdds("yes", None), "b must be a str, not NoneType"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("answer", ["", "  "])
def test_an_empty_greedy_answer_is_an_error(answer):
    for score in (LogProb(), Probability()):
        with pytest.raises(ArgumentError, match=r"greedy answer of 'table' .* is empty"):
            score.resolve(table(answer), PROMPT)


def test_an_empty_answer_that_was_cut_off_says_what_to_raise(monkeypatch):
    model = table()
    monkeypatch.setattr(model, "generate", lambda prompts, limit: [Reply("", cut_off=True)])
    with pytest.raises(ArgumentError, match="is empty; raise max_new_tokens=64, where it was cut"):
        LogProb().resolve(model, PROMPT)


def test_a_span_is_looked_for_in_the_greedy_answer():
    with pytest.raises(ArgumentError, match="'bad' does not occur in the answer 'it was great'"):
        LogProb(span="bad").resolve(table(), PROMPT)


def test_a_span_without_a_token_is_an_error():
    with pytest.raises(ArgumentError, match="overlaps no token"):
        LogProb("it was", span=" ").resolve(table(), PROMPT)
