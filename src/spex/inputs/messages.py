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
from typing import Any, TypeAlias

import numpy.typing as npt

from spex.checks.masks import check_masks
from spex.errors import ArgumentError
from spex.inputs.parts import TextPart
from spex.inputs.segmentation import Span, Tokenizer, trimmed
from spex.inputs.templates import check_encodable, check_list
from spex.inputs.units import UnitMasker
from spex.models.protocol import ROLES, Message, Prompt, ToolCall

_MESSAGE = "message"
_PICTURE = re.compile(r"data:image/[a-z]+;base64,")
# Keys of a message beside "role" and "content".
_OTHER_KEYS = {"assistant": ("tool_calls",), "tool": ("tool_call_id", "name")}
# (number of a message, number of a call in it)
_Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Messages(UnitMasker):
    """A chat whose turns, or parts of them, can be absent; the model's chat template formats it.

    Args:
        messages: the turns up to the answer that is explained, in the format of OpenAI's API:
            mappings with the keys "role" ("system", "developer", "user", "assistant" or "tool") and
            "content"; of the assistant also "tool_calls", of a tool "tool_call_id" or "name". The
            content is a text, or a list of parts: texts, which are joined by line breaks, after
            pictures as data URLs, which are pinned. The last turn is the user's or a tool's.
        unit: "message" (the content of a turn), or a unit inside each content: "sentence",
            "word" and the other units of `Text`. Each call of a tool and each result is one unit.
        operator: as for `Text`. Replacing a call replaces each of its arguments.
        pinned: what is never left out: roles, or numbers of messages (from 0; -1 is the last).
            "system" includes "developer". The call of a pinned result is pinned, too.
        tokenizer: as for `Text`.
        answer: the assistant's answer where it is known, for scores that name none.

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

    messages: Sequence[Message | Mapping[str, Any]]
    unit: str | re.Pattern[str] = _MESSAGE
    operator: str = "delete"
    pinned: Sequence[str | int] = ("system",)
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)
    answer: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", parse_messages(self.messages))
        object.__setattr__(self, "pinned", check_pinned(self.pinned, len(self.messages)))
        finer = ", or use unit='word'" if self._unit == self.whole_unit else ""
        self._check_units("the messages that are not pinned have", f"pin fewer messages{finer}")

    @property
    def answers(self) -> tuple[str, ...]:
        """The answer that is explained, where it is known."""
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
    def _calls(self) -> dict[int, _Place]:
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
                # A chat without tools and pictures is described as in earlier releases.
                [message.role, message.content]
                if message == Message(message.role, message.content)
                else [message.to_json(), list(message.images)]
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


def parse_messages(messages: object) -> tuple[Message, ...]:
    """A chat up to the assistant's answer, from what a user gives.

    Raises:
        ArgumentError: it is none.
    """
    given = check_list(messages, "messages", "mappings with the keys 'role' and 'content'")
    parsed = tuple(parse_message(message, number) for number, message in enumerate(given))
    if not parsed:
        raise ArgumentError("messages is empty; give at least one message of the user")
    if parsed[-1].role not in ("user", "tool"):
        raise ArgumentError(
            f"the last message is of role {parsed[-1].role!r}, not 'user' or 'tool'; what is "
            "explained is the assistant's answer to the messages: leave it out, and give it to the "
            "score"
        )
    return linked(parsed)[0]


def parse_message(message: object, number: int) -> Message:
    """Message `number` from what a user gives.

    Raises:
        ArgumentError: it is none.
    """
    name = f"message {number}"
    pictures: tuple[str, ...] = ()
    if isinstance(message, Message):
        pictures, message = message.images, message.to_json()
    if not isinstance(message, Mapping):
        raise ArgumentError(
            f"{name} is a {type(message).__name__}; give a mapping with the keys 'role' and "
            "'content'"
        )
    role, calls = message.get("role"), message.get("tool_calls")
    others = _OTHER_KEYS.get(role, ()) if isinstance(role, str) else ()
    # Replies of an API come with keys of no value, such as "refusal": None.
    known = ("role", "content", *others)
    unknown = any(value for key, value in message.items() if key not in known)
    if unknown or "role" not in message or not (calls or "content" in message):
        also = f" (and {', '.join(map(repr, others))})" if others else ""
        raise ArgumentError(
            f"{name} has the keys {', '.join(sorted(map(repr, message))) or 'none'}; "
            f"give exactly 'role' and 'content'{also}"
        )
    if role not in ROLES:
        raise ArgumentError(f"{name} has the role {role!r}; use one of {', '.join(ROLES)}")
    content, images = _parse_content(message.get("content"), name, role)
    check_encodable(content, name)
    tool = [message.get(key) for key in _OTHER_KEYS["tool"]]
    for value in tool:
        if not isinstance(value, str | None):
            raise ArgumentError(f"{name} has a {type(value).__name__} as id or name; give a text")
    return Message(role, content, pictures or images, (), _parse_calls(calls or (), name), *tool)


def _parse_content(content: object, name: str, role: str) -> tuple[str, tuple[str, ...]]:
    """The text and the pictures of a content."""
    if isinstance(content, str):
        return content, ()
    if content is None and role in ("assistant", "tool"):
        return "", ()
    if not isinstance(content, list | tuple):
        raise ArgumentError(f"{name} has a {type(content).__name__} as its content; give a text")
    texts: list[str] = []
    images: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
            continue
        if kind != "image_url":
            raise ArgumentError(
                f"{name} has a list as its content; give a text, or parts such as "
                "{'type': 'text', 'text': '...'}: " + f"part {len(texts) + len(images)} is none"
            )
        url = part.get("image_url")
        url = url.get("url") if isinstance(url, Mapping) else url
        if texts or role != "user" or not isinstance(url, str) or not _PICTURE.match(url):
            raise ArgumentError(
                f"{name} has a picture that cannot be given to a model; give pictures as "
                "data URLs ('data:image/png;base64,...') before the text of a message of the user"
            )
        images.append(url)
    return "\n".join(texts), tuple(images)


def _parse_calls(calls: Any, name: str) -> tuple[ToolCall, ...]:
    parsed: list[ToolCall] = []
    for call in calls if isinstance(calls, list | tuple) else [calls]:
        function = call.get("function") if isinstance(call, Mapping) else None
        function = function if isinstance(function, Mapping) else {}
        called = function.get("name")
        if not isinstance(called, str) or not called or call.get("type", "function") != "function":
            raise ArgumentError(
                f"{name}: its call {len(parsed)} of a tool is none; give {{'id': ..., 'type': "
                "'function', 'function': {'name': ..., 'arguments': ...}}"
            )
        arguments = function.get("arguments")
        if arguments is None or isinstance(arguments, Mapping):
            try:
                arguments = json.dumps(arguments or {}, ensure_ascii=False, allow_nan=False)
            except (TypeError, ValueError, RecursionError):
                arguments = None
        if not isinstance(arguments, str) or not isinstance(call.get("id") or "", str):
            raise ArgumentError(
                f"{name}: the call of {called!r} has arguments that are no JSON object, or an id "
                "that is no text"
            )
        check_encodable(called + arguments, f"the call of {called!r} in {name}")
        parsed.append(ToolCall(called, arguments, call.get("id") or ""))
    return tuple(parsed)


def linked(messages: Sequence[Message]) -> tuple[tuple[Message, ...], dict[int, _Place]]:
    """The messages with an id for each call and result, and the call of each result.

    A result without an id belongs to the first call without a result, of its name if it has one.
    """
    found: list[Message] = []
    links: dict[int, _Place] = {}
    waiting: dict[_Place, ToolCall] = {}
    for number, message in enumerate(messages):
        calls = tuple(
            # Some templates want ids of nine letters and digits.
            replace(call, id=call.id or f"call{number:03d}{i:02d}")
            for i, call in enumerate(message.tool_calls)
        )
        message = replace(message, tool_calls=calls)
        if message.role == "tool":
            of, name = message.tool_call_id, message.name
            places = [
                place
                for place, call in waiting.items()
                if (call.id == of if of is not None else name in (None, call.name))
            ]
            if not places:
                raise ArgumentError(
                    f"message {number} is the result of a call"
                    + ("" if of is None else f" {of!r}")
                    + " that no message before it makes, or that has a result; put it after the "
                    "message of the assistant with its 'tool_calls'"
                )
            place = places[0]
            links[number] = place
            message = replace(message, tool_call_id=waiting.pop(place).id)
        waiting = waiting | {(number, i): call for i, call in enumerate(calls)}
        found.append(message)
    return tuple(found), links


def check_pinned(pinned: object, n_messages: int) -> tuple[str | int, ...]:
    """Roles and numbers of messages that are never left out.

    Raises:
        ArgumentError: there is no such role or message.
    """
    if isinstance(pinned, str) or not isinstance(pinned, Sequence):
        raise ArgumentError(f"pinned={pinned!r}; give a list of roles or numbers of messages")
    for item in pinned:
        is_number = isinstance(item, int) and not isinstance(item, bool)
        if is_number and -n_messages <= item < n_messages:
            continue
        if item not in ROLES:
            raise ArgumentError(
                f"pinned: {item!r} is neither a role ({', '.join(ROLES)}) nor the number of one "
                f"of {n_messages} messages"
            )
    return tuple(pinned)
