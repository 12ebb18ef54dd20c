"""A function from a prompt to a reply as a language model: a chain, an agent, any client."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from spex._typing import FloatArray
from spex.checks.arguments import whole_number
from spex.errors import ArgumentError, BackendError, ValueFunctionError
from spex.models.protocol import Message, Prompt
from spex.models.servers.concurrency import stream
from spex.models.transformers.checkpoints.hub import first_line

_WITHOUT_LOG_PROBS = (
    "returns text and no log-probabilities: choose a score of replies, such as spex.Similarity(), "
    "spex.Matches(pattern), spex.JsonField(path, value) or a function (prompt, reply) -> number"
)


class FunctionModel:
    """A function from a prompt to a reply; see `LanguageModel` for the methods' contract.

    A `spex.ValueFunction` makes one of a plain function by itself; make it yourself for several
    calls at once, or for a name to store values under. Scores of replies go with it. How
    long a reply is, is the function's own affair.

    Args:
        function: is given the user's message, a str, or, where there are other messages too, all of
            them as a list of {"role": ..., "content": ...}; returns the reply, a str. The start of
            an answer, such as reasoning, is a last message of the assistant. It should
            return the same reply to the same prompt: set its temperature to 0.
        name: what to call it in reports; default: the function's own name.
        identity: what its replies are stored under. A function cannot be hashed: give another one
            to another function. Default: its attribute `identity`, if it has one; with
            neither, nothing is stored.
        concurrency: the most calls at once, each in a thread.

    Raises:
        ArgumentError: an argument is wrong.
    """

    may_vary = True  # see `spex.values.repeatability`

    def __init__(
        self,
        function: Callable[[Any], str],
        *,
        name: str | None = None,
        identity: str | None = None,
        concurrency: int = 1,
    ) -> None:
        if not callable(function):
            raise ArgumentError(f"function={function!r} cannot be called")
        self._function = function
        self._concurrency = whole_number("concurrency", concurrency, 1)
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        told = identity or getattr(function, "identity", None)
        self.identity = f"function:{told}" if isinstance(told, str) else None

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """See `LanguageModel.generate`."""
        replies = dict(self.replies(prompts))
        return [replies[number] for number in range(len(prompts))]

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`.

        Raises:
            ValueFunctionError: the function returned something else than a str.
        """
        if self._concurrency == 1:  # in this thread: the function may depend on it
            return ((number, self._reply(prompt)) for number, prompt in enumerate(prompts))

        @asynccontextmanager
        async def threads() -> AsyncIterator[ThreadPoolExecutor]:
            pool = ThreadPoolExecutor(self._concurrency)
            try:
                yield pool
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

        async def reply(pool: ThreadPoolExecutor, number: int) -> str:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, self._reply, prompts[number])

        return stream(threads, reply, len(prompts), self._concurrency)

    def _reply(self, prompt: Prompt) -> str:
        begun = prompt.answer_prefix
        messages = [*prompt.messages, *([Message("assistant", begun)] if begun else [])]
        whole = [message.to_json() for message in messages]
        reply: object = self._function(messages[0].content if len(messages) == 1 else whole)
        if not isinstance(reply, str):
            raise ValueFunctionError(
                f"the model {self.name!r} returned a {type(reply).__name__}, not the reply as a "
                "str; return its text (a function that predicts numbers is no language model: "
                "explain it with spex.PredictFunction(masker, predict))"
            )
        return reply

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """Raise ArgumentError if probabilities of answers are asked for."""
        if answers:
            raise ArgumentError(f"the model {self.name!r} {_WITHOUT_LOG_PROBS}")

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """Raise ArgumentError: a reply tells no probabilities."""
        raise ArgumentError(f"the model {self.name!r} {_WITHOUT_LOG_PROBS}")

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """Raise ArgumentError: a function tells no tokens."""
        raise ArgumentError(f"the model {self.name!r} tells no tokens")


def import_function(place: str) -> Callable[..., Any]:
    """The function that "MODULE:FUNCTION" names, such as "my_models:forest.predict_proba".

    Modules are looked for in the current folder too. Importing one runs it.

    Raises:
        ArgumentError: the place has another form, or there is no such module or function.
        BackendError: the module cannot be imported.
    """
    module_name, _, path = place.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *path.split("."))):
        raise ArgumentError(
            f"{place!r} names no function; write MODULE:FUNCTION, such as my_models:answer for "
            "answer in my_models.py"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise ArgumentError(
                f"there is no module {error.name!r} in {here} or among the installed ones"
            ) from None
        raise BackendError(f"the module {module_name!r} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:  # importing runs the user's code
        kind = type(error).__name__
        raise BackendError(
            f"the module {module_name!r} cannot be imported: {kind}: {first_line(error)}"
        ) from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ArgumentError(f"{module_name!r} holds no {path!r}") from None
    if not callable(found):
        raise ArgumentError(f"{place!r} is a {type(found).__name__}, which cannot be called")
    return found
