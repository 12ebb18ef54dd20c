"""Run an experiment: resume from its file, measure, keep, sum up."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spex.checks.arguments import whole_number
from spex.errors import ArgumentError
from spex.evaluate.experiment import Experiment, check_sources
from spex.evaluate.tables.lock import locked
from spex.evaluate.tables.manifest import Manifest, manifest_path, versions
from spex.evaluate.tables.results import Results, check_table
from spex.evaluate.tables.rows import Journal
from spex.evaluate.workers import measure_items


@dataclass(frozen=True)
class State:
    """How far an experiment is.

    Args:
        done: Cells that are finished.
        total: Cells in all.
        evaluations: Masks whose value has come, of a store or of the model, in this run.
    """

    done: int
    total: int
    evaluations: int


def run(
    experiment: Experiment,
    out: Path | None = None,
    *,
    jobs: int = 1,
    determines: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[State], None] = lambda _: None,
    tries: bool = False,
) -> Results:
    """Measure what is not measured yet.

    Args:
        experiment: What to do.
        out: File of results, .csv or .parquet. Cells that it holds are not measured again; each new
            one is appended as soon as it is finished: of Parquet, to NAME.rows.csv beside it. The
            manifest is NAME.manifest.json. None keeps all in memory.
        jobs: Number of processes, each with its own item.
        determines: What else the numbers depend on, such as the data and the model; results of
            something else are not added to.
        about: What the manifest says of this run beside versions, such as the command and the date.
        progress: Called after every batch and cell.
        tries: Whether to make a first value function before anything is measured or written. An
            error that all of them share, such as a wrong option of the model, then ends the run.

    Raises:
        ArgumentError: an argument is wrong, the file holds results of something else, or
            another run is writing to it.
        FileFormatError: the file cannot be read as results.
        StoreError: the store failed.
    """
    whole_number("jobs", jobs, 1)
    with ExitStack() as stack:
        manifest, journal_path = None, None
        if out is not None:
            check_table(out, "out")
            journal_path = out if out.suffix == ".csv" else out.with_name(f"{out.stem}.rows.csv")
            stack.enter_context(locked(out))
            if out.exists() and not journal_path.exists():
                raise ArgumentError(
                    f"{out} exists, but {journal_path} with its rows is missing; give a new file"
                )
            measure = experiment.measure
            what = {"measure": measure.name, **measure.describe(), **(determines or {})}
            manifest = Manifest(manifest_path(out), journal_path, what)
        journal = Journal(journal_path)
        wanted = {key for item in experiment.items for key in experiment.cells(item)}
        done = journal.done & wanted
        if tries:
            check_sources(experiment, done)
        if manifest is not None:
            manifest.begin({**(about or {}), **_facts(experiment, jobs)})
        count = _Count(len(done), len(wanted), progress)
        try:
            for finished in measure_items(experiment, done, jobs, count.evaluated):
                row = finished.rows[0]
                if manifest is not None:
                    manifest.meet(row.item, finished.identity, finished.model)
                journal.add(finished.rows)
                count.finished()
        except KeyboardInterrupt:
            # An interrupt may come while a cell is written: read the file.
            if journal_path is not None:
                count.kept(len(Journal(journal_path).done & wanted))
            raise
        found = Results(
            tuple(row for row in journal.rows if row.key in wanted), experiment.measure.main
        )
        if out is not None and out != journal_path:  # all rows, including those of other methods
            Results(tuple(journal.rows), experiment.measure.main).save(out)
    return found


def _facts(experiment: Experiment, jobs: int) -> dict[str, Any]:
    """What the manifest says of a run."""
    return {
        "versions": versions(experiment.methods),
        "methods": [method.name for method in experiment.methods],
        "budgets": list(experiment.budgets),
        "seeds": list(experiment.seeds),
        "items": [item.name for item in experiment.items],
        "jobs": jobs,
    }


class _Count:
    """Adds up, and tells."""

    def __init__(self, done: int, total: int, progress: Callable[[State], None]) -> None:
        self._done, self._total, self._evaluations = done, total, 0
        self._progress = progress
        self._tell()

    def evaluated(self, count: int) -> None:
        self._evaluations += count
        self._tell()

    def finished(self) -> None:
        self._done += 1
        self._tell()

    def kept(self, done: int) -> None:
        self._done = done
        self._tell()

    def _tell(self) -> None:
        self._progress(State(self._done, self._total, self._evaluations))
