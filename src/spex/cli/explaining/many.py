"""`spex explain --data`: every row of a file, one model, a folder of explanations."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from spex.cli.explaining.functions import (
    UNNAMED,
    check_retries,
    model_name,
    naming_answer,
    price_of,
)
from spex.cli.explaining.request import Request
from spex.cli.explaining.stores import open_store
from spex.cli.session import Session, console
from spex.engines.ray import engine_of
from spex.errors import ArgumentError, BackendError, StoreError
from spex.evaluate.data.formats import FIELDS, FORMATS, OWN, Reading, detect, name_of
from spex.evaluate.data.rows import Row, rows_or_errors
from spex.evaluate.data.subject import Model, Subject
from spex.many.explaining import explain_many
from spex.many.items import Named
from spex.many.page import left_out
from spex.many.results import ManyInterrupted
from spex.many.work import ManyProgress
from spex.models.servers.address import refuse_secret
from spex.wording import counted, did_you_mean, short

if TYPE_CHECKING:
    from spex.many.results import ManyExplanations
    from spex.values.source import ValueSource
    from spex.values.store import Store

_SHOWN = 15
_SECONDS_BETWEEN_LINES = 30.0
# Options for a single explanation. With many, each row has its own input.
_NOT_OF_MANY = (
    "text", "documents", "messages", "image", "table", "question", "system", "missing", "group",
    "zoom", "index", "order", "html",
)  # fmt: skip


def run(session: Session, request: Request) -> None:
    """Explain every row of a file.

    Raises:
        ArgumentError: the call is wrong, or the data cannot be read.
        BackendError: an item failed; the others are explained.
        StoreError: the store failed.
        Interrupted: Ctrl-C.
    """
    refuse_secret(request.model)
    assert request.data is not None
    _check(request)
    rows = rows_or_errors(request.data)
    named = _items(session, request, rows)
    if request.dry_run:
        _print_plan(request, named)
        return
    out = request.out
    assert out is not None

    def kept() -> str:
        return f"what is finished is in {out}; the same command goes on from there"

    with session.interruptible(kept), open_store(session, request, _fails) as store:
        try:
            with _progress(session, len(named)) as progress:
                many = explain_many(
                    named,
                    request.budget,
                    target_r2=request.target_r2,
                    out=out,
                    store=store,
                    progress=progress,
                    limits=request.limits or None,
                    faults=request.faults,
                    engine=request.engine,
                    **request.of_run,
                )
        except ManyInterrupted as interrupt:
            interrupt.many.save_table(out / "summary.csv")
            raise
        many.save_table(out / "summary.csv")
        index = many.to_html()
    session.notice(f"wrote {index} and {out / 'summary.csv'}")
    if not session.quiet:
        _print(many)
    if many.stopped is not None:
        session.notice(f"{many.stopped}; the same command goes on from there")
    if failures := many.failures:
        first = next(iter(failures))
        raise BackendError(
            f"{len(failures):,} of {counted(len(rows), 'item')} failed; the first, {first!r}: "
            f"{failures[first]}"
        )


def _fails(error: StoreError) -> None:
    raise error


def _check(request: Request) -> None:
    """Refuse options that do not suit many items, before anything is read."""
    for name in _NOT_OF_MANY:
        if getattr(request, name):
            raise ArgumentError(f"--{name} does not go with --data: each row has its own")
    if request.out is None and not request.dry_run:
        raise ArgumentError("--data needs --out FOLDER, where the explanations go")
    if request.out is not None and request.out.is_file():
        raise ArgumentError(f"--out {request.out}: is a file; give a folder")
    for name in ("unit", "mask"):
        if len(getattr(request, name)) > 1:
            raise ArgumentError(f"--{name}: give it once")
    check_retries(request.retries)
    _ = request.limits, request.faults  # raise now if one is wrong
    if request.engine is not None:
        engine_of(request.engine)
        if model_name(request).startswith("openai:"):
            raise ArgumentError(
                "--engine: a model on a server takes many calls at once; leave it out"
            )
    request.settings(2)


def _items(
    session: Session, request: Request, located: Sequence[tuple[str, Row | ArgumentError]]
) -> list[Named]:
    name = model_name(request)
    price_of(request.price, name)
    predicts_output = name.startswith("predict:")
    model = Model(
        name,
        request.model_options,
        load=session.load,
        output=request.answer if predicts_output else None,
        # If faults are tolerated, an error costs one batch, which is retried there.
        retries=request.retries if request.faults is None else 0,
        notice=session.notice,
    )
    if model.is_own and not request.dry_run:
        _tell_unnamed(session, model)
    reading = Reading(
        unit=request.unit[0] if request.unit else None,
        operator=request.mask[0] if request.mask else None,
        prompt=request.prompt,
        score=None if request.score == "logprob" else request.score,
        predicts=model.predicts,
        max_new_tokens=request.max_new_tokens,
    )
    if request.answer is not None and not predicts_output:
        located = [
            (place, row if isinstance(row, ArgumentError) else {**row, "answer": request.answer})
            for place, row in located
        ]
    rows = [row for _, row in located if not isinstance(row, ArgumentError)]
    # Here a text with a label is read as a text, whatever its subject.
    format = (
        "jsonl" if {"text", "documents", "messages", "image"} & set(rows[0]) else detect(rows[0])
    )
    if format == "jsonl":
        _tell_slips(session, rows)
    names: set[str] = set()
    return [
        _failing(row, _name(str(number), place, names))
        if isinstance(row, ArgumentError)
        else _item(row, _name(name_of(row, number), place, names), format, reading, model)
        for number, (place, row) in enumerate(located)
    ]


def _tell_unnamed(session: Session, model: Model) -> None:
    """Say at the start that another run would begin from scratch.

    Raises:
        ArgumentError: the function cannot be imported.
    """
    if not isinstance(getattr(model.loaded(), "identity", None), str):
        session.notice(
            f"evaluations are not kept, and the next start explains all items again: {UNNAMED}; "
            'set it, such as my_function.identity = "version 1"'
        )


def _tell_slips(session: Session, rows: Sequence[Row]) -> None:
    """Name fields that are not used and look like misspelt ones."""
    used = set(FIELDS)
    for name in dict.fromkeys(name for row in rows for name in row):
        if name not in used and (close := did_you_mean(name, FIELDS)):
            session.notice(f"the field {name!r} of the data is not used{close}")


def _name(name: str, place: str, names: set[str]) -> str:
    """A name that is unique among the rows."""
    name = name if name not in names else f"{name} ({place})"
    names.add(name)
    return name


def _failing(error: ArgumentError, name: str) -> Named:
    """A row that cannot be read; it costs only this item."""

    def make(_: "Store | None") -> "ValueSource":
        raise error

    return Named(name, make)


def _item(row: Row, name: str, format: str, reading: Reading, model: Model) -> Named:
    def make(store: "Store | None") -> "ValueSource":
        own = reading if row.get("answer") not in (None, "") else replace(reading, answer=OWN)
        parsed = FORMATS[format](row, own)
        with naming_answer():
            return Subject(parsed.masker, parsed.score, model)(store)

    return Named(name, make)


def _print_plan(request: Request, named: Sequence[Named]) -> None:
    calls = counted(len(named) * request.budget, "call")
    show = console()
    show.print(f"{counted(len(named), 'item')}, at most {calls} of the model {model_name(request)}")
    for one in named[:_SHOWN]:
        show.print(f"  {short(one.name, 70)}")
    if len(named) > _SHOWN:
        show.print(f"  and {len(named) - _SHOWN:,} more")


@contextmanager
def _progress(session: Session, total: int) -> Iterator[Callable[[ManyProgress], None]]:
    """A bar on a terminal; elsewhere a line every half minute."""
    if session.quiet or not sys.stderr.isatty():
        lines = _Lines(session, total)
        try:
            yield lines
        finally:
            lines.end()
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*Progress.get_default_columns(), console=Console(stderr=True)) as bar:
        task = bar.add_task("explaining", total=total)

        def show(state: ManyProgress) -> None:
            said = f"{state.evaluations:,} evaluations" + _failed(state)
            bar.update(task, completed=state.done + state.failed, description=said)

        yield show


class _Lines:
    """Tells how far a run is every half minute."""

    def __init__(self, session: Session, total: int) -> None:
        self._session, self._total = session, total
        self._last = time.monotonic()
        self._untold: ManyProgress | None = None

    def __call__(self, state: ManyProgress) -> None:
        self._untold = state
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self.end()

    def end(self) -> None:
        """Tell the latest state."""
        if (state := self._untold) is not None:
            self._untold, self._last = None, time.monotonic()
            self._session.notice(
                f"{state.done:,} of {counted(self._total, 'item')} explained"
                f"{_failed(state)}, {state.evaluations:,} evaluations"
            )


def _failed(state: ManyProgress) -> str:
    return f", {state.failed:,} failed" if state.failed else ""


def _print(many: "ManyExplanations") -> None:
    from rich.table import Table

    show = console()
    table = Table("item", "R2", "strongest", "value", title=repr(many))
    rows = (row for record in many.records.values() for row in record.rows())
    for row in islice(rows, _SHOWN):
        if row["reason"]:
            table.add_row(short(row["item"]), row["status"], short(row["reason"], 60), "")
            continue
        r2 = "" if row["r2"] is None else f"{row['r2']:.3f}"
        strongest = short(row["strongest"] or "none", 60)
        value = "" if row["value"] is None else f"{row['value']:+.3g}"
        table.add_row(short(row["item"]), r2, strongest, value)
    show.print(table)
    if len(many.records) > _SHOWN:
        show.print(f"and {len(many.records) - _SHOWN:,} more in summary.csv")
    for order, what in ((1, "units"), (2, "pairs")):
        found = many.recurring(order).head(5).to_dict("records")
        if found:
            listed = "; ".join(
                f"{short(one['units'])} ({one['items']:,} items, {one['value']:+.3g}"
                f"{'' if one['same_sign'] == 1 else ', of both signs'})"
                for one in found
            )
            show.print(f"Most frequent {what}: {listed}", soft_wrap=True)
    if many.unfit:
        show.print(left_out(many.unfit))
