"""`spex sets`: smallest sets and roles of a saved explanation, verified by calls of its model."""

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.cli.explaining import open_store, server_cost
from spex.cli.functions import check_function, is_own, load_model, make_function, model_name
from spex.cli.inputs import read_masker
from spex.cli.request import Request, parse_score
from spex.cli.session import Session, check_distinct, check_output, console
from spex.cli.showing import load, write_page
from spex.errors import ArgumentError, StoreError
from spex.explanation import Explanation
from spex.files import write_json
from spex.inputs.image import Image
from spex.inputs.segmentation import TOKEN
from spex.inputs.table import Table
from spex.models.servers.address import refuse_secret
from spex.sets.results import Sets
from spex.sets.roles import Roles
from spex.values.evaluator import values_of
from spex.values.retrying import Retries, Retrying
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.wording import counted, distinct

_DEFAULT_CALLS = 100
# What of the context has to be as it was; the same names as options that a user knows.
_COMPARED = ("text", "prompt", "system", "parts", "answer", "score", "unit", "operator")
# Models that run code or send the input, and a key, to an address: a file alone may not name them.
_CONFIRMED = ("openai:", "reply:", "predict:")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Options of `spex sets`; see its help."""

    model: str | None
    change_to: float | None
    change_by: float | None
    keep: float | None
    max_calls: int | None
    json: Path | None
    out: Path | None
    html: Path | None


def run(session: Session, path: Path, wanted: Wanted) -> None:
    """Do what `spex sets` was asked for.

    Raises:
        FileFormatError: the file cannot be read as an explanation.
        SpexError: the call is wrong, or something failed; see `spex.errors`.
        Interrupted: Ctrl-C.
    """
    with session.interruptible():
        _check_outputs(path, wanted)
        explanation = _one(path)
        request = _request(path, explanation, wanted.model)
        sets = _found(session, path, explanation, request, wanted)
        explanation = dataclasses.replace(explanation, sets=sets)
        _deliver(session, explanation, wanted)


def _check_outputs(path: Path, wanted: Wanted) -> None:
    if wanted.change_to is not None and wanted.change_by is not None:
        raise ArgumentError("--change-to and --change-by contradict each other; give one of them")
    if wanted.max_calls is not None and wanted.max_calls < 2:
        raise ArgumentError(f"--max-calls {wanted.max_calls}: give 2 or more")
    outputs = {"--json": wanted.json, "--out": wanted.out, "--html": wanted.html}
    for option, output in outputs.items():
        if output is None:
            continue
        check_output(output, option)
        if option != "--out" and output.resolve() == path.resolve():
            raise ArgumentError(f"{option} {output}: is the explanation itself")
    check_distinct("--json", wanted.json, "--out", wanted.out)
    check_distinct("--json", wanted.json, "--html", wanted.html)
    check_distinct("--out", wanted.out, "--html", wanted.html)


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
        raise ArgumentError(
            f"{path}: does not say how to ask its model again, for it was not made by this "
            "version of 'spex explain'; make it again, or in Python: "
            "spex.Explanation.load(...).smallest_change(f)"
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
    session: Session, path: Path, explanation: Explanation, request: Request, wanted: Wanted
) -> Sets:
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
        asked = _Remembered(source, store)
        sets = _searched(session, explanation, asked, wanted)
    session.notice(f"asked for {counted(asked.n_calls, 'different mask')} in all")
    usage = getattr(getattr(function, "model", None), "usage", None)
    if usage is not None:
        session.notice(server_cost(usage))
    return sets


def _source(session: Session, request: Request, store: Store | None) -> Any:
    """The same value function as when the explanation was made."""
    if "-" in (request.text, request.documents, request.messages, request.table):
        raise ArgumentError(
            "the input came from standard input and cannot be read again; save it as a file and "
            "explain that"
        )
    score = parse_score(request.score, request.answer, request.max_new_tokens)
    masker = read_masker(request)
    check_function(request, masker)
    model = None
    if TOKEN in request.unit and not isinstance(masker, Image | Table):
        model = load_model(session, request)
        masker = masker.with_tokenizer(model)
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


class _Remembered:
    """A source as a function of masks that asks for none twice."""

    def __init__(self, source: ValueSource, store: Store | None) -> None:
        self._source, self._store = source, store
        self._values: dict[bytes, float] = {}

    @property
    def n_calls(self) -> int:
        return len(self._values)

    def __call__(self, masks: BoolArray) -> FloatArray:
        keys = [mask.tobytes() for mask in masks]
        new = [i for i, key in enumerate(keys) if key not in self._values]
        if new:
            values = values_of(masks[new], self._source, self._store).tolist()
            self._values |= dict(zip([keys[i] for i in new], values, strict=True))
        return np.array([self._values[key] for key in keys])


def _searched(
    session: Session,
    explanation: Explanation,
    f: Callable[[BoolArray], FloatArray],
    wanted: Wanted,
) -> Sets:
    calls = _DEFAULT_CALLS if wanted.max_calls is None else wanted.max_calls
    roles = _roles(session, explanation, f, wanted)
    session.notice("looking for the smallest set whose removal changes the answer")
    change = explanation.smallest_change(f, wanted.change_to, wanted.change_by, calls, roles)
    session.notice("looking for the smallest set that alone keeps it")
    keep = wanted.change_to if wanted.keep is None else wanted.keep
    sufficient = explanation.smallest_sufficient(f, keep, calls)
    return Sets(change, sufficient, roles)


def _roles(
    session: Session,
    explanation: Explanation,
    f: Callable[[BoolArray], FloatArray],
    wanted: Wanted,
) -> Roles | None:
    """Roles with the threshold of the change; None where the calls do not suffice."""
    n = explanation.n_features
    if wanted.max_calls is not None and wanted.max_calls < n + 2:
        session.notice(f"no roles: they take {n + 2:,} calls; raise --max-calls")
        return None
    session.notice("removing each unit alone")
    by = None if wanted.change_by is None else abs(wanted.change_by)
    if wanted.change_to is not None:
        whole = float(f(np.ones((1, n), dtype=np.bool_))[0])
        by = abs(whole - wanted.change_to)
    return explanation.roles(f, by or None, wanted.max_calls)


def _deliver(session: Session, explanation: Explanation, wanted: Wanted) -> None:
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
