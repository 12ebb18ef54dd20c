"""What a method of attribution is, and what it says of a value function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from spex._typing import BoolArray, FloatArray
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.fourier.spectrum import Spectrum
from spex.prior import NO_PRIOR, Prior

ValueFunctionOnMasks: TypeAlias = Callable[[BoolArray], FloatArray]


class RefusedError(ArgumentError):
    """The method does not take this number of features or this budget."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a method says of one value function.

    Args:
        spectrum: Its surrogate. If a method gives values of an index and no surrogate, such as
            Shapley values, the surrogate is the sum of its values over the present sets. That is
            f(none) + the sum of v(T) over all sets T with all features present. Leave-one-out and
            gradients never see f(none): theirs is f(all) - sum of the values of the absent
            features.
        n_evaluations: Distinct masks that it asked for.
        seconds: Wall clock outside the value function.
        r2: What the method itself says of its R2, with a 90 % interval; NaN if it says nothing.
        r2_interval: See `r2`.
        n_asked: Masks that it asked for, repeats included, which are free.
        chosen: The method that `auto` chose; "" for others.
        explanation: For a method of spex, the whole explanation, with its standard errors.
    """

    spectrum: Spectrum
    n_evaluations: int
    seconds: float
    r2: float = float("nan")
    r2_interval: tuple[float, float] = (float("nan"), float("nan"))
    n_asked: int = 0
    chosen: str = ""
    explanation: Explanation | None = None


class Method(Protocol):
    """A method of attribution.

    Laws: a method asks for at most `budget` distinct masks, all through the function given. The
    same seed gives the same masks. A method leaves no global random state changed.
    """

    @property
    def name(self) -> str:
        """As `--methods` names it."""
        ...

    @property
    def package(self) -> str:
        """The package that does the work, as pip names it."""
        ...

    @property
    def order(self) -> int | None:
        """The highest order of its interactions; None if there is no limit."""
        ...

    @property
    def takes_masks(self) -> bool:
        """Whether it fits masks that somebody else has drawn: uniform ones, shared by methods."""
        ...

    def attribute(
        self,
        function: ValueFunctionOnMasks,
        n_features: int,
        budget: int,
        seed: int,
        prior: Prior = NO_PRIOR,
    ) -> Attribution:
        """Ask for at most `budget` masks and say what drives the function.

        Args:
            function: From masks (m, n) bool, True = present, to values (m,) float64.
            n_features: n.
            budget: The most distinct masks.
            seed: Random seed.
            prior: What is known of the features; methods other than those of spex ignore it.

        Raises:
            RefusedError: too many features for the method, or too small a budget.
            MissingExtraError: its package is not installed.
        """
        ...
