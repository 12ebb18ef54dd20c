"""FunctionModel: functions from a prompt to a reply."""

import threading
import time

import pytest

import spex
from spex.errors import ArgumentError, ValueFunctionError
from spex.models import FunctionModel, Message, Prompt

TEXT = spex.Text("a good film")


def answer(prompt):
    return "Yes." if "good" in prompt else "No."


def test_a_plain_function_is_a_model():
    value = spex.ValueFunction(TEXT, answer, spex.Matches("Yes"))
    assert value([[1, 1, 1], [1, 0, 1]]).tolist() == [1, 0]
    assert value.contexts()[0].model == "answer"
    assert value.identity is None
    own = spex.ValueFunction(TEXT, answer, lambda prompt, reply: float(len(prompt + reply)))
    assert own([[1, 1, 1], [0, 0, 1]]).tolist() == [15, 7]


def test_similarity_to_its_own_reply():
    value = spex.ValueFunction(TEXT, answer, spex.Similarity())
    assert value.answer == "Yes."
    same, other = value([[1, 1, 1], [1, 0, 1]])
    assert same == pytest.approx(1)
    assert other < 0.9


def test_what_the_function_is_given():
    given = []

    def note(prompt):
        given.append(prompt)
        return "so"

    model = FunctionModel(note)
    chat = Prompt((Message("system", "s"), Message("user", "u")))
    assert model.generate([Prompt((Message("user", "u"),)), chat]) == ["so", "so"]
    assert given == [
        "u",
        [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    ]


def test_several_calls_at_once():
    barrier = threading.Barrier(4, timeout=20)

    def slow(prompt):
        barrier.wait()  # passes only where four calls are under way
        return prompt.upper()

    model = FunctionModel(slow, concurrency=4)
    prompts = [Prompt((Message("user", word),)) for word in "abcdefgh"]
    assert model.generate(prompts) == list("ABCDEFGH")


def test_an_error_of_the_function_is_its_own():
    def broken(prompt):
        time.sleep(0.01)
        raise ZeroDivisionError

    for concurrency in (1, 3):
        value = spex.ValueFunction(
            TEXT, FunctionModel(broken, concurrency=concurrency), spex.Matches("a")
        )
        with pytest.raises(ZeroDivisionError):
            value([[1, 1, 1], [1, 0, 0]])


def test_stored_under_an_identity(tmp_path):
    calls = []

    def count(prompt):
        calls.append(prompt)
        return answer(prompt)

    for _ in range(2):
        model = FunctionModel(count, identity="v1")
        value = spex.ValueFunction(TEXT, model, spex.Similarity(), store=tmp_path / "s.sqlite")
        spex.explain(value, budget=8, store=tmp_path / "s.sqlite")
    assert len(calls) == 11  # all masks, two of them again, and the reply to the whole prompt
    other = spex.ValueFunction(TEXT, FunctionModel(count, identity="v2"), spex.Similarity("Yes."))
    assert other.identity != value.identity
    count.identity = "v3"
    assert FunctionModel(count).identity == "function:v3"
    nameless = spex.ValueFunction(TEXT, answer, spex.Similarity(), store=tmp_path / "s.sqlite")
    with pytest.raises(ArgumentError, match=r"FunctionModel\(function, identity=\.\.\.\)"):
        spex.explain(nameless, budget=8, store=tmp_path / "s.sqlite")


@pytest.mark.parametrize("score", [spex.LogProb(), spex.LogProb("a"), spex.LogOdds("a", "b")])
def test_it_has_no_log_probabilities(score):
    with pytest.raises(ArgumentError, match=r"choose a score of replies, such as spex\.Similarity"):
        spex.ValueFunction(TEXT, answer, score)
    with pytest.raises(ArgumentError, match="does not tell the tokens of a text; use unit='word'"):
        spex.ValueFunction(spex.Text("a b", unit="token"), answer, spex.Matches("a"))


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="function=3 cannot be called"):
        FunctionModel(3)
    with pytest.raises(ArgumentError, match="concurrency=0"):
        FunctionModel(answer, concurrency=0)
    with pytest.raises(ValueFunctionError, match="returned a dict, not the reply as a str"):
        FunctionModel(lambda prompt: {"reply": "a"}).generate([Prompt((Message("user", "u"),))])
