"""What a call of `spex explain` will do and cost: `--dry-run`."""

from collections.abc import Callable

from spex.cli.explaining.functions import Function, is_own, model_name, predicts
from spex.cli.explaining.inputs import AnyMasker, types_read
from spex.cli.explaining.preparing import Prepared
from spex.cli.explaining.prompt_parts import planned, timed
from spex.cli.explaining.request import parse_price
from spex.errors import BackendError, MissingExtraError
from spex.inputs.composite import SideBySide
from spex.inputs.documents import Documents
from spex.inputs.messages import Messages
from spex.inputs.prompt_template import PromptTemplate
from spex.inputs.table import Table
from spex.inputs.text import Text
from spex.models.protocol import Message
from spex.models.servers.address import SERVER_PREFIXES
from spex.report import facts
from spex.scores.log_probabilities import LogOdds, LogProb, Probability
from spex.values.dataset_value import DatasetValue
from spex.values.repeatability import said_before
from spex.values.scoring_check import N_CALLS, N_IN_FLOAT32
from spex.wording import counted
from spex.zooming.levels import counted_levels, parse_levels

_SHOWN_UNITS = 30
_SHOWN_ENDS = 5_000  # characters of each end of a prompt


def plan_lines(prepared: Prepared) -> list[str]:
    """What a call will do: its units, its calls and its prompt."""
    request, masker, calls = prepared.request, prepared.masker, prepared.calls
    operator = masker.operator_name
    lines = [f"{_counted_units(masker)} (mask: {operator})"]
    if request.zoom is not None:
        assert isinstance(masker, Text | Documents | Messages)  # guaranteed by `_check`
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
    """A long prompt without its middle."""
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
    """What a call will cost; if the model is on this machine, from a few calls.

    `go_on` is called before each call, and may raise to stop.
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
