"""Traces that `spex explain` explains: reasoning, agents, samples of logs; and their answers."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from spex.cli.explaining.functions import load_model, predicts
from spex.cli.explaining.inputs import AnyMasker, chat_in, only, read_file, read_masker, sources
from spex.cli.explaining.request import Request
from spex.cli.session import Session
from spex.errors import ArgumentError
from spex.inputs.image import Image
from spex.inputs.prompt_template import PromptTemplate
from spex.inputs.protocol import bound
from spex.inputs.segmentation import TOKEN
from spex.inputs.table import Table
from spex.inputs.text import Text
from spex.inputs.traces.agent import Agent
from spex.inputs.traces.reasoning import Reasoning
from spex.interop.inspect_log import Logged, read_inspect_sample
from spex.models.wrappers import StoredAnswers
from spex.scores.of_items import score_of_answers
from spex.scores.parsing import parse_score

if TYPE_CHECKING:
    from spex.models.protocol import LanguageModel
    from spex.scores.log_probabilities import Score
    from spex.values.store import Store

_TRACES = ("--reasoning", "--agent", "--inspect-log")
# Options that go with only some of these inputs.
_ALONE = {
    "answer_cue": ("--reasoning",),
    "sample": ("--inspect-log",),
    "epoch": ("--inspect-log",),
    "turn": ("--agent", "--inspect-log"),
}


def read_input(session: Session, request: Request) -> tuple[Request, AnyMasker, "Score"]:
    """The input and the score, and the request with the answer that the input brings along.

    What a log says of its sample is told at once.

    Raises:
        ArgumentError: the call is wrong, or the file cannot be read as what it should be.
        MissingExtraError: a library that the unit or the file needs is not installed.
    """
    score = parse_score(request.score, request.answer, request.max_new_tokens)
    given = sources(request)
    kind = next((option for option in _TRACES if option in given), None)
    for name, with_options in _ALONE.items():
        if getattr(request, name) is not None and kind not in with_options:
            raise ArgumentError(
                f"--{name.replace('_', '-')}: goes with {' and '.join(with_options)}; leave it out"
            )
    masker = read_masker(request) if kind is None else _read_trace(session, request, kind, given)
    answers: tuple[str, ...] = getattr(masker, "answers", ())
    if not answers or request.answer is not None:
        return request, masker, score
    if len(answers) > 1 and request.score == "logprob":
        return request, masker, score_of_answers(None, answers)
    answered = score_of_answers(score, answers)
    if answered != score:
        request = dataclasses.replace(request, answer=answers[0])
    return request, masker, answered


def written(
    session: Session,
    request: Request,
    masker: AnyMasker,
    opened: Callable[[], "AbstractContextManager[Store | None]"],
) -> tuple[AnyMasker, "LanguageModel | None"]:
    """The masker with what only the model can tell, and the model; None if it is not needed.

    Args:
        session: Session of this call.
        request: The call.
        masker: The input.
        opened: Opens the store that keeps what the model writes.

    Raises:
        SpexError: the model cannot be loaded, failed, or cannot tell.
    """
    is_unwritten = isinstance(masker, Reasoning) and masker.trace is None
    by_token = TOKEN in request.unit and not isinstance(masker, Image | Table | PromptTemplate)
    if not (is_unwritten or by_token):
        return masker, None
    if predicts(request):
        what = "--unit token" if by_token else "--reasoning without --trace"
        raise ArgumentError(f"{what}: the model predicts numbers and has no tokens")
    model = load_model(session, request)
    if not is_unwritten:
        return bound(masker, model), model
    session.notice("the model writes its reasoning")
    with opened() as store:
        return bound(masker, model if store is None else StoredAnswers(model, store)), model


def _read_trace(session: Session, request: Request, option: str, given: dict[str, str]) -> Logged:
    for name, value in (
        ("--missing", request.missing),
        ("--group", request.group),
        ("--prompt", request.prompt),
        ("--system", request.system if option != "--reasoning" else None),
    ):
        if value:
            raise ArgumentError(f"{name}: does not go with {option}")
    mask = only("--mask", request.mask) or "delete"
    if option == "--reasoning":
        return _read_reasoning(request, given, mask)
    unit, file = only("--unit", request.unit), given[option]
    if option == "--inspect-log":
        if request.sample is None:
            raise ArgumentError("--inspect-log: name the sample with --sample, such as --sample 1")
        epoch = 1 if request.epoch is None else request.epoch
        sample = read_inspect_sample(file, request.sample, epoch)
        for note in sample.notes:
            session.notice(note)
        return sample.masker(unit, operator=mask, turn=request.turn)
    where = f"{option} {file}"
    trace = chat_in(read_file(where, file), where, ("memory", "against"))
    return Agent(trace, turn=request.turn, unit=unit or "part", operator=mask)


def _read_reasoning(request: Request, given: dict[str, str], mask: str) -> Reasoning:
    if len(request.unit) > 2:
        raise ArgumentError(
            "--unit: give one, for the steps, or two: for the question, then for the steps"
        )
    *first, unit = request.unit or ("sentence",)
    question, trace = (
        read_file(f"{option} {given[option]}", given[option]).strip() if option in given else None
        for option in ("--reasoning", "--trace")
    )
    system: dict[str, Any] = {"system": request.system}
    asked: Any = question
    if first:
        asked, system = Text(question or "", first[0], mask, **system), {}
    return Reasoning(asked, trace, unit, operator=mask, answer_cue=request.answer_cue, **system)
