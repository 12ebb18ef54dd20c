"""Interaction indices, read from a sparse Fourier spectrum in closed form.

With spex's convention f(m) = sum_k F(k) (-1)^<k,m>, m_i = 1 for a present feature, the Moebius
transform f(m) = sum_{T <= m} a(T) is

    a(T) = (-2)^|T| sum_{k >= T} F(k),                                                        (1)

because (-1)^{m_i} = 1 - 2 m_i. Every index below is linear and treats all features alike. So it is
a sum over Moebius coefficients, with weights that depend on sizes only. By (1) it is also

    I(S) = sum_{k >= S} W(|S|, |k|) F(k),                                                     (2)
    W(s, d) = sum_{t=s}^{d} binom(d-s, t-s) (-2)^t w(s, t),    I(S) = sum_{T >= S} w(|S|, |T|) a(T).

So an index is a small table W (`exact_weight`). `spex.interactions.expansion` applies it to a
spectrum: each frequency k of the support adds W(|S|, |k|) F(k) to its own subsets S. A powerset of
all n features is never listed.

Attributions are measured from the baseline v(empty) = f(0...0). Two indices differ. For FBII it is
the intercept of the fit, the sum of F(k) over |k| <= order. For Fourier it is F(()), the mean.

Values and baseline agree with shapiq 1.4.1 (`ExactComputer`, its values and `.baseline_value`) in
every order of every index that it has. At the empty set, shapiq stores the baseline too, except for
SII above order 1, BII and BV. For these it stores the index's formula applied to the empty set, a
weighted mean of f.
"""

import enum
import math
import unicodedata
from fractions import Fraction
from functools import lru_cache

from spex.errors import ArgumentError
from spex.wording import did_you_mean


class InteractionIndex(enum.StrEnum):
    """The indices that a spectrum can be converted to.

    SV: Shapley value. BV: Banzhaf value. SII, BII: Shapley and Banzhaf interaction index
    (Grabisch & Roubens 1999). K_SII: k-Shapley values (Bordt & von Luxburg 2023). STII:
    Shapley-Taylor (Sundararajan et al. 2020). FSII, FBII: Faith-Shap and Faith-Banzhaf
    (Tsai et al. 2023). MOEBIUS and FOURIER: the coefficients of the two transforms.

    Example:
        >>> import spex
        >>> e = spex.explain(lambda masks: 1.0 * masks[:, 0], 2, budget=4)
        >>> e.interactions(spex.InteractionIndex.SV).top(1)  # or e.interactions("SV")
        [((0,), 1.0)]
    """

    SV = "SV"
    BV = "BV"
    SII = "SII"
    K_SII = "k-SII"
    BII = "BII"
    STII = "STII"
    FSII = "FSII"
    FBII = "FBII"
    MOEBIUS = "Moebius"
    FOURIER = "Fourier"

    @classmethod
    def parse(cls, index: "str | InteractionIndex") -> "InteractionIndex":
        """Read the name of an index: any case; also kSII, Möbius and Mobius.

        Raises:
            ArgumentError: the name is not known.
        """
        if isinstance(index, str):
            # NFC, because some keyboards send the o and its dots as two characters.
            name = unicodedata.normalize("NFC", index).strip().casefold()
            found = _NAMES.get(name)
            if found is not None:
                return found
        close = did_you_mean(index, InteractionIndex)
        raise ArgumentError(
            f"index={index!r} is not known{close}; use one of {', '.join(InteractionIndex)}"
        )

    @property
    def corrected_as(self) -> str:
        """The name of the correction that applies to it (`spex.fitting.correction`).

        SV and k-SII are sums over SII. Those of the Banzhaf family have none.
        """
        of_sii = (InteractionIndex.SV, InteractionIndex.K_SII)
        return str(InteractionIndex.SII if self in of_sii else self)

    @property
    def weighs_sizes(self) -> bool:
        """Whether small and large sets count more than in the mean over all sets."""
        return self.corrected_as in ("SII", "FSII", "STII")

    @property
    def is_transform(self) -> bool:
        """Whether the values are coefficients of f, including that of the empty set."""
        return self in (InteractionIndex.MOEBIUS, InteractionIndex.FOURIER)


_NAMES = {index.value.casefold(): index for index in InteractionIndex} | {
    "ksii": InteractionIndex.K_SII,
    "möbius": InteractionIndex.MOEBIUS,
    "mobius": InteractionIndex.MOEBIUS,
}
FIRST_ORDER = (InteractionIndex.SV, InteractionIndex.BV)


