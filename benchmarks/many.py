"""Many explanations in one run against one after the other: time, and how long the model is idle.

SmolLM2 on short reviews, whose prompts share its batches, and a table function of no cost of its
own, whose run is killed and resumed. The model is idle while no call of it is under way, from its
first call to its last.

    python benchmarks/many.py --data ../shared/data --items 12 --budget 100
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import spex

ASK = "Is the sentiment of this review positive or negative? Review: {input}\nAnswer with one word."


class Watched:
    """A model that knows when its calls were under way."""

    def __init__(self, model) -> None:
        self._model = model
        self.spans: list[tuple[float, float]] = []

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def log_probs(self, prompts, answers) -> Iterator:
        batches = self._model.log_probs(prompts, answers)
        while True:
            began = time.perf_counter()
            found = next(batches, None)
            self.spans.append((began, time.perf_counter()))
            if found is None:
                return
            yield found

    @property
    def idle(self) -> float:
        """Share of the time from the first call to the last."""
        busy = sum(end - begin for begin, end in self.spans)
        return 1 - busy / (self.spans[-1][1] - self.spans[0][0])


def of_reviews(data: Path, items: int, budget: int) -> Table:
    lines = (data / "sentiment_reviews_dev80.jsonl").read_text(encoding="utf-8").strip().split("\n")
    texts = sorted((json.loads(line)["text"] for line in lines), key=lambda text: len(text.split()))
    texts = [text for text in texts if len(text.split()) >= 8][:items]
    table = Table(
        "run", "seconds", "model idle", title=f"{items} reviews, {budget} evaluations each"
    )
    for name in ("one after the other", "explain_many"):
        model = Watched(spex.models.load("smollm2"))
        sources = {
            str(number): spex.ValueFunction(
                spex.Text(text, prompt=ASK), model, spex.LogOdds("positive", "negative")
            )
            for number, text in enumerate(texts)
        }
        began = time.perf_counter()
        if name == "explain_many":
            spex.explain_many(sources, budget=budget)
        else:
            for source in sources.values():
                spex.explain(source, budget=budget)
        table.add_row(name, f"{time.perf_counter() - began:.1f}", f"{model.idle:.1%}")
    return table


def table_function(seed: int, n: int = 8):
    """A random function of n features, which logs each mask that it is asked for."""
    values = np.random.default_rng(seed).normal(size=1 << n)
    log = os.environ.get("ASKED")

    def f(masks):
        if log is not None:
            with Path(log).open("a", encoding="ascii") as file:
                file.writelines(f"{seed} {row.tobytes().hex()}\n" for row in masks)
        return values[masks @ (1 << np.arange(n))]

    f.features, f.identity = [f"x{i}" for i in range(n)], f"table {seed}"  # type: ignore[attr-defined]
    return f


def peak() -> int:
    """The most memory of this process so far, in KiB; getrusage counts that of its parent too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]


def child(out: str, items: int) -> None:
    """Explain table functions into a folder; print the memory at a tenth of them and at the end."""
    peaks = []

    def look(state) -> None:
        if state.done >= items // 10 and not peaks:
            peaks.append(peak())

    sources = ((str(seed), table_function(seed)) for seed in range(items))
    spex.explain_many(sources, budget=60, method="linear", out=out, progress=look)
    peaks.append(peak())
    print(json.dumps(peaks))


def killed(items: int) -> Table:
    columns = ("items", "kills", "finished calls asked again", "seconds", "MB at 10 %, at the end")
    table = Table(*columns, title="table functions, killed and resumed")
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder) / "out", Path(folder) / "asked"
        command = [sys.executable, __file__, "--child", str(out), "--items", str(items)]
        environment = os.environ | {"ASKED": str(log)}
        kills, began = 0, time.perf_counter()
        while True:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            try:
                printed, _ = process.communicate(timeout=5 if kills < 3 else None)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        asked = log.read_text(encoding="ascii").splitlines()
        peaks = [f"{kb / 1024:.0f}" for kb in json.loads(printed)]
        # Of each kill, one batch may have been under way.
        repeated = len(asked) - len(set(asked))
        table.add_row(f"{items:,}", str(kills), str(repeated), f"{time.perf_counter() - began:.0f}",
                      ", ".join(peaks))  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the reviews")
    parser.add_argument("--items", type=int, default=12)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--tables", type=int, default=1000, help="table functions; 0 for none")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        child(arguments.child, arguments.items)
        return
    console = Console(width=120)
    if arguments.data is not None:
        console.print(of_reviews(arguments.data, arguments.items, arguments.budget))
    if arguments.tables:
        console.print(killed(arguments.tables))


if __name__ == "__main__":
    main()
