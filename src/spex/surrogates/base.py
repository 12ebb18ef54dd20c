"""What a surrogate is given, and what it must do."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.f2.packing import n_words, unpack
from spex.fourier.design import Design
from spex.fourier.peeling import DecodeResult, decode
from spex.fourier.spectrum import Spectrum
from spex.prior import NO_PRIOR, Prior

# Doubtful frequencies that decoding names for the refit to decide upon.
_DOUBTFUL = 500


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
        """What message passing finds; computed once, however many folds ask."""
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
        earlier: Fits to a beginning of these samples, each of its masks in the same fold as now, by
            name of the surrogate.
    """

    words: WordArray
    n_features: int
    values: FloatArray
    drawn: BoolArray
    coded: CodedValues | None = None
    designed: BoolArray | None = None
    prior: Prior = NO_PRIOR
    earlier: Mapping[str, "Fitted"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def masks(self) -> BoolArray:
        """(m, n) bool, True = present."""
        return unpack(self.words, self.n_features)

    def without(self, rows: IntArray) -> "Samples":
        """The samples less some of the uniform ones."""
        keep = np.ones(len(self), dtype=np.bool_)
        keep[rows] = False
        return replace(
            self,
            words=self.words[keep],
            values=self.values[keep],
            drawn=self.drawn[keep],
            designed=None if self.designed is None else self.designed[keep],
        )


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted surrogate, and how it did on masks that it had not seen.

    Args:
        spectrum: The fit to all samples.
        predictions: (m,) float64, of each mask in a fold by a fit that has seen no mask of that
            fold, the whole choice of support and penalties repeated; NaN elsewhere.
        left_out: Share of all masks that the fit behind a prediction has not seen.
        begin: Where the search for parameters may begin once there are more samples: found without
            the first half of the folds, and without the other; or one set, without any fold.
    """

    spectrum: Spectrum
    predictions: FloatArray
    left_out: float
    begin: Sequence[FloatArray] = ()


class Surrogate(Protocol):
    """A way of fitting a spectrum.

    Laws: `fit` is deterministic; its result depends on the samples and folds only; a function that
    is constant on the samples gives that constant.
    """

    @property
    def name(self) -> str:
        """What `method=` calls it."""
        ...

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit a spectrum to evaluated masks, and predict each fold from the others.

        Args:
            samples: Evaluated masks.
            folds: Row numbers of uniform masks, no row twice; at least two folds.
        """
        ...


def predict_folds(
    fit: Callable[[Samples], Spectrum], samples: Samples, folds: Sequence[IntArray]
) -> FloatArray:
    """Predict the masks of each fold by a fit to all others, fold by fold.

    Returns:
        (m,) float64; NaN at masks of no fold.
    """
    predictions = np.full(len(samples), np.nan)

    def predict(rows: IntArray) -> None:
        predictions[rows] = fit(samples.without(rows)).evaluate(samples.words[rows])

    # The folds are what runs side by side, not the linear algebra inside them (`fit_candidate` sees
    # to that): its matrices are small.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(predict, folds))
    return predictions


def constant_fit(samples: Samples, folds: Sequence[IntArray]) -> Fitted:
    """The mean, where there is nothing to learn or too little to learn from."""

    def mean(of: Samples) -> Spectrum:
        support = np.zeros((1, n_words(of.n_features)), dtype=np.uint64)
        return Spectrum(of.n_features, support, np.array([of.values.mean()]))

    left_out = len(folds[0]) / len(samples)
    return Fitted(mean(samples), predict_folds(mean, samples, folds), left_out)
