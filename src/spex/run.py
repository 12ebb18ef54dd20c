"""A run asks for masks, is told their values, and fits them: the core, without input or output.

    run = Run(n, budget=500)
    while len(masks := run.ask()):
        run.tell(masks, f(masks))
    explanation = run.fit()

It knows no model, file, clock or progress bar. `spex.explain` is this loop around a source of
values.

With `target_r2` a run has stages. Each has twice as many masks as the one before, and includes its
masks. After each stage the run fits, and stops if R2 is good enough. Without `target_r2` a run has
one stage.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.masks import check_masks
from spex.f2.packing import pack, unpack
from spex.fitting.fidelity import is_constant, lowest
from spex.fourier.mask_distribution import UNIFORM
from spex.prior import NO_PRIOR, Prior
from spex.running.fits import OutputFit, Problem
from spex.running.samples import FEW_DRAWN
from spex.running.stages import Stages
from spex.settings import Settings, feature_labels

# `ask` returns at most this many booleans at once: 64 MB.
_CELLS_ASKED = 1 << 26


class Run:
    """Asks for masks, is told values, and fits them at any time.

    The masks of all features and of none are always asked for, and first unless all masks are; the
    budget includes them.

    The same settings and the same values give bit-identical explanations, in whatever order and
    portions the values are told.

    Args:
        features: n, or n labels.
        budget: Cap on the number of distinct masks that are asked for. Masks told without being
            asked for count. At 2^n or above, all 2^n are asked for and the fit is exact.
        method: See `spex.explain`.
        max_degree: See `spex.explain`.
        seed: Random seed.
        target_r2: Ask for no more masks once the lower bound of R2 reaches this, for every output.
        weighting: See `spex.explain`.
        prior: What is known of the features.
        outputs: Names of the q outputs where values are (k, q); default "0" to str(q - 1).
        is_noisy: Whether values are estimates: none is taken as exact then, even if all masks have
            one.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import spex
        >>> run = spex.Run(4, budget=16)
        >>> while len(masks := run.ask()):
        ...     run.tell(masks, 1.0 * masks[:, 0] * masks[:, 3])
        >>> run.fit().interactions("Moebius").top(1)
        [((0, 3), 1.0)]
    """

    def __init__(
        self,
        features: int | Sequence[str],
        budget: int = 2000,
        method: str = "auto",
        max_degree: int = 5,
        seed: int = 0,
        *,
        target_r2: float | None = None,
        weighting: str = UNIFORM.name,
        prior: Prior = NO_PRIOR,
        outputs: Sequence[str] | None = None,
        is_noisy: bool = False,
    ) -> None:
        self.features = feature_labels(features)
        n = len(self.features)
        self.settings = Settings(n, budget, method, max_degree, seed, target_r2, weighting)
        self._problem = Problem(self.features, self.settings, prior, outputs, is_noisy)
        self._told = self._problem.told
        self._stages = Stages(self.settings, self._told)
        self._earlier: list[OutputFit] = []  # the fits of the previous stage
        self._latest: tuple[tuple[int, int], list[OutputFit]] | None = None
        self._is_done = False
        self._skipped: IntArray = np.zeros(0, dtype=np.int64)

    # ---- asking ----------------------------------------------------------------------------------

    def ask(self) -> BoolArray:
        """The masks that are wanted next: all those of this stage that have no value yet.

        Asked again before it is told more, it returns the same masks. With `target_r2` it may fit
        what is there, which takes as long as `fit`.

        Returns:
            (k, n) bool, True = present, at most 64 MB of them at once; k = 0 when the run is done.
        """
        while not self._is_done:
            order = self._stages.current.order
            left = max(self.settings.total - self._told.count, 0)
            missing = order[~self._told.is_told(order)]
            missing = missing[~np.isin(missing, self._skipped)][:left]
            if len(missing):
                missing = missing[: max(1, _CELLS_ASKED // len(self.features))]
                return unpack(self._told.words(missing), len(self.features))
            self._end_stage()
        return np.zeros((0, len(self.features)), dtype=np.bool_)

    def tell(self, masks: npt.ArrayLike, values: npt.ArrayLike) -> None:
        """Give the values of masks: in any order, any part, also of masks never asked for.

        Masks that were never asked for are fitted as well, and count towards the budget. R2 is
        measured on masks that the run drew itself, where there are some. A mask told again has the
        mean of its values.

        Args:
            masks: (k, n) of bool or 0/1, True = present.
            values: (k,) real numbers, or (k, q) for q outputs.

        Raises:
            ArgumentError: the masks have another shape or other entries, or the values have
                another number of outputs than before.
            ValueFunctionError: a value is not a finite real number, or exceeds 1e100.
        """
        self._told.tell(masks, values, "tell was given")

    def skip(self, masks: npt.ArrayLike) -> None:
        """Ask for (k, n) masks no more: they cannot have a value. The fit goes on without them.

        Raises:
            ArgumentError: the masks have another shape or other entries.
        """
        checked = check_masks(masks, len(self.features))
        self._skipped = np.union1d(self._skipped, self._told.numbers(pack(checked)))

    @property
    def n_told(self) -> int:
        """Distinct masks that have a value."""
        return self._told.count

    def some_told(self, count: int) -> tuple[BoolArray, FloatArray]:
        """Some masks that have a value, the mask of all features first if it has one.

        Args:
            count: The most masks.

        Returns:
            (k, n) bool and their values (k, q) float64; the same ones for the same masks told.
        """
        told = self._told
        whole = told.ends[:1]
        whole = whole[told.is_told(whole)]
        others = np.setdiff1d(told.all_told(), whole)
        places = np.linspace(0, len(others), count - len(whole) + 2)[1:-1].astype(np.int64)
        numbers = np.concatenate([whole, others[np.unique(places)[: len(others)]]])
        return unpack(told.words(numbers), len(self.features)), told.values(numbers)

    @property
    def can_measure(self) -> bool:
        """Whether enough of the masks that it drew have a value for R2 to be measured on them."""
        if not self._stages.has_begun:
            return False
        stage = self._stages.current
        return int(self._told.is_told(stage.rows[stage.drawn]).sum()) >= FEW_DRAWN

    @property
    def total(self) -> int:
        """The most distinct masks that are asked for; more may be told (`n_told`)."""
        return self.settings.total

    @property
    def r2(self) -> float | None:
        """R2 of the latest fit, the lowest of all outputs; None if none is known."""
        if self._latest is None:
            return None
        r2 = lowest(one.fit.fidelity for one in self._latest[1]).r2
        return None if math.isnan(r2) else r2

    def _end_stage(self) -> None:
        """All masks of the stage are told: fit and decide, where another stage may follow."""
        target, size = self.settings.target_r2, self._stages.next_size()
        self._is_done = True
        if target is None or size is None or self._told.count >= self.settings.total:
            return
        fits = self.fits()
        # An output with only one distinct value so far has nothing to explain, and must not delay
        # the others.
        values = self._told.values(self._told.all_told()).T
        varies = [not is_constant(column, float(column.var())) for column in values]
        lower = [
            one.fit.fidelity.interval[0]
            for one, is_varying in zip(fits, varies, strict=True)
            if is_varying
        ]
        if lower and all(bound >= target for bound in lower):
            return
        self._is_done = False
        self._earlier = fits
        self._stages.begin(size)

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self) -> Any:
        """Fit what was told so far; at any time, from 4 values on.

        Returns:
            An `Explanation`; for values (k, q), `Explanations` by name of the output.

        Raises:
            ArgumentError: there are too few values, or method `spex` lacks coded masks.
            ValueFunctionError: the values are so small that their squares underflow.
        """
        return self._problem.explained(self.fits())

    def forecast(self) -> Any:
        """The R2 to expect of larger budgets, by a fit to half of the masks.

        Takes a fourth to a half of the time of `fit`.

        Returns:
            {evaluations: R2} at two and four times the masks told; empty if unknown.
            For values (k, q), a list of these, one per output.
        """
        found = [self._problem.forecast(one) for one in self.fits()]
        return found[0] if self._told.is_single else found

    def fits(self) -> list[OutputFit]:
        """The fit of each output to what was told; kept until more is told."""
        key = (self._told.count, self._told.n_changes)
        if self._latest is None or self._latest[0] != key:
            self._latest = (key, self._problem.fits(self._stages.current, self._earlier))
        return self._latest[1]
