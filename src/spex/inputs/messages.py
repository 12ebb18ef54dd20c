"""Masking a chat: its turns, the words or sentences in them, the calls of tools and their results.

A turn keeps its role and its place, even with an empty content, since some chat templates require
the roles to alternate. Only a call that is deleted goes as a whole: it takes its result along, and
its turn where nothing is left of that. So each result has its call.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt

from spex.checks.masks import check_masks
from spex.inputs.parts import TextPart
from spex.inputs.segmentation import Span, Tokenizer, trimmed
from spex.inputs.traces.parsing import Place, linked, parse_chat, parse_pinned
from spex.inputs.units import UnitMasker
from spex.models.protocol import Message, Prompt, ToolCall

_MESSAGE = "message"


@dataclass(frozen=True)
class Messages(UnitMasker):
    """A chat whose turns, or parts of them, can be absent; the model's chat template formats it.

    Args:
        messages: the turns before the explained answer, in the format of OpenAI's API. Each is a
            mapping with the keys "role" ("system", "developer", "user", "assistant" or "tool") and
            "content". The assistant may have "tool_calls", a tool "tool_call_id" or "name". The
            content is a text, or a list of texts and pictures. Texts are joined by line breaks.
            Pictures are data URLs, before or after all texts, and are pinned. The last turn is the
            user's or a tool's. Other formats and saved requests work as for `Agent`.
        unit: "message" (the content of a turn), or a unit inside each content: "sentence",
            "word" and the other units of `Text`. Each call of a tool and each result is one unit.
        operator: as for `Text`. Replacing a call replaces each of its arguments.
        pinned: what is never left out: roles, or numbers of your messages (from 0; -1 is the last).
            "system" includes "developer". The call of a pinned result is pinned, too.
        tokenizer: as for `Text`.
        answer: the assistant's answer, if known, for scores that name none.

    Attributes:
        features: "role: content" of each turn; for other units, the units.

    Raises:
        ArgumentError: an argument is wrong, or there are fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.

    Example:
        >>> import spex
        >>> chat = spex.Messages(
        ...     [
        ...         {"role": "system", "content": "Be brief."},
        ...         {"role": "user", "content": "My bell rings. My brake squeals."},
        ...     ],
        ...     unit="sentence",
        ... )
        >>> [message.as_text for message in chat.render([False, True]).messages]
        ['Be brief.', 'My brake squeals.']
    """

    whole_unit = _MESSAGE
    # System messages are turns of the chat.
    system = None

    messages: Sequence[Message | Mapping[str, Any]] | Mapping[str, Any]
    unit: str | re.Pattern[str] = _MESSAGE
    operator: str = "delete"
    pinned: Sequence[str | int] = ("system",)
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)
    answer: str | None = None

    def __post_init__(self) -> None:
        messages, given = parse_chat(self.messages)
        n_given = 1 + max(number for one in given for number in one.numbers)
        object.__setattr__(self, "messages", messages)
        object.__setattr__(self, "pinned", parse_pinned(self.pinned, given, n_given))
        finer = ", or use unit='word'" if self._unit == self.whole_unit else ""
        self._check_units("the messages that are not pinned have", f"pin fewer messages{finer}")

    @property
    def answers(self) -> tuple[str, ...]:
        """The answer that is explained, if known."""
        return () if self.answer is None else (self.answer,)

    @property
    def _messages(self) -> tuple[Message, ...]:
        return self.messages  # type: ignore[return-value]  # as parsed

    @cached_property
    def _places(self) -> list[tuple[int, int | None]]:
        """The number of the message, and of the call in it or None, of each text."""
        return [
            (number, call)
            for number, message in enumerate(self._messages)
            for call in (None, *range(len(message.tool_calls)))
        ]

    @cached_property
    def _calls(self) -> dict[int, Place]:
        """The call of each message with a result."""
        return linked(self._messages)[1]

    @property
    def _texts(self) -> list[str]:
        return [
            self._messages[number].content
            if call is None
            else str(self._messages[number].tool_calls[call])
            for number, call in self._places
        ]

    @property
    def _headings(self) -> list[str]:
        roles = ((self._messages[number].role, call) for number, call in self._places)
        return [role if call is None else f"{role} calls" for role, call in roles]

    @property
    def _labels(self) -> list[str]:
        texts = zip(self._headings, self._texts, strict=True)
        return [f"{heading}: {text.strip()}" for heading, text in texts]

    def _is_pinned(self, number: int) -> bool:
        role = self._messages[number].role
        roles = (role, "system") if role == "developer" else (role,)
        return any(item in self.pinned for item in (number, number - len(self._messages), *roles))

    def _split(self, number: int, text: str, unit: str | re.Pattern[str]) -> list[Span]:
        message, call = self._places[number]
        pinned = self._is_pinned(message)
        if call is not None:
            results = [result for result, of in self._calls.items() if of == (message, call)]
            pinned = pinned or any(map(self._is_pinned, results))
        if pinned:
            return []
        if call is not None or self._messages[message].role == "tool":
            return trimmed(text, ())
        return super()._split(number, text, unit)

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """One for each content, with its role as the heading, and one for each call."""
        return tuple(
            TextPart(masked.pieces, heading)
            for heading, masked in zip(self._headings, self._masked, strict=True)
        )

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the prompt: the turns with the absent units deleted or replaced.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        texts = dict(zip(self._places, self._masked_texts(mask), strict=True))
        messages = []
        for number, message in enumerate(self._messages):
            if number in self._calls and not texts[self._calls[number]].strip():
                continue
            content = texts[number, None]
            calls = tuple(
                _masked_call(call, texts[number, i])
                for i, call in enumerate(message.tool_calls)
                if texts[number, i].strip()
            )
            if content.strip() or calls or not message.tool_calls:
                messages.append(replace(message, content=content, tool_calls=calls))
        return Prompt(tuple(messages))

    def apply(self, masks: npt.ArrayLike) -> list[list[dict[str, Any]]]:
        """The inputs of a predict function for (m, n_features) masks: m lists of messages.

        Each message is {"role": ..., "content": ...}, as in most chat interfaces; calls and results
        of tools are in the format of OpenAI's API.
        """
        return [
            [message.to_json() for message in self.render(mask).messages]
            for mask in check_masks(masks, self.n_features)
        ]

    def describe(self) -> dict[str, Any]:
        """Type, messages, unit, operator and spans of the units, as JSON values."""
        return self._described(
            type="messages",
            messages=[
                # A chat without tools and pictures has the same identity as in earlier releases.
                [message.role, message.content]
                if message == Message(message.role, message.content)
                else message.described()
                for message in self._messages
            ],
        )


def _masked_call(call: ToolCall, text: str) -> ToolCall:
    """The call, or with its arguments replaced where the text is not its own."""
    if text == str(call):
        return call
    arguments = call.to_json(parsed=True)["function"]["arguments"]
    names = arguments if isinstance(arguments, dict) else ()
    return replace(call, arguments=json.dumps(dict.fromkeys(names, text), ensure_ascii=False))
