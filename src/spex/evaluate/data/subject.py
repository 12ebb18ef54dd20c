"""An input with its score, and the model that answers it: together a source of values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from spex.checks.arguments import whole_number
from spex.errors import ArgumentError
from spex.inputs.documents import Documents
from spex.inputs.image import Image
from spex.inputs.messages import Messages
from spex.inputs.text import Text
from spex.models import efficientnet, load
from spex.models.function import import_function
from spex.models.protocol import LanguageModel
from spex.models.servers.usage import Usage
from spex.scores.log_probabilities import Score
from spex.values.predict_function import LARGEST, PredictFunction
from spex.values.retrying import Retries, Retrying
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.values.value_function import ValueFunction

Masker: TypeAlias = Text | Documents | Messages | Image
PREDICT, REPLY = "predict:", "reply:"


class Model:
    """A model by name, loaded when it is first asked for; other processes load it themselves.

    Args:
        name: See `spex.models.load`; or "predict:MODULE:FUNCTION", a function from a list of texts
            or pictures to numbers; or "efficientnet-lite0", a classifier of pictures.
        options: Options of `spex.models.load`.
        load: Instead of `spex.models.load`, in this process.
        output: Which number of a predict function to explain; default: the largest.
        retries: Of a function of the user's, how many times in a row it is asked again after an
            error that it raised.
        notice: Told of the first such error; in this process.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, Any] | None = None,
        *,
        load: Callable[..., LanguageModel] = load,
        output: str | None = None,
        retries: int = 2,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self._options = options or {}
        self._load: Callable[..., LanguageModel] | None = load
        self._loaded: Any = None
        self._output = output
        self._retries = whole_number("retries", retries, 0)
        self._notice = notice

    @property
    def predicts(self) -> bool:
        """Whether it is a function that predicts numbers, not a language model."""
        return self.name == efficientnet.NAME or self.name.startswith(PREDICT)

    @property
    def is_own(self) -> bool:
        """Whether it is a function of the user's."""
        return self.name.startswith((PREDICT, REPLY))

    @property
    def usage(self) -> Usage | None:
        """The usage that its server counted in this process; None for other models."""
        return getattr(self._loaded, "usage", None)

    def loaded(self) -> Any:
        """The language model, or the function."""
        if self._loaded is None:
            if self.name == efficientnet.NAME:
                self._loaded = efficientnet.EfficientNetLite0()
            elif self.predicts:
                self._loaded = import_function(self.name.removeprefix(PREDICT))
            else:
                self._loaded = (self._load or load)(self.name, **self._options)
        return self._loaded

    def source(self, masker: Masker, score: Score | None, store: Store | None) -> ValueSource:
        """The source of values for an input.

        Raises:
            ArgumentError: the model does not take the input or the score.
            BackendError: the model failed.
        """
        if not self.is_own:
            return self._source(masker, score, store)
        retries = Retries(self._retries, self._notice or _silent)
        return Retrying(retries.call(lambda: self._source(masker, score, store)), retries)

    def _source(self, masker: Masker, score: Score | None, store: Store | None) -> ValueSource:
        if self.name == efficientnet.NAME:
            if not isinstance(masker, Image):
                raise ArgumentError(f"{self.name} classifies pictures; give data with images")
            names = efficientnet.CLASS_NAMES
        elif self.predicts:
            names = None
        else:
            return ValueFunction(masker, self.loaded(), score, store=store)
        output = LARGEST if self._output is None else self._output
        return PredictFunction(masker, self.loaded(), output, names=names, store=store)

    def __getstate__(self) -> dict[str, Any]:
        """The state without what another process loads itself."""
        return {**self.__dict__, "_loaded": None, "_load": None, "_notice": None}


def _silent(_: str) -> None: ...


@dataclass(frozen=True)
class Subject:
    """An input, its score and its model; makes the source of their values.

    Args:
        masker: The input.
        score: What is measured; None of a predict function.
        model: The model.
    """

    masker: Masker
    score: Score | None
    model: Model

    def __call__(self, store: Store | None) -> ValueSource:
        """The source; the model's own answer is kept in the store."""
        return self.model.source(self.masker, self.score, store)
