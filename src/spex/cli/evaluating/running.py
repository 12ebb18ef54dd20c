"""`spex evaluate`: check the whole call, then load the model, measure, write, print."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spex.cli.evaluating.options import Options
from spex.cli.explaining.functions import UNNAMED, check_retries, naming_answer, price_of
from spex.cli.explaining.running import server_cost
from spex.cli.explaining.stores import check_store, default_store
from spex.cli.session import Session, check_files, check_output, console
from spex.errors import ArgumentError, BackendError, MissingExtraError
from spex.evaluate.data.formats import OF_DATA, Reading
from spex.evaluate.data.loading import is_file, read_items
from spex.evaluate.data.subject import PREDICT, REPLY, Model
from spex.evaluate.experiment import Experiment
from spex.evaluate.gradients import OfModel
from spex.evaluate.measures import MEASURES
from spex.evaluate.method import Method
from spex.evaluate.methods import methods_named
from spex.evaluate.running import State
from spex.evaluate.running import run as run_experiment
from spex.evaluate.tables.manifest import manifest_path, sha256_of
from spex.evaluate.tables.results import Results, check_picture, check_table
from spex.evaluate.tables.rows import FAILED, OK
from spex.extras import require
from spex.files import write_text
from spex.models.function import import_function
from spex.models.servers.address import SERVER_PREFIXES, refuse_secret
from spex.wording import counted

# Models that take hardly any memory. They are made here too if other processes do the work.
_LIGHT = (PREDICT, REPLY, *SERVER_PREFIXES)


def run(session: Session, name: str, own: Mapping[str, Any], options: Options) -> None:
    """Run a command of `spex evaluate`.

    Args:
        session: Session of the call.
        name: Name of the measure.
        own: Its own options.
        options: Those that all measures share.

    Raises:
        SpexError: the call is wrong, or something failed; see `spex.errors`.
        Interrupted: Ctrl-C.
    """
    with session.interruptible():
        planned = _planned(session, name, own, options)
    experiment, out = planned.experiment, options.out
    states: list[State] = []

    def kept() -> str:
        done, total = (states[-1].done, states[-1].total) if states else (0, 0)
        finished = (
            f"{done} of {counted(total, 'cell')} finished" if done else "no cell was finished"
        )
        if done and out is not None:
            finished += f" and kept in {out}; the same command goes on from there"
        if experiment.store is not None:
            finished += f"; finished evaluations are kept in {experiment.store}"
        return finished

    with session.interruptible(kept), _progress(session, states) as show, naming_answer():
        found = run_experiment(
            experiment,
            out,
            jobs=options.jobs,
            determines=planned.determines,
            about={
                "command": session.command,
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            progress=show,
            tries=options.jobs == 1 or options.model.startswith(_LIGHT),
        )
    with session.interruptible():
        if (usage := planned.model.usage) is not None and options.jobs == 1:
            session.notice(server_cost(usage))
        _deliver(session, dataclasses.replace(found, left_out=planned.left_out), options)


@dataclass(frozen=True)
class _Planned:
    """What to do.

    Args:
        experiment: The whole of it.
        model: Its model.
        determines: What else its numbers depend on.
        left_out: Which rows of the data are not used, in a line; empty if all are used.
    """

    experiment: Experiment
    model: Model
    determines: dict[str, Any]
    left_out: str


def _planned(session: Session, name: str, own: Mapping[str, Any], options: Options) -> _Planned:
    """What to do, checked before a model is loaded."""
    refuse_secret(options.model)
    _check_files(options)
    measure = MEASURES[name](**own)
    methods = methods_named(options.methods)
    _check_packages(methods)
    model = _model(session, options)
    reading = _reading(options, model)
    told: list[str] = []
    items = read_items(
        options.data,
        model,
        format=options.format,
        items=_items(options.items),
        lengths=_lengths(options.lengths),
        reading=reading,
        check=measure.check,
        notice=told.append,
    )
    for line in told:
        session.notice(line)
    experiment = Experiment(
        items,
        measure,
        methods,
        _numbers("--budgets", options.budgets),
        _numbers("--seeds", options.seeds),
        _store(session, options, model),
    )
    determines = {
        "data": _described(options.data),
        "format": options.format,
        "model": {"name": model.name, **_model_options(options)},
        "answer": options.answer,
        "reading": dataclasses.asdict(reading),
    }
    return _Planned(experiment, model, determines, "; ".join(told))


def _deliver(session: Session, found: Results, options: Options) -> None:
    statuses = [row.status for row in found.rows]
    if failed := statuses.count(FAILED):
        reasons = [row.reason for row in found.rows if row.status == FAILED]
        if OK not in statuses:
            is_call = reasons[0].startswith(ArgumentError.__name__)
            raise (ArgumentError if is_call else BackendError)(
                f"no cell was measured; the first failed with: {reasons[0]}"
            )
        session.notice(
            f"{counted(failed, 'cell')} failed, the first with: {reasons[0]}; the same command "
            "measures them again"
        )
    tables = found.to_markdown()
    if options.markdown is not None:
        write_text(options.markdown, tables)
    written = ["out", "markdown"]
    metric = found.main[0]
    if reason := found.undefined(metric):
        session.notice(f"{metric}: {reason}")
        if options.plot is not None:
            session.notice(f"{options.plot} is not drawn: there is no number of {metric}")
    elif options.plot is not None:
        found.save_plot(options.plot)
        written.append("plot")
    for name in written:
        if getattr(options, name) is not None:
            session.notice(f"wrote {getattr(options, name)}")
    if not session.quiet:
        console().print(tables, soft_wrap=True)


def _check_files(options: Options) -> None:
    check_store(options.store, options.no_store)
    check_files(
        {f"--{name}": getattr(options, name) for name in ("out", "plot", "markdown", "store")},
        {"the data": Path(options.data) if is_file(options.data) else None},
    )
    out: Path | None = options.out
    if out is not None:
        check_table(out, "--out")
        check_output(manifest_path(out), "--out")
        if out.suffix == ".parquet":
            require("pyarrow", "evaluate")
    if options.plot is not None:
        check_picture(options.plot, "--plot")
        require("matplotlib", "plot")


def _check_packages(methods: Sequence[Method | OfModel]) -> None:
    for method in methods:
        try:
            version(method.package)
        except PackageNotFoundError:
            raise MissingExtraError(
                f"method {method.name} needs the package {method.package}; "
                "install it: pip install 'spex-explain[evaluate]'"
            ) from None


def _model(session: Session, options: Options) -> Model:
    def load(name: str, **given: Any) -> Any:
        session.notice(f"loading the model {name}")
        return session.load(name, **given)

    answer = options.answer
    output = None if answer == OF_DATA else answer
    check_retries(options.retries)
    price = price_of(options.price, options.model)
    if price is not None and options.jobs > 1:
        raise ArgumentError(
            "--price: cost is counted in one process; leave --jobs out, because a server gets "
            "several requests at once anyway"
        )
    others = {"price": price, "scoring_check": options.scoring_check}
    given = _model_options(options) | {k: v for k, v in others.items() if v is not None}
    model = Model(
        options.model,
        given,
        load=load,
        output=output,
        retries=options.retries,
        notice=session.notice,
    )
    if model.predicts:
        for option in ("score", "device", "dtype"):
            if getattr(options, option) is not None:
                raise ArgumentError(f"--{option}: {model.name} predicts numbers; leave it out")
    if options.store is not None and not _is_named(model):
        raise ArgumentError(f"--store: {UNNAMED}; set it, or leave --store out")
    return model


def _is_named(model: Model) -> bool:
    """Whether a store can keep the model's values: a user's function needs an identity."""
    if not model.is_own:
        return True
    return isinstance(getattr(import_function(model.name.partition(":")[2]), "identity", None), str)


def _model_options(options: Options) -> dict[str, Any]:
    given = {"device": options.device, "dtype": options.dtype}
    return {name: value for name, value in given.items() if value is not None}


def _reading(options: Options, model: Model) -> Reading:
    return Reading(
        options.unit,
        options.mask,
        options.prompt,
        options.score,
        OF_DATA if model.predicts else options.answer,
        model.predicts,
    )


def _store(session: Session, options: Options, model: Model) -> Path | None:
    if options.no_store:
        return None
    if options.store is not None:
        return options.store
    if not _is_named(model):
        session.notice(f"evaluations are not kept: {UNNAMED}")
        return None
    try:
        return default_store()
    except OSError as error:
        session.notice(f"evaluations are not kept: {error}; choose a file with --store")
        return None


def _described(data: str) -> dict[str, str]:
    if not is_file(data):
        return {"name": data}
    return {"name": Path(data).name, "sha256": sha256_of(Path(data))}


def _numbers(option: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise ArgumentError(f"{option} {text!r}: write whole numbers with commas, such as 100,300")
    numbers = list(map(int, parts))
    if len(set(numbers)) < len(numbers):
        raise ArgumentError(f"{option} {text!r}: names a number twice")
    return numbers


def _items(text: str | None) -> int | list[int] | None:
    if text is None:
        return None
    numbers = _numbers("--items", text.removesuffix(","))
    return numbers if "," in text else numbers[0]


def _lengths(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    least, dash, most = text.partition("-")
    if not (dash and least.isdecimal() and most.isdecimal() and int(least) <= int(most)):
        raise ArgumentError(f"--lengths {text!r}: write the least and the most, such as 8-127")
    return int(least), int(most)


@contextmanager
def _progress(session: Session, states: list[State]) -> Iterator[Callable[[State], None]]:
    """A bar on a terminal; remembers the last state."""
    if session.quiet or not sys.stderr.isatty():
        yield lambda state: states.__setitem__(slice(None), [state])
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cells, {task.fields[calls]:,} evaluations"),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("measuring", total=None, calls=0)

        def show(state: State) -> None:
            states[:] = [state]
            bar.update(task, completed=state.done, total=state.total, calls=state.evaluations)

        yield show
