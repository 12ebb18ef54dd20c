"""The score of regressions, reward models and rerankers: an output of the network itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spex.models.protocol import LanguageModel, Prompt
from spex.wording import shorten


@dataclass(frozen=True)
class ResolvedOutput:
    """An output of a model with the method `outputs`, before any softmax or sigmoid.

    `spex.LogProb` makes them.

    Attributes:
        answer: the label of the output.
    """

    answer: str
    # A number of the model's own, with no unit.
    unit = ""
    threshold = None

    @property
    def answers(self) -> tuple[str, ...]:
        """The label."""
        return (self.answer,)

    @property
    def summary(self) -> str:
        """Such as 'output "LABEL_0"'."""
        return f'output "{shorten(self.answer)}"'

    def evaluate(
        self, model: LanguageModel, prompts: Sequence[Prompt]
    ) -> Iterator[tuple[int, float]]:
        """See `ResolvedScore.evaluate`."""
        classifier: Any = model
        label = classifier.label_number(self.answer)
        return ((number, float(values[label])) for number, values in classifier.outputs(prompts))

    def describe(self) -> dict[str, Any]:
        """Type and label, as JSON values."""
        return {"type": "output", "label": self.answer}
