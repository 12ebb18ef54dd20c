"""Load a model of transformers as the kind that its configuration names."""

from collections.abc import Callable, Sequence

from spex.errors import BackendError
from spex.extras import require
from spex.models.chat import ChatOptions
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.checkpoints.hub import locate
from spex.models.transformers.checkpoints.loading import Placement, from_files
from spex.models.transformers.classifier import SequenceClassifier
from spex.models.transformers.seq2seq import Seq2SeqModel
from spex.models.transformers.vision import VisionLanguageModel


def load_transformers(
    source: str,
    *,
    name: str | None = None,
    placement: Placement | None = None,
    chat: ChatOptions | None = None,
    notice: Callable[[str], None] | None = None,
) -> HuggingFaceModel:
    """Load a model as the kind that its configuration names.

    Args:
        source: a folder, or a name on the Hugging Face hub.
        name: what to call the model in reports; default: the source.
        placement: where and how it runs.
        chat: variables of the chat template, and the start of the answer.
        notice: is told what takes long.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BackendError: the model cannot be found or loaded.
        ArgumentError: no such device or dtype.
    """
    require("torch", "hf")
    files = locate(source, notice)
    if not (files.folder / "config.json").is_file():
        raise BackendError(
            f"{files.folder} holds no model of transformers: there is no config.json in it; give a "
            "folder that save_pretrained wrote"
        )
    config = from_files("AutoConfig", files, name or source, "model of transformers")
    architectures = config.architectures or ()
    kind = HuggingFaceModel
    if any(each.endswith("ForSequenceClassification") for each in architectures):
        kind = SequenceClassifier
    elif _read_pictures(architectures):
        if config.is_encoder_decoder:
            raise BackendError(
                f"{name or source!r} is an encoder-decoder that reads pictures, which spex does "
                "not support; use a model whose decoder reads them, such as LLaVA or Qwen-VL"
            )
        kind = VisionLanguageModel
    elif config.is_encoder_decoder:
        kind = Seq2SeqModel
    options = (placement or Placement()).options
    return kind(files, name=name, chat=chat, notice=notice, **options)


def _read_pictures(architectures: Sequence[str]) -> bool:
    """Whether transformers lists one of the architectures as image-text-to-text."""
    auto = require("transformers.models.auto.modeling_auto", "hf")
    names = set(auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values())
    return not names.isdisjoint(architectures)
