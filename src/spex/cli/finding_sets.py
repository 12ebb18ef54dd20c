"""`spex sets`: smallest sets and roles of a saved explanation, verified by calls of its model."""

import dataclasses
import math
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.checks.counting import CountedFunction
from spex.cli.explaining.functions import check_function, is_own, make_function, model_name
from spex.cli.explaining.inputs import sources
from spex.cli.explaining.request import Request
from spex.cli.explaining.running import tell_cost
from spex.cli.explaining.stores import open_store
from spex.cli.explaining.traces import read_input, written
from spex.cli.options import SetsOptions
from spex.cli.session import Session, check_files, console
from spex.cli.showing import load, write_page
from spex.errors import ArgumentError, SpexError, StoreError
from spex.explanation import Explanation
from spex.files import write_json
from spex.models.servers.address import SERVER_PREFIXES, refuse_secret
from spex.sets.goal import answer_side, change_goal
from spex.sets.results import Sets, Smallest
from spex.sets.roles import Roles
from spex.values.evaluator import values_of
from spex.values.retrying import Retries, Retrying
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.wording import counted, distinct

_DEFAULT_CALLS = 100
# Parts of the context that must not have changed, named like the options that a user knows.
_COMPARED = ("text", "prompt", "system", "parts", "answer", "score", "unit", "operator")
# These models run code, or send the input and a key to an address. A file alone must not choose
# one.
_CONFIRMED = (*SERVER_PREFIXES, "reply:", "predict:")


def run(session: Session, wanted: SetsOptions) -> None:
    """Do what `spex sets` was asked for.

    Raises:
        FileFormatError: the file cannot be read as an explanation.
        SpexError: the call is wrong, or something failed; see `spex.errors`.
        Interrupted: Ctrl-C.
    """
    path = wanted.explanation
    with session.interruptible():
        _check_numbers(wanted)
        check_files({"--json": wanted.json, "--out": wanted.out, "--html": wanted.html})
        check_files({"--json": wanted.json, "--html": wanted.html}, {"the explanation": path})
        explanation = _one(path)
        request = _request(path, explanation, wanted.model)
        sets, error = _found(session, path, explanation, request, wanted)
        if sets != Sets():
            explanation = dataclasses.replace(explanation, sets=sets)
            _deliver(session, explanation, wanted)
        if error is not None:
            raise error


def _check_numbers(wanted: SetsOptions) -> None:
    numbers = {
        "--change-to": wanted.change_to,
        "--change-by": wanted.change_by,
        "--keep": wanted.keep,
    }
    for option, number in numbers.items():
        if number is not None and not math.isfinite(number):
            raise ArgumentError(
                f"{option} {number}: give a finite number, in the unit of the value; it may be "
                "below 0"
            )
    if wanted.change_by == 0:
        raise ArgumentError(
            "--change-by 0: is no change; give the distance: -2 for a fall by 2 or more, "
            "2 for a rise"
        )
    if wanted.change_to is not None and wanted.change_by is not None:
        raise ArgumentError("--change-to and --change-by contradict each other; give one of them")
    if wanted.max_calls is not None and wanted.max_calls < 2:
        raise ArgumentError(f"--max-calls {wanted.max_calls}: give 2 or more")


def _one(path: Path) -> Explanation:
    found = load(path)
    if not isinstance(found, Explanation):
        raise ArgumentError(
            f"{path}: holds several explanations; sets are about one: in Python, "
            "one.smallest_change(f)"
        )
    return found


def _request(path: Path, explanation: Explanation, model: str | None) -> Request:
    """The call of `spex explain` that made the file.

    Raises:
        ArgumentError: no such call made it, or the model has to be named again.
    """
    options = explanation.context.request
    if options is None:
        command = explanation.context.command or ""
        if command.startswith("spex explain"):
            remedy = "an older 'spex explain' made it: make it again, or"
        elif command.startswith("spex fit"):
            remedy = "it was fitted to a table of evaluations, which names no model;"
        else:
            remedy = "it was made in Python, from a function that no file holds;"
        raise ArgumentError(
            f"{path}: does not say how to ask its model again; {remedy} in Python: "
            f"spex.Explanation.load({str(path)!r}).smallest_change(f), with f the function that "
            "was explained"
        )
    request = Request.from_json(options)
    refuse_secret(request.model)
    name = model_name(request)
    if model is not None and model != name:
        raise ArgumentError(f"--model {model}: the explanation is of {name}")
    if model is None and name.startswith(_CONFIRMED):
        raise ArgumentError(
            f"{path}: its model is {name}, which runs code or sends the input elsewhere; if you "
            f"trust the file, say so with --model {name}"
        )
    return request


def _found(
    session: Session, path: Path, explanation: Explanation, request: Request, wanted: SetsOptions
) -> tuple[Sets, SpexError | None]:
    retries = Retries(request.retries if is_own(request) else None, session.notice)
    with ExitStack() as stack:

        def give_up(error: StoreError) -> None:
            session.notice(f"no more evaluations are kept: {error}")

        store = stack.enter_context(open_store(session, request, give_up))
        function = retries.call(lambda: _source(session, request, store))
        source = Retrying(function, retries)
        _check_same(path, explanation, source)
        if store is not None and source.identities is None:
            store = None
        asked = CountedFunction(lambda masks: values_of(masks, source, store), len(source.features))
        sets, error = _searched(session, explanation, asked, wanted)
    session.notice(f"asked for {counted(asked.n_evaluations, 'different mask')} in all")
    tell_cost(session, function)
    return sets, error


