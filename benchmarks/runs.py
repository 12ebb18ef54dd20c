"""Run methods on cases in processes of their own, and keep the results in a CSV file.

A method lives in a child process for as long as it behaves: a run that takes too long, or too much
memory, ends with its process and becomes a row of the table. What compiles does so before the
clock starts.
"""

import csv
import multiprocessing
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from rich.console import Console

from functions import Case, evaluate, explained, uniform
from peers import METHODS, OURS, Recovered, RefusedError, installed_version, warm_up

Record = TypeVar("Record")
# Seconds that compiling may take; no method is charged with it.
_COMPILING = 900
# Runs are repeated for so many seconds, and so many times, and the median counts.
_STEADY, _MOST_RUNS = 2.0, 9


@dataclass(frozen=True)
class Job:
    """One cell of a table: a case, a budget, and how it is to be run; R2 is on `n_test` masks."""

    case: Case
    budget: int
    max_order: int = 5
    seed: int = 0
    n_test: int = 2000

    def key(self, method: str) -> tuple[str, str, int, int, str]:
        """That of what a method measures on it."""
        return self.case.name, self.case.noise, self.budget, self.seed, method


@dataclass(frozen=True)
class Measured:
    """What one method did on one job; a row of the CSV file.

    Args:
        function: Name of the case.
        n: Number of features.
        noise: Kind and share.
        budget: Cap that was given.
        seed: Of the method and of the test masks.
        method: Name of the method.
        status: `ok`, `refused` (the budget), `failed` or `time-out`.
        reason: Why it is not `ok`.
        calls: Distinct masks evaluated.
        asked: Masks evaluated, repeats included.
        seconds: Wall clock outside the value function.
        cpu_seconds: Processor time outside the value function.
        decoding_seconds: The part of `seconds` in transform and message passing, where known.
        r2: On fresh uniform masks, against the function with its noise.
        r2_truth: The same of the true sparse spectrum: with white noise, all that can be reached.
        precision: Share of the coefficients found, without the constant, that are in the truth.
        recall: Share of the true ones found.
        recall_energy: Share of their sum of squares found.
        found: Coefficients found, without the constant.
        chosen: Method that `auto` chose.
        r2_reported: R2 that the method itself reports, where it does.
        r2_low: Lower end of its 90 % interval.
        r2_high: Upper end.
        version: Of the package.
    """

    function: str
    n: int
    noise: str
    budget: int
    seed: int
    method: str
    status: str
    reason: str = ""
    calls: int = 0
    asked: int = 0
    seconds: float = float("nan")
    cpu_seconds: float = float("nan")
    decoding_seconds: float = float("nan")
    r2: float = float("nan")
    r2_truth: float = float("nan")
    precision: float = float("nan")
    recall: float = float("nan")
    recall_energy: float = float("nan")
    found: int = 0
    chosen: str = ""
    r2_reported: float = float("nan")
    r2_low: float = float("nan")
    r2_high: float = float("nan")
    version: str = ""

    @property
    def row(self) -> tuple[str, str, int, int]:
        """What the methods are compared on."""
        return self.function, self.noise, self.budget, self.seed

    @property
    def key(self) -> tuple[str, str, int, int, str]:
        return *self.row, self.method


def measure(job: Job, method: str) -> Measured:
    """Run a method on a job in this process."""
    function = job.case.build()
    masks = uniform(function.n, job.n_test, [job.seed, 12345])
    values = function.values(masks)
    result = _steady(lambda: METHODS[method](function, job.budget, job.max_order, job.seed))
    found = {k for k, value in result.coefficients.items() if k and value != 0.0}
    scores = {}
    if function.truth is not None:
        truth = {k: value for k, value in function.truth.items() if k}
        hits = found & truth.keys()
        scores = {
            "r2_truth": explained(values, evaluate(function.truth, masks)),
            "precision": len(hits) / len(found) if found else float("nan"),
            "recall": len(hits) / len(truth),
            "recall_energy": sum(truth[k] ** 2 for k in hits)
            / sum(value**2 for value in truth.values()),
        }
    return Measured(
        **_head(job, method),
        status="ok",
        calls=result.n_evaluations,
        asked=result.n_asked,
        seconds=result.seconds,
        cpu_seconds=result.cpu_seconds,
        decoding_seconds=result.decoding_seconds,
        r2=explained(values, result.predict(masks)),
        found=len(found),
        chosen=result.chosen,
        r2_reported=result.r2,
        r2_low=result.r2_interval[0],
        r2_high=result.r2_interval[1],
        **scores,
    )


