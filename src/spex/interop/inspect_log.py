"""Samples of the evaluation logs of `inspect_ai`, as inputs to explain.

A log is a JSON file, or a zip file (.eval) with a JSON file for each sample. The format is read
here: the package itself takes twenty seconds to import and brings forty others.
"""

import json
import re
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from spex.errors import ArgumentError
from spex.extras import require
from spex.inputs.messages import Messages
from spex.inputs.segmentation import unit_spans
from spex.inputs.traces.agent import Agent
from spex.inputs.traces.reasoning import Reasoning
from spex.models.reasoning_tags import split_reply, without_tags

# (id, epoch)
_Name: TypeAlias = tuple[str, int]
Logged: TypeAlias = Messages | Agent | Reasoning

_SAMPLE = re.compile(r"samples/(?P<id>.+)_epoch_(?P<epoch>\d+)\.json")
_START = "_journal/start.json"
_ATTACHMENT = "attachment://"
_ZIP = b"PK\x03\x04"  # the first bytes of a zip file
_ZSTANDARD = 93  # the number of this compression in zip files
_MOST_BYTES = 5 * 10**8
_LISTED = 10
_FEW_SENTENCES = 3  # with fewer, words are more informative


@dataclass(frozen=True)
class InspectSample:
    """A sample of a log of `inspect_ai`; made by `read_inspect_sample`.

    Attributes:
        id: of the sample in its data set.
        epoch: from 1 on.
        model: the model that answered, as the log names it.
        target: what the answer should be; a list where several are right.
        messages: the whole conversation in the format of OpenAI's API. What the assistant reasoned
            is under the key "reasoning_content".
        tools: the tools that were offered, as for `spex.Agent`.
        error: what made the sample fail; None if it did not.
        notes: what the log does not hold as it was, such as encrypted reasoning, a sentence each.
        given: the numbers of the messages that the sample began with; an answer among them, such as
            an example, is not the model's.
    """

    id: str | int
    epoch: int
    model: str | None
    target: str | list[str] | None
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    error: str | None = None
    notes: tuple[str, ...] = ()
    given: tuple[int, ...] = ()

    @property
    def turn(self) -> int:
        """The number of the message that is explained: the model's last that is not empty.

        Raises:
            ArgumentError: the model says nothing.
        """
        if said := [number for number in _said(self.messages) if number not in self.given]:
            return said[-1]
        failed = "" if self.error is None else f"; it failed: {self.error}"
        roles = [one["role"] for n, one in enumerate(self.messages) if n not in self.given]
        if "assistant" in roles:
            raise ArgumentError(f"the model's answer to sample {self.id!r} is empty{failed}")
        raise ArgumentError(f"sample {self.id!r} has no answer of the model to explain{failed}")

    def masker(
        self, unit: str | None = None, *, operator: str = "delete", turn: int | None = None
    ) -> Logged:
        """What is explained, with the answer that the log holds.

        An `Agent` where tools were offered or called, else `Reasoning` where the model reasoned
        before its answer, else `Messages`.

        Args:
            unit: of that masker; default: its own. For a chat of one message beside those of the
                system: "sentence" where the message has three or more, else "word".
            operator: as for `spex.Text`.
            turn: the number of the message that is explained; default: the assistant's last that
                is not empty.

        Raises:
            ArgumentError: there is no such message, or an argument is wrong.
        """
        turn = self.turn if turn is None else turn
        given: dict[str, Any] = {"operator": operator} | ({} if unit is None else {"unit": unit})
        calls = any(message.get("tool_calls") for message in self.messages)
        if calls or self.tools:
            return Agent(self.messages, self.tools, turn=turn, **given)
        said = _said(self.messages)
        if turn not in said:
            raise ArgumentError(
                f"turn={turn!r} is not a message of the assistant with content; these are: "
                f"{', '.join(map(str, said)) or 'none'}"
            )
        before = [_plain(message) for message in self.messages[:turn]]
        trace, answer = _reasoned(self.messages[turn])
        if trace:
            return Reasoning(before, trace, answer=answer, **given)
        return Messages(before, answer=answer, **({"unit": _unit_of(before)} | given))


