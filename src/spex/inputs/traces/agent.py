"""Masking the trace of an agent: tools, memory, turns and results of tools before a call.

The trace is written as plain messages in the Hermes format of tool calls. Models such as SmolLM2,
Qwen and Hermes were trained on it. So every model can be asked, even if its chat template knows no
tools.
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
from spex.inputs.traces.formats import Converted, common_call, common_tool
from spex.inputs.traces.parsing import linked, named, parse_message, parse_pinned, read_messages
from spex.inputs.units import UnitMasker
from spex.models.protocol import Message, Prompt, ToolCall

_PART = "part"
_TOOL, _MEMORY, _MESSAGE = "tool", "memory", "message"
# (kind, number of the tool, memory entry or message)
_Place: TypeAlias = tuple[str, int]
_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name")
_ALSO = ("memory", "against")  # in addition to the messages and tools of a request
_OFFER = (
    "# Tools\n\nYou may call functions to assist with the user query. You are given their "
    "signatures within <tools></tools> XML tags:\n<tools>\n{tools}\n</tools>\n\n"
)
_FORMAT = (
    "For each function call, return a JSON object with the function's name and arguments within "
    '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": '
    "<args-json-object>}\n</tool_call>"
)


@dataclass(frozen=True)
class Agent(UnitMasker):
    """The trace of an agent up to a tool call; parts of the trace can be absent.

    Parts are descriptions of tools, entries of its memory, turns of the system, the user and the
    assistant, and results of tools. Earlier calls always stay. The explained answer is the call,
    with its arguments. The default score is its log-probability, or its log-odds against `against`.
    What the assistant said beside the call or after it is not read, since it may repeat the call.

    Args:
        messages: the trace, including the assistant's message with the call. Formats: OpenAI's Chat
            Completions, as for `Messages`, items of its Responses, messages of Anthropic or of
            AgentDojo. Other keys of a message, and reasoning, are not read. Or a saved request: a
            mapping with "messages" or "input", and optionally "system" or "instructions", "tools",
            "memory" and "against".
        tools: the tools of the request, each {"type": "function", "function": {"name": ...,
            "description": ..., "parameters": ...}}. The value of "function" alone, and the formats
            of Anthropic and Responses, also work. Default: those of a saved request.
        memory: entries of the agent's memory, which the system message lists; default: as for
            `tools`.
        against: another call, {"name": ..., "arguments": {...}}, or a text, such as a refusal;
            default: as for `tools`.
        turn: the number of the assistant's message to explain, in your trace: its calls, or its
            text if it has none; default: the last one with calls.
        unit: "part", or a unit inside each turn and result: "sentence", "line" and the other
            units of `Text`. Each tool and each entry of the memory is one unit.
        operator: as for `Text`.
        pinned: what is never left out: roles, or numbers of given messages, as for `Messages`.
        tokenizer: as for `Text`.

    Attributes:
        answers: the call that was made, as the model would write it, and the other one, if any.
        features: "user: content", "result of NAME: content", "tool NAME: description" and
            "memory: entry"; for other units, the units of turns and results.

    Raises:
        ArgumentError: an argument is wrong, there is no call, or there are fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.

    Example:
        >>> import spex
        >>> call = {"name": "weather", "arguments": '{"city": "Oslo"}'}
        >>> agent = spex.Agent(
        ...     [
        ...         {"role": "system", "content": "Be brief."},
        ...         {"role": "user", "content": "Do I need a coat in Oslo?"},
        ...         {"role": "assistant", "tool_calls": [{"id": "1", "function": call}]},
        ...     ],
        ...     memory=["The user lives in Oslo."],
        ... )
        >>> agent.features
        ('memory: The user lives in Oslo.', 'system: Be brief.', 'user: Do I need a coat in Oslo?')
        >>> print(agent.answers[0])
        <tool_call>
        {"name": "weather", "arguments": {"city": "Oslo"}}
        </tool_call>
    """

    whole_unit = _PART
    # System messages are parts of the trace.
    system = None
    notes = (
        "Tools, calls and results were written as text (<tools>, <tool_call>, <tool_response>), "
        "not by the model's own template of tools.",
    )

    messages: Sequence[Message | Mapping[str, Any]] | Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]] = ()
    memory: Sequence[str] = ()
    against: str | Mapping[str, Any] | None = None
    turn: int | None = None
    unit: str | re.Pattern[str] = _PART
    operator: str = "delete"
    pinned: Sequence[str | int] = ()
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        given, request = read_messages(self.messages, _ALSO)
        for name in ("tools", *_ALSO):
            if getattr(self, name) in ((), None) and request.get(name) is not None:
                object.__setattr__(self, name, request[name])
        parsed = [parse_message(_known(one.message), named(one)) for one in given]
        turn = _turn(parsed, given, self.turn)
        n_given = given[turn].numbers[0]
        object.__setattr__(self, "messages", linked(parsed[: turn + 1], given)[0])
        object.__setattr__(self, "turn", turn)
        object.__setattr__(self, "tools", _parse_tools(self.tools))
        _check_memory(self.memory)
        object.__setattr__(self, "memory", tuple(self.memory))
        object.__setattr__(self, "pinned", parse_pinned(self.pinned, given[:turn], n_given))
        _ = self.answers
        self._check_units("what is not pinned has", "pin fewer messages, or use a finer unit")

    @property
    def _explained(self) -> Message:
        """The message with the call."""
        return self.messages[-1]  # type: ignore[index,return-value]  # as parsed

    @property
    def _before(self) -> tuple[Message, ...]:
        """The messages before the call."""
        return tuple(self.messages[:-1])  # type: ignore[index,arg-type]  # as parsed

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """The call that was made, and the other answer, if any."""
        explained = self._explained
        made = "\n".join(map(_written, explained.tool_calls)) or explained.content
        if self.against is None:
            return (made,)
        other = (
            self.against if isinstance(self.against, str) else _written(_other_call(self.against))
        )
        if not other or other == made:
            raise ArgumentError("against is empty or the call that was made; give another one")
        return made, other

    @property
    def _compared(self) -> Sequence[str]:
        """The answers as a person reads them."""
        explained, other = self._explained, self.against
        made = _listed(explained.tool_calls) or explained.content
        if other is None:
            return (made,)
        return made, other if isinstance(other, str) else str(_other_call(other))

    @cached_property
    def _places(self) -> list[_Place]:
        """The kind of each text, in the order of the prompt, but with memory and tools first."""
        return [
            *((_TOOL, number) for number in range(len(self.tools))),
            *((_MEMORY, number) for number in range(len(self.memory))),
            *((_MESSAGE, number) for number in range(len(self._before))),
        ]

    @cached_property
    def _names(self) -> dict[int, str]:
        """The name of the tool whose result a message holds."""
        calls = linked(self._before)[1]
        return {
            number: self._before[message].tool_calls[call].name
            for number, (message, call) in calls.items()
        }

    @property
    def _texts(self) -> list[str]:
        shown: dict[str, Sequence[str]] = {
            _TOOL: [json.dumps(tool, ensure_ascii=False) for tool in self.tools],
            _MEMORY: self.memory,
            _MESSAGE: [message.content for message in self._before],
        }
        return [shown[kind][number] for kind, number in self._places]

    def _heading(self, kind: str, number: int) -> str:
        if kind == _TOOL:
            return f"tool {self.tools[number]['function']['name']}"
        if kind == _MEMORY:
            return _MEMORY
        name = self._names.get(number)
        return self._before[number].role if name is None else f"result of {name}"

    @property
    def _labels(self) -> list[str]:
        labels = []
        for (kind, number), text in zip(self._places, self._texts, strict=True):
            shown = text
            if kind == _TOOL:
                shown = str(self.tools[number]["function"].get("description") or "")
            labels.append(f"{self._heading(kind, number)}: {shown.strip()}")
        return labels

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The labels of whole parts, and the units inside of the others."""
        found: list[str] = []
        for number, (text, label) in enumerate(zip(self._texts, self._labels, strict=True)):
            spans = self._spans[number]
            whole = self._is_whole(number)
            found += [label if whole else text[start:stop] for start, stop in spans]
        return tuple(found)

    def _is_whole(self, number: int) -> bool:
        return self._unit == self.whole_unit or self._places[number][0] != _MESSAGE

    def _split(self, number: int, text: str, unit: str | re.Pattern[str]) -> list[Span]:
        kind, place = self._places[number]
        role = self._before[place].role if kind == _MESSAGE else ""
        roles = (role, "system") if role == "developer" else (role,)
        here = (place, place - len(self._before), *roles) if kind == _MESSAGE else ()
        if any(item in self.pinned for item in here):
            return []
        if self._is_whole(number):
            return trimmed(text, ())
        return super()._split(number, text, unit)

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """The tools, the memory, the turns with their calls, and last what is explained."""
        shown: list[TextPart] = []
        for (kind, number), masked in zip(self._places, self._masked, strict=True):
            if masked.pieces:
                shown.append(TextPart(masked.pieces, self._heading(kind, number)))
            calls = self._before[number].tool_calls if kind == _MESSAGE else ()
            if calls:
                shown.append(TextPart(((_listed(calls), None),), "assistant calls"))
        explained = zip(("answer explained", "compared with"), self._compared, strict=False)
        return (*shown, *(TextPart(((text, None),), heading) for heading, text in explained))

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the prompt: the messages before the call, with what is left of each part.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        texts = dict(zip(self._places, self._masked_texts(mask), strict=True))
        tools, memory = (
            [text for (of, _), text in texts.items() if of == kind and text.strip()]
            for kind in (_TOOL, _MEMORY)
        )
        turns: list[tuple[Message, list[str]]] = [(Message("system", ""), [])]
        for number, message in enumerate(self._before):
            text = texts[_MESSAGE, number]
            if message.role == "tool":
                text = f"<tool_response>\n{text}\n</tool_response>"
            is_first = number == 0 and message.role in ("system", "developer")
            follows = message.role == "tool" and self._before[number - 1].role == "tool"
            if not (is_first or follows):
                role = "user" if message.role == "tool" else message.role
                turns.append((replace(message, role=role, tool_calls=()), []))
            turns[-1][1].extend(filter(str.strip, [text, *map(_written, message.tool_calls)]))
        remembered = "# Memory\n\n" + "\n".join(f"- {entry}" for entry in memory)
        offer = _OFFER.replace("{tools}", "\n".join(tools)) if tools else ""
        system = [*turns[0][1], *([remembered] if memory else []), offer + _FORMAT]
        others = [
            Message(of.role, "\n".join(texts), of.images, text_first=of.text_first)
            for of, texts in turns[1:]
        ]
        return Prompt((Message("system", "\n\n".join(system)), *others))

    def apply(self, masks: npt.ArrayLike) -> list[list[dict[str, Any]]]:
        """The inputs of a predict function for (m, n_features) masks: m lists of messages."""
        return [
            [message.to_json() for message in self.render(mask).messages]
            for mask in check_masks(masks, self.n_features)
        ]

    def describe(self) -> dict[str, Any]:
        """Type, messages, tools, memory, answers, unit, operator and spans, as JSON values."""
        return self._described(
            type="agent",
            messages=[message.described() for message in self._before],
            tools=list(self.tools),
            memory=list(self.memory),
            answers=list(self.answers),
        )


