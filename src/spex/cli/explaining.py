"""`spex explain`: check the whole call, then load the model, explain, write, print."""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spex.cli.functions import (
    Function,
    check_function,
    check_price,
    load_model,
    make_function,
    model_name,
    predicts,
)
from spex.cli.inputs import AnyMasker, read_masker, sources
from spex.cli.session import Session, check_output, console
from spex.errors import ArgumentError, BackendError, MissingExtraError, StoreError
from spex.evaluation.evaluator import Progress
from spex.evaluation.progress import reporter
from spex.evaluation.store import Store
from spex.explaining import explain
from spex.explanation import Explanation
from spex.fourier.spectrum import Spectrum
from spex.inputs.composite import Composite
from spex.inputs.image import Image
from spex.inputs.segmentation import TOKEN
from spex.inputs.table import Table
from spex.interactions.values import interactions
from spex.models.environment import cache_folder
from spex.report import facts
from spex.scores.log_probabilities import LogOdds, LogProb, Probability
from spex.scores.replies import JsonField, Matches, Similarity
from spex.zooming import Zoom, zoom

if TYPE_CHECKING:
    from spex._typing import BoolArray
    from spex.models.protocol import Message
    from spex.models.servers.endpoint import Usage
    from spex.scores.log_probabilities import Score

_SHOWN_UNITS = 30


@dataclasses.dataclass(frozen=True)
class Request:
    """The options of `spex explain`, as typed; see its help."""

    text: str | None
    documents: str | None
    question: str | None
    messages: str | None
    image: str | None
    table: str | None
    prompt: str | None
    system: str | None
    model: str | None
    price: str | None
    device: str | None
    device_map: str | None
    dtype: str | None
    attn_implementation: str | None
    unit: tuple[str, ...]
    mask: tuple[str, ...]
    zoom: str | None
    score: str
    answer: str | None
    budget: int
    target_r2: float | None
    method: str
    max_degree: int
    decoding: str
    index: str | None
    order: int | None
    top: int
    seed: int
    store: Path | None
    no_store: bool
    out: Path | None
    html: Path | None
    dry_run: bool

    @property
    def model_options(self) -> dict[str, Any]:
        """What `spex.models.load` is called with, beside the model's name."""
        names = ("device", "device_map", "dtype", "attn_implementation")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return given if self.price is None else {**given, "price": parse_price(self.price)}

    @property
    def settings(self) -> dict[str, Any]:
        """What `spex.explain` or `spex.zoom` is called with, beside the value function."""
        settings = {
            "budget": self.budget,
            "method": self.method,
            "max_degree": self.max_degree,
            "seed": self.seed,
        }
        if self.zoom is None:
            return {**settings, "decoding": self.decoding, "target_r2": self.target_r2}
        if self.target_r2 is not None or self.decoding != "auto":
            raise ArgumentError("--target-r2 and --decoding do not go with --zoom; leave them out")
        return settings


def run(session: Session, request: Request) -> None:
    """Do what `spex explain` was asked for.

    Raises:
        SpexError: the call is wrong, or something failed; see `spex.errors`.
        Interrupted: Ctrl-C.
    """
    with session.interruptible():
        score = parse_score(request.score, request.answer)
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

    def function(store: Store | None) -> Function:
        return make_function(session, request, masker, score, model, store)

    if request.dry_run:
        with session.interruptible():
            _print_plan(request, masker, calls)
            _print_estimate(request, masker, score, function, calls)
        return
    explanation = _explain(session, request, function)
    with session.interruptible():
        _deliver(session, request, explanation)


def parse_price(price: str) -> tuple[float, float]:
    """The price that `--price` names: dollars per million tokens read and written.

    Raises:
        ArgumentError: it is not two numbers.
    """
    try:
        read, written = map(float, price.split(","))
    except ValueError:
        read = written = -1.0
    if not (0 <= read < math.inf and 0 <= written < math.inf):
        raise ArgumentError(
            f"--price {price!r}: write dollars per million tokens read and written, such as "
            "0.15,0.60"
        )
    return read, written


def parse_score(name: str, answer: str | None) -> "Score":
    """The score that `--score` and `--answer` name.

    Raises:
        ArgumentError: there is no such score, or it takes no answer.
    """
    kind, _, rest = name.partition(":")
    match name:
        case "logprob" | "logprob:sum":
            return LogProb(answer)
        case "logprob:mean":
            return LogProb(answer, reduce="mean")
        case "probability":
            return Probability(answer)
        case "similarity":
            return Similarity(answer)
    if kind not in ("logodds", "matches", "json"):
        raise ArgumentError(
            f"--score {name!r} is unknown; use logprob, logprob:mean, probability, logodds:A,B, "
            "such as logodds:positive,negative, similarity, matches:PATTERN or json:FIELD=VALUE"
        )
    if answer is not None:
        instead = "compares two answers; write them as logodds:A,B"
        raise ArgumentError(
            f"--answer: {kind} {instead if kind == 'logodds' else 'checks replies, not an answer'}"
        )
    if kind == "matches":
        return Matches(rest)
    if kind == "json":
        path, equals, value = rest.partition("=")
        if not equals:
            raise ArgumentError(
                f"--score {name!r}: write json:FIELD=VALUE, such as json:sentiment=positive"
            )
        return JsonField(path, _json_value(value))
    a, comma, b = rest.partition(",")
    if not (a and comma and b) or "," in b:
        raise ArgumentError(
            f"--score {name!r}: write logodds:A,B, such as logodds:positive,negative "
            "(answers that hold a comma: in Python, spex.LogOdds(a, b))"
        )
    return LogOdds(a, b)


