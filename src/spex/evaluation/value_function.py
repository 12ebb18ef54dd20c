"""The function that is explained: masks in, one number per mask out."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.errors import ArgumentError, BackendError
from spex.evaluation.store import Store
from spex.inputs.protocol import PromptMasker
from spex.masks import check_masks
from spex.models import FunctionModel, load
from spex.models.protocol import LanguageModel, Prompt
from spex.models.wrappers import ScoredOnce, StoredAnswers
from spex.scores.log_probabilities import LogProb, ResolvedLogProb, ResolvedScore, Score
from spex.scores.replies import ReplyScore

if TYPE_CHECKING:
    from spex.models.servers.endpoint import Usage

# Part of every identity. Raise it when equal descriptions come to mean other values.
_IDENTITY_FORMAT = 1
# A picture takes some 100 kB: thousands of them are not made before the first is looked at.
_PICTURES_AT_ONCE = 64


class ValueFunction:
    """A masker, a model and a score: f(mask) is the score of the model's answer to what is kept.

    Args:
        masker: what the features are, and what the model is given when some are absent.
        model: the model, or its name for `spex.models.load`; or a function from a prompt to a
            reply, both str, such as a chain or a client of an API; see `spex.models.FunctionModel`.
        score: what is measured; LogProb() of the model's own answer unless given. Or any function
            (text of the user's message, the model's reply) -> real number; see `ReplyScore`.
        store: a sample store, or its path, in which the model's own answer to the unmasked prompt
            is kept and looked for. So the answer is produced once, even by a server that answers
            otherwise the next time. Give the same one to `spex.explain`, which keeps the values.

    Attributes:
        masker: as given; over tokens, with those of the model.
        model: the model, loaded.
        score: the score with its answers fixed on the unmasked prompt.

    Raises:
        ArgumentError: an argument is wrong, or the prompt exceeds the model's context.
        MissingExtraError: a package that the model needs is not installed.
        BackendError: the model cannot be loaded, or failed.
        StoreError: the store cannot be used.
    """

    def __init__(
        self,
        masker: PromptMasker,
        model: LanguageModel | str | Callable[[Any], str],
        score: Score | Callable[[str, str], float] | None = None,
        *,
        store: Store | str | Path | None = None,
    ) -> None:
        if isinstance(masker, str):
            raise ArgumentError("masker is a str; wrap it: ValueFunction(Text('...'), ...)")
        if not hasattr(masker, "render"):
            raise ArgumentError(
                f"a {type(masker).__name__} gives no prompts; explain a function of it with "
                "spex.PredictFunction(masker, predict)"
            )
        self.model: LanguageModel = _as_model(model)
        # What the model's own answer costs belongs to what the explanation costs.
        usage: Usage | None = getattr(self.model, "usage", None)
        self._usage_before = None if usage is None else replace(usage)
        # A masker over tokens takes those of the model, which it could not know before.
        bind = getattr(masker, "with_tokenizer", None)
        self.masker: PromptMasker = masker if bind is None else bind(self.model)
        masker = self.masker
        # Deleting all is where an empty prompt shows; masked prompts that a long replacement makes
        # longer than both are checked by the model, call by call.
        extremes = [masker.render(np.full(masker.n_features, present)) for present in (True, False)]
        if extremes[0].has_images and not getattr(self.model, "takes_images", False):
            raise ArgumentError(f"{self.model.name!r} takes no images; use a model that does")
        self.model.check_prompts(extremes, ())
        self._full_prompt = extremes[0]
        self.score: ResolvedScore = self._resolve(_as_score(score), store)
        self.model.check_prompts(extremes, self.score.answers)

    def _resolve(self, score: Score, store: Store | str | Path | None) -> ResolvedScore:
        if store is None:
            return score.resolve(self.model, self._full_prompt)
        with ExitStack() as stack:
            opened = store if isinstance(store, Store) else stack.enter_context(Store(store))
            return score.resolve(StoredAnswers(self.model, opened), self._full_prompt)

    @property
    def features(self) -> tuple[str, ...]:
        """The label of each feature."""
        return self.masker.features

    @property
    def is_sequence(self) -> bool:
        """Whether features stand in a row, and leaving some out makes neighbours of others."""
        return bool(getattr(self.masker, "is_sequence", False))

    @property
    def n_features(self) -> int:
        """The number of features."""
        return self.masker.n_features

    @property
    def answer(self) -> str | None:
        """The answer that is explained; None where the score compares several."""
        return self.score.answer

    @property
    def identity(self) -> str | None:
        """Hash of all that determines the values: "sha256:" and 64 hexadecimal digits.

        Two value functions with the same identity have the same value for every mask, up to the
        rounding of the model; samples can be stored under it. None where the model is a function
        without an identity, or the score one without a name: nothing can be stored then.
        """
        model, score = self.model.identity, self.score.describe()
        if model is None or score is None:
            return None
        content = {
            "format": _IDENTITY_FORMAT,
            "model": model,
            "masker": self.masker.describe(),
            "score": score,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def describe(self) -> dict[str, Any]:
        """For reports, as JSON values.

        Keys: model, prompt (the user's message, unmasked), system, answer, score (one line), text,
        unit, operator, parts (see `spex.inputs.parts`); of a model on a server also usage: the
        requests, failures, prompt_tokens, completion_tokens and, where a price was given, the cost
        in dollars since the value function was made.
        """
        masker = self.masker.describe()
        used = {}
        if self._usage_before is not None:
            usage: Usage = self.model.usage  # type: ignore[attr-defined]
            used["usage"] = usage.since(self._usage_before).to_json()
        return {
            "model": self.model.name,
            "prompt": self._full_prompt.text,
            "system": masker.get("system"),
            "answer": self.answer,
            "score": self.score.summary,
            "text": masker.get("text"),
            "unit": masker.get("unit"),
            "operator": masker.get("operator"),
            "parts": [part.to_json() for part in self.masker.parts],
            **used,
        }

    def render(self, mask: npt.ArrayLike) -> str:
        """The text of the user's message that the model is given: mask is (n_features,)."""
        return self.masker.render(mask).text

    def __call__(self, masks: npt.ArrayLike) -> FloatArray:
        """The value of each mask.

        Args:
            masks: (m, n_features) of bool or 0/1; True keeps the feature.

        Returns:
            (m,) float64, in the unit of the score.

        Raises:
            ArgumentError: the masks have another shape or other values, or a masked prompt
                exceeds the model's context.
            BackendError: the model failed.
        """
        checked = check_masks(masks, self.n_features)
        values = np.empty(len(checked))
        missing = np.ones(len(checked), dtype=np.bool_)
        for rows, of_rows in self.stream(checked):
            values[rows] = of_rows
            missing[rows] = False
        if missing.any():
            raise BackendError(
                f"{self.model.name!r} scored {int((~missing).sum())} of {len(checked)} masks"
            )
        return values

    def stream(self, masks: npt.ArrayLike) -> Iterator[tuple[IntArray, FloatArray]]:
        """The values as the model finishes them, so that a caller can keep finished work.

        Masks that render the same prompt are evaluated once. Wrong masks are refused by the call
        itself, before any evaluation.

        Args:
            masks: (m, n_features) of bool or 0/1; True keeps the feature.

        Returns:
            (row numbers, values): (k,) int64 and (k,) float64, every row once, in any order.

        Raises:
            ArgumentError: see `__call__`.
            BackendError: the model failed.
        """
        checked = check_masks(masks, self.n_features)
        if self._full_prompt.has_images and len(checked) > _PICTURES_AT_ONCE:
            return self._stream_in_turns(checked)
        rows = self._rows_by_prompt(checked)
        scored = self.score.evaluate(self.model, list(rows))
        return self._spread(list(rows.values()), scored)

    def per_token(self) -> tuple["ValueFunction", ...]:
        """One value function for each token of the answer, that share the model's calls.

        Explained with the same budget and seed they see the same masks, so only the first
        explanation costs calls. What is remembered for the others lives as long as one of them.

        Returns:
            One per token that counts; `score.token` is its text.

        Raises:
            ArgumentError: the score is not a `LogProb`.
        """
        if not isinstance(self.score, ResolvedLogProb):
            raise ArgumentError(
                f"the score {self.score.summary!r} has no tokens to tell apart; use LogProb"
            )
        model = ScoredOnce(self.model)
        tokens = self.score.per_token(self.model)
        return tuple(ValueFunction(self.masker, model, token) for token in tokens)

    def _stream_in_turns(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        for start in range(0, len(masks), _PICTURES_AT_ONCE):
            for rows, values in self.stream(masks[start : start + _PICTURES_AT_ONCE]):
                yield rows + start, values

    def _rows_by_prompt(self, masks: BoolArray) -> dict[Prompt, list[int]]:
        rows: dict[Prompt, list[int]] = {}
        for row, mask in enumerate(masks):
            rows.setdefault(self.masker.render(mask), []).append(row)
        return rows

    def _spread(
        self, rows: Sequence[Sequence[int]], scored: Iterator[tuple[int, float]]
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        for number, value in scored:
            yield np.asarray(rows[number], dtype=np.int64), np.full(len(rows[number]), value)


def _as_model(model: object) -> LanguageModel:
    if isinstance(model, str):
        return load(model)
    if hasattr(model, "log_probs"):
        return model  # type: ignore[return-value]
    if callable(model):
        return FunctionModel(model)
    raise ArgumentError(
        f"model is a {type(model).__name__}, no language model; give a name such as 'smollm2', an "
        "object with the methods of spex.models.LanguageModel, or a function from prompt to reply"
    )


def _as_score(score: object) -> Score:
    if score is None:
        return LogProb()
    if callable(getattr(score, "resolve", None)):
        return score  # type: ignore[return-value]
    if callable(score):
        return ReplyScore(score)
    raise ArgumentError(
        f"score={score!r} is no score; use LogProb, LogOdds, Probability, Similarity, Matches, "
        "JsonField, or a function (prompt, reply) -> number"
    )
