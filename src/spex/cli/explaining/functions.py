"""The value function of a call of `spex explain`: its input, its model and its score together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from spex.cli.explaining.inputs import AnyMasker
from spex.cli.explaining.prompt_parts import made
from spex.cli.explaining.request import parse_price
from spex.errors import ArgumentError
from spex.inputs.image import Image
from spex.inputs.prompt_template import PromptTemplate
from spex.inputs.table import Table
from spex.models import efficientnet
from spex.models.function import import_function
from spex.models.servers.address import SERVER_PREFIXES
from spex.values.dataset_value import DatasetValue
from spex.values.predict_function import LARGEST, OutputError, PredictFunction
from spex.values.value_function import ValueFunction

if TYPE_CHECKING:
    from spex.cli.explaining.request import Request
    from spex.cli.session import Session
    from spex.models.protocol import LanguageModel
    from spex.scores.log_probabilities import Score
    from spex.values.store import Store

Function: TypeAlias = ValueFunction | PredictFunction | DatasetValue

_PREDICT = "predict:"
UNNAMED = "the function has no attribute 'identity' that changes with it"


def model_name(request: "Request") -> str:
    """The model asked for, or the demonstration model for this kind of input."""
    return request.model or ("smollm2" if request.image is None else efficientnet.NAME)


def predicts(request: "Request") -> bool:
    """Whether the model is a function that predicts numbers, not a language model."""
    name = model_name(request)
    return name == efficientnet.NAME or name.startswith(_PREDICT)


def is_own(request: "Request") -> bool:
    """Whether the model is a function of the user's."""
    return model_name(request).startswith((_PREDICT, "reply:"))


def check_import(request: "Request") -> None:
    """Report a misspelt user function before anything is evaluated, also for --dry-run.

    Raises:
        ArgumentError: there is no such function.
        BackendError: its module cannot be imported.
    """
    if is_own(request):
        import_function(model_name(request).partition(":")[2])


def check_function(request: "Request", masker: AnyMasker) -> None:
    """Refuse options and inputs that do not suit the model.

    Raises:
        ArgumentError: an option or the input does not go with it.
    """
    if isinstance(masker, Table) and not model_name(request).startswith(_PREDICT):
        raise ArgumentError(
            "--table: give the function that predicts from rows, --model predict:MODULE:FUNCTION, "
            "such as predict:my_models:forest.predict_proba"
        )
    if not predicts(request):
        return
    if model_name(request) == efficientnet.NAME:
        if not isinstance(masker, Image):
            raise ArgumentError(
                f"--model {efficientnet.NAME} classifies pictures; give --image FILE alone, "
                "or another --model"
            )
        _class_number(request.answer)
    if isinstance(masker, Image) and request.prompt is not None:
        raise ArgumentError("--prompt: a classifier of pictures takes no text")
    if request.system is not None:
        raise ArgumentError("--system: a function that predicts numbers takes no messages")
    if request.score != "logprob":
        raise ArgumentError(
            f"--score {request.score!r}: {model_name(request)} predicts numbers; choose the one to "
            "explain with --answer"
        )
    for name in request.model_options:
        raise ArgumentError(f"--{name.replace('_', '-')}: {model_name(request)} does not take it")


def _class_number(answer: str | None) -> int | None:
    if answer is None:
        return None
    if not answer.isdecimal() or len(answer) > 9 or int(answer) >= efficientnet.N_CLASSES:
        raise ArgumentError(
            f"--answer {answer!r}: give the number of a class of ImageNet, "
            f"0 to {efficientnet.N_CLASSES - 1}"
        )
    return int(answer)


def price_of(price: str | None, model: str) -> tuple[float, float] | None:
    """What `--price` says of a model: dollars per million tokens read and written.

    Raises:
        ArgumentError: it cannot be read, or the model is on no server.
    """
    if price is None:
        return None
    read = parse_price(price)
    if not model.startswith(SERVER_PREFIXES):
        raise ArgumentError(
            f"--price: {model} is not on a server; only openai:MODEL@BASE_URL and sglang:MODEL@URL "
            "have a price"
        )
    return read


def check_retries(retries: int) -> None:
    """Refuse a number of `--retries` below 0.

    Raises:
        ArgumentError: it is.
    """
    if retries < 0:
        raise ArgumentError(f"--retries {retries} is negative; give 0 or more")


@contextmanager
def naming_answer() -> Iterator[None]:
    """If an output of a function is refused, name `--answer`, the option that was typed.

    Raises:
        ArgumentError: it was.
    """
    try:
        yield
    except OutputError as error:
        raise ArgumentError(f"--answer {error.reason}") from None


def load_model(session: "Session", request: "Request") -> "LanguageModel":
    """Load the language model that is asked for; what takes long is told."""
    name = model_name(request)
    session.notice(f"loading the model {name}")
    return session.load(name, **request.model_options)


def make_function(
    session: "Session",
    request: "Request",
    masker: AnyMasker,
    score: "Score",
    model: "LanguageModel | None",
    store: "Store | None",
) -> Function:
    """Load the missing parts and join them. The model's own answer is kept in the store.

    Raises:
        SpexError: the call is wrong, or the model failed.
    """
    name, answer = model_name(request), request.answer
    if isinstance(masker, PromptTemplate):
        return made(request, masker, score, load_model(session, request))
    if name == efficientnet.NAME:
        session.notice(f"loading the model {name}")
        number = _class_number(answer)
        chosen = LARGEST if number is None else number
        classify, names = efficientnet.EfficientNetLite0(), efficientnet.CLASS_NAMES
        return PredictFunction(masker, classify, chosen, names=names, store=store)
    if name.startswith(_PREDICT):
        predict = import_function(name.removeprefix(_PREDICT))
        if request.store is not None and not isinstance(getattr(predict, "identity", None), str):
            raise ArgumentError(  # before the call that counts its outputs
                f"--store: {UNNAMED}; set it, or leave --store out"
            )
        output = LARGEST if answer is None else answer
        with naming_answer():
            return PredictFunction(masker, predict, output, store=store)
    if isinstance(masker, Table):
        raise AssertionError("check_function refuses it")
    return ValueFunction(masker, model or load_model(session, request), score, store=store)
