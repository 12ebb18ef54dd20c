"""`spex explain`: check the whole call, then load the model, explain, write, print."""

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spex.cli.explaining.deferred import Deferred, function_of
from spex.cli.explaining.functions import (
    UNNAMED,
    Function,
    check_function,
    check_import,
    check_retries,
    check_store,
    default_store,
    is_own,
    make_function,
    model_name,
    predicts,
    price_of,
)
from spex.cli.explaining.inputs import AnyMasker, sources, types_read
from spex.cli.explaining.prompt_parts import allocated, planned, timed
from spex.cli.explaining.request import Request, parse_price
from spex.cli.explaining.traces import read_input, written
from spex.cli.session import Session, check_files, console
from spex.cli.showing import Result, deliver, with_command
from spex.engines.ray import engine_of
from spex.errors import ArgumentError, BackendError, MissingExtraError, SpexError, StoreError
from spex.explaining import noted, result, run_of, until_limit
from spex.inputs.composite import SideBySide
from spex.inputs.documents import Documents
from spex.inputs.messages import Messages
from spex.inputs.prompt_template import PromptTemplate
from spex.inputs.table import Table
from spex.inputs.text import Text
from spex.models.protocol import Message
from spex.models.servers.address import SERVER_PREFIXES, refuse_secret
from spex.report import facts
from spex.scores.log_probabilities import LogOdds, LogProb, Probability
from spex.settings import LEAST_BUDGET
from spex.values.dataset_value import DatasetValue
from spex.values.evaluator import Progress
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger
from spex.values.progress import reporter
from spex.values.repeatability import noise, said_before
from spex.values.retrying import Retries, Retrying
from spex.values.scoring_check import N_CALLS, N_IN_FLOAT32
from spex.values.source import ValueSource
from spex.values.storage.care import removed_if_empty
from spex.values.store import Store
from spex.wording import counted
from spex.zooming.levels import (
    coarser_levels,
    counted_levels,
    has_several_levels,
    parse_levels,
)
from spex.zooming.run import check_settings
from spex.zooming.two_levels import coarse_units
from spex.zooming.zoom import zoom

if TYPE_CHECKING:
    from spex.models.protocol import LanguageModel
    from spex.models.servers.usage import Usage
    from spex.scores.log_probabilities import Score

