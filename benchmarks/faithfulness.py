"""How faithful are the methods per evaluation, and what do they cost outside the model?

Value functions: SmolLM2's log-odds of "positive" against "negative" on movie reviews with words
deleted, and VADER's compound score of movie reviews. For each method: R2 on fresh uniform masks
that no fit has seen, the R2 that spex itself reported with its interval, evaluations, seconds in
the model and seconds outside it.

    python benchmarks/faithfulness.py --reviews ../shared/data/sentiment_reviews_dev80.jsonl
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import spex

PROMPT = (
    "Is the sentiment of this review positive or negative? Review: {input}\nAnswer with one word."
)
METHODS = ("linear", "spex", "auto")
# Used where no file of reviews is given.
REVIEWS = [
    "The film is not bad at all, but the ending could hardly be called a surprise to anyone who "
    "has ever seen a thriller before.",
    "I expected nothing and got a funny, warm and never predictable story with a great cast, far "
    "better than its awful trailer.",
]


class Timed:
    """A value function that remembers its values and what each cost."""

    def __init__(self, function):
        self.function = function
        self.known = {}

    def __call__(self, masks):
        keys = [mask.tobytes() for mask in masks]
        missing = [i for i, key in enumerate(keys) if key not in self.known]
        if missing:
            start = time.perf_counter()
            values = self.function(masks[missing])
            seconds = (time.perf_counter() - start) / len(missing)
            for i, value in zip(missing, values, strict=True):
                self.known[keys[i]] = (value, seconds)
        return np.array([self.known[key][0] for key in keys])


class Asked:
    """Adds up what the masks of one explanation cost, whoever paid first."""

    def __init__(self, timed):
        self.timed = timed
        self.model_seconds = 0.0
        self.elapsed = 0.0

    def __call__(self, masks):
        start = time.perf_counter()
        values = self.timed(masks)
        self.elapsed += time.perf_counter() - start
        self.model_seconds += sum(self.timed.known[mask.tobytes()][1] for mask in masks)
        return values


def vader(text):
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    masker = spex.Text(text)
    return masker.n_features, lambda masks: np.array(
        [analyzer.polarity_scores(masker.mask_text(mask))["compound"] for mask in masks]
    )


def smollm2(text, model):
    function = spex.ValueFunction(
        spex.Text(text, prompt=PROMPT), model, spex.LogOdds("positive", "negative")
    )
    return function.n_features, function


def rows(name, n, function, budget, n_test, seed):
    timed = Timed(function)
    masks = np.random.default_rng([seed, 12345]).random((n_test, n)) < 0.5
    values = timed(masks)
    for method in METHODS:
        asked = Asked(timed)
        start = time.perf_counter()
        explanation = spex.explain(asked, n, budget=budget, method=method, seed=seed)
        outside = time.perf_counter() - start - asked.elapsed
        error = values - explanation.predict(masks)
        yield {
            "function": name,
            "n": n,
            "method": method,
            "chosen": explanation.method,
            "r2_fresh": 1 - float((error**2).mean() / values.var()),
            "r2_reported": explanation.r2,
            "low": explanation.r2_interval[0],
            "high": explanation.r2_interval[1],
            "evaluations": explanation.n_evaluations,
            "model_s": asked.model_seconds,
            "outside_s": outside,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reviews", type=Path, help="JSON lines with a 'text' each")
    parser.add_argument("--functions", default="vader,smollm2")
    parser.add_argument("--vader", type=int, default=10, help="number of reviews for VADER")
    parser.add_argument("--smollm2", type=int, default=5, help="number of reviews for SmolLM2")
    parser.add_argument("--vader-words", type=int, nargs=2, default=(20, 130))
    parser.add_argument("--smollm2-words", type=int, nargs=2, default=(20, 60))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="CSV of all rows")
    arguments = parser.parse_args()

    texts = REVIEWS
    if arguments.reviews:
        with arguments.reviews.open(encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
    results = []
    console = Console(width=120)
    table = Table("function", "n", "method", "R2 fresh", "R2 reported", "90 %", "calls", "s model",
                  "s outside")  # fmt: skip

    def spread(words, count):
        """Reviews of evenly spread lengths within limits."""
        fitting = sorted(
            (len(text.split()), number)
            for number, text in enumerate(texts)
            if words[0] <= len(text.split()) <= words[1]
        )
        chosen = np.unique(np.linspace(0, len(fitting) - 1, min(count, len(fitting))).astype(int))
        return [fitting[i][1] for i in chosen]

    jobs = []
    if "vader" in arguments.functions:
        for number in spread(arguments.vader_words, arguments.vader):
            jobs.append((f"vader {number}", *vader(texts[number]), 1000, 2000))
    if "smollm2" in arguments.functions:
        model = spex.models.load("smollm2")
        for number in spread(arguments.smollm2_words, arguments.smollm2):
            jobs.append((f"smollm2 {number}", *smollm2(texts[number], model), 500, 500))
    for job in jobs:
        for row in rows(*job, arguments.seed):
            results.append(row)
            method = row["method"]
            if row["chosen"] != method:
                method += f" ({row['chosen']})"
            table.add_row(
                row["function"], str(row["n"]), method, f"{row['r2_fresh']:.3f}",
                f"{row['r2_reported']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}",
                str(row["evaluations"]), f"{row['model_s']:.1f}", f"{row['outside_s']:.1f}",
            )  # fmt: skip
            print(row, flush=True)
    console.print(table)
    for kind in ("vader", "smollm2"):
        for method in METHODS:
            chosen = [
                r for r in results if r["function"].startswith(kind) and r["method"] == method
            ]
            if chosen:
                mean = np.mean([r["r2_fresh"] for r in chosen])
                console.print(f"{kind:8} {method:7} mean R2 on fresh masks {mean:.3f}")
    if arguments.out:
        import pandas as pd

        pd.DataFrame(results).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
