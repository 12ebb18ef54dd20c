"""Masking a model's own reasoning: the steps of its chain of thought, and the question before them.

The steps stand at the start of the assistant's answer, and what is scored comes after them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt

from spex.checks.arguments import whole_number
from spex.checks.masks import check_mask, check_masks
from spex.errors import ArgumentError
from spex.inputs.composite import SideBySide
from spex.inputs.parts import Part, TextPart
from spex.inputs.protocol import PromptMasker, check_masker
from spex.inputs.segmentation import Span, Tokenizer, parse_unit
from spex.inputs.templates import chat, check_encodable, check_system
from spex.inputs.traces.parsing import parse_chat
from spex.inputs.traces.steps import has_steps, step_spans
from spex.inputs.units import UnitMasker
from spex.models.protocol import LanguageModel, Message, Prompt
from spex.models.reasoning_tags import (
    cue_after,
    open_block,
    reasoning_tags,
    split_reply,
    without_tags,
)

STEP = "step"
_CUE = "\n\nFinal answer:\n"
# Where an answer begins in a reply without a reasoning block.
_ANSWER = re.compile(r"^\W*(?:final\s+)?answer\W*(?::|$)", re.I | re.M)


@dataclass(frozen=True)
class _Steps(UnitMasker):
    """The trace; the tags of reasoning blocks are pinned."""

    system = None

    text: str
    unit: str | re.Pattern[str]
    operator: str
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._unit == STEP and not has_steps(self.text):
            raise ArgumentError(
                "unit='step': no line of the trace begins with a mark such as 'Step 1:', '1.', "
                "'First,', '## ' or '-'; use unit='sentence' or 'line'"
            )
        self._check_units("the trace has", "use unit='word', or give a longer trace")

    @cached_property
    def _unit(self) -> str | re.Pattern[str]:
        return parse_unit(self.unit, STEP)

    @property
    def _texts(self) -> tuple[str]:
        return (self.text,)

    def _split(self, number: int, text: str, unit: str | re.Pattern[str]) -> list[Span]:
        tags = reasoning_tags(text)
        starts, stops = [0, *(tag.stop for tag in tags)], [*(tag.start for tag in tags), len(text)]
        return [
            (first + start, first + stop)
            for first, last in zip(starts, stops, strict=True)
            for start, stop in self._split_plain(number, text[first:last], unit)
        ]

    def _split_plain(self, number: int, text: str, unit: str | re.Pattern[str]) -> list[Span]:
        if unit == STEP:
            return step_spans(text)
        return super()._split(number, text, unit)

    def masked(self, mask: npt.ArrayLike) -> str:
        """The trace with its absent units deleted or replaced."""
        return self._masked_texts(mask)[0]

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """The trace, for reports."""
        return (TextPart(self._masked[0].pieces, "reasoning"),)

    def describe(self) -> dict[str, Any]:
        """Type, trace, unit, operator and spans of the units, as JSON values."""
        return self._described(type="trace", text=self.text)


class Reasoning(SideBySide):
    r"""Steps of a model's reasoning that can be absent, before its final answer.

    The model gets the question. The kept steps and the cue of the final answer are the start of its
    own answer. `spex.LogProb()` is the log-probability of the final answer. Tags of reasoning
    blocks, such as <think> and </think>, always stay.

    Args:
        question: the user's message, or a chat up to the answer as for `Messages`; never left out.
            Or a masker, such as `Text`, `Documents` or `Messages`: its units are explained together
            with the steps.
        trace: what the model wrote before its final answer, with its tags. Default: the model of
            the `spex.ValueFunction` writes it: its reasoning block, or its reply up to a line
            "Answer:".
        unit: "sentence", "line", "step", or another unit of `Text`. A step begins at a line with a
            mark, such as "Step 1:", "1.", "(a)", "First,", "-" or a heading.
        operator: as for `Text`.
        answer_cue: the text between the trace and the answer; default: a blank line, and without a
            reasoning block also a line "Final answer:".
        system: a system message, if the question is a text.
        answer: the final answer, if known, for scores that name none.
        tokenizer: as for `Text`.
        max_new_tokens: the most tokens of a trace that the model writes.

    Attributes:
        question: as given.
        trace: the trace; None if the model has not written it yet.
        features: the units of the question if it is a masker, then the steps.

    Raises:
        ArgumentError: an argument is wrong, or the trace has fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.

    Example:
        >>> import spex
        >>> trace = "A cat has four legs. A bird has two. So there are six."
        >>> steps = spex.Reasoning("How many legs have a cat and a bird?", trace)
        >>> steps.n_features
        3
        >>> steps.render([True, False, False]).answer_prefix
        'A cat has four legs.\n\nFinal answer:\n'
    """

    inputs_per_mask = 1

    def __init__(
        self,
        question: str | Sequence[Message | Mapping[str, Any]] | PromptMasker,
        trace: str | None = None,
        unit: str | re.Pattern[str] = "sentence",
        *,
        operator: str = "delete",
        answer_cue: str | None = None,
        system: str | None = None,
        answer: str | None = None,
        tokenizer: Tokenizer | None = None,
        max_new_tokens: int = 512,
    ) -> None:
        self._asked = _parse_question(question, system)
        if trace is not None:
            _check_text(trace, "trace", "give what the model wrote before its answer")
        if answer_cue is not None and not isinstance(answer_cue, str):
            raise ArgumentError(
                f"answer_cue must be a str or None, not {type(answer_cue).__name__}"
            )
        self.question: Any = question
        self.trace = None if trace is None else _trimmed(trace)
        self._given: dict[str, Any] = dict(
            unit=unit,
            operator=operator,
            answer_cue=answer_cue,
            system=system,
            answer=answer,
            tokenizer=tokenizer,
            max_new_tokens=whole_number("max_new_tokens", max_new_tokens, 1),
        )
        parse_unit(unit, STEP)
        if self.trace is not None:
            self.maskers = self._maskers(_Steps(self.trace, unit, operator, tokenizer))

    def _maskers(self, steps: _Steps) -> tuple[Any, ...]:
        return (steps,) if isinstance(self._asked, Prompt) else (self._asked, steps)

    def __getattr__(self, name: str) -> Any:
        if name == "maskers":
            raise ArgumentError(
                "the trace is not known before the model has written it: give the masker to a "
                "ValueFunction, or give trace="
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def with_trace_of(self, model: LanguageModel) -> "Reasoning":
        """The same with the trace that the model writes, if there is none yet.

        Raises:
            ArgumentError: the model writes no trace, or one that is cut off inside of its block.
            BackendError: the model failed.
        """
        if self.trace is not None:
            return self
        (reply,) = model.generate([self._ask(None)], self._given["max_new_tokens"])
        trace = _trace_in(reply)
        if trace is None:
            limit = self._given["max_new_tokens"]
            raise ArgumentError(
                f"the reasoning of {model.name!r} does not end within max_new_tokens={limit}; "
                "raise it, or give the trace"
            )
        if not trace:
            raise ArgumentError(
                f"{model.name!r} writes no reasoning before its answer; ask for it in the question "
                "('Think step by step.'), or give the trace"
            )
        return Reasoning(self.question, trace, **self._given)

    def with_tokenizer(self, tokenizer: Tokenizer) -> "Reasoning":
        """The same, with this tokenizer where a unit needs one and there is none."""
        bind = getattr(self._asked, "with_tokenizer", None)
        question = self.question if bind is None else bind(tokenizer)
        own = self._given["tokenizer"] or tokenizer
        return Reasoning(question, self.trace, **{**self._given, "tokenizer": own})

    @property
    def system(self) -> str | None:
        """The separate system message; None for none."""
        own: str | None = self._given["system"]
        return own if isinstance(self._asked, Prompt) else self._asked.system

    @property
    def answers(self) -> tuple[str, ...]:
        """The answer that is explained, if known."""
        answer = self._given["answer"]
        return () if answer is None else (answer,)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The question and the trace, for reports."""
        whole: tuple[Part, ...] = ()
        if isinstance(self._asked, Prompt):
            whole = tuple(
                TextPart(((message.as_text, None),), message.role)
                for message in self._asked.messages
                if message.as_text
            )
        return (*whole, *map(_headed, super().parts))

    @property
    def answer_cue(self) -> str:
        """The text between the trace and the answer."""
        given: str | None = self._given["answer_cue"]
        if given is not None:
            return given
        told = cue_after(self.trace or "")
        return _CUE if told is None else told

    def _ask(self, mask: npt.ArrayLike | None) -> Prompt:
        """The prompt of the question; None keeps all of its units."""
        if isinstance(self._asked, Prompt):
            return self._asked
        present = [True] * self._asked.n_features if mask is None else mask
        return self._asked.render(present)

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the question, and the start of the answer: the steps that are left, and the cue.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        own = [part for _, part in self._own(check_mask(mask, self.n_features))]
        asked = self._ask(own[0])
        left = self.maskers[-1].masked(own[-1])
        begun = left + self.answer_cue if left.strip() else self.answer_cue.lstrip("\n")
        return Prompt(asked.messages, begun)

    def apply(self, masks: npt.ArrayLike) -> list[list[dict[str, Any]]]:
        """The inputs of a predict function for (m, n_features) masks: m lists of messages.

        The last one is the assistant's, with the start of its answer.
        """
        rendered = [self.render(mask) for mask in check_masks(masks, self.n_features)]
        return [
            [
                *(message.to_json() for message in prompt.messages),
                {"role": "assistant", "content": prompt.answer_prefix},
            ]
            for prompt in rendered
        ]

    def describe(self) -> dict[str, Any]:
        """Type, question, trace, cue, unit and operator, as JSON values."""
        asked: Any = self._asked
        is_fixed = isinstance(asked, Prompt)
        return {
            "type": "reasoning",
            "question": [message.described() for message in asked.messages]
            if is_fixed
            else asked.describe(),
            "trace": self.maskers[-1].describe(),
            "answer_cue": self.answer_cue,
            "unit": self.unit_name,
            "operator": self.operator_name,
        }


