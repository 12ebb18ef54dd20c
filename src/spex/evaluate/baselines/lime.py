"""LIME (Ribeiro, Singh and Guestrin, 2016), by the package `lime`."""

import numpy as np

from spex._typing import Interaction
from spex.checks.counting import CountedFunction
from spex.evaluate.baselines.baseline import Baseline
from spex.evaluate.drawing import uniform_masks
from spex.extras import require
from spex.fourier.spectrum import Spectrum
from spex.interactions.moebius import spectrum_from_moebius


def _lime(asked: CountedFunction, seed: int) -> Spectrum:
    """The weighted ridge regression of LimeTabularExplainer on n features of 0 and 1, all kept.

    The package draws its masks itself: each feature is present with probability 1/2, and the first
    mask is the whole input. Here its regression gets the masks that other methods get too, and with
    them distances to the whole input, as `explain_instance` does.
    """
    tabular = require("lime.lime_tabular", "evaluate")
    n = asked.n_features
    explainer = tabular.LimeTabularExplainer(
        np.array([np.zeros(n), np.ones(n)]),
        mode="regression",
        categorical_features=list(range(n)),
        feature_selection="none",
        random_state=seed,
    )
    masks = uniform_masks(n, asked.budget, seed)
    intercept, weights, _, _ = explainer.base.explain_instance_with_data(
        masks.astype(float),
        asked(masks)[:, None],
        np.sqrt((~masks).sum(axis=1)),
        label=0,
        num_features=n,
        feature_selection=explainer.feature_selection,
    )
    moebius: dict[Interaction, float] = {
        (int(feature),): float(weight) for feature, weight in weights
    }
    return spectrum_from_moebius({(): float(intercept), **moebius}, n)


METHODS = (
    Baseline(
        name="lime",
        package="lime",
        module="lime.lime_tabular",
        order=1,
        takes_masks=True,
        gives="surrogate",
        fit=_lime,
        least=lambda n: 2,
        limit="ridge regression of n unknowns: no limit",
    ),
)
