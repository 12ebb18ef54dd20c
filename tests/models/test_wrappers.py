"""Models around a model: they spare calls and change nothing else."""

import copy

import pytest

from spex.errors import ArgumentError
from spex.models import Message, Prompt, TableModel
from spex.models.wrappers import StoredAnswers


class Answers(dict):
    """A store of answers in memory."""

    def get_answer(self, request):
        return self.get(request)

    def put_answer(self, request, answer):
        self.setdefault(request, answer)


def prompts(*texts):
    return [Prompt((Message("user", text),)) for text in texts]


def table():
    return TableModel(lambda prompt, answer: -float(len(prompt + answer)), answer=str.upper)


WRAPPERS = [lambda model: StoredAnswers(model, Answers())]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_everything_is_that_of_the_model(wrap):
    model = table()
    wrapped = wrap(model)
    asked = prompts("a", "bb", "a")
    assert (wrapped.name, wrapped.identity) == (model.name, model.identity)
    assert wrapped.generate(asked) == model.generate(asked) == ["A", "BB", "A"]
    assert dict(wrapped.replies(asked)) == dict(model.replies(asked))
    assert wrapped.answer_tokens("x y") == model.answer_tokens("x y")
    ours, theirs = (dict(m.log_probs(asked, ["x", "y z"])) for m in (wrapped, table()))
    assert {n: [v.tolist() for v in of] for n, of in ours.items()} == {
        n: [v.tolist() for v in of] for n, of in theirs.items()
    }
    assert wrapped.n_scored == model.n_scored
    with pytest.raises(AttributeError):
        _ = wrapped.no_such_thing
    assert copy.copy(wrapped).name == model.name


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_refusals_are_due_at_the_call(wrap):
    for refuse in (wrap(table()).check_prompts, wrap(table()).log_probs):
        with pytest.raises(ArgumentError, match="has no tokens"):
            refuse(prompts("a"), [" "])


def test_an_answer_is_produced_once_per_prompt_and_length():
    asked = []
    model = TableModel(lambda p, a: -1.0, answer=lambda text: asked.append(text) or "so it is")
    stored = Answers()
    for _ in range(2):
        assert StoredAnswers(model, stored).generate(prompts("a", "b"), 2) == ["so it"] * 2
        assert StoredAnswers(model, stored).generate(prompts("a"), 3) == ["so it is"]
    assert asked == ["a", "b", "a"]
