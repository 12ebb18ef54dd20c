"""The methods compared: those of `spex`, and others behind thin wrappers.

    auto, gp, linear, spex, ..  spex.explain(method=..), all that it has but `exact`
    spectralexplain-soft        spectralexplain.Explainer, as its README calls it
    spectralexplain-hard        the same with its other decoder, which `Explainer` has no option for
    spectralexplain-proxyspex   spectralexplain.Explainer(algorithm="proxyspex")
    sparse-transform-soft       sparse_transform.qsft.transform, which spectralexplain is built on,
    sparse-transform-hard       with the largest design that the budget buys and its lasso
                                regression on the decoded support: both packages ask for it, only
                                `report=True` reaches it
    lightgbm                    LGBMRegressor as it comes, as a black box, on uniform masks
    lightgbm-1000               1,000 trees of depth 5, learning rate .05, half of the features each
    lime, kernelshap, ..        the baselines of `spex.evaluate` that fit a surrogate, and two that
                                estimate an index; see docs/baselines.md

Methods on uniform masks see those that `spex` draws with the same seed. Those of spex are called
directly here, for what `spex.evaluate` adds to count and to remember would be in their seconds.

Facts about the authors' code (spectralexplain 0.0.4, sparse_transform 0.2.1), read and run:

- Its masks have 1 = present and its coefficients are f(m) = sum_k F(k) (-1)^<k,m>, as ours.
- A design has 3 groups of 2^b bins and P + 1 offsets, 3 (P + 1) 2^b masks. P is the parity length
  of the shortest primitive BCH code that corrects `max_order` errors and whose *dimension*, not
  length, is at least n: at max_order 5, P + 1 is 28 for n = 32, 36 for 64, 41 for 128, 46 for 256
  and 56 for 1,000.
- `Explainer` takes the largest b from 3 to 12 that the budget buys and refuses budgets below b = 3;
  to learn those numbers it first samples a dummy function on the design of b = 12.
- The random matrices M_c need not have full rank, so some masks are asked for several times.
- Random numbers come from the global state of numpy.
- ProxySPEX searches 12 sets of hyperparameters of LightGBM by five-fold cross-validation.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from functions import BoolArray, FloatArray, Function, Interaction, Noise, Synthetic, evaluate
from spex.evaluate.baselines import BASELINES as METHODS_OF_EVALUATE
from spex.evaluate.drawing import uniform_masks
from spex.evaluate.method import RefusedError
from spex.fitting.methods import METHODS as EXPLAIN_METHODS

# Of `spex.evaluate`, those that estimate no index but fit a surrogate, and two that the tables had.
BASELINES = {
    method.name: method
    for method in METHODS_OF_EVALUATE
    if method.gives == "surrogate" or method.name in ("kernelshap", "shapiq-fbii")
}


@dataclass(frozen=True)
class Recovered:
    """What a method found, and at which cost.

    Args:
        coefficients: Fourier coefficients as `spex` defines them.
        predict: From masks to the surrogate's values.
        n_evaluations: Distinct masks asked for.
        n_asked: Masks asked for, repeats included.
        seconds: Wall clock of everything but the value function.
        cpu_seconds: The same in seconds of processor time of all threads.
        decoding_seconds: The part of `seconds` in transform and message passing alone, where the
            method can be called for that part; NaN elsewhere.
        chosen: The method that `auto` chose.
        r2: What the method itself says of its R2; NaN where it does not.
        r2_interval: Its 90 % interval.
    """

    coefficients: dict[Interaction, float]
    predict: Callable[[BoolArray], FloatArray]
    n_evaluations: int
    n_asked: int
    seconds: float
    cpu_seconds: float
    decoding_seconds: float = float("nan")
    chosen: str = ""
    r2: float = float("nan")
    r2_interval: tuple[float, float] = (float("nan"), float("nan"))


class Counted:
    """A value function that counts its masks and the time spent in it."""

    def __init__(self, function: Function) -> None:
        self.prior = function.prior
        self._values = function.values
        self._packed: list[Any] = []
        self._inside = np.zeros(2)
        self._start = _clocks()

    def __call__(self, masks: Any) -> FloatArray:
        start = _clocks()
        # The peers pass transposed integers, a data frame, or a single row.
        present = np.ascontiguousarray(np.atleast_2d(np.asarray(masks)) != 0)
        values = self._values(present)
        self._packed.append(np.packbits(present, axis=1))
        self._inside += _clocks() - start
        return values

    def recovered(self, coefficients, predict, decoding_seconds=float("nan")) -> Recovered:
        """The result; everything since this object was made counts as the method's time."""
        seconds, cpu_seconds = _clocks() - self._start - self._inside
        rows = np.concatenate(self._packed)
        distinct = {row.tobytes() for row in rows}
        return Recovered(
            coefficients,
            predict,
            len(distinct),
            len(rows),
            float(seconds),
            float(cpu_seconds),
            decoding_seconds,
        )


