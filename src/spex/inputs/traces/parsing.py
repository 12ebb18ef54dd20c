"""Messages of a chat from what a user gives, each result of a tool with its call."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from spex.errors import ArgumentError
from spex.inputs.templates import check_encodable, check_list
from spex.inputs.traces.formats import Converted, converted
from spex.inputs.traces.requests import read_request
from spex.models.protocol import ROLES, Message, ToolCall

_OF = "mappings with the keys 'role' and 'content'"
_PICTURE = re.compile(r"data:image/[a-z]+;base64,")
# Keys of a message beside "role" and "content".
_OTHER_KEYS = {"assistant": ("tool_calls",), "tool": ("tool_call_id", "name")}
# (number of a message, number of a call in it)
Place: TypeAlias = tuple[int, int]


def read_messages(
    given: object, also: Collection[str] = ()
) -> tuple[list[Converted], Mapping[str, Any]]:
    """The messages in the common format, and what else a saved request holds.

    Args:
        given: a list of messages in any of the formats that are read, or a saved request.
        also: other keys that a request may have.

    Raises:
        ArgumentError: it is neither.
    """
    if not isinstance(given, Mapping):
        return converted(check_list(given, "messages", _OF)), {}
    body = read_request(given, "messages", also)
    messages = converted(body["messages"])
    if body["system"]:
        system = converted([{"role": "system", "content": body["system"]}])
        messages = [*(replace(one, numbers=()) for one in system), *messages]
    return messages, body


def parse_chat(given: object) -> tuple[tuple[Message, ...], list[Converted]]:
    """A chat up to the assistant's answer, and what each message of it was made of.

    Raises:
        ArgumentError: it is none.
    """
    messages, body = read_messages(given)
    if body.get("tools"):
        raise ArgumentError(
            "messages: has tools, which a chat does not give to the model; explain its calls with "
            "spex.Agent or --agent, or leave the tools out"
        )
    parsed = tuple(parse_message(one.message, named(one)) for one in messages)
    if not parsed:
        raise ArgumentError("messages is empty; give at least one message of the user")
    if parsed[-1].role not in ("user", "tool"):
        raise ArgumentError(
            f"the last message is of role {parsed[-1].role!r}, not 'user' or 'tool'; spex "
            "explains the assistant's answer to the messages: leave the answer out of them, and "
            "give it to the score"
        )
    return linked(parsed, messages)[0], messages


def named(one: Converted) -> str:
    """How a message is named to the user."""
    return f"message {one.numbers[0]}" if one.numbers else "the system message"


def parse_message(message: object, name: str) -> Message:
    """A message in the common format, with its content in parts.

    Args:
        message: what a user gives.
        name: names it in messages of errors.

    Raises:
        ArgumentError: it is none.
    """
    pictures: dict[str, Any] = {}
    if isinstance(message, Message):
        pictures = {"images": message.images, "text_first": message.text_first}
        message = message.to_json()
    if not isinstance(message, Mapping):
        raise ArgumentError(
            f"{name} is a {type(message).__name__}; give a mapping with the keys 'role' and "
            "'content'"
        )
    role, calls = message.get("role"), message.get("tool_calls")
    others = _OTHER_KEYS.get(role, ()) if isinstance(role, str) else ()
    # Replies of an API have keys without a value, such as "refusal": None.
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
    content, found = _parse_content(message.get("content"), name, role)
    check_encodable(content, name)
    tool = [message.get(key) for key in _OTHER_KEYS["tool"]]
    for value in tool:
        if not isinstance(value, str | None):
            raise ArgumentError(f"{name} has a {type(value).__name__} as id or name; give a text")
    return Message(
        role,
        content,
        tool_calls=_parse_calls(calls or (), name),
        tool_call_id=tool[0],
        name=tool[1],
        **(pictures or found),
    )


def _parse_content(content: object, name: str, role: str) -> tuple[str, dict[str, Any]]:
    """The text, and the pictures with whether they come after it."""
    if isinstance(content, str):
        return content, {}
    if content is None and role in ("assistant", "tool"):
        return "", {}
    if not isinstance(content, list | tuple):
        raise ArgumentError(f"{name} has a {type(content).__name__} as its content; give a text")
    texts = [part["text"] for part in content if part["type"] == "text"]
    places = [place for place, part in enumerate(content) if part["type"] == "image_url"]
    urls = [_url(content[place].get("image_url")) for place in places]
    for place, url in zip(places, urls, strict=True):
        if role != "user" or not isinstance(url, str) or not _PICTURE.match(url):
            raise ArgumentError(
                f"{name}, part {place}, is a picture that cannot be given to a model; give "
                "pictures as data URLs ('data:image/png;base64,...') in messages of the user"
            )
    is_first, is_last = (
        places == list(range(start, start + len(places))) for start in (0, len(texts))
    )
    if not (is_first or is_last):
        raise ArgumentError(
            f"{name} has a picture between its texts; put its pictures before or after all of them"
        )
    return "\n".join(texts), {"images": tuple(urls), "text_first": not is_first}


def _url(image: object) -> object:
    return image.get("url") if isinstance(image, Mapping) else image


def _parse_calls(calls: Any, name: str) -> tuple[ToolCall, ...]:
    parsed: list[ToolCall] = []
    for call in calls if isinstance(calls, list | tuple) else [calls]:
        function = call.get("function") if isinstance(call, Mapping) else None
        function = function if isinstance(function, Mapping) else {}
        called = function.get("name")
        if (
            not isinstance(called, str)
            or not called
            or (call.get("type") or "function") != "function"
        ):
            raise ArgumentError(
                f"{name}: its tool call {len(parsed)} is not valid; give {{'id': ..., 'type': "
                "'function', 'function': {'name': ..., 'arguments': ...}}"
            )
        arguments = function.get("arguments")
        # Some servers write "no arguments" so.
        if isinstance(arguments, str) and not arguments.strip():
            arguments = None
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


def linked(
    messages: Sequence[Message], given: Sequence[Converted] | None = None
) -> tuple[tuple[Message, ...], dict[int, Place]]:
    """The messages with an id for each call and result, and the call of each result.

    A result without an id belongs to the first call without a result, of its name if it has one.

    Args:
        messages: the messages.
        given: what they were made of, to name them in messages of errors.

    Raises:
        ArgumentError: a result has no call.
    """
    found: list[Message] = []
    links: dict[int, Place] = {}
    waiting: dict[Place, ToolCall] = {}
    for number, message in enumerate(messages):
        calls = tuple(
            # Some templates want ids of nine letters and digits.
            replace(call, id=call.id or f"call{number:03d}{i:02d}")
            for i, call in enumerate(message.tool_calls)
        )
        message = replace(message, tool_calls=calls)
        if message.role == "tool":
            of = message.tool_call_id
            places = [
                place
                for place, call in waiting.items()
                if (call.id == of if of is not None else message.name in (None, call.name))
            ]
            if not places:
                name = f"message {number}" if given is None else named(given[number])
                raise ArgumentError(
                    f"{name} is the result of a call"
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


def parse_pinned(pinned: object, given: Sequence[Converted], n_given: int) -> tuple[str | int, ...]:
    """Roles, and places of messages, that are never left out.

    Args:
        pinned: roles, or numbers of given messages; negative ones count from their end.
        given: what each message was made of.
        n_given: the number of given messages.

    Raises:
        ArgumentError: there is no such role or message.
    """
    if isinstance(pinned, str) or not isinstance(pinned, Sequence):
        raise ArgumentError(f"pinned={pinned!r}; give a list of roles or numbers of messages")
    found: list[str | int] = []
    for item in pinned:
        is_number = isinstance(item, int) and not isinstance(item, bool)
        if is_number and -n_given <= item < n_given:
            found += [i for i, one in enumerate(given) if item % n_given in one.numbers]
        elif item in ROLES:
            found.append(item)
        else:
            raise ArgumentError(
                f"pinned: {item!r} is neither a role ({', '.join(ROLES)}) nor the number of one "
                f"of {n_given} messages"
            )
    return tuple(found)
