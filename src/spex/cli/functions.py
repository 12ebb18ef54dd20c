"""The value function of a call of `spex explain`: its input, its model and its score together."""

from typing import TYPE_CHECKING, TypeAlias

from spex.cli.inputs import AnyMasker
from spex.errors import ArgumentError
from spex.models import efficientnet
from spex.values.image import Image
from spex.values.predict_function import PredictFunction
from spex.values.value_function import ValueFunction

if TYPE_CHECKING:
    from spex.cli.explaining import Request
    from spex.cli.session import Session
    from spex.models.protocol import LanguageModel
    from spex.store import Store
    from spex.values.scores import Score

Function: TypeAlias = ValueFunction | PredictFunction


def model_name(request: "Request") -> str:
    """The model asked for, or the demonstration model for this kind of input."""
    return request.model or ("smollm2" if request.image is None else efficientnet.NAME)


def check_classifier(request: "Request", masker: AnyMasker) -> int | None:
    """Of a classifier of pictures, the class that is explained; None for its most probable one.

    Raises:
        ArgumentError: an option makes no sense for a classifier.
    """
    if model_name(request) != efficientnet.NAME:
        return None
    if not isinstance(masker, Image):
        raise ArgumentError(f"--model {efficientnet.NAME} classifies pictures; give --image FILE")
    if request.score != "logprob":
        raise ArgumentError(
            f"--score {request.score!r}: of a classifier only logprob, that of a class, is known"
        )
    for option, value in (("--prompt", request.prompt), ("--system", request.system)):
        if value is not None:
            raise ArgumentError(
                f"{option}: a classifier of pictures takes no text; name a vision-language model "
                "with --model"
            )
    for name in request.model_options:
        raise ArgumentError(f"--{name.replace('_', '-')}: {efficientnet.NAME} runs as it is")
    if request.answer is None:
        return None
    if not request.answer.isdecimal() or int(request.answer) >= efficientnet.N_CLASSES:
        raise ArgumentError(
            f"--answer {request.answer!r}: give the number of a class of ImageNet, "
            f"0 to {efficientnet.N_CLASSES - 1}"
        )
    return int(request.answer)


def check_price(request: "Request") -> None:
    """Refuse a price that cannot be read, or of a model that is on no server.

    Raises:
        ArgumentError: it is wrong.
    """
    if "price" in request.model_options and not model_name(request).startswith("openai:"):
        raise ArgumentError(
            f"--price: {model_name(request)} is on no server; only openai:MODEL@BASE_URL has one"
        )


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
    """Load what is not loaded yet, and put all together; the model's own answer is kept in store.

    Raises:
        SpexError: the call is wrong, or the model failed.
    """
    if model_name(request) == efficientnet.NAME and isinstance(masker, Image):
        session.notice(f"loading the model {efficientnet.NAME}")
        output = check_classifier(request, masker)
        return PredictFunction(masker, efficientnet.EfficientNetLite0(), output)
    return ValueFunction(masker, model or load_model(session, request), score, store=store)
