"""An input with its score, and the model that answers it: together a source of values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from spex.inputs.documents import Documents
from spex.inputs.messages import Messages
from spex.inputs.text import Text
from spex.models import load
from spex.models.function import import_function
from spex.models.protocol import LanguageModel
from spex.scores.log_probabilities import Score
from spex.values.predict_function import LARGEST, PredictFunction
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.values.value_function import ValueFunction

Masker: TypeAlias = Text | Documents | Messages
PREDICT = "predict:"


class Model:
    """A model by name, loaded when it is first asked for; other processes load it themselves.

    Args:
        name: See `spex.models.load`; or "predict:MODULE:FUNCTION", a function from a list of texts
            to numbers.
        options: Of `spex.models.load`.
        load: Instead of `spex.models.load`, in this process.
        output: Of a predict function, which of its numbers; default: the largest.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, Any] | None = None,
        *,
        load: Callable[..., LanguageModel] = load,
        output: str | None = None,
    ) -> None:
        self.name = name
        self._options = options or {}
        self._load: Callable[..., LanguageModel] | None = load
        self._loaded: Any = None
        self._output = output

    @property
    def predicts(self) -> bool:
        """Whether it is a function that predicts numbers, no language model."""
        return self.name.startswith(PREDICT)

    def loaded(self) -> Any:
        """The language model, or the function."""
        if self._loaded is None:
            if self.predicts:
                self._loaded = import_function(self.name.removeprefix(PREDICT))
            else:
                self._loaded = (self._load or load)(self.name, **self._options)
        return self._loaded

    def source(self, masker: Masker, score: Score | None, store: Store | None) -> ValueSource:
        """What it makes of an input."""
        if self.predicts:
            output = LARGEST if self._output is None else self._output
            return PredictFunction(masker, self.loaded(), output, store=store)
        return ValueFunction(masker, self.loaded(), score, store=store)

    def __getstate__(self) -> dict[str, Any]:
        """Without what another process loads itself."""
        return {**self.__dict__, "_loaded": None, "_load": None}


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
