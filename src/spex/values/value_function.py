"""The function that is explained: masks in, one number per mask out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import real_number
from spex.checks.masks import check_masks
from spex.context import Context
from spex.errors import ArgumentError, BackendError
from spex.inputs.protocol import PromptMasker, bound, check_masker
from spex.models import FunctionModel, load
from spex.models.chat import notes_for
from spex.models.protocol import LanguageModel, Prompt
from spex.models.wrappers import CountedReplies, StoredAnswers
from spex.scores.log_probabilities import (
    LogOdds,
    LogProb,
    ResolvedLogProb,
    ResolvedScore,
    Score,
    TokenLogProb,
)
from spex.scores.of_items import score_of_answers
from spex.scores.replies import ReplyScore
from spex.scores.several import Job, evaluate_jobs, evaluate_several, shared_call
from spex.values import scoring_check
from spex.values.identity import distinct_names, output_identities
from spex.values.source import OfMasker
from spex.values.store import Store

if TYPE_CHECKING:
    from spex.models.servers.usage import Usage

# A picture takes some 100 kB, so do not make thousands before the first is used.
_PICTURES_AT_ONCE = 64
_RENDERED_FOR_CHECK = 6  # up to three different prompts of these are used


class ValueFunction(OfMasker):
    """A masker, a model and a score: f(mask) scores the model's answer to the masked input.

    Args:
        masker: defines the features, and what the model gets if some are absent.
        model: the model, or its name for `spex.models.load`. Or a function from a prompt to a
            reply, both str, such as a chain or a client of an API; see `spex.models.FunctionModel`.
        score: what is measured. Default: LogProb() of the model's own answer, or of the answer
            that the masker knows (against another, if it knows two). Or any function
            (text of the user's message, the model's reply) -> real number; see `ReplyScore`. Or a
            list of these, for several outputs from the same calls.
        store: a sample store, or its path, that keeps the model's own answer to the unmasked
            prompt. So the answer stays the same, even if a server would answer differently next
            time. Give the same store to `spex.explain`, which keeps the values.

    Attributes:
        masker: as given; over tokens, with those of the model.
        model: the model, loaded.
        scores: the scores, with their answers fixed on the unmasked prompt.
        usage_before: what the model's server had counted before this function was made; None of
            a model that counts nothing.

    Raises:
        ArgumentError: an argument is wrong, or the prompt exceeds the model's context.
        MissingExtraError: a package that the model needs is not installed.
        BackendError: the model cannot be loaded, or failed.
        StoreError: the store cannot be used.

    Example:
        >>> import spex
        >>> model = spex.models.TableModel(lambda prompt, answer: -2.0 * ("bad" in prompt))
        >>> value = spex.ValueFunction(spex.Text("not bad"), model, spex.LogProb("yes"))
        >>> spex.explain(value, budget=4).interactions("SV").top(1)
        [((1,), -2.0)]
    """

    def __init__(
        self,
        masker: PromptMasker,
        model: LanguageModel | str | Callable[[Any], str],
        score: Score | Callable[[str, str], float] | Sequence[Any] | None = None,
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
        check_masker(masker)
        self.model: LanguageModel = as_model(model)
        # The cost of the model's own answer belongs to the cost of the explanation.
        usage: Usage | None = getattr(self.model, "usage", None)
        self.usage_before = None if usage is None else replace(usage)
        self._replying = CountedReplies(self.model)
        with self._remembering(store) as remembering:
            self.masker: PromptMasker = bound(masker, remembering)
        masker = self.masker
        # An empty prompt shows when all is deleted. A long replacement may make a masked prompt
        # longer than both extremes; the model checks that call by call.
        extremes = [masker.render(np.full(masker.n_features, present)) for present in (True, False)]
        if extremes[0].has_images and not getattr(self.model, "takes_images", False):
            raise ArgumentError(f"{self.model.name!r} takes no images; use a model that does")
        self.model.check_prompts(extremes, ())
        self._full_prompt = extremes[0]
        answers = getattr(masker, "answers", ())
        given = score if isinstance(score, list | tuple) else [score]
        given = [score_of_answers(one, answers) for one in given]
        if not given:
            raise ArgumentError("score is an empty list; give at least one score")
        self._is_single = not isinstance(score, list | tuple)
        self.scores: tuple[ResolvedScore, ...] = self._resolve(list(map(_as_score, given)), store)
        for one in self.scores:
            _threshold(one)
            self.model.check_prompts(extremes, one.answers)

    def _resolve(
        self, scores: Sequence[Score], store: Store | str | Path | None
    ) -> tuple[ResolvedScore, ...]:
        with self._remembering(store) as model:
            return tuple(score.resolve(model, self._full_prompt) for score in scores)

    @contextmanager
    def _remembering(self, store: Store | str | Path | None) -> Iterator[LanguageModel]:
        """The model, which looks for its answers in the store, and keeps them there."""
        if store is None:
            yield self.model
            return
        with nullcontext(store) if isinstance(store, Store) else Store(store) as opened:
            yield StoredAnswers(self.model, opened)

    @property
    def score(self) -> ResolvedScore:
        """The first score; the only one unless several were given."""
        return self.scores[0]

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """Names of the scores where several were given; None for a single one."""
        if self._is_single:
            return None
        return distinct_names(
            [one.token if isinstance(one, TokenLogProb) else one.summary for one in self.scores]
        )

    @property
    def may_vary(self) -> bool:
        """Whether the model may answer differently when it is asked again."""
        return bool(getattr(self.model, "may_vary", False))

    @property
    def answer(self) -> str | None:
        """The answer that is explained; None if the score compares several."""
        return self.score.answer

    @property
    def identities(self) -> tuple[str, ...] | None:
        """For each score a hash of all that determines its values: "sha256:" and 64 digits.

        Two value functions with the same identity have the same value for every mask, up to the
        rounding of the model; samples can be stored under it. None if the model is a function
        without an identity, or a score one without a name: nothing can be stored then.
        """
        model = self.model.identity
        described = [score.describe() for score in self.scores]
        if model is None or None in described:
            return None
        if self._answers and scoring_check.goes_on(self.model):
            model += ";unchecked"  # so that no other run uses these values
        common = {"model": model, "masker": self.masker.describe()}
        return output_identities(common, "score", described)

    def contexts(self) -> tuple[Context, ...]:
        """What is explained, for reports; one for each score."""
        used = None
        if self.usage_before is not None:
            usage: Usage = self.model.usage  # type: ignore[attr-defined]
            used = usage.since(self.usage_before).to_json()
        masker = self.masker
        common = Context(
            model=self.model.name,
            prompt=self._full_prompt.text,
            system=masker.system,
            text=getattr(masker, "text", None),
            unit=masker.unit_name,
            operator=masker.operator_name,
            parts=masker.parts or None,
            usage=used,
            notes=self._notes(),
        )
        return tuple(
            replace(
                common,
                answer=one.answer,
                compared=one.answers if isinstance(one, LogOdds) else None,
                score=one.summary,
                score_unit=one.unit,
                score_threshold=_threshold(one),
            )
            for one in self.scores
        )

    def _notes(self) -> tuple[str, ...]:
        replying = self._replying
        of_model = notes_for(getattr(self.model, "notes", ()), self._full_prompt)
        notes = [*self.masker.notes, *of_model]
        if replying.n_cut_off:
            notes.append(
                f"{replying.n_cut_off:,} of {replying.n_replies:,} replies were cut off at the "
                "limit of tokens, and scored as they are; to raise it: max_new_tokens "
                "(--max-new-tokens)"
            )
        if replying.n_without_text:
            notes.append(
                f"{replying.n_without_text:,} of {replying.n_replies:,} replies had no text, such "
                "as after a content filter or with a call of a tool, and were scored as empty"
            )
        return (*notes, *scoring_check.notes(self.model, self._answers), *self._notes_of_prompt())

    def _notes_of_prompt(self) -> Iterator[str]:
        name, messages = self.model.name, self._full_prompt.messages
        for token in getattr(self.model, "control_tokens", ()):
            if any(token in message.as_text for message in messages):
                yield (
                    f"The input holds {token!r}, which {name!r} reads as a control token, not as "
                    "text"
                )
        if any(message.tool_calls for message in messages) and hasattr(self.model, "usage"):
            yield (
                f"The server of {name!r} leaves calls of tools out if its chat template knows "
                "none; their effects are 0 then"
            )

    def render(self, mask: npt.ArrayLike) -> str:
        """The text of the user's message that the model is given: mask is (n_features,)."""
        return self.masker.render(mask).text

    def __call__(self, masks: npt.ArrayLike) -> FloatArray:
        """The value of each mask.

        Args:
            masks: (m, n_features) of bool or 0/1; True keeps the feature.

        Returns:
            (m,) float64, in the unit of the score; (m, q) where q scores were given as a list.

        Raises:
            ArgumentError: the masks have another shape or other values, or a masked prompt
                exceeds the model's context.
            ScoringError: the model gives other log-probabilities when it is asked in another way;
                see `spex.values.scoring_check`.
            BackendError: the model failed.
        """
        checked = check_masks(masks, self.n_features)
        shape = (len(checked),) if self._is_single else (len(checked), len(self.scores))
        values = np.empty(shape)
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
            (row numbers, values): (k,) int64 and (k,) or (k, q) float64, every row once, in any
            order.

        Raises:
            ArgumentError: see `__call__`.
            ScoringError: see `__call__`.
            BackendError: the model failed.
        """
        checked = check_masks(masks, self.n_features)
        if self._full_prompt.has_images and len(checked) > _PICTURES_AT_ONCE:
            return self._stream_in_turns(checked)
        rows = self._rows_by_prompt(checked)
        scored = evaluate_several(self.scores, self._replying, list(rows))
        self._check_scoring(list(rows))  # after the model's own refusals
        return self._spread(list(rows.values()), scored)

    @property
    def n_calls_of_check(self) -> int:
        """Prompts that are asked, before the next values, to check the model; 0 once that is done.

        See `spex.values.scoring_check`.
        """
        due = scoring_check.is_due(self.model, self._full_prompt, self._answers)
        return scoring_check.n_calls(self.model) if due else 0

    def check_scoring(self, masks: npt.ArrayLike) -> None:
        """Check the model, with some of the masks that are asked next, unless that is done.

        Args:
            masks: (m, n_features) of bool or 0/1, at least one.

        Raises:
            ScoringError: see `__call__`.
            BackendError: the model failed.
        """
        checked = check_masks(masks, self.n_features)
        some = np.unique(np.linspace(0, len(checked) - 1, _RENDERED_FOR_CHECK).astype(int))
        self._check_scoring([self.masker.render(mask) for mask in checked[some]])

    def _check_scoring(self, prompts: Sequence[Prompt]) -> None:
        def spare() -> list[Prompt]:
            none = self.masker.render(np.zeros(self.n_features, dtype=np.bool_))
            return [one for one in (self._full_prompt, none) if one != prompts[0]]

        if prompts:
            scoring_check.check(self.model, prompts, spare, self._answers)

    @property
    def _answers(self) -> list[str]:
        return list(dict.fromkeys(answer for one in self.scores for answer in one.answers))

    @property
    def shared_call(self) -> object | None:
        """Equal for functions whose prompts may share the batches of one model; else None."""
        kind = shared_call(self.scores)
        if kind is None or self._full_prompt.has_images:  # do not make all pictures at once
            return None
        return id(self.model), kind

    def per_token(self) -> "ValueFunction":
        """The same with one output for each token of the answer that counts.

        Raises:
            ArgumentError: the score is not a single `LogProb`.
        """
        if not self._is_single or not isinstance(self.score, ResolvedLogProb):
            raise ArgumentError(
                f"the score {self.score.summary!r} has no tokens to tell apart; use one LogProb"
            )
        return ValueFunction(self.masker, self.model, self.score.per_token(self.model))

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
        self, rows: Sequence[Sequence[int]], scored: Iterator[tuple[int, tuple[float, ...]]]
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        for number, values in scored:
            of_rows = np.tile(np.asarray(values, dtype=np.float64), (len(rows[number]), 1))
            yield (
                np.asarray(rows[number], dtype=np.int64),
                of_rows[:, 0] if self._is_single else of_rows,
            )


def as_model(model: object) -> LanguageModel:
    """A model from what a user has: a model, the name of one, or a function.

    Raises:
        ArgumentError: it is none of these.
    """
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


def _threshold(score: ResolvedScore) -> float | None:
    """Where the answer flips; None if the score does not say, as one of the user's may not.

    Raises:
        ArgumentError: it is no finite number.
    """
    given = getattr(score, "threshold", None)
    what = "give the value at which the answer flips, a finite number, or None"
    return None if given is None else real_number("threshold", given, what)


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


def stream_together(
    functions: Sequence[ValueFunction], masks: Sequence[BoolArray]
) -> Iterator[tuple[int, IntArray, FloatArray]]:
    """Values of several functions of one model, whose prompts share its batches.

    Args:
        functions: With one `shared_call` that is not None.
        masks: For each function (m, n) bool.

    Returns:
        (number of the function, row numbers (k,), values (k,) or (k, q)), every row once.

    Raises:
        ArgumentError: the model refuses a prompt.
        BackendError: the model failed.
    """
    rows = [one._rows_by_prompt(its) for one, its in zip(functions, masks, strict=True)]
    jobs = [
        Job(one.scores, list(its), one._replying.counted)
        for one, its in zip(functions, rows, strict=True)
    ]
    numbers = [list(its.values()) for its in rows]
    evaluated = evaluate_jobs(jobs, functions[0].model)
    functions[0]._check_scoring(list(rows[0]))
    for job, prompt, values in evaluated:
        for of_rows in functions[job]._spread(numbers[job], iter([(prompt, values)])):
            yield job, *of_rows
