"""Means over the items of a data set from a few items for each mask, and how noisy they are.

Each mask is asked on items of its own, so that what is particular to an item does not add up over
masks. What an item scores on average is estimated and subtracted: the two-way model f(mask, item) =
g(mask) + h(item) + rest, by least squares. Since the mean of h over all items is known, this is a
control variate: it changes the noise of g(mask), not its mean.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from scipy.special import stdtrit

from spex._typing import FloatArray, IntArray
from spex.fitting.fidelity import CONFIDENCE, FALL, SHARED_MASKS, Fidelity

# If items share too few masks, least squares leaves their differences to chance. A ridge of one
# observation per item shrinks these differences (benchmarks/dataset_prompt.py).
_RIDGE = 1.0
_ROUNDED_TO_1 = 0.995


def dealt_items(n_masks: int, per_mask: int, n_items: int, rng: np.random.Generator) -> IntArray:
    """Items for masks, dealt like cards: each as often as any other, up to one, none twice a mask.

    Each mask's items are a uniformly random subset.

    Args:
        n_masks: m.
        per_mask: k, at most n_items.
        n_items: N.
        rng: Source of randomness.

    Returns:
        (m, k) int64.
    """
    found = np.empty((n_masks, per_mask), dtype=np.int64)
    deck = rng.permutation(n_items)
    for row in range(n_masks):
        hand, deck = deck[:per_mask], deck[per_mask:]
        if len(hand) < per_mask:  # a new deck, the items in hand at its end
            new = rng.permutation(n_items)
            is_held = np.isin(new, hand)
            new = np.concatenate([new[~is_held], new[is_held]])
            missing = per_mask - len(hand)
            hand, deck = np.concatenate([hand, new[:missing]]), new[missing:]
        found[row] = hand
    return found


@dataclass(frozen=True, eq=False)
class ItemMeans:
    """Estimates of means over all items.

    Args:
        values: (m,) float64, for each mask.
        variances: (m,) float64, the variance of each value around its true mean, unbiased but
            noisy for one mask.
    """

    values: FloatArray
    variances: FloatArray


def item_means(
    rows: IntArray, items: IntArray, values: FloatArray, n_masks: int, n_items: int
) -> ItemMeans:
    """The mean over all items for each mask, from some items for each.

    Args:
        rows: (c,) int64, the mask of each value, 0 to m - 1; every mask has one at least.
        items: (c,) int64, its item, 0 to N - 1; no item twice for a mask.
        values: (c,) float64.
        n_masks: m.
        n_items: N.
    """
    counts = np.bincount(rows, minlength=n_masks)
    if (counts == n_items).all():
        whole = np.zeros((n_masks, n_items))
        whole[rows, items] = values
        return ItemMeans(whole.mean(axis=1), np.zeros(n_masks))
    effects = _item_effects(rows, items, values, counts, n_items)
    rest = values - effects[items]
    means = np.bincount(rows, rest, n_masks) / counts
    squares = np.bincount(rows, (rest - means[rows]) ** 2, n_masks)
    # Add back the variance that fitting the item effects took away, spread evenly.
    seen = np.bincount(items, minlength=n_items)
    used = float((seen / (seen + _RIDGE)).sum())
    free = len(values) - n_masks
    scale = free / max(free - used, 0.1 * free) if free else np.nan
    pooled = scale * float(squares.sum()) / free if free else np.nan
    of_mask = np.full(n_masks, pooled)
    several = counts > 1
    of_mask[several] = scale * squares[several] / (counts[several] - 1)
    # Add the errors of the item effects, each estimated from a limited number of masks.
    errors = 1 + used / len(values)
    variances = of_mask / counts * (1 - counts / n_items) * errors
    return ItemMeans(means + effects.mean(), variances)


def _item_effects(
    rows: IntArray, items: IntArray, values: FloatArray, counts: IntArray, n_items: int
) -> FloatArray:
    """(N,) what each item scores more than others of the same masks; 0 of one never asked."""
    observed = np.arange(len(values))
    ones = np.ones(len(values))
    of_items = scipy.sparse.csr_matrix((ones, (observed, items)), (len(values), n_items))
    of_masks = scipy.sparse.csr_matrix((ones, (observed, rows)), (len(values), len(counts)))
    within = of_items - of_masks @ scipy.sparse.diags(1 / counts) @ (of_masks.T @ of_items)
    centred = values - (np.bincount(rows, values) / counts)[rows]
    damp = float(np.sqrt(_RIDGE))
    effects: FloatArray = scipy.sparse.linalg.lsmr(within, centred, damp=damp)[0]
    return effects


def fidelity_without_noise(
    values: FloatArray,
    variances: FloatArray,
    predictions: FloatArray,
    share_left_out: float,
    n_masks: int,
) -> tuple[Fidelity, float]:
    """R2 of a fit for what noisy values are the means of, and the mean squared error.

    The noise is subtracted from the squared error and from the variance alike. The interval is the
    delta method's for their ratio. If R2 would come out as 1, the middle of its interval is
    returned: an estimated error of 0 or less does not prove that there is none.

    Args:
        values: (m,) float64, noisy, m >= 2.
        variances: (m,) float64 of the noise, unbiased.
        predictions: (m,) float64, each of a fit that has not seen this value.
        share_left_out: See `spex.fitting.fidelity.fidelity`.
        n_masks: See `spex.fitting.fidelity.fidelity`.

    Returns:
        The fidelity, NaN if the values cannot be told from noise. And the mean squared error
        without the noise, at least 0.
    """
    m = len(values)
    error = (values - predictions) ** 2 - variances
    deviation = (values - values.mean()) ** 2 * (m / (m - 1)) - variances
    spread = float(deviation.mean())
    error_of_spread = float(deviation.std(ddof=1)) / np.sqrt(m)
    unexplained = max(float(error.mean()), 0.0)
    if spread <= error_of_spread:
        return Fidelity(np.nan, (np.nan, np.nan)), unexplained
    ratio = float(error.mean()) / spread
    scale = (1 - share_left_out) ** (FALL * float(np.clip(1 - ratio, 0, 1)))
    influence = (error - ratio * deviation) / spread
    widening = 1 + SHARED_MASKS / np.sqrt(n_masks)
    standard_error = widening * float(influence.std(ddof=1)) / np.sqrt(m)
    width = float(stdtrit(m - 1, 0.5 + CONFIDENCE / 2)) * standard_error
    low, r2, high = (min(1 - scale * x, 1.0) for x in (ratio + width, ratio, ratio - width))
    if r2 > _ROUNDED_TO_1:
        r2 = (low + high) / 2
    return Fidelity(r2, (low, high)), scale * unexplained
