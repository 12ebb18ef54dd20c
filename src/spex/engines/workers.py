"""The workers of a Ray cluster: each loads a model once, and evaluates masks of many sources."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.engines.blocks import Block, Blocks, Pace
from spex.engines.recipe import from_bytes, to_bytes
from spex.errors import BackendError, SpexError
from spex.f2.packing import pack, unpack
from spex.values.retrying import place_of
from spex.values.source import ValueSource, Wrapped

_DEATHS = 3  # per worker and call, before the call gives up
_SOURCES = 32  # kept by a worker; sources share their models


class Worker:
    """What runs in a worker: sources by number, and the models that they share."""

    def __init__(self) -> None:
        self._sources: OrderedDict[int, ValueSource] = OrderedDict()
        self._models: dict[Any, Any] = {}

    def _source(self, sent: "Sent") -> ValueSource:
        found = self._sources.get(sent.number)
        if found is None:
            try:
                made: Any = from_bytes(sent.content(), self._models)
                found = made() if sent.is_factory else made
            except Exception as raised:
                said = f"{type(raised).__name__}: {raised}"
                raise BackendError(f"a worker cannot make the source: {said}") from None
            self._sources[sent.number] = found
            if len(self._sources) > _SOURCES:
                self._sources.popitem(last=False)
        return found

    def evaluate(
        self, sent: "Sent", words: WordArray, n: int
    ) -> tuple[IntArray, FloatArray, float, Exception | None]:
        """Rows, values and seconds of packed masks; the error after which rows are missing."""
        error: Exception | None = None
        rows: list[IntArray] = [np.zeros(0, dtype=np.int64)]
        values: list[FloatArray] = []
        began = time.perf_counter()
        try:
            source = self._source(sent)
            began = time.perf_counter()  # do not count the time to load a model
            for some, of_some in source.stream(unpack(words, n)):
                rows.append(some)
                values.append(np.asarray(of_some))
        except SpexError as raised:
            error = raised
        except Exception as raised:  # the parent may not know its class
            where = place_of(raised) or "in spex itself"
            said = f"{type(raised).__name__}: {raised} ({where})"
            error = BackendError(f"in a worker: {said}")
        found = np.concatenate(values) if values else np.zeros(0)
        return np.concatenate(rows), found, time.perf_counter() - began, error


@dataclass(frozen=True)
class Sent:
    """A source on its way to workers.

    Args:
        number: Number of the source, unique among these workers.
        content: Gives its bytes, which a worker asks for once.
        is_factory: Whether they are a function that makes it.
    """

    number: int
    content: Callable[[], bytes]
    is_factory: bool = False


class _Kept:
    """Bytes in Ray's store of objects."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def __call__(self) -> bytes:
        import ray

        content: bytes = ray.get(self._reference)
        return content


