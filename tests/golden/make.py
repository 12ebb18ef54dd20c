"""Writes the golden files; run it only for a new version of a format, under a new name."""

from pathlib import Path

import numpy as np

import spex
from spex.models import TableModel

HERE = Path(__file__).parent


def log_prob(prompt, answer):
    return -4.0 - 2.0 * ("bad" in prompt) + 3.0 * ("Not" in prompt and "bad" in prompt)


def main():
    text = spex.Text("Not bad at all")
    value = spex.ValueFunction(text, TableModel(log_prob), spex.LogProb("yes"))
    spex.explain(value, budget=16).save(HERE / "explanation-1.json")

    def two(masks):
        return np.stack([1.0 * masks[:, 0] * masks[:, 1], masks[:, 2] - 0.5 * masks[:, 3]], axis=1)

    two.outputs = ("both", "third")
    spex.explain(two, 8, 60, method="linear").save(HERE / "explanations-1.json")
    longer = spex.Text("Not bad. It ran.\n\nMore. Of it.", unit="sentence")
    value = spex.ValueFunction(longer, TableModel(log_prob), spex.LogProb("yes"))
    spex.zoom(value, "paragraph", budget=40, top=1).save(HERE / "zoom.json")


if __name__ == "__main__":
    main()
