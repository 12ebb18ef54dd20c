"""KernelSHAP (Lundberg and Lee, 2017) and permutation SHAP, by the package `shap`."""

import numpy as np

from spex._typing import Interaction
from spex.checks.counting import CountedFunction
from spex.evaluate.baselines.baseline import LARGEST_MATRIX, Baseline, whole_space
from spex.extras import require
from spex.fourier.spectrum import Spectrum
from spex.interactions.moebius import spectrum_from_moebius


def _spectrum(none: float, values: np.ndarray) -> Spectrum:
    moebius: dict[Interaction, float] = {
        (feature,): float(value) for feature, value in enumerate(values)
    }
    return spectrum_from_moebius({(): none, **moebius}, len(values))


def _kernel(asked: CountedFunction, seed: int) -> Spectrum:
    """KernelExplainer from nothing to everything present, all features kept."""
    shap = require("shap", "evaluate")
    n = asked.n_features
    explainer = shap.KernelExplainer(asked, np.zeros((1, n)))
    # Two further evaluations are those of the empty and the full mask.
    samples = whole_space(asked) - 2
    values = explainer.shap_values(np.ones((1, n)), nsamples=samples, l1_reg=0, silent=True)[0]
    return _spectrum(float(explainer.expected_value), values)


def _permutation(asked: CountedFunction, seed: int) -> Spectrum:
    """PermutationExplainer: each permutation is walked forward and back.

    By its own count each permutation takes 2 n + 1 evaluations. All permutations share the empty
    and the full mask, so another permutation costs 2 (n - 1) new masks.
    """
    shap = require("shap", "evaluate")
    n = asked.n_features
    permutations = (asked.budget - 2) // max(1, 2 * (n - 1))
    explainer = shap.PermutationExplainer(asked, np.zeros((1, n)), seed=seed)
    found = explainer(np.ones((1, n)), max_evals=max(1, permutations) * (2 * n + 1), silent=True)
    return _spectrum(float(np.ravel(found.base_values)[0]), found.values[0])


METHODS = (
    Baseline(
        name="kernelshap",
        package="shap",
        module="shap",
        order=1,
        takes_masks=False,
        gives="SV",
        fit=_kernel,
        least=lambda n: n + 2 if n > 1 else 2,
        most=lambda n, budget: n * budget <= LARGEST_MATRIX,
        limit="least squares of n unknowns: n + 2 masks",
        spends="a mask may be drawn again as the complement of another one",
    ),
    Baseline(
        name="permutation-shap",
        package="shap",
        module="shap",
        order=1,
        takes_masks=False,
        gives="SV",
        fit=_permutation,
        least=lambda n: max(2, 2 * n),
        limit="one permutation, forward and back: 2 n masks",
        spends="whole permutations of 2 (n - 1) masks, some of which repeat",
    ),
)
