"""Packages of optional extras: imported when used, with an error that names the extra."""

import importlib
from typing import Any

from spex.errors import MissingExtraError


def require(module: str, extra: str) -> Any:
    """Import a module of an optional extra.

    Any, not the module's type: torch and transformers take checkers half a minute to read.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} cannot be imported ({error}); "
            f"install it: pip install 'spex-explain[{extra}]'"
        ) from error
