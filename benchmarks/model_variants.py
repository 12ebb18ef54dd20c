"""Do eight-bit integers or torch.compile pay for the values of masked prompts? SmolLM2, on a CPU.

The masks of a review go through spex as it is, with the linear layers quantised by torch.ao
(dynamically, per channel), and compiled. Seconds are those of the processor; a compiled model runs
three times, the first with compilation.

    OMP_NUM_THREADS=1 python benchmarks/model_variants.py --masks 48
"""

import argparse
import time

import numpy as np
import torch
from torch.ao import quantization

import spex
from model_speed import cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=int, default=48)
    n_masks = parser.parse_args().masks
    _, masker, score = cases()[0]
    masks = np.random.default_rng(0).random((n_masks, masker.n_features)) < 0.5
    prompts = [masker.render(mask) for mask in masks]

    def values(name, model):
        start = time.process_time()
        scored = dict(model.log_probs(prompts, [score.a, score.b]))
        seconds = time.process_time() - start
        found = np.array([np.concatenate(scored[number]) for number in range(n_masks)])
        off = np.abs(found - reference).max() if reference is not None else 0.0
        print(f"{name:20} {seconds:6.1f} s, at most {off:.1e} nats off", flush=True)
        return found

    reference = None
    model = spex.models.load("smollm2", device="cpu")
    assert model.shares_prefixes
    reference = values("float32", model)
    values("float32", model)

    quantised = spex.models.load("smollm2", device="cpu")
    layers = {torch.nn.Linear: quantization.per_channel_dynamic_qconfig}
    quantization.quantize_dynamic(quantised._model, layers, dtype=torch.qint8, inplace=True)
    values("int8", quantised)

    model._network.model = torch.compile(model._model, dynamic=True)
    for number in range(3):
        values(f"compiled, run {number + 1}", model)


if __name__ == "__main__":
    main()
