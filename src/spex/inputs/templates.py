"""What is around a masked text: its prompt template and its system message; and its checks."""

from spex.errors import ArgumentError
from spex.models.protocol import Message, Prompt

SLOT = "{input}"


def check_encodable(text: str, name: str) -> None:
    """Raise ArgumentError where a text holds half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"{name} holds half of a surrogate pair (character {error.start}), which no model can "
            "read; decode its bytes as UTF-8 with errors='replace'"
        ) from None


def check_system(system: object) -> None:
    """Raise ArgumentError for a system message that is neither a text nor None."""
    if system is None:
        return
    if not isinstance(system, str):
        raise ArgumentError(f"system must be a str or None, not {type(system).__name__}")
    check_encodable(system, "system")


def split_template(prompt: object) -> tuple[str, str]:
    """What comes before and after the masked text; None is nothing.

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
    """One message of the user, after the system message if there is any."""
    start = () if system is None else (Message("system", system),)
    return Prompt((*start, Message("user", user)))
