"""What an explanation is about: model, prompt, answer, score and input, for reports and files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from spex.inputs.parts import Part, parts_from_json

_TEXTS = (
    "model",
    "prompt",
    "system",
    "answer",
    "score",
    "score_unit",
    "text",
    "unit",
    "operator",
    "command",
)


@dataclass(frozen=True)
class Context(Mapping[str, Any]):
    """What was explained, as far as the source of values tells.

    Also a read-only mapping from the names of the fields that are known to their values.

    Args:
        model: Name of the model.
        prompt: The user's message, unmasked.
        system: The system message.
        answer: The answer that is explained.
        score: What is measured, on one line.
        score_unit: Unit of the values, such as "nats"; empty where they have none.
        text: The text that is masked.
        unit: Kind of the units, such as "word".
        operator: What becomes of a unit left out, such as "delete".
        parts: The input in pieces, each with the number of its feature.
        usage: What a server counted: requests, failures, prompt_tokens, completion_tokens and,
            where a price is known, cost in dollars.
        command: The command line.
        notes: What a user should know about the values, a sentence each. They become notes of the
            explanation, and are no part of the mapping.
    """

    model: str | None = None
    prompt: str | None = None
    system: str | None = None
    answer: str | None = None
    score: str | None = None
    score_unit: str | None = None
    text: str | None = None
    unit: str | None = None
    operator: str | None = None
    parts: tuple[Part, ...] | None = None
    usage: Mapping[str, float] | None = None
    command: str | None = None
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        value = getattr(self, name, None) if name in _NAMES else None
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in _NAMES if getattr(self, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def to_json(self) -> dict[str, Any]:
        """The fields that are known, as JSON content."""
        content = dict(self)
        if self.parts is not None:
            content["parts"] = [part.to_json() for part in self.parts]
        if self.usage is not None:
            content["usage"] = dict(self.usage)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any], n_features: int) -> "Context":
        """Read what `to_json` gave.

        The content may come from a file that anybody wrote: fields of another type, and parts that
        do not hold each of n_features features, are taken as unknown.
        """
        texts = {name: content[name] for name in _TEXTS if isinstance(content.get(name), str)}
        usage = content.get("usage")
        counts = None
        if isinstance(usage, Mapping):
            counts = {
                str(name): count
                for name, count in usage.items()
                if isinstance(count, int | float) and not isinstance(count, bool)
            }
        return cls(**texts, parts=parts_from_json(content.get("parts"), n_features), usage=counts)


_NAMES = tuple(field.name for field in fields(Context) if field.name != "notes")