def _source(session: Session, request: Request, store: Store | None) -> Any:
    """The same value function as when the explanation was made."""
    if "-" in sources(request).values():
        raise ArgumentError(
            "the input came from standard input and cannot be read again; save it as a file and "
            "explain that"
        )
    for option, file in sources(request).items():
        if not Path(file).is_absolute() and not Path(file).exists():
            raise ArgumentError(
                f"{option} {file}: is not in this folder, {Path.cwd()}; run this where "
                "'spex explain' ran"
            )
    request, masker, score = read_input(session, request)
    check_function(request, masker)
    masker, model = written(session, request, masker, lambda: nullcontext(store))
    return make_function(session, request, masker, score, model, store)


def _check_same(path: Path, explanation: Explanation, source: ValueSource) -> None:
    """Refuse an input, a prompt or an answer that is not what was explained.

    Raises:
        ArgumentError: something has changed.
    """
    before, now = explanation.context, source.contexts()[0]
    changed = [name for name in _COMPARED if before.get(name) != now.get(name)]
    if source.features != explanation.features:
        changed.insert(0, "units")
    if changed:
        raise ArgumentError(
            f"{path}: the input or the model has changed since: {', '.join(changed)}; explain it "
            "again, or restore what it was made from"
        )


def _searched(
    session: Session,
    explanation: Explanation,
    f: Callable[[BoolArray], FloatArray],
    wanted: SetsOptions,
) -> tuple[Sets, SpexError | None]:
    """What was found, and the error that ended it, if one did."""
    calls = _DEFAULT_CALLS if wanted.max_calls is None else wanted.max_calls
    roles: Roles | None = None
    change: Smallest | None = None
    sufficient: Smallest | None = None
    try:
        ends = f(np.repeat([[True], [False]], explanation.n_features, axis=1)).tolist()
        _check_change(explanation, ends, wanted)
        roles = _roles(session, explanation, f, wanted, ends[0])
        session.notice("looking for the smallest set whose removal changes the answer")
        change = explanation.smallest_change(f, wanted.change_to, wanted.change_by, calls, roles)
        if not _is_beyond(explanation, ends, wanted):
            session.notice("looking for the smallest set that alone keeps it")
            sufficient = _sufficient(explanation, f, wanted, calls)
        else:
            session.notice(
                f"no set that alone keeps the answer: not even everything, {ends[0]:g}, has the "
                f"value of --change-to {wanted.change_to:g}; give --keep as well"
            )
    except SpexError as error:
        return Sets(change, sufficient, roles), error
    return Sets(change, sufficient, roles), None


def _check_change(explanation: Explanation, ends: list[float], wanted: SetsOptions) -> None:
    """Refuse a useless change before calls are spent on the roles.

    Raises:
        ArgumentError: it is; the message names the option.
    """
    option = "" if wanted.change_to is None else "--change-to: "
    option = option if wanted.change_by is None else "--change-by: "
    try:
        whole, nothing = ends
        flip = explanation.context.score_threshold
        change_goal(flip, whole, nothing, wanted.change_to, wanted.change_by)
    except ArgumentError as error:
        raise ArgumentError(f"{option}{error}") from None


def _is_beyond(explanation: Explanation, ends: list[float], wanted: SetsOptions) -> bool:
    """Whether only --change-to could say what to keep, and not even everything has it."""
    if wanted.keep is not None or wanted.change_to is None:
        return False
    whole, nothing = ends
    side = answer_side(explanation.context.score_threshold, whole, nothing)
    return side * (wanted.change_to - whole) > 0


def _sufficient(
    explanation: Explanation,
    f: Callable[[BoolArray], FloatArray],
    wanted: SetsOptions,
    calls: int,
) -> Smallest:
    keep = wanted.change_to if wanted.keep is None else wanted.keep
    try:
        return explanation.smallest_sufficient(f, keep, calls)
    except ArgumentError as error:
        # If the option for the change is valid, the error concerns the other option.
        raise ArgumentError(f"--keep: {error}") from None


def _roles(
    session: Session,
    explanation: Explanation,
    f: Callable[[BoolArray], FloatArray],
    wanted: SetsOptions,
    whole: float,
) -> Roles | None:
    """Roles with the threshold of the change; None if the calls do not suffice."""
    n = explanation.n_features
    if wanted.max_calls is not None and wanted.max_calls < n + 2:
        session.notice(f"no roles: they take {n + 2:,} calls; raise --max-calls")
        return None
    session.notice("removing each unit alone")
    by = None if wanted.change_by is None else abs(wanted.change_by)
    if wanted.change_to is not None:
        by = abs(whole - wanted.change_to)
    return explanation.roles(f, by, wanted.max_calls)


def _deliver(session: Session, explanation: Explanation, wanted: SetsOptions) -> None:
    from spex.report.sets import view

    if wanted.out is not None:
        explanation.save(wanted.out)
        session.notice(f"saved {wanted.out}")
    if wanted.json is not None:
        labels = list(explanation.features)
        write_json(wanted.json, {"features": labels, **explanation.sets.to_json()})
        session.notice(f"wrote {wanted.json}")
    if wanted.html is not None:
        write_page(session, explanation, wanted.html, None, None)
    if not session.quiet:
        console().print(view(explanation.sets, distinct(explanation.features)))
