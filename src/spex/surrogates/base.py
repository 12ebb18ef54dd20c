"""The input and the contract of a surrogate."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.fourier.design import Design
from spex.fourier.peeling import DecodeResult, decode
from spex.fourier.spectrum import Spectrum
from spex.prior import NO_PRIOR, Prior

# Most doubtful frequencies that decoding passes on, for the refit to decide.
_DOUBTFUL = 500

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class CodedValues:
    """The values of a design's masks.

    Args:
        design: The masking design.
        values: (n_masks,) float64 at `design.masks`.
        max_degree: Highest order that decoding accepts.
    """

    design: Design
    values: FloatArray
    max_degree: int

    @cached_property
    def decoded(self) -> DecodeResult:
        """The result of message passing, computed once."""
        return decode(self.design, self.values, self.max_degree, _DOUBTFUL)


@dataclass(frozen=True, eq=False)
class Samples:
    """Evaluated masks, each once.

    Args:
        words: (m, n_words) uint64, the masks, packed.
        n_features: n, the number of features.
        values: (m,) float64.
        drawn: (m,) bool, which masks were drawn at random from the distribution of masks that R2
            is about. Only these measure R2 and may be left out in cross-fitting.
        coded: A coded design and its values, if there is one.
        designed: (m,) bool, which masks are those of the design; all of them are there.
        prior: What is known of the features.
        weights: (m,) how much each drawn mask counts in R2 and in choices; None for all alike.
        groups: (m,) numbers of masks that are left out together; None for each alone.
        earlier: Fits to a prefix of these samples with the same folds, by surrogate name.
    """

    words: WordArray
    n_features: int
    values: FloatArray
    drawn: BoolArray
    coded: CodedValues | None = None
    designed: BoolArray | None = None
    prior: Prior = NO_PRIOR
    weights: FloatArray | None = None
    groups: IntArray | None = None
    earlier: Mapping[str, "Fitted"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def without(self, rows: IntArray) -> "Samples":
        """These samples without some rows of drawn masks."""
        keep = np.ones(len(self), dtype=np.bool_)
        keep[rows] = False
        return self.at(np.flatnonzero(keep))

    def at(self, rows: IntArray, **changes: Any) -> "Samples":
        """The samples of some rows, with other changes."""

        def of_rows(array: Any) -> Any:
            return None if array is None else array[rows]

        names = ("words", "values", "drawn", "designed", "weights", "groups")
        return replace(self, **{name: of_rows(getattr(self, name)) for name in names} | changes)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted surrogate, and its predictions on masks that it had not seen.

    Args:
        spectrum: The fit to all samples.
        predictions: (m,) float64. Each mask in a fold is predicted by a fit that has seen no mask
            of that fold, and has chosen support and penalties again. NaN elsewhere.
        share_left_out: Share of all masks that the fit behind a prediction has not seen.
        begin: Parameters from which a fit to more samples may start. First those found without the
            first half of the folds, then those without the second. Or one item, found without any
            fold.
    """

    spectrum: Spectrum
    predictions: FloatArray
    share_left_out: float
    begin: Sequence[FloatArray] = ()


class Surrogate(Protocol):
    """A way of fitting a spectrum.

    Laws: `fit` is deterministic; its result depends on the samples and folds only; a function that
    is constant on the samples gives that constant.
    """

    @property
    def name(self) -> str:
        """Its name in `method=`."""
        ...

    def fit_outputs(self, samples: Sequence[Samples], folds: Sequence[IntArray]) -> list[Fitted]:
        """Fit several outputs of the same masks.

        By default one after the other.

        Args:
            samples: One for each output; they differ in their values only.
            folds: As for `fit`.
        """
        return [self.fit(output, folds) for output in samples]

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit a spectrum to evaluated masks, and predict each fold from the others.

        Args:
            samples: Evaluated masks.
            folds: Row numbers of drawn masks, no row twice; at least two folds.
        """
        ...


def in_threads(tasks: Iterable[Callable[[], Result]]) -> list[Result]:
    """Run tasks side by side, one thread for each core; results in the order of the tasks.

    Threads run fits, not the linear algebra inside them, whose matrices are small: `fit_candidate`
    keeps BLAS to one thread.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


def cross_fit(
    fit: Callable[[Samples], Spectrum], samples: Samples, parts: Sequence[IntArray]
) -> Fitted:
    """Fit all samples, and predict each part by a fit to the rest.

    Args:
        fit: From samples to a spectrum.
        samples: Evaluated masks.
        parts: Row numbers of drawn masks, no row twice.
    """
    seen = [samples, *(samples.without(rows) for rows in parts)]
    spectrum, *others = in_threads(partial(fit, of) for of in seen)
    predictions = np.full(len(samples), np.nan)
    for rows, other in zip(parts, others, strict=True):
        predictions[rows] = other.evaluate(samples.words[rows])
    return Fitted(spectrum, predictions, len(parts[0]) / len(samples))


def constant_fit(samples: Samples, folds: Sequence[IntArray]) -> Fitted:
    """The mean, if there is nothing to learn or too little data."""
    return cross_fit(lambda of: Spectrum.constant(of.values.mean(), of.n_features), samples, folds)
