"""What several outputs of the same masks win together, and what it costs.

R2 on 2,000 fresh uniform masks, mean over the outputs, and seconds for all of them: Gaussian
processes fitted together (what all outputs say of a feature's relevance is the prior of each) and
one by one. The first two functions are the ten class
probabilities of a random forest and of a network on scikit-learn's digits, a row against the mean
row, 64 features. The last is ten unrelated sparse functions, which have nothing to share.

    python benchmarks/outputs.py --masks 200,500,1000

With `--explain`, all of it: `spex.explain` of ten outputs against ten of one output, in calls and
seconds of the processor, and R2 of each output.

    python benchmarks/outputs.py --explain --masks 200,500
"""

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

import spex
from spex.f2.packing import pack
from spex.fitting.fidelity import folds
from spex.fitting.selection import fit_all, fit_candidate
from spex.surrogates.base import Samples
from spex.surrogates.gaussian_process import GaussianProcess

N, OUTPUTS, TEST_MASKS = 64, 10, 2000


def classes(model):
    features, labels = load_digits(return_X_y=True)
    model.fit(features, labels)
    row, mean = features[0], features.mean(axis=0)
    return lambda masks: model.predict_proba(np.where(masks, row, mean)).T


def unrelated():
    rng = np.random.default_rng(0)
    spectra = []
    for _ in range(OUTPUTS):
        coefficients = {(): 0.0}
        mine = rng.choice(N, 12, replace=False)
        while len(coefficients) < 30:
            members = rng.choice(mine, rng.integers(1, 4), replace=False)
            coefficients[tuple(sorted(members.tolist()))] = float(rng.normal())
        spectra.append(spex.Spectrum.from_mapping(coefficients, N))
    return lambda masks: np.stack([spectrum.predict(masks) for spectrum in spectra])


def r2_of(predictors, fresh, truth):
    """(q,) R2 of what predicts each output on fresh masks."""
    return np.array(
        [
            1 - ((one.predict(fresh) - y) ** 2).mean() / y.var()
            for one, y in zip(predictors, truth, strict=True)
        ]
    )


def explain(name, function, budget, console):
    """Print calls, seconds and R2 of ten outputs together, and of one after the other."""
    asked = []

    def counted(masks):
        asked.append(len(masks))
        return function(masks).T.astype(np.float64)

    def measured(explanations):
        asked.clear()
        start = time.process_time()
        found = explanations()
        return found, sum(asked), time.process_time() - start

    fresh = np.random.default_rng(1000).random((TEST_MASKS, N)) < 0.5
    truth = function(fresh)
    ways = {
        "together": lambda: list(spex.explain(counted, N, budget).values()),
        "alone": lambda: [
            spex.explain(lambda masks, j=j: counted(masks)[:, j], N, budget) for j in range(OUTPUTS)
        ],
    }
    for way, explanations in ways.items():
        found, calls, seconds = measured(explanations)
        r2 = r2_of(found, fresh, truth)
        told = " ".join(f"{x:.3f}" for x in r2)
        console.print(
            f"{name}, budget {budget}, {way}: {calls:,} calls, {seconds:.1f} s; "
            f"R2 {r2.mean():.3f}: {told}",
            highlight=False,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", default="200,500,1000")
    parser.add_argument("--functions", default="forest,network,unrelated")
    parser.add_argument("--explain", action="store_true", help="whole runs of spex.explain")
    arguments = parser.parse_args()
    builders = {
        "forest": lambda: classes(RandomForestClassifier(100, random_state=0)),
        "network": lambda: classes(MLPClassifier((64,), max_iter=400, random_state=0)),
        "unrelated": unrelated,
    }
    surrogate = GaussianProcess()
    table = Table(
        "function", "masks", "R2 alone", "R2 together", "worst loss", "s alone", "s together"
    )
    console = Console(width=200 if arguments.explain else 100)
    for name in arguments.functions.split(","):
        function = builders[name]()
        if arguments.explain:
            for budget in map(int, arguments.masks.split(",")):
                explain(name, function, budget, console)
            continue
        fresh = np.random.default_rng(1000).random((TEST_MASKS, N)) < 0.5
        truth = function(fresh)
        for m in map(int, arguments.masks.split(",")):
            masks = np.random.default_rng(0).random((m, N)) < 0.5
            outputs = [
                Samples(pack(masks), N, values.astype(np.float64), np.ones(m, dtype=bool))
                for values in function(masks)
            ]
            parts = folds(outputs[0])
            start = time.perf_counter()
            own = [fit_candidate(surrogate, output, parts).spectrum for output in outputs]
            middle = time.perf_counter()
            together = [fits[surrogate.name].spectrum for fits in fit_all([surrogate], outputs)]
            end = time.perf_counter()
            r2 = np.array([r2_of(spectra, fresh, truth) for spectra in (own, together)])
            row = [name, str(m), *(f"{x:.4f}" for x in r2.mean(axis=1))]
            row += [f"{(r2[0] - r2[1]).max():.4f}"]
            row += [f"{seconds:.1f}" for seconds in (middle - start, end - middle)]
            table.add_row(*row)
            console.print(*row, highlight=False)
    if not arguments.explain:
        console.print(table)


if __name__ == "__main__":
    main()