def spex_explain(
    function: Function, budget: int, max_order: int, seed: int, method: str
) -> Recovered:
    import spex

    counted = Counted(function)
    try:
        explanation = spex.explain(
            counted, function.n, budget=budget, method=method, max_degree=max_order, seed=seed
        )
    except spex.ArgumentError as error:
        raise RefusedError(str(error)) from error
    return replace(
        counted.recovered(dict(explanation.spectrum.items()), explanation.predict),
        chosen=explanation.method,
        r2=explanation.r2,
        r2_interval=explanation.r2_interval,
    )


def evaluated(function: Function, budget: int, max_order: int, seed: int, method: str) -> Recovered:
    """A method of `spex.evaluate`; the order that it searches for is its own."""
    counted = Counted(function)
    found = BASELINES[method].attribute(counted, function.n, budget, seed)
    recovered = counted.recovered(dict(found.spectrum.items()), found.spectrum.predict)
    return replace(recovered, n_asked=found.n_asked, seconds=found.seconds)


def lightgbm(
    function: Function, budget: int, max_order: int, seed: int, **parameters: Any
) -> Recovered:
    from lightgbm import LGBMRegressor

    counted = Counted(function)
    masks = uniform_masks(function.n, budget, seed)
    # More threads only wait for one another with so few rows.
    model = LGBMRegressor(random_state=seed, verbose=-1, n_jobs=1, **parameters)
    model.fit(masks.astype(float), counted(masks))
    return counted.recovered({}, lambda masks: model.predict(masks.astype(float)))


def spectralexplain_proxyspex(
    function: Function, budget: int, max_order: int, seed: int
) -> Recovered:
    import spectralexplain

    _seed(seed)
    counted = Counted(function)
    explainer = spectralexplain.Explainer(
        counted, function.n, sample_budget=budget, max_order=max_order, algorithm="proxyspex"
    )
    coefficients = _by_interaction(explainer.fourier_transform)
    return counted.recovered(coefficients, partial(evaluate, coefficients))


def spectralexplain_spex(
    function: Function, budget: int, max_order: int, seed: int, decoding: str
) -> Recovered:
    import spectralexplain

    decoding_seconds = 0.0

    class Explainer(spectralexplain.Explainer):
        """The class of the package with the same two calls, the second one timed."""

        def compute_interaction_values(self):
            nonlocal decoding_seconds
            signal, _ = spectralexplain.sampling_strategy(
                self.value_function, 3, self.sparsity_parameter, self.num_features,
                sample_save_dir=None, t=self.max_order,
            )  # fmt: skip
            start = time.perf_counter()
            found = spectralexplain.support_recovery(
                decoding, signal, self.sparsity_parameter, self.max_order
            )
            decoding_seconds = time.perf_counter() - start
            return found

    _seed(seed)
    counted = Counted(function)
    try:
        explainer = Explainer(counted, function.n, sample_budget=budget, max_order=max_order)
    except AssertionError as error:
        if "budget must be" in str(error):
            raise RefusedError(str(error)) from error
        raise
    coefficients = _by_interaction(explainer.fourier_transform)
    return counted.recovered(coefficients, partial(evaluate, coefficients), decoding_seconds)


