"""What the page's script draws from, as JSON content: labels, interactions, and the spectrum.

Keys of the whole: `labels` (n texts), `unit`, `degree` (of the
spectrum), `views`, `whatIf` and `whyNot` (what is said where that is None).
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spex.errors import ArgumentError
from spex.interactions.default import LISTABLE
from spex.interactions.index import FIRST_ORDER, InteractionIndex
from spex.interactions.values import InteractionValues
from spex.report import facts
from spex.wording import short, subscripted

if TYPE_CHECKING:
    from spex.explanation import Explanation

# Rows of the first table, and of each other index and order. More would make the page heavy, so it
# only says how many there are.
MAX_ROWS, MAX_OTHER_ROWS = 1000, 100
# The page can switch up to this order, the most that a reader can take in.
_HIGHEST_ORDER = 4
# For a larger spectrum other indices take seconds, and the page would be heavy.
MAX_COEFFICIENTS = 12_000
# Limit for all rows of a view together, and for all coefficients together.
_MOST_MEMBERS = 60_000
# Drawing noise for this many values takes a second.
_MOST_FOR_STABILITY = 5000
# Stability says how likely a value is to be among this many largest.
_STABLE = 10
_LABEL = 60

_I = InteractionIndex
_BY_ORDER = (_I.FBII, _I.FSII, _I.STII, _I.K_SII)
_OTHERS = (_I.SV, _I.BV, _I.SII, _I.BII, _I.MOEBIUS, _I.FOURIER)


def labels(explanation: "Explanation", limit: int = _LABEL) -> tuple[str, ...]:
    """The labels on one line each, those that repeat with a number under the line."""
    return subscripted([short(label, limit) for label in explanation.features])


def content(explanation: "Explanation", values: InteractionValues) -> dict[str, Any]:
    """All of it.

    Args:
        explanation: The explanation.
        values: The interactions that are shown first.
    """
    return {
        "labels": labels(explanation),
        "unit": facts.unit_of_score(explanation),
        "degree": explanation.spectrum.degree,
        "views": list(_views(explanation, values)),
        "whatIf": what_if(explanation),
        "whyNot": "What-if is left out: the spectrum is too large for a page. In Python: "
        "e.predict(masks).",
    }


def _views(explanation: "Explanation", values: InteractionValues) -> Iterator[dict[str, Any]]:
    yield view(explanation, values, MAX_ROWS)
    # Above the orders that an expansion lists, even finding that out takes long.
    if len(explanation.spectrum) > MAX_COEFFICIENTS or explanation.spectrum.degree > LISTABLE:
        return
    highest = max(1, min(explanation.spectrum.degree, _HIGHEST_ORDER))
    choices: list[tuple[InteractionIndex, int | None]] = [
        (index, order) for index in _BY_ORDER for order in range(1, highest + 1)
    ]
    choices += [(index, None) for index in _OTHERS]
    for index, order in choices:
        try:
            other = explanation.interactions(index, order)
        except ArgumentError:  # too many to list, so do not offer this choice
            continue
        if (other.index, other.order) != (values.index, values.order):
            yield view(explanation, other, MAX_OTHER_ROWS)


def view(explanation: "Explanation", values: InteractionValues, n_rows: int) -> dict[str, Any]:
    """The largest values of one index and order.

    Returns:
        `rows` are lists of members, value, low, high, stability and whether the value is not told
        from 0; of what is unknown None. `effects` are the n values of single units, and `listed`
        says how many values there are.
    """
    top = values.top(n_rows)
    stable = {}
    in_doubt = any(facts.margin(values, interaction) for interaction, _ in top[:_STABLE])
    if n_rows == MAX_ROWS and in_doubt and _STABLE < len(values) <= _MOST_FOR_STABILITY:
        stable = values.stability(_STABLE)
    rows: list[list[Any]] = []
    n_members = 0
    for interaction, value in top:
        n_members += len(interaction)
        if n_members > _MOST_MEMBERS:
            break
        low, high = values.interval(interaction)
        is_exact = facts.margin(values, interaction) is None and not math.isnan(low)
        bounds = (value, value) if is_exact else (_rounded(low), _rounded(high))
        share = stable.get(interaction, math.nan)
        doubt = facts.is_uncertain(values, interaction)
        known_share = None if math.isnan(share) else share
        rows.append([list(interaction), value, *bounds, known_share, doubt])
    return {
        "index": str(values.index),
        "order": values.order,
        "heading": facts.heading(values),
        "hint": hint(explanation, values),
        "hasDirection": facts.has_direction(values.index),
        "isFirstOrder": values.index in FIRST_ORDER,
        "rows": rows,
        "effects": [_rounded(values.get((i,), 0.0)) for i in range(explanation.n_features)],
        "listed": sum(1 for interaction in values if interaction),
        "rest": facts.remainder(values, len(rows)),
        "empty": facts.nothing_listed(explanation),
    }


def _rounded(bound: float) -> float | None:
    return None if math.isnan(bound) else float(f"{bound:.6g}") or 0


def hint(explanation: "Explanation", values: InteractionValues) -> str:
    """What the numbers say, in a few sentences."""
    index = values.index
    told = [f"{index}: {facts.MEANINGS[index]}."]
    if basis := facts.basis(explanation, index):
        told.append(basis)
    return " ".join(told)


def what_if(explanation: "Explanation") -> dict[str, Any] | None:
    """The spectrum, how far off it is, and the smallest sets; None if it is too large.

    `deviation` is the root of the mean squared error over the masks that R2 is about; None where
    it is unknown.
    """
    spectrum = explanation.spectrum
    if len(spectrum) > MAX_COEFFICIENTS or int(spectrum.orders.sum()) > _MOST_MEMBERS:
        return None
    unexplained = explanation.unexplained
    n = explanation.n_features
    ends = np.array([[True] * n, [False] * n])
    sets = explanation.sets
    return {
        "members": [list(members) for members in spectrum.interactions],
        "coefficients": spectrum.coefficients.tolist(),
        "deviation": None if unexplained is None else math.sqrt(unexplained),
        "observed": list(explanation.observed),
        "predicted": explanation.predict(ends).tolist(),
        "sets": [
            {
                "name": name,
                "members": list(one.features),
                "value": one.value,
                "wanted": facts.one_line(one.wanted),
            }
            for name, one in (("change", sets.change), ("sufficient", sets.sufficient))
            if one is not None and one.is_verified
        ],
    }
