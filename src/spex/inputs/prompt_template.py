"""A prompt template whose parts can be absent: instructions, examples, descriptions of tools."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spex.checks.masks import check_mask
from spex.errors import ArgumentError
from spex.inputs.parts import TextPart
from spex.inputs.templates import SLOT, chat, check_encodable, check_list, check_system
from spex.models.protocol import Prompt
from spex.prior import NO_PRIOR, Prior

_PARTS = "{parts}"
_KEYS = {"text", "name", "pinned"}


@dataclass(frozen=True)
class PromptPart:
    """A part of a template.

    Attributes:
        text: what the model reads.
        name: its label in reports; default: the text.
        pinned: whether it is never left out.
    """

    text: str
    name: str | None = None
    pinned: bool = False


@dataclass(frozen=True)
class PromptTemplate:
    """A template: parts that can be absent, joined by line breaks, around the item of a data set.

    Args:
        parts_of_prompt: Texts, or mappings with the key "text" and optionally "name" and "pinned".
            The part that holds "{input}", the place of the item, is never left out.
        prompt: The user's message, with "{parts}" once, where the parts go; default: the parts
            alone. Where no part holds "{input}", it does.
        system: A system message, if any, that is never left out.
        item: The item; default: its place stays as it is.

    Raises:
        ArgumentError: an argument is wrong, or there are fewer than two parts that can be absent.

    Example:
        >>> import spex
        >>> template = spex.PromptTemplate(["Be brief.", "Answer with a number.", "{input}"])
        >>> template.features
        ('Be brief.', 'Answer with a number.')
    """

    parts_of_prompt: Sequence[PromptPart | str | Mapping[str, Any]]
    prompt: str | None = None
    system: str | None = None
    item: str = SLOT
    unit_name: ClassVar[str] = "part"
    operator_name: ClassVar[str] = "delete"
    prior: ClassVar[Prior] = NO_PRIOR
    notes: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        given = check_list(self.parts_of_prompt, "parts", "texts, or objects with a 'text'")
        parsed = tuple(_parsed(part, number) for number, part in enumerate(given))
        object.__setattr__(self, "parts_of_prompt", parsed)
        check_system(self.system)
        if self.prompt is not None:
            if not isinstance(self.prompt, str) or self.prompt.count(_PARTS) != 1:
                raise ArgumentError(
                    f"prompt={self.prompt!r}; write {_PARTS} in it exactly once, where the parts go"
                )
            check_encodable(self.prompt, "prompt")
        count = sum(text.count(SLOT) for text in (*(p.text for p in parsed), self.prompt or ""))
        if count != 1:
            raise ArgumentError(
                f"the parts and the prompt hold {SLOT} {count} times; write it exactly once, where "
                "the item goes"
            )
        if self.n_features < 2:
            raise ArgumentError(
                f"{self.n_features} of {len(parsed)} parts can be left out; give at least two "
                "that are not pinned"
            )

    @property
    def _all(self) -> tuple[PromptPart, ...]:
        return self.parts_of_prompt  # type: ignore[return-value]  # as parsed

    @cached_property
    def _numbers(self) -> tuple[int | None, ...]:
        """The feature number of each part; None of pinned ones."""
        free = iter(range(len(self._all)))
        return tuple(None if part.pinned else next(free) for part in self._all)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The name of each part that can be absent, or its text."""
        return tuple(part.name or part.text.strip() for part in self._all if not part.pinned)

    @property
    def n_features(self) -> int:
        """The number of parts that can be absent."""
        return len(self.features)

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """One for each part of the prompt, headed by its name."""
        return tuple(
            TextPart(((part.text, number),), part.name)
            for part, number in zip(self._all, self._numbers, strict=True)
        )

    def with_item(self, item: str) -> "PromptTemplate":
        """The same with an item in its place."""
        return PromptTemplate(self._all, self.prompt, self.system, item)

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """The prompt of a mask, (n_features,) of bool or 0/1."""
        kept = check_mask(mask, self.n_features)
        texts = [
            part.text
            for part, number in zip(self._all, self._numbers, strict=True)
            if number is None or kept[number]
        ]
        whole = "\n".join(texts)
        if self.prompt is not None:
            before, after = self.prompt.split(_PARTS)
            whole = before + whole + after
        return chat(self.system, whole.replace(SLOT, self.item))

    def describe(self) -> dict[str, Any]:
        """Type, parts, prompt, system and item, as JSON values."""
        return {
            "type": "prompt template",
            "parts": [[part.text, part.pinned] for part in self._all],
            "prompt": self.prompt,
            "system": self.system,
            "item": self.item,
        }

    @property
    def text(self) -> str:
        """The user's message with all parts."""
        return self.render(np.ones(self.n_features, dtype=np.bool_)).text


def _parsed(part: object, number: int) -> PromptPart:
    where = f"part {number}"
    if isinstance(part, str):
        part = PromptPart(part)
    elif isinstance(part, Mapping):
        if unknown := set(part) - _KEYS:
            raise ArgumentError(
                f"{where} has the unknown key {min(map(repr, unknown))}; use 'text', 'name' and "
                "'pinned'"
            )
        part = PromptPart(part.get("text", ""), part.get("name"), part.get("pinned", False))
    if not isinstance(part, PromptPart):
        raise ArgumentError(f"{where} is a {type(part).__name__}; give a text, or an object")
    if not isinstance(part.text, str) or not part.text.strip():
        raise ArgumentError(f"{where} has no text; give one, or leave the part out")
    if part.name is not None and (not isinstance(part.name, str) or not part.name.strip()):
        raise ArgumentError(f"{where}: its name {json.dumps(part.name, default=str)} is no text")
    if not isinstance(part.pinned, bool):
        raise ArgumentError(f"{where}: pinned={part.pinned!r} is neither true nor false")
    check_encodable(part.text, where)
    return PromptPart(part.text, part.name, part.pinned or SLOT in part.text)
