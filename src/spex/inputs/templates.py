"""What is around a masked text: its prompt template and its system message; and its checks."""

import re

from spex.errors import ArgumentError
from spex.inputs.segmentation import unit_name
from spex.models.protocol import Message, Prompt
from spex.wording import shorten

SLOT = "{input}"

# Scripts whose words no spaces separate: Thai, kana, Chinese characters.
_SPACELESS_SCRIPTS = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


def check_text(text: object, name: str) -> None:
    """Refuse what is no text, or a text with nothing in it.

    Raises:
        ArgumentError: it is no str, blank, or holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise ArgumentError(f"{name} must be a str, not {type(text).__name__}")
    if not text.strip():
        raise ArgumentError(f"{name} is empty; give a text with at least two units")
    check_encodable(text, name)


def check_encodable(text: str, name: str) -> None:
    """Raise ArgumentError where a text holds half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"{name} holds half of a surrogate pair (character {error.start}), which no model can "
            "read; decode its bytes as UTF-8 with errors='replace'"
        ) from None


def check_units(text: str, unit: str | re.Pattern[str], n_units: int) -> None:
    """Refuse a text with fewer than two units, and say what to do.

    Raises:
        ArgumentError: there is nothing to attribute.
    """
    if n_units > 1:
        return
    shown = shorten(text.strip())
    if n_units == 0 and isinstance(unit, re.Pattern):
        raise ArgumentError(f"unit: {unit.pattern!r} matches nothing in the text {shown!r}")
    of_words = isinstance(unit, str) and unit.startswith("word")
    finer = "give a longer text" if of_words else "use a finer unit such as 'word'"
    if unit == "word" and _SPACELESS_SCRIPTS.search(text):
        finer = "its words are not separated by spaces: use 'word:zh', 'word:ja' or 'word:th'"
    raise ArgumentError(
        f"text {shown!r} has only one unit of kind {unit_name(unit)!r}; "
        f"nothing to attribute; {finer}"
    )


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
