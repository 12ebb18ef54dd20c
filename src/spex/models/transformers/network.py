"""A network of transformers: batches, lack of memory, errors, greedy decoding."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from spex._typing import IntArray
from spex.errors import BackendError
from spex.extras import require
from spex.models.transformers.checkpoints.hub import first_line
from spex.models.transformers.torch_backend import backend_errors

T = TypeVar("T")


class Network:
    """A network and how to call it.

    Args:
        torch: the module.
        model: the network.
        name: what messages call it.

    Attributes:
        device: where its inputs go.
        accepted: the names of its arguments.
        cache_name: what it calls its key-value cache, given and returned.
        first_position: the position of the first token of a text.
        n_positions: the number of positions of its table, if it has one with a row for padding.
    """

    def __init__(self, torch: Any, model: Any, name: str) -> None:
        self.torch = torch
        self.model = model
        self.name = name
        # A device map can leave parts on disk or in main memory, and fetch them when needed.
        offloaded = model.device.type == "meta"
        self.device = torch.device("cpu") if offloaded else model.device
        self.accepted = frozenset(inspect.signature(model.forward).parameters)
        # The name was changed in transformers 5.24.
        self.cache_name = "cache" if "cache" in self.accepted else "past_key_values"

        # As in RoBERTa, positions count from the row after the padding token's.
        tables = [
            (module.padding_idx + 1, len(module.weight))
            for name, module in model.named_modules()
            if "position" in name.rpartition(".")[2]
            and getattr(module, "padding_idx", None) is not None
        ]
        self.first_position = max((first for first, _ in tables), default=0)
        self.n_positions = min((size - first for first, size in tables), default=None)

    def __call__(self, part: Any = None, /, **inputs: Any) -> Any:
        """Call the network, or a part of it.

        Raises:
            BackendError: a table of the network has no row for a token or its position.
        """
        try:
            return (part or self.model)(**inputs)
        except (IndexError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "out of bounds" not in str(error):
                raise
            names = ("input_ids", "decoder_input_ids")
            length = max(inputs[name].shape[1] for name in names if name in inputs)
            raise BackendError(
                f"{self.name!r} failed on a text of {length} tokens: {first_line(error)}; if it "
                "holds fewer tokens than its configuration says, shorten the text"
            ) from error

    def tensor(self, array: Any) -> Any:
        """A numpy array as a tensor on the device of the inputs."""
        return self.torch.from_numpy(array).to(self.device)

    def new_cache(self, layers: Iterable[tuple[Any, Any]] = ()) -> Any:
        """A key-value cache that holds the (keys, values) of layers."""
        return require("transformers", "hf").DynamicCache(layers)

    def selected(self, cache: Any, slots: IntArray) -> Any:
        """A new cache of some positions of a cache, by their (m,) numbers."""
        index = self.torch.from_numpy(slots)
        return self.new_cache(
            tuple(part[:, :, index.to(part.device)] for part in (layer.keys, layer.values))
            for layer in cache.layers
        )

    def run(self, batches: Sequence[Sequence[Any]], forward: Callable[[Any], T]) -> Iterator[T]:
        """The result of each batch in turn. If memory runs out, the remaining batches are halved.

        Raises:
            BackendError: a batch failed.
        """
        waiting = list(reversed(batches))
        while waiting:
            try:
                with self.torch.inference_mode(), backend_errors(self.torch, self.name):
                    result = forward(waiting[-1])
            except BackendError as error:
                out_of_memory = isinstance(error.__cause__, self.torch.OutOfMemoryError)
                if not out_of_memory or len(waiting[-1]) == 1:
                    raise
                halves = [(batch[len(batch) // 2 :], batch[: len(batch) // 2]) for batch in waiting]
                waiting = [half for pair in halves for half in pair if half]
                continue
            waiting.pop()
            yield result

    def continued(
        self,
        argument: str,
        start: Sequence[int],
        max_new_tokens: int,
        ends: set[int],
        beginning: Mapping[str, Any] | None = None,
        **context: Any,
    ) -> tuple[list[int], list[float]]:
        """Decode greedily until a token that ends an answer, which is left out.

        Args:
            argument: the name of the argument that takes the tokens.
            start: the tokens to continue.
            max_new_tokens: the most new tokens.
            ends: the tokens that end an answer.
            beginning: other arguments of the passes that read `start`.
            context: other arguments of all passes.

        Returns:
            The new tokens, and the log-probability of each in nats.

        Raises:
            BackendError: a pass failed.
        """
        tokens = list(start)
        values: list[float] = []
        fed, cache = 0, None
        last_only = {"logits_to_keep": 1} if "logits_to_keep" in self.accepted else {}
        with self.torch.inference_mode(), backend_errors(self.torch, self.name):
            while len(tokens) < len(start) + max_new_tokens:
                inputs: dict[str, Any] = {
                    argument: self.torch.tensor([tokens[fed:]], device=self.device)
                }
                if cache is not None:
                    inputs[self.cache_name] = cache
                if not fed:
                    inputs.update(beginning or {})
                output = self(**inputs, use_cache=True, **context, **last_only)
                # A model without a key-value cache reads everything again each time.
                cache = getattr(output, self.cache_name, None)
                fed = len(tokens) if cache is not None else 0
                logits = output.logits[0, -1]
                token = int(logits.argmax())
                if token in ends:
                    break
                tokens.append(token)
                values.append(float(logits.float().log_softmax(dim=-1)[token]))
        return tokens[len(start) :], values
