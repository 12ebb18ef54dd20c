"""Several scores of the same prompts, for as few calls of the model as they need.

Scores of given answers share one call of `log_probs`; scores of replies of one length share one
call of `replies`. A score that is neither is evaluated by itself. These groups are evaluated one
after the other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.protocol import LanguageModel, Prompt
from spex.scores.log_probabilities import ResolvedScore, ScoreOfAnswers
from spex.scores.replies import ScoreOfReplies

# (prompt number, one value for each score of a group)
_Values: TypeAlias = Iterator[tuple[int, tuple[float, ...]]]


def evaluate_several(
    scores: Sequence[ResolvedScore], model: LanguageModel, prompts: Sequence[Prompt]
) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Evaluate several scores together.

    What the model refuses is refused by the call itself, before any evaluation.

    Args:
        scores: at least one.
        model: the model that is explained.
        prompts: what the model is given; each is asked once per group of scores.

    Returns:
        (prompt number, one value per score, in the unit of each), in any order; a prompt's values
        as soon as the last group has them.

    Raises:
        ArgumentError: there are no scores, or the model refuses a prompt or an answer.
        BackendError: the model failed.
    """
    if not scores:
        raise ArgumentError("there are no scores; give at least one")
    groups: dict[object, list[int]] = defaultdict(list)
    for number, score in enumerate(scores):
        groups[_group(score, number)].append(number)
    # All are begun here, so that each refusal comes before the first evaluation.
    begun = [
        (numbers, _begin([scores[number] for number in numbers], model, prompts))
        for numbers in groups.values()
    ]
    return begun[0][1] if len(begun) == 1 else _joined(begun, len(scores))


@dataclass(frozen=True)
class Job:
    """Prompts of one value function, to be asked together with those of others.

    Args:
        scores: Scores of this function.
        prompts: What the model is given.
        counted: Passes a reply on, and counts it.
    """

    scores: Sequence[ResolvedScore]
    prompts: Sequence[Prompt]
    counted: Callable[[str], str]


def shared_call(scores: Sequence[ResolvedScore]) -> object | None:
    """Equal for scores whose prompts may go to a model in one call; None if they go alone."""
    kinds = {_group(score, number) for number, score in enumerate(scores)}
    if kinds == {"answers"}:
        return "answers", _answers(scores)
    (kind, *others) = kinds
    return kind if not others and isinstance(kind, tuple) and kind[0] == "replies" else None


def evaluate_jobs(
    jobs: Sequence[Job], model: LanguageModel
) -> Iterator[tuple[int, int, tuple[float, ...]]]:
    """Evaluate jobs of one `shared_call` together, so that batches hold prompts of several.

    What the model refuses is refused by the call itself, before any evaluation.

    Args:
        jobs: At least one; `shared_call` of their scores is the same, and not None.
        model: The model that is explained.

    Returns:
        (job number, prompt number in the job, one value per score), in any order.

    Raises:
        ArgumentError: the model refuses a prompt or an answer.
        BackendError: the model failed.
    """
    places = [(job, number) for job, one in enumerate(jobs) for number in range(len(one.prompts))]
    prompts = [prompt for job in jobs for prompt in job.prompts]
    first = jobs[0].scores[0]
    if isinstance(first, ScoreOfReplies):
        replies = model.replies(prompts, first.max_new_tokens)
        return (
            (*places[number], _measured(jobs[places[number][0]], prompts[number], reply))
            for number, reply in replies
        )
    combine = [_combiner(job.scores) for job in jobs]
    scored = model.log_probs(prompts, _answers(jobs[0].scores))
    return (
        (*places[number], combine[places[number][0]](log_probs)) for number, log_probs in scored
    )


def _measured(job: Job, prompt: Prompt, reply: str) -> tuple[float, ...]:
    reply = job.counted(reply)
    return tuple(
        score.measure(prompt, reply) for score in job.scores if isinstance(score, ScoreOfReplies)
    )


def _answers(scores: Sequence[ResolvedScore]) -> tuple[str, ...]:
    """All answers of several scores, each once."""
    return tuple(dict.fromkeys(answer for score in scores for answer in score.answers))


def _combiner(
    scores: Sequence[ResolvedScore],
) -> Callable[[list[FloatArray]], tuple[float, ...]]:
    """From the log-probabilities of `_answers` to one value per score."""
    answers = _answers(scores)
    of_answers = [score for score in scores if isinstance(score, ScoreOfAnswers)]
    places = [[answers.index(answer) for answer in score.answers] for score in of_answers]

    def combined(log_probs: list[FloatArray]) -> tuple[float, ...]:
        return tuple(
            score.combine([log_probs[place] for place in own])
            for score, own in zip(of_answers, places, strict=True)
        )

    return combined


def _group(score: ResolvedScore, number: int) -> object:
    """Equal for scores that share a call."""
    if isinstance(score, ScoreOfAnswers):
        return "answers"
    if isinstance(score, ScoreOfReplies):
        return "replies", score.max_new_tokens
    return "alone", number


def _begin(group: list[ResolvedScore], model: LanguageModel, prompts: Sequence[Prompt]) -> _Values:
    of_answers = [score for score in group if isinstance(score, ScoreOfAnswers)]
    of_replies = [score for score in group if isinstance(score, ScoreOfReplies)]
    if of_answers:
        combined = _combiner(of_answers)
        scored = model.log_probs(prompts, _answers(of_answers))
        return ((number, combined(log_probs)) for number, log_probs in scored)
    if of_replies:
        replies = model.replies(prompts, of_replies[0].max_new_tokens)
        return (
            (number, tuple(score.measure(prompts[number], reply) for score in of_replies))
            for number, reply in replies
        )
    (alone,) = group
    return ((number, (value,)) for number, value in alone.evaluate(model, prompts))


def _joined(begun: list[tuple[list[int], _Values]], n_scores: int) -> _Values:
    """The values of all groups; a prompt that one of them left out is left out."""
    known: dict[int, dict[int, float]] = defaultdict(dict)
    for numbers, values in begun:
        for prompt, of_group in values:
            known[prompt].update(zip(numbers, of_group, strict=True))
            if len(known[prompt]) == n_scores:
                of_all = known.pop(prompt)
                yield prompt, tuple(of_all[number] for number in range(n_scores))