class Workers:
    """The workers of a run, and their blocks in flight.

    Args:
        ray: The module, connected to a cluster.
        n_workers: How many.
        gpus: GPUs of the cluster. Each worker takes one, or a core if there are none.
        factory: Makes the source in a worker, in place of the one that is sent.
    """

    def __init__(
        self, ray: Any, n_workers: int, gpus: int, factory: Callable[[], ValueSource] | None
    ) -> None:
        self._ray, self._factory = ray, factory
        resources = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        self._class = ray.remote(**resources, max_restarts=0)(Worker)
        self._numbers = count()  # of sources
        self._names = count()  # of workers
        self._actors: dict[int, Any] = {}
        self._paces: dict[int, Pace] = {}
        for _ in range(n_workers):
            self._start()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)

    def _start(self) -> None:
        name = next(self._names)
        self._actors[name] = self._class.remote()
        self._paces[name] = Pace()

    def source(self, source: ValueSource) -> "OnWorkers":
        """A source whose masks the workers evaluate.

        Raises:
            ArgumentError: it cannot be sent.
        """
        content = self._ray.put(to_bytes(self._factory or source))  # type: ignore[arg-type]
        sent = Sent(next(self._numbers), _Kept(content), self._factory is not None)
        return OnWorkers(source, sent, self)

    def evaluate(
        self, jobs: "Sequence[tuple[Sent, BoolArray]]", errors: dict[int, Exception]
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Values of masks of several sources as they come, each row once.

        A source that fails costs the others nothing. Its running blocks are waited for.

        Args:
            jobs: Sources, and (m, n) masks of each.
            errors: Gets the error of each source that failed, by its number among the jobs.

        Returns:
            (number of the source, row numbers (k,), values (k,) or (k, q)).

        Raises:
            BackendError: workers are lost again and again.
        """
        ray, words = self._ray, [pack(masks) for _, masks in jobs]
        blocks = Blocks(*map(len, words))
        deaths_left = _DEATHS * len(self._actors)
        flying: dict[Any, tuple[int, Block]] = {}
        while not blocks.are_done:
            for worker in list(self._actors):
                while block := blocks.give(worker, self._paces[worker], len(self._actors)):
                    sent, masks = jobs[block.part]
                    call = self._actors[worker].evaluate.remote(
                        sent, words[block.part][block.rows], masks.shape[1]
                    )
                    flying[call] = worker, block
            (ready,), _ = ray.wait(list(flying))
            worker, block = flying.pop(ready)
            try:
                rows, values, seconds, error = ray.get(ready)
            except ray.exceptions.RayError as gone:
                if worker in self._actors:
                    deaths_left -= 1
                    blocks.lose(worker)
                    self._replace(worker, gone, deaths_left)
                continue
            if worker in self._paces:
                self._paces[worker].note(len(rows), seconds)
            done = np.zeros(len(block.rows), dtype=np.bool_)
            done[rows] = True
            chosen = blocks.finish(worker, block, done)[rows]
            if error is None and not done.all():
                error = BackendError(f"a worker gave {len(rows)} values for {len(done)} masks")
            if error is not None:
                blocks.drop(block.part)
                errors.setdefault(block.part, error)
            if chosen.any():
                yield block.part, block.rows[rows[chosen]], values[chosen]

    def _replace(self, worker: int, error: Any, deaths_left: int) -> None:
        """Start another worker for one that is gone.

        Raises:
            BackendError: too many are gone.
        """
        self._ray.kill(self._actors.pop(worker))
        del self._paces[worker]
        self._start()
        if getattr(error, "actor_init_failed", False):
            raise BackendError(
                f"a worker cannot begin: {_last_line(error)}; install the same packages on all "
                "machines"
            ) from error
        if deaths_left < 0:
            raise BackendError(
                f"workers of Ray keep ending; the last error: {_last_line(error)}; check their "
                "logs, and whether a mask needs more memory than a worker has"
            ) from error


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


class OnWorkers(Wrapped):
    """A source whose masks workers evaluate.

    Args:
        source: Source of the values.
        sent: The same for the workers.
        workers: They evaluate it.
    """

    def __init__(self, source: ValueSource, sent: Sent, workers: Workers) -> None:
        super().__init__(source)
        self.sent, self.workers = sent, workers

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `ValueSource.stream`."""
        errors: dict[int, Exception] = {}
        for _, rows, values in stream_on_workers([self], [masks], errors):
            yield rows, values
        if errors:
            raise errors[0]


def stream_on_workers(
    sources: Sequence[OnWorkers], masks: Sequence[BoolArray], errors: dict[int, Exception]
) -> Iterator[tuple[int, IntArray, FloatArray]]:
    """Values of several sources with the same workers; see `Workers.evaluate`."""
    given = [np.asarray(its, dtype=np.bool_) for its in masks]
    jobs = [(source.sent, its) for source, its in zip(sources, given, strict=True)]
    return sources[0].workers.evaluate(jobs, errors)