def read_inspect_sample(path: str | Path, sample: str | int, epoch: int = 1) -> InspectSample:
    """A sample of a log of `inspect_ai`.

    Args:
        path: of the log, .eval or .json.
        sample: its id; where no sample has this id, its number in the data set, from 1 on.
        epoch: which one of several repeats, from 1 on.

    Raises:
        ArgumentError: the file is no log, or it holds no such sample.
        MissingExtraError: the file is packed with Zstandard, and zipfile-zstd is not installed.

    Example:
        >>> import spex
        >>> try:
        ...     spex.interop.read_inspect_sample("no_such_log.eval", 1)
        ... except spex.ArgumentError as error:
        ...     print(error)
        no_such_log.eval: cannot be read: No such file or directory
    """
    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            return _sample(_in_zip(path, sample, epoch), path)
        if path.stat().st_size > _MOST_BYTES:
            raise ArgumentError(f"{path}: is larger than {_MOST_BYTES // 10**6} MB, the limit")
        content = path.read_bytes()
        if content.startswith(_ZIP):
            raise ArgumentError(f"{path}: is cut off: its end is missing; copy the log once more")
        return _sample(_in_json(json.loads(content), sample, epoch, path), path)
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, UnicodeDecodeError, RecursionError) as error:
        raise ArgumentError(f"{path}: is no log of inspect_ai ({error})") from error
    except json.JSONDecodeError as error:
        raise ArgumentError(
            f"{path}: is no log of inspect_ai, or one that is damaged or cut off: it is no JSON "
            f"({error})"
        ) from error


def _in_zip(path: Path, sample: str | int, epoch: int) -> Any:
    with zipfile.ZipFile(path) as log:
        names = {
            (found["id"], int(found["epoch"])): name
            for name in log.namelist()
            if (found := _SAMPLE.fullmatch(name))
        }
        # An unfinished or killed run has no header yet.
        header: dict[str, Any] = {"status": "started"}
        if "header.json" in log.namelist():
            header = _entry(log, "header.json", path)
        elif not names and _START not in log.namelist():
            raise ArgumentError(f"{path}: is no log of inspect_ai: it holds none of its files")
        _check_any(names, header, path)
        return _entry(log, names[_found(_ordered(names, header), sample, epoch, path)], path)


def _entry(log: zipfile.ZipFile, name: str, path: Path) -> Any:
    entry = log.getinfo(name)
    if entry.file_size > _MOST_BYTES:
        raise ArgumentError(f"{path}: {name} is larger than {_MOST_BYTES // 10**6} MB, the limit")
    if entry.compress_type == _ZSTANDARD:
        require("zipfile_zstd", "inspect")  # adds this compression to `zipfile`
    try:
        content = log.read(entry)
    except Exception as error:  # each kind of compression has its own class of error
        raise ArgumentError(f"{path}: {name} cannot be unpacked ({error})") from error
    return json.loads(content)


def _in_json(content: Any, sample: str | int, epoch: int, path: Path) -> Any:
    samples = content.get("samples") if isinstance(content, dict) else None
    if samples is None and isinstance(content, dict) and "status" in content:
        samples = []
    if not isinstance(samples, list) or not all(isinstance(one, dict) for one in samples):
        raise ArgumentError(f"{path}: is no log of inspect_ai: it has no list of samples")
    _check_any(samples, content, path)
    known = {(str(one.get("id")), one.get("epoch", 1)): one for one in samples}
    return known[_found(_ordered(known, content), sample, epoch, path)]


def _check_any(samples: Collection[Any], header: Mapping[str, Any], path: Path) -> None:
    if not samples:
        status = header.get("status")
        run = f"; the status of its run is {status!r}" if status else ""
        raise ArgumentError(f"{path}: holds no samples{run}")


def _ordered(known: Iterable[_Name], header: Mapping[str, Any]) -> list[_Name]:
    """The samples in the order of their data set, as far as the log tells; files have another."""
    dataset = (header.get("eval") or {}).get("dataset") or {}
    order = {str(name): number for number, name in enumerate(dataset.get("sample_ids") or ())}
    return sorted(known, key=lambda one: order.get(one[0], len(order)))


def _found(known: Sequence[_Name], sample: str | int, epoch: int, path: Path) -> _Name:
    """The id and the epoch of the sample asked for."""
    ids = list(dict.fromkeys(name for name, _ in known))
    name = str(sample)
    if name not in ids and name.isdecimal() and 1 <= int(name) <= len(ids):
        name = ids[int(name) - 1]
    if name not in ids:
        listed = ", ".join(ids[:_LISTED]) + (" ..." if len(ids) > _LISTED else "")
        raise ArgumentError(f"{path}: has no sample {sample!r}; it has {len(ids)}: {listed}")
    if (name, epoch) not in known:
        epochs = ", ".join(str(number) for one, number in sorted(known) if one == name)
        raise ArgumentError(
            f"{path}: sample {sample!r} has no epoch {epoch!r}; use one of {epochs}"
        )
    return name, epoch


def _sample(content: Any, path: Path) -> InspectSample:
    try:
        content = _attached(content, content.get("attachments") or {})
        asked = [event for event in content.get("events") or () if event.get("event") == "model"]
        tools = asked[-1].get("tools") or () if asked else ()
        messages = tuple(map(_message, content["messages"]))
        given = _given(content["messages"], content.get("input"))
        error = (content.get("error") or {}).get("message")
        return InspectSample(
            content["id"],
            content.get("epoch", 1),
            (content.get("output") or {}).get("model"),
            content.get("target"),
            messages,
            tuple({"type": "function", "function": tool} for tool in tools),
            error,
            _notes(content["messages"], messages, given, error),
            given,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"{path}: the sample is not as inspect_ai writes it ({error!r})"
        ) from error


