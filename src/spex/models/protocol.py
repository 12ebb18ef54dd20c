"""The protocol of language models, and the prompts that they get.

A model scores given answers (`log_probs`) and writes answers of its own: `generate` returns them
together, `replies` one by one. The caller masks, drops equal prompts and stores finished work.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.wording import did_you_mean

ROLES = ("system", "user", "assistant", "tool", "developer")


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool by the assistant.

    Args:
        name: of the tool.
        arguments: a JSON object, as text.
        id: what the message with the result refers to.
    """

    name: str
    arguments: str
    id: str

    def __str__(self) -> str:
        """Such as 'weather({"city": "Oslo"})'."""
        return f"{self.name}({self.arguments})"

    def to_json(self, *, parsed: bool) -> dict[str, Any]:
        """The call in the format of OpenAI's API; `parsed`: the arguments as an object."""
        arguments: Any = self.arguments
        if parsed:
            with contextlib.suppress(ValueError, RecursionError):  # the model wrote the arguments
                read = json.loads(self.arguments)
                arguments = read if isinstance(read, dict) else arguments
        function = {"name": self.name, "arguments": arguments}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(frozen=True)
class Message:
    """One message of a chat.

    Args:
        role: "system", "user", "assistant", "tool" or "developer".
        content: the text.
        images: data URLs ("data:image/png;base64,...") of pictures, before the text unless
            `text_first`; only models with a true attribute `takes_images` get any.
        texts: the texts that `content` joins, if it was made of several; a classifier takes two as
            a pair.
        tool_calls: of the assistant, after the text.
        tool_call_id: the call whose result a message of role "tool" holds.
        name: of that tool.
        text_first: whether the pictures come after the text.
    """

    role: str
    content: str
    images: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    text_first: bool = False

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            close, valid = did_you_mean(self.role, ROLES), ", ".join(ROLES)
            raise ArgumentError(f"role={self.role!r} is unknown{close}; use one of {valid}")

    @property
    def as_text(self) -> str:
        """The text and the calls, one a line."""
        return "\n".join(filter(None, [self.content, *map(str, self.tool_calls)]))

    def to_json(self, *, parsed: bool = False) -> dict[str, Any]:
        """The message without its pictures in the format of OpenAI's API.

        Args:
            parsed: give arguments of calls as objects, and no null as a content, as chat templates
                expect; default: as texts, and null, as servers do.
        """
        message: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            message["content"] = self.content if parsed else self.content or None
            message["tool_calls"] = [call.to_json(parsed=parsed) for call in self.tool_calls]
        for key, value in (("tool_call_id", self.tool_call_id), ("name", self.name)):
            if value is not None:
                message[key] = value
        return message

    def described(self) -> list[Any]:
        """The message with its pictures and, where these come after the text, that they do."""
        return [self.to_json(), list(self.images), *([True] if self.text_first else [])]


@dataclass(frozen=True)
class Prompt:
    """The input of a model. Equal prompts have equal values, so each is evaluated once.

    Args:
        messages: the chat.
        answer_prefix: the start of the assistant's answer, such as its reasoning; what is scored or
            generated comes after it.
    """

    messages: tuple[Message, ...]
    answer_prefix: str = ""

    def __post_init__(self) -> None:
        if not any(message.role == "user" for message in self.messages):
            raise ArgumentError("a prompt needs at least one message of role 'user'")

    @property
    def text(self) -> str:
        """The content of the last message of the user."""
        return next(m.content for m in reversed(self.messages) if m.role == "user")

    @property
    def pair(self) -> tuple[str, str] | None:
        """The two texts of the last message, if it has two, such as question and passage."""
        texts = self.messages[-1].texts
        return (texts[0], texts[1]) if len(texts) == 2 else None

    @property
    def has_images(self) -> bool:
        """Whether any message has images."""
        return any(message.images for message in self.messages)


class Reply(str):
    """An answer of a model that knows whether it was cut off at the limit of tokens.

    Attributes:
        cut_off: whether the model would have gone on.
        has_text: False where the model gave no text at all, such as after a content filter.
    """

    cut_off: bool
    has_text: bool

    def __new__(cls, text: str, *, cut_off: bool, has_text: bool = True) -> "Reply":
        """See the class."""
        reply = super().__new__(cls, text)
        reply.cut_off = cut_off
        reply.has_text = has_text
        return reply


class LanguageModel(Protocol):
    """A language model that scores given answers, and answers by itself.

    Laws, for all prompts p and answers a:

    - `log_probs` yields each prompt number exactly once, in any order, with one array per answer,
      in the order of the answers; each has `len(answer_tokens(a))` numbers, at most 0, in nats.
    - Number i is log P(token i of a | p, tokens 0..i-1 of a): teacher-forced, conditioned on the
      whole prefix, of the distribution that the model samples from at temperature 1. Their sum
      is log P(a | p). The tokens of an answer do not depend on the prompt.
    - The numbers do not depend on which other prompts and answers are in the call, up to the
      rounding of the model's precision.
    - `replies` yields each prompt number exactly once, in any order, with what `generate` returns.
    - Models with equal `identity` give equal numbers, up to the same rounding.
    """

    @property
    def name(self) -> str:
        """What a user calls the model."""
        ...

    @property
    def identity(self) -> str | None:
        """A text that changes with the weights, the tokenizer, the precision or the revision.

        None if these are unknown: then nothing is stored.
        """
        ...

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """The greedy answer to each prompt, without special tokens.

        Args:
            prompts: what the model is given.
            max_new_tokens: where an answer is cut off, in tokens.

        Raises:
            ArgumentError: a prompt leaves no room for an answer.
            BackendError: the model failed.
        """
        ...

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """The answers of `generate`, each as soon as it is finished, so that it can be stored.

        Args:
            prompts: what the model is given.
            max_new_tokens: where an answer is cut off, in tokens.

        Returns:
            (prompt number, answer), in any order; a `Reply` where the model tells what it cut off.

        Raises:
            ArgumentError: a prompt leaves no room for an answer.
            BackendError: the model failed.
        """
        ...

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """Raise what `log_probs` would raise, without evaluating anything.

        Raises:
            ArgumentError: a prompt with an answer exceeds the model's context, or an answer has
                no tokens.
        """
        ...

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """Log-probability of every token of every answer after every prompt.

        The call itself raises the errors of `check_prompts`, before any evaluation.

        Args:
            prompts: what the model is given.
            answers: the answers to score, the same for every prompt.

        Returns:
            (prompt number, [(n_tokens,) float64 in nats, one per answer]), in any order, as soon
            as a batch is finished, so that it can be stored.

        Raises:
            ArgumentError: see `check_prompts`.
            BackendError: the model failed.
        """
        ...

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """The tokens of an answer, as spans (start, stop) of its characters."""
        ...
