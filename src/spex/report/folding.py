"""Which stretches of a long text are folded: only their first words are shown."""

from collections.abc import Sequence

from spex.inputs.parts import ImagePart, TextPart
from spex.wording import counted, short

# In a text longer than the first number, stretches longer than the second are folded.
_LONG_TEXT, _LONG_STRETCH, _HEAD = 20_000, 500, 120


def folds(parts: Sequence[TextPart | ImagePart]) -> bool:
    """Whether the long stretches of an input are folded, in characters of all its texts."""
    texts = [text for part in parts if isinstance(part, TextPart) for text, _ in part.pieces]
    return sum(map(len, texts)) > _LONG_TEXT


def head_and_size(text: str) -> tuple[str, str]:
    """The first words of a long stretch, and how long it is; both empty for a short one.

    The size is in characters: not every script has words between spaces.
    """
    if len(text) <= _LONG_STRETCH:
        return "", ""
    return short(text, _HEAD), counted(len(text), "character")
