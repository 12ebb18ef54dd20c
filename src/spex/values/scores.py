"""What is measured of a model's answer: the number that is attributed to the features.

A score is resolved once per explanation, on the unmasked prompt: that fixes the answer (by default
what the model itself answers) and which of its tokens count. A resolved score turns the
log-probabilities of the answers' tokens into one number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.protocol import LanguageModel, Prompt


class ResolvedScore(Protocol):
    """A score with concrete answers. Law: `combine` depends on its argument alone."""

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers whose log-probabilities are needed."""
        ...

    @property
    def answer(self) -> str | None:
        """The answer that is explained; None where several are compared."""
        ...

    @property
    def summary(self) -> str:
        """One readable line, with the unit."""
        ...

    def combine(self, log_probs: Sequence[FloatArray]) -> float:
        """The score, from one (n_tokens,) array in nats per answer."""
        ...

    def describe(self) -> dict[str, Any]:
        """All that determines `answers` and `combine`, as JSON values."""
        ...


class Score(Protocol):
    """A score as the user asks for it."""

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> ResolvedScore:
        """Fix the answers.

        Args:
            model: the model that is explained.
            full_prompt: the prompt with every feature present.
        """
        ...


@dataclass(frozen=True)
class LogProb:
    """Log-probability of an answer, or of a part of it, in nats.

    Args:
        answer: the answer; None is the model's greedy answer to the unmasked prompt.
        reduce: "sum" or "mean" over the tokens that count.
        span: the part that counts: a string that occurs once in the answer, or (start, stop) in
            characters of it. The tokens that overlap it count, each given the whole answer
            before it. None is the whole answer.

    Raises:
        ArgumentError: an argument is wrong.
    """

    answer: str | None = None
    reduce: Literal["sum", "mean"] = "sum"
    span: str | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.answer is not None:
            _check_answer(self.answer, "answer")
        if self.reduce not in ("sum", "mean"):
            raise ArgumentError(f"reduce={self.reduce!r} is unknown; use 'sum' or 'mean'")
        if self.span == "":
            raise ArgumentError("span is empty; give a part of the answer, or None for all of it")
        if self.answer is not None and self.span is not None:
            _find_span(self.answer, self.span)

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> "ResolvedLogProb":
        """Fix the answer and the tokens that count; calls the model once if answer is None.

        Raises:
            ArgumentError: the model answers nothing, or the span is not in the answer.
        """
        answer = self.answer
        if answer is None:
            answer = model.generate([full_prompt])[0]
            if not answer.strip():
                raise ArgumentError(
                    f"the greedy answer of {model.name!r} to the unmasked prompt is empty; "
                    "give the answer to explain"
                )
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
class ResolvedLogProb:
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
        """Such as 'log P("yes"), nats'."""
        what = f'log P("{_shorten(self.answer)}")'
        if self.span is not None:
            start, stop = self.span
            what = f'log P("{_shorten(self.answer[start:stop])}" in "{_shorten(self.answer)}")'
        return f"{what}, nats" if self.reduce == "sum" else f"mean {what} per token, nats"

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


@dataclass(frozen=True)
class LogOdds:
    """log P(a) - log P(b), each summed over the whole answer, in nats.

    Args:
        a: the answer that positive values speak for.
        b: the answer that negative values speak for.

    Raises:
        ArgumentError: an answer is empty, or both are equal.
    """

    a: str
    b: str

    def __post_init__(self) -> None:
        _check_answer(self.a, "a")
        _check_answer(self.b, "b")
        if self.a == self.b:
            raise ArgumentError(f"a and b are both {self.a!r}; the log-odds would be 0 throughout")

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> "LogOdds":
        """Itself: its answers are given."""
        return self

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
        """Such as 'log P("yes") - log P("no"), nats'."""
        return f'log P("{_shorten(self.a)}") - log P("{_shorten(self.b)}"), nats'

    def combine(self, log_probs: Sequence[FloatArray]) -> float:
        """Difference of the sums of the token log-probabilities, in nats."""
        of_a, of_b = log_probs
        return float(of_a.sum() - of_b.sum())

    def describe(self) -> dict[str, Any]:
        """Type and both answers, as JSON values."""
        return {"type": "log_odds", "a": self.a, "b": self.b}


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
        # Searched from the next character on, so that overlapping occurrences are seen too.
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


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
