"""Which kind of model the files of transformers hold."""

from collections.abc import Callable

from spex.models._environment import require
from spex.models._hub import locate
from spex.models._loading import Placement, from_files
from spex.models.classifier import SequenceClassifier
from spex.models.huggingface import HuggingFaceModel
from spex.models.seq2seq import Seq2SeqModel


def load_transformers(
    source: str,
    *,
    name: str | None = None,
    placement: Placement | None = None,
    notice: Callable[[str], None] | None = None,
) -> HuggingFaceModel:
    """Load a model as what its configuration says it is.

    Args:
        source: a folder, or a name on the Hugging Face hub.
        name: what to call the model in reports; the source unless given.
        placement: where and how it runs.
        notice: is told what takes long.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BackendError: the model cannot be found or loaded.
        ArgumentError: no such device or dtype.
    """
    require("torch", "hf")
    files = locate(source, notice)
    config = from_files("AutoConfig", files, name or source, "model of transformers")
    kind = HuggingFaceModel
    if any(each.endswith("ForSequenceClassification") for each in config.architectures or ()):
        kind = SequenceClassifier
    elif config.is_encoder_decoder:
        kind = Seq2SeqModel
    return kind(files, name=name, notice=notice, **(placement or Placement()).options)
