"""`spex explain --prompt-parts FILE --data FILE`: a prompt over the items of a data set."""

import re
import time
from typing import TYPE_CHECKING, Any

from spex.errors import ArgumentError
from spex.inputs.prompt_template import PromptTemplate
from spex.values.dataset_run import Allocation, allocation, check_settings
from spex.values.dataset_value import DatasetValue
from spex.wording import counted

if TYPE_CHECKING:
    from spex.cli.explaining.request import Request
    from spex.models.protocol import LanguageModel
    from spex.scores.log_probabilities import Score

_TIMED_CALLS = 32
# Options for a single input.
_NOT_OF_PROMPTS = (
    "text", "documents", "messages", "image", "table", "question", "missing", "group", "unit",
    "mask", "zoom", "answer",
)  # fmt: skip


def check_options(request: "Request") -> None:
    """Refuse options that are about one input.

    Raises:
        ArgumentError: one is given, or there is no data.
    """
    if request.data is None:
        raise ArgumentError("--prompt-parts needs --data FILE, the items that the prompt is for")
    for name in _NOT_OF_PROMPTS:
        if getattr(request, name):
            remedy = ": each item has its own" if name == "answer" else ""
            raise ArgumentError(f"--{name} does not go with --prompt-parts{remedy}")
    if request.model is not None and request.model.startswith(("predict:", "efficientnet")):
        raise ArgumentError(
            f"--model {request.model}: --prompt-parts is for language models; wrap the function as "
            "reply:MODULE:FUNCTION"
        )


def template_of(request: "Request", parts: list[Any]) -> PromptTemplate:
    """The template of parts that were read.

    Raises:
        ArgumentError: it is none; the message names the file.
    """
    try:
        return PromptTemplate(parts, request.prompt, request.system)
    except ArgumentError as error:
        raise ArgumentError(f"--prompt-parts {request.prompt_parts}: {error}") from None


def items_of(request: "Request") -> list[Any]:
    """The rows of --data.

    Raises:
        SpexError: they cannot be read.
    """
    from spex.evaluate.data.rows import read_rows

    assert request.data is not None
    return list(read_rows(request.data))


def allocated(request: "Request", template: PromptTemplate) -> tuple[Allocation, int]:
    """How the calls are spread, and the number of items.

    Raises:
        ArgumentError: the budget is too small, or a setting does not go with a data set.
    """
    n_items = len(items_of(request))
    check_settings(request.target_r2, request.weighting)
    return allocation(template.n_features, n_items, request.budget, None), n_items


def made(
    request: "Request", template: PromptTemplate, score: "Score", model: "LanguageModel"
) -> DatasetValue:
    """The value of the template over the items of --data.

    Raises:
        ArgumentError: an item lacks what is needed; the message names the file.
    """
    items = items_of(request)
    try:
        return DatasetValue(template, items, model, score)
    except ArgumentError as error:
        from spex.evaluate.data.rows import located_rows

        places = [place for place, _ in located_rows(str(request.data))]
        said = re.sub(r"items\[(\d+)\]", lambda found: places[int(found[1])], str(error), count=1)
        raise ArgumentError(f"--data {request.data}: {said}") from None


def planned(request: "Request", template: PromptTemplate, model: str) -> str:
    """What a dry run says of the calls."""
    spread, n_items = allocated(request, template)
    return (
        f"{counted(spread.n_masks * spread.per_mask, 'call')} of the model {model}: "
        f"{counted(spread.n_masks, 'mask')}, each on {spread.per_mask:,} of {n_items:,} items"
    )


def timed(value: DatasetValue, calls: int) -> list[str]:
    """About how long this many calls take, from a few of them."""
    asked = value.begin(max(calls, 4 * _TIMED_CALLS)).ask()
    for _ in value.stream(asked[-1:]):  # the first call of a model takes longer
        pass
    began = time.perf_counter()
    for _ in value.stream(asked[:_TIMED_CALLS]):
        pass
    seconds = time.perf_counter() - began
    each = seconds / len(asked[:_TIMED_CALLS])
    return [
        f"About {each * calls / 60:,.1f} minutes on this machine, where "
        f"{counted(len(asked[:_TIMED_CALLS]), 'call')} took {seconds:.1f} s"
    ]
