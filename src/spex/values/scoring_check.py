"""Are a model's log-probabilities right? Before the first value a few are computed in two ways.

A server may return those of another prompt, of the wrong tokens, or random ones. An explanation of
these looks like any other. So the check compares, once for each model and kind of question:

- Alone and in a batch: a prompt by itself, then between two others.
- Written and read: the model writes a few tokens and says how probable each was. They are then read
  as a given answer, as in the run. These are two routes of a server, and two programs here.
- A part and the whole: the first words of the longest answer by themselves, and in the answer.

Two faults look the same in both ways: all tokens have one value, or all prompts have the same
values, as from a stale cache. They are detected without a second way.

A local network in half precision is no fault, but is off by tenths of a nat. So two of the prompts
are also read in float32, if there is room for the weights, and the report gives the difference.

Models with the methods of `Checkable` are checked; functions and tables are not, nor are scores of
replies, which read no log-probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError, BackendError, ScoringError
from spex.models.protocol import LanguageModel, Prompt
from spex.models.transformers.precision import HalfPrecision
from spex.wording import shorten

# Prompts given to the model: one alone, one to continue, three in a batch.
N_CALLS = 5
N_IN_FLOAT32 = 2  # and as many more for a local model in half precision
_WRITTEN_TOKENS = 3
_UNCHECKED = (
    "Whether the log-probabilities are right was not checked: all values were kept before, with "
    "scoring_check='note'"
)
# Nats by which a token may differ if the precision is unknown, as on a server. bfloat16 keeps eight
# bits of a logit, and logits of a large vocabulary reach 30.
_UNKNOWN_ROUNDING = 0.5
_RELATIVE = 0.1  # share of that per nat below 0: improbable tokens have larger logits
_WRITTEN = "written and read"
# Log-probabilities of a sure answer are 0 or nearly 0 after every prompt.
_SURE = -1e-3
_SAME = 1e-6  # nats: the digits of single precision
# Fewer values of bfloat16 may be equal by chance.
_FEWEST_VALUES, _FEWEST_PROMPTS = 4, 3


class Checkable(LanguageModel, Protocol):
    """A language model that reports how probable its own words were."""

    def written(self, prompt: Prompt, max_new_tokens: int) -> tuple[str, FloatArray]:
        """The greedy reply, and (n_tokens,) float64 log-probabilities of its tokens in nats.

        Both may be empty if they are unknown, or cannot be compared with a reading of the reply.
        """
        ...

    def answer_ids(self, answer: str) -> Sequence[int]:
        """The numbers of an answer's tokens."""
        ...


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        differences: what differs by more than rounding, with the figures, a sentence each.
        largest: the largest difference of a token, in nats.
        compared: the names of the comparisons that could be made.
        missing: why the server's reply could not be compared; empty if it was.
        half: the error of values due to half precision; None if the precision is another or
            unknown.
    """

    differences: tuple[str, ...]
    largest: float
    compared: tuple[str, ...]
    missing: str = ""
    half: HalfPrecision | None = None

    @property
    def note(self) -> str:
        """Notes for the report: the user went on anyway, or not all was compared; else empty."""
        if self.differences:
            return f"The log-probabilities may be wrong: {'; '.join(self.differences)}"
        if self.missing:
            return (
                "The log-probabilities were checked in part: those of a reply could not be "
                f"compared with the same words read, for {self.missing}"
            )
        return ""


_FOUND: WeakKeyDictionary[Any, dict[object, Finding]] = WeakKeyDictionary()


def n_calls(model: LanguageModel) -> int:
    """How many prompts a check asks at most."""
    return N_CALLS + (N_IN_FLOAT32 if getattr(model, "half_precision", None) else 0)


def is_due(model: LanguageModel, prompt: Prompt, answers: Sequence[str]) -> bool:
    """Whether a check comes before the next values of prompts like this one."""
    if not answers or not hasattr(model, "written"):
        return False
    return _kind(model, prompt, answers) not in _FOUND.get(model, {})


def check(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    spare: Callable[[], Sequence[Prompt]],
    answers: Sequence[str],
) -> None:
    """Check a model unless that was done before.

    Args:
        model: The model.
        prompts: Those that are asked now, at least one. Up to three of them are used, so that a
            prompt that the model refuses is one that it would be asked anyway.
        spare: Makes other prompts if only one is asked.
        answers: The answers that are scored.

    Raises:
        ScoringError: log-probabilities differ by more than rounding, and the model does not have
            `scoring_check="note"`.
        BackendError: the model failed.
    """
    if not answers or not hasattr(model, "written"):
        return
    found = _FOUND.setdefault(model, {})
    kind = _kind(model, prompts[0], answers)
    if kind not in found:
        found[kind] = _examined(model, _chosen(prompts), spare, answers)
    differences = found[kind].differences
    if differences and not goes_on(model):
        raise ScoringError(
            f"{model.name!r} gives log-probabilities that cannot be right: "
            f"{'; '.join(differences)}. Its values would explain nothing: update or restart the "
            "server, or use another model; to continue anyway: scoring_check='note' "
            "(--scoring-check note)"
        )


def goes_on(model: object) -> bool:
    """Whether the user wants a model to be used even if its check fails."""
    return getattr(model, "scoring_check", "stop") == "note"


def notes(model: LanguageModel, answers: Sequence[str]) -> tuple[str, ...]:
    """Notes for reports on a model that was used although its check failed.

    Also on a server that could be checked only in part, and on half precision.
    """
    found = _FOUND.get(model, {})
    if goes_on(model) and answers and hasattr(model, "written") and not found:
        return (_UNCHECKED,)
    notes = [one.note for one in found.values() if one.note]
    # One for all kinds of answers.
    half = [one.half for one in found.values() if one.half]
    notes += [max(half, key=lambda one: one.off or 0).note] if half else []
    return tuple(dict.fromkeys(notes))


def _examined(
    model: Any, chosen: list[Prompt], spare: Callable[[], Sequence[Prompt]], answers: Sequence[str]
) -> Finding:
    if len(chosen) > 1:
        return examine(model, chosen, answers)
    try:
        return examine(model, [*chosen, *spare()], answers)
    except BackendError:  # for example the server omits a label after another
        return examine(model, chosen * 2, answers)


def examine(model: Checkable, prompts: Sequence[Prompt], answers: Sequence[str]) -> Finding:
    """Take log-probabilities in two ways.

    Args:
        model: The model.
        prompts: Two or three, best different ones; the first is asked alone.
        answers: The answers that are scored.
    """
    if getattr(model, "is_regression", False):
        return _examine_outputs(model, prompts)
    first, second, *_ = prompts
    wanted = list(dict.fromkeys(answers))
    found = _Comparisons(getattr(model, "rounding", _UNKNOWN_ROUNDING))
    ids = {answer: list(model.answer_ids(answer)) for answer in wanted}
    alone = _read(model, [first], wanted)[0]
    longest = min(max(map(len, ids.values())), _WRITTEN_TOKENS)
    reply, written = model.written(second, longest)
    part = _part(model, max(wanted, key=lambda answer: len(ids[answer])))
    # A reply that ends within a character has other tokens when read back.
    readable = len(written) > 0 and len(_ids_or_none(model, reply)) == len(written)
    more = [*([reply] if readable else []), *([part] if part else [])]
    # Do not begin with the first prompt, which may come from the cache that it filled.
    order = [second, first, *prompts[2:]]
    together = _read(model, order, list(dict.fromkeys([*wanted, *more])))
    for answer in wanted:
        found.compare("alone and in a batch", answer, alone[answer], together[1][answer])
    if readable:
        found.compare(_WRITTEN, reply, written, together[0][reply])
    elif hasattr(model, "usage"):  # two routes on a server; in this process both are ours
        found.missing = (
            "it has other tokens then"
            if len(written)
            else "it came without words or log-probabilities"
        )
    if part:
        whole = max(wanted, key=lambda answer: len(ids[answer]))
        of_part = together[1][part]
        within = together[1][whole][: len(of_part)]
        found.compare("by itself and as the beginning of the answer", part, of_part, within)
    ids |= {reply: _ids_or_none(model, reply)} if readable else {}
    found.see_sameness(together, ids, len(set(order)))

    def read(some: Sequence[Prompt]) -> FloatArray:
        return np.array([_sums(one, wanted) for one in _read(model, some, wanted)])

    before = {prompt: _sums(one, wanted) for prompt, one in zip(order, together, strict=True)}
    return _with_float32(model, found.finding, before, read, "nats")


def _examine_outputs(model: Any, prompts: Sequence[Prompt]) -> Finding:
    """The same of a regression, whose outputs are no log-probabilities."""
    found = _Comparisons(getattr(model, "rounding", _UNKNOWN_ROUNDING), unit="")
    alone = dict(model.outputs(prompts[:1]))[0]
    order = [*prompts[1:], prompts[0]]
    outputs = dict(model.outputs(order))
    together = {prompt: outputs[number] for number, prompt in enumerate(order)}
    found.compare("alone and in a batch", "output", alone, together[prompts[0]])

    def read(some: Sequence[Prompt]) -> FloatArray:
        outputs = dict(model.outputs(some))
        return np.array([outputs[number] for number in range(len(some))])

    return _with_float32(model, found.finding, together, read, "")


def _with_float32(
    model: Any,
    finding: Finding,
    before: Mapping[Prompt, Any],
    read: Callable[[Sequence[Prompt]], FloatArray],
    unit: str,
) -> Finding:
    """The finding with the error of values due to half precision.

    Args:
        model: The model.
        finding: What was found before.
        before: The values of different prompts.
        read: Reads the values of prompts anew.
        unit: Unit of the values.
    """
    if finding.differences or not getattr(model, "half_precision", None):
        return finding
    some = list(before)[:N_IN_FLOAT32]
    values = np.array([before[prompt] for prompt in some])
    return replace(finding, half=model.compared_with_float32(values, lambda: read(some), unit))


def _sums(read: Mapping[str, FloatArray], answers: Sequence[str]) -> list[float]:
    """The log-probability of each answer as a whole."""
    return [float(read[answer].sum()) for answer in answers]


class _Comparisons:
    """Pairs of values that should be equal.

    Args:
        rounding: Nats by which a token may differ.
        unit: Unit of the values.
    """

    def __init__(self, rounding: float, unit: str = " nats") -> None:
        self._rounding = rounding
        self._unit = unit
        self._differences: list[str] = []
        self._compared: list[str] = []
        self._largest = 0.0
        self.missing = ""

    def compare(self, ways: str, answer: str, one: FloatArray, other: FloatArray) -> None:
        """Compare (n_tokens,) values of one answer, taken in two ways."""
        self._compared.append(ways)
        off = np.abs(one - other)
        self._largest = max(self._largest, float(off.max()))
        allowed = self._rounding * (1 + _RELATIVE * np.abs(one))
        if (off > allowed).any():
            sums = f"{one.sum():.3f} and {other.sum():.3f}{self._unit}"
            what = f'log P("{shorten(answer)}")' if self._unit else f"the {answer}"
            self._differences.append(f"{ways}, {what} is {sums}")

    def see_sameness(
        self, read: list[dict[str, FloatArray]], ids: dict[str, list[int]], n_prompts: int
    ) -> None:
        """See whether all tokens have one value, or all prompts the same values.

        Args:
            read: For each prompt, log-probabilities by answer.
            ids: The tokens of different answers.
            n_prompts: How many of the prompts are different ones.
        """
        values = np.array([np.concatenate([one[answer] for answer in ids]) for one in read])
        n_tokens = max(len(ids), len({token for of_answer in ids.values() for token in of_answer}))
        rivals = [answer for answer, of_answer in ids.items() if len(of_answer) == 1]
        is_sure = values.min() > _SURE
        if n_tokens > 1 and values.size >= _FEWEST_VALUES and np.ptp(values) < _SAME:
            if not is_sure or len(rivals) > 1:  # rivals cannot both be sure
                self._differences.append(
                    f"the {values.size} tokens read all have the same, {values[0, 0]:.3f} nats, "
                    "whatever the token and the prompt"
                )
        elif n_prompts >= _FEWEST_PROMPTS and not is_sure and np.ptp(values, axis=0).max() < _SAME:
            answer = next(iter(ids))
            self._differences.append(
                f'after {n_prompts} different prompts log P("{shorten(answer)}") is the same to '
                f"the last digit, {read[0][answer].sum():.6f} nats, as from a stale cache or a "
                "chat template that leaves the input out"
            )

    @property
    def finding(self) -> Finding:
        """What was found."""
        compared = tuple(dict.fromkeys(self._compared))
        return Finding(tuple(self._differences), self._largest, compared, self.missing)


def _kind(model: LanguageModel, prompt: Prompt, answers: Sequence[str]) -> object:
    """Kinds of questions that a model handles separately: single tokens, and pictures."""
    checkable: Any = model
    return all(len(checkable.answer_ids(answer)) == 1 for answer in answers), prompt.has_images


def _chosen(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Up to three different prompts of those asked, not the first ones if there are more."""
    third = len(prompts) // 3
    some = [prompts[third], prompts[-1 - third], prompts[-1], *prompts[:3]]
    return list(dict.fromkeys(some))[:3]


def _read(
    model: LanguageModel, prompts: Sequence[Prompt], answers: Sequence[str]
) -> list[dict[str, FloatArray]]:
    """Log-probabilities by answer, for each prompt."""
    scored = dict(model.log_probs(prompts, answers))
    return [dict(zip(answers, scored[number], strict=True)) for number in range(len(prompts))]


def _part(model: Checkable, answer: str) -> str | None:
    """The first words of an answer, about half; None if their tokens are not its first tokens."""
    ids = list(model.answer_ids(answer))
    middle = answer.rfind(" ", 1, len(answer) // 2 + 1)
    if len(ids) < 2 or middle < 0 or not answer[:middle].strip():
        return None
    first = _ids_or_none(model, answer[:middle])
    return answer[:middle] if first and first == ids[: len(first)] else None


def _ids_or_none(model: Checkable, answer: str) -> list[int]:
    """The tokens of an answer; none if the model refuses it."""
    try:
        return list(model.answer_ids(answer))
    except ArgumentError:
        return []
