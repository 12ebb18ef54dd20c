"""Scores of given answers, from their log-probabilities.

A score is the number that is attributed to the features. It is resolved once per explanation, on
the unmasked prompt: this fixes the answer (default: the model's own) and which of its tokens count.
For endpoints that return only text, `spex.scores.replies` measures the model's replies.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal, Protocol, Self

from spex._typing import FloatArray
from spex.checks.arguments import whole_number
from spex.errors import ArgumentError
from spex.models.protocol import LanguageModel, Prompt, Reply
from spex.scores.outputs import ResolvedOutput
from spex.wording import shorten

_BEFORE = 16  # characters shown before long answers differ


class ResolvedScore(Protocol):
    """A score with fixed answers. Law: equal descriptions give equal values."""

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers whose log-probabilities are needed; empty for scores of replies."""
        ...

    @property
    def answer(self) -> str | None:
        """The answer that is explained; None for no answer or several."""
        ...

    @property
    def summary(self) -> str:
        """A description of the score on one line, without the unit."""
        ...

    @property
    def unit(self) -> str:
        """The unit of the values: "nats", "probability", "cosine"; "" for none."""
        ...

    @property
    def threshold(self) -> float | None:
        """The value at which the answer flips, such as 0.0 of log-odds; None for none."""
        ...

    def evaluate(
        self, model: LanguageModel, prompts: Sequence[Prompt]
    ) -> Iterator[tuple[int, float]]:
        """Evaluate the score of each prompt.

        The call itself refuses what the model refuses, before any evaluation.

        Returns:
            (prompt number, score) as soon as the model finishes a prompt, in any order.
        """
        ...

    def describe(self) -> dict[str, Any] | None:
        """All that determines the values, as JSON values; None if unknown."""
        ...


class Score(Protocol):
    """A score as the user gives it."""

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> ResolvedScore:
        """Fix the answers.

        Args:
            model: the model that is explained.
            full_prompt: the prompt with every feature present.
        """
        ...


class ScoreOfAnswers(ABC):
    """Base of the scores that are computed from the log-probabilities of given answers."""

    unit = "nats"
    threshold: float | None = None

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> Self:
        """Itself: its answers are fixed."""
        return self

    @property
    @abstractmethod
    def answers(self) -> tuple[str, ...]:
        """The answers whose log-probabilities are needed."""

    @abstractmethod
    def combine(self, log_probs: Sequence[FloatArray]) -> float:
        """The score, from one (n_tokens,) array in nats per answer."""

    def evaluate(
        self, model: LanguageModel, prompts: Sequence[Prompt]
    ) -> Iterator[tuple[int, float]]:
        """See `ResolvedScore.evaluate`."""
        scored = model.log_probs(prompts, self.answers)
        return ((number, self.combine(log_probs)) for number, log_probs in scored)


@dataclass(frozen=True)
class LogProb:
    """Log-probability of an answer, or of a part of it, in nats.

    Of a regression, a reward model or a reranker, the output itself; the answer is its label.

    Args:
        answer: the answer; default: the model's greedy answer to the unmasked prompt.
        reduce: "sum" or "mean" over the tokens that count.
        span: the part that counts: a string that occurs once in the answer, or (start, stop) in
            characters of it. All tokens that overlap it count, each conditioned on the whole
            answer before it. Default: the whole answer.
        max_new_tokens: the length at which the model's own answer is cut off, in tokens.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import spex
        >>> model = spex.models.TableModel(lambda prompt, answer: -1.0 - 2.0 * ("bad" in prompt))
        >>> value = spex.ValueFunction(spex.Text("not bad"), model, spex.LogProb("yes"))
        >>> value([[True, True], [True, False]]).tolist()
        [-3.0, -1.0]
    """

    answer: str | None = None
    reduce: Literal["sum", "mean"] = "sum"
    span: str | tuple[int, int] | None = None
    max_new_tokens: int = 64

    def __post_init__(self) -> None:
        whole_number("max_new_tokens", self.max_new_tokens, 1)
        if self.answer is not None:
            _check_answer(self.answer, "answer")
        if self.reduce not in ("sum", "mean"):
            raise ArgumentError(f"reduce={self.reduce!r} is unknown; use 'sum' or 'mean'")
        if self.span == "":
            raise ArgumentError("span is empty; give a part of the answer, or None for all of it")
        if self.answer is not None and self.span is not None:
            _find_span(self.answer, self.span)

    def resolve(
        self, model: LanguageModel, full_prompt: Prompt
    ) -> "ResolvedLogProb | ResolvedOutput":
        """Fix the answer and the tokens that count; calls the model once if answer is None.

        Raises:
            ArgumentError: the model answers nothing, or the span is not in the answer.
        """
        answer = self.answer
        if answer is None:
            answer = greedy_answer(model, full_prompt, self.max_new_tokens)
        if getattr(model, "is_regression", False):
            if self.span is not None:
                raise ArgumentError(
                    f"{model.name!r} gives a score, which has no span; leave it out"
                )
            return ResolvedOutput(answer)
        if self.span is None:
            return ResolvedLogProb(answer, self.reduce, None, None)
        start, stop = _find_span(answer, self.span)
        tokens = tuple(
            number
            for number, (first, last) in enumerate(model.answer_tokens(answer))
            if first < stop and last > start
        )
        if not tokens:
            raise ArgumentError(f"span={self.span!r} overlaps no token of the answer {answer!r}")
        return ResolvedLogProb(answer, self.reduce, (start, stop), tokens)


