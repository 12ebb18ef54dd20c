"""Peers that estimate Shapley values and interactions of order 2, in an environment of their own.

`shapley.py` starts this file with the Python of that environment, for shapiq's newest release and
that of spex need different ones; so nothing here imports spex. Each line read is a JSON object with
the path of a game (.npz), an index, a method, a budget and a seed; each line written is one with
what came of it. A game is a table of 2^n values, or trees that are evaluated where asked.

    shap-kernel           shap.KernelExplainer, from nothing to everything present, all kept
    shap-permutation      shap.PermutationExplainer
    all others            the approximators of shapiq as they come; ProxySHAP also with the
                          correction that its authors call adjustment
"""

import json
import signal
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

PAIR_INDICES = ("k-SII", "FSII", "FBII")
PACKAGES = ("shapiq==1.8.0", "shap==0.54.1", "lightgbm==4.7.0", "xgboost-cpu==3.4.1")


class OverBudgetError(Exception):
    """A method asked for more distinct masks than the budget."""


class Game:
    """Values of masks (m, n) as (m,) float64.

    Args:
        path: Of an .npz with `values` (2^n,), bit i of the index being feature i, or with `model`
            (text of a LightGBM booster), `row` and `background`; and the true values by index.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.parts = dict(file)
        self.is_table = "values" in self.parts
        if self.is_table:
            self.n = int(np.log2(len(self.parts["values"])))
        else:
            import lightgbm

            self.n = len(self.parts["row"])
            self._trees = lightgbm.Booster(model_str=str(self.parts["model"]))

    @property
    def indices(self) -> tuple[str, ...]:
        return tuple(index for index in ("SV", *PAIR_INDICES) if index in self.parts)

    def values(self, masks: np.ndarray) -> np.ndarray:
        if self.is_table:
            return self.parts["values"][masks @ (1 << np.arange(self.n))]
        rows = np.where(masks, self.parts["row"], self.parts["background"])
        return self._trees.predict(rows, raw_score=True, num_threads=1)

    def error(self, index: str, found: np.ndarray) -> float:
        """Mean squared error over the mean square of the truth."""
        truth = self.parts[index]
        return float(((found - truth) ** 2).mean() / (truth**2).mean())


class Counted:
    """A game that counts masks, and refuses distinct ones beyond a budget.

    Args:
        game: The game.
        budget: Cap.
    """

    def __init__(self, game: Game, budget: int) -> None:
        self._game = game
        self._budget = budget
        self._known: set[bytes] = set()
        self.asked = 0
        self._inside = 0.0
        self._start = time.perf_counter()

    def __call__(self, masks: Any) -> np.ndarray:
        start = time.perf_counter()
        # The peers pass floats, a data frame, or a single row.
        present = np.ascontiguousarray(np.atleast_2d(np.asarray(masks)) != 0)
        self._known.update(row.tobytes() for row in np.packbits(present, axis=1))
        self.asked += len(present)
        if len(self._known) > self._budget:
            raise OverBudgetError(f"asked for more than {self._budget} distinct masks")
        values = self._game.values(present)
        self._inside += time.perf_counter() - start
        return values

    def counts(self) -> dict[str, float]:
        """Distinct masks, masks asked for, and seconds outside the game."""
        seconds = time.perf_counter() - self._start - self._inside
        return {"calls": len(self._known), "asked": self.asked, "seconds": seconds}


def shap_kernel(counted: Counted, n: int, index: str, budget: int, seed: int) -> np.ndarray:
    import shap

    np.random.seed(seed)  # noqa: NPY002
    explainer = shap.KernelExplainer(counted, np.zeros((1, n)))
    # The two evaluations more are those of nothing and of everything.
    return explainer.shap_values(np.ones((1, n)), nsamples=budget - 2, l1_reg=0, silent=True)[0]


def shap_permutation(counted: Counted, n: int, index: str, budget: int, seed: int) -> np.ndarray:
    import shap

    np.random.seed(seed)  # noqa: NPY002
    explainer = shap.PermutationExplainer(counted, np.zeros((1, n)), seed=seed)
    return explainer(np.ones((1, n)), max_evals=budget, silent=True).values[0]


def approximator(
    counted: Counted, n: int, index: str, budget: int, seed: int, *, name: str, **own: Any
) -> np.ndarray:
    import shapiq

    order = 1 if index == "SV" else 2
    if name in ("ProxySHAP", "SVARMIQ", "SHAPIQ", "KernelSHAPIQ", "InconsistentKernelSHAPIQ",
                "PermutationSamplingSII"):  # fmt: skip
        own |= {"index": index, "max_order": order}
    elif name in ("SVARM", "RegressionMSR"):
        own |= {"index": index}
    elif name == "PolySHAP":
        own |= {"max_order": 2}
    elif name == "RegressionFSII":
        own |= {"max_order": 2}
    found = getattr(shapiq, name)(n=n, random_state=seed, **own).approximate(budget, counted)
    return np.array([found[key] for key in combinations(range(n), order)])


SV, PAIRS = ("SV",), ("k-SII", "FSII")
# Name: the indices that it has, and its function.
METHODS: dict[str, tuple[tuple[str, ...], Callable[..., np.ndarray]]] = {
    "shap-kernel": (SV, shap_kernel),
    "shap-permutation": (SV, shap_permutation),
    "KernelSHAP": (SV, partial(approximator, name="KernelSHAP")),
    "LeverageSHAP": (SV, partial(approximator, name="LeverageSHAP")),
    "OddSHAP": (SV, partial(approximator, name="OddSHAP")),
    "PolySHAP": (SV, partial(approximator, name="PolySHAP")),
    "SVARM": (SV, partial(approximator, name="SVARM")),
    "RegressionMSR": (SV, partial(approximator, name="RegressionMSR")),
    "ProxySHAP": (SV + PAIRS, partial(approximator, name="ProxySHAP")),
    "ProxySHAP-adjusted": (
        SV + PAIRS,
        partial(approximator, name="ProxySHAP", adjustment=True),
    ),
    "KernelSHAP-IQ": (("k-SII",), partial(approximator, name="KernelSHAPIQ")),
    "KernelSHAP-IQ-inconsistent": (
        ("k-SII",),
        partial(approximator, name="InconsistentKernelSHAPIQ"),
    ),
    "Permutation-SII": (("k-SII",), partial(approximator, name="PermutationSamplingSII")),
    "RegressionFSII": (("FSII",), partial(approximator, name="RegressionFSII")),
    "SVARM-IQ": (PAIRS, partial(approximator, name="SVARMIQ")),
    "SHAP-IQ": (PAIRS, partial(approximator, name="SHAPIQ")),
}


@cache
def load(path: str) -> Game:
    return Game(Path(path))


def run(path: str, index: str, method: str, budget: int, seed: int) -> dict[str, Any]:
    """What a method did on a game, whatever that was."""
    game = load(path)
    counted = Counted(game, budget)
    try:
        found = METHODS[method][1](counted, game.n, index, budget, seed)
    except OverBudgetError as error:
        return {"status": "refused", "reason": str(error), **counted.counts()}
    except TimeoutError:
        return {"status": "time-out", **counted.counts()}
    except Exception as error:  # whatever a peer raises is a result
        # Those that say that a budget is too small do so by a ValueError.
        too_small = isinstance(error, ValueError) and (
            "budget" in str(error) or "max_evals" in str(error)
        )
        reason = f"{type(error).__name__}: {error}"
        return {"status": "refused" if too_small else "failed", "reason": reason}
    error = game.error(index, found)
    if counted.counts()["calls"] <= 1:
        return {"status": "refused", "reason": "gave zeros and asked for nothing"}
    if not np.isfinite(error):
        return {"status": "failed", "reason": "not a number", **counted.counts()}
    return {"status": "ok", "error": error, **counted.counts()}


def _stop(*_: object) -> None:
    raise TimeoutError


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what packages print is no answer
    warnings.simplefilter("ignore")
    for package in ("lightgbm", "shap", "shapiq", "xgboost"):
        import_module(package)  # now, so that no run is charged with it
    signal.signal(signal.SIGALRM, _stop)
    limit = int(sys.argv[1])
    for line in sys.stdin:
        signal.alarm(limit)
        answer = run(**json.loads(line))
        signal.alarm(0)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
