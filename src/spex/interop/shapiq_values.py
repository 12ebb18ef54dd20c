"""An explanation from `shapiq.InteractionValues`: the way back of `Explanation.to_shapiq`.

The values of an index up to order K fix one function without Moebius coefficients above K. For SV,
BV, k-SII, STII, FSII and FBII the values are these coefficients. For such a function, each of these
indices equals its Moebius transform. BII are its Fourier coefficients times (-2)^order, and SII
make k-SII, by shapiq itself.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spex._typing import Interaction
from spex.checks.arguments import MAX_FEATURES
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.extras import require
from spex.fourier.spectrum import Spectrum
from spex.interactions.moebius import spectrum_from_moebius
from spex.interop.taken import explanation_of, labels_of

_AS_MOEBIUS = ("SV", "BV", "k-SII", "STII", "FSII", "FBII", "Moebius")
_READ = (*_AS_MOEBIUS, "SII", "BII")
# Most terms of the sum from Moebius to Fourier coefficients: some seconds.
_MOST_TERMS = 1 << 22


def from_shapiq(values: Any, features: Sequence[str] | None = None) -> Explanation:
    """An explanation whose interactions are those of a `shapiq.InteractionValues`.

    It predicts, is drawn, saved and compared as any other. The values are taken as the whole
    function: what they leave out is unknown, and so is R2 (NaN).

    Args:
        values: the `shapiq.InteractionValues`, or the path of a file that its `save` wrote. The
            index is SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius, from order 1 on.
        features: n labels; default: "0", "1" and so on.

    Returns:
        The explanation: `interactions(index, order)` gives the values back, `n_evaluations` is
        shapiq's estimation budget, 0 if unknown.

    Raises:
        ArgumentError: the file cannot be read, the index or the lowest order fixes no function, a
            value is not finite, or there are too many.
        MissingExtraError: shapiq is not installed.

    Example:
        >>> import spex
        >>> e = spex.explain(lambda masks: 2.0 * masks[:, 0] * masks[:, 1], 3, budget=8)
        >>> values = e.to_shapiq("FBII", order=2)
        >>> spex.interop.from_shapiq(values, ["not", "bad", "film"]).interactions("FBII").top(1)
        [((0, 1), 2.0)]
    """
    shapiq = require("shapiq", "shapiq")
    if isinstance(values, str | Path):
        values = _loaded(shapiq, Path(values))
    if not isinstance(values, shapiq.InteractionValues):
        raise ArgumentError(
            f"values is a {type(values).__name__}; give a shapiq.InteractionValues or a path"
        )
    index, order, n = str(values.index), int(values.max_order), int(values.n_players)
    if index not in _READ:
        raise ArgumentError(
            f"the index {index!r} does not determine the function; use one of {', '.join(_READ)}"
        )
    if values.min_order > 1:
        raise ArgumentError(
            f"the values begin at order {values.min_order}; to determine the function they must "
            "begin at order 1: let shapiq compute them with min_order=1 or 0"
        )
    if not 1 <= n <= MAX_FEATURES:
        raise ArgumentError(f"the values are of {n} players; use 1 to {MAX_FEATURES}")
    spent = int(values.estimation_budget or 0)
    return explanation_of(
        _spectrum(shapiq, values, index, n),
        labels_of(features, n),
        method=f"shapiq {index}",
        spent=spent,
        note=f"Read from shapiq: {index} up to order {order} are",
    )


def _loaded(shapiq: Any, path: Path) -> Any:
    try:
        return shapiq.InteractionValues.load(path)
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged file may raise anything
        raise ArgumentError(f"{path}: holds no shapiq.InteractionValues ({error!r})") from error


def _spectrum(shapiq: Any, values: Any, index: str, n: int) -> Spectrum:
    """The function that the values fix."""
    # For FBII shapiq lists the intercept of the fit at the empty set, and f(none) separately.
    empty = float(values.baseline_value)
    if index == "FBII":
        empty = float(values.dict_values.get((), empty))
    if index == "SII" and values.max_order > 1:
        values = shapiq.game_theory.aggregation.aggregate_base_interaction(values, order=None)
    given = _interactions(values.dict_values, index)
    if not math.isfinite(empty) or not all(map(math.isfinite, given.values())):
        raise ArgumentError("a value is not a finite number")
    if index == "BII":
        fourier = {key: value / (-2) ** len(key) for key, value in given.items()}
        return Spectrum.from_mapping({(): empty - math.fsum(fourier.values())} | fourier, n)
    if sum(2 ** len(key) for key in given) > _MOST_TERMS:
        raise ArgumentError(
            f"{len(given)} values up to order {values.max_order} are too many; give those up to a "
            "lower order, such as values.get_n_order(max_order=3)"
        )
    return spectrum_from_moebius({(): empty} | given, n)


def _interactions(values: Mapping[Any, Any], index: str) -> dict[Interaction, float]:
    """All but that of the empty set, and of zeros."""
    return {
        tuple(sorted(map(int, key))): float(value) for key, value in values.items() if key and value
    }
