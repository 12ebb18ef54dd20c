"""From Moebius coefficients to a Fourier spectrum; the other way is an index of the spectrum."""

from collections.abc import Mapping
from itertools import combinations

from spex._typing import Interaction
from spex.fourier.spectrum import Spectrum


def spectrum_from_moebius(moebius: Mapping[Interaction, float], n_features: int) -> Spectrum:
    """The spectrum of f(m) = sum_T a(T) prod_{i in T} m_i.

    With m_i = (1 - (-1)^m_i) / 2 each product is 2^-|T| sum_{k <= T} (-1)^|k| (-1)^<k,m>, hence

        F(k) = (-1)^|k| sum_{T >= k} 2^-|T| a(T),

    the inverse of equation (1) of `spex.interactions.index`.

    Args:
        moebius: a(T) by sorted tuple of feature numbers; `()` is f(none).
        n_features: n.

    Returns:
        The spectrum, on all subsets of the sets given: 2^|T| coefficients for each T.

    Raises:
        ArgumentError: a set is not a sorted tuple of different features below n.
    """
    coefficients: dict[Interaction, float] = {(): 0.0}
    for interaction, value in moebius.items():
        part = float(value) / 2 ** len(interaction)
        for size in range(len(interaction) + 1):
            for subset in combinations(interaction, size):
                coefficients[subset] = coefficients.get(subset, 0.0) + (-1) ** size * part
    return Spectrum.from_mapping(coefficients, n_features)
