"""Models that answer differently each time: how much of a value is noise.

After a run two masks are evaluated again, the unmasked prompt first. If their values differ, 1 % of
the masks, at least eight, are evaluated again too. This is done only for sources that say that they
may vary: models on servers, and functions from a prompt to a reply.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray
from spex.explanation import Explanation
from spex.run import Run
from spex.values.evaluator import fill
from spex.values.limiting.limits import LimitReached
from spex.values.source import ValueSource, Wrapped
from spex.values.store import Store
from spex.wording import counted, percent

_FIRST, _LEAST_MORE, _SHARE_MORE = 2, 8, 0.01
# Noise below this share of the variance is rounding, or too small to matter.
_LEAST_SHARE = 1e-3


def noise(run: Run, source: ValueSource, store: Store | None) -> "FloatArray | None":
    """Ask again for some masks, and estimate the variance of a value from how they differ.

    Args:
        run: A run over the source that asks for no more.
        source: Source of the values.
        store: Keeps the new values, separately from those of the run.

    Returns:
        (q,) float64, for each output the mean of (first value - second value)^2 / 2; NaN where
        asking again failed. None if nothing was to be asked again, or a limit forbids it.
    """
    if not source.may_vary:
        return None
    masks, first = run.some_told(_FIRST + _more(run.n_told))
    second = np.zeros((0, first.shape[1]))
    try:
        for part in (masks[:_FIRST], masks[_FIRST:]):
            if not np.array_equal(first[: len(second)], second) or not len(second):
                again = _Again(part)
                fill(again, _SecondTime(source), store)
                second = np.concatenate([second, again.values])
    except LimitReached:
        return None
    except Exception:  # the explanation is paid for and must not fail here
        return np.full(first.shape[1], np.nan)
    variance: FloatArray = np.square(first[: len(second)] - second).mean(axis=0) / 2
    return variance


def told(explanation: Explanation, variance: float) -> Explanation:
    """An explanation with a note on the noise, and no forecast above what the noise allows.

    Args:
        explanation: The explanation.
        variance: Variance of a value when its mask is evaluated again, in the squared unit of the
            values; NaN if unknown.

    Returns:
        The same explanation if the noise is too small to matter.
    """
    if math.isnan(variance):
        failed = (
            "Whether the model gives the same values when it is asked again is unknown: asking "
            "again failed."
        )
        return replace(explanation, notes=(*explanation.notes, failed))
    unexplained, r2 = explanation.unexplained, explanation.r2
    total = math.fsum(value * value for key, value in explanation.spectrum.items() if key)
    if unexplained:
        # Cap the noise at the unexplained variance, because the estimate is from few masks.
        variance = min(variance, unexplained)
        total = unexplained / (1 - r2) if r2 < 1 else total + unexplained
    if not variance > _LEAST_SHARE * total:
        return explanation
    unit = f" {explanation.context.score_unit}" if explanation.context.score_unit else ""
    said = (
        "The model gives other values when it is asked again, with a standard deviation of about "
        f"{math.sqrt(variance):.2g}{unit}."
    )
    forecast = explanation.forecast
    if unexplained:
        reach = max(1 - variance / total, 0.0)
        forecast = {size: min(expected, reach) for size, expected in forecast.items()}
        said += (
            f" About {percent(variance / unexplained)} of the unexplained variance is this noise: "
            f"no explanation can reach an R2 above about {reach:.2f}."
        )
    elif unexplained == 0 and total:
        share = percent(min(variance / total, 1.0))
        said += f" About {share} of the variance is this noise, explained as if it were an effect."
    return replace(explanation, notes=(*explanation.notes, said), forecast=forecast)


def said_before(n_masks: int) -> str:
    """A dry run's sentence on these calls, for the most masks that the run may ask for."""
    return (
        f"{counted(_FIRST, 'call')} more to see whether the model gives the same values again; "
        f"{_more(n_masks)} more if it does not"
    )


def _more(n_masks: int) -> int:
    return max(_LEAST_MORE, int(_SHARE_MORE * n_masks))


class _Again:
    """Asks for masks like a `Run`, and keeps the values told."""

    r2: float | None = None

    def __init__(self, masks: BoolArray) -> None:
        self._masks = masks
        self._values: dict[bytes, npt.NDArray[np.float64]] = {}
        self.total = len(masks)

    @property
    def n_told(self) -> int:
        return len(self._values)

    def ask(self) -> BoolArray:
        return self._masks[[mask.tobytes() not in self._values for mask in self._masks]]

    def tell(self, masks: BoolArray, values: npt.ArrayLike) -> None:
        rows = np.asarray(values, dtype=np.float64).reshape(len(masks), -1)
        self._values.update(zip((mask.tobytes() for mask in masks), rows, strict=True))

    @property
    def values(self) -> FloatArray:
        """(k, q) float64, one row for each mask."""
        return np.stack([self._values[mask.tobytes()] for mask in self._masks])


class _SecondTime(Wrapped):
    """A source with values that are stored separately from the first ones."""

    @property
    def identities(self) -> tuple[str, ...] | None:
        known = self._source.identities
        return None if known is None else tuple(f"{one};again" for one in known)
