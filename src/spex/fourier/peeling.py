"""Decoding by message passing: from bins to a sparse spectrum.

A bin with one dominant frequency k shows, in the signs of U_i relative to U_0, the syndrome of k
(Kang, Butler et al. 2025, section 4.2). Each round

1. decodes the syndrome of every bin that still holds energy (hard decision), and keeps the k that
   fall into the bin they were found in, M_c k = j: a wrong k does so with probability 2^-b only;
2. adds them to the support and estimates all coefficients anew, jointly, by least squares on the
   bins of all groups, so that what collides is shared out rightly;
3. drops coefficients that the bins do not support any longer, and subtracts the rest.

Deviation from the source, which subtracts each coefficient once, as first estimated: the joint
estimate lets a bin of two frequencies give away its stronger one, then the weaker.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from spex._typing import FloatArray, IntArray, WordArray
from spex.f2.packing import pack, parity
from spex.fourier.design import Design
from spex.fourier.spectrum import Spectrum

# Share of a bin's energy that the decoded frequency must explain. The first rounds take singletons
# only; later ones take the stronger of two, whose signs a weaker partner cannot turn.
_EXPLAINED = (0.9, 0.7, 0.5)
_MAX_ROUNDS = 40
# A coefficient stays while it is this many standard errors away from zero.
_SIGNIFICANT = 3.0
# Energy below this share of the whole is rounding error.
_ROUNDING = 1e-20


@dataclass(frozen=True)
class DecodeResult:
    """What message passing found.

    Args:
        spectrum: The decoded coefficients.
        unexplained: Share of the energy of the bins (without the constant) left over, 0 to 1.
        n_rounds: Rounds of message passing.
        outcome: One sentence: what is left, and what would help.
    """

    spectrum: Spectrum
    unexplained: float
    n_rounds: int
    outcome: str


def decode(design: Design, values: FloatArray, max_degree: int) -> DecodeResult:
    """Find the large Fourier coefficients of a function from the values of its coded masks.

    Args:
        design: The masking design.
        values: (n_masks,) float64, the function at `design.masks`.
        max_degree: Frequencies of higher order are not accepted.

    Returns:
        The decoded spectrum and what was left.
    """
    bins = design.bins(values)
    n_words = design.matrices.shape[2]
    support = np.zeros((1, n_words), dtype=np.uint64)  # the constant is always there
    coefficients = _estimate(design, bins, support)[0]
    residual = _subtract(design, bins, support, coefficients)
    total = max(float((residual**2).sum()), np.finfo(np.float64).tiny)
    rounding = _ROUNDING * float((bins**2).sum())

    level, rounds = 0, 0
    while rounds < _MAX_ROUNDS and float((residual**2).sum()) > rounding:
        rounds += 1
        found = _decode_bins(design, residual, max_degree, _EXPLAINED[level], rounding)
        known = {row.tobytes() for row in support}
        new = [row for row in found if row.tobytes() not in known]
        if not new:
            level += 1
            if level == len(_EXPLAINED):
                break
            continue
        support = np.concatenate([support, np.stack(new)])
        coefficients, _ = _estimate(design, bins, support)
        residual = _subtract(design, bins, support, coefficients)

    # Only now: while frequencies are missing, what they leave behind makes every error look large.
    coefficients, errors = _estimate(design, bins, support)
    significant = np.abs(coefficients) >= _SIGNIFICANT * errors
    significant[0] = True
    if not significant.all():
        support = support[significant]
        coefficients, _ = _estimate(design, bins, support)
        residual = _subtract(design, bins, support, coefficients)

    unexplained = float((residual**2).sum()) / total
    nonzero = np.abs(coefficients) > 1e-12 * np.abs(coefficients).max(initial=0.0)
    nonzero[0] = True
    spectrum = Spectrum(design.n_features, support[nonzero], coefficients[nonzero])
    return DecodeResult(spectrum, unexplained, rounds, _outcome(unexplained, design))


def _outcome(unexplained: float, design: Design) -> str:
    if unexplained < 1e-9:
        return "every bin is explained"
    return (
        f"{unexplained:.0%} of the bins' energy is left: more budget (now {design.n_groups} groups "
        f"of {1 << design.log2_bins} bins) or coarser features would help"
    )


def _signs(design: Design, frequencies: WordArray) -> FloatArray:
    """(k, P + 1) of (-1)^<p_i,k>."""
    odd = parity(frequencies[:, None, :], design.offsets[None, :, :])
    return np.where(odd, -1.0, 1.0)


def _estimate(
    design: Design, bins: FloatArray, support: WordArray
) -> tuple[FloatArray, FloatArray]:
    """Least squares of all bins on a support; coefficients and their standard errors.

    Two frequencies meet only in the bins that they share, so the normal equations need the signs
    at the offsets and the bin numbers, never the masks.
    """
    signs = _signs(design, support)
    numbers = design.bin_numbers(support)
    products = signs @ signs.T
    gram = np.zeros_like(products)
    moment = np.zeros(len(support))
    for group, number in enumerate(numbers):
        gram += products * (number[:, None] == number[None, :])
        moment += (signs * bins[group][:, number].T).sum(axis=1)
    # Frequencies that these masks cannot tell apart share their coefficient (a tiny ridge).
    gram[np.diag_indices_from(gram)] *= 1.0 + 1e-14
    factor = scipy.linalg.cho_factor(gram, lower=True)
    coefficients = scipy.linalg.cho_solve(factor, moment)
    residual = _subtract(design, bins, support, coefficients)
    freedom = max(1, residual.size - len(support))
    variance = float((residual**2).sum()) / freedom
    inverse_diagonal = np.einsum("ij,ij->j", *(2 * [_inverse_lower(factor[0])]))
    return coefficients, np.sqrt(variance * inverse_diagonal)


def _inverse_lower(factor: FloatArray) -> FloatArray:
    identity = np.eye(len(factor))
    return np.asarray(scipy.linalg.solve_triangular(factor, identity, lower=True))


def _subtract(
    design: Design, bins: FloatArray, support: WordArray, coefficients: FloatArray
) -> FloatArray:
    """The bins without what a spectrum puts into them."""
    residual = bins.copy()
    contribution = _signs(design, support) * coefficients[:, None]  # (k, P + 1)
    for group, number in enumerate(design.bin_numbers(support)):
        np.subtract.at(residual[group].T, number, contribution)
    return residual


def _decode_bins(
    design: Design, residual: FloatArray, max_degree: int, explained: float, rounding: float
) -> WordArray:
    """Frequencies that explain enough of the energy of some bin, strongest first, each once."""
    n_groups, n_offsets, n_bins = residual.shape
    observed = residual.transpose(0, 2, 1).reshape(-1, n_offsets)
    group = np.repeat(np.arange(n_groups), n_bins)
    number: IntArray = np.tile(np.arange(n_bins), n_groups)
    energy = (observed**2).mean(axis=1)
    filled = energy * residual.size > rounding
    observed, group, number, energy = (
        observed[filled],
        group[filled],
        number[filled],
        energy[filled],
    )

    syndromes = (observed[:, 1:] < 0) != (observed[:, :1] < 0)
    weights, positions = design.code.decode(syndromes)
    decoded = (weights >= 0) & (weights <= max_degree)
    observed, group, number, energy = (
        observed[decoded],
        group[decoded],
        number[decoded],
        energy[decoded],
    )
    weights, positions = weights[decoded], positions[decoded]
    if len(weights) == 0:
        return np.zeros((0, design.matrices.shape[2]), dtype=np.uint64)

    rows = np.zeros((len(weights), design.n_features + 1), dtype=np.bool_)
    rows[np.arange(len(rows))[:, None], positions] = True  # -1 fills the spare last column
    frequencies = pack(rows[:, :-1])
    amplitude = (_signs(design, frequencies) * observed).mean(axis=1)
    in_bin = design.bin_numbers(frequencies)[group, np.arange(len(group))] == number
    accepted = np.nonzero(in_bin & (amplitude**2 >= explained * energy))[0]
    accepted = accepted[np.argsort(-np.abs(amplitude[accepted]), kind="stable")]
    _, first = np.unique(frequencies[accepted], axis=0, return_index=True)
    return frequencies[accepted[np.sort(first)]]
