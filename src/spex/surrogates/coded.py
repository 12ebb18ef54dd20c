"""SPEX: coded masks, decoded by message passing, refitted on all evaluated masks."""

from dataclasses import dataclass

import numpy as np

from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Samples
from spex.surrogates.refit import ridge_refit, singletons

# Features that decoding has not found join the support only if that lowers the leave-one-out error
# by more than this share: on a sparse function the decoded support alone is exact.
_WORTHWHILE = 0.02
# Share of the variance below which the decoded support leaves nothing to add.
_EXACT = 1e-9


@dataclass(frozen=True)
class Spex:
    """The support by sparse Walsh-Hadamard decoding (Kang, Butler et al. 2025), then ridge."""

    name: str = "spex"

    def fit(self, samples: Samples) -> Spectrum:
        """Decode the coded masks and refit on all masks.

        Raises:
            ArgumentError: the samples hold no coded masks.
        """
        if samples.coded is None:
            raise ArgumentError("method 'spex' needs the values of a coded design")
        decoded = samples.coded.decoded.spectrum
        support = decoded.support[decoded.orders > 0]
        found = ridge_refit(samples, support)
        known = {row.tobytes() for row in support}
        others = [row for row in singletons(samples.n_features) if row.tobytes() not in known]
        if not others or found.error <= _EXACT * found.spread:
            return found.spectrum
        wider = ridge_refit(samples, np.concatenate([support, np.stack(others)]))
        return (wider if wider.error < (1 - _WORTHWHILE) * found.error else found).spectrum

    def warm_started(self, samples: Samples) -> "Spex":
        """Itself, once the coded masks are decoded: parts of the samples share them all."""
        if samples.coded is not None:
            _ = samples.coded.decoded
        return self
