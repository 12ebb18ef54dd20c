"""The prompt template and the system message around a masked text, and their checks."""

from collections.abc import Mapping, Sequence
from typing import Any

from spex.errors import ArgumentError
from spex.models.protocol import Message, Prompt

SLOT = "{input}"


def check_encodable(text: str, name: str) -> None:
    """Raise ArgumentError if a text holds half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"{name} holds half of a surrogate pair (character {error.start}), which no model can "
            "read; decode its bytes as UTF-8 with errors='replace'"
        ) from None


def check_list(value: object, name: str, of: str) -> Sequence[Any]:
    """Return a list, or raise ArgumentError with what it should be a list of."""
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise ArgumentError(f"{name} is a {type(value).__name__}; give a list of {of}")
    return value


def check_system(system: object) -> None:
    """Raise ArgumentError if a system message is neither a valid text nor None."""
    if system is None:
        return
    if not isinstance(system, str):
        raise ArgumentError(f"system must be a str or None, not {type(system).__name__}")
    check_encodable(system, "system")


def split_template(prompt: object) -> tuple[str, str]:
    """Split a template at "{input}" into what stands before and after; None gives two empty texts.

    Raises:
        ArgumentError: it is no str with "{input}" exactly once.
    """
    if prompt is None:
        return "", ""
    if not isinstance(prompt, str):
        raise ArgumentError(f"prompt must be a str or None, not {type(prompt).__name__}")
    if (count := prompt.count(SLOT)) != 1:
        raise ArgumentError(
            f"prompt holds {SLOT} {count} times; write it exactly once, where the text goes"
        )
    check_encodable(prompt, "prompt")
    before, after = prompt.split(SLOT)
    return before, after


def chat(system: str | None, user: str) -> Prompt:
    """A prompt of one message of the user, after the system message if any."""
    start = () if system is None else (Message("system", system),)
    return Prompt((*start, Message("user", user)))