def _parse_question(question: object, system: str | None) -> Prompt | PromptMasker:
    """The prompt that is never left out, or the masker of the question."""
    if isinstance(question, str):
        _check_text(question, "question", "give what the model is asked")
        check_system(system)
        return chat(system, question)
    if system is not None:
        raise ArgumentError("system: put the system message into the question")
    if isinstance(question, list | tuple):
        return Prompt(parse_chat(question)[0])
    if not hasattr(question, "render"):
        raise ArgumentError(
            f"question is a {type(question).__name__}; give a text, a list of messages, or a "
            "masker such as spex.Text or spex.Messages"
        )
    check_masker(question)
    return question  # type: ignore[return-value]  # checked


def _headed(part: Part) -> Part:
    """A text without a heading is the user's."""
    is_bare = isinstance(part, TextPart) and part.heading is None
    return replace(part, heading="user") if is_bare else part


def _check_text(text: object, name: str, remedy: str) -> None:
    if not isinstance(text, str):
        raise ArgumentError(f"{name} must be a str, not {type(text).__name__}")
    if not text.strip():
        raise ArgumentError(f"{name} is empty; {remedy}")
    check_encodable(text, name)


def _trimmed(trace: str) -> str:
    """Without white space around it, but for that before a first tag, which is the model's own."""
    tags = reasoning_tags(trace)
    is_tagged = bool(tags) and not trace[: tags[0].start].strip()
    return trace.rstrip() if is_tagged else trace.strip()


def _trace_in(reply: str) -> str | None:
    """The text of a reply before its answer; empty for nothing, None if its block has no end."""
    split = split_reply(reply)
    if split is not None:
        return split[0] if without_tags(split[0]).strip() else ""
    if open_block(reply) is not None:
        return None
    answers = [mark.start() for mark in _ANSWER.finditer(reply) if reply[: mark.start()].strip()]
    return reply[: answers[-1]] if answers else reply
