"""A running explanation in its own thread: it reports its progress, and may be stopped."""

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from spex.app.form import Form, request_of
from spex.app.models import Serialised, SharedModels
from spex.app.shelf import Entry, Shelf
from spex.cli.explaining.dry_run import estimate_lines, plan_lines
from spex.cli.explaining.functions import is_own, model_name
from spex.cli.explaining.preparing import Prepared, prepare
from spex.cli.explaining.request import Request
from spex.cli.explaining.stores import open_store
from spex.cli.explaining.stores import usable_store as usable
from spex.cli.session import Session
from spex.cli.showing import Result, with_command
from spex.errors import ArgumentError, SpexError, StoreError, ValueFunctionError
from spex.explaining import noted, result, run_of, until_limit
from spex.explanation import Explanation
from spex.fitting.fidelity import lowest
from spex.report import facts
from spex.run import Run
from spex.settings import LEAST_BUDGET
from spex.values.evaluator import Progress
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger
from spex.values.repeatability import noise
from spex.values.retrying import Retrying
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.wording import counted
from spex.zooming.levels import parse_levels
from spex.zooming.two_levels import Zoom
from spex.zooming.zoom import zoom

# A fit for the curve follows this many times the evaluations of the one before.
_FIRST_FIT, _GROWTH = 16, 1.5
_MOST_MESSAGES = 50


@dataclass(frozen=True)
class Point:
    """R2 after some evaluations, with its 90 % interval; of several outputs the lowest."""

    n: int
    r2: float
    low: float
    high: float


class Stopped(Exception):
    """The user has asked to stop."""


class _Session(Session):
    """A call of the command line whose messages go to the page."""

    def __init__(
        self, arguments: list[str], models: SharedModels, told: Callable[[str], None]
    ) -> None:
        super().__init__(["explain", *arguments], models.load)
        self._told = told

    def tell(self, message: str) -> None:
        self._told(message)


class Call:
    """What was filled in, as a call of `spex explain` over the models that all share.

    Args:
        form: What was filled in.
        entry: Where its input is kept.
        models: Those of the app.
        told: Is told what takes long.

    Raises:
        SpexError: the call is wrong.
    """

    def __init__(
        self, form: Form, entry: Entry, models: SharedModels, told: Callable[[str], None]
    ) -> None:
        arguments = form.arguments(entry.folder)
        self.request: Request = request_of(arguments)
        self.session = _Session(arguments, models, told)
        self.lock = models.lock(model_name(self.request))
        with self.lock:  # units may be tokens of the model
            self.prepared: Prepared = prepare(self.session, self.request)

    def plan(self) -> list[str]:
        """What the call will do, as `--dry-run` has it; no model is asked."""
        return plan_lines(self.prepared)

    def estimate(self, go_on: Callable[[], None] = lambda: None) -> list[str]:
        """What it will cost, from a few calls of the model; `go_on` may raise before each.

        Raises:
            SpexError: the model refuses the input, or failed.
        """
        with self.lock:
            return estimate_lines(self.prepared, lambda: self.prepared.loaded(self.session), go_on)

    def source(self, store: Store | None) -> ValueSource:
        """The source of values; others may ask the same model between two batches."""
        with self.lock:
            function = self.prepared.function(self.session, store)
        asked: ValueSource = function
        if is_own(self.request):
            asked = Retrying(function, self.prepared.retries)
        if self.request.limits:
            asked = Limited(asked, Ledger(self.request.limits))
        return Serialised(asked, self.lock)


