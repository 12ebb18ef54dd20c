"""Messages, calls and tools in the formats of several interfaces, in the common one.

The common format is that of OpenAI's Chat Completions. Read as well are its `function_call` of old,
the items of OpenAI's Responses, the content blocks of Anthropic's Messages and the messages of
AgentDojo. Reasoning is left out of all of them. Functions of JSON values, from `dict` to `dict`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spex.errors import ArgumentError

# For each kind of part with a text, the key of the text.
_TEXTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
}
_REASONED = ("thinking", "redacted_thinking", "reasoning")
_REASONING = ("reasoning_content", "reasoning", "thinking")
_OF_CALLS = {"tool_use": "assistant", "tool_result": "user"}
# Keys kept from a message; a whole reply of a model has others.
_KEPT = ("role", "content", "tool_calls", "function_call", "tool_call_id", "name")


@dataclass(frozen=True)
class Converted:
    """A message in the common format.

    Args:
        message: the message; what is no mapping is left to others to refuse.
        numbers: of the given messages that it was made of.
    """

    message: Any
    numbers: tuple[int, ...]


def converted(messages: Sequence[object]) -> list[Converted]:
    """Messages in the common format.

    One message of Anthropic's may hold several results of tools, and several items of Responses
    make one message.

    Args:
        messages: mappings in any of the formats, or objects of `openai` and `anthropic`.

    Raises:
        ArgumentError: something in a message is of a kind that is not read.
    """
    found: list[Converted] = []
    for number, given in enumerate(messages):
        message, name = _plain(given), f"message {number}"
        if not isinstance(message, Mapping):
            found.append(Converted(message, (number,)))
            continue
        kind = message.get("type")
        if "role" in message and (kind in (None, "message") or "content" in message):
            turns = list(_turns(message, name))
            if kind == "message" and _is_calling(found) and _is_text(turns[0]):
                # A text after calls joins the message of the calls.
                found[-1] = _joined(found[-1], number, content=_parts(turns.pop(0)))
            found += [Converted(turn, (number,)) for turn in turns]
        elif kind == "function_call":
            if not (found and _role(found[-1]) == "assistant"):
                found.append(Converted({"role": "assistant", "content": []}, ()))
            found[-1] = _joined(found[-1], number, tool_calls=[common_call(message)])
        elif kind == "function_call_output":
            output = _content(message.get("output"), f"{name},")
            result = {"role": "tool", "tool_call_id": message.get("call_id"), "content": output}
            found.append(Converted(result | {"name": message.get("name")}, (number,)))
        elif kind in (None, "message"):
            found.append(Converted(message, (number,)))
        elif kind != "reasoning":
            raise ArgumentError(
                f"{name} is of type {kind!r}, which is not read; leave it out, or write a turn "
                "with 'role' and 'content', and a call of a tool as a 'function_call' and its "
                "'function_call_output'"
            )
    return found


def common_call(call: object) -> Any:
    """A call of a tool in the common format; what is no call is left to others to refuse."""
    call = _plain(call)
    if not isinstance(call, Mapping):
        return call
    function, kind, number = call.get("function"), call.get("type"), call.get("id")
    name: Any
    if isinstance(function, str):  # AgentDojo
        name, arguments = function, call.get("args")
    elif kind == "tool_use":
        name, arguments = call.get("name"), call.get("input")
    elif kind == "function_call":
        name, arguments, number = call.get("name"), call.get("arguments"), call.get("call_id")
    else:
        return call
    return {
        "id": number,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def common_tool(tool: object) -> Any:
    """The "function" of a tool in the common format: its name, description and parameters."""
    tool = _plain(tool)
    if not isinstance(tool, Mapping):
        return tool
    if "function" in tool:
        return tool["function"]
    return {
        "parameters" if key == "input_schema" else key: value
        for key, value in tool.items()
        if key not in ("type", "cache_control") and value is not None
    }


def _plain(value: object) -> object:
    """The content of an object of a client (`openai`, `anthropic`), as JSON values."""
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else value


def _turns(message: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """One message as a list of messages; several if it holds results of tools."""
    is_reply = message.get("type") == "message"
    common = {
        key: value
        for key, value in message.items()
        if (key in _KEPT if is_reply else key not in _REASONING)
    }
    role = common.get("role")
    if not common.get("content") and isinstance(message.get("refusal"), str):
        common["content"] = message["refusal"]
    common.pop("refusal", None)
    called = common.pop("function_call", None)
    if called and not common.get("tool_calls"):
        common["tool_calls"] = [{"function": called}]
    if role == "function":
        common["role"] = "tool"
    if role == "tool" and "tool_call" in common:  # AgentDojo
        call = common_call(common.pop("tool_call"))
        common["content"] = common.pop("error", None) or common.get("content")
        made = call.get("function") if isinstance(call, Mapping) else None
        if common.get("tool_call_id") is None and isinstance(made, Mapping):
            common["name"] = made.get("name")
    if isinstance(calls := common.get("tool_calls"), list | tuple):
        common["tool_calls"] = list(map(common_call, calls))
    if not isinstance(common.get("content"), list | tuple):
        yield common
        return
    yield from _of_blocks(common, list(map(_plain, common["content"])), name)


def _of_blocks(
    common: dict[str, Any], blocks: Sequence[Any], name: str
) -> Iterator[dict[str, Any]]:
    """The same with its content in parts: calls and results are taken out of it."""
    parts: list[dict[str, Any]] = []
    calls: list[Any] = []
    has_results = False
    for place, block in enumerate(blocks):
        where, kind = f"{name}, part {place},", _kind(block)
        if (of := _OF_CALLS.get(kind)) and common.get("role") != of:
            raise ArgumentError(
                f"{where} is a {kind!r}, which only messages of role {of!r} hold; this one is of "
                f"role {common.get('role')!r}"
            )
        if kind == "tool_use":
            calls.append(common_call(block))
        elif kind == "tool_result":
            if parts:
                yield common | {"content": parts}
            parts, has_results = [], True
            content = _content(block.get("content"), where)
            yield {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content}
        elif kind not in _REASONED:
            parts.append(_part(block, where))
    if calls:
        common["tool_calls"] = [*(common.get("tool_calls") or ()), *calls]
    if parts or not has_results:
        yield common | {"content": parts}


def _content(content: object, where: str) -> Any:
    """The content of a result."""
    if content is None:
        return ""
    if not isinstance(content, list | tuple):
        return content
    return [
        _part(_plain(block), f"{where} part {place} of the result,")
        for place, block in enumerate(content)
    ]


def _part(part: Any, where: str) -> dict[str, Any]:
    """A text or a picture of a content."""
    kind = _kind(part)
    if kind == "image_url":
        return dict(part)
    if kind == "input_image":
        return {"type": "image_url", "image_url": part.get("image_url")}
    if kind == "image":
        return {"type": "image_url", "image_url": _url(part.get("source"))}
    text = part.get(_TEXTS[kind], part.get("content")) if kind in _TEXTS else None
    if not isinstance(text, str):
        what = "no text" if kind in ("", *_TEXTS) else f"of type {kind!r}"
        raise ArgumentError(
            f"{where} is {what}, which is not read; give {{'type': 'text', 'text': '...'}}, or "
            "leave it out"
        )
    return {"type": "text", "text": text}


def _url(source: object) -> object:
    """The URL of a picture of Anthropic's."""
    if not isinstance(source, Mapping):
        return None
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    return source.get("url")


def _kind(block: object) -> str:
    """The type of a part; empty for none."""
    kind = block.get("type") if isinstance(block, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _role(one: Converted) -> object:
    return one.message.get("role") if isinstance(one.message, Mapping) else None


def _is_calling(found: Sequence[Converted]) -> bool:
    """Whether the last message is the assistant's, with calls."""
    return (
        bool(found)
        and _role(found[-1]) == "assistant"
        and bool(found[-1].message.get("tool_calls"))
    )


def _is_text(message: Mapping[str, Any]) -> bool:
    """Whether a message is a text of the assistant, without calls."""
    return message["role"] == "assistant" and not message.get("tool_calls")


def _parts(message: Mapping[str, Any]) -> list[Any]:
    """The content as a list of parts."""
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _joined(one: Converted, number: int, **more: list[Any]) -> Converted:
    """A message of the assistant with more content or calls, of another item."""
    ((key, added),) = more.items()
    had = _parts(one.message) if key == "content" else one.message.get(key) or []
    return Converted(one.message | {key: [*had, *added]}, (*one.numbers, number))
