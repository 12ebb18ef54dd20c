"""Smallest sets: how many proposals are true at once, and what they cost beside greedy search.

For texts scored by VADER (the first of each length with two words of its lexicon, or from 20 words
on three), for noisy random spectra and for functions with spare parts, an explanation of BUDGET
masks (twice as many from 20 features on) proposes the smallest set whose removal brings the value
half way down, and the smallest that alone keeps it there; calls verify them. Greedy search removes
(or adds) the best single feature until that is reached. Up to 14 features the true smallest size is
found by looking at all sets. Calls are those of the search; the masks of the explanation come on
top. With --documents, the functions are questions of HotpotQA instead, each with its ten
paragraphs: SmolLM2's log-probability of the answer, all 1,024 masks asked first.

    python benchmarks/sets.py --data ../shared/data
    python benchmarks/sets.py --data ../shared/data --documents 9,32,21,45
"""

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

import spex
from functions import Noise, Review, Synthetic
from spex._typing import BoolArray, FloatArray

_MOST_BRUTE = 14

ValueFunction = Callable[[BoolArray], FloatArray]


def spare_parts(groups: tuple[int, ...], n: int) -> ValueFunction:
    """The sum over groups of features of: at least one of the group is present; the rest is 0.05.

    All groups count alike, so that half of them have to go, each as a whole.
    """
    starts = np.cumsum((0, *groups))

    def values(masks: BoolArray) -> FloatArray:
        parts = [masks[:, a:b].any(axis=1) for a, b in pairwise(starts)]
        return np.sum(parts, axis=0) + 0.05 * masks[:, starts[-1] : n].sum(axis=1)

    return values


def chain(n: int) -> ValueFunction:
    """Two ways to an answer, each of two features together, as documents of two hops have."""

    def values(masks: BoolArray) -> FloatArray:
        ways = masks[:, 0] & masks[:, 1] | masks[:, 2] & masks[:, 3]
        return 4.0 * ways - 1.0 * masks[:, 4] + 0.02 * masks[:, 5:].sum(axis=1)

    return values


def cases(data: Path | None) -> Iterator[tuple[str, int, ValueFunction]]:
    """(name, n, function)."""
    if data is not None:
        lines = (data / "sentiment_reviews_dev80.jsonl").read_text().strip().split("\n")
        texts = [json.loads(line)["text"] for line in lines]
        for least, most, telling, count in ((5, _MOST_BRUTE, 2, 2), (20, 40, 3, 4)):
            found = 0
            for text in texts:
                case = Review(text, spex.Text(text).n_features)
                if not least <= case.n <= most or found == count:
                    continue
                f = case.build().values
                alone = f(np.eye(case.n, dtype=bool))
                if np.count_nonzero(alone) >= telling:  # one word alone would be all there is
                    found += 1
                    yield case.name, case.n, f
    for seed in (0, 1):  # a fifth of the variance is noise, which no surrogate can know
        noisy = Synthetic(14, 30, Noise("white", 0.2), seed)
        yield f"noisy n=14 seed {seed}", 14, noisy.build().values
    for n in (12, 30):
        yield f"spare parts 2+2+3 n={n}", n, spare_parts((2, 2, 3), n)
        yield f"two ways n={n}", n, chain(n)


def questions(data: Path, numbers: list[int]) -> Iterator[tuple[str, int, ValueFunction]]:
    """Questions over paragraphs: (name, n, function), by a table of the model's values."""
    lines = (data / "hotpotqa_distractor_dev50.jsonl").read_text().strip().split("\n")
    model = spex.models.load("smollm2", dtype="bfloat16")
    for number in numbers:
        row = json.loads(lines[number])
        context = row["context"]
        documents = spex.Documents(
            [
                {"title": title, "text": "".join(sentences)}
                for title, sentences in zip(context["title"], context["sentences"], strict=True)
            ],
            question=row["question"],
            prompt="{input}\n\nQuestion: {question}\nAnswer in a few words.",
        )
        source = spex.ValueFunction(documents, model, spex.LogProb(row["answer"]))
        n = documents.n_features
        powers = 1 << np.arange(n)
        table = source((np.arange(1 << n)[:, None] & powers).astype(bool))

        def values(masks: BoolArray, table=table, powers=powers) -> FloatArray:
            return table[masks @ powers]

        name = f"{row['answer']}: {table[-1]:.1f} with all, {table[0]:.1f} with none"
        yield name, n, values


