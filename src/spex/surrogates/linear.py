"""The surrogate of order 1: every feature on its own."""

from dataclasses import dataclass

from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Samples
from spex.surrogates.refit import ridge_refit, singletons


@dataclass(frozen=True)
class Linear:
    """Ridge regression on the features, its penalty by leave-one-out."""

    name: str = "linear"

    def fit(self, samples: Samples) -> Spectrum:
        """Fit the constant and the n coefficients of order 1."""
        return ridge_refit(samples, singletons(samples.n_features)).spectrum

    def warm_started(self, samples: Samples) -> "Linear":
        """Itself: there is nothing to set up."""
        return self
