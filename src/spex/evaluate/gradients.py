"""Integrated gradients and gradient times input, by `captum`, for local models.

They need the model itself, not a function on masks. They take a `spex.ValueFunction` of a
`spex.Text` and a causal language model or classifier of transformers. They differentiate the score
with respect to the embeddings of the prompt's tokens. A feature gets the sum over its tokens. In
the baseline, the tokens of features have embeddings of zero. The tokens of the instruction and of
the chat template stay, as they do under a mask.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from spex._typing import FloatArray, Interaction
from spex.errors import ArgumentError
from spex.evaluate.method import Attribution
from spex.extras import require
from spex.inputs.templates import split_template
from spex.inputs.text import Text
from spex.interactions.moebius import spectrum_from_moebius
from spex.models.transformers.differentiable import DifferentiableModel, ReadPrompt
from spex.scores.log_probabilities import LogOdds, ResolvedLogProb, TokenLogProb
from spex.scores.outputs import ResolvedOutput
from spex.values.value_function import ValueFunction

_AT_ONCE = 16  # prompts in a pass


class OfModel(ABC):
    """A method of attribution that needs the model.

    Attributes:
        name: As `--methods` names it.
        package: The package that does the work, as pip names it.
        order: The highest order of its interactions.
        passes: Its cost, in words.
    """

    name: str
    package = "captum"
    order = 1
    passes: str

    def attribute(self, value: ValueFunction) -> Attribution:
        """Attribute the score of the unmasked prompt to the features.

        Args:
            value: A value function of a `spex.Text`, a causal language model or classifier of
                transformers, and one score `LogProb` or `LogOdds`.

        Returns:
            The spectrum has order 1 and is exact where all features are present: f(all) - the sum
            of the attributions of the absent features. `n_evaluations` counts sequences that the
            network read forward, each of which costs a backward pass too.

        Raises:
            ArgumentError: the value function is another one.
            MissingExtraError: captum is not installed.
        """
        require("captum", "evaluate")
        start = time.perf_counter()
        if not isinstance(value, ValueFunction) or not isinstance(value.masker, Text):
            raise ArgumentError(
                f"{self.name} needs the model's gradients: give a spex.ValueFunction of a spex.Text"
            )
        model = DifferentiableModel(value.model)
        read = model.read(value.masker.render(np.ones(value.n_features, dtype=np.bool_)))
        shares = _shares(read, value.masker)
        counter = _Score(model, value)
        with model.with_gradients():
            embeddings = model.embeddings(read.tokens)
            of_feature = model.torch.from_numpy(shares.any(axis=1)).to(embeddings.device)
            baseline = embeddings * ~of_feature[None, :, None]
            with model.torch.no_grad():
                score = float(counter(embeddings))
            of_tokens = self._of_tokens(counter, embeddings, baseline)
        values = shares.T @ of_tokens.double().cpu().numpy()[0].sum(axis=-1)
        moebius: dict[Interaction, float] = {(i,): float(v) for i, v in enumerate(values)}
        spectrum = spectrum_from_moebius({(): score - float(values.sum()), **moebius}, len(values))
        return Attribution(
            spectrum, counter.n_passes, time.perf_counter() - start, n_asked=counter.n_passes
        )

    @abstractmethod
    def _of_tokens(self, score: Callable[[Any], Any], embeddings: Any, baseline: Any) -> Any:
        """(1, n_tokens, width) attributions."""


@dataclass(frozen=True)
class IntegratedGradients(OfModel):
    """Sundararajan, Taly and Yan (ICML 2017), on the straight line from the baseline.

    By the completeness axiom the values sum to f(all) - f(baseline), up to the error of the
    quadrature, that of Gauss and Legendre.

    Args:
        n_steps: Points on the line, each a forward and a backward pass.
    """

    n_steps: int = 50
    name = "integrated-gradients"
    passes = "n_steps + 1 passes forward and n_steps back, for each answer"

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise ArgumentError(f"n_steps={self.n_steps} is below 1, the least")

    def _of_tokens(self, score: Callable[[Any], Any], embeddings: Any, baseline: Any) -> Any:
        method = require("captum.attr", "evaluate").IntegratedGradients(score)
        return method.attribute(
            embeddings, baseline, n_steps=self.n_steps, internal_batch_size=_AT_ONCE
        ).detach()


@dataclass(frozen=True)
class GradientTimesInput(OfModel):
    """Gradient times input (Shrikumar et al. 2016): one forward and one backward pass."""

    name = "gradient-times-input"
    passes = "2 passes forward and 1 back, for each answer"

    def _of_tokens(self, score: Callable[[Any], Any], embeddings: Any, baseline: Any) -> Any:
        inputs = embeddings.clone().requires_grad_()
        method = require("captum.attr", "evaluate").InputXGradient(score)
        return method.attribute(inputs).detach()


class _Score:
    """The score as a function of embeddings, which counts the sequences that the network reads."""

    def __init__(self, model: DifferentiableModel, value: ValueFunction) -> None:
        if len(value.scores) != 1:
            raise ArgumentError(f"there are {len(value.scores)} scores; give one")
        score = value.score
        self._model = model
        self._answers = score.answers
        self._combine = _combination(score, model)
        self._reads_outputs = isinstance(score, ResolvedOutput)
        self.n_passes = 0

    def __call__(self, embeddings: Any) -> Any:
        """(batch, n_tokens, width) to (batch,)."""
        if self._reads_outputs:
            self.n_passes += len(embeddings)
            return self._combine([self._model.outputs(embeddings)])
        self.n_passes += len(embeddings) * len(self._answers)
        return self._combine([self._model.log_probs(embeddings, a) for a in self._answers])


def _combination(score: object, model: DifferentiableModel) -> Callable[[list[Any]], Any]:
    """`ScoreOfAnswers.combine` with gradients: (batch, n_tokens) of each answer to (batch,)."""
    if isinstance(score, ResolvedLogProb):
        return partial(_log_prob, score)
    if isinstance(score, TokenLogProb):
        number = score.number
        return lambda parts: parts[0][:, number]
    if isinstance(score, LogOdds):
        return lambda parts: parts[0].sum(dim=1) - parts[1].sum(dim=1)
    if isinstance(score, ResolvedOutput):
        label = model.label_number(score.answer)
        return lambda parts: parts[0][:, label]
    raise ArgumentError(
        f"gradients of a {type(score).__name__} are not offered; use spex.LogProb or spex.LogOdds"
    )


def _log_prob(score: ResolvedLogProb, parts: list[Any]) -> Any:
    (values,) = parts
    if score.tokens is not None:
        values = values[:, list(score.tokens)]
    return values.sum(dim=1) if score.reduce == "sum" else values.mean(dim=1)


def _shares(read: ReadPrompt, text: Text) -> FloatArray:
    """(n_tokens, n_features): the share of a token's feature characters in each feature."""
    user = text.render(np.ones(text.n_features, dtype=np.bool_)).text
    if (found := read.text.count(user)) != 1:
        raise ArgumentError(
            f"the chat template shows the text {found} times as it is; gradients need it once"
        )
    at = read.text.index(user) + len(split_template(text.prompt)[0])
    owner = np.full(len(read.text) + 1, -1)
    for string, number in text.segments:
        if number is not None:
            owner[at : at + len(string)] = number
        at += len(string)
    shares = np.zeros((len(read.tokens), text.n_features))
    for row, (start, stop) in zip(shares, read.spans, strict=True):
        held = owner[start:stop]
        np.add.at(row, held[held >= 0], 1.0)
    totals = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, totals, out=shares, where=totals > 0)


GRADIENTS: tuple[OfModel, ...] = (IntegratedGradients(), GradientTimesInput())
