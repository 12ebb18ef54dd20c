"""A deterministic model that needs no download, for tests and for trying things out."""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.protocol import Prompt, Reply


class TableModel:
    """A language model read from a function. Its tokens are the words of an answer.

    Example::

        model = TableModel(lambda prompt, answer: -1.0 if "good" in prompt else -3.0)
        value = ValueFunction(Text("a good film"), model, LogProb("yes"))

    Args:
        log_prob: (text of the user's message, answer) -> log P(answer | prompt) in nats, which
            is spread evenly over the words of the answer, or one number per word. The start of an
            answer, such as reasoning, stands under the message, after a blank line.
        answer: what `generate` returns: a string, or a function of the user's message.
        name: the name of the model. A function cannot be hashed, so the identity is this name:
            give another name to another function if values are stored.

    Attributes:
        n_scored: the number of prompts scored so far.
    """

    def __init__(
        self,
        log_prob: Callable[[str, str], float | Sequence[float]],
        answer: str | Callable[[str], str] = "yes",
        name: str = "table",
    ) -> None:
        self._log_prob = log_prob
        self._answer = answer
        self.name = name
        self.identity = f"table:{name}"
        self.n_scored = 0

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """The answer given to the constructor, cut to max_new_tokens words."""
        answers: list[str] = []
        for prompt in prompts:
            answer = self._answer if isinstance(self._answer, str) else self._answer(_text(prompt))
            words = _words(answer)
            kept = answer[: words[:max_new_tokens][-1][1]] if words else ""
            answers.append(Reply(kept, cut_off=len(words) > max_new_tokens))
        return answers

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`; prompts come in their order."""
        for number, prompt in enumerate(prompts):
            yield number, self.generate([prompt], max_new_tokens)[0]

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """Raise ArgumentError for an answer without words; a table has no context limit."""
        for answer in answers:
            self.answer_tokens(answer)

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`; prompts come in their order."""
        self.check_prompts(prompts, answers)
        return self._score(prompts, answers)

    def _score(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        for number, prompt in enumerate(prompts):
            self.n_scored += 1
            yield number, [self._tokens_log_prob(_text(prompt), answer) for answer in answers]

    def _tokens_log_prob(self, prompt: str, answer: str) -> FloatArray:
        n_tokens = len(self.answer_tokens(answer))
        values = np.asarray(self._log_prob(prompt, answer), dtype=np.float64)
        if values.ndim == 0:
            return np.full(n_tokens, values / n_tokens)
        if values.shape != (n_tokens,):
            raise ArgumentError(
                f"log_prob returned shape {values.shape} for the answer {answer!r} of {n_tokens} "
                "words; return one number, or one per word"
            )
        return values

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """The spans of the words of the answer; raises ArgumentError if it has none."""
        if spans := _words(answer):
            return spans
        raise ArgumentError(f"the answer {answer!r} has no tokens; give a longer one")


def _text(prompt: Prompt) -> str:
    return "\n\n".join(filter(None, [prompt.text, prompt.answer_prefix]))


def _words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]
