"""What a surrogate is given, and what it must do."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.fourier.design import Design
from spex.fourier.peeling import DecodeResult, decode
from spex.fourier.spectrum import Spectrum


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
        return decode(self.design, self.values, self.max_degree)


@dataclass(frozen=True, eq=False)
class Samples:
    """Evaluated masks, each once.

    Args:
        masks: (m, n) bool, True = present.
        values: (m,) float64.
        uniform: (m,) bool, which masks were drawn uniformly at random. Only these measure R2 and
            may be left out in cross-fitting.
        coded: The masks of a coded design, which are among `masks` too, if there is one.
    """

    masks: BoolArray
    values: FloatArray
    uniform: BoolArray
    coded: CodedValues | None = field(default=None)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_features(self) -> int:
        """n, the number of features."""
        return self.masks.shape[1]

    def without(self, rows: IntArray) -> "Samples":
        """The samples less some of the uniform ones."""
        keep = np.ones(len(self), dtype=np.bool_)
        keep[rows] = False
        return Samples(self.masks[keep], self.values[keep], self.uniform[keep], self.coded)


class Surrogate(Protocol):
    """A way of fitting a spectrum.

    Laws: `fit` is deterministic; its result depends on the samples only; a function that is
    constant on the samples gives that constant.
    """

    @property
    def name(self) -> str:
        """What `method=` calls it."""
        ...

    def fit(self, samples: Samples) -> Spectrum:
        """Fit a spectrum to evaluated masks."""
        ...

    def warm_started(self, samples: Samples) -> "Surrogate":
        """The same surrogate, set up to be fitted quickly to parts of these samples."""
        ...
