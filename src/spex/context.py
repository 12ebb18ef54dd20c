"""What an explanation is about: model, prompt, answer, score and input, for reports and files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from spex.inputs.parts import Part, parts_from_json
from spex.saving import Found

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
        compared: The two answers whose log-odds are measured, the one that is explained first.
        score: What is measured, on one line.
        score_unit: Unit of the values, such as "nats"; empty if they have none.
        score_threshold: The value at which the answer flips, such as 0.0 of log-odds.
        text: The text that is masked.
        unit: Kind of the units, such as "word".
        operator: What becomes of a unit left out, such as "delete".
        parts: The input in pieces, each with the number of its feature.
        usage: What a server counted: requests, failures, prompt_tokens, completion_tokens and,
            where a price is known, cost in dollars. Where it told no tokens of some replies, not
            the cost but `uncounted`, the number of these.
        command: The command line.
        request: Options of `spex explain` by name, so that the same source can be made again.
            Texts, numbers, truth values and lists of texts; the model's name holds no secret.
        notes: What a user should know about the values, a sentence each. They become notes of the
            explanation, and are no part of the mapping.

    Example:
        >>> import spex
        >>> value = spex.PredictFunction(spex.Text("so so"), lambda texts: [len(t) for t in texts])
        >>> spex.explain(value, budget=4).context["unit"]
        'word'
    """

    model: str | None = None
    prompt: str | None = None
    system: str | None = None
    answer: str | None = None
    compared: tuple[str, str] | None = None
    score: str | None = None
    score_unit: str | None = None
    score_threshold: float | None = None
    text: str | None = None
    unit: str | None = None
    operator: str | None = None
    parts: tuple[Part, ...] | None = None
    usage: Mapping[str, float] | None = None
    command: str | None = None
    request: Mapping[str, Any] | None = None
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
        if self.compared is not None:
            content["compared"] = list(self.compared)
        if self.parts is not None:
            content["parts"] = [part.to_json() for part in self.parts]
        if self.usage is not None:
            content["usage"] = dict(self.usage)
        if self.request is not None:
            content["request"] = dict(self.request)
        return content

    @classmethod
    def from_json(cls, found: Found, n_features: int) -> "Context":
        """Read what `to_json` gave, from a file that anybody may have written.

        Parts that do not show each of n_features features are taken as unknown.

        Raises:
            FileFormatError: a field has another type.
        """
        texts: dict[str, Any] = {
            name: text.text() for name in _TEXTS if (text := found.get(name)).value is not None
        }
        # Older files have no threshold.
        threshold = found.get("score_threshold").number_or_none()
        both = found.get("compared")
        if both.value is not None:
            texts["compared"] = both.texts(2, 2)
        usage = found.get("usage")
        counts = None
        if usage.value is not None:
            counts = {name: count.value for name, count in usage.items() if count.number(0) >= 0}
        parts = parts_from_json(found.get("parts").value, n_features)
        request = found.get("request")
        options = None
        if request.value is not None:
            options = {name: _option(option) for name, option in request.items()}
        return cls(**texts, score_threshold=threshold, parts=parts, usage=counts, request=options)


def _option(found: Found) -> Any:
    """An option of the command line, of any of the types that options have."""
    if isinstance(found.value, list):
        return list(found.texts())
    if isinstance(found.value, str | bool):
        return found.value
    if isinstance(found.value, int):
        return found.whole()
    return found.number()


_NAMES = tuple(field.name for field in fields(Context) if field.name != "notes")
