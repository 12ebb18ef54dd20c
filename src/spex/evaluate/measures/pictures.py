"""Measures for pictures: localisation with a centre baseline, and effects across two inputs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum

_WIDTH = 0.25  # standard deviation of the centre baseline, as a share of each side


@dataclass(frozen=True)
class Localisation:
    """How well scores of regions find an object.

    Args:
        mass: Share of the positive scores, spread over their regions, that lies on the object.
        hit: 1 if the middle of the region of highest score lies on it (the pointing game of Zhang
            et al. 2018), else 0. If several regions share the highest score, their mean.
        centre_mass: `mass` of a baseline that knows nothing of the model: a Gaussian around the
            centre, with a quarter of each side as its standard deviation. Photographed objects are
            often there.
        centre_hit: `hit` of the same baseline.
        area: Share of the picture that the object covers.
    """

    mass: float
    hit: float
    centre_mass: float
    centre_hit: float
    area: float


def localisation(
    scores: npt.ArrayLike, regions: npt.ArrayLike, target: npt.ArrayLike
) -> Localisation:
    """Compare scores of a picture's regions with the place of the object.

    Args:
        scores: (n,) numbers, one for each region.
        regions: (height, width) region of each pixel, 0 to n - 1.
        target: (height, width) bool, True on the object.

    Raises:
        ArgumentError: the shapes do not fit, a score is not finite, or there is no object.
    """
    values = np.asarray(scores, dtype=np.float64)
    of_pixel, on = np.asarray(regions), np.asarray(target, dtype=np.bool_)
    if values.ndim != 1 or of_pixel.ndim != 2 or on.shape != of_pixel.shape:
        raise ArgumentError(
            f"scores of shape {values.shape}, regions of {of_pixel.shape} and a target of "
            f"{on.shape}; give (n,), (height, width) and (height, width)"
        )
    if not np.isfinite(values).all():
        raise ArgumentError(f"scores hold {values[~np.isfinite(values)][0]}; give finite numbers")
    if of_pixel.min() < 0 or of_pixel.max() >= len(values):
        raise ArgumentError(
            f"regions go from {of_pixel.min()} to {of_pixel.max()}, but there are {len(values)} "
            "scores"
        )
    if not on.any():
        raise ArgumentError("target is False throughout; mark where the object is")
    sizes = np.maximum(np.bincount(of_pixel.ravel(), minlength=len(values)), 1)
    density = (np.maximum(values, 0.0) / sizes)[of_pixel]
    height, width = on.shape
    y = (np.arange(height)[:, None] + 0.5) / height - 0.5
    x = (np.arange(width) + 0.5) / width - 0.5
    centre = np.exp(-(x**2 + y**2) / (2 * _WIDTH**2))
    total = float(density.sum())
    highest = np.flatnonzero(values == values.max())
    return Localisation(
        float(density[on].sum()) / total if total > 0 else math.nan,
        float(np.mean([_hit(of_pixel == region, on) for region in highest])),
        float(centre[on].sum() / centre.sum()),
        float(on[height // 2, width // 2]),
        float(on.mean()),
    )


def _hit(region: FloatArray | npt.NDArray[np.bool_], on: npt.NDArray[np.bool_]) -> float:
    """1 if the pixel of a region nearest to its mean position lies on the object."""
    places = np.argwhere(region)
    if not len(places):
        return 0.0
    nearest = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return float(on[tuple(nearest)])


@dataclass(frozen=True)
class JointPart:
    """The effect of two inputs together that neither has alone.

    Args:
        first: f(first alone) - f(none).
        second: f(second alone) - f(none).
        joint: The rest of f(all) - f(none): the sum of the dividends (Moebius coefficients) of all
            sets that span both.
        variance: Share of the variance over all masks in frequencies that span both.
    """

    first: float
    second: float
    joint: float
    variance: float


def joint_part(spectrum: Spectrum, first: Sequence[int]) -> JointPart:
    """The part of a surrogate that spans two inputs, such as a picture and a text.

    By inclusion and exclusion the dividends of the sets that span both sum to
    f(all) - f(first) - f(second) + f(none).

    Args:
        spectrum: The surrogate.
        first: Numbers of the features of the first input, such as a `spex.Composite`'s picture;
            all others are of the second.

    Raises:
        ArgumentError: one of both inputs has no feature, or the spectrum has none of this number.
    """
    n = spectrum.n_features
    unknown = [feature for feature in first if not 0 <= feature < n]
    if unknown:
        raise ArgumentError(f"first names feature {unknown[0]}; there are 0 to {n - 1}")
    mask = np.zeros(n, dtype=np.bool_)
    mask[list(first)] = True
    if mask.all() or not mask.any():
        raise ArgumentError(f"first names {mask.sum()} of {n} features; leave some for the second")
    everything, none = np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    whole, one, other, zero = spectrum.predict(np.array([everything, mask, ~mask, none])).tolist()
    spans = np.array([0 < sum(mask[i] for i in k) < len(k) for k in spectrum.interactions])
    energies = spectrum.coefficients**2
    varying = float(energies[spectrum.orders > 0].sum())
    return JointPart(
        one - zero,
        other - zero,
        whole - one - other + zero,
        float(energies[spans].sum()) / varying if varying > 0 else math.nan,
    )
