"""The sets of features whose removal from the full input changes a spectrum most.

The SPEX paper's top-r removal (arXiv 2502.13870, section 5), by mixed-integer programming.
"""

import math
import time
from collections.abc import Collection
from dataclasses import dataclass

from spex._typing import Interaction
from spex.checks.arguments import real_number, seconds_of, whole_number
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.sets.optimiser import Optimiser
from spex.wording import counted

_DIRECTIONS = {"down": (-1.0,), "up": (1.0,), "both": (-1.0, 1.0)}


@dataclass(frozen=True)
class Removal:
    """A set of features, and how its removal changes the spectrum's value.

    Args:
        features: The removed features, sorted.
        change: f(all minus these) - f(all), by `Spectrum.predict`, in the unit of the value.
        bound: No set of this size changes the value further. For direction down no change is below
            this, for up none is above, and for both no absolute change is larger. Equal to the
            (absolute) change where exact.
        gap: What the bound leaves open, as a share of the absolute change: 0 if exact,
            infinite where the change is 0 and the bound is not.
        is_exact: Whether it is proven, by HiGHS within its tolerance of 1e-6 for whole numbers or
            by looking at all sets, that no set changes the value further.
        seconds: Wall clock.
    """

    features: Interaction
    change: float
    bound: float
    gap: float
    is_exact: bool
    seconds: float


def most_changing(
    spectrum: Spectrum,
    size: int,
    direction: str = "both",
    time_limit: float = 60.0,
    gap: float = 0.0,
) -> Removal:
    """The set of this many features whose removal from the full input changes the value most.

    Up to 20 features all sets are looked at; beyond that by mixed-integer programming (HiGHS), see
    `spex.sets.program`. Of sets that change it alike, any one.

    Args:
        spectrum: The function; its value with all features is where changes start.
        size: r, the number of features removed, 0 to n.
        direction: "both" for the largest absolute change, "down" for the largest fall (or the
            smallest rise, where every set rises), "up" for the largest rise.
        time_limit: Seconds. After them the best set found is returned, with what is known of it.
        gap: Stop at this relative gap; a set found so is called exact only if the gap closed.

    Raises:
        ArgumentError: an argument is wrong, or the spectrum has too many interactions.
    """
    check_direction(direction)
    _check_spectrum(spectrum)
    return _most_changing(Optimiser(spectrum), size, direction, time_limit, gap)


def removals(
    spectrum: Spectrum,
    largest: int,
    direction: str = "both",
    time_limit: float = 60.0,
    gap: float = 0.0,
) -> tuple[Removal, ...]:
    """`most_changing` for each size from 1 to `largest`.

    The program is written once, and the local search for each size also starts from the set of
    the size before.

    Args:
        spectrum: See `most_changing`.
        largest: R, 1 to n.
        direction: See `most_changing`.
        time_limit: Seconds for each size.
        gap: See `most_changing`.

    Raises:
        ArgumentError: see `most_changing`.
    """
    check_direction(direction)
    _check_spectrum(spectrum)
    whole_number("largest", largest, 1)
    _check_size("largest", largest, spectrum.n_features)
    optimiser, found = Optimiser(spectrum), []
    start: Collection[int] = ()
    for size in range(1, largest + 1):
        found.append(_most_changing(optimiser, size, direction, time_limit, gap, start))
        start = found[-1].features
    return tuple(found)


def check_direction(direction: str) -> None:
    """Refuse an unknown direction.

    Raises:
        ArgumentError: it is none of both, down and up.
    """
    if not isinstance(direction, str) or direction not in _DIRECTIONS:
        raise ArgumentError(
            f"direction={direction!r} is unknown; choose one of {', '.join(_DIRECTIONS)}"
        )


def _check_spectrum(spectrum: object) -> None:
    if not isinstance(spectrum, Spectrum):
        # Most likely an explanation was given.
        remedy = "e.spectrum" if hasattr(spectrum, "spectrum") else "a spex.Spectrum"
        raise ArgumentError(f"spectrum is of type {type(spectrum).__name__}; give {remedy}")


def _check_size(name: str, size: int, n_features: int) -> None:
    if size > n_features:
        raise ArgumentError(
            f"{name}={size} is more than there are, {counted(n_features, 'feature')}; give at most "
            f"{n_features}"
        )


def _most_changing(
    optimiser: Optimiser,
    size: int,
    direction: str,
    time_limit: float,
    gap: float,
    start: Collection[int] = (),
) -> Removal:
    size = whole_number("size", size, 0)
    _check_size("size", size, optimiser.spectrum.n_features)
    time_limit = seconds_of("time_limit", time_limit)
    gap = real_number("gap", gap, "give a relative gap of 0 or more", lambda g: g >= 0)
    began = time.monotonic()
    signs = _DIRECTIONS[direction]
    found = []
    for place, sign in enumerate(signs):
        left = time_limit - (time.monotonic() - began)
        one = optimiser.best(
            size,
            sign,
            start=start,
            time_limit=max(left / (len(signs) - place), 0.01),
            gap=gap,
        )
        if one is None:
            raise AssertionError("no set is excluded, so that local search finds one")
        found.append((one, sign))
    whole = optimiser.whole
    best, sign = max(found, key=lambda each: abs(each[0].value - whole))
    change = best.value - whole
    if direction == "both":
        # The other side is proven too if its bound is not beyond this change.
        bound = max(abs(change), *(s * (each.bound - whole) for each, s in found))
        over = bound - abs(change)
        is_exact = best.is_proven and all(
            each.is_proven or s * (each.bound - whole) <= abs(change) for each, s in found
        )
    else:
        bound, is_exact = best.bound - whole, best.is_proven
        over = sign * (bound - change)
    share = over / abs(change) if change else (math.inf if over > 0 else 0.0)
    return Removal(
        features=best.features,
        change=change,
        bound=bound,
        gap=0.0 if is_exact else share,
        is_exact=is_exact,
        seconds=time.monotonic() - began,
    )
