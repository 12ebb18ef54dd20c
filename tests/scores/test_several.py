"""Several scores together: the values of each alone, for fewer calls."""

from dataclasses import dataclass

import pytest

from spex import JsonField, LogOdds, LogProb, Matches, Probability, ReplyScore
from spex.errors import ArgumentError
from spex.models import FunctionModel, Message, Prompt, TableModel
from spex.scores.several import evaluate_several

PROMPTS = [Prompt((Message("user", text),)) for text in ("a", "bbb", "cc dd")]


class Counted(TableModel):
    """A table that keeps what it is asked for, call by call and prompt by prompt."""

    def __init__(self):
        super().__init__(
            lambda prompt, answer: -len(prompt) / len(answer), lambda prompt: f"yes {prompt} and on"
        )
        self.calls = []
        self.replied = []

    def log_probs(self, prompts, answers):
        self.calls.append(answers)
        return super().log_probs(prompts, answers)

    def replies(self, prompts, max_new_tokens=64):
        self.calls.append(max_new_tokens)
        return super().replies(prompts, max_new_tokens)

    def generate(self, prompts, max_new_tokens=64):
        self.replied += [(prompt.text, max_new_tokens) for prompt in prompts]
        return super().generate(prompts, max_new_tokens)


@dataclass
class OfPrompt:
    """A score of the user's own, which is none of the library's kinds."""

    answers = ()
    answer = None
    summary = "length"
    unit = "characters"

    def evaluate(self, model, prompts):
        return ((number, float(len(prompt.text))) for number, prompt in enumerate(prompts))

    def describe(self):
        return None


def length(prompt, reply):
    return len(reply)


SCORES = [
    ReplyScore(length, max_new_tokens=2),
    LogProb("yes").resolve(TableModel(lambda prompt, answer: -1.0), PROMPTS[0]),
    Matches("on$"),
    LogOdds("no", "yes"),
    OfPrompt(),
    Probability("so so").resolve(TableModel(lambda prompt, answer: -1.0), PROMPTS[0]),
    JsonField("a", 1, max_new_tokens=64),
]


@pytest.mark.parametrize("score", SCORES)
def test_one_score_is_as_by_itself(score):
    alone, together = Counted(), Counted()
    expected = [(number, (value,)) for number, value in score.evaluate(alone, PROMPTS)]
    assert list(evaluate_several([score], together, PROMPTS)) == expected
    assert (together.calls, together.replied) == (alone.calls, alone.replied)


def test_values_are_those_of_each_alone():
    alone = [dict(score.evaluate(Counted(), PROMPTS)) for score in SCORES]
    assert dict(evaluate_several(SCORES, Counted(), PROMPTS)) == {
        number: tuple(values[number] for values in alone) for number in range(len(PROMPTS))
    }


def test_a_prompt_is_asked_once_per_group():
    model = Counted()
    list(evaluate_several(SCORES, model, PROMPTS))
    assert model.calls == [2, ("yes", "no", "so so"), 64]
    assert model.n_scored == len(PROMPTS)
    assert model.replied == [(prompt.text, n) for n in (2, 64) for prompt in PROMPTS]


def test_values_come_as_soon_as_the_last_group_has_them():
    model = Counted()
    several = evaluate_several(
        [LogProb("yes").resolve(model, PROMPTS[0]), SCORES[2]], model, PROMPTS
    )
    assert (model.n_scored, model.replied) == (0, [])
    assert next(several) == (0, (-1 / 3, 1.0))
    assert (model.n_scored, len(model.replied)) == (3, 1)


def test_groups_may_finish_in_different_orders():
    class Backwards(Counted):
        def log_probs(self, prompts, answers):
            return reversed(list(super().log_probs(prompts, answers)))

    assert list(evaluate_several(SCORES, Backwards(), PROMPTS)) == list(
        evaluate_several(SCORES, Counted(), PROMPTS)
    )


def test_refusals_come_with_the_call():
    asked = []
    model = FunctionModel(lambda prompt: asked.append(prompt) or "yes")
    with pytest.raises(ArgumentError, match="returns text and no log-probabilities"):
        evaluate_several([Matches("yes"), LogOdds("yes", "no")], model, PROMPTS)
    assert asked == []


def test_functions_are_called_once_for_all_checks_of_a_reply():
    asked = []
    model = FunctionModel(lambda prompt: asked.append(prompt) or "yes")
    several = evaluate_several([Matches("yes"), Matches("no")], model, PROMPTS)
    assert list(several) == [(number, (1.0, 0.0)) for number in range(len(PROMPTS))]
    assert asked == [prompt.text for prompt in PROMPTS]


def test_no_scores():
    with pytest.raises(ArgumentError, match="there are no scores; give at least one"):
        evaluate_several([], Counted(), PROMPTS)
