"""The settings of a run, checked: what `spex.Run`, `spex.explain` and the command line share."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from spex.checks.arguments import (
    MAX_EXACT_FEATURES,
    MAX_FEATURES,
    is_exhaustive,
    real_number,
    whole_number,
)
from spex.errors import ArgumentError
from spex.f2.packing import n_words
from spex.fitting.methods import METHODS, Method
from spex.fourier.mask_design import DrawnShare, least_budget
from spex.fourier.mask_distribution import UNIFORM, WEIGHTINGS, MaskDistribution
from spex.wording import did_you_mean

# Memory that the masks of a run may take, and what each takes at most (measured): in all, and for
# each packed word.
_MOST_BYTES = 1 << 32
_BYTES, _BYTES_PER_WORD = 250, 56
LEAST_BUDGET = 4  # R2 needs a few masks to be measured on


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Args:
        n_features: n, 1 to 16,384.
        budget: Cap on the number of distinct masks evaluated.
        method: Name of a method; see `spex.explain`.
        max_degree: Highest order of interaction that is searched for.
        seed: Random seed.
        target_r2: Stop once the lower bound of R2 reaches this; None for no such stop.
        weighting: Name of the distribution of masks; see `spex.explain`.

    Raises:
        ArgumentError: a setting is wrong, or the budget is too small for the method.

    Example:
        >>> import spex
        >>> spex.Settings(6, budget=1000).total  # all masks of 6 features
        64
    """

    n_features: int
    budget: int = 2000
    method: str = "auto"
    max_degree: int = 5
    seed: int = 0
    target_r2: float | None = None
    weighting: str = UNIFORM.name

    def __post_init__(self) -> None:
        self._check_budget()
        n, budget = self.n_features, self.budget
        whole_number("max_degree", self.max_degree, 1)
        whole_number("seed", self.seed, 0)
        if self.method not in METHODS:
            close, valid = did_you_mean(self.method, METHODS), ", ".join(METHODS)
            raise ArgumentError(f"method={self.method!r} is unknown{close}; choose one of {valid}")
        if self.weighting not in WEIGHTINGS:
            close, valid = did_you_mean(self.weighting, WEIGHTINGS), ", ".join(WEIGHTINGS)
            raise ArgumentError(
                f"weighting={self.weighting!r} is unknown{close}; choose one of {valid}"
            )
        if self.target_r2 is not None:
            target = real_number(
                "target_r2",
                self.target_r2,
                "it must be a number above 0 and at most 1, such as 0.9",
                lambda share: 0 < share <= 1,
            )
            object.__setattr__(self, "target_r2", target)
        if self.method == "exact" and not self.is_exhaustive:
            limit = f"2^{n} = {1 << n}" if n <= 64 else f"2^{n}"
            raise ArgumentError(
                f"method 'exact' evaluates all {limit} masks, and the budget is {budget}; raise "
                f"the budget (up to n = {MAX_EXACT_FEATURES}), choose coarser features or another "
                "method"
            )
        if self.total < min(LEAST_BUDGET, 1 << n):
            raise ArgumentError(
                f"budget={budget} is too small to fit anything and measure it; give at least "
                f"{LEAST_BUDGET}, better a few times the number of features ({n})"
            )
        share = self.of_method.drawn
        needs_design = self.of_method.needs_coded and not self.is_exhaustive
        if share and needs_design and budget < (least := least_budget(share, n)):
            raise ArgumentError(
                f"budget={budget} buys no coded masks for {n} features; give at least {least}, or "
                "use method 'auto', which takes any budget"
            )

    def _check_budget(self) -> None:
        """Refuse more features than there may be, and masks that take too much room."""
        n, budget = self.n_features, whole_number("budget", self.budget, 1)
        if not 1 <= n <= MAX_FEATURES:
            raise ArgumentError(
                f"{n} features; the number must be 1 to {MAX_FEATURES}: choose coarser units"
            )
        each = _BYTES + _BYTES_PER_WORD * n_words(n)
        if not self.is_exhaustive and budget * each > _MOST_BYTES:
            raise ArgumentError(
                f"budget={budget}: this many masks of {n} features take "
                f"{budget * each / 2**30:,.0f} GB; the limit is {_MOST_BYTES >> 30} GB: "
                f"lower the budget to {_MOST_BYTES // each:,} or less"
            )

    @property
    def is_exhaustive(self) -> bool:
        """Whether the budget pays for all 2^n masks."""
        return is_exhaustive(self.n_features, self.budget)

    @property
    def total(self) -> int:
        """The most distinct masks that are evaluated."""
        return 1 << self.n_features if self.is_exhaustive else self.budget

    @property
    def distribution(self) -> MaskDistribution:
        """What masks are drawn from; of all masks, each is drawn alike."""
        return UNIFORM if self.is_exhaustive else WEIGHTINGS[self.weighting]

    @property
    def drawn_share(self) -> DrawnShare | None:
        """How much of the budget is for drawn masks; None if all masks are drawn."""
        method = self.of_method
        return method.drawn if method.needs_coded or self.distribution.joins_coded else None

    @property
    def of_method(self) -> Method:
        """The method."""
        return METHODS[self.method]


def feature_labels(features: int | Sequence[str]) -> tuple[str, ...]:
    """The labels of features given by their number or by labels.

    Args:
        features: n, for the labels "0" to str(n - 1); or n labels.

    Raises:
        ArgumentError: it is neither, or there are none or more than 16,384.
    """
    if isinstance(features, str):
        raise ArgumentError(
            f"features={features!r} is one string; give a list of labels, or explain a text with "
            "spex.ValueFunction(spex.Text(...), model, score)"
        )
    if isinstance(features, AbstractSet):
        raise ArgumentError("features is a set, which has no order; give a list of labels")
    if hasattr(features, "features"):  # a masker, a value function
        raise ArgumentError(
            f"features is a {type(features).__name__}; give the number of features, or their "
            "labels, such as its `features`"
        )
    if isinstance(features, np.ndarray) and features.ndim != 1:
        raise ArgumentError(
            f"features is an array of shape {features.shape}; give the number of features, or "
            "their labels, an array of shape (n,)"
        )
    if isinstance(features, Iterable):  # also a pandas Index
        labels = tuple(str(label) for label in features)
    else:
        labels = tuple(str(number) for number in range(whole_number("features", features, 1)))
    if not 1 <= len(labels) <= MAX_FEATURES:
        raise ArgumentError(
            f"{len(labels)} features; the number must be 1 to {MAX_FEATURES}: choose coarser units"
        )
    return labels
