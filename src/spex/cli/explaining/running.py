"""`spex explain`: load the model, explain, write, print."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from spex.cli.explaining.deferred import Deferred
from spex.cli.explaining.dry_run import estimate_lines, plan_lines
from spex.cli.explaining.functions import is_own
from spex.cli.explaining.preparing import Prepared, prepare
from spex.cli.explaining.request import Request
from spex.cli.explaining.stores import open_store, usable_store
from spex.cli.session import Session, console
from spex.cli.showing import Result, deliver, with_command
from spex.engines.ray import engine_of
from spex.errors import SpexError, StoreError
from spex.explaining import noted, result, run_of, until_limit
from spex.report import facts
from spex.settings import LEAST_BUDGET
from spex.values.evaluator import Progress
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger
from spex.values.progress import reporter
from spex.values.repeatability import noise
from spex.values.retrying import Retries, Retrying
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.wording import counted
from spex.zooming.levels import parse_levels
from spex.zooming.zoom import zoom

if TYPE_CHECKING:
    from spex.models.servers.usage import Usage


def run(session: Session, request: Request) -> None:
    """Do what `spex explain` was asked for.

    Raises:
        SpexError: the call is wrong, or something failed; see `spex.errors`.
        Interrupted: Ctrl-C.
    """
    with session.interruptible():
        prepared = prepare(session, request)
    if request.dry_run:
        with session.interruptible():
            console().print("\n".join(plan_lines(prepared)), soft_wrap=True)
            lines = ["", *estimate_lines(prepared, lambda: prepared.loaded(session))]
            console().print("\n".join(lines), soft_wrap=True)
        return
    explanation = _explain(session, prepared)
    with session.interruptible():
        deliver(session, explanation, request.shown)


class _State:
    """How far a call is: what Ctrl-C says of it, and what others report to it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done, self._has_waited = 0, False
        self.place = ""  # path of the store; empty without a store
        self.show: Callable[[Progress], None] = lambda _: None
        self.is_visible = sys.stderr.isatty() and not session.quiet

    def kept(self) -> str:
        """What is kept of what was finished."""
        if not self._done:
            return "no evaluation was finished"
        count = counted(self._done, "evaluation")
        if not self.place:
            return f"{count} finished, not kept"
        return f"{count} finished and kept in {self.place}; the same command goes on from there"

    def give_up(self, error: StoreError) -> None:
        """The store failed, and is used no more."""
        self.place = ""
        self._session.notice(f"no more evaluations are kept: {error}")

    def report(self, state: Progress) -> None:
        """Take progress in, and show it."""
        self._done = state.done
        if state.is_waiting and not (self._has_waited or self.is_visible):
            self._session.notice("waiting for evaluations that another process has begun")
            self._has_waited = True
        self.show(state)


def _explain(session: Session, prepared: Prepared) -> Result:
    request, retries, state = prepared.request, prepared.retries, _State(session)
    with ExitStack() as stack:
        stack.enter_context(session.interruptible(state.kept))
        store = stack.enter_context(open_store(session, request, state.give_up))
        if store is not None:
            state.place = str(store.path)
        source = prepared.function(session, store)
        store = usable_store(session, request, source, store)
        state.place = state.place if store is not None else ""
        shown = reporter(not session.quiet, session.notice, state.is_visible)
        state.show = stack.enter_context(shown)
        # If faults are tolerated, an error costs one batch, and is retried there.
        asked: ValueSource = source
        if is_own(request):
            again = retries if request.faults is None else Retries(0, session.notice)
            asked = Retrying(source, again)
        if request.engine is not None:
            asked = stack.enter_context(engine_of(request.engine).running(asked))
        if request.limits:
            asked = Limited(asked, Ledger(request.limits))
        explanation = _computed(asked, request, store, state.report)
    if isinstance(source, Deferred) and not source.is_loaded:
        session.notice("all values were in the store; the model was not loaded")
    if retries.count:
        session.notice(
            f"the function raised an error {counted(retries.count, 'time')} and was asked again"
        )
    tell_cost(session, source)
    # `spex sets` can repeat the request for one explanation. One on two levels has two sources.
    options = request.to_json() if request.zoom is None else None
    return with_command(explanation, session.command, options)


def tell_cost(session: Session, source: object) -> None:
    """Say what a server has counted, if the model of a source is on one."""
    usage = getattr(getattr(source, "model", None), "usage", None)
    if usage is not None:
        session.notice(server_cost(usage))


def _computed(
    source: Any,
    request: Request,
    store: Store | None,
    progress: Callable[[Progress], None],
) -> Result:
    settings = request.of_run
    if request.zoom is not None:
        levels = parse_levels(request.zoom)
        settings |= {"store": store, "progress": progress, "faults": request.faults}
        return zoom(source, levels, request.budget, **settings)
    run = run_of(source, request.budget, target_r2=request.target_r2, **settings)
    try:
        stopped, n_gaps = until_limit(run, source, store, progress, request.faults)
    except StoreError as error:
        # The store lacks the latest values; the explanation of the values so far includes them.
        out = request.out
        if out is None or run.n_told < LEAST_BUDGET:
            raise
        try:
            noted(result(run, source, forecast=False), "the store failed", 0, run).save(out)
        except SpexError as failure:
            raise StoreError(f"{error}; and {failure}") from failure
        raise StoreError(f"{error}; {out} explains the {run.n_told} evaluations made") from error
    variance = noise(run, source, store) if stopped is None else None
    found = result(run, source, forecast=stopped is None, variance=variance)
    return noted(found, stopped, n_gaps, run)


def server_cost(usage: "Usage") -> str:
    """What a server counted, in one sentence."""
    failures = counted(usage.failures, "request")
    failed = f", {failures} failed and went out again" if usage.failures else ""
    cost = "" if usage.cost is None else f", {facts.dollars(usage.cost)} at the price given"
    if usage.uncounted:
        replies = counted(usage.uncounted, "reply", "replies")
        cost = f"; it told no tokens of {replies}, so that the cost is unknown"
    return (
        f"the server answered {counted(usage.requests, 'request')}{failed}; it counts "
        f"{counted(usage.prompt_tokens, 'token')} read and "
        f"{usage.completion_tokens:,} written{cost}"
    )
