"""Numbers and labels as text, alike in every message and report."""

import math


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


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 evaluation`, `2,000 evaluations`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shorten(text: str, limit: int = 60) -> str:
    """Cut a text to at most `limit` characters, and end it with three dots where it was longer."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
