"""A run over a prompt and a data set: it asks for calls, and fits the means over the items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import MAX_EXACT_FEATURES, whole_number
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.f2.packing import pack
from spex.fitting.fidelity import Fidelity
from spex.fitting.item_means import (
    ItemMeans,
    dealt_items,
    fidelity_without_noise,
    item_means,
)
from spex.fourier.mask_distribution import UNIFORM
from spex.prior import Prior
from spex.run import Run
from spex.settings import LEAST_BUDGET, feature_labels
from spex.values.item_calls import joined_calls, split_calls
from spex.wording import counted, percent

# Tried from 1 to 200: 2 to 8 items gave about the same R2 with 1,000 and 4,000 calls. One item does
# not show the noise, and more leave too few masks (benchmarks/dataset_prompt.py).
_ITEMS_PER_MASK = 4
_NAMED = 3  # items that failed, in a note


@dataclass(frozen=True)
class Allocation:
    """How calls are spread.

    Args:
        n_masks: Distinct masks.
        per_mask: Items of each.
    """

    n_masks: int
    per_mask: int


def allocation(n_features: int, n_items: int, budget: int, per_mask: int | None) -> Allocation:
    """As many masks as the budget pays with a few items each; if that is all masks, more items.

    Raises:
        ArgumentError: the budget is too small.
    """
    k = min(_ITEMS_PER_MASK if per_mask is None else per_mask, n_items)
    n_masks = budget // k
    if n_features <= MAX_EXACT_FEATURES and n_masks >= 1 << n_features:
        n_masks = 1 << n_features
        k = min(n_items, budget // n_masks) if per_mask is None else k
    least = min(LEAST_BUDGET, 1 << min(n_features, MAX_EXACT_FEATURES))
    if n_masks < least:
        raise ArgumentError(
            f"budget={budget} pays for {counted(n_masks, 'mask')} on {counted(k, 'item')} each; "
            f"give at least {least * k}, better {8 * k * n_features:,}"
        )
    return Allocation(n_masks, k)


def check_settings(target_r2: float | None, weighting: str) -> None:
    """Refuse settings that do not go with a data set.

    Raises:
        ArgumentError: one is given.
    """
    if target_r2 is not None:
        raise ArgumentError("target_r2 does not go with a data set; leave it out")
    if weighting != UNIFORM.name:
        raise ArgumentError(f"weighting={weighting!r} does not go with a data set; use uniform")


class DatasetRun:
    """Asks for calls, a mask on an item each, is told their values, and fits the means.

    Like a `Run`, whose rows are calls: `ask` returns masks with the item's number in further
    columns. The same settings and values give bit-identical explanations, in whatever order and
    portions the values are told.

    Args:
        features: n labels.
        n_items: N.
        budget: Cap on the number of calls.
        per_mask: Items for each mask; None for the default.
        method: See `spex.explain`.
        max_degree: See `spex.explain`.
        seed: Random seed, of the masks and of their items.
        target_r2: None; a data set has no such stop.
        weighting: "uniform".
        prior: What is known of the features.

    Raises:
        ArgumentError: an argument is wrong.
    """

    def __init__(
        self,
        features: Sequence[str],
        n_items: int,
        budget: int = 2000,
        per_mask: int | None = None,
        *,
        method: str = "auto",
        max_degree: int = 5,
        seed: int = 0,
        target_r2: float | None = None,
        weighting: str = UNIFORM.name,
        prior: Prior | None = None,
    ) -> None:
        self.features = feature_labels(features)
        check_settings(target_r2, weighting)
        n = len(self.features)
        self._budget = whole_number("budget", budget, 1)
        self.allocation = allocation(n, n_items, budget, per_mask)
        if method == "exact" and (self.allocation != Allocation(1 << n, n_items)):
            raise ArgumentError(
                f"method 'exact' asks all 2^{n} masks on all {n_items} items; the budget is "
                f"{budget} calls: raise it, or use method 'auto'"
            )
        self._n_items = n_items
        self._settings: dict[str, Any] = {
            "method": method, "max_degree": max_degree, "seed": seed,
            "is_noisy": self.allocation.per_mask < n_items,
        }  # fmt: skip
        if prior is not None:
            self._settings["prior"] = prior
        self._masks = self._run().ask()
        shape = (len(self._masks), self.allocation.per_mask)
        # Use a separate random stream: the seed's first one draws masks.
        rng = np.random.default_rng([seed, n_items])
        self._items = dealt_items(*shape, n_items, rng)
        self._values = np.full(shape, np.nan)
        self._is_skipped = np.zeros(shape, dtype=np.bool_)
        self._rows = {mask.tobytes(): row for row, mask in enumerate(self._masks)}
        self._latest: tuple[tuple[int, int], _Fitted] | None = None

    def _run(self) -> Run:
        return Run(self.features, self.allocation.n_masks, **self._settings)

    # ---- asking ----------------------------------------------------------------------------------

    def ask(self) -> BoolArray:
        """The calls that have no value yet: (c, n + b) bool; see `joined_calls`."""
        rows, places = np.nonzero(np.isnan(self._values) & ~self._is_skipped)
        return joined_calls(self._masks[rows], self._items[rows, places], self._n_items)

    def tell(self, calls: npt.ArrayLike, values: npt.ArrayLike) -> None:
        """Give the values (c,) of calls (c, n + b) that were asked for.

        Raises:
            ArgumentError: a call was not asked for.
        """
        self._values[self._places(np.asarray(calls, dtype=np.bool_))] = values

    def skip(self, calls: BoolArray) -> None:
        """Ask for calls (c, n + b) no more, because they cannot have a value."""
        self._is_skipped[self._places(calls)] = True

    def _places(self, calls: BoolArray) -> tuple[IntArray, IntArray]:
        """The row and the column of each call among the values."""
        masks, items = split_calls(calls, len(self.features))
        try:
            rows = np.array([self._rows[mask.tobytes()] for mask in masks], dtype=np.int64)
        except KeyError:
            raise ArgumentError("a value was told of a mask never asked for") from None
        is_item = self._items[rows] == items[:, None]
        if not is_item.any(axis=1).all():
            raise ArgumentError("a value was told of an item never asked for on its mask")
        return rows, is_item.argmax(axis=1)

    @property
    def n_told(self) -> int:
        """Calls that have a value."""
        return int((~np.isnan(self._values)).sum())

    @property
    def total(self) -> int:
        """The most calls that are asked for."""
        return int(self._values.size)

    @property
    def r2(self) -> float | None:
        """R2 of the latest fit; None before the first."""
        return None if self._latest is None else self._latest[1].fidelity.r2

    # ---- fitting ---------------------------------------------------------------------------------

    def fits(self) -> "list[_Fitted]":
        """The fit to what was told; kept until more is told."""
        told = (self.n_told, int(self._is_skipped.sum()))
        if self._latest is None or self._latest[0] != told:
            self._latest = (told, self._fresh_fit())
        return [self._latest[1]]

    def _fresh_fit(self) -> "_Fitted":
        rows, places = np.nonzero(~np.isnan(self._values))
        used, numbers = np.unique(rows, return_inverse=True)
        scored = np.setdiff1d(np.arange(self._n_items), self._failed)
        means = item_means(
            numbers,
            np.searchsorted(scored, self._items[rows, places]),
            self._values[rows, places],
            len(used),
            len(scored),
        )
        run = self._run()
        run.ask()
        run.tell(self._masks[used], means.values)
        explanation: Explanation = run.fit()
        (one,) = run.fits()
        if one.samples is None or not means.variances.any():
            known = Fidelity(explanation.r2, explanation.r2_interval)
            return _Fitted(explanation, means, known, explanation.unexplained)
        # The samples are in the run's own order.
        numbers_of = {word.tobytes(): row for row, word in enumerate(pack(self._masks[used]))}
        order = [numbers_of[word.tobytes()] for word in one.samples.words]
        drawn = one.samples.drawn & ~np.isnan(one.fit.predictions)
        shares = [one.fitted[name].share_left_out for name in one.fit.weights]
        fidelity, unexplained = fidelity_without_noise(
            means.values[order][drawn],
            means.variances[order][drawn],
            one.fit.predictions[drawn],
            float(np.dot(list(one.fit.weights.values()), shares)),
            len(used),
        )
        errors = explanation.standard_errors
        if errors is not None:
            # The subtracted noise is uncertain, so the rest may be less than the coefficients' own
            # errors.
            unexplained = max(unexplained, float((errors[one.fit.spectrum.orders > 0] ** 2).sum()))
        return _Fitted(explanation, means, fidelity, unexplained)

    def fit(self) -> Explanation:
        """Fit what was told so far.

        Returns:
            An `Explanation` with the R2 of the mean over all items.

        Raises:
            ArgumentError: there are too few values.
        """
        (found,) = self.fits()
        explanation = found.explanation
        return replace(
            explanation,
            r2=found.fidelity.r2,
            r2_interval=found.fidelity.interval,
            unexplained=found.unexplained,
            budget=self._budget,
            # Means over a few items are not the values with everything and nothing.
            observed=explanation.observed if self._is_whole else (None, None),
            forecast={},
            notes=(self._note(found), *explanation.notes),
        )

    @property
    def _failed(self) -> IntArray:
        """Items that failed with every mask; they are left out of the means."""
        has_value = ~np.isnan(self._values)
        return np.setdiff1d(self._items[self._is_skipped], self._items[has_value])

    @property
    def _is_whole(self) -> bool:
        """Whether every mask that has a value has one on each item that did not fail."""
        counts = (~np.isnan(self._values)).sum(axis=1)
        return bool(np.isin(counts, (0, self._n_items - len(self._failed))).all())

    def _note(self, found: "_Fitted") -> str:
        means, failed = found.means, self._failed
        n_masks = len(means.values)
        # Scores, not calls: equal prompts share one.
        note = f"{counted(self.n_told, 'score')}: {counted(n_masks, 'mask')}, each on "
        items = f"{self._n_items - len(failed):,} items"
        note += f"all {items}." if self._is_whole else f"{self.n_told / n_masks:.3g} of {items}."
        if len(failed):
            numbers = ", ".join(f"items[{item}]" for item in failed[:_NAMED])
            more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
            note += f" The means are without {numbers}{more}, which failed with every mask."
        noise = float(means.variances.mean())
        if noise == 0:
            return note
        share = noise / max(noise, float(means.values.var(ddof=1)))
        return (
            f"{note} About {percent(share)} of the variance of their means is noise of the items; "
            "of these noisy means the surrogate explains "
            f"{percent(max(found.explanation.r2, 0.0))}. R2 is about the mean over all items, "
            "without that noise."
        )

    def forecast(self) -> Mapping[int, float]:
        """Empty: it is not known how R2 grows with calls."""
        return {}

    def some_told(self, count: int) -> tuple[BoolArray, FloatArray]:
        """Some calls that have a value, at most `count`, and their values (c, 1)."""
        rows, places = (part[:count] for part in np.nonzero(~np.isnan(self._values)))
        calls = joined_calls(self._masks[rows], self._items[rows, places], self._n_items)
        return calls, self._values[rows, places][:, None]


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A fit to noisy means, and what is known without the noise.

    Args:
        explanation: The fit to the noisy means, as if they were exact.
        means: The means and their variances.
        fidelity: Fidelity of the surrogate for the means over all items.
        unexplained: Mean squared error, without the noise.
    """

    explanation: Explanation
    means: ItemMeans
    fidelity: Fidelity
    unexplained: float | None
