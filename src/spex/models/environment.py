"""The cache folder, and how to keep transformers silent."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from spex.extras import require

CACHE_VARIABLE = "SPEX_CACHE_DIR"


def cache_folder() -> Path:
    """The folder for files that can be rebuilt: $SPEX_CACHE_DIR, else the user's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("spex"))


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars, warnings and log lines of transformers and the hub, then restore."""
    transformers_logging = require("transformers.utils.logging", "hf")
    hub = require("huggingface_hub.utils", "hf")
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    hub_bars = not hub.are_progress_bars_disabled()
    hub_verbosity = hub.logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    hub.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The hub warns if its own environment variable already sets the bars.
            hub.disable_progress_bars()
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        hub.logging.set_verbosity(hub_verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
        if hub_bars:
            hub.enable_progress_bars()
