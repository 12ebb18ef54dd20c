"""Compare two explanations: match their features, subtract their interactions."""

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

from scipy.special import ndtri

from spex.comparison.results import Comparison, Difference
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.interactions.default import default_order
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.wording import distinct


def compare(
    a: Explanation,
    b: Explanation,
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    names: Sequence[str] = ("a", "b"),
) -> Comparison:
    """Compare two explanations: of two prompts, two models or two answers.

    Features are matched by label, in the order in which they come; where all labels differ, by
    position, if there are equally many. Only interactions of matched features are compared.

    Args:
        a: The first.
        b: The second.
        index: See `spex.Explanation.interactions`; default: that of `a`.
        order: The highest order; default: the higher of the default orders of both, so that both
            are read alike.
        names: What the two are called.

    Raises:
        ArgumentError: nothing matches, the scores have different units, or the index or the order
            is wrong.

    Example:
        >>> import spex
        >>> a = spex.explain(lambda m: 1.0 * m[:, 0] * m[:, 1], ["not", "bad", "at"], budget=8)
        >>> b = spex.explain(lambda m: 1.0 * m[:, 0], ["not", "bad", "at"], budget=8)
        >>> [(d.labels, round(float(d.value), 6)) for d in spex.compare(a, b).differences[:2]]
        [(('not',), -1.0), (('not', 'bad'), 1.0)]
    """
    for name, one in zip(("a", "b"), (a, b), strict=True):
        if not isinstance(one, Explanation):
            raise ArgumentError(
                f"{name} is of type {type(one).__name__}; give a spex.Explanation, such as one "
                "output of several: es['yes']"
            )
    if len(names) != 2:
        raise ArgumentError(f"{len(names)} names for two explanations")
    units = [one.context.score_unit or "" for one in (a, b)]
    if units[0] != units[1]:
        raise ArgumentError(
            f"the values of a are in {units[0] or 'no unit'} and those of b in "
            f"{units[1] or 'no unit'}; compare explanations of the same kind of score"
        )
    pairs = _matched(a.features, b.features)
    chosen = a.interactions(index, order).index
    if order is None:
        order = max(default_order(one.spectrum, chosen) for one in (a, b))
        order = min(order, a.n_features, b.n_features)
    values = a.interactions(chosen, order), b.interactions(chosen, order)
    found = _differences(*values, pairs, distinct(a.features))
    return Comparison(a, b, (names[0], names[1]), pairs, chosen, order, found)


def _matched(a: Sequence[str], b: Sequence[str]) -> tuple[tuple[int, int], ...]:
    # autojunk=False, because frequent words count as well.
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    pairs = tuple((i + k, j + k) for i, j, size in blocks for k in range(size))
    if pairs:
        return pairs
    if len(a) == len(b):
        return tuple((i, i) for i in range(len(a)))
    raise ArgumentError(
        f"no feature of a ({len(a):,}) has the label of one of b ({len(b):,}), and they are not "
        "equally many: there is nothing to compare"
    )


def _differences(
    a: InteractionValues,
    b: InteractionValues,
    pairs: Sequence[tuple[int, int]],
    labels: Sequence[str],
) -> tuple[Difference, ...]:
    to_b = dict(pairs)
    to_a = {j: i for i, j in pairs}
    keys = {key for key in a if key and all(i in to_b for i in key)}
    keys |= {
        tuple(sorted(to_a[j] for j in key)) for key in b if key and all(j in to_a for j in key)
    }
    width = float(ndtri(0.95))
    found = []
    for key in sorted(keys, key=lambda key: (len(key), key)):
        other = tuple(sorted(to_b[i] for i in key))
        values = a.get(key, 0.0), b.get(other, 0.0)
        half = width * math.hypot(a.standard_error(key), b.standard_error(other))
        value = values[0] - values[1]
        members = tuple(labels[i] for i in key)
        found.append(Difference(key, members, *values, value - half, value + half))
    return tuple(sorted(found, key=lambda each: -abs(each.value)))
