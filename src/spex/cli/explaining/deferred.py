"""A repeated `spex explain` whose values are all in the store: no model is loaded for it.

The store also keeps what a loaded model tells about a call: the identity of its values, its own
answer, and what reports say. The key is everything that these depend on: the input, the score, the
options, and the name, size and modification time of each file of the model. This works only for
models in files on this machine, because these files can be checked without loading anything.
"""

import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spex._typing import BoolArray, FloatArray, IntArray
from spex._version import __version__
from spex.cli.explaining.functions import Function, make_function, model_name
from spex.context import Context
from spex.errors import BackendError, SpexError
from spex.saving import Found
from spex.values.identity import content_identity
from spex.values.source import OfMasker
from spex.values.value_function import ValueFunction

if TYPE_CHECKING:
    from spex.cli.explaining.inputs import AnyMasker
    from spex.cli.explaining.request import Request
    from spex.cli.session import Session
    from spex.models.protocol import LanguageModel
    from spex.scores.log_probabilities import Score
    from spex.values.store import Store

_FORMAT = 1
_PACKAGES = ("torch", "transformers")


class Deferred(OfMasker):
    """A value function as a source. It is made, with its model, when a value is missing.

    Args:
        masker: What is masked.
        known: Data that a function of the same call gave before; see `_told_by`.
        make: Makes the function.
    """

    outputs: tuple[str, ...] | None = None  # one score

    def __init__(
        self, masker: "AnyMasker", known: Found, make: Callable[[], ValueFunction]
    ) -> None:
        self.masker = masker
        self._identity = known["identity"].text()
        context = Context.from_json(known["context"], masker.n_features)
        self._context = replace(context, notes=known["notes"].texts())
        self._make = make
        self._function: ValueFunction | None = None

    @property
    def identities(self) -> tuple[str, ...]:
        """See `ValueSource.identities`."""
        return (self._identity,)

    @property
    def is_loaded(self) -> bool:
        """Whether a value was missing."""
        return self._function is not None

    def contexts(self) -> tuple[Context, ...]:
        """See `ValueSource.contexts`."""
        return (self._context,) if self._function is None else self._function.contexts()

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `ValueSource.stream`.

        Raises:
            BackendError: the model is not the one whose values are in the store.
        """
        return self._loaded().stream(masks)

    @property
    def n_calls_of_check(self) -> int:
        """See `ValueFunction.n_calls_of_check`."""
        return self._loaded().n_calls_of_check

    def check_scoring(self, masks: BoolArray) -> None:
        """See `ValueFunction.check_scoring`."""
        self._loaded().check_scoring(masks)

    def _loaded(self) -> ValueFunction:
        if self._function is None:
            self._function = self._make()
            if self._function.identities != self.identities:
                raise BackendError(
                    f"the model {self._context.model!r} has changed, although its files look the "
                    "same; choose another --store"
                )
        return self._function


def function_of(
    session: "Session",
    request: "Request",
    masker: "AnyMasker",
    score: "Score",
    model: "LanguageModel | None",
    store: "Store | None",
) -> Function | Deferred:
    """The function to explain, without its model if the store knows that model.

    Raises:
        SpexError: see `spex.cli.explaining.functions.make_function`.
    """

    def make() -> Function:
        return make_function(session, request, masker, score, model, store)

    several = request.prompt_parts is not None  # items, each with its own identity
    files = None if several or model is not None or session.has_own_loader else _files(request)
    if store is None or files is None:
        return make()
    key = _key(request, masker, files)
    if (kept := store.get_answer(key)) is not None:
        try:
            return Deferred(masker, Found(json.loads(kept)), make)  # type: ignore[arg-type]
        except (SpexError, ValueError):  # damaged: treat it as missing
            pass
    function = make()
    if isinstance(function, ValueFunction) and (told := _told_by(function)) is not None:
        store.put_answer(key, told)
    return function


def _files(request: "Request") -> list[list[Any]] | None:
    """Path, size and modification time of the model's files; None if it has no local files."""
    name = model_name(request)
    try:
        if name == "smollm2":
            from spex.models.transformers.checkpoints.smollm2 import find_gguf

            paths = [find_gguf()]
        elif name.startswith("hf:") and (folder := Path(name[3:]).expanduser()).is_dir():
            paths = sorted(path for path in folder.rglob("*") if path.is_file())
        else:
            return None
        found = ((path.resolve(), path.stat()) for path in paths)
        return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in found]
    except (OSError, SpexError):  # loading the model reports the error
        return None


def _key(request: "Request", masker: "AnyMasker", files: list[list[Any]]) -> str:
    content = {
        "format": _FORMAT,
        "spex": __version__,
        "model": model_name(request),
        "files": files,
        "options": request.model_options,
        "masker": masker.describe(),
        "score": [request.score, request.answer, request.max_new_tokens],
        # The default precision depends on the available devices.
        "machine": [platform.node(), os.environ.get("CUDA_VISIBLE_DEVICES")],
        "packages": [_version(name) for name in _PACKAGES],
    }
    return content_identity(content)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _told_by(function: ValueFunction) -> str | None:
    """The data that the function gives of itself, as JSON; None if it has no identity."""
    if function.identities is None:
        return None
    (context,), (identity,) = function.contexts(), function.identities
    told = {"identity": identity, "context": context.to_json(), "notes": list(context.notes)}
    return json.dumps(told)
