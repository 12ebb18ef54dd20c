"""Masks evaluated by the workers of a Ray cluster, each of which holds the model once.

The driver keeps the store: workers get packed masks in blocks and give values back.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.engines.blocks import Block, Blocks, Pace
from spex.engines.recipe import from_bytes, to_bytes
from spex.errors import ArgumentError, BackendError, SpexError
from spex.extras import require
from spex.f2.packing import pack, unpack
from spex.values.source import ValueSource, Wrapped

_DEATHS = 3  # of workers, for each of them, until the run is given up
# Ray gives a node 15 seconds to begin, and a busy machine may take longer.
_ATTEMPTS, _TOO_LATE = 4, "timed out during startup"


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster as a place to evaluate masks.

    Args:
        address: Of a cluster, such as "10.0.0.1:6379" or "auto"; default: the cluster that this
            process is connected to, or else one on this machine that ends with the run.
        workers: How many, each with a model of its own; default: one for each GPU of the cluster,
            or where it has none, one for each core.
        factory: Makes the source in a worker; default: the source itself is sent, with the models
            that `spex.models.load` gave by their names.

    Raises:
        ArgumentError: the number of workers is below 1.

    Example:
        >>> import spex
        >>> spex.RayEngine("auto", workers=2).workers
        2
    """

    address: str | None = None
    workers: int | None = None
    factory: Callable[[], ValueSource] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ArgumentError(f"workers={self.workers}; give at least 1")

    @contextmanager
    def running(self, source: ValueSource) -> Iterator[ValueSource]:
        """The source, whose masks the workers evaluate.

        Raises:
            ArgumentError: the source cannot be sent.
            BackendError: there is no cluster at the address.
            MissingExtraError: Ray is not installed.
        """
        ray = _ray(self.address)
        content = to_bytes(self.factory or source)  # type: ignore[arg-type]
        is_ours = not ray.is_initialized()
        if is_ours:
            _connect(ray, self.address, self.workers)
        try:
            found = ray.cluster_resources()
            gpus = int(found.get("GPU", 0))
            count = self.workers or gpus or int(found.get("CPU", 1))
            with _Workers(ray, content, self.factory is not None, count, gpus) as workers:
                yield _OnRay(source, workers)
        finally:
            if is_ours:
                ray.shutdown()


def engine_of(engine: str | RayEngine) -> RayEngine:
    """The engine that "ray" or "ray:ADDRESS" names.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(engine, RayEngine):
        return engine
    if isinstance(engine, str):
        name, _, address = engine.partition(":")
        if name == "ray":
            return RayEngine(address or None)
    raise ArgumentError(f"engine={engine!r}; give 'ray', 'ray:ADDRESS' or a spex.RayEngine")


def _ray(address: str | None) -> Any:
    if address is None:
        # A cluster of our own has the address 127.0.0.1; Ray reads this when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return require("ray", "ray")


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        options |= {"include_dashboard": False, "num_cpus": workers}
    for attempt in range(_ATTEMPTS):
        try:
            ray.init(address=address or "local", **options)
            return
        except Exception as error:
            if address is None and _TOO_LATE in str(error) and attempt < _ATTEMPTS - 1:
                continue
            raise BackendError(
                f"Ray cannot be reached at {address or 'this machine'}: {error}; start a cluster "
                "with `ray start --head`, or leave the address out"
            ) from error


class _Worker:
    """What runs in a worker: a source of its own."""

    def __init__(self, content: bytes, is_factory: bool) -> None:
        made: Any = from_bytes(content)
        self._source: ValueSource = made() if is_factory else made

    def evaluate(
        self, words: WordArray, n: int
    ) -> tuple[IntArray, FloatArray, float, Exception | None]:
        """Rows, values and seconds of packed masks; the error after which rows are missing."""
        began, error = time.perf_counter(), None
        rows: list[IntArray] = [np.zeros(0, dtype=np.int64)]
        values: list[FloatArray] = []
        try:
            for some, of_some in self._source.stream(unpack(words, n)):
                rows.append(some)
                values.append(np.asarray(of_some))
        except SpexError as raised:
            error = raised
        except Exception as raised:  # it may be of a class that only this process knows
            error = BackendError(f"in a worker: {type(raised).__name__}: {raised}")
        found = np.concatenate(values) if values else np.zeros(0)
        return np.concatenate(rows), found, time.perf_counter() - began, error


class _Workers:
    """The actors of a run, and their blocks in flight."""

    def __init__(self, ray: Any, content: bytes, is_factory: bool, count: int, gpus: int) -> None:
        self._ray = ray
        resources = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        self._class = ray.remote(**resources, max_restarts=0)(_Worker)
        self._content = ray.put(content)
        self._is_factory = is_factory
        self._deaths_left = _DEATHS * count
        self._made = 0
        self._actors: dict[int, Any] = {}
        self._paces: dict[int, Pace] = {}
        for _ in range(count):
            self._start()

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)

    def _start(self) -> None:
        number, self._made = self._made, self._made + 1
        self._actors[number] = self._class.remote(self._content, self._is_factory)
        self._paces[number] = Pace()

    def evaluate(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """Values of (m, n) masks as they come, each row once."""
        ray, n = self._ray, masks.shape[1]
        words, blocks = pack(masks), Blocks(len(masks))
        flying: dict[Any, tuple[int, Block]] = {}
        while not blocks.are_done:
            for worker in list(self._actors):
                while block := blocks.give(worker, self._paces[worker], len(self._actors)):
                    call = self._actors[worker].evaluate.remote(words[block.rows], n)
                    flying[call] = worker, block
            (ready,), _ = ray.wait(list(flying))
            worker, block = flying.pop(ready)
            try:
                rows, values, seconds, error = ray.get(ready)
            except ray.exceptions.RayError as gone:
                if worker in self._actors:
                    blocks.lose(worker)
                    self._replace(worker, gone)
                continue
            if worker in self._paces:
                self._paces[worker].note(len(rows), seconds)
            done = np.zeros(len(block.rows), dtype=np.bool_)
            done[rows] = True
            new = blocks.finish(worker, block, done)
            chosen = new[rows]
            if chosen.any():
                yield block.rows[rows[chosen]], values[chosen]
            if error is not None:
                raise error
            if not done.all():
                raise BackendError(f"a worker gave {len(rows)} values for {len(done)} masks")

    def _replace(self, worker: int, error: Any) -> None:
        """Start another worker for one that is gone.

        Raises:
            BackendError: too many are gone, or it could not make the source.
        """
        self._ray.kill(self._actors.pop(worker))
        del self._paces[worker]
        if getattr(error, "_actor_init_failed", False) or getattr(
            error, "actor_init_failed", False
        ):
            raise BackendError(f"a worker cannot make the source: {_last_line(error)}") from error
        self._deaths_left -= 1
        if self._deaths_left < 0:
            raise BackendError(
                f"workers of Ray ended again and again, the last one so: {_last_line(error)}; see "
                "their logs, and whether a mask needs more memory than a worker has"
            ) from error
        self._start()


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


class _OnRay(Wrapped):
    """A source whose masks the workers evaluate."""

    def __init__(self, source: ValueSource, workers: _Workers) -> None:
        super().__init__(source)
        self._workers = workers

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        return self._workers.evaluate(np.asarray(masks, dtype=np.bool_))
