"""`spex explain`: check the whole call, then load the model, explain, write, print."""

import dataclasses
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spex.cli.functions import (
    UNNAMED,
    Function,
    check_function,
    check_price,
    is_own,
    load_model,
    make_function,
    model_name,
    predicts,
)
from spex.cli.inputs import AnyMasker, read_masker, sources, types_read
from spex.cli.request import Request, parse_price
from spex.cli.session import Session, check_output, console
from spex.cli.showing import Result, deliver, with_command
from spex.engines.ray import engine_of
from spex.errors import ArgumentError, BackendError, MissingExtraError, StoreError
from spex.explaining import result, run_of
from spex.files import is_stream
from spex.inputs.composite import Composite
from spex.inputs.image import Image
from spex.inputs.segmentation import TOKEN
from spex.inputs.table import Table
from spex.models.environment import cache_folder
from spex.models.servers.address import refuse_secret
from spex.report import facts
from spex.scores.parsing import parse_score
from spex.settings import LEAST_BUDGET
from spex.values.evaluator import Progress, evaluate
from spex.values.progress import reporter
from spex.values.repeatability import noise, said_before
from spex.values.retrying import Retries, Retrying
from spex.values.store import Store
from spex.wording import counted
from spex.zooming import coarse_units, zoom

if TYPE_CHECKING:
    from spex.models.protocol import Message
    from spex.models.servers.endpoint import Usage
    from spex.scores.log_probabilities import Score

_SHOWN_UNITS = 30


def run(session: Session, request: Request) -> None:
    """Do what `spex explain` was asked for.

    Raises:
        SpexError: the call is wrong, or something failed; see `spex.errors`.
        Interrupted: Ctrl-C.
    """
    with session.interruptible():
        refuse_secret(request.model)  # first: messages and the plan show the model's name
        score = parse_score(request.score, request.answer, request.max_new_tokens)
        masker = read_masker(request)
        check_function(request, masker)
        check_price(request)
        model = None
        if TOKEN in request.unit and not isinstance(masker, Image | Table):
            if predicts(request):
                raise ArgumentError("--unit token: the model predicts numbers and has no tokens")
            model = load_model(session, request)
            masker = masker.with_tokenizer(model)
        calls = _check(request, masker)

    retries = Retries(request.retries if is_own(request) else None, session.notice)

    def function(store: Store | None) -> Function:
        return retries.call(lambda: make_function(session, request, masker, score, model, store))

    if request.dry_run:
        with session.interruptible():
            _print_plan(request, masker, calls)
            _print_estimate(request, masker, score, function, calls, retries)
        return
    explanation = _explain(session, request, function, retries)
    with session.interruptible():
        deliver(session, explanation, request.shown)