_SHOWN_UNITS = 30
_SHOWN_ENDS = 5_000  # characters of each end of a prompt


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A call that was checked, before its model is loaded.

    Args:
        request: The call.
        masker: The input and its units.
        score: What is measured.
        model: Loaded only where its tokens are the units.
        calls: The most distinct masks that are evaluated.
        retries: How often a function of the user's is asked again.
    """

    request: Request
    masker: AnyMasker
    score: "Score"
    model: "LanguageModel | None"
    calls: int
    retries: Retries

    def function(self, session: Session, store: Store | None) -> Function | Deferred:
        """The value function; its model is loaded unless the store may have all values."""
        request, masker, score = self.request, self.masker, self.score
        return self.retries.call(
            lambda: function_of(session, request, masker, score, self.model, store)
        )

    def loaded(self, session: Session) -> Function:
        """The value function, with its model."""
        request, masker, score = self.request, self.masker, self.score
        return make_function(session, request, masker, score, self.model, None)


def prepare(session: Session, request: Request) -> Prepared:
    """Read the input and find what is wrong with a call.

    Raises:
        SpexError: the call is wrong.
    """
    refuse_secret(request.model)  # first: messages and the plan show the model's name
    request, masker, score = read_input(session, request)
    check_function(request, masker)
    check_import(request)
    price_of(request.price, model_name(request))
    opened = functools.partial(open_store, session, request, lambda error: None)
    masker, model = written(session, request, masker, opened)
    calls = _check(request, masker)
    retries = Retries(request.retries if is_own(request) else None, session.notice)
    return Prepared(request, masker, score, model, calls, retries)


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


def _check(request: Request, masker: AnyMasker) -> int:
    """Find what is wrong with a call before a model is loaded; return the most calls it makes."""
    _check_files(request)
    if request.limits.cost is not None and request.price is None:
        raise ArgumentError("--max-cost: needs the price of a model on a server; give --price")
    n = masker.n_features
    if isinstance(masker, PromptTemplate):
        request.shown.check(n)
        spread, _ = allocated(request, masker)
        return spread.n_masks * spread.per_mask
    if request.zoom is None:
        request.shown.check(n)
        return request.settings(n).total
    if not isinstance(masker, Text | Documents | Messages):
        raise ArgumentError(
            "--zoom: only the units of --text, --documents and --messages lie in coarser ones"
        )
    if request.target_r2 is not None:
        raise ArgumentError("--target-r2 does not go with --zoom; leave it out")
    levels = parse_levels(request.zoom)
    if has_several_levels(levels):
        coarser_levels(levels, n, masker)
        check_settings(request.budget, **request.of_run)
        request.shown.check(2)
        return request.budget if n >= 26 else min(request.budget, 1 << n)
    _, labels = coarse_units(request.zoom, n, masker)
    half = dataclasses.replace(request, budget=request.budget // 2)
    total = half.settings(len(labels)).total
    request.shown.check(2)  # a close-up has two units at least
    return request.budget if n >= 26 else min(request.budget, total + (1 << n))


def _check_files(request: Request) -> None:
    check_retries(request.retries)
    if request.engine is not None:
        engine_of(request.engine)
    check_store(request.store, request.no_store)
    check_files(
        {"--out": request.out, "--html": request.html, "--store": request.store},
        {option: Path(file) for option, file in sources(request).items() if file != "-"},
    )


def plan_lines(prepared: Prepared) -> list[str]:
    """What a call will do: its units, its calls and its prompt."""
    request, masker, calls = prepared.request, prepared.masker, prepared.calls
    operator = masker.operator_name
    lines = [f"{_counted_units(masker)} (mask: {operator})"]
    if request.zoom is not None:
        assert isinstance(masker, Text | Documents | Messages)  # as `_check` has it
        lines[0] += f" in {counted_levels(parse_levels(request.zoom), masker)}"
    width = len(str(masker.n_features))
    for number, unit in enumerate(masker.features[:_SHOWN_UNITS], 1):
        lines.append(f"  {number:>{width}}  {facts.short(unit, 70)}")
    if masker.n_features > _SHOWN_UNITS:
        lines.append(f"  {'':>{width}}  and {masker.n_features - _SHOWN_UNITS:,} more")
    lines += types_read(masker)
    if isinstance(masker, PromptTemplate):
        lines += ["", planned(request, masker, model_name(request))]
        return [*lines, *_prompt_lines(masker)]
    exact = masker.n_features <= 26 and calls == 1 << masker.n_features
    all_masks = ", every combination of units: the result is exact" if exact else ""
    called = f"{counted(calls, 'call')} of the model {model_name(request)}"
    lines += ["", f"At most {called}{all_masks}"]
    if request.limits:
        told = " or ".join(request.limits.in_words().values())
        lines.append(f"Stops before it exceeds {told}, and explains what is there")
    kind = request.score.partition(":")[0]
    own = kind in ("logprob", "probability", "similarity") and request.answer is None
    own = own and not getattr(masker, "answers", ())
    if own and not predicts(request):
        lines.append("One more to learn the model's own answer, which is then explained")
    of_answers = isinstance(prepared.score, LogProb | Probability | LogOdds)
    if of_answers and not predicts(request) and not is_own(request):
        half = N_IN_FLOAT32 if request.dtype in ("bfloat16", "float16") else 0
        lines.append(
            f"{counted(N_CALLS + half, 'call')} more, before the first one, to see whether its "
            "log-probabilities are right, unless all values are kept already"
        )
    if model_name(request).startswith((*SERVER_PREFIXES, "reply:")) and request.zoom is None:
        lines.append(said_before(calls))
    return [*lines, *_prompt_lines(masker)]


def _prompt_lines(masker: AnyMasker) -> list[str]:
    """The prompt with every unit."""
    lines: list[str] = []
    if isinstance(masker, Table):
        messages: tuple[Message, ...] = ()
    else:
        prompt = masker.render([True] * masker.n_features)
        messages = prompt.messages
        if prompt.answer_prefix:
            messages = (*messages, Message("assistant", prompt.answer_prefix))
    if any(message.as_text for message in messages):
        lines += ["", "Prompt with every unit (the model's chat template comes around it):"]
    for message in messages:
        if message.as_text:
            lines += [f"[{message.role}]", facts.visible(_without_middle(message.as_text))]
    return lines


def _without_middle(text: str) -> str:
    """A long prompt without what is far from its ends."""
    left_out = len(text) - 2 * _SHOWN_ENDS
    if left_out <= _SHOWN_ENDS:
        return text
    told = f"[{counted(left_out, 'character')} more]"
    return f"{text[:_SHOWN_ENDS]}\n\n{told}\n\n{text[-_SHOWN_ENDS:]}"


def _counted_units(masker: AnyMasker) -> str:
    unit = masker.unit_name.partition(":")[0]
    if isinstance(masker, SideBySide) and len(masker.maskers) > 1:
        unit = "unit"
    noun = {"regex": "piece", "grid": "region", "superpixels": "region"}.get(unit, unit)
    return counted(masker.n_features, noun)


def estimate_lines(
    prepared: Prepared,
    function: Callable[[], Function],
    go_on: Callable[[], None] = lambda: None,
) -> list[str]:
    """What a call will cost, from a few calls where the model is on this machine.

    `go_on` is called before each of them, and may raise to end it.
    """
    request, masker = prepared.request, prepared.masker
    calls = min(prepared.calls, request.max_calls or prepared.calls)
    from spex.cli.explaining.estimating import estimate, guess, unavailable

    lines = []
    reason = unavailable(model_name(request))
    if reason is None:
        try:
            made = prepared.retries.call(function)
            lines = prepared.retries.call(
                lambda: (
                    timed(made, calls)
                    if isinstance(made, DatasetValue)
                    else estimate(made, calls, go_on)
                )
            )
        except (BackendError, MissingExtraError) as error:
            reason = str(error)
    if reason is not None:
        lines = [f"Tokens and time are unknown: {reason}"]
    if model_name(request).startswith(SERVER_PREFIXES) and not isinstance(masker, Table):
        price = None if request.price is None else parse_price(request.price)
        lines += guess(masker, prepared.score, calls, price)
    return lines


class _State:
    """How far a call is: what Ctrl-C says of it, and what others report to it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done, self._has_waited = 0, False
        self.place = ""  # of the store; empty where nothing is kept
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
        # With faults to be borne, an error costs one batch, and is retried there.
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
    # `spex sets` asks again for one explanation; one on two levels has two sources.
    options = request.to_json() if request.zoom is None else None
    return with_command(explanation, session.command, options)


