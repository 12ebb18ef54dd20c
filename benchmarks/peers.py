"""The methods compared: `spex`, and the SPEX authors' packages behind thin wrappers.

    spex                    spex.explain(method="spex")
    auto                    spex.explain(method="auto")
    spectralexplain-soft    spectralexplain.Explainer, as its README calls it
    spectralexplain-hard    the same with its other decoder, which `Explainer` offers no option for
    sparse-transform-soft   sparse_transform.qsft.transform, which spectralexplain is built on, with
    sparse-transform-hard   the largest design that the budget buys and its lasso regression on the
                            decoded support: both packages ask for it, only `report=True` reaches it

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
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from functions import BoolArray, FloatArray, Function, Interaction, Noise, Synthetic, evaluate


class RefusedError(Exception):
    """The method does not take this budget."""


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
    """

    coefficients: dict[Interaction, float]
    predict: Callable[[BoolArray], FloatArray]
    n_evaluations: int
    n_asked: int
    seconds: float
    cpu_seconds: float
    decoding_seconds: float = float("nan")


class Counted:
    """A value function that counts its masks and the time spent in it."""

    def __init__(self, function: Function) -> None:
        self._values = function.values
        self._packed: list[Any] = []
        self._inside = np.zeros(2)
        self._start = _clocks()

    def __call__(self, masks: Any) -> FloatArray:
        start = _clocks()
        # The peers pass transposed integers.
        present = np.ascontiguousarray(np.asarray(masks) != 0)
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
    return counted.recovered(dict(explanation.spectrum.items()), explanation.predict)


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


# Each takes a function, a budget, the highest order searched for and a seed.
METHODS: dict[str, Callable[[Function, int, int, int], Recovered]] = {
    "spex": partial(spex_explain, method="spex"),
    "auto": partial(spex_explain, method="auto"),
    "spectralexplain-soft": partial(spectralexplain_spex, decoding="soft"),
    "spectralexplain-hard": partial(spectralexplain_spex, decoding="hard"),
    "sparse-transform-soft": partial(sparse_transform_qsft, decoding="soft"),
    "sparse-transform-hard": partial(sparse_transform_qsft, decoding="hard"),
}
OURS = ("spex", "auto")
_PACKAGE = {name: "spex-explain" if name in OURS else name.rsplit("-", 1)[0] for name in METHODS}


def installed_version(method: str) -> str | None:
    """Version of the package behind a method; None where it is not installed."""
    try:
        return version(_PACKAGE[method])
    except PackageNotFoundError:
        return None


def warm_up(method: str, n: int, max_order: int) -> None:
    """Compile what a method compiles, so that no measurement contains it.

    numba compiles for all, galois (which the peers use) anew for every size of the field. The
    function is noisy so that bins that cannot be decoded are met as well. Soft decoding compiles
    nothing that hard decoding does not.
    """
    function = Synthetic(n, 10, Noise("white", 0.3), max_order=max_order).build()
    if method in OURS:
        METHODS[method](function, 2000, max_order, 0)
        return
    import spectralexplain

    signal, _ = spectralexplain.sampling_strategy(Counted(function), 3, 3, n, None, t=max_order)
    spectralexplain.support_recovery("hard", signal, 3, max_order)


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