def _known(message: object) -> object:
    if not isinstance(message, Mapping) or "role" not in message:
        return message  # the reader then refuses its keys
    return {key: value for key, value in message.items() if key in _KEYS}


def _turn(messages: Sequence[Message], given: Sequence[Converted], turn: int | None) -> int:
    """The place of the message that is explained; `turn` is a number of the given messages."""
    said = [
        number
        for number, message in enumerate(messages)
        if message.role == "assistant" and message.as_text.strip()
    ]
    calling = [number for number in said if messages[number].tool_calls]
    if turn is not None:
        for place in said:
            if turn in given[place].numbers:
                return place
        numbers = [str(given[place].numbers[0]) for place in said]
        raise ArgumentError(
            f"turn={turn!r} is not a message of the assistant with content; these are: "
            f"{', '.join(numbers) or 'none'}"
        )
    if not calling:
        raise ArgumentError(
            "no message of the assistant calls a tool ('tool_calls'); for an answer in words give "
            "the number of its message as turn="
        )
    return calling[-1]


def _parse_tools(tools: object) -> tuple[dict[str, Any], ...]:
    """The tools, each with its type."""
    parsed = []
    for number, tool in enumerate(check_list(tools, "tools", "descriptions of tools")):
        function = common_tool(tool)
        name = function.get("name") if isinstance(function, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
            raise ArgumentError(
                f"tool {number} has no name; give {{'type': 'function', 'function': {{'name': ..., "
                "'description': ..., 'parameters': ...}}, and leave out tools that the server runs"
            )
        try:
            check_encodable(json.dumps(function, ensure_ascii=False), f"tool {number}")
        except (TypeError, ValueError, RecursionError) as error:
            raise ArgumentError(f"tool {number} ({name!r}) is no JSON object ({error})") from None
        parsed.append({"type": "function", "function": dict(function)})
    return tuple(parsed)


def _check_memory(memory: object) -> None:
    for number, entry in enumerate(check_list(memory, "memory", "texts")):
        if not isinstance(entry, str) or not entry.strip():
            raise ArgumentError(f"entry {number} of memory is no text: {entry!r}")
        check_encodable(entry, f"entry {number} of memory")


def _written(call: ToolCall) -> str:
    """A call as the model writes it."""
    read = call.to_json(parsed=True)["function"]
    return f"<tool_call>\n{json.dumps(read, ensure_ascii=False)}\n</tool_call>"


def _listed(calls: Sequence[ToolCall]) -> str:
    """Calls as a person reads them, one a line."""
    return "\n".join(map(str, calls))


def _other_call(call: object) -> ToolCall:
    read = common_call(call)
    function = read.get("function", read) if isinstance(read, Mapping) else None
    message = {"role": "assistant", "tool_calls": [{"id": "", "function": function}]}
    try:
        return parse_message(message, "against").tool_calls[0]
    except ArgumentError:
        raise ArgumentError(
            f"against={call!r} is no call; give {{'name': ..., 'arguments': {{...}}}}, or a text"
        ) from None