def tell_cost(session: Session, source: object) -> None:
    """Say what a server has counted, if the model of a source is on one."""
    usage = getattr(getattr(source, "model", None), "usage", None)
    if usage is not None:
        session.notice(server_cost(usage))


def usable_store(
    session: Session, request: Request, source: ValueSource, store: Store | None
) -> Store | None:
    """The store, or None where values of this function cannot be kept.

    Raises:
        ArgumentError: they cannot, and the request names a store.
    """
    if store is None or source.identities is not None:
        return store
    if request.store is not None:
        raise ArgumentError(f"--store: {UNNAMED}; set it, or leave --store out")
    session.notice(f"evaluations are not kept: {UNNAMED}")
    return None


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
        # The store lacks the values that just came; the explanation of what there is has them.
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


@contextmanager
def _store_at(path: Path) -> Iterator[Store]:
    with removed_if_empty(path), Store(path) as store:
        yield store


def open_store(
    session: Session, request: Request, give_up: Callable[[StoreError], None]
) -> AbstractContextManager[Store | None]:
    """The store that a request names, or the one in the cache folder; None where it wants none."""
    if request.no_store:
        return nullcontext()
    if request.store is not None:
        return _store_at(request.store)
    # The default is a convenience: where it cannot be had, the explanation is made without.
    try:
        return Store(default_store(), give_up)
    except (OSError, StoreError) as error:
        session.notice(f"evaluations are not kept: {error}; choose a file with --store")
        return nullcontext()
