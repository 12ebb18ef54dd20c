"""Linear algebra of positive definite matrices that lets other threads run.

Folds are fitted in threads, and SciPy's own wrappers of LAPACK keep Python's global lock, so that
two such threads take longer than one. The same functions of LAPACK are called here by ctypes, which
gives the lock back, through the pointers that SciPy publishes for Cython.

Matrices are C-contiguous float64 of which the lower triangle counts: LAPACK, which stores columns,
sees it as the upper one.
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import scipy.linalg
from numba.extending import get_cython_function_address

from spex._typing import FloatArray


def cholesky(matrix: FloatArray) -> FloatArray:
    """The lower factor L of L L^T, written over the lower triangle; the upper one is left as it is.

    Raises:
        scipy.linalg.LinAlgError: the matrix is not positive definite, or not finite.
    """
    _call("dpotrf", matrix, _size(matrix))
    # LAPACK lets NaN pass; wherever there was one, the diagonal has one now.
    if not np.isfinite(matrix.diagonal()).all():
        raise scipy.linalg.LinAlgError("the matrix is not finite, so not positive definite")
    return matrix


def solve(factor: FloatArray, right: FloatArray) -> FloatArray:
    """L L^T x = b for each row b: (k, k) and (k,) or (r, k) to the shape of the right side."""
    found = np.array(right, dtype=np.float64, order="C")
    if found.shape[-1] != len(factor):
        raise ValueError(f"right sides of {found.shape[-1]} numbers for {len(factor)} unknowns")
    rows = ctypes.c_int(found.size // max(len(factor), 1))
    _call("dpotrs", factor, _size(factor), rows, found)
    return found


def penalised_cholesky(gram: FloatArray, penalty: FloatArray | float) -> FloatArray:
    """The lower factor of gram + diag(penalty), in a copy.

    Adds a little to the diagonal of a singular matrix. With more columns than masks and almost no
    penalty, the fit then goes through every value, and that is the fit to judge.

    Args:
        gram: (k, k) float64, of which the lower triangle counts.
        penalty: (k,) or one number.

    Raises:
        scipy.linalg.LinAlgError: the raised matrix is not positive definite, or not finite.
    """

    def factor(raised: float) -> FloatArray:
        system = gram.copy()
        system[np.diag_indices(len(gram))] += penalty + raised
        return cholesky(system)

    try:
        return factor(0.0)
    except scipy.linalg.LinAlgError:
        return factor(1e-8 * float(gram.diagonal().max()) + 1e-300)


def ridge(gram: FloatArray, penalty: FloatArray | float, cross: FloatArray) -> FloatArray:
    """Ridge coefficients: the solution x of (gram + diag(penalty)) x = cross.

    Args:
        gram: (k, k) float64.
        penalty: (k,) or one number: noise variance over each coefficient's prior variance.
        cross: (k,).
    """
    return solve(penalised_cholesky(gram, penalty), cross)


def inverse(factor: FloatArray) -> FloatArray:
    """(L L^T)^-1, its lower triangle written over the factor."""
    _call("dpotri", factor, _size(factor))
    return factor


def _size(matrix: FloatArray) -> ctypes.c_int:
    return ctypes.c_int(len(matrix))


def _call(
    name: str,
    matrix: FloatArray,
    size: ctypes.c_int,
    rows: ctypes.c_int | None = None,
    right: FloatArray | None = None,
) -> None:
    """A function of LAPACK: UPLO, N, [NRHS,] A, LDA, [B, LDB,] INFO, all of them by reference."""
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    if not (square and matrix.flags.c_contiguous and matrix.dtype == np.float64):
        # LAPACK would read, and write, what is not the matrix's.
        raise ValueError(f"not a C-contiguous square float64 matrix: {matrix.dtype} {matrix.shape}")
    failed = ctypes.c_int(0)
    leading = ctypes.c_int(max(len(matrix), 1))
    arguments: list[Any] = [ctypes.c_char_p(b"U"), ctypes.byref(size)]
    if rows is not None:
        arguments.append(ctypes.byref(rows))
    arguments += [ctypes.c_void_p(matrix.ctypes.data), ctypes.byref(leading)]
    if right is not None:
        arguments += [ctypes.c_void_p(right.ctypes.data), ctypes.byref(leading)]
    _function(name)(*arguments, ctypes.byref(failed))
    if failed.value:
        raise scipy.linalg.LinAlgError(
            f"{name}: the matrix is not positive definite in row {failed.value}"
        )


@cache
def _function(name: str) -> Any:
    address = get_cython_function_address("scipy.linalg.cython_lapack", name)
    return ctypes.CFUNCTYPE(None)(address)