def highest_of_baseline(index: InteractionIndex, order: int, degree: int) -> int:
    """The highest order of the coefficients whose sum is the baseline."""
    if index is InteractionIndex.FOURIER:
        return 0
    return order if index is InteractionIndex.FBII else degree


@lru_cache(maxsize=1 << 16)
def exact_weight(index: InteractionIndex, order: int, s: int, d: int) -> Fraction:
    """W(s, d) of equation (2) for 1 <= s <= min(order, d), exactly.

    SII: w(s, t) = 1 / (t-s+1), Grabisch, Marichal & Roubens (2000), eq. 7. In (2) that sums to
    (-2)^s times the integral of (1 - 2x)^(d-s) over [0, 1], zero for odd d - s. SV is its order 1.

    BII: w(s, t) = 2^(s-t), eq. 6 there, which leaves (-2)^s F(S). BV is its order 1.

    FBII: the least-squares fit of degree <= order under the uniform measure, Tsai, Yeh & Ravikumar
    (2023), eq. 13. The functions (-1)^<k,m> are orthonormal under it, so the fit is F cut at the
    order, and FBII its Moebius transform (1).
    """
    moebius = Fraction((-2) ** s)
    match index:
        case InteractionIndex.FOURIER:
            return Fraction(int(s == d))
        case InteractionIndex.MOEBIUS:
            return moebius
        case InteractionIndex.BII | InteractionIndex.BV:
            return moebius * int(s == d)
        case InteractionIndex.FBII:
            return moebius * int(d <= order)
        case InteractionIndex.SII | InteractionIndex.SV:
            return moebius / (d - s + 1) * ((d - s + 1) % 2)
        case InteractionIndex.K_SII:
            return _k_sii(order, s, d)
        case InteractionIndex.STII:
            return _stii(s, d) if s == order else moebius
        case InteractionIndex.FSII:
            return moebius + _fsii_share(order, s, d)


def _k_sii(order: int, s: int, d: int) -> Fraction:
    """The recursion of the n-Shapley values of Bordt & von Luxburg (2023), unrolled.

    I(S) = sum_{T >= S, |T| <= order} B_{|T|-|S|} SII(T) with Bernoulli numbers, B_1 = -1/2.
    """
    terms = (
        math.comb(d - s, t - s)
        * _bernoulli(t - s)
        * exact_weight(InteractionIndex.SII, order, t, d)
        for t in range(s, min(order, d) + 1)
    )
    return sum(terms, start=Fraction(0))


def _stii(s: int, d: int) -> Fraction:
    """STII of its highest order s, Sundararajan, Dhamdhere & Agarwal (2020).

    Each T >= S shares its a(T) equally among its binom(|T|, s) subsets of that order. Of lower
    orders, STII is a(S).
    """
    terms = (
        Fraction(math.comb(d - s, t - s) * (-2) ** t, math.comb(t, s)) for t in range(s, d + 1)
    )
    return sum(terms, start=Fraction(0))


def _fsii_share(order: int, s: int, d: int) -> Fraction:
    """The term that FSII adds to a(S), Tsai, Yeh & Ravikumar (2023), eq. 16.

    From each T > S with |T| > order, (-1)^(order-s) s/(order+s) binom(order, s)
    binom(t-1, order) / binom(t+order-1, order+s) a(T).
    """
    terms = (
        Fraction(
            math.comb(d - s, t - s) * (-2) ** t * math.comb(t - 1, order),
            math.comb(t + order - 1, order + s),
        )
        for t in range(order + 1, d + 1)
    )
    factor = Fraction((-1) ** (order - s) * s * math.comb(order, s), order + s)
    return factor * sum(terms, start=Fraction(0))


@lru_cache(maxsize=1 << 10)
def _bernoulli(m: int) -> Fraction:
    """The Bernoulli number B_m with B_1 = -1/2: sum_{j=0}^{m} binom(m+1, j) B_j = 0 for m > 0."""
    if m == 0:
        return Fraction(1)
    # Lower ones first, so that the recursion stays shallow.
    lower = [_bernoulli(j) for j in range(m)]
    return -sum((math.comb(m + 1, j) * b for j, b in enumerate(lower)), start=Fraction(0)) / (m + 1)
