"""The methods that users choose from: one table, which the pipeline, the help and reports read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from spex.fourier.mask_design import DRAWN_OF_AUTO, DRAWN_OF_SPEX, DrawnShare
from spex.surrogates.base import Samples, Surrogate
from spex.surrogates.boosted_trees import BoostedTrees
from spex.surrogates.coded import Spex
from spex.surrogates.gaussian_process import GaussianProcess
from spex.surrogates.linear import Linear

# Above this number of masks times features `auto` grows no trees, which would take many minutes.
_TREE_CELLS = 1 << 21


@dataclass(frozen=True)
class Method:
    """A way from evaluated masks to a spectrum.

    Args:
        name: What `method=` calls it.
        sentence: What it does, in a few words.
        candidates: From samples and the highest order to the surrogates it chooses from, the
            cheapest first.
        drawn: How much of the budget is for drawn masks; None if all masks are drawn.
        needs_coded: Whether nothing can be fitted without coded masks.
    """

    name: str
    sentence: str
    candidates: Callable[[Samples, int], Sequence[Surrogate]]
    drawn: DrawnShare | None = None
    needs_coded: bool = False


def _all_candidates(samples: Samples, max_degree: int) -> Sequence[Surrogate]:
    found: list[Surrogate] = [Linear()]
    if samples.coded is not None:
        found.append(Spex())
    found.append(GaussianProcess(max_degree))
    if len(samples) * samples.n_features <= _TREE_CELLS:
        found.append(BoostedTrees(max_degree))
    return found


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("auto", "the best surrogate, or several joined", _all_candidates, DRAWN_OF_AUTO),
            # Fewer masks than all are fitted like those of auto while the run goes on.
            Method("exact", "all masks evaluated", _all_candidates),
            Method(
                "gp",
                "Gaussian process, its largest Fourier coefficients",
                lambda _, max_degree: [GaussianProcess(max_degree)],
            ),
            Method("linear", "features one by one", lambda *_: [Linear()]),
            Method(
                "proxyspex",
                "boosted trees, their largest Fourier coefficients",
                lambda _, max_degree: [BoostedTrees(max_degree)],
            ),
            Method(
                "spex",
                "coded masks, sparse Fourier transform",
                lambda *_: [Spex()],
                DRAWN_OF_SPEX,
                needs_coded=True,
            ),
        )
    }
)
