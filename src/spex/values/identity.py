"""Identity by content, and names that differ."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Part of every identity. Raise it when equal descriptions come to mean other values.
_FORMAT = 2


def output_identities(
    common: Mapping[str, Any], name: str, outputs: Iterable[Any]
) -> tuple[str, ...]:
    """The identity of each output: a hash of what all share and of its own named description."""
    contents = ({"format": _FORMAT, **common, name: output} for output in outputs)
    return tuple(map(content_identity, contents))


def content_identity(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """The SHA-256 of JSON content in canonical form: "sha256:" and 64 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names made different by a number: "the", "cat", "the" to "the (1)", "cat", "the (2)"."""
    repeated = {name for name, count in Counter(names).items() if count > 1}
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if name in repeated else name)
    return tuple(found)