def _steady(run: Callable[[], Recovered]) -> Recovered:
    """The run of median time; one that takes long, the value function included, is not repeated."""
    start = time.monotonic()
    results = [run()]
    while time.monotonic() - start < _STEADY and len(results) < _MOST_RUNS:
        results.append(run())
    return sorted(results, key=lambda result: result.seconds)[len(results) // 2]


class Worker:
    """A child process that runs one method; it is ended when it exceeds its time.

    Args:
        method: Name of the method.
        limit: Seconds for one job, its function's own time included.
    """

    def __init__(self, method: str, limit: float) -> None:
        self.method = method
        self._limit = limit
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, job: Job) -> Measured:
        """What the method did, whatever that was."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(self.method, theirs), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._connection.send(job)
            # The first answer says that compiling is over.
            for limit in (max(self._limit, _COMPILING), self._limit):
                if not self._connection.poll(limit):
                    self.stop()
                    return Measured(
                        **_head(job, self.method),
                        status="time-out",
                        reason=f"more than {limit:.0f} s",
                    )
                answer = self._connection.recv()
                if isinstance(answer, Measured):
                    return answer
        except (EOFError, OSError):
            self._process.join()
            reason = f"the process ended with code {self._process.exitcode}"
            self.stop()
            return Measured(**_head(job, self.method), status="failed", reason=reason)
        raise AssertionError("a worker answers a job with its result")

    def stop(self) -> None:
        """End the process; the next job starts another."""
        if self._process is not None:
            self._connection.close()  # an idle process takes this as the end and cleans up
            self._process.join(1.0)
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(method: str, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    if method not in OURS:
        warnings.simplefilter("ignore")  # they divide by zero in empty bins
    warm: set[tuple[int, int]] = set()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            if (job.case.n, job.max_order) not in warm:
                warm_up(method, job.case.n, job.max_order)
                warm.add((job.case.n, job.max_order))
            connection.send("ready")
            answer = measure(job, method)
        except RefusedError as error:
            answer = Measured(**_head(job, method), status="refused", reason=str(error))
        except Exception as error:  # whatever a peer raises is a result
            reason = f"{type(error).__name__}: {error}"
            answer = Measured(**_head(job, method), status="failed", reason=reason)
        connection.send(answer)


def _head(job: Job, method: str) -> dict[str, str | int]:
    case = job.case
    return {
        "function": case.name,
        "n": case.n,
        "noise": case.noise,
        "budget": job.budget,
        "seed": job.seed,
        "method": method,
        "version": installed_version(method) or "",
    }


class Results(Generic[Record]):
    """Measurements, each appended to a CSV file as soon as it is there.

    Args:
        path: The file; what it holds already is taken as done. None keeps them in memory only.
        kind: Dataclass of a measurement, of text and numbers, with a `key` that no other one has.
    """

    def __init__(self, path: Path | None, kind: type[Record] = Measured) -> None:
        self._path = path
        self._fields = [field.name for field in fields(kind)]
        self._done: dict[tuple, Record] = {}
        if path is not None and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if reader.fieldnames != self._fields:
                    raise SystemExit(f"{path} has other columns than this benchmark; move it away")
                for line in reader:
                    self._keep(kind(**{f.name: f.type(line[f.name]) for f in fields(kind)}))

    def __iter__(self) -> Iterator[Record]:
        return iter(self._done.values())

    def get(self, *key: str | int) -> Record | None:
        """The measurement of a key, if there is one."""
        return self._done.get(key)

    def add(self, measured: Record) -> None:
        """Keep a measurement, and write it."""
        self._keep(measured)
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(self._fields)
            writer.writerow([getattr(measured, name) for name in self._fields])

    def _keep(self, measured: Record) -> None:
        self._done[measured.key] = measured


def run_all(
    jobs: Sequence[Job],
    methods: Sequence[str],
    results: Results,
    console: Console,
    line: Callable[[Measured], str],
    *,
    limit: float,
    hours: float | None,
) -> list[Measured]:
    """Run every method on every job that has no result yet, until time is up or Ctrl-C.

    Args:
        jobs: Cells of the table.
        methods: Names of the methods.
        results: What is there, and where what is measured goes.
        console: Where each measurement is told.
        line: How it is told.
        limit: Seconds for one method on one job.
        hours: After so many no further job is begun; None for no end.

    Returns:
        The measurements of the jobs that were reached, old and new.
    """
    deadline = time.monotonic() + 3600 * (hours or float("inf"))
    shown = []
    workers = {method: Worker(method, limit) for method in methods}
    try:
        for number, job in enumerate(jobs):
            if time.monotonic() > deadline:
                console.print(f"time is up, {len(jobs) - number} rows are left")
                break
            for method in methods:
                measured = results.get(*job.key(method))
                if measured is None:
                    with console.status(f"{number + 1}/{len(jobs)} {job.case.name}: {method}"):
                        measured = workers[method].run(job)
                    results.add(measured)
                    console.print(line(measured), highlight=False, markup=False, soft_wrap=True)
                shown.append(measured)
    except KeyboardInterrupt:
        console.print("interrupted; what was measured:")
    finally:
        for worker in workers.values():
            worker.stop()
    return shown


def check_installed(methods: Sequence[str]) -> None:
    """End the program with what is to be installed, if something is."""
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise SystemExit(f"no method {', '.join(unknown)}; choose from {', '.join(METHODS)}")
    missing = [method for method in methods if installed_version(method) is None]
    if missing:
        raise SystemExit(
            f"the package of {', '.join(missing)} is not installed; run\n"
            "    pip install --no-deps --requirement benchmarks/requirements.txt"
        )


def mean(values: Sequence[float]) -> float:
    """Mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")
