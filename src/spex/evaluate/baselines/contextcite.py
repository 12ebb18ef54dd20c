"""ContextCite (Cohen-Wang, Shah, Georgiev and Madry, NeurIPS 2024, arXiv 2409.00729).

Its package, `context-cite`, asks a transformers model itself and takes no value function. So spex
fits the surrogate by scikit-learn, as the package does.
"""

from spex._typing import Interaction
from spex.checks.counting import CountedFunction
from spex.evaluate.baselines.baseline import Baseline
from spex.evaluate.drawing import uniform_masks
from spex.extras import require
from spex.fourier.spectrum import Spectrum
from spex.interactions.moebius import spectrum_from_moebius

_ALPHA = 0.01  # its package's default, on standardised features


def _contextcite(asked: CountedFunction, seed: int) -> Spectrum:
    """LASSO of the values on standardised features of uniform ablations.

    The paper explains the logit of the answer's probability, and its package divides that by the
    number of the answer's tokens before the fit. A function on masks does not know that number. So
    a mean log-probability is fitted as in the package, and larger values get a relatively smaller
    penalty.
    """
    linear_model = require("sklearn.linear_model", "evaluate")
    preprocessing = require("sklearn.preprocessing", "evaluate")
    n = asked.n_features
    masks = uniform_masks(n, asked.budget, seed)
    scaler = preprocessing.StandardScaler()
    columns = scaler.fit_transform(masks.astype(float))
    lasso = linear_model.Lasso(alpha=_ALPHA, max_iter=10_000).fit(columns, asked(masks))
    weights = lasso.coef_ / scaler.scale_
    none = float(lasso.intercept_ - weights @ scaler.mean_)
    moebius: dict[Interaction, float] = {
        (feature,): float(weight) for feature, weight in enumerate(weights)
    }
    return spectrum_from_moebius({(): none, **moebius}, n)


METHODS = (
    Baseline(
        name="contextcite",
        package="scikit-learn",
        module="sklearn.linear_model",
        order=1,
        takes_masks=True,
        gives="surrogate",
        fit=_contextcite,
        least=lambda n: 2,
        limit="LASSO of n unknowns: no limit",
    ),
)