def sparse_transform_qsft(
    function: Function, budget: int, max_order: int, seed: int, decoding: str
) -> Recovered:
    from sparse_transform.qsft.qsft import transform
    from sparse_transform.qsft.signals.input_signal_subsampled import SubsampledSignal
    from sparse_transform.qsft.utils.query import get_bch_decoder

    _seed(seed)
    counted = Counted(function)
    n, cost = function.n, partial(SubsampledSignal.get_number_of_samples, function.n)
    query = {
        "query_method": "complex",
        "num_subsample": 3,
        "num_repeat": 1,
        "subsampling_method": "qsft",
        "delays_method_source": "joint-coded",
        "delays_method_channel": "identity-siso",
        "t": max_order,
    }
    if cost(1, max_order, 2, query) > budget:
        raise RefusedError(f"two bins a group cost {cost(1, max_order, 2, query)} masks")
    b = 1
    while cost(b + 1, max_order, 2, query) <= budget:
        b += 1
    query |= {"b": b, "all_bs": [b]}
    signal = SubsampledSignal(func=counted, n=n, q=2, query_args=query)
    found = transform(
        signal,
        num_subsample=3,
        num_repeat=1,
        reconstruct_method_source="coded",
        reconstruct_method_channel="identity" if decoding == "hard" else "identity-siso",
        b=b,
        source_decoder=get_bch_decoder(n, max_order, decoding, chase_depth=2 * max_order),
        peeling_method="multi-detect",
        noise_sd=0,
        regress="lasso",
        res_energy_cutoff=0.9,
        trap_exit=True,
        peel_average=True,
        report=True,
    )
    coefficients = _by_interaction(found["transform"])
    return counted.recovered(coefficients, partial(evaluate, coefficients), float(found["runtime"]))


# Those of spex, whatever they are; `exact` evaluates all 2^n masks.
OURS = tuple(method for method in EXPLAIN_METHODS if method != "exact")
# Each takes a function, a budget, the highest order searched for and a seed.
METHODS: dict[str, Callable[[Function, int, int, int], Recovered]] = {
    **{method: partial(spex_explain, method=method) for method in OURS},
    **{method: partial(evaluated, method=method) for method in BASELINES},
    "lightgbm": lightgbm,
    "lightgbm-1000": partial(
        lightgbm, n_estimators=1000, max_depth=5, learning_rate=0.05, colsample_bytree=0.5
    ),
    "spectralexplain-soft": partial(spectralexplain_spex, decoding="soft"),
    "spectralexplain-hard": partial(spectralexplain_spex, decoding="hard"),
    "spectralexplain-proxyspex": spectralexplain_proxyspex,
    "sparse-transform-soft": partial(sparse_transform_qsft, decoding="soft"),
    "sparse-transform-hard": partial(sparse_transform_qsft, decoding="hard"),
}
_PACKAGE = (
    dict.fromkeys(OURS, "spex-explain")
    | {name: method.package for name, method in BASELINES.items()}
    | {"lightgbm": "lightgbm", "lightgbm-1000": "lightgbm"}
)


def installed_version(method: str) -> str | None:
    """Version of the package behind a method; None where it is not installed."""
    try:
        # The others begin with the name of theirs.
        return version(_PACKAGE.get(method, method.rsplit("-", 1)[0]))
    except PackageNotFoundError:
        return None


def warm_up(method: str, n: int, max_order: int) -> None:
    """Compile what a method compiles, so that no measurement contains it.

    numba compiles for ours once, galois (which decoders of BCH codes use) anew for every size of
    the field. The function is noisy so that bins that cannot be decoded are met as well. Soft
    decoding compiles nothing that hard decoding does not.
    """
    if method in OURS:
        _warm_up_ours(method)
        return
    if method in BASELINES:
        import_module(BASELINES[method].module)
    function = Synthetic(n, 10, Noise("white", 0.3), max_order=max_order).build()
    if method == "shapiq-spex":
        METHODS[method](function, 4000, max_order, 0)
    elif method.startswith(("spectralexplain", "sparse-transform")):
        import spectralexplain

        signal, _ = spectralexplain.sampling_strategy(Counted(function), 3, 3, n, None, t=max_order)
        spectralexplain.support_recovery("hard", signal, 3, max_order)


@cache
def _warm_up_ours(method: str) -> None:
    function = Synthetic(24, 10, Noise("white", 0.3)).build()
    METHODS[method](replace(function, is_sequence=True), 200, 5, 0)


def _clocks() -> FloatArray:
    return np.array([time.perf_counter(), time.process_time()])


def _seed(seed: int) -> None:
    """Make the peers' results repeatable: they read the global random state."""
    np.random.seed(seed)  # noqa: NPY002


def _by_interaction(transform) -> dict[Interaction, float]:
    """From {(0, 1, .., 0): value} to {(1, ..): value}."""
    return {
        tuple(np.flatnonzero(key).tolist()): float(np.real(value))
        for key, value in transform.items()
    }