@dataclass(frozen=True)
class ResolvedLogProb(ScoreOfAnswers):
    """A `LogProb` with its answer.

    Attributes:
        answer: the answer.
        reduce: "sum" or "mean".
        span: the characters (start, stop) that count; None for all.
        tokens: the numbers of the tokens that count; None for all.
    """

    answer: str
    reduce: str
    span: tuple[int, int] | None
    tokens: tuple[int, ...] | None

    @property
    def answers(self) -> tuple[str, ...]:
        """The one answer."""
        return (self.answer,)

    @property
    def summary(self) -> str:
        """Such as 'log P("yes")'."""
        what = f'log P("{shorten(self.answer)}")'
        if self.span is not None:
            start, stop = self.span
            what = f'log P("{shorten(self.answer[start:stop])}" in "{shorten(self.answer)}")'
        return what if self.reduce == "sum" else f"mean {what} per token"

    def combine(self, log_probs: Sequence[FloatArray]) -> float:
        """Sum or mean of the token log-probabilities that count, in nats."""
        (values,) = log_probs
        if self.tokens is not None:
            values = values[list(self.tokens)]
        return float(values.sum() if self.reduce == "sum" else values.mean())

    def describe(self) -> dict[str, Any]:
        """Type, answer, reduction and span, as JSON values."""
        return {
            "type": "log_prob",
            "answer": self.answer,
            "reduce": self.reduce,
            "span": None if self.span is None else list(self.span),
        }

    def per_token(self, model: LanguageModel) -> tuple["TokenLogProb", ...]:
        """One score for each token that counts."""
        spans = model.answer_tokens(self.answer)
        numbers = range(len(spans)) if self.tokens is None else self.tokens
        return tuple(TokenLogProb(self.answer, number, spans[number]) for number in numbers)


@dataclass(frozen=True)
class TokenLogProb(ScoreOfAnswers):
    """Log-probability of one token of an answer, given the answer before it, in nats.

    `spex.ValueFunction.per_token` makes them.

    Attributes:
        answer: the whole answer.
        number: which of its tokens, from 0.
        span: the characters (start, stop) of the token.
    """

    answer: str
    number: int
    span: tuple[int, int]

    @property
    def token(self) -> str:
        """The token's text. Tokens that share a character, such as an emoji, each include it."""
        start, stop = self.span
        return self.answer[start:stop]

    @property
    def answers(self) -> tuple[str, ...]:
        """The one answer."""
        return (self.answer,)

    @property
    def summary(self) -> str:
        """Such as 'log P("great", token 3 of "it was great")'."""
        return (
            f'log P("{shorten(self.token)}", token {self.number + 1} of "{shorten(self.answer)}")'
        )

    def combine(self, log_probs: Sequence[FloatArray]) -> float:
        """The log-probability of the token, in nats."""
        (values,) = log_probs
        return float(values[self.number])

    def describe(self) -> dict[str, Any]:
        """Type, answer and number, as JSON values."""
        return {"type": "token_log_prob", "answer": self.answer, "number": self.number}


@dataclass(frozen=True)
class Probability:
    """Probability of an answer, from 0 to 1.

    For long answers `LogProb` shows more: their probabilities are near 0 under every mask.

    Args:
        answer: the answer; default: the model's greedy answer to the unmasked prompt.
        max_new_tokens: the length at which the model's own answer is cut off, in tokens.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import math
        >>> import spex
        >>> model = spex.models.TableModel(lambda prompt, answer: math.log(0.5))
        >>> value = spex.ValueFunction(spex.Text("so so"), model, spex.Probability("yes"))
        >>> value([[True, True]]).round(6).tolist()
        [0.5]
    """

    answer: str | None = None
    max_new_tokens: int = 64

    def __post_init__(self) -> None:
        whole_number("max_new_tokens", self.max_new_tokens, 1)
        if self.answer is not None:
            _check_answer(self.answer, "answer")

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> "ResolvedProbability":
        """Fix the answer; calls the model once if it is None.

        Raises:
            ArgumentError: the model answers nothing.
        """
        answer = self.answer
        if answer is None:
            answer = greedy_answer(model, full_prompt, self.max_new_tokens)
        return ResolvedProbability(answer)


