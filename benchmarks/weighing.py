"""Should a fit weigh masks that were drawn otherwise than R2 is to be about?

`spex.fit(..., weights=)` weighs masks in cross-validation, in the choice of the surrogate and in
R2. Its surrogates are fitted to all masks alike. Here each kind of surrogate (ridge regression of
order 1, boosted trees, a Gaussian process) is fitted both ways: with the weights, the density of
the wanted masks over that of those drawn, and without. R2 is on 2,000 fresh masks of the wanted
distribution.

    python benchmarks/weighing.py --budgets 100,300,1000
"""

import argparse
import warnings
from collections.abc import Callable

import numpy as np
from lightgbm import LGBMRegressor
from rich.console import Console
from rich.table import Table
from scipy.special import comb
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import RidgeCV

from functions import REVIEW, BoolArray, Case, Classifier, FloatArray, Noise, Review, Synthetic

TEST_MASKS = 2000
PRESENT = 0.7  # the share of features that a log of ablations keeps
Draw = Callable[[int, int, np.random.Generator], BoolArray]


def biased(p: float) -> Draw:
    return lambda m, n, rng: rng.random((m, n)) < p


def by_size(m: int, n: int, rng: np.random.Generator) -> BoolArray:
    sizes = rng.integers(1, n, size=m)
    return rng.random((m, n)).argsort(axis=1).argsort(axis=1) < sizes[:, None]


def log_density(masks: BoolArray, kind: str) -> FloatArray:
    """(m,) logarithm of the probability of each mask, up to a constant."""
    n, size = masks.shape[1], masks.sum(axis=1)
    if kind == "by size":
        return -np.log(comb(n, np.clip(size, 1, n - 1)))
    p = PRESENT if kind == "dense" else 0.5
    return size * np.log(p) + (n - size) * np.log(1 - p)


DRAWS: dict[str, Draw] = {"dense": biased(PRESENT), "uniform": biased(0.5), "by size": by_size}
# Masks that were drawn, and those that R2 is to be about.
PAIRS = (("dense", "uniform"), ("by size", "uniform"), ("uniform", "by size"))


def ridge(x: FloatArray, y: FloatArray, weights: FloatArray):
    return RidgeCV(np.logspace(-3, 3, 13)).fit(x, y, sample_weight=weights).predict


def trees(x: FloatArray, y: FloatArray, weights: FloatArray):
    model = LGBMRegressor(n_estimators=200, max_depth=5, learning_rate=0.1, min_child_samples=5,
                          random_state=0, n_jobs=1, verbose=-1)  # fmt: skip
    return model.fit(x, y, sample_weight=weights).predict


def process(x: FloatArray, y: FloatArray, weights: FloatArray):
    """Weights divide the variance of the noise; kernel and noise are those of the plain fit."""
    scale = y.std() or 1.0
    kernel = ConstantKernel() * RBF(np.sqrt(x.shape[1])) + WhiteKernel(0.05)
    plain = GaussianProcessRegressor(kernel, random_state=0).fit(x, (y - y.mean()) / scale)
    noise = plain.kernel_.k2.noise_level
    model = GaussianProcessRegressor(plain.kernel_.k1, alpha=noise / weights, optimizer=None)
    model.fit(x, (y - y.mean()) / scale)
    return lambda fresh: model.predict(fresh) * scale + y.mean()


FITS = {"ridge": ridge, "trees": trees, "process": process}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budgets", default="100,300,1000")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "X does not have valid feature names")
    cases: list[Case] = [
        Classifier("forest", 30), Classifier("mlp", 64), Review(REVIEW, len(REVIEW.split())),
        Synthetic(48, 50, Noise("network", 0.15)), Synthetic(24, 30, Noise("tail", 0.4)),
    ]  # fmt: skip
    built = [case.build() for case in cases]
    table = Table("masks", "R2 on", "evaluations", *(f"{name}, {how}" for name in FITS
                  for how in ("plain", "weighed")), title="mean R2")  # fmt: skip
    for drawn, wanted in PAIRS:
        for budget in map(int, arguments.budgets.split(",")):
            found = []
            for seed in range(arguments.seeds):
                for function in built:
                    rng = np.random.default_rng([seed, budget])
                    masks = np.unique(DRAWS[drawn](budget, function.n, rng), axis=0)
                    fresh = DRAWS[wanted](TEST_MASKS, function.n, rng)
                    x, y = masks * 2.0 - 1.0, function.values(masks)
                    logs = log_density(masks, wanted) - log_density(masks, drawn)
                    weights = np.exp(logs - logs.max())
                    weights = np.maximum(weights / weights.mean(), 1e-6)
                    truth = function.values(fresh)
                    found.append([
                        1 - ((fit(x, y, w)(fresh * 2.0 - 1.0) - truth) ** 2).mean() / truth.var()
                        for fit in FITS.values()
                        for w in (np.ones(len(y)), weights)
                    ])  # fmt: skip
            table.add_row(drawn, wanted, str(budget), *(f"{r2:.3f}" for r2 in np.mean(found, 0)))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
