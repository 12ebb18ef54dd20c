"""Explain evaluations that exist already."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray
from spex.checks.masks import check_masks
from spex.checks.values import checked_values
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.f2.packing import pack
from spex.fourier.mask_distribution import UNIFORM
from spex.prior import NO_PRIOR, Prior
from spex.running.fits import Problem
from spex.running.stages import no_stage
from spex.running.told import Told
from spex.settings import LEAST_BUDGET, Settings, feature_labels
from spex.wording import counted


def fit(
    masks: npt.ArrayLike,
    values: npt.ArrayLike,
    features: int | Sequence[str] | None = None,
    method: str = "auto",
    max_degree: int = 5,
    seed: int = 0,
    *,
    weighting: str = UNIFORM.name,
    weights: npt.ArrayLike | None = None,
    prior: Prior = NO_PRIOR,
    outputs: Sequence[str] | None = None,
) -> Any:
    """Explain evaluations that you already have: a log, or another tool's samples.

    R2 is cross-validated on these masks; `r2_distribution` of the result says which masks it is
    about. It is the weighting if you give `weights`, or if the masks look like a sample of it:
    for "uniform" by their first and second moments, for "shapley" by their sizes and first moments.
    Otherwise it is "given", masks like these, and a note says so.

    Args:
        masks: (m, n) of bool or 0/1, True = present. Equal masks count once, with the mean value.
        values: (m,) real numbers, or (m, q) for q outputs.
        features: n labels; default: the columns of a DataFrame of masks, else "0" to str(n - 1).
        method: See `spex.explain`; not `spex`, which needs coded masks of its own (a `spex.Run`
            asks for them).
        max_degree: See `spex.explain`.
        seed: Random seed.
        weighting: The distribution of masks that R2 is to be about; with `shapley` the indices of
            its family are corrected (see `spex.explain`).
        weights: (m,) the density of that distribution over the density that the masks were drawn
            with, up to a factor: what each mask counts in R2. `shapley` is
            1 / ((n - 1) comb(n, s)) for the masks of size s, and has none of size 0 and n.
        prior: What is known of the features.
        outputs: Names of the q outputs; default: the columns of a DataFrame of values.

    Returns:
        An `Explanation`; for values (m, q), `Explanations` by name of the output.

    Raises:
        ArgumentError: an argument is wrong, or there are fewer than 4 distinct masks, or masks and
            values are of pandas and name the same rows in another order.
        ValueFunctionError: a value is not a finite real number, or exceeds 1e100.

    Example:
        >>> import itertools
        >>> import spex
        >>> masks = list(itertools.product([False, True], repeat=3))
        >>> e = spex.fit(masks, [2.0 * a - 1.0 * b * c for a, b, c in masks])
        >>> {units: round(value, 6) for units, value in e.interactions("Moebius").top(2)}
        {(0,): 2.0, (1, 2): -1.0}
    """
    if features is None and hasattr(masks, "columns"):
        features = masks.columns
    if outputs is None and hasattr(values, "columns"):
        outputs = tuple(map(str, values.columns))
    _check_rows(masks, values)
    array = np.asarray(masks)
    if array.ndim != 2 or not array.shape[1]:
        raise ArgumentError(f"masks of shape {array.shape}; give (number of masks, n)")
    labels = feature_labels(array.shape[1] if features is None else features)
    checked = check_masks(array, len(labels))
    if method == "spex":
        raise ArgumentError(
            "method 'spex' decodes coded masks, which spex.Run asks for; for existing masks "
            "use 'auto', 'gp', 'proxyspex' or 'linear'"
        )
    checked_values(values, checked, "fit was given")
    distinct = len(np.unique(pack(checked), axis=0)) if len(checked) else 0
    least = min(LEAST_BUDGET, 1 << len(labels))
    if distinct < least:
        raise ArgumentError(
            f"{counted(distinct, 'distinct mask')} given; a fit needs at least {least}"
        )
    if method == "exact" and distinct < 1 << len(labels):
        raise ArgumentError(
            f"method 'exact' needs the values of all 2^{len(labels)} masks, but only "
            f"{distinct} are given; use another method, such as 'auto'"
        )
    settings = Settings(len(labels), distinct, method, max_degree, seed, weighting=weighting)
    problem = Problem(labels, settings, prior, outputs)
    problem.told.tell(checked, values, "fit was given")
    counting = None if weights is None else _by_number(problem.told, checked, weights)
    found = problem.explained(problem.fits(no_stage(), weights=counting))
    notes = _notes_on(checked, labels)
    if distinct < len(checked):
        notes.append(
            f"{len(checked) - distinct:,} of {len(checked):,} rows repeat the mask of another: "
            "such rows count once, with the mean of their values."
        )

    def noted(one: Explanation) -> Explanation:
        return replace(one, notes=(*one.notes, *notes))

    return (
        noted(found) if isinstance(found, Explanation) else found.changed(lambda _, one: noted(one))
    )


def _check_rows(masks: Any, values: Any) -> None:
    """Refuse rows of pandas that have the same names in another order: rows go by position."""
    ours: Any = getattr(masks, "index", None)
    theirs: Any = getattr(values, "index", None)
    if not hasattr(ours, "equals") or not hasattr(theirs, "equals") or ours.equals(theirs):
        return
    if len(ours) == len(theirs) and set(ours) == set(theirs):
        raise ArgumentError(
            "the rows of masks and values have the same names in another order; give "
            "values.loc[masks.index], or values.to_numpy() if rows match by position"
        )


def _by_number(told: Told, masks: BoolArray, weights: npt.ArrayLike) -> FloatArray:
    """(m,) weights of masks, by the number of the mask; of one given again, the mean."""
    try:
        given = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.zeros(0)
    usable = given.shape == (len(masks),) and np.isfinite(given).all() and (given >= 0).all()
    if not usable or (given > 0).sum() < 2:
        raise ArgumentError(
            f"weights: give {len(masks)} finite numbers, one for each mask, none of them "
            "negative and at least two above 0"
        )
    numbers = told.numbers(pack(masks))
    return np.bincount(numbers, given / given.max()) / np.bincount(numbers)


def _notes_on(masks: BoolArray, labels: Sequence[str]) -> list[str]:
    """What (m, n) masks cannot tell: of features that do not vary, and of those that vary alike."""
    present = masks.mean(axis=0)
    notes = []
    for share, where in ((1.0, "present"), (0.0, "absent")):
        if named := [label for label, p in zip(labels, present, strict=True) if p == share]:
            notes.append(f"{where.capitalize()} in every row, so that nothing is known of it: ")
            notes[-1] += ", ".join(named[:5]) + (" and others." if len(named) > 5 else ".")
    groups: dict[bytes, list[str]] = {}
    for label, column in zip(labels, masks.T, strict=True):
        if 0 < column.sum() < len(column):
            groups.setdefault(column.tobytes(), []).append(label)
    notes += [
        f"Never left out separately, so that their effects cannot be told apart: "
        f"{', '.join(group[:5])}{' and others' if len(group) > 5 else ''}."
        for group in groups.values()
        if len(group) > 1
    ][:5]
    return notes
