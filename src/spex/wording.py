"""Numbers and labels as text, alike in every message and report."""

import difflib
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import SupportsFloat

_SUBSCRIPTS = str.maketrans("0123456789", "".join(chr(0x2080 + digit) for digit in range(10)))
# Unicode isolates: text between these two has its own direction, that of its first letter.
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_LONGEST_NAME = 100  # characters compared with names


def percent(share: float) -> str:
    """A share as a percentage that is never rounded to 0 or to 100 %."""
    number = 100 * share
    if 0 < number < 0.1:
        return "< 0.1 %"
    if 0 <= number < 9.95:
        return f"{number:.1f} %"
    if 99.5 <= number < 100:
        return f"{math.floor(number * 100) / 100:.2f} %"
    return f"{number:.0f} %"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 evaluation`, `2,000 evaluations`; plural: default noun + s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def shorten(text: str, limit: int = 60) -> str:
    """Cut a text to at most `limit` characters, and end it with three dots where it was longer."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def visible(text: str) -> str:
    """Text without characters that could act on a terminal or that no file can hold.

    Shows as U+FFFD: control characters other than tab and line feed, overrides of the writing
    direction, and half surrogate pairs. So an escape sequence in someone else's text does not reach
    the terminal. Windows line breaks become line feeds.
    """
    shown = text.replace("\r\n", "\n")
    return "".join("\N{REPLACEMENT CHARACTER}" if _acts(c) else c for c in shown)


def _acts(character: str) -> bool:
    if character in "\n\t":
        return False
    category = unicodedata.category(character)
    return category in ("Cc", "Cs") or character in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"


def one_line(text: str) -> str:
    """Visible text on one line, white space collapsed."""
    return visible(" ".join(text.split()))


def short(label: str, limit: int = 40) -> str:
    """A label on one line, cut to `limit` characters; never empty."""
    return shorten(one_line(label), limit) or "(blank)"


def isolated(text: str) -> str:
    """A text that leaves the order of what stands beside it alone, where it runs right to left.

    A number beside Hebrew or Arabic is otherwise moved to its other side, and its sign behind it.
    """
    if not any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in text):
        return text
    return f"{_ISOLATE}{text.replace(_END_ISOLATE, '')}{_END_ISOLATE}"


def distinct(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels of which those that repeat are numbered: `never#1`, `never#2`."""
    counts, taken, numbers = Counter(labels), set(labels), Counter[str]()
    found = []
    for label in labels:
        shown = label
        while counts[label] > 1 and shown in taken:
            numbers[label] += 1
            shown = f"{label}#{numbers[label]}"
        taken.add(shown)
        found.append(shown)
    return tuple(found)


def subscripted(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels numbered as by `distinct`, with the numbers under the line, as in print and pages."""
    found = tuple(
        label if label == name else label + name.rpartition("#")[2].translate(_SUBSCRIPTS)
        for label, name in zip(labels, distinct(labels), strict=True)
    )
    return found if len(set(found)) == len(found) else distinct(labels)


def did_you_mean(value: object, valid: Iterable[str]) -> str:
    """Such as ` (did you mean 'word'?)`; empty if no name is like the value.

    Args:
        value: What was given; of `kind:more` only the kind is compared.
        valid: The names that there are, without what comes after a colon.
    """
    if not isinstance(value, str):
        return ""
    kind, colon, more = value.strip().partition(":")
    names = {name.casefold(): name for name in valid}
    close = difflib.get_close_matches(kind[:_LONGEST_NAME].casefold(), names, n=1)
    if not close or names[close[0]] == kind:
        return ""
    return f" (did you mean {shorten(repr(names[close[0]] + colon + more))}?)"


def in_full(value: SupportsFloat) -> str:
    """A float so that different ones look different; a whole number without point and exponent."""
    # str, not repr: that of a 32-bit float has the digits that tell 32-bit floats apart.
    number = float(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e21 else str(value)