def greedy(f: ValueFunction, n: int, keeps: bool) -> tuple[int, int]:
    """Size of the set that greedy search ends with, and the distinct masks it asked for."""
    whole, nothing = f(np.repeat([[True], [False]], n, axis=1))
    middle, side = (whole + nothing) / 2, np.sign(whole - nothing) * (1 if keeps else -1)
    mask, calls, size = np.full(n, not keeps), 2, 0
    while True:
        candidates = np.flatnonzero(mask != keeps)
        masks = np.repeat(mask[None], len(candidates), axis=0)
        masks[np.arange(len(candidates)), candidates] = keeps
        values, size, calls = f(masks), size + 1, calls + len(candidates)
        best = int(np.argmax(side * values))
        mask = masks[best]
        if side * (values[best] - middle) > 0:
            return size, calls


def true_size(f: ValueFunction, n: int, keeps: bool) -> int:
    """The smallest size, by looking at all sets."""
    masks = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)
    values = f(masks)
    side = np.sign(values[-1] - values[0]) * (1 if keeps else -1)
    good = side * (values - (values[-1] + values[0]) / 2) > 0
    sizes = masks.sum(axis=1) if keeps else n - masks.sum(axis=1)
    return int(sizes[good].min())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with sentiment_reviews_dev80.jsonl")
    parser.add_argument(
        "--documents", help="row numbers of HotpotQA, instead of the other functions"
    )
    parser.add_argument("--max-calls", type=int, default=100)
    parser.add_argument("--budget", type=int, default=100)
    options = parser.parse_args()
    print(
        "| function | n | R2 | set | size | true | greedy | first proposal true | proposals "
        "| calls to a true set | calls to this set | calls in all | greedy calls | smaller ones |"
    )
    print("|---" * 14 + "|")
    rows = []
    if options.documents:
        asked = questions(options.data, [int(number) for number in options.documents.split(",")])
    else:
        asked = cases(options.data)
    for name, n, f in asked:
        e = spex.explain(f, n, options.budget * (1 if n < 20 else 2))
        for kind in ("change", "sufficient"):
            search = e.smallest_change if kind == "change" else e.smallest_sufficient
            found, keeps = search(f, max_calls=options.max_calls), kind == "sufficient"
            size, calls = greedy(f, n, keeps)
            true = true_size(f, n, keeps) if n <= _MOST_BRUTE else None
            first, last = found.n_calls_to_verified or (0, 0)
            rows.append((found, size, calls, true))
            print(
                f"| {name} | {n} | {e.r2:.2f} | {kind} | {len(found.features)} | "
                f"{'-' if true is None else true} | {size} | {'yes' if found.is_first else 'no'} | "
                f"{found.n_proposals} | {first} | {last} | {found.n_calls} | {calls} | "
                f"{found.smaller} |",
                flush=True,
            )
    at_once = sum(found.is_first for found, *_ in rows)
    known = [(len(found.features), true) for found, *_, true in rows if true is not None]
    smaller = sum(len(found.features) < size for found, size, *_ in rows)
    larger = sum(len(found.features) > size for found, size, *_ in rows)
    print(
        f"\n{at_once} of {len(rows)} first proposals were true; {sum(a == b for a, b in known)} of "
        f"{len(known)} sets are as small as the true smallest; {smaller} are smaller than those of "
        f"greedy search, {larger} larger; mean calls in all "
        f"{np.mean([found.n_calls for found, *_ in rows]):.0f}, of greedy search "
        f"{np.mean([calls for _, _, calls, _ in rows]):.0f}"
    )


if __name__ == "__main__":
    main()