def _check(request: Request, masker: AnyMasker) -> int:
    """Find what is wrong with a call before a model is loaded; return the most calls it makes."""
    _check_files(request)
    n = masker.n_features
    if request.zoom is None:
        request.shown.check(n)
        return request.settings(n).total
    if isinstance(masker, Image | Table | Composite):
        raise ArgumentError(
            "--zoom: only the units of --text, --documents and --messages lie in coarser ones"
        )
    if request.target_r2 is not None:
        raise ArgumentError("--target-r2 does not go with --zoom; leave it out")
    _, labels = coarse_units(request.zoom, n, masker)
    half = dataclasses.replace(request, budget=request.budget // 2)
    total = half.settings(len(labels)).total
    request.shown.check(2)  # a close-up has two units at least
    return request.budget if n >= 26 else min(request.budget, total + (1 << n))


def _check_files(request: Request) -> None:
    if request.retries < 0:
        raise ArgumentError(f"--retries {request.retries} is negative; give 0 or more")
    if request.engine is not None:
        engine_of(request.engine)
    if request.no_store and request.store is not None:
        raise ArgumentError("--store and --no-store contradict each other; give one of them")
    files = {"--out": request.shown.out, "--html": request.shown.html, "--store": request.store}
    inputs = {option: Path(file) for option, file in sources(request).items() if file != "-"}
    files |= inputs
    named: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        if option not in inputs:
            check_output(path, option)
        other = named.setdefault(path.resolve(), option)
        if other != option and not is_stream(path):
            raise ArgumentError(f"{other} and {option} are the same file, {path}; name two files")


def _print_plan(request: Request, masker: AnyMasker, calls: int) -> None:
    show = console()
    operator = masker.operator_name
    lines = [f"{_counted_units(masker)} (mask: {operator})"]
    if request.zoom is not None:
        assert not isinstance(masker, Image | Table | Composite)  # as `_check` has it
        coarse = len(set(masker.groups(request.zoom)[0]))
        lines[0] += f" in {counted(coarse, request.zoom.partition(':')[0])}"
    width = len(str(masker.n_features))
    for number, unit in enumerate(masker.features[:_SHOWN_UNITS], 1):
        lines.append(f"  {number:>{width}}  {facts.short(unit, 70)}")
    if masker.n_features > _SHOWN_UNITS:
        lines.append(f"  {'':>{width}}  and {masker.n_features - _SHOWN_UNITS:,} more")
    lines += types_read(masker)
    exact = masker.n_features <= 26 and calls == 1 << masker.n_features
    all_masks = ", every combination of units: the result is exact" if exact else ""
    called = f"{counted(calls, 'call')} of the model {model_name(request)}"
    lines += ["", f"At most {called}{all_masks}"]
    kind = request.score.partition(":")[0]
    own = kind in ("logprob", "probability", "similarity") and request.answer is None
    if own and not predicts(request):
        lines.append("One more to learn the model's own answer, which is then explained")
    if model_name(request).startswith(("openai:", "reply:")) and request.zoom is None:
        lines.append(said_before(calls))
    if isinstance(masker, Table):
        messages: tuple[Message, ...] = ()
    else:
        messages = masker.render([True] * masker.n_features).messages
    if any(message.as_text for message in messages):
        lines += ["", "Prompt with every unit (the model's chat template comes around it):"]
    for message in messages:
        if message.as_text:
            lines += [f"[{message.role}]", facts.visible(message.as_text)]
    show.print("\n".join(lines), soft_wrap=True)


def _counted_units(masker: AnyMasker) -> str:
    unit = masker.unit_name.partition(":")[0]
    if isinstance(masker, Composite):
        unit = "unit"
    noun = {"regex": "piece", "grid": "region", "superpixels": "region"}.get(unit, unit)
    return counted(masker.n_features, noun)


def _print_estimate(
    request: Request,
    masker: AnyMasker,
    score: "Score",
    function: Callable[[Store | None], Function],
    calls: int,
    retries: Retries,
) -> None:
    from spex.cli.estimating import estimate, guess, unavailable

    lines = []
    reason = unavailable(model_name(request))
    if reason is None:
        try:
            lines = retries.call(lambda: estimate(function(None), calls))
        except (BackendError, MissingExtraError) as error:
            reason = str(error)
    if reason is not None:
        lines = [f"Tokens and time are unknown: {reason}"]
    if model_name(request).startswith("openai:") and not isinstance(masker, Table):
        price = None if request.price is None else parse_price(request.price)
        lines += guess(masker, score, calls, price)
    console().print("\n".join(["", *lines]), soft_wrap=True)


def _explain(
    session: Session,
    request: Request,
    function: Callable[[Store | None], Function],
    retries: Retries,
) -> Result:
    done, waited = 0, False
    with ExitStack() as stack:
        place = ""

        def kept() -> str:
            if not done:
                return "no evaluation was finished"
            count = counted(done, "evaluation")
            if not place:
                return f"{count} finished, not kept"
            return f"{count} finished and kept in {place}; the same command goes on from there"

        def give_up(error: StoreError) -> None:
            nonlocal place
            place = ""
            session.notice(f"no more evaluations are kept: {error}")

        stack.enter_context(session.interruptible(kept))
        store = stack.enter_context(open_store(session, request, give_up))
        if store is not None:
            place = str(store.path)
        source = function(store)
        if store is not None and source.identities is None:
            if request.store is not None:
                raise ArgumentError(f"--store: {UNNAMED}; set it, or leave --store out")
            session.notice(f"evaluations are not kept: {UNNAMED}")
            store, place = None, ""
        visible = sys.stderr.isatty() and not session.quiet
        show = stack.enter_context(reporter(visible))

        def count_and_show(state: Progress) -> None:
            nonlocal done, waited
            done = state.done
            if state.is_waiting and not (waited or visible):
                session.notice("waiting for evaluations that another process has begun")
                waited = True
            show(state)

        evaluated: Any = source
        if request.engine is not None:
            evaluated = stack.enter_context(engine_of(request.engine).running(source))
        explanation = _computed(Retrying(evaluated, retries), request, store, count_and_show)
    if retries.count:
        session.notice(
            f"the function raised an error {counted(retries.count, 'time')} and was asked again"
        )
    usage = getattr(getattr(source, "model", None), "usage", None)
    if usage is not None:
        session.notice(server_cost(usage))
    # `spex sets` asks again for one explanation; one on two levels has two sources.
    options = request.to_json() if request.zoom is None else None
    return with_command(explanation, session.command, options)


def _computed(
    source: Any,
    request: Request,
    store: Store | None,
    progress: Callable[[Progress], None],
) -> Result:
    settings: dict[str, Any] = {
        "method": request.method,
        "max_degree": request.max_degree,
        "seed": request.seed,
        "weighting": request.weighting,
    }
    if request.zoom is not None:
        return zoom(
            source, request.zoom, request.budget, store=store, progress=progress, **settings
        )
    run = run_of(source, request.budget, target_r2=request.target_r2, **settings)
    try:
        evaluate(run, source, store, progress)
    except StoreError as error:
        # The store lacks the values that just came; the explanation of what there is has them.
        out = request.shown.out
        if out is None or run.n_told < LEAST_BUDGET:
            raise
        result(run, source, forecast=False).save(out)
        raise StoreError(f"{error}; {out} explains the {run.n_told} evaluations made") from error
    variance = noise(run, source, store)
    return result(run, source, forecast=True, variance=variance)


def server_cost(usage: "Usage") -> str:
    """What a server counted, in one sentence."""
    failures = counted(usage.failures, "request")
    failed = f", {failures} failed and went out again" if usage.failures else ""
    cost = "" if usage.cost is None else f", {facts.dollars(usage.cost)} at the price given"
    return (
        f"the server answered {counted(usage.requests, 'request')}{failed}; it counts "
        f"{counted(usage.prompt_tokens, 'token')} read and "
        f"{usage.completion_tokens:,} written{cost}"
    )


def open_store(
    session: Session, request: Request, give_up: Callable[[StoreError], None]
) -> AbstractContextManager[Store | None]:
    """The store that a request names, or the one in the cache folder; None where it wants none."""
    if request.no_store:
        return nullcontext()
    if request.store is not None:
        return Store(request.store)
    # The default is a convenience: where it cannot be had, the explanation is made without.
    path = cache_folder() / "samples.sqlite"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Store(path, give_up)
    except (OSError, StoreError) as error:
        session.notice(f"evaluations are not kept: {error}; choose a file with --store")
        return nullcontext()
