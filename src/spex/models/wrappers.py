"""Wrappers around a model that save calls."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from spex._typing import FloatArray
from spex.models.protocol import LanguageModel, Prompt, Reply


class AnswerStore(Protocol):
    """A place for answers, such as `spex.Store`."""

    def get_answer(self, request: str) -> str | None:
        """The stored answer to a request; None if there is none."""
        ...

    def put_answer(self, request: str, answer: str) -> None:
        """Store an answer."""
        ...


class _Wrapper:
    """Passes everything on to another model."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def __getattr__(self, name: str) -> Any:
        # Attributes outside the protocol, such as `usage`.
        if name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def identity(self) -> str | None:
        """The model's."""
        return self.model.identity

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """See `LanguageModel.generate`."""
        return self.model.generate(prompts, max_new_tokens)

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`."""
        return self.model.replies(prompts, max_new_tokens)

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """See `LanguageModel.check_prompts`."""
        self.model.check_prompts(prompts, answers)

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`."""
        return self.model.log_probs(prompts, answers)

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """See `LanguageModel.answer_tokens`."""
        return self.model.answer_tokens(answer)


class StoredAnswers(_Wrapper):
    """Stores the answers of `generate`, and looks there before it asks the model.

    Args:
        model: the model.
        store: where the answers are stored.
    """

    def __init__(self, model: LanguageModel, store: AnswerStore) -> None:
        super().__init__(model)
        self._store = store

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """See `LanguageModel.generate`."""
        return [self._answer(prompt, max_new_tokens) for prompt in prompts]

    def _answer(self, prompt: Prompt, max_new_tokens: int) -> str:
        if self.identity is None:  # the answer could come from another model
            return self.model.generate([prompt], max_new_tokens)[0]
        content = [self.identity, max_new_tokens, asdict(prompt, dict_factory=_without_texts)]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        request = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        answer = self._store.get_answer(request)
        if answer is None:
            (answer,) = self.model.generate([prompt], max_new_tokens)
            if answer.strip():  # an empty answer is refused, and may differ the next time
                self._store.put_answer(request, answer)
        return answer


class CountedReplies(_Wrapper):
    """A model that counts its replies, and those that were cut off at the limit of tokens.

    Args:
        model: the model.

    Attributes:
        n_replies: the number of replies so far.
        n_cut_off: how many of them were cut off, as far as the model tells.
        n_without_text: how many of the others had no text.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(model)
        self.n_replies = 0
        self.n_cut_off = 0
        self.n_without_text = 0

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`."""
        replies = super().replies(prompts, max_new_tokens)
        return ((number, self.counted(reply)) for number, reply in replies)

    def counted(self, reply: str) -> str:
        """The reply, which is counted."""
        self.n_replies += 1
        if isinstance(reply, Reply):
            self.n_cut_off += reply.cut_off
            self.n_without_text += not reply.has_text and not reply.cut_off
        return reply


def _without_texts(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Leaves out newer fields if empty, so that requests of earlier releases match."""
    newer = ("texts", "tool_calls", "tool_call_id", "name", "text_first", "answer_prefix")
    return {name: value for name, value in items if value or name not in newer}