class Job:
    """A running explanation.

    Args:
        form: What was filled in.
        shelf: Where the explanation is kept.
        models: Those of the app.

    Attributes:
        messages: What was told, the latest last.
        progress: Evaluations done and wanted; None before the first.
        points: R2 at growing numbers of evaluations.
        error: Why it ended early, if it did.
        entry: Where input and explanation are.
        is_saved: Whether the explanation is there.
        is_fitting: Whether it computes, and asks nothing.
        is_partial: Whether it ended before all was evaluated.
        is_zoom: Whether it is on several levels, which have no common R2.
        ending: What ended it, other than calls: a limit, or the tokens of a server.
    """

    def __init__(self, form: Form, shelf: Shelf, models: SharedModels) -> None:
        self._form, self._models = form, models
        self.entry = shelf.new()
        self.messages: list[str] = []
        self.progress: Progress | None = None
        self.points: list[Point] = []
        self.error: str | None = None
        self.ending = ""
        self.is_saved = self.is_fitting = self.is_partial = False
        self.is_zoom = "zoom" in form.options
        self._next_fit = float(_FIRST_FIT)
        self._last_fit = self._fit_seconds = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=self.entry.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the current batch, and explain the values so far."""
        self._stop.set()

    @property
    def about(self) -> str:
        """What is explained, of which model."""
        model = self._form.options.get("model", "the demonstration model")
        return f"{self._form.title} ({model})"

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most this long; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _tell(self, message: str) -> None:
        self.messages = [*self.messages, message][-_MOST_MESSAGES:]

    def _work(self) -> None:
        try:
            self._explain(Call(self._form, self.entry, self._models, self._tell))
        except SpexError as error:
            self.error = self._form.worded(str(error), self.entry.folder)
        except Exception as error:  # show a bug on the page too, not only in the terminal
            self.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            self.is_fitting = False
            if not self.is_saved:
                shutil.rmtree(self.entry.folder, ignore_errors=True)

    def _explain(self, call: Call) -> None:
        request = call.request
        with ExitStack() as stack:
            store = stack.enter_context(open_store(call.session, request, self._give_up))
            source = call.source(store)
            store = usable(call.session, request, source, store)
            if request.zoom is None:
                found, failure = self._found(request, source, store)
            else:
                found, failure = self._zoomed(request, source, store), None
        found = with_command(found, call.session.command, request.to_json())
        self.entry.save(found, self._form.title)
        usage = facts.usage(found) if isinstance(found, Explanation) else None
        self.ending = " ".join(filter(None, [self.ending, usage and f"The server counts {usage}."]))
        self.is_saved = True
        if failure is not None:
            told = self._form.worded(str(failure[0]), self.entry.folder)
            self.error = f"{told}; shown is what {counted(failure[1], 'evaluation')} say"

    def _found(
        self, request: Request, source: ValueSource, store: Store | None
    ) -> tuple[Result, tuple[SpexError, int] | None]:
        """The explanation, and what ended it early, with the number of evaluations then."""
        run = run_of(
            source,
            request.budget,
            target_r2=request.target_r2,
            **request.of_run,
        )
        failure: SpexError | None = None
        stopped, variance = None, None
        try:
            stopped, _ = until_limit(run, source, store, lambda state: self._report(state, run))
            variance = noise(run, source, store) if stopped is None else None
        except Stopped:
            stopped = "it was stopped by hand"
        except SpexError as error:  # explain the values that were paid for
            failure, stopped = error, "an error ended it"
        if run.n_told < LEAST_BUDGET:
            raise failure or ArgumentError(
                f"stopped with {self._kept(run.n_told, store)}; a fit needs at least {LEAST_BUDGET}"
            )
        self.is_fitting = True
        is_whole = run.n_told == run.total
        self.is_partial = not is_whole and stopped is not None
        found = result(run, source, forecast=is_whole, variance=variance)
        self._add_point(run)
        if is_whole:
            stopped = None
        elif failure is None and stopped is not None:
            self.ending = f"{stopped[0].upper()}{stopped[1:]}."
        early = None if failure is None else (failure, run.n_told)
        return noted(found, stopped, 0, run), early

    def _zoomed(self, request: Request, source: ValueSource, store: Store | None) -> Result:
        """An explanation on several levels, which must be complete."""
        assert request.zoom is not None  # checked by the caller
        function: Any = source  # a source may be called like a function
        try:
            found: Explanation | Zoom = zoom(
                function,
                parse_levels(request.zoom),
                request.budget,
                store=store,
                progress=self._report,
                **request.of_run,
            )
            stopped = (found.fine if isinstance(found, Zoom) else found).stopped
            self.is_partial = stopped is not None
            self.ending = "" if stopped is None else f"{stopped[0].upper()}{stopped[1:]}."
            return found
        except Stopped:
            done = 0 if self.progress is None else self.progress.done
            raise ArgumentError(
                f"stopped with {self._kept(done, store)}; a zoom is explained when it is complete"
            ) from None

    def _kept(self, count: int, store: Store | None) -> str:
        kept = "" if store is None else ", kept in the store for the next time"
        return f"{counted(count, 'evaluation')} done{kept}"

    def _give_up(self, error: StoreError) -> None:
        self._tell(f"no more evaluations are kept: {error}")

    def _report(self, state: Progress, run: Run | None = None) -> None:
        self.progress = state
        self.is_fitting = state.is_fitting
        if self._stop.is_set():
            raise Stopped
        if run is None:
            return
        began = time.monotonic()
        # Fits take at most half of the time.
        is_due = self._next_fit <= state.done < state.total
        if is_due and began - self._last_fit >= self._fit_seconds:
            self.is_fitting = True
            with suppress(ArgumentError, ValueFunctionError):  # too few masks so far for a fit
                self._add_point(run)
            self.is_fitting = False
            self._next_fit = _GROWTH * state.done
            self._last_fit = time.monotonic()
            self._fit_seconds = self._last_fit - began

    def _add_point(self, run: Run) -> None:
        """The R2 of the values so far."""
        found = lowest(one.fit.fidelity for one in run.fits())
        self.points = [*self.points, Point(run.n_told, found.r2, *found.interval)]
