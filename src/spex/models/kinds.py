"""Which kind of model the files of transformers hold."""

from collections.abc import Callable

from spex.errors import BackendError
from spex.models._environment import quiet, require
from spex.models._hub import first_line, locate
from spex.models.classifier import SequenceClassifier
from spex.models.huggingface import HuggingFaceModel
from spex.models.seq2seq import Seq2SeqModel


def load_transformers(
    source: str, *, name: str | None = None, notice: Callable[[str], None] | None = None
) -> HuggingFaceModel:
    """Load a model as what its configuration says it is.

    Args:
        source: a folder, or a name on the Hugging Face hub.
        name: what to call the model in reports; the source unless given.
        notice: is told what takes long.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BackendError: the model cannot be found or loaded.
    """
    require("torch", "hf")
    transformers = require("transformers", "hf")
    files = locate(source, notice)
    if not (files.folder / "config.json").is_file():
        raise BackendError(
            f"{files.folder} holds no model of transformers: there is no config.json in it; give a "
            "folder that save_pretrained wrote"
        )
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # a broken or foreign file can raise anything
        raise BackendError(
            f"{name or source!r} cannot be loaded as a model of transformers: {first_line(error)}"
        ) from error
    kind = HuggingFaceModel
    if any(each.endswith("ForSequenceClassification") for each in config.architectures or ()):
        kind = SequenceClassifier
    elif config.is_encoder_decoder:
        kind = Seq2SeqModel
    return kind(files, name=name, notice=notice)
