"""Masking operators of texts: what stands for an absent feature."""

from dataclasses import dataclass

from spex.errors import ArgumentError
from spex.wording import did_you_mean

_DEFAULTS = {"mask": "[MASK]", "neutral": "something"}
_VALID = "'delete', 'mask', 'mask:TOKEN', 'neutral' or 'neutral:TEXT'"


@dataclass(frozen=True)
class Operator:
    """A masking operator.

    Attributes:
        name: its canonical form, such as "delete" or "mask:[MASK]".
        replacement: the text for an absent feature; None to delete it.
    """

    name: str
    replacement: str | None


def parse_operator(operator: object) -> Operator:
    """Parse "delete", "mask", "mask:TOKEN", "neutral" or "neutral:TEXT".

    Raises:
        ArgumentError: the operator is none of these.
    """
    if operator == "delete":
        return Operator("delete", None)
    if isinstance(operator, str):
        kind, colon, replacement = operator.partition(":")
        if kind in _DEFAULTS:
            if not colon:
                replacement = _DEFAULTS[kind]
            if replacement:
                return Operator(f"{kind}:{replacement}", replacement)
            raise ArgumentError(f"operator={operator!r} names no text; to remove, use 'delete'")
    close = did_you_mean(operator, ("delete", *_DEFAULTS))
    raise ArgumentError(f"operator={operator!r} is unknown{close}; use {_VALID}")
