"""What other packages have found, as an explanation."""

import math
from collections.abc import Mapping, Sequence

from spex._typing import Interaction
from spex.context import Context
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.fourier.spectrum import Spectrum
from spex.interactions.moebius import spectrum_from_moebius


def labels_of(features: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """The labels of n features; numbers for None.

    Raises:
        ArgumentError: there are more or fewer.
    """
    labels = tuple(map(str, range(n) if features is None else features))
    if isinstance(features, str) or len(labels) != n:
        raise ArgumentError(f"features: give {n} labels, one for each feature")
    return labels


def explanation_of(
    function: Spectrum | Mapping[Interaction, float],
    labels: Sequence[str],
    *,
    method: str,
    spent: int,
    note: str,
) -> Explanation:
    """An explanation of which nothing is known but the function.

    Args:
        function: its spectrum, or its Moebius coefficients.
        labels: of its features.
        method: the package and the index.
        spent: evaluations of the model; 0 if they are unknown.
        note: where it is from and what it holds: the subject and the verb of a sentence.
    """
    if not isinstance(function, Spectrum):
        function = spectrum_from_moebius(function, len(labels))
    return Explanation(
        features=tuple(labels),
        spectrum=function,
        r2=math.nan,
        r2_interval=(math.nan, math.nan),
        n_evaluations=spent,
        method=method,
        budget=spent,
        seed=0,
        notes=(
            f"{note} taken as the whole function; how much of the model they explain is not known.",
        ),
        context=Context(),
    )
