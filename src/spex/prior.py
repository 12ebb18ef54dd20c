"""Prior knowledge about features before any call: data that surrogates may use."""

from dataclasses import dataclass

from spex.errors import ArgumentError
from spex.wording import counted


@dataclass(frozen=True)
class Prior:
    """What a source of values knows about its features.

    A prior changes how few masks a surrogate needs, never what many masks say.

    Args:
        relevance: (n,) positive numbers: how much each feature is expected to matter, relative to
            the others; None for all alike.
        close: Pairs of features that may well interact; each is tried as a candidate.
        sequence: Feature numbers that stand in a row, first to last, such as the words of a text:
            leaving one out makes neighbours of the two beside it. Empty if there is no order.

    Raises:
        ArgumentError: a relevance is not positive and finite, or a feature is named twice.

    Example:
        >>> import spex
        >>> prior = spex.Prior(close=((0, 1),), sequence=(0, 1, 2))
        >>> spex.Run(3, budget=8, prior=prior).total
        8
    """

    relevance: tuple[float, ...] | None = None
    close: tuple[tuple[int, int], ...] = ()
    sequence: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        try:
            pairs = all(len(pair) == 2 for pair in self.close) and list(self.sequence)
        except TypeError:
            pairs = False
        if pairs is False:
            raise ArgumentError(
                "close takes pairs, such as ((0, 1), (2, 3)), and sequence feature numbers, such "
                "as (0, 1, 2)"
            )
        if self.relevance is not None and not all(0 < r < float("inf") for r in self.relevance):
            raise ArgumentError("relevance: every number must be positive and finite")
        if len(set(self.sequence)) != len(self.sequence):
            raise ArgumentError("sequence names a feature twice")
        for i, j in self.close:
            if i == j:
                raise ArgumentError(f"close: feature {i} is paired with itself")

    def check(self, n_features: int) -> None:
        """Check the feature numbers.

        Raises:
            ArgumentError: the prior does not fit this number of features.
        """
        if self.relevance is not None and len(self.relevance) != n_features:
            raise ArgumentError(
                f"relevance holds {counted(len(self.relevance), 'number')} for "
                f"{counted(n_features, 'feature')}"
            )
        named = {*self.sequence, *(feature for pair in self.close for feature in pair)}
        if outside := sorted(feature for feature in named if not 0 <= feature < n_features):
            raise ArgumentError(f"the prior names feature {outside[0]} of {n_features}")


NO_PRIOR = Prior()
