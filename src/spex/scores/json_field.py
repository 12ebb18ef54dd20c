"""A score that looks up one field in the JSON of a reply."""

import json
import math
import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from spex.checks.arguments import whole_number
from spex.errors import ArgumentError
from spex.models.protocol import Prompt
from spex.models.reasoning_tags import ANSWERS, CLOSES, OPENS, reasoning_tags
from spex.scores.replies import ScoreOfReplies
from spex.wording import shorten

_MOST_FAILURES = 100_000  # each takes time proportional to the reply's length
# Where JSON may begin.
_BRACKET = re.compile(r"\{(?=\s*[\"}])|\[(?=\s*[\[{\"\d\-tfn\]])")


@dataclass(frozen=True)
class JsonField(ScoreOfReplies):
    """1 if a field of the JSON in the reply has a value, else 0.

    The field is that of the first JSON object or list in the reply that has the path. Text around
    it is ignored: a code fence, a citation such as [1], other JSON, and what a reasoning model
    thinks in a block such as <think>...</think>. A reply without the field counts 0, and so does
    one that is cut off inside the JSON.

    Args:
        path: the path to the field: names, and positions in lists, joined by dots, such as
            "sentiment" or "results.0.label".
        value: the value that counts 1: a str, a number, a bool or None.
        max_new_tokens: the length at which a reply is cut off, in tokens.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import json
        >>> import spex
        >>> def reply(prompt):
        ...     return json.dumps({"label": "angry" if "now" in prompt else "calm"})
        >>> score = spex.JsonField("label", "angry")
        >>> value = spex.ValueFunction(spex.Text("Come now"), reply, score)
        >>> value([[True, True], [True, False]]).tolist()
        [1.0, 0.0]
    """

    path: str
    value: str | int | float | bool | None
    max_new_tokens: int = 256

    def __post_init__(self) -> None:
        whole_number("max_new_tokens", self.max_new_tokens, 1)
        if not isinstance(self.path, str) or not all(self.path.split(".")):
            raise ArgumentError(f"path={self.path!r} is no path; write names joined by dots")
        if not isinstance(self.value, str | int | float | bool | None) or (
            isinstance(self.value, float) and not math.isfinite(self.value)
        ):
            raise ArgumentError(
                f"value={self.value!r} cannot be in a field; give a str, a finite number, a bool "
                "or None"
            )

    @property
    def summary(self) -> str:
        """Such as '1 if the reply has sentiment = "positive", else 0'."""
        return f"1 if the reply has {shorten(self.path)} = {json.dumps(self.value)}, else 0"

    def measure(self, prompt: Prompt, reply: str) -> float:
        """1.0 or 0.0."""
        for value in _json_values(reply):
            try:
                found = _follow(value, self.path.split("."))
            except LookupError:
                continue
            # True == 1 in Python, but not in JSON.
            same_type = isinstance(found, bool) == isinstance(self.value, bool)
            return float(same_type and found == self.value)
        return 0.0

    def describe(self) -> dict[str, Any]:
        """Type, path, value and length of replies, as JSON values."""
        return {
            "type": "json_field",
            # Rule 1 read only the first JSON value; rule 2 knew the tags of fewer models.
            "rule": 3,
            "path": self.path,
            "value": self.value,
            "max_new_tokens": self.max_new_tokens,
        }


def _follow(value: Any, path: list[str]) -> Any:
    """The value at a path.

    Raises:
        LookupError: nothing is there.
    """
    for name in path:
        if isinstance(value, list):
            # Ten digits are more than a list can have items; int() refuses thousands of them.
            position = int(name) if name.isdecimal() and len(name) <= 10 else len(value)
            value = value[position]
        elif isinstance(value, dict):
            value = value[name]
        else:
            raise LookupError(name)
    return value


def _json_values(reply: str) -> list[Any]:
    """The JSON objects and lists of a reply, in order, without those inside others or reasoning."""
    values: list[Any] = []
    position = failed = 0
    end_of_reply = len(reply.rstrip())
    tags = deque(tag for tag in reasoning_tags(reply) if tag.kind in (OPENS, CLOSES, ANSWERS))
    while True:
        found = _BRACKET.search(reply, position)
        while tags and tags[0].start < position:
            tags.popleft()
        if tags and (found is None or tags[0].start < found.start()):
            tag = tags.popleft()
            position = tag.stop
            if tag.kind != OPENS:
                values.clear()  # the template opened the block: all so far was reasoning
                continue
            while tags and tags[0].kind == OPENS:
                tags.popleft()
            position = tags.popleft().stop if tags else len(reply)
        elif found is None:
            break
        else:
            position = found.end()
            try:
                value, position = _DECODER.raw_decode(reply, found.start())
                values.append(value)
            except json.JSONDecodeError as error:
                if error.pos >= end_of_reply or error.msg.startswith("Unterminated string"):
                    break  # cut off: what follows lies inside this value
            except RecursionError:
                break  # nested too deep, and so is everything inside
            except ValueError:
                pass  # no JSON begins here
            else:
                continue
            failed += 1
            if failed == _MOST_FAILURES:
                break
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
