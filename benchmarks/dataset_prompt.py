"""A prompt of 12 parts over a data set of 200 items: how should calls be spread?

A call is a mask on an item. For a number of calls, masks are asked on k items each. Compared are
k = 2 to 200, and for k = 4 other ways of choosing items and of taking their mean:

- dealt: each mask has items of its own, item effects are subtracted (`spex.DatasetValue`);
- plain: the same items, plain means;
- same: all masks on the same k items, item effects subtracted;
- varying: after a quarter of the masks, items are asked the more often the more their scores move,
  and weigh less in turn.

R2 and Spearman's rank correlations of the main effects and of the pairs (absolute Banzhaf values)
are against the table of all 2^12 masks on all 200 items; beside them R2 as said, and how often its
interval holds. VADER's table takes ten minutes and is kept in --table. SmolLM2 has no table: R2 is
on --test-masks fresh masks, each on all items.

    python benchmarks/dataset_prompt.py --subject vader --table vader.npy --calls 1000,4000
    python benchmarks/dataset_prompt.py --subject thresholds --calls 1000,4000
    python benchmarks/dataset_prompt.py --subject smollm2 --calls 1000 --test-masks 40
"""

import argparse
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

import spex
from spex.fitting.item_means import _item_effects, dealt_items, item_means
from spex.fourier.spectrum import Spectrum
from spex.fourier.wht import walsh_hadamard
from spex.run import Run
from spex.values.dataset_run import DatasetRun
from spex.values.item_calls import joined_calls, split_calls

PARTS = [
    "You are a helpful and honest assistant.",
    "Decide whether the review is positive or negative.",
    "Do not be fooled by irony or sarcasm.",
    "Answer with one word.",
    "Example: I loved every minute. Answer: positive",
    "Example: A terrible waste of time. Answer: negative",
    "Example: Not bad at all, quite fun. Answer: positive",
    "Example: The jokes were weak and the plot was stupid. Answer: negative",
    "Mixed reviews are positive only if the praise is stronger.",
    "Ignore the price and the delivery.",
    "Be careful with difficult cases.",
    "Thank you for your great work!",
]
TEMPLATE = [*PARTS, "Review: {input}\nAnswer:"]
N, ITEMS = len(PARTS), 200
MASKS = np.arange(1 << N)[:, None] >> np.arange(N) & 1 == 1
PLACES = 1 << np.arange(N)
GOOD = "wonderful,great,funny,charming,brilliant,fine,a pleasure,moving".split(",")
BAD = "awful,boring,stupid,weak,a mess,painful,slow,annoying".split(",")
WHAT = "plot,acting,music,ending,dialogue,camera work,pace,cast".split(",")


def reviews(seed: int = 0) -> list[dict[str, str]]:
    """Short reviews, half of them mixed, with what they are."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(ITEMS):
        is_good = bool(rng.random() < 0.5)
        first, second = rng.choice(WHAT, 2, replace=False)
        said, other = (GOOD, BAD) if is_good else (BAD, GOOD)
        much = rng.choice(["", "very ", "really ", "not exactly "], p=[0.4, 0.25, 0.25, 0.1])
        one = rng.choice(said)
        two = rng.choice(said if rng.random() < 0.5 else other)
        link = "and" if two in said else "but"
        text = f"The {first} was {much}{one} {link} the {second} was {two}"
        text += "!" if rng.random() < 0.3 else "."
        rows.append({"input": text, "answer": "positive" if is_good else "negative"})
    return rows


def vader_table(path: Path | None) -> np.ndarray:
    """(2^12, 200) VADER's score of the prompt."""
    if path is not None and path.exists():
        return np.load(path).astype(float)
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    templates = [spex.PromptTemplate(TEMPLATE).with_item(row["input"]) for row in reviews()]
    table = np.array(
        [
            [analyzer.polarity_scores(one.render(mask).text)["compound"] for one in templates]
            for mask in MASKS
        ]
    )
    if path is not None:
        np.save(path, table.astype(np.float32))
    return table