def _given(logged: Sequence[Mapping[str, Any]], asked: Any) -> tuple[int, ...]:
    """The numbers of the messages that are of the data set."""
    ids = {one.get("id") for one in asked} - {None} if isinstance(asked, list) else set()
    return tuple(
        number
        for number, message in enumerate(logged)
        if message.get("source") == "input" or message.get("id") in ids
    )


def _notes(
    logged: Sequence[Mapping[str, Any]],
    messages: Sequence[Mapping[str, Any]],
    given: Collection[int],
    error: str | None,
) -> tuple[str, ...]:
    parts = [part for one in logged if isinstance(one["content"], list) for part in one["content"]]
    hidden = [part for part in parts if part["type"] == "reasoning" and part.get("redacted")]
    said = [number for number in _said(messages) if number not in given]
    assistant = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    notes = {
        f"The sample failed in its run: {error}": error is not None,
        "The log holds encrypted reasoning: the summary beside it is used.": any(
            part.get("summary") for part in hidden
        ),
        "The log holds encrypted reasoning without a summary: it is left out.": not all(
            part.get("summary") for part in hidden
        ),
        f"The last message of the assistant is empty: message {said[-1] if said else 0} is "
        "explained.": bool(said) and said[-1] != assistant[-1],
    }
    return tuple(note for note, holds in notes.items() if holds)


def _attached(value: Any, attachments: Mapping[str, Any]) -> Any:
    """The same with long texts put back, which a log keeps once."""
    if isinstance(value, str) and value.startswith(_ATTACHMENT):
        return attachments.get(value.removeprefix(_ATTACHMENT), value)
    if isinstance(value, list):
        return [_attached(one, attachments) for one in value]
    if isinstance(value, dict):
        return {key: _attached(one, attachments) for key, one in value.items()}
    return value


def _message(logged: Mapping[str, Any]) -> dict[str, Any]:
    """A message in the format of OpenAI's API."""
    content, reasoning = logged["content"], []
    if isinstance(content, list):
        reasoning = [
            # Redacted reasoning is encrypted.
            one.get("summary") if one.get("redacted") else one["reasoning"]
            for one in content
            if one["type"] == "reasoning"
        ]
        parts = list(map(_part, (one for one in content if one["type"] != "reasoning")))
        is_text = all(part["type"] == "text" for part in parts)
        content = "\n".join(part["text"] for part in parts) if is_text else parts
    if not content and logged.get("error"):
        content = logged["error"]["message"]
    message = {"role": logged["role"], "content": content}
    if any(reasoning):
        message["reasoning_content"] = "\n".join(filter(None, reasoning))
    if logged.get("tool_calls"):
        message["tool_calls"] = list(map(_call, logged["tool_calls"]))
    if logged["role"] == "tool":
        message["tool_call_id"] = logged.get("tool_call_id")
    return message


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "image":
        return {"type": "image_url", "image_url": {"url": part["image"]}}
    return {"type": part["type"], "text": part.get("text")}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": call["function"], "arguments": dict(call["arguments"])}
    return {"id": call["id"], "type": "function", "function": function}


def _said(messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """The numbers of the messages of the assistant that are not empty."""
    return [
        number
        for number, message in enumerate(messages)
        if message["role"] == "assistant"
        and (message.get("tool_calls") or str(message["content"] or "").strip())
    ]


def _reasoned(message: Mapping[str, Any]) -> tuple[str, Any]:
    """What the assistant reasoned, with tags; empty for nothing; and its answer."""
    content = message["content"]
    if trace := message.get("reasoning_content"):
        return f"<think>\n{trace}\n</think>", content
    # Some servers leave the tags in the text.
    split = split_reply(content) if isinstance(content, str) else None
    if split is None or not all(without_tags(part).strip() for part in split):
        return "", content
    return split[0], without_tags(split[1]).strip()


def _unit_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The unit of a chat for which none is given."""
    others = [message for message in messages if message["role"] not in ("system", "developer")]
    if len(others) != 1:
        return "message"
    content = others[0]["content"]
    if isinstance(content, list):
        content = "\n".join(part.get("text") or "" for part in content)
    if not isinstance(content, str):
        return "message"  # parsing it as a message reports the fault
    return "sentence" if len(unit_spans(content, "sentence")) >= _FEW_SENTENCES else "word"


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the assistant reasoned before earlier answers, as models are given it."""
    return {key: value for key, value in message.items() if key != "reasoning_content"}
