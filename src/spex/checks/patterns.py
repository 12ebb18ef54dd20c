"""Regular expressions of users, with a limit on their time.

Some patterns take for ever on some texts, such as (a+)+$ on many a's. So the library `regex`
searches, because a search by `re` cannot be stopped. A pattern is valid if `re` accepts it, and it
means the same, with two differences. `regex` has newer tables of Unicode, and counts a letter's
combining marks as part of its word.
"""

import re
from collections.abc import Iterator

from spex.errors import ArgumentError
from spex.wording import shorten

# Seconds of processor time; a busy machine takes longer by the clock.
SECONDS = 2.0
# A brace that repeats nothing stands for itself in `re`. In `regex` it allows misspellings.
_PLAIN_BRACE = re.compile(r"(?<!\\)((?:\\\\)*)\{(?!\d*,?\d*\})")


def compile_pattern(pattern: object, name: str) -> re.Pattern[str]:
    """Check a regular expression.

    Args:
        pattern: a str, or a compiled pattern.
        name: of the argument, for messages.

    Raises:
        ArgumentError: it is none.
    """
    if isinstance(pattern, re.Pattern):
        if not isinstance(pattern.pattern, str):
            raise ArgumentError(f"{name} is a pattern over bytes; compile it from a str")
        return pattern
    try:
        return re.compile(str(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise ArgumentError(
            f"{name}: {shorten(str(pattern))!r} is not a regular expression ({error})"
        ) from None


def find_matches(pattern: re.Pattern[str], text: str, name: str) -> Iterator[tuple[int, int]]:
    """The spans (start, stop) of the matches of a pattern in a text, in order.

    Args:
        pattern: as returned by `compile_pattern`.
        text: any text.
        name: of the argument, for messages.

    Raises:
        ArgumentError: the search took more than 2 seconds of computing.
    """
    import regex

    flags = pattern.flags & (re.I | re.M | re.S | re.X)
    flags |= regex.ASCII if pattern.flags & re.A else 0
    plain = _PLAIN_BRACE.sub(r"\1\\{", pattern.pattern)
    try:
        for match in regex.compile(plain, flags).finditer(text, timeout=SECONDS):
            yield match.span()
    except TimeoutError:
        raise ArgumentError(
            f"{name}: the search for {shorten(pattern.pattern)!r} in a text of {len(text)} "
            f"characters took more than {SECONDS:g} s; write it without repetitions inside "
            "repetitions, such as a+ instead of (a+)+"
        ) from None
