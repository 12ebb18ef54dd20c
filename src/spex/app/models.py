"""Models that all sessions of the app share: each loaded once, and asked by one at a time."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from spex import models
from spex._typing import BoolArray, FloatArray, IntArray
from spex.models.servers.address import SERVER_PREFIXES
from spex.values.source import ValueSource, Wrapped

if TYPE_CHECKING:
    from spex.models.protocol import LanguageModel


class SharedModels:
    """Loads models by name, each once."""

    def __init__(self) -> None:
        self._loaded: dict[str, LanguageModel] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changing = threading.Lock()

    def load(
        self, name: str, notice: Callable[[str], None] | None = None, **options: Any
    ) -> "LanguageModel":
        """The model of this name and these options. Call it under `lock`."""
        # A server counts the cost of each explanation, and takes requests of several at once.
        if name.startswith(SERVER_PREFIXES):
            return models.load(name, notice, **options)
        key = repr((name, sorted(options.items())))
        if key not in self._loaded:
            self._loaded[key] = models.load(name, notice, **options)
        return self._loaded[key]

    def lock(self, name: str) -> AbstractContextManager[Any]:
        """Held while a model of this name is loaded or asked."""
        if name.startswith(SERVER_PREFIXES):
            return nullcontext()
        with self._changing:
            return self._locks[name]


class Serialised(Wrapped):
    """A source whose model is asked under a lock, one batch at a time."""

    def __init__(self, source: ValueSource, lock: AbstractContextManager[Any]) -> None:
        super().__init__(source)
        self._lock = lock

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `spex.ValueSource`; others may use the model between two batches."""
        batches = super().stream(masks)
        while True:
            with self._lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
