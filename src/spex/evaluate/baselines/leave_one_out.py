"""Leave-one-out: the loss when a single feature is left out."""

import numpy as np

from spex._typing import Interaction
from spex.checks.counting import CountedFunction
from spex.evaluate.baselines.baseline import Baseline
from spex.fourier.spectrum import Spectrum
from spex.interactions.moebius import spectrum_from_moebius


def _leave_one_out(asked: CountedFunction, seed: int) -> Spectrum:
    """f(all) - sum over the absent features i of (f(all) - f(all without i))."""
    n = asked.n_features
    values = asked(np.concatenate([np.ones((1, n), dtype=np.bool_), ~np.eye(n, dtype=np.bool_)]))
    lost = values[0] - values[1:]
    moebius: dict[Interaction, float] = {
        (feature,): float(value) for feature, value in enumerate(lost)
    }
    return spectrum_from_moebius({(): float(values[0] - lost.sum()), **moebius}, n)


METHODS = (
    Baseline(
        name="leave-one-out",
        package="numpy",
        module="numpy",
        order=1,
        takes_masks=False,
        gives="leave-one-out",
        fit=_leave_one_out,
        least=lambda n: n + 1,
        limit="n + 1 masks",
        spends="n + 1 masks, whatever the budget",
    ),
)