@dataclass(frozen=True)
class ResolvedProbability(ScoreOfAnswers):
    """A `Probability` with its answer."""

    unit = "probability"

    answer: str

    @property
    def answers(self) -> tuple[str, ...]:
        """The one answer."""
        return (self.answer,)

    @property
    def summary(self) -> str:
        """Such as 'P("yes")'."""
        return f'P("{shorten(self.answer)}")'

    def combine(self, log_probs: Sequence[FloatArray]) -> float:
        """Exp of the sum of the token log-probabilities."""
        (values,) = log_probs
        return math.exp(float(values.sum()))

    def describe(self) -> dict[str, Any]:
        """Type and answer, as JSON values."""
        return {"type": "probability", "answer": self.answer}


@dataclass(frozen=True)
class LogOdds(ScoreOfAnswers):
    """log P(a) - log P(b), each summed over the whole answer, in nats.

    Args:
        a: the answer that is more likely where the score is positive.
        b: the answer that is more likely where the score is negative.

    Raises:
        ArgumentError: an answer is empty, or both are equal.

    Example:
        >>> import spex
        >>> model = spex.models.TableModel(lambda prompt, a: -1.0 if a in prompt else -3.0)
        >>> value = spex.ValueFunction(spex.Text("good or bad"), model, spex.LogOdds("good", "bad"))
        >>> value([[True, True, False], [True, True, True]]).tolist()
        [2.0, 0.0]
    """

    # Both answers are equally likely there.
    threshold = 0.0

    a: str
    b: str

    def __post_init__(self) -> None:
        _check_answer(self.a, "a")
        _check_answer(self.b, "b")
        if self.a == self.b:
            raise ArgumentError(f"a and b are both {self.a!r}; the log-odds would be 0 throughout")

    @property
    def answers(self) -> tuple[str, str]:
        """Both answers, a first."""
        return (self.a, self.b)

    @property
    def answer(self) -> None:
        """None: two answers are compared."""
        return None

    @property
    def summary(self) -> str:
        """Such as 'log P("yes") - log P("no")'; of long answers, where they begin to differ."""
        a, b = self.a, self.b
        if shorten(a) == shorten(b):
            same = (x == y for x, y in zip(a, b, strict=False))
            start = max(0, sum(takewhile(bool, same)) - _BEFORE)
            a, b = (f"...{answer[start:]}" for answer in (a, b))
        return f'log P("{shorten(a)}") - log P("{shorten(b)}")'

    def combine(self, log_probs: Sequence[FloatArray]) -> float:
        """Difference of the sums of the token log-probabilities, in nats."""
        of_a, of_b = log_probs
        return float(of_a.sum() - of_b.sum())

    def describe(self) -> dict[str, Any]:
        """Type and both answers, as JSON values."""
        return {"type": "log_odds", "a": self.a, "b": self.b}


def greedy_answer(model: LanguageModel, prompt: Prompt, max_new_tokens: int) -> str:
    """The model's own answer to a prompt.

    Raises:
        ArgumentError: it is empty.
    """
    answer = model.generate([prompt], max_new_tokens)[0]
    if not answer.strip():
        remedy = "give the answer to explain"
        if isinstance(answer, Reply) and answer.cut_off:  # for example within its reasoning
            remedy = f"raise max_new_tokens={max_new_tokens}, where it was cut off, or {remedy}"
        raise ArgumentError(
            f"the greedy answer of {model.name!r} to the unmasked prompt is empty; {remedy}"
        )
    return answer


def _check_answer(answer: object, name: str) -> None:
    if not isinstance(answer, str):
        raise ArgumentError(f"{name} must be a str, not {type(answer).__name__}")
    if not answer:
        raise ArgumentError(f"{name} is empty; give an answer to score")


def _find_span(answer: str, span: str | tuple[int, int]) -> tuple[int, int]:
    if isinstance(span, str):
        start = answer.find(span)
        if start < 0:
            raise ArgumentError(f"span={span!r} does not occur in the answer {answer!r}")
        # Search from the next character on, to find overlapping occurrences too.
        if answer.find(span, start + 1) >= 0:
            raise ArgumentError(
                f"span={span!r} occurs more than once in the answer {answer!r}; "
                "give (start, stop) in characters"
            )
        return start, start + len(span)
    if (
        not isinstance(span, tuple)
        or len(span) != 2
        or not all(isinstance(position, int) for position in span)
        or not 0 <= span[0] < span[1] <= len(answer)
    ):
        raise ArgumentError(
            f"span={span!r} is no part of the answer of {len(answer)} characters; "
            f"give a string of it, or (start, stop) with 0 <= start < stop <= {len(answer)}"
        )
    return span
