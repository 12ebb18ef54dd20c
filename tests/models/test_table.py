"""TableModel, and the messages."""

import numpy as np
import pytest

from spex.errors import ArgumentError
from spex.models import Message, Prompt, TableModel


def prompt(text):
    return Prompt((Message("user", text),))


def test_log_probs_are_spread_over_words_or_given_per_word():
    model = TableModel(lambda text, answer: -6.0 if text == "p" else [-1.0, -2.0])
    scored = dict(model.log_probs([prompt("p"), prompt("q")], ["a b"]))
    assert [array.tolist() for array in scored[0]] == [[-3.0, -3.0]]
    assert [array.tolist() for array in scored[1]] == [[-1.0, -2.0]]
    assert model.n_scored == 2
    assert model.answer_tokens("a  bc") == [(0, 1), (3, 5)]


def test_generate_cuts_at_words():
    assert TableModel(lambda p, a: 0.0, answer="a b  c ").generate([prompt("p")], 2) == ["a b"]


def test_errors():
    model = TableModel(lambda text, answer: [-1.0])
    with pytest.raises(ArgumentError, match="has no tokens"):
        model.log_probs([prompt("p")], [" "])
    with pytest.raises(ArgumentError, match="of 2 words"):
        list(model.log_probs([prompt("p")], ["a b"]))


def test_prompt_text_is_the_last_message_of_the_user():
    messages = [("system", "s"), ("user", "first"), ("assistant", "a"), ("user", "last")]
    assert Prompt(tuple(Message(*message) for message in messages)).text == "last"
    with pytest.raises(ArgumentError, match="role='robot' is unknown; use one of system"):
        Message("robot", "x")
    with pytest.raises(ArgumentError, match="at least one message of role 'user'"):
        Prompt((Message("system", "s"),))


def test_values_are_float64():
    ((_, (array,)),) = TableModel(lambda p, a: -1).log_probs([prompt("p")], ["a"])
    assert array.dtype == np.float64
