"""Interaction indices, read from a sparse Fourier spectrum in closed form.

With spex's convention f(m) = sum_k F(k) (-1)^<k,m>, m_i = 1 for a present feature, the Moebius
transform f(m) = sum_{T <= m} a(T) is

    a(T) = (-2)^|T| sum_{k >= T} F(k),                                                        (1)

because (-1)^{m_i} = 1 - 2 m_i. Every index below is linear and treats features alike, hence is
a sum over Moebius coefficients with weights that depend on sizes only, and by (1) also

    I(S) = sum_{k >= S} W(|S|, |k|) F(k),                                                     (2)
    W(s, d) = sum_{t=s}^{d} binom(d-s, t-s) (-2)^t w(s, t),    I(S) = sum_{T >= S} w(|S|, |T|) a(T).

So an index is one small table W (`_weight`, exact fractions), and one expansion turns any of
them into values: each frequency of the support sends W(|S|, |k|) F(k) to its own subsets S of the
orders asked for. A powerset of all n features is never listed. Where nearly all of 2^n
frequencies are there, sums over supersets do the same work faster (`_dense`).

The baseline is what the attributions are measured from: v(empty) = f(0...0), except that for FBII
it is the intercept of the fit, the sum of F(k) over |k| <= order, and for Fourier F(()), the mean.

Values and baseline agree with shapiq 1.4.1 (`ExactComputer`, its values and `.baseline_value`) in
every order of every index that it has. What shapiq stores at the empty set is the baseline too,
but for SII above order 1, BII and BV: there it is the index's formula applied to the empty set, a
weighted mean of f.
"""

import enum
import math
import unicodedata
from fractions import Fraction
from functools import lru_cache

from spex.errors import ArgumentError


class InteractionIndex(enum.StrEnum):
    """The indices that a spectrum can be read as.

    SV: Shapley value. BV: Banzhaf value. SII, BII: Shapley and Banzhaf interaction index
    (Grabisch & Roubens 1999). K_SII: k-Shapley values (Bordt & von Luxburg 2023). STII:
    Shapley-Taylor (Sundararajan et al. 2020). FSII, FBII: Faith-Shap and Faith-Banzhaf
    (Tsai et al. 2023). MOEBIUS and FOURIER: the coefficients of the two transforms.
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
        """Read the name of an index; case does not matter, and kSII and Möbius are known too.

        Raises:
            ArgumentError: there is no such index.
        """
        if isinstance(index, str):
            # NFC, because some keyboards send the o and its dots as two characters.
            name = unicodedata.normalize("NFC", index).strip().casefold()
            found = _NAMES.get(name)
            if found is not None:
                return found
        raise ArgumentError(
            f"index={index!r} is not known; use one of {', '.join(InteractionIndex)}"
        )

    @property
    def is_transform(self) -> bool:
        """Whether the values are coefficients of f itself, the empty set's among them."""
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

    k-SII: the recursion of the n-Shapley values of Bordt & von Luxburg (2023), unrolled:
    I(S) = sum_{T >= S, |T| <= order} B_{|T|-|S|} SII(T) with Bernoulli numbers, B_1 = -1/2.

    STII: Sundararajan, Dhamdhere & Agarwal (2020): a(S) below the highest order; there, each
    T >= S shares its a(T) equally among its binom(|T|, order) subsets of that order.

    FSII: Tsai, Yeh & Ravikumar (2023), eq. 16: a(S) plus, from each T > S with |T| > order,
    (-1)^(order-s) s/(order+s) binom(order, s) binom(t-1, order) / binom(t+order-1, order+s) a(T).

    FBII: the least-squares fit of degree <= order under the uniform measure (eq. 13 there). The
    functions (-1)^<k,m> are orthonormal under it, so the fit is F cut at the order, and FBII its
    Moebius transform (1).
    """
    sign_and_power = Fraction((-2) ** s)
    match index:
        case InteractionIndex.FOURIER:
            return Fraction(int(s == d))
        case InteractionIndex.BII | InteractionIndex.BV:
            return sign_and_power * int(s == d)
        case InteractionIndex.FBII:
            return sign_and_power * int(d <= order)
        case InteractionIndex.MOEBIUS:
            return sign_and_power
        case InteractionIndex.SII | InteractionIndex.SV:
            return sign_and_power / (d - s + 1) * ((d - s + 1) % 2)
        case InteractionIndex.K_SII:
            return sum(
                (
                    math.comb(d - s, t - s)
                    * _bernoulli(t - s)
                    * exact_weight(InteractionIndex.SII, order, t, d)
                    for t in range(s, min(order, d) + 1)
                ),
                start=Fraction(0),
            )
        case InteractionIndex.STII if s < order:
            return sign_and_power
        case InteractionIndex.STII:
            return sum(
                (
                    Fraction(math.comb(d - s, t - s) * (-2) ** t, math.comb(t, s))
                    for t in range(s, d + 1)
                ),
                start=Fraction(0),
            )
        case InteractionIndex.FSII:
            shared = sum(
                (
                    Fraction(
                        math.comb(d - s, t - s) * (-2) ** t * math.comb(t - 1, order),
                        math.comb(t + order - 1, order + s),
                    )
                    for t in range(order + 1, d + 1)
                ),
                start=Fraction(0),
            )
            factor = Fraction((-1) ** (order - s) * s * math.comb(order, s), order + s)
            return sign_and_power + factor * shared


@lru_cache(maxsize=1 << 10)
def _bernoulli(m: int) -> Fraction:
    """The Bernoulli number B_m with B_1 = -1/2: sum_{j=0}^{m} binom(m+1, j) B_j = 0 for m > 0."""
    if m == 0:
        return Fraction(1)
    # B_3, B_5, ... are zero; asking for lower ones first keeps the recursion shallow.
    lower = [_bernoulli(j) for j in range(m)]
    return -sum((math.comb(m + 1, j) * b for j, b in enumerate(lower)), start=Fraction(0)) / (m + 1)
