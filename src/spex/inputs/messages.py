"""Masking a chat: its turns, or the words or sentences in them.

Only contents are masked. Every turn keeps its role and its place, even with an empty content, since
some chat templates require the roles to alternate.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from spex.checks.masks import check_masks
from spex.errors import ArgumentError
from spex.inputs.operators import parse_operator
from spex.inputs.parts import TextPart
from spex.inputs.segmentation import Span, Tokenizer
from spex.inputs.templates import check_encodable
from spex.inputs.units import UnitMasker
from spex.models.protocol import Message, Prompt

_MESSAGE = "message"
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Messages(UnitMasker):
    """A chat whose turns, or parts of them, can be absent; the model's chat template formats it.

    Args:
        messages: the turns up to the answer that is explained: mappings with the keys "role"
            ("system", "user" or "assistant") and "content". The last turn is the user's.
        unit: "message" (the content of a turn), or a unit inside each content: "sentence",
            "word" and the other units of `Text`.
        operator: as for `Text`.
        pinned: what is never left out: roles, or numbers of messages (from 0; -1 is the last).
        tokenizer: as for `Text`.

    Attributes:
        features: "role: content" of each turn; for other units, the units.

    Raises:
        ArgumentError: an argument is wrong, or there are fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.
    """

    whole_unit = _MESSAGE
    # System messages are turns of the chat.
    system = None

    messages: Sequence[Message | Mapping[str, str]]
    unit: str | re.Pattern[str] = _MESSAGE
    operator: str = "delete"
    pinned: Sequence[str | int] = ("system",)
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", _parse(self.messages))
        object.__setattr__(self, "pinned", _check_pinned(self.pinned, len(self.messages)))
        parse_operator(self.operator)
        finer = ", or use unit='word'" if self._unit == self.whole_unit else ""
        self._check_units("the messages that are not pinned have", f"pin fewer messages{finer}")

    @property
    def _messages(self) -> tuple[Message, ...]:
        return self.messages  # type: ignore[return-value]  # as parsed

    @property
    def _texts(self) -> list[str]:
        return [message.content for message in self._messages]

    @property
    def _labels(self) -> list[str]:
        return [f"{message.role}: {message.content.strip()}" for message in self._messages]

    def _split(self, number: int, text: str) -> list[Span]:
        numbers = (number, number - len(self._messages), self._messages[number].role)
        return [] if any(item in self.pinned for item in numbers) else super()._split(number, text)

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """One per turn, with its role as the heading."""
        return tuple(
            TextPart(masked.pieces, message.role)
            for message, masked in zip(self._messages, self._masked, strict=True)
        )

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the prompt: the turns with the absent units deleted or replaced.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        texts = zip(self._messages, self._masked_texts(mask), strict=True)
        return Prompt(tuple(Message(message.role, text) for message, text in texts))

    def apply(self, masks: npt.ArrayLike) -> list[list[dict[str, str]]]:
        """The inputs of a predict function for (m, n_features) masks: m lists of messages.

        Each message is {"role": ..., "content": ...}, as in most chat interfaces.
        """
        return [
            [{"role": m.role, "content": m.content} for m in self.render(mask).messages]
            for mask in check_masks(masks, self.n_features)
        ]

    def describe(self) -> dict[str, Any]:
        """Type, messages, unit, operator and spans of the units, as JSON values."""
        return {
            "type": "messages",
            "messages": [[message.role, message.content] for message in self._messages],
            "unit": self.unit_name,
            "operator": self.operator_name,
            "spans": [[list(span) for span in spans] for spans in self._spans],
        }


def _parse(messages: object) -> tuple[Message, ...]:
    if isinstance(messages, str | Mapping) or not isinstance(messages, Sequence):
        raise ArgumentError(
            f"messages is a {type(messages).__name__}; give a list of mappings with the keys "
            "'role' and 'content'"
        )
    parsed = tuple(_parse_one(message, number) for number, message in enumerate(messages))
    if not parsed:
        raise ArgumentError("messages is empty; give at least one message of the user")
    if parsed[-1].role != "user":
        raise ArgumentError(
            f"the last message is of role {parsed[-1].role!r}, not 'user'; what is explained is "
            "the assistant's answer to the messages: leave it out, and give it to the score"
        )
    return parsed


def _parse_one(message: object, number: int) -> Message:
    name = f"message {number}"
    if isinstance(message, Mapping):
        keys = set(message)
        if keys != {"role", "content"}:
            raise ArgumentError(
                f"{name} has the keys {', '.join(sorted(map(repr, keys))) or 'none'}; "
                "give exactly 'role' and 'content'"
            )
        role, content = message["role"], message["content"]
    elif isinstance(message, Message):
        role, content = message.role, message.content
    else:
        raise ArgumentError(
            f"{name} is a {type(message).__name__}; give a mapping with the keys 'role' and "
            "'content'"
        )
    if role not in _ROLES:
        raise ArgumentError(f"{name} has the role {role!r}; use one of {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise ArgumentError(f"{name} has a {type(content).__name__} as its content; give a text")
    check_encodable(content, name)
    return Message(role, content)


def _check_pinned(pinned: object, n_messages: int) -> tuple[str | int, ...]:
    if isinstance(pinned, str) or not isinstance(pinned, Sequence):
        raise ArgumentError(f"pinned={pinned!r}; give a list of roles or numbers of messages")
    for item in pinned:
        is_number = isinstance(item, int) and not isinstance(item, bool)
        if is_number and -n_messages <= item < n_messages:
            continue
        if item not in _ROLES:
            raise ArgumentError(
                f"pinned: {item!r} is neither a role ({', '.join(_ROLES)}) nor the number of one "
                f"of {n_messages} messages"
            )
    return tuple(pinned)
