"""Shapley and Banzhaf indices of order 1 and 2, and sparse transforms, by `shapiq` 1.4.

All its approximators draw their own masks. The ones here are those that the field compares with,
one or two for each index. ProxySHAP and leverage-score sampling came in later releases, which need
a newer Python than spex does. `benchmarks/shapley.py` runs them in a separate environment.
"""

from collections.abc import Callable
from functools import partial
from math import comb
from typing import Any

import numpy as np

from spex._typing import Interaction
from spex.checks.counting import CountedFunction
from spex.evaluate.baselines.baseline import (
    LARGEST_MATRIX,
    Baseline,
    n_pairs_and_below,
    whole_space,
)
from spex.evaluate.method import RefusedError
from spex.extras import require
from spex.fourier.spectrum import Spectrum
from spex.interactions.moebius import spectrum_from_moebius

_MAX_ORDER = 5  # of interactions in the sparse transforms, as in spex.explain


def _approximated(asked: CountedFunction, seed: int, *, kind: str, **own: Any) -> Spectrum:
    """The values that an approximator gives, its constant included, as a function of masks."""
    shapiq = require("shapiq", "evaluate")
    approximator = getattr(shapiq, kind)(n=asked.n_features, random_state=seed, **own)
    found = approximator.approximate(whole_space(asked), asked)
    moebius = {
        tuple(sorted(map(int, key))): float(found.values[at])
        for key, at in found.interaction_lookup.items()
    }
    # If it has no constant, take the value of the empty mask, which it has asked for.
    moebius.setdefault((), float(found.baseline_value))
    return spectrum_from_moebius(moebius, asked.n_features)


def _banzhaf(asked: CountedFunction, seed: int, *, order: int) -> Spectrum:
    """Least squares of degree `order` on uniform masks (Tsai, Yeh and Ravikumar 2023, eq. 13).

    The number of uniform masks of a size is proportional to the number of such sets. The package
    gets these weights, because its default differs.
    """
    n = asked.n_features
    largest = comb(n, n // 2)
    sizes = np.array([comb(n, size) / largest for size in range(n + 1)])
    return _approximated(
        asked, seed, kind="RegressionFBII", max_order=order, sampling_weights=sizes
    )


def _sparse(asked: CountedFunction, seed: int, *, kind: str) -> Spectrum:
    """SPEX and ProxySPEX of shapiq: the transform before it becomes an index."""
    shapiq = require("shapiq", "evaluate")
    moebius: dict[Interaction, float] = {}

    class Approximator(getattr(shapiq, kind)):  # type: ignore[misc]
        """The package's class, changed to expose its transform."""

        def _process_moebius(self, moebius_transform: dict[Interaction, float]) -> Any:
            moebius.update(
                {tuple(sorted(map(int, key))): value for key, value in moebius_transform.items()}
            )
            return super()._process_moebius(moebius_transform)

        def _refine(self, four_dict: dict[Interaction, float], *data: Any) -> Any:
            if not any(four_dict):  # with the constant alone, the package fails
                raise RefusedError(
                    "shapiq-proxyspex: its trees found nothing to split, which happens if a "
                    "function hardly varies; take another method"
                )
            return super()._refine(four_dict, *data)

    own = {"degree_parameter": _MAX_ORDER} if kind == "SPEX" else {}
    approximator = Approximator(
        n=asked.n_features, index="FBII", max_order=2, random_state=seed, **own
    )
    try:
        approximator.approximate(whole_space(asked), asked)
    except ValueError as error:
        if "Insufficient budget" in str(error):
            raise RefusedError(
                f"budget={asked.budget:,} is below the smallest design of shapiq-spex for "
                f"{asked.n_features} features; raise the budget or take another method"
            ) from error
        raise
    return spectrum_from_moebius(moebius, asked.n_features)


# Each of these chooses its masks itself.
_baseline = partial(
    Baseline, package="shapiq", module="shapiq", takes_masks=False, least_features=2
)


def _of_order_2(
    name: str, gives: str, fit: Callable[[CountedFunction, int], Spectrum], least_features: int = 2
) -> Baseline:
    """Least squares on all pairs. It needs as many masks as unknowns, and the normal equations."""
    return _baseline(
        name=name,
        order=2,
        gives=gives,
        fit=fit,
        least=n_pairs_and_below,
        most=lambda n, budget: (
            n_pairs_and_below(n) * max(budget, n_pairs_and_below(n)) <= LARGEST_MATRIX
        ),
        least_features=least_features,
        limit="least squares of 1 + n + n (n - 1) / 2 unknowns: as many masks, and n <= 180",
    )


def _sampled(name: str, gives: str, order: int, **own: Any) -> Baseline:
    """A separate Monte Carlo estimate of each value."""
    return _baseline(
        name=name,
        order=order,
        gives=gives,
        fit=partial(_approximated, **own),
        least=lambda n: n + 2,
        limit="Monte Carlo of each value by itself: n + 2 masks"
        + ("; seconds grow as masks times n^3" if order == 2 else ""),
    )


METHODS = (
    _baseline(
        name="shapiq-kernelshap",
        order=1,
        gives="SV",
        fit=partial(_approximated, kind="KernelSHAP"),
        least=lambda n: n + 2,
        limit="least squares of n unknowns: n + 2 masks",
    ),
    _sampled("shapiq-svarm", "SV", 1, kind="SVARM"),
    _baseline(
        name="shapiq-bv",
        order=1,
        gives="BV",
        fit=partial(_banzhaf, order=1),
        least=lambda n: n + 2,
        limit="least squares of n + 1 unknowns: n + 2 masks",
    ),
    _of_order_2("shapiq-fbii", "FBII", partial(_banzhaf, order=2)),
    _of_order_2("shapiq-fsii", "FSII", partial(_approximated, kind="RegressionFSII", max_order=2)),
    _of_order_2(
        "shapiq-sii",
        "SII",
        partial(_approximated, kind="KernelSHAPIQ", max_order=2, index="SII"),
        least_features=4,
    ),
    _sampled("shapiq-svarmiq", "SII", 2, kind="SVARMIQ", max_order=2, index="SII"),
    _sampled("shapiq-stii", "STII", 2, kind="SVARMIQ", max_order=2, index="STII"),
    _baseline(
        name="shapiq-spex",
        order=_MAX_ORDER,
        gives="surrogate",
        fit=partial(_sparse, kind="SPEX"),
        least=lambda n: 2,
        limit="the smallest design of its code; it lowers the order by itself to reach it",
        spends="the largest design of 3 (P + 1) 2^b masks, some of which repeat",
    ),
    _baseline(
        name="shapiq-proxyspex",
        order=None,
        gives="surrogate",
        fit=partial(_sparse, kind="ProxySPEX"),
        # LightGBM needs at least 20 masks in each leaf. With fewer features there are not 40 masks.
        least=lambda n: 40,
        least_features=6,
        limit="boosted trees with leaves of 20 masks: 40 masks, of 6 features",
    ),
)