def thresholds_table(seed: int) -> np.ndarray:
    """(2^12, 200) of 0 and 1, right or wrong: a sum of effects, pairs and a triple over 0.

    Items differ in how hard they are, in how much the prompt moves them (a third not at all) and in
    what each part does.
    """
    rng = np.random.default_rng(seed)
    centred = MASKS - 0.5
    common = centred @ (rng.normal(size=N) * (rng.random(N) < 0.6))
    for size in (2, 2, 2, 2, 2, 2, 3):
        common += rng.normal(0, 1.2) * MASKS[:, rng.choice(N, size, replace=False)].all(axis=1)
    moved = np.exp(rng.normal(0, 0.7, ITEMS)) * (rng.random(ITEMS) < 0.7)
    own = centred @ rng.normal(0, 0.5, (N, ITEMS))
    return ((common[:, None] + own) * moved + rng.normal(0, 2.2, ITEMS) > 0).astype(float)


def varying(run: DatasetRun, table: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """(m,) means of the masks of a run, by items drawn the more often the more they move."""
    masks = run._masks @ PLACES
    quarter = len(masks) // 4
    items, weights = run._items.copy(), np.full((len(masks), k), 1 / k)
    rows = np.repeat(np.arange(quarter), k)
    asked = items[:quarter].ravel()
    own = np.bincount(asked, minlength=ITEMS)
    values = table[masks[rows], asked]
    effect = _item_effects(rows, asked, values, np.full(quarter, k), ITEMS)
    rest = values - effect[asked]
    squares = np.bincount(asked, (rest - rest.mean()) ** 2, ITEMS)
    moves = np.sqrt((squares + 2 * squares.sum() / len(asked)) / (own + 2))
    chance = k * (0.3 / ITEMS + 0.7 * moves / moves.sum())
    assert chance.max() < 1
    for row in range(quarter, len(masks)):
        order = rng.permutation(ITEMS)
        ends = np.cumsum(chance[order]) * k / chance.sum()
        items[row] = order[np.searchsorted(ends, rng.random() + np.arange(k)).clip(max=ITEMS - 1)]
        weights[row] = 1 / (ITEMS * chance[items[row]])
    rows, asked = np.repeat(np.arange(len(masks)), k), items.ravel()
    values = table[masks[rows], asked]
    effect = _item_effects(rows, asked, values, np.full(len(masks), k), ITEMS)
    rest = values - effect[asked]
    return effect.mean() + (rest.reshape(items.shape) * weights).sum(axis=1)


def other_means(way: str, run: DatasetRun, table: np.ndarray, seed: int) -> np.ndarray:
    """(m,) means of the masks of a run, in another way."""
    masks, k = run._masks @ PLACES, run.allocation.per_mask
    rng = np.random.default_rng([seed, 1])
    if way == "varying":
        return varying(run, table, k, rng)
    if way == "plain":
        return table[masks[:, None], run._items].mean(axis=1)
    items = np.tile(dealt_items(1, k, ITEMS, rng), (len(masks), 1))
    rows = np.repeat(np.arange(len(masks)), k)
    values = table[masks[rows], items.ravel()]
    return item_means(rows, items.ravel(), values, len(masks), ITEMS).values


def banzhaf(spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """Absolute Banzhaf values of the 12 parts and of their 66 pairs, up to factors."""
    found = dict(spectrum.items())
    return tuple(
        np.array([abs(found.get(key, 0.0)) for key in combinations(range(N), d)]) for d in (1, 2)
    )


def measured(
    table: np.ndarray, calls: int, per_mask: int, way: str, method: str, seed: int
) -> list[float]:
    """R2, rank correlations of parts and pairs, R2 as said, whether its interval holds."""
    run = DatasetRun(PARTS, ITEMS, calls, per_mask, method=method, seed=seed)
    truth = table.mean(axis=1)
    said, held = np.nan, np.nan
    if way == "dealt":
        asked = run.ask()
        masks, items = split_calls(asked, N)
        run.tell(asked, table[masks @ PLACES, items])
        spectrum = run.fit().spectrum
    else:
        plain = Run(PARTS, run.allocation.n_masks, method=method, seed=seed, is_noisy=True)
        plain.ask()
        plain.tell(run._masks, other_means(way, run, table, seed))
        spectrum = plain.fit().spectrum
    r2 = 1 - ((spectrum.predict(MASKS) - truth) ** 2).mean() / truth.var()
    if way == "dealt":
        said, (low, high) = run.fit().r2, run.fit().r2_interval
        held = float(low <= r2 <= high)
    exact = Spectrum.from_mapping(
        {
            tuple(np.flatnonzero(mask).tolist()): value
            for mask, value in zip(MASKS, walsh_hadamard(truth), strict=True)
        },
        N,
    )
    pairs = zip(banzhaf(spectrum), banzhaf(exact), strict=True)
    ranks = [float(spearmanr(*pair).statistic) if pair[0].any() else 0.0 for pair in pairs]
    return [r2, *ranks, said, held]


def compare(tables: list[np.ndarray], calls: list[int], method: str, seeds: int, title: str):
    """Print one row for each number of calls, k, and way."""
    shown = Table("calls", "k", "masks", "way", "R2", "parts", "pairs", "R2 said", "held",
                  title=title)  # fmt: skip
    cells = [(k, "dealt") for k in (2, 4, 8, 16, 40, 200)]
    cells[2:2] = [(4, "plain"), (4, "same"), (4, "varying")]
    for count in calls:
        for k, way in cells:
            if count // k < 4:
                continue
            rows = [
                measured(table, count, k, way, method, seed)
                for seed in range(seeds)
                for table in tables
            ]
            r2, parts, pairs, said, held = np.mean(rows, axis=0)
            known = way == "dealt"
            shown.add_row(
                f"{count:,}", str(k), f"{count // k:,}", way, f"{r2:.3f}", f"{parts:.2f}",
                f"{pairs:.2f}", f"{said:.3f}" if known else "", f"{held:.0%}" if known else "",
            )  # fmt: skip
    shown.add_row(f"{(1 << N) * ITEMS:,}", str(ITEMS), f"{1 << N:,}", "all", "1", "1", "1", "1", "")
    Console(width=100).print(shown)


def smollm2(calls: list[int], method: str, n_test: int, store: str | None) -> None:
    """R2 on fresh masks, for SmolLM2's log-odds of the right answer."""
    value = spex.DatasetValue(
        TEMPLATE, reviews(), "smollm2", spex.LogOdds("positive", "negative")
    )  # fmt: skip
    test = np.random.default_rng(99).random((n_test, N)) < 0.5
    from spex.values.evaluator import values_of

    with spex.Store(store or ":memory:") as kept:
        rows = np.repeat(test, ITEMS, axis=0)
        pairs = joined_calls(rows, np.tile(np.arange(ITEMS), n_test), ITEMS)
        truth = values_of(pairs, value, kept).reshape(n_test, ITEMS).mean(axis=1)
        for count in calls:
            e = spex.explain(value, budget=count, method=method, store=kept)
            r2 = 1 - ((e.predict(test) - truth) ** 2).mean() / truth.var()
            print(e)
            print(f"R2 on {n_test} fresh masks, each on all {ITEMS} items: {r2:.3f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subject", choices=("vader", "thresholds", "smollm2"), default="vader")
    parser.add_argument("--calls", default="1000,4000")
    parser.add_argument("--method", default="gp")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--table", type=Path, help="where VADER's table is kept")
    parser.add_argument("--test-masks", type=int, default=40)
    parser.add_argument("--store", help="where SmolLM2's values are kept")
    options = parser.parse_args()
    calls = [int(count) for count in options.calls.split(",")]
    if options.subject == "smollm2":
        smollm2(calls, options.method, options.test_masks, options.store)
        return
    tables: Callable[[], list[np.ndarray]] = {
        "vader": lambda: [vader_table(options.table)],
        "thresholds": lambda: [thresholds_table(seed) for seed in range(3)],
    }[options.subject]
    title = f"{options.subject}, method {options.method}, {options.seeds} seeds"
    compare(tables(), calls, options.method, options.seeds, title)


if __name__ == "__main__":
    main()