def _json_value(text: str) -> Any:
    """A number, true, false or null as in JSON; anything else is a text as it stands."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool | None) else text


class _WouldEvaluateError(Exception):
    """Everything is in order: the next step would be to call the model."""


def _check(request: Request, masker: AnyMasker) -> int:
    """Find what is wrong with a call before a model is loaded; return the most calls it makes."""
    if request.top < 0:
        raise ArgumentError(f"--top {request.top} is negative; give 0 or more rows")
    _check_files(request)
    if request.zoom is not None and isinstance(masker, Image | Table | Composite):
        raise ArgumentError(
            "--zoom: only the units of --text, --documents and --messages lie in coarser ones"
        )
    total = 0

    def note(state: Progress) -> None:
        nonlocal total
        total = state.total

    # The pipeline itself says whether its arguments fit these features.
    with suppress(_WouldEvaluateError):
        _compute(_Probe(masker), request, None, note)
    n = masker.n_features
    if request.zoom is None:
        interactions(Spectrum.from_mapping({(): 0.0}, n), request.index or "FBII", request.order)
        return total
    # A close-up has two units at least.
    interactions(Spectrum.from_mapping({(): 0.0}, 2), request.index or "FBII", request.order)
    return request.budget if n >= 26 else min(request.budget, total + (1 << n))


class _Probe:
    """Stands for the value function, with its features, until the first call."""

    def __init__(self, masker: AnyMasker) -> None:
        self.masker = masker
        self.features = masker.features

    def __call__(self, masks: "BoolArray") -> "BoolArray":
        raise _WouldEvaluateError


def _compute(
    function: Callable[["BoolArray"], Any],
    request: Request,
    store: Store | None,
    progress: Callable[[Progress], None],
) -> Explanation | Zoom:
    if request.zoom is None:
        return explain(function, store=store, progress=progress, **request.settings)
    return zoom(function, request.zoom, store=store, progress=progress, **request.settings)


def _check_files(request: Request) -> None:
    if request.no_store and request.store is not None:
        raise ArgumentError("--store and --no-store contradict each other; give one of them")
    files = {"--out": request.out, "--html": request.html, "--store": request.store}
    inputs = {option: Path(file) for option, file in sources(request).items() if file != "-"}
    files |= inputs
    named: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        other = named.setdefault(path.resolve(), option)
        if other != option:
            raise ArgumentError(f"{other} and {option} are the same file, {path}; name two files")
        if option not in inputs:
            check_output(path, option)


def _print_plan(request: Request, masker: AnyMasker, calls: int) -> None:
    show = console()
    operator = masker.describe()["operator"]
    lines = [f"{_counted_units(masker)} (mask: {operator})"]
    if request.zoom is not None:
        assert not isinstance(masker, Image | Table | Composite)  # as `_check` has it
        coarse = len(set(masker.groups(request.zoom)[0]))
        lines[0] += f" in {facts.counted(coarse, request.zoom.partition(':')[0])}"
    width = len(str(masker.n_features))
    for number, unit in enumerate(masker.features[:_SHOWN_UNITS], 1):
        lines.append(f"  {number:>{width}}  {facts.short(unit, 70)}")
    if masker.n_features > _SHOWN_UNITS:
        lines.append(f"  {'':>{width}}  and {masker.n_features - _SHOWN_UNITS:,} more")
    exact = masker.n_features <= 26 and calls == 1 << masker.n_features
    all_masks = ", every combination of units: the result is exact" if exact else ""
    called = f"{facts.counted(calls, 'call')} of the model {model_name(request)}"
    lines += ["", f"At most {called}{all_masks}"]
    kind = request.score.partition(":")[0]
    if kind in ("logprob", "probability", "similarity") and request.answer is None:
        lines.append("One more to learn the model's own answer, which is then explained")
    if isinstance(masker, Table):
        messages: tuple[Message, ...] = ()
    else:
        messages = masker.render([True] * masker.n_features).messages
    if any(message.content for message in messages):
        lines += ["", "Prompt with every unit (the model's chat template comes around it):"]
    for message in messages:
        if message.content:
            lines += [f"[{message.role}]", facts.visible(message.content)]
    show.print("\n".join(lines), soft_wrap=True)


def _counted_units(masker: AnyMasker) -> str:
    unit = masker.describe()["unit"].partition(":")[0]
    if isinstance(masker, Composite):
        unit = "unit"
    noun = {"regex": "piece", "grid": "region", "superpixels": "region"}.get(unit, unit)
    return facts.counted(masker.n_features, noun)


def _print_estimate(
    request: Request,
    masker: AnyMasker,
    score: "Score",
    function: Callable[[Store | None], Function],
    calls: int,
) -> None:
    from spex.cli.estimating import estimate, guess, unavailable

    lines = []
    reason = unavailable(model_name(request))
    if reason is None:
        try:
            lines = estimate(function(None), calls)
        except (BackendError, MissingExtraError) as error:
            reason = str(error)
    if reason is not None:
        lines = [f"Tokens and time are unknown: {reason}"]
    if model_name(request).startswith("openai:") and not isinstance(masker, Table):
        price = None if request.price is None else parse_price(request.price)
        lines += guess(masker, score, calls, price)
    console().print("\n".join(["", *lines]), soft_wrap=True)


def _explain(
    session: Session, request: Request, function: Callable[[Store | None], Function]
) -> Explanation | Zoom:
    done = 0
    with ExitStack() as stack:
        place = ""

        def kept() -> str:
            if not done:
                return "no evaluation was finished"
            count = facts.counted(done, "evaluation")
            if not place:
                return f"{count} finished, not kept"
            return f"{count} finished and kept in {place}; the same command goes on from there"

        stack.enter_context(session.interruptible(kept))
        store = stack.enter_context(_store(session, request))
        if store is not None:
            place = str(store.path)
        made = function(store)
        if made.identity is None and store is not None:
            unnamed = "the function has no attribute 'identity' that changes with it"
            if request.store is not None:
                raise ArgumentError(f"--store: {unnamed}; set it, or leave --store out")
            session.notice(f"evaluations are not kept: {unnamed}")
            store, place = None, ""
        visible = sys.stderr.isatty() and not session.quiet
        show = stack.enter_context(reporter(visible))

        def count_and_show(state: Progress) -> None:
            nonlocal done
            done = state.done
            show(state)

        explanation = _compute(made, request, store, count_and_show)
    usage = getattr(getattr(made, "model", None), "usage", None)
    if usage is not None:
        session.notice(_cost(usage))

    def with_command(one: Explanation) -> Explanation:
        return dataclasses.replace(one, context={**one.context, "command": session.command})

    if isinstance(explanation, Explanation):
        return with_command(explanation)
    return dataclasses.replace(
        explanation, coarse=with_command(explanation.coarse), fine=with_command(explanation.fine)
    )


def _cost(usage: "Usage") -> str:
    failures = facts.counted(usage.failures, "request")
    failed = f", {failures} failed and went out again" if usage.failures else ""
    cost = "" if usage.cost is None else f", {facts.dollars(usage.cost)} at the price given"
    return (
        f"the server answered {facts.counted(usage.requests, 'request')}{failed}; it counts "
        f"{facts.counted(usage.prompt_tokens, 'token')} read and "
        f"{usage.completion_tokens:,} written{cost}"
    )


@contextmanager
def _store(session: Session, request: Request) -> Iterator[Store | None]:
    if request.no_store:
        yield None
        return
    if request.store is not None:
        with Store(request.store) as store:
            yield store
        return
    # The default is a convenience: where it cannot be had, the explanation is made without.
    path = cache_folder() / "samples.sqlite"
    opened = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = Store(path)
    except (OSError, StoreError) as error:
        session.notice(f"evaluations are not kept: {error}; choose a file with --store")
    if opened is None:
        yield None
    else:
        with opened:
            yield opened


def _deliver(session: Session, request: Request, explanation: Explanation | Zoom) -> None:
    # The file first: it holds everything, whatever happens afterwards.
    if request.out is not None:
        explanation.save(request.out)
        session.notice(f"saved {request.out}; show it with: spex report {request.out}")
    if request.html is not None:
        write_page(session, explanation, request.html, request.index, request.order)
    if not session.quiet:
        print_explanation(explanation, request.index, request.order, request.top)


def write_page(
    session: Session,
    explanation: Explanation | Zoom,
    path: Path,
    index: str | None,
    order: int | None,
) -> None:
    """Write the HTML page of an explanation, and say where it is."""
    explanation.to_html(path, index, order)
    session.notice(f"wrote {path}")


def print_explanation(
    explanation: Explanation | Zoom, index: str | None, order: int | None, top: int
) -> None:
    """Print an explanation on standard output."""
    from spex.report.terminal import view

    show = console()
    if isinstance(explanation, Explanation):
        show.print(view(explanation, index, order, top))
        return
    for title, level in (("Overview", explanation.coarse), ("Close up", explanation.fine)):
        show.print(f"{title}\n")
        show.print(view(level, index, order, top))
        show.print()
